//! The Rollout (argo-rollouts v1.10.1 `pkg/apis/rollouts/v1alpha1/types.go`), its defaults
//! (`utils/defaults/defaults.go`) and fenceposts (`utils/replicaset/replicaset.go`).

use planted::Bug;
use serde::Deserialize;
use serde_json::Value as Json;
use units::Duration;
use yaml::{Node, Place};

use super::pod::{PodMetadata, PodTemplate};
use super::values::{IntOrString, LabelSelector, Rounding, go_duration, nullable};
use super::workload::at_least_zero;
use super::{Metadata, hash};

mod analysis;
mod arguments;
mod blue_green;
mod delays;
mod experiment;
mod references;
mod routing;
mod text;
mod validation;

pub use analysis::{Analysis, BackgroundAnalysis, PodTemplateHash, RunArgument, RunArgumentSource};
pub use blue_green::BlueGreenStrategy;
pub use delays::AbortDelay;
pub use experiment::{
    ExperimentAnalysis, ExperimentService, ExperimentStep, ExperimentTemplate, SpecReference,
};
pub use references::{Analyses, MergedAnalysis, ReferencedResources, References};
pub use routing::{ManagedRoute, PingPong, RouteStep, TrafficRouting};
pub use validation::InvalidSpec;

/// The label that tells a Rollout's ReplicaSets and pods by their template (argo-rollouts
/// `DefaultRolloutUniqueLabelKey`).
pub const HASH_LABEL: &str = "rollouts-pod-template-hash";

/// The annotation that counts a Rollout's templates, on its ReplicaSets and AnalysisRuns (argo-rollouts
/// `annotations.RevisionAnnotation`).
pub const REVISION: &str = "rollout.argoproj.io/revision";

/// A Rollout.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Rollout {
    /// Its metadata.
    pub metadata: Metadata,
    /// What is wanted.
    #[serde(default, deserialize_with = "nullable")]
    pub spec: RolloutSpec,
}

/// What a Rollout wants.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutSpec {
    /// Pods wanted; 1 where unset.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Which pods are its own. Validation requires it unless there is a `workloadRef`.
    #[serde(default)]
    pub selector: Option<LabelSelector>,
    /// The pods.
    #[serde(default, deserialize_with = "nullable")]
    pub template: PodTemplate,
    /// Another workload whose template is used.
    #[serde(default)]
    pub workload_ref: Option<WorkloadReference>,
    /// Seconds that a pod must be ready before it counts as available.
    #[serde(default, deserialize_with = "nullable")]
    pub min_ready_seconds: i32,
    /// Seconds without progress after which the Rollout is Degraded; 600 where unset.
    #[serde(default)]
    pub progress_deadline_seconds: Option<i32>,
    /// Whether that also aborts the update.
    #[serde(default, deserialize_with = "nullable")]
    pub progress_deadline_abort: bool,
    /// Old ReplicaSets kept; 10 where unset.
    #[serde(default)]
    pub revision_history_limit: Option<i32>,
    /// Whether a person has paused it.
    #[serde(default, deserialize_with = "nullable")]
    pub paused: bool,
    /// Pods older than this are restarted; an RFC 3339 time.
    #[serde(default)]
    pub restart_at: Option<String>,
    /// Which earlier revisions may be returned to without steps.
    #[serde(default)]
    pub rollback_window: Option<RollbackWindow>,
    /// How many finished AnalysisRuns are kept.
    #[serde(default, deserialize_with = "nullable")]
    pub analysis: AnalysisHistory,
    /// How pods are replaced.
    #[serde(default, deserialize_with = "nullable")]
    pub strategy: RolloutStrategy,
}

impl Rollout {
    /// Fills in what serde cannot see: hashes and places.
    pub(crate) fn finish(&mut self, node: &Node) {
        self.spec.template.finish(node.at(&["spec", "template"]));
        let Some(canary) = &mut self.spec.strategy.canary else { return };
        let steps = node.at(&["spec", "strategy", "canary", "steps"]);
        canary.steps_hash = steps.map(hash::of).unwrap_or_default();
        let nodes = steps.and_then(Node::as_seq).unwrap_or(&[]);
        for (step, node) in canary.steps.iter_mut().zip(nodes) {
            step.place = Some(node.place.clone());
        }
    }

    /// The canary strategy, if it is the one in use.
    pub fn canary(&self) -> Option<&CanaryStrategy> {
        self.spec.strategy.canary.as_ref()
    }

    /// Pods allowed above `replicas` during an update (`MaxSurge`).
    pub fn max_surge(&self, replicas: u32) -> u32 {
        self.canary().map_or(0, |canary| canary.fenceposts(replicas).0)
    }

    /// Pods that may be unavailable during an update or, with blueGreen, a restart (`MaxUnavailable`).
    pub fn max_unavailable(&self, replicas: u32) -> u32 {
        let unavailable = match (self.canary(), self.blue_green()) {
            (Some(canary), _) => canary.fenceposts(replicas).1,
            (None, Some(blue_green)) => blue_green.max_unavailable(replicas),
            (None, None) => 0,
        };
        unavailable.min(replicas)
    }

    /// The blueGreen strategy, if it is the one in use.
    pub fn blue_green(&self) -> Option<&BlueGreenStrategy> {
        self.spec.strategy.blue_green.as_ref()
    }
}

impl RolloutSpec {
    /// Pods wanted, with the default of 1.
    pub fn replicas(&self) -> u32 {
        u32::try_from(self.replicas.unwrap_or(1)).unwrap_or(0)
    }

    /// Time that a pod must be ready before it counts as available.
    pub fn min_ready(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.min_ready_seconds).unwrap_or(0))
    }

    /// Time without progress after which the Rollout is Degraded.
    pub fn progress_deadline(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.progress_deadline_seconds.unwrap_or(600)).unwrap_or(0))
    }

    /// Old ReplicaSets kept.
    pub fn revision_history_limit(&self) -> u32 {
        u32::try_from(self.revision_history_limit.unwrap_or(10)).unwrap_or(0)
    }
}

/// A workload whose pod template a Rollout uses (`ObjectRef`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadReference {
    /// Its apiVersion.
    #[serde(default, deserialize_with = "nullable")]
    pub api_version: String,
    /// Its kind.
    #[serde(default, deserialize_with = "nullable")]
    pub kind: String,
    /// Its name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// When it is scaled to nothing: `never`, `onsuccess` or `progressively`; empty stands for `never`.
    #[serde(default, deserialize_with = "nullable")]
    pub scale_down: String,
}

/// How many revisions back an update counts as a rollback.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct RollbackWindow {
    /// Revisions.
    #[serde(default, deserialize_with = "nullable")]
    pub revisions: i32,
}

/// How many finished AnalysisRuns are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisHistory {
    /// Successful ones; 5 where unset.
    #[serde(default)]
    pub successful_run_history_limit: Option<i32>,
    /// Failed, errored and inconclusive ones; 5 where unset.
    #[serde(default)]
    pub unsuccessful_run_history_limit: Option<i32>,
}

/// How a Rollout replaces its pods. Exactly one is set in a valid Rollout.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStrategy {
    /// Gradually.
    #[serde(default)]
    pub canary: Option<CanaryStrategy>,
    /// All at once, by switching a Service.
    #[serde(default)]
    pub blue_green: Option<BlueGreenStrategy>,
}

/// The canary strategy.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStrategy {
    /// The Service that selects only canary pods.
    #[serde(default, deserialize_with = "nullable")]
    pub canary_service: String,
    /// The Service that selects only stable pods.
    #[serde(default, deserialize_with = "nullable")]
    pub stable_service: String,
    /// The steps of an update; none means a plain rolling update.
    #[serde(default, deserialize_with = "nullable")]
    pub steps: Vec<Step>,
    /// The traffic router.
    #[serde(default)]
    pub traffic_routing: Option<TrafficRouting>,
    /// Pods above the wanted number; 25% where unset.
    #[serde(default)]
    pub max_surge: Option<IntOrString>,
    /// Pods below the wanted number; 25% where unset.
    #[serde(default)]
    pub max_unavailable: Option<IntOrString>,
    /// Analysis that runs beside the steps.
    #[serde(default)]
    pub analysis: Option<BackgroundAnalysis>,
    /// Labels and annotations that pods carry while they are canary.
    #[serde(default)]
    pub canary_metadata: Option<PodMetadata>,
    /// Labels and annotations that pods carry while they are stable.
    #[serde(default)]
    pub stable_metadata: Option<PodMetadata>,
    /// Seconds that the old stable pods stay after promotion; with a router 30 where unset.
    #[serde(default)]
    pub scale_down_delay_seconds: Option<i32>,
    /// How many old ReplicaSets may wait so; unlimited where unset.
    #[serde(default)]
    pub scale_down_delay_revision_limit: Option<i32>,
    /// Seconds that canary pods stay after an abort; with a router 30 where unset.
    #[serde(default)]
    pub abort_scale_down_delay_seconds: Option<i32>,
    /// Whether stable shrinks as traffic moves away.
    #[serde(default, deserialize_with = "nullable")]
    pub dynamic_stable_scale: bool,
    /// Fewest pods of a ReplicaSet that has any, with a router.
    #[serde(default)]
    pub min_pods_per_replica_set: Option<i32>,
    /// How much of the canary must be available for a step to complete.
    #[serde(default)]
    pub replica_progress_threshold: Option<ProgressThreshold>,
    /// Two Services that take turns.
    #[serde(default)]
    pub ping_pong: Option<PingPong>,
    /// Keeps pods of two templates apart; not modelled.
    #[serde(default)]
    pub anti_affinity: Option<Json>,
    /// FNV-1a of the steps as written; empty without steps.
    #[serde(skip)]
    pub steps_hash: String,
}

impl CanaryStrategy {
    /// maxSurge and maxUnavailable in pods (`resolveFenceposts`): any text is a percentage; if both
    /// come out 0, one pod may be unavailable; a text that is no number makes both 0.
    fn fenceposts(&self, replicas: u32) -> (u32, u32) {
        let default = || IntOrString::String("25".to_owned());
        let surge = self.max_surge.clone().unwrap_or_else(default);
        let unavailable = self.max_unavailable.clone().unwrap_or_else(default);
        let up = if planted::is(Bug::SurgeRoundedDown) { Rounding::Down } else { Rounding::Up };
        let down = if planted::is(Bug::UnavailableRoundedUp) { Rounding::Up } else { Rounding::Down };
        let (Some(surge), Some(unavailable)) =
            (surge.of_any_text_percent(replicas, up), unavailable.of_any_text_percent(replicas, down))
        else {
            return (0, 0);
        };
        match (surge, unavailable) {
            (0, 0) => (0, 1),
            (surge, unavailable) => (at_least_zero(surge), at_least_zero(unavailable)),
        }
    }

    /// The weight that stands for all traffic; 100 unless the router says otherwise
    /// (`utils/weightutil: MaxTrafficWeight`).
    pub fn max_weight(&self) -> i32 {
        self.traffic_routing.as_ref().and_then(|router| router.max_traffic_weight).unwrap_or(100)
    }
}

pub(crate) fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// How much of the canary must be available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ProgressThreshold {
    /// What `value` counts.
    #[serde(rename = "type")]
    pub kind: ThresholdKind,
    /// How much.
    pub value: i32,
}

/// What a progress threshold counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum ThresholdKind {
    /// Percent of the wanted pods.
    Percent,
    /// Pods.
    Pods,
}

/// A step of the canary: upstream allows several fields to be set, and [`Step::kind`] tells which
/// one decides when it is complete.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Send this share of the traffic to the canary.
    #[serde(default)]
    pub set_weight: Option<i32>,
    /// Wait.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// Run the canary at this size.
    #[serde(default)]
    pub set_canary_scale: Option<SetCanaryScale>,
    /// Run an analysis and wait for its result.
    #[serde(default)]
    pub analysis: Option<Analysis>,
    /// Run an experiment and wait for its result.
    #[serde(default)]
    pub experiment: Option<ExperimentStep>,
    /// Route by header.
    #[serde(default)]
    pub set_header_route: Option<RouteStep>,
    /// Mirror requests.
    #[serde(default)]
    pub set_mirror_route: Option<RouteStep>,
    /// Run a plugin and wait for its end.
    #[serde(default)]
    pub plugin: Option<PluginStep>,
    /// Where it stands.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// A step that runs a plugin (`PluginStep`); its `config` is the plugin's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PluginStep {
    /// The plugin.
    #[serde(default)]
    pub name: String,
}

/// What decides when a step is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// Its time has passed or a person resumed.
    Pause,
    /// The canary has the size.
    SetCanaryScale,
    /// The canary has the size that the weight asks for.
    SetWeight,
    /// The experiment has succeeded.
    Experiment,
    /// The analysis has succeeded.
    Analysis,
    /// At once.
    SetHeaderRoute,
    /// At once.
    SetMirrorRoute,
    /// The plugin has succeeded.
    Plugin,
}

impl Step {
    /// The field that decides, in upstream's order (`rollout/canary.go: completedCurrentCanaryStep`);
    /// `None` for a step without any, which validation rejects.
    pub fn kind(&self) -> Option<StepKind> {
        let set = [
            (StepKind::Pause, self.pause.is_some()),
            (StepKind::SetCanaryScale, self.set_canary_scale.is_some()),
            (StepKind::SetWeight, self.set_weight.is_some()),
            (StepKind::Experiment, self.experiment.is_some()),
            (StepKind::Analysis, self.analysis.is_some()),
            (StepKind::SetHeaderRoute, self.set_header_route.is_some()),
            (StepKind::SetMirrorRoute, self.set_mirror_route.is_some()),
            (StepKind::Plugin, self.plugin.is_some()),
        ];
        set.into_iter().find(|(_, is_set)| *is_set).map(|(kind, _)| kind)
    }
}

/// A pause (`RolloutPause`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Pause {
    /// How long: seconds as a number or a text, or a Go duration.
    #[serde(default)]
    pub duration: Option<IntOrString>,
}

/// How long a pause lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseDuration {
    /// Until a person resumes.
    Indefinite,
    /// This long, in whole seconds.
    For(Duration),
    /// A negative time, or a text that is no duration; validation rejects it.
    Invalid,
}

impl Pause {
    /// How long it lasts.
    pub fn duration(&self) -> PauseDuration {
        match (&self.duration, u64::try_from(self.duration_seconds())) {
            (None, _) => PauseDuration::Indefinite,
            (Some(_), Ok(seconds)) => PauseDuration::For(Duration::from_secs(seconds)),
            (Some(_), Err(_)) => PauseDuration::Invalid,
        }
    }

    /// Whole seconds; −1 for a text that is no duration (`RolloutPause.DurationSeconds`). A text
    /// without a unit is in seconds, a fraction of a second is cut off, `1d` is no Go duration.
    pub fn duration_seconds(&self) -> i32 {
        match &self.duration {
            None => 0,
            Some(IntOrString::Int(seconds)) => *seconds,
            Some(IntOrString::String(text)) => match text.parse::<i32>() {
                Ok(seconds) => seconds,
                Err(_) => go_duration(text).map_or(-1, |nanos| {
                    i32::try_from(nanos / 1_000_000_000).unwrap_or(if nanos < 0 {
                        i32::MIN
                    } else {
                        i32::MAX
                    })
                }),
            },
        }
    }
}

/// The canary's size; one of the three is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetCanaryScale {
    /// As a share of the wanted pods.
    #[serde(default)]
    pub weight: Option<i32>,
    /// In pods.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Back to following the traffic weight.
    #[serde(default, deserialize_with = "nullable")]
    pub match_traffic_weight: bool,
}
