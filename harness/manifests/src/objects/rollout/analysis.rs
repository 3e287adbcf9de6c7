//! The analyses that a Rollout runs (argo-rollouts v1.10.1 `pkg/apis/rollouts/v1alpha1/types.go:
//! RolloutAnalysis`).

use serde::{Deserialize, Serialize};

use super::super::analysis::{DryRun, MeasurementRetention, TemplateReference};
use super::super::pod::{FieldReference, PodMetadata};
use super::super::values::nullable;

/// Which analysis to run (`RolloutAnalysis`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// The templates; merged into one run. Without any, the step never completes.
    #[serde(default, deserialize_with = "nullable")]
    pub templates: Vec<TemplateReference>,
    /// Arguments.
    #[serde(default, deserialize_with = "nullable")]
    pub args: Vec<RunArgument>,
    /// Metrics that are measured but decide nothing.
    #[serde(default, deserialize_with = "nullable")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements are kept.
    #[serde(default, deserialize_with = "nullable")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// Labels and annotations of the AnalysisRun.
    #[serde(default)]
    pub analysis_run_metadata: Option<PodMetadata>,
}

/// Analysis beside the steps (`RolloutAnalysisBackground`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", from = "BackgroundFields")]
pub struct BackgroundAnalysis {
    /// What is run.
    pub analysis: Analysis,
    /// The step at which it begins; the first where unset.
    pub starting_step: Option<i32>,
}

/// The fields as they stand in the manifest, where Go inlines the analysis.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename = "BackgroundAnalysis")]
pub(crate) struct BackgroundFields {
    #[serde(default, deserialize_with = "nullable")]
    templates: Vec<TemplateReference>,
    #[serde(default, deserialize_with = "nullable")]
    args: Vec<RunArgument>,
    #[serde(default, deserialize_with = "nullable")]
    dry_run: Vec<DryRun>,
    #[serde(default, deserialize_with = "nullable")]
    measurement_retention: Vec<MeasurementRetention>,
    #[serde(default)]
    analysis_run_metadata: Option<PodMetadata>,
    #[serde(default)]
    starting_step: Option<i32>,
}

impl From<BackgroundFields> for BackgroundAnalysis {
    fn from(fields: BackgroundFields) -> Self {
        Self {
            analysis: Analysis {
                templates: fields.templates,
                args: fields.args,
                dry_run: fields.dry_run,
                measurement_retention: fields.measurement_retention,
                analysis_run_metadata: fields.analysis_run_metadata,
            },
            starting_step: fields.starting_step,
        }
    }
}

/// An argument that a Rollout hands to an AnalysisRun (`AnalysisRunArgument`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunArgument {
    /// The name.
    pub name: String,
    /// The value; empty where it comes from elsewhere.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Where the value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<RunArgumentSource>,
}

/// Where a Rollout's argument comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunArgumentSource {
    /// The hash of a ReplicaSet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template_hash_value: Option<PodTemplateHash>,
    /// A field of the Rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldReference>,
}

/// Which ReplicaSet's hash.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub enum PodTemplateHash {
    /// The stable one.
    Stable,
    /// The new one.
    Latest,
    /// No hash: the argument's own value stays.
    #[serde(untagged)]
    Other(String),
}
