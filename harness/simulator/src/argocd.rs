//! Argo CD's application controller.

use crate::World;
use crate::api::{Change, ObjectId};

/// What Argo CD remembers outside of its objects: pending refreshes, caches.
#[derive(Debug, Default)]
pub struct State {}

/// What the controller keeps in an Application's status.
#[derive(Debug, Clone, Default)]
pub struct ApplicationStatus {}

/// An Application's turn in the refresh queue and then in the operation queue.
pub(crate) fn reconcile(_world: &mut World<'_>, _id: ObjectId) {}

/// The Application informer's periodic resync.
pub(crate) fn resync(_world: &mut World<'_>, _id: ObjectId) {}

/// A managed object, or one that belongs to it, changed.
pub(crate) fn on_change(_world: &mut World<'_>, _change: &Change) {}

/// The Git host tells of a push (webhook).
pub(crate) fn on_push(_world: &mut World<'_>) {}

/// What the timeline says of an Application; `None` before the controller has seen it.
pub(crate) fn observed(_world: &World<'_>, _id: ObjectId) -> Option<timeline::ApplicationStatus> {
    None
}
