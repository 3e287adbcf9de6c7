use std::sync::Arc;

use manifests::objects::Rollout;
use manifests::objects::rollout::BlueGreenStrategy;
use timeline::{AnalysisPhase, RolloutPhase};
use units::Time;

use super::plugins::PluginStatus;
use super::weights::{Shares, TrafficWeights};

/// A pod template's hash: the value of the label `rollouts-pod-template-hash`.
pub type Hash = Arc<str>;

/// What the controller keeps in a Rollout's status, and in the annotations that it writes on it
/// (argo-rollouts `pkg/apis/rollouts/v1alpha1/types.go: RolloutStatus`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RolloutState {
    /// The count of pod templates so far (annotation `rollout.argoproj.io/revision`).
    pub revision: u64,
    /// The generation that the last pass acted on; 0 before the first.
    pub observed_generation: u64,
    /// The generation of the referenced workload that the last pass acted on.
    pub workload_observed_generation: Option<u64>,
    /// The phase; `None` before the first pass.
    pub phase: Option<RolloutPhase>,
    /// The message beside the phase.
    pub message: String,
    /// The conditions, latest change last.
    pub conditions: Vec<Condition>,
    /// Why the controller paused.
    pub pause_conditions: Vec<PauseCondition>,
    /// Whether it was the controller that paused. Still set after a person cleared the conditions.
    pub controller_pause: bool,
    /// Whether the update is aborted.
    pub abort: bool,
    /// Whether `abort: false` stands there, which a retry writes and only an abort replaces: a further retry is no change.
    pub retried: bool,
    /// Since when.
    pub aborted_at: Option<Time>,
    /// Whether a person asked to skip everything.
    pub promote_full: bool,
    /// The hash of the wanted template.
    pub current_pod_hash: Option<Hash>,
    /// The hash of the trusted template.
    pub stable_rs: Option<Hash>,
    /// The current step, from 0; the number of steps when all are done.
    pub current_step_index: Option<u32>,
    /// The hash of the steps; `None` before the first pass.
    pub current_step_hash: Option<String>,
    /// The `restartAt` that was carried out last.
    pub restarted_at: Option<String>,
    /// The AnalysisRun of the current step.
    pub step_run: Option<RunReference>,
    /// The AnalysisRun beside the steps.
    pub background_run: Option<RunReference>,
    /// The Experiment of the step, while it is under way.
    pub current_experiment: Option<Arc<str>>,
    /// How the requests are to be split; `None` without a router, and before it was first asked.
    pub weights: Option<TrafficWeights>,
    /// How the router splits them. Upstream keeps it in the router's own objects.
    pub shares: Option<Shares>,
    /// The routes that steps made, by name (`setHeaderRoute`, `setMirrorRoute`). Upstream keeps them in
    /// the router's own objects.
    pub routes: Vec<String>,
    /// Which of two Services that take turns is the stable one (`stablePingPong`); `None` before a template is trusted.
    pub stable_turn: Option<Turn>,
    /// What plugins of steps said, in the order in which they were asked first.
    pub plugins: Vec<PluginStatus>,
    /// What blueGreen keeps.
    pub blue_green: BlueGreenState,
    /// Pods of all ReplicaSets.
    pub replicas: u32,
    /// Pods of the wanted template.
    pub updated: u32,
    /// Ready pods of all ReplicaSets.
    pub ready: u32,
    /// Available pods of all ReplicaSets.
    pub available: u32,
}

/// One of two Services that take turns (`PingPongType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// `pingService`.
    Ping,
    /// `pongService`.
    Pong,
}

/// What the controller keeps of a blueGreen Rollout (`BlueGreenStatus`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlueGreenState {
    /// The hash that the active Service selects.
    pub active: Option<Hash>,
    /// The hash that the preview Service selects.
    pub preview: Option<Hash>,
    /// Whether the preview may grow to all its pods (`scaleUpPreviewCheckPoint`).
    pub may_grow: bool,
    /// The AnalysisRun before the switch.
    pub pre_run: Option<RunReference>,
    /// The AnalysisRun after it.
    pub post_run: Option<RunReference>,
}

/// A current AnalysisRun as the Rollout's status repeats it (`RolloutAnalysisRunStatus`).
#[derive(Debug, Clone, PartialEq)]
pub struct RunReference {
    /// Its name.
    pub name: Arc<str>,
    /// Its phase; `None` before its first pass.
    pub phase: Option<AnalysisPhase>,
    /// Its message.
    pub message: String,
}

impl RunReference {
    /// Whether it has come to an end.
    pub fn is_over(&self) -> bool {
        use AnalysisPhase::{Error, Failed, Inconclusive, Pending, Running, Successful};
        match self.phase {
            Some(Successful | Failed | Error | Inconclusive) => true,
            Some(Pending | Running) | None => false,
        }
    }
}

/// Why the controller paused, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PauseCondition {
    /// Why.
    pub reason: PauseReason,
    /// Since when.
    pub start: Time,
}

/// Why the controller paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// The step is a pause.
    CanaryPauseStep,
    /// An analysis came to no result.
    InconclusiveAnalysisRun,
    /// An experiment came to no result.
    InconclusiveExperiment,
    /// The switch waits for a person or a time.
    BlueGreenPause,
}

impl PauseReason {
    /// The name as upstream spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CanaryPauseStep => "CanaryPauseStep",
            Self::InconclusiveAnalysisRun => "InconclusiveAnalysisRun",
            Self::InconclusiveExperiment => "InconclusiveExperiment",
            Self::BlueGreenPause => "BlueGreenPause",
        }
    }
}

/// A condition of a Rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is about.
    pub kind: ConditionKind,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// When it was written last; the progress deadline counts from here.
    pub updated: Time,
    /// When its status changed last.
    pub transitioned: Time,
}

/// What a condition is about (`RolloutConditionType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ConditionKind {
    Progressing,
    Paused,
    Available,
    Healthy,
    Completed,
    InvalidSpec,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// A condition's reason (`utils/conditions/conditions.go`); the variants are upstream's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reason {
    NewReplicaSetCreated,
    ReplicaSetUpdated,
    ReplicaSetNotAvailable,
    NewReplicaSetAvailable,
    RolloutPaused,
    RolloutResumed,
    RolloutRetry,
    RolloutAborted,
    ProgressDeadlineExceeded,
    AvailableReason,
    RolloutHealthy,
    RolloutCompleted,
    InvalidSpec,
}

impl RolloutState {
    /// The condition of this kind.
    pub fn condition(&self, kind: ConditionKind) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Sets a condition and tells whether that changed anything: one that exists with this status and
    /// reason is left as it is, message and times included (`SetRolloutCondition`).
    pub(super) fn set_condition(&mut self, mut condition: Condition) -> bool {
        if let Some(present) = self.condition(condition.kind)
            && present.status == condition.status
        {
            if present.reason == condition.reason {
                return false;
            }
            condition.transitioned = present.transitioned;
        }
        self.remove_condition(condition.kind);
        self.conditions.push(condition);
        true
    }

    pub(super) fn remove_condition(&mut self, kind: ConditionKind) {
        self.conditions.retain(|condition| condition.kind != kind);
    }

    /// The pause of this reason, if it is one of those in force.
    pub fn pause(&self, reason: PauseReason) -> Option<PauseCondition> {
        self.pause_conditions.iter().copied().find(|pause| pause.reason == reason)
    }

    /// Whether the wanted template is the trusted one (`rolloututil.IsFullyPromoted`).
    pub fn is_fully_promoted(&self) -> bool {
        self.stable_rs == self.current_pod_hash
    }

    /// Whether there is a trusted template and it is the wanted one (`conditions.RolloutCompleted`).
    pub fn is_completed(&self) -> bool {
        self.stable_rs.is_some() && self.is_fully_promoted()
    }
}

impl Condition {
    pub(super) fn new(
        kind: ConditionKind,
        status: ConditionStatus,
        reason: Reason,
        message: impl Into<String>,
        now: Time,
    ) -> Self {
        let now = now.truncated_to_secs();
        Self { kind, status, reason, message: message.into(), updated: now, transitioned: now }
    }
}

/// Phase and message from spec and status, first match (`utils/rollout/rolloututil.go:
/// CalculateRolloutPhase`).
pub(super) fn phase(rollout: &Rollout, state: &RolloutState) -> (RolloutPhase, String) {
    let spec = &rollout.spec;
    for condition in &state.conditions {
        if condition.kind == ConditionKind::InvalidSpec {
            return (RolloutPhase::Degraded, format!("InvalidSpec: {}", condition.message));
        }
        match condition.reason {
            Reason::RolloutAborted => {
                return (RolloutPhase::Degraded, format!("RolloutAborted: {}", condition.message));
            }
            Reason::ProgressDeadlineExceeded => {
                return (RolloutPhase::Degraded, format!("ProgressDeadlineExceeded: {}", condition.message));
            }
            Reason::NewReplicaSetCreated
            | Reason::ReplicaSetUpdated
            | Reason::ReplicaSetNotAvailable
            | Reason::NewReplicaSetAvailable
            | Reason::RolloutPaused
            | Reason::RolloutResumed
            | Reason::RolloutRetry
            | Reason::AvailableReason
            | Reason::RolloutHealthy
            | Reason::RolloutCompleted
            | Reason::InvalidSpec => {}
        }
    }
    if spec.paused {
        return (RolloutPhase::Paused, "manually paused".to_owned());
    }
    if let Some(pause) = state.pause_conditions.first() {
        return (RolloutPhase::Paused, pause.reason.name().to_owned());
    }
    let waiting = if spec.restart_at.is_some() && spec.restart_at != state.restarted_at {
        "rollout is restarting"
    } else if state.updated < spec.replicas() {
        "more replicas need to be updated"
    } else if state.available < state.updated {
        "updated replicas are still becoming available"
    } else if let Some(strategy) = rollout.blue_green() {
        match blue_green_waits_for(strategy, state) {
            None => return (RolloutPhase::Healthy, String::new()),
            Some(waiting) => waiting,
        }
    } else if rollout.canary().is_none() {
        // Only a status that was written before the spec was found invalid.
        return (RolloutPhase::Healthy, String::new());
    } else if !is_routed(rollout) && state.replicas > state.updated {
        "old replicas are pending termination"
    } else if !state.is_completed() {
        "waiting for all steps to complete"
    } else {
        return (RolloutPhase::Healthy, String::new());
    };
    (RolloutPhase::Progressing, waiting.to_owned())
}

/// What a blueGreen Rollout with all its pods waits for.
fn blue_green_waits_for(strategy: &BlueGreenStrategy, state: &RolloutState) -> Option<&'static str> {
    let BlueGreenState { active, post_run, .. } = &state.blue_green;
    if active.is_none() || *active != state.current_pod_hash {
        return Some("active service cutover pending");
    }
    if state.is_completed() {
        return None;
    }
    let is_over = post_run.as_ref().is_some_and(RunReference::is_over);
    match strategy.post_promotion_analysis.is_some() && !is_over {
        true => Some("waiting for analysis to complete"),
        false => Some("waiting for post-promotion verification to complete"),
    }
}

/// Whether old pods may stay for a while without getting requests.
fn is_routed(rollout: &Rollout) -> bool {
    rollout.canary().is_some_and(|canary| canary.traffic_routing.is_some())
}

#[cfg(test)]
mod tests {
    use manifests::objects::rollout::CanaryStrategy;

    use super::*;

    fn healthy() -> (Rollout, RolloutState) {
        let mut rollout = Rollout::default();
        rollout.spec.replicas = Some(5);
        rollout.spec.strategy.canary = Some(CanaryStrategy::default());
        let hash: Hash = "a".into();
        let state = RolloutState {
            current_pod_hash: Some(Arc::clone(&hash)),
            stable_rs: Some(hash),
            replicas: 5,
            updated: 5,
            ready: 5,
            available: 5,
            ..RolloutState::default()
        };
        (rollout, state)
    }

    fn condition(kind: ConditionKind, reason: Reason) -> Condition {
        Condition::new(kind, ConditionStatus::False, reason, "why", Time::ZERO)
    }

    #[test]
    fn phase_and_message_are_those_of_the_first_test_that_holds() {
        type Change = fn(&mut Rollout, &mut RolloutState);
        let cases: [(Change, RolloutPhase, &str); 10] = [
            (|_, _| (), RolloutPhase::Healthy, ""),
            (
                |_, state| state.stable_rs = Some("b".into()),
                RolloutPhase::Progressing,
                "waiting for all steps to complete",
            ),
            (
                |_, state| state.replicas = 6,
                RolloutPhase::Progressing,
                "old replicas are pending termination",
            ),
            (
                |_, state| state.available = 4,
                RolloutPhase::Progressing,
                "updated replicas are still becoming available",
            ),
            (|_, state| state.updated = 4, RolloutPhase::Progressing, "more replicas need to be updated"),
            (
                |rollout, _| rollout.spec.restart_at = Some("2026-01-01T00:00:00Z".to_owned()),
                RolloutPhase::Progressing,
                "rollout is restarting",
            ),
            (
                |_, state| {
                    let reason = PauseReason::CanaryPauseStep;
                    state.pause_conditions.push(PauseCondition { reason, start: Time::ZERO });
                },
                RolloutPhase::Paused,
                "CanaryPauseStep",
            ),
            (|rollout, _| rollout.spec.paused = true, RolloutPhase::Paused, "manually paused"),
            (
                |_, state| {
                    state.conditions.push(condition(ConditionKind::Progressing, Reason::RolloutAborted))
                },
                RolloutPhase::Degraded,
                "RolloutAborted: why",
            ),
            (
                |_, state| state.conditions.push(condition(ConditionKind::InvalidSpec, Reason::InvalidSpec)),
                RolloutPhase::Degraded,
                "InvalidSpec: why",
            ),
        ];
        // Each case is tried on a healthy Rollout, and on top of all earlier ones: it wins over them.
        let (mut rollout, mut state) = healthy();
        for (change, wanted, message) in cases {
            let (mut alone_rollout, mut alone_state) = healthy();
            change(&mut alone_rollout, &mut alone_state);
            assert_eq!(phase(&alone_rollout, &alone_state), (wanted, message.to_owned()));
            change(&mut rollout, &mut state);
            let (found, text) = phase(&rollout, &state);
            if wanted != RolloutPhase::Degraded {
                assert_eq!((found, text), (wanted, message.to_owned()));
            } else {
                assert_eq!(found, wanted);
            }
        }
    }

    #[test]
    fn a_condition_with_the_same_status_and_reason_keeps_its_message_and_times() {
        let mut state = RolloutState::default();
        let set = |state: &mut RolloutState, status, reason, message, at| {
            let now = Time::from_secs(at);
            state.set_condition(Condition::new(ConditionKind::Progressing, status, reason, message, now))
        };
        assert!(set(&mut state, ConditionStatus::True, Reason::NewReplicaSetCreated, "one", 1));
        assert!(!set(&mut state, ConditionStatus::True, Reason::NewReplicaSetCreated, "two", 2));
        assert_eq!(state.conditions[0].message, "one");
        assert!(set(&mut state, ConditionStatus::True, Reason::ReplicaSetUpdated, "three", 3));
        assert_eq!(state.conditions[0].transitioned, Time::from_secs(1));
        assert_eq!(state.conditions[0].updated, Time::from_secs(3));
        assert!(set(&mut state, ConditionStatus::False, Reason::RolloutAborted, "four", 4));
        assert_eq!(state.conditions[0].transitioned, Time::from_secs(4));
        assert_eq!(state.conditions.len(), 1);
    }
}
