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

/// Brings the account up to date: something that decides where requests go, or how they fare, changed.
pub(crate) fn advance(_world: &mut World<'_>) {}
