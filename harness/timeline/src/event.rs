use scenario::{Scenario, Trigger};
use serde::{Deserialize, Serialize};
use units::{Duration, Time};

mod alerts;
mod analysis;
mod argocd;

pub use alerts::{AlertState, AlertStatus, RulesStatus};
pub use analysis::{AnalysisPhase, AnalysisRunStatus, Measurement, QueryEvidence};
pub use argocd::{
    ApplicationStatus, HealthStatus, Operation, OperationPhase, ResourceSynced, SyncOutcome, SyncStatus,
};

/// One thing that happened: when, who said so, and what it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in seconds since the start of the run.
    pub at: Time,
    /// The component that it was observed at.
    pub source: Source,
    /// What happened.
    pub event: Event,
}

/// Where an event was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The harness itself: the start, the end, the scenario's own actions.
    Rehearse,
    /// The Git host.
    Git,
    /// Argo CD's application controller.
    ArgoCd,
    /// Kubernetes: API server, built-in controllers, scheduler, kubelet.
    Kubernetes,
    /// Argo Rollouts' rollout controller.
    Rollouts,
    /// Argo Rollouts' analysis controller.
    Analysis,
    /// Prometheus.
    Prometheus,
    /// The clients that send requests.
    Clients,
}

/// What can happen. Every engine writes these and nothing else; the judge and the reports read
/// nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run begins. Always the first entry.
    RunStarted(RunStarted),
    /// The scenario's clock starts, which waited for what was applied at the beginning.
    ClockStarted(ClockStarted),
    /// An action of the scenario was performed.
    ActionPerformed(ActionPerformed),
    /// A commit reached the branch that Argo CD follows.
    Commit(Commit),
    /// The observable state of an Argo CD Application changed.
    Application(ApplicationStatus),
    /// A sync wrote, pruned or failed to write one resource.
    ResourceSynced(ResourceSynced),
    /// The observable state of a Rollout changed.
    Rollout(RolloutStatus),
    /// A controller set the size of a ReplicaSet.
    Scaled(Scaled),
    /// The observable state of a pod changed.
    Pod(PodStatus),
    /// The phase of an AnalysisRun changed.
    AnalysisRun(AnalysisRunStatus),
    /// A metric was measured.
    Measurement(Measurement),
    /// What Prometheus has of a PrometheusRule changed.
    Rules(RulesStatus),
    /// The state of an alert changed.
    Alert(AlertStatus),
    /// A Kubernetes Event was recorded.
    Recorded(Recorded),
    /// What clients experienced since the last such entry of the same pods.
    Requests(Requests),
    /// A resource that the scenario speaks of was written or deleted.
    Resource(ResourceWritten),
    /// Something the engine met and does not model. Reported, never ignored.
    NotSimulated(NotSimulated),
    /// The run is over. Always the last entry.
    RunEnded(RunEnded),
}

/// Which engine produced a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// The simulator.
    Sim,
    /// A kind cluster with the real controllers.
    Kind,
    /// An existing cluster.
    Live,
}

/// The run begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The version of rehearse.
    pub rehearse: String,
    /// The version of this format.
    pub format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The engine.
    pub engine: Engine,
    /// The seed of every random choice.
    pub seed: u64,
    /// By what factor time was compressed; 1 for none.
    pub speed: f64,
    /// The latency above which a request counts as slow, in seconds, and where that bound comes from;
    /// `None` where neither the scenario nor a gate sets one.
    pub slow: Option<SlowBound>,
}

/// The latency above which a request counts as slow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlowBound {
    /// The bound in seconds.
    pub seconds: f64,
    /// Where it comes from: `scenario`, or the metric whose condition states it.
    pub from: String,
}

/// The scenario's clock starts. It stood at zero since the start of the run: the first sync and the
/// start of pods take as long at any speed, while the times of a compressed scenario are short, so that
/// its events would come before there is anything that they could happen to. Spans that a scenario gives
/// (`at`, `within`, `duration`, the run clock of faults) are counted on this clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStarted {
    /// Whether what was applied had settled; else [`LONGEST_HOLD`] was over.
    pub in_place: bool,
}

/// The longest time that a scenario's clock waits.
pub const LONGEST_HOLD: Duration = Duration::from_secs(90);

/// Whether an engine holds the scenario's clock until what was applied at the beginning has settled: at a
/// speed above 1, where an event has a time after zero.
pub fn holds_clock(scenario: &Scenario, speed: f64) -> bool {
    let waits = |trigger: &Trigger| matches!(trigger, Trigger::At(at) if *at > Duration::ZERO);
    speed > 1.0 && scenario.events.iter().any(|event| waits(&event.trigger))
}

/// An action of the scenario was performed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionPerformed {
    /// Its position under the scenario's `events:`, from 0.
    pub index: usize,
    /// Its key: `merge`, `revert`, `patch`, …
    pub action: String,
    /// Its `id`, where it has one.
    pub id: Option<String>,
    /// What it did, for people.
    pub text: String,
}

/// Why a commit was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitReason {
    /// The repository as it stood when the run began.
    Initial,
    /// A pull request was merged.
    Merge,
    /// A revert pull request was merged.
    Revert,
}

/// A commit reached the branch: the audit trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The repository's URL.
    pub repository: String,
    /// The commit's id, 40 hexadecimal digits.
    pub commit: String,
    /// Why it was made.
    pub reason: CommitReason,
    /// The first line of its message.
    pub title: String,
    /// Who made it.
    pub author: String,
    /// The files that it changed, by path.
    pub files: Vec<String>,
    /// The commit that it undoes.
    pub reverts: Option<String>,
}

/// A resource by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceName {
    /// The kind, such as `ConfigMap`.
    pub kind: String,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A Rollout's phase (argo-rollouts utils/rollout/rolloututil.go: CalculateRolloutPhase).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutPhase {
    /// Everything runs the desired version.
    Healthy,
    /// Aborted, invalid or past its deadline.
    Degraded,
    /// On its way.
    Progressing,
    /// Paused by a step, an inconclusive analysis or a person.
    Paused,
}

/// The observable state of a Rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutStatus {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: RolloutPhase,
    /// The message beside the phase; empty when healthy.
    pub message: String,
    /// Whether the current update was aborted (`status.abort`).
    pub aborted: bool,
    /// Whether the spec is invalid, so that nothing is reconciled.
    pub invalid: bool,
    /// The current step, from 0; equal to `steps` when all are done; `None` without steps.
    pub step: Option<u32>,
    /// The number of steps.
    pub steps: u32,
    /// What the current step is, such as `setWeight: 10`; empty when there is none.
    pub step_text: String,
    /// The weight of the canary: what the traffic router was given, and without one the last `setWeight` at
    /// or before the step.
    pub weight: u32,
    /// The routes that steps made in the router, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// The version that is trusted; `None` before the first one is.
    pub stable: Option<RolloutVersion>,
    /// The version under test; `None` when stable and current are the same.
    pub canary: Option<RolloutVersion>,
}

impl RolloutStatus {
    /// Whether every step is behind it and stable is what the spec asks for.
    pub fn promoted(&self) -> bool {
        self.phase == RolloutPhase::Healthy && self.canary.is_none() && self.stable.is_some()
    }
}

/// One version of a Rollout's pods: a ReplicaSet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutVersion {
    /// The Rollout's own count of its pod templates (`rollout.argoproj.io/revision`).
    pub revision: u64,
    /// The pod template's hash (`rollouts-pod-template-hash`).
    pub hash: String,
    /// The model versions that its running containers started with, sorted, each once. Empty while
    /// no container runs.
    pub models: Vec<String>,
    /// Pods asked for.
    pub desired: u32,
    /// Pods ready.
    pub ready: u32,
    /// Pods ready for `minReadySeconds`.
    pub available: u32,
}

/// A controller set the size of a ReplicaSet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaled {
    /// The ReplicaSet's namespace.
    pub namespace: String,
    /// The ReplicaSet.
    pub replica_set: String,
    /// The Rollout or Deployment that owns it.
    pub owner: String,
    /// What it is to its owner at that moment.
    pub role: Role,
    /// Pods asked for before.
    pub from: u32,
    /// Pods asked for now.
    pub to: u32,
}

/// What a set of pods is to its Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The trusted version.
    Stable,
    /// The version under test.
    Canary,
    /// An older version on its way out, or pods of no Rollout.
    Other,
}

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PodPhase {
    /// Created, on no node.
    Pending,
    /// On a node; its container waits, with a reason.
    Waiting,
    /// Its container runs and is not ready.
    Started,
    /// Ready for traffic.
    Ready,
    /// Was ready and is not any more.
    NotReady,
    /// Deleted and no longer served to.
    Terminating,
    /// Gone.
    Deleted,
}

/// The observable state of a pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodStatus {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// The ReplicaSet that owns it.
    pub replica_set: String,
    /// What it is to its Rollout.
    pub role: Role,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// The model version that its container started with; `None` before it started.
    pub model: Option<String>,
    /// Why it waits or left; empty otherwise.
    pub reason: String,
}

/// A Kubernetes Event, as `kubectl get events` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// What it is about.
    pub resource: ResourceName,
    /// Whether it is a warning.
    pub warning: bool,
    /// Its reason, such as `RolloutStepCompleted`.
    pub reason: String,
    /// Its message.
    pub message: String,
}

/// What clients experienced at one set of pods from `since` to the time of the entry. Between two
/// such entries of a set its role, its model, the Rollout's step and the request rate were constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// The Service that was called.
    pub service: String,
    /// The Rollout or Deployment that served, empty where no pod was ready.
    pub owner: String,
    /// What the pods are to it.
    pub role: Role,
    /// The model version that answered; empty where no pod was ready.
    pub model: String,
    /// The Rollout's step.
    pub step: Option<u32>,
    /// The beginning of the span.
    pub since: Time,
    /// Requests sent. Fractional with `--arrivals expected`.
    pub total: f64,
    /// Requests that failed.
    pub failed: f64,
    /// Requests answered, but slower than the bound of the run.
    pub slow: f64,
    /// Answers that were wrong.
    pub wrong: f64,
    /// Answers that were cut short.
    pub truncated: f64,
    /// Requests of which at least one of these is true.
    pub hurt: f64,
}

impl Requests {
    /// The length of the span that ends at `at`.
    pub fn span(&self, at: Time) -> Duration {
        at.since(self.since)
    }
}

/// A resource that the scenario speaks of was written or deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceWritten {
    /// The resource.
    pub resource: ResourceName,
    /// The whole object; `None` when it is gone.
    pub object: Option<serde_json::Value>,
}

/// Something that the engine does not model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotSimulated {
    /// What, by name: a field's path, a kind, a function.
    pub what: String,
    /// Where it stands, as `file:line:column`; empty where it has no place.
    pub place: String,
    /// What the engine does instead.
    pub instead: String,
}

/// The run is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEnded {
    /// Why it ended.
    pub reason: EndReason,
    /// The scenario's answers that no metric was given, and why, for people; empty where the engine cannot
    /// know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unused_answers: Vec<String>,
}

impl RunEnded {
    /// The end of a run that has no answers to tell of.
    pub fn because(reason: EndReason) -> Self {
        Self { reason, unused_answers: Vec::new() }
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The scenario's `duration` had passed.
    DurationReached,
    /// Every action was performed and nothing moved any more for the scenario's `settle`.
    Settled,
    /// Nothing settled within the longest time that a run may take.
    TimeLimit,
    /// It was interrupted.
    Interrupted,
}
