//! What people do: the scenario's actions and when they are due.

use scenario::Scenario;

use crate::World;

/// Which actions are still to come.
#[derive(Debug, Default)]
pub(crate) struct State {}

impl State {
    pub(crate) fn new(_scenario: &Scenario) -> Self {
        Self::default()
    }
}

/// Performs an action that is due.
pub(crate) fn perform(_world: &mut World<'_>, _index: usize) {}
