//! Argo Rollouts' rollout controller: the canary.

use crate::World;
use crate::api::ObjectId;

/// What the controller keeps in a Rollout's status.
#[derive(Debug, Clone, Default)]
pub struct RolloutState {}

/// One pass of the controller over one Rollout.
pub(crate) fn reconcile(_world: &mut World<'_>, _id: ObjectId) {}

/// What the timeline says of a Rollout; `None` before the controller has seen it.
pub(crate) fn observed(_world: &World<'_>, _id: ObjectId) -> Option<timeline::RolloutStatus> {
    None
}
