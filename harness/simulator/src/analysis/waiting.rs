//! Passes that wait for an answer: the controller does nothing else for their run meanwhile
//! (argo-rollouts v1.10.1 `analysis/analysis.go: runMeasurements`, which waits for every provider).

use std::collections::BTreeMap;

use units::{Duration, Time};

use super::measure::Step;
use crate::api::ObjectId;

/// What the controller keeps in mind between the tasks of one pass.
#[derive(Debug, Default)]
pub(crate) struct State {
    passes: BTreeMap<ObjectId, (Time, Pass)>,
}

/// A pass, once everything that was due is measured.
#[derive(Debug)]
pub(super) struct Pass {
    /// When it began.
    pub(super) begun: Time,
    /// Whether the run had been told to end by then.
    pub(super) terminate: bool,
    /// What was measured, by the names of the metrics.
    pub(super) steps: Vec<(String, Step)>,
}

impl Pass {
    /// How long its slowest measurement takes.
    pub(super) fn takes(&self) -> Duration {
        let of = |(_, step): &(String, Step)| match step {
            Step::Taken(taken) => taken.takes,
            Step::UnderWay(_) => Duration::ZERO,
        };
        self.steps.iter().map(of).max().unwrap_or(Duration::ZERO)
    }
}

impl State {
    /// Whether a pass over this run waits now.
    pub(super) fn is_waiting(&self, id: ObjectId, now: Time) -> bool {
        self.passes.get(&id).is_some_and(|(until, _)| *until > now)
    }

    /// The pass that waited until now.
    pub(super) fn take(&mut self, id: ObjectId) -> Option<Pass> {
        self.passes.remove(&id).map(|(_, pass)| pass)
    }

    /// Has a pass wait.
    pub(super) fn wait(&mut self, id: ObjectId, until: Time, pass: Pass) {
        self.passes.insert(id, (until, pass));
    }
}
