//! Decisions about a Rollout as upstream's functions take and give them.

use manifests::objects::{Rollout, Step};
use timeline::RolloutPhase;
use units::Time;

use super::conditions::{self, Situation};
use super::pause::PauseContext;
use super::replicas::{self, Size, Sizes, Wanted};
use super::{RolloutState, status, steps};

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
    /// The weight that they are sized for (`GetCanaryReplicasOrWeight`).
    pub weight: i32,
    /// Pods allowed above `replicas` (`MaxSurge`).
    pub surge: u32,
    /// Pods that may be unavailable (`MaxUnavailable`).
    pub unavailable: u32,
    /// The next size of the canary (`CalculateReplicaCountsForBasicCanary`).
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
    let weight = steps::sizing_weight(rollout, state);
    let (surge, unavailable) = (rollout.max_surge(replicas), rollout.max_unavailable(replicas));
    let wanted = Wanted {
        replicas: i64::from(replicas),
        weight: i64::from(weight),
        max_weight: i64::from(steps::max_weight(rollout)),
        surge: i64::from(surge),
        unavailable: i64::from(unavailable),
    };
    let others: Vec<Size> = others.iter().map(|pods| pods.size()).collect();
    let new_is_stable = state.is_fully_promoted();
    let sizes = Sizes { new: new.size(), stable: stable.map(Pods::size), new_is_stable, others: &others };
    let counts = replicas::next_counts(wanted, sizes);
    let threshold = rollout.canary().and_then(|canary| canary.replica_progress_threshold);
    let reached = replicas::at_desired_counts(wanted, threshold, sizes);
    Sizing { weight, surge, unavailable, canary: counts.canary, stable: counts.stable, reached }
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
    let situation = Situation { rollout, generation, new_set: "", pauses: &pauses, now };
    Progress {
        progressing: conditions::is_progress(before, after),
        healthy: situation.is_healthy(before, after),
        completed: after.is_completed(),
        timed_out: situation.is_timed_out(after),
    }
}
