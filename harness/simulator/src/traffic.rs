//! The clients: what they send, and what they experience.

use scenario::Scenario;

use crate::World;
use crate::run::Options;

/// The request rate, and what was experienced since the last account.
#[derive(Debug, Default)]
pub struct State {}

impl State {
    pub(crate) fn new(_scenario: &Scenario, _options: &Options) -> Self {
        Self::default()
    }
}

impl State {
    pub(crate) fn set_slow_bound(&mut self, _seconds: Option<f64>) {}
}

/// The latency above which a request is slow.
pub fn slow_bound(_scenario: &Scenario, _tree: &manifests::tree::Tree) -> Option<timeline::SlowBound> {
    None
}

/// The request rate changes.
pub(crate) fn set_rate(_world: &mut World<'_>, _rate: units::Rate) {}

/// A Rollout's step or roles changed.
pub(crate) fn on_rollout_change(_world: &mut World<'_>) {}

/// The account is closed at the end of the run.
pub(crate) fn close(_world: &mut World<'_>) {}

/// Requests that canary pods of a Rollout answered within the last `range`.
pub(crate) fn requests_of_canary(_world: &World<'_>, _rollout: crate::api::ObjectId, _range: units::Duration) -> f64 {
    0.0
}

/// Brings the account up to date: something that decides where requests go, or how they fare, changed.
pub(crate) fn advance(_world: &mut World<'_>) {}
