//! What an onlooker sees: entries of the timeline for every change of an observable state.

use crate::World;
use crate::api::Change;

/// What was seen last.
#[derive(Debug, Default)]
pub(crate) struct State {}

/// Notes what a change may have changed for the onlooker.
pub(crate) fn on_change(_world: &mut World<'_>, _change: &Change) {}
