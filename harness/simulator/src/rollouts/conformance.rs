//! Decisions about a Rollout as upstream's functions take and give them.

use manifests::objects::rollout::ProgressThreshold;
use manifests::objects::{Rollout, Step};
use timeline::RolloutPhase;
use units::Time;

use super::conditions::{self, Situation};
use super::pause::PauseContext;
use super::replicas::{self, Size, Sizes};
use super::steps::Scale;
use super::{RolloutState, status, steps, wanted};

/// The pods of a ReplicaSet: asked for, created, available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Pods {
    pub spec: i64,
    pub created: i64,
    pub available: i64,
}

impl Pods {
    fn size(self) -> Size {
        Size { spec: self.spec, created: self.created, available: self.available }
    }
}

/// What is decided about the ReplicaSets of a Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizing {
    /// The canary's size, where a step names it (`GetCanaryReplicasOrWeight`).
    pub pods: Option<i32>,
    /// The weight that they are sized for otherwise.
    pub weight: i32,
    /// Pods allowed above `replicas` (`MaxSurge`).
    pub surge: u32,
    /// Pods that may be unavailable (`MaxUnavailable`).
    pub unavailable: u32,
    /// The next size of the canary (`CalculateReplicaCountsForBasicCanary`,
    /// `CalculateReplicaCountsForTrafficRoutedCanary`).
    pub canary: i64,
    /// The next size of the stable ReplicaSet.
    pub stable: i64,
    /// Whether the step's sizes are reached (`AtDesiredReplicaCountsForCanary`).
    pub reached: bool,
}

/// What is decided about ReplicaSets of these sizes. `stable` is `None` where it does not exist.
pub fn sizing(
    rollout: &Rollout,
    state: &RolloutState,
    new: Pods,
    stable: Option<Pods>,
    others: &[Pods],
) -> Sizing {
    let replicas = rollout.spec.replicas();
    let scale = steps::scale(rollout, state, new.size(), stable.map(Pods::size));
    let (surge, unavailable) = (rollout.max_surge(replicas), rollout.max_unavailable(replicas));
    let asked = wanted::of(rollout, state, new.size(), stable.map(Pods::size));
    let others: Vec<Size> = others.iter().map(|pods| pods.size()).collect();
    let new_is_stable = state.is_fully_promoted();
    let sizes = Sizes { new: new.size(), stable: stable.map(Pods::size), new_is_stable, others: &others };
    let split = wanted::split(state.weights.as_ref());
    let counts = replicas::next_counts(asked, sizes, split);
    let threshold = rollout.canary().and_then(|canary| canary.replica_progress_threshold);
    let reached = replicas::at_desired_counts(asked, threshold, sizes, split);
    let (pods, weight) = match scale {
        Scale::Pods(pods) => (Some(pods), 0),
        Scale::Weight(weight) => (None, weight),
    };
    Sizing { pods, weight, surge, unavailable, canary: counts.canary, stable: counts.stable, reached }
}

/// The weight that the canary is to get (`GetDesiredCanaryWeight`).
pub fn desired_weight(rollout: &Rollout, state: &RolloutState, new: Pods, stable: Option<Pods>) -> i32 {
    steps::desired_weight(rollout, state, new.size(), stable.map(Pods::size))
}

/// The current step, and its index (`GetCurrentCanaryStep`).
pub fn current_step<'r>(rollout: &'r Rollout, state: &RolloutState) -> (Option<&'r Step>, Option<u32>) {
    steps::current(rollout, state)
}

/// Whether the Rollout waits for something that has no deadline (`isIndefiniteStep`).
pub fn is_waiting_indefinitely(rollout: &Rollout, state: &RolloutState) -> bool {
    situation(rollout, 0, &PauseContext::default(), Time::ZERO).is_waiting_indefinitely(state)
}

/// Whether enough pods are available (`ReplicaProgressThresholdMet`).
pub fn enough_available(threshold: Option<ProgressThreshold>, pods: Pods, wanted: i64) -> bool {
    replicas::enough_available(threshold, pods.size(), wanted)
}

/// Phase and message (`CalculateRolloutPhase`).
pub fn phase(rollout: &Rollout, state: &RolloutState) -> (RolloutPhase, String) {
    status::phase(rollout, state)
}

/// A step as events name it (`CanaryStepString`).
pub fn step_text(step: &Step) -> String {
    steps::text(step)
}

/// What two statuses of a Rollout say of its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Something moved (`RolloutProgressing`).
    pub progressing: bool,
    /// Everything is done (`RolloutHealthy`).
    pub healthy: bool,
    /// The wanted template is the trusted one (`RolloutCompleted`).
    pub completed: bool,
    /// Nothing moved for longer than the deadline (`RolloutTimedOut`).
    pub timed_out: bool,
}

/// The progress from one status to the next.
pub fn progress(
    rollout: &Rollout,
    generation: u64,
    before: &RolloutState,
    after: &RolloutState,
    now: Time,
) -> Progress {
    let pauses = PauseContext::default();
    let situation = situation(rollout, generation, &pauses, now);
    Progress {
        progressing: conditions::is_progress(rollout, before, after),
        healthy: situation.is_healthy(before, after),
        completed: after.is_completed(),
        timed_out: situation.is_timed_out(after),
    }
}

fn situation<'a>(
    rollout: &'a Rollout,
    generation: u64,
    pauses: &'a PauseContext,
    now: Time,
) -> Situation<'a> {
    Situation {
        rollout,
        generation,
        new_set: "",
        pauses,
        active_is_saturated: true,
        draining: false,
        looked_at_always: false,
        now,
    }
}
