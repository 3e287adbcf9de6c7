//! Experiments as steps (argo-rollouts v1.10.1 `pkg/apis/rollouts/v1alpha1/types.go:
//! RolloutExperimentStep`).

use serde::Deserialize;
use units::Duration;

use super::super::analysis::DryRun;
use super::super::pod::PodMetadata;
use super::super::values::{LabelSelector, go_duration, nullable};
use super::RunArgument;

/// What an experiment of a step does.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentStep {
    /// Its ReplicaSets.
    #[serde(default, deserialize_with = "nullable")]
    pub templates: Vec<ExperimentTemplate>,
    /// How long its pods run, a Go duration; as long as the analyses take where unset.
    #[serde(default, deserialize_with = "nullable")]
    pub duration: String,
    /// Its analyses.
    #[serde(default, deserialize_with = "nullable")]
    pub analyses: Vec<ExperimentAnalysis>,
    /// Metrics that are measured but decide nothing.
    #[serde(default, deserialize_with = "nullable")]
    pub dry_run: Vec<DryRun>,
    /// Labels and annotations of its AnalysisRuns.
    #[serde(default)]
    pub analysis_run_metadata: Option<PodMetadata>,
    /// Seconds that its pods stay at the end; 30 where unset.
    #[serde(default)]
    pub scale_down_delay_seconds: Option<i32>,
}

impl ExperimentStep {
    /// How long its pods run; `None` without a time, and for a text that is none
    /// (`DurationString.Duration`).
    pub fn runs_for(&self) -> Option<Duration> {
        let nanos = go_duration(&self.duration).ok().filter(|_| !self.duration.is_empty())?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
    }
}

/// A ReplicaSet of an experiment (`RolloutExperimentTemplate`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentTemplate {
    /// Its name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Whose pods it runs.
    #[serde(default)]
    pub spec_ref: Option<SpecReference>,
    /// How many; 1 where unset.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Labels and annotations that its pods carry beside their own.
    #[serde(default)]
    pub metadata: Option<PodMetadata>,
    /// Its selector in place of the Rollout's.
    #[serde(default)]
    pub selector: Option<LabelSelector>,
    /// The share of the requests that it gets from a router.
    #[serde(default)]
    pub weight: Option<i32>,
    /// A Service for its pods.
    #[serde(default)]
    pub service: Option<ExperimentService>,
}

/// Whose pods a template of an experiment runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpecReference {
    /// Those of the wanted template.
    Canary,
    /// Those of the trusted one.
    Stable,
}

/// A Service for the pods of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ExperimentService {
    /// Its name; that of the ReplicaSet where empty.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
}

/// An analysis of an experiment (`RolloutExperimentStepAnalysisTemplateRef`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentAnalysis {
    /// Its name within the experiment.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The template.
    #[serde(default, deserialize_with = "nullable")]
    pub template_name: String,
    /// Whether it is a ClusterAnalysisTemplate.
    #[serde(default, deserialize_with = "nullable")]
    pub cluster_scope: bool,
    /// Arguments.
    #[serde(default, deserialize_with = "nullable")]
    pub args: Vec<RunArgument>,
    /// Whether its success ends the experiment.
    #[serde(default, deserialize_with = "nullable")]
    pub required_for_completion: bool,
}
