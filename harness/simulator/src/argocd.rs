//! Argo CD's application controller (argo-cd v3.2): Applications are compared with Git and synced.
//!
//! Each Application has a turn in the refresh queue and then one in the operation queue
//! ([`reconcile`]): [`refresh`](self::refresh()) is asked for by people, by [`resync`], by changes of
//! managed objects and by timers; a refresh compares ([`compare`]) and may start a sync
//! ([`autosync`]); an operation runs it ([`operation`], [`sync`](self::sync())).
//!
//! Deviation: every step takes no time, but for the 100 ms that watch events are gathered and the two
//! seconds between sync waves. Deletions are immediate.

use units::Duration;

use crate::World;
use crate::api::{Change, ObjectId};

mod app;
mod autosync;
mod compare;
mod diff;
mod discovery;
mod health;
mod notify;
mod operation;
mod paths;
mod project;
mod queue;
mod refresh;
mod settings;
mod source;
mod status;
mod syncing;
mod target;
mod tasks;
#[cfg(test)]
mod tests;

pub use status::{
    ApplicationStatus, ComparedTo, Condition, ConditionType, Deployed, Operation, OperationState,
    ResourceResult, ResourceStatus, ResultCode, SelectedResource, SyncPhase, SyncResult,
};

use app::App;

/// How long watch events are gathered before they are handled (gitops-engine pkg/cache: 100 ms).
const WATCH_BATCH: Duration = Duration::from_millis(100);

/// What Argo CD remembers outside of its objects: pending refreshes, caches.
#[derive(Debug, Default)]
pub struct State {
    queues: queue::Queues,
    repository: source::Repository,
    seen: notify::Seen,
    found: diff::Found,
}

/// An Application's turn in the refresh queue and then in the operation queue.
pub(crate) fn reconcile(world: &mut World<'_>, id: ObjectId) {
    if !world.api.exists(id) || app::is_skipped(world, id) {
        return;
    }
    let now = world.now();
    if world.argocd.queues.of(id).take_turn(now) {
        refresh::visit(world, id);
    }
    operation::visit(world, id);
}

/// The Application informer's periodic resync.
pub(crate) fn resync(world: &mut World<'_>, id: ObjectId) {
    if world.api.exists(id) {
        queue::resync(world, id);
    }
}

/// A managed object, or one that belongs to it, changed.
pub(crate) fn on_change(world: &mut World<'_>, change: &Change) {
    notify::on_change(world, change);
}

/// The Git host tells of a push (webhook).
pub(crate) fn on_push(world: &mut World<'_>) {
    refresh::on_push(world);
}

/// What the timeline says of an Application; `None` before the controller has seen it.
pub(crate) fn observed(world: &World<'_>, id: ObjectId) -> Option<timeline::ApplicationStatus> {
    App::of(world, id).status.observed(&world.api.get(id).key.name)
}

/// Asks for a refresh of an Application, as `argocd app get --refresh` does.
///
/// # Errors
/// No Application of that name.
pub(crate) fn refresh(world: &mut World<'_>, name: &str, hard: bool) -> Result<(), String> {
    let id = app::find(world, name)?;
    refresh::annotate(world, id, hard);
    Ok(())
}

/// Asks for a sync of an Application, as `argocd app sync` does.
///
/// # Errors
/// No Application of that name, an operation that is under way, a revision that cannot be resolved.
pub(crate) fn sync(world: &mut World<'_>, name: &str) -> Result<(), String> {
    let id = app::find(world, name)?;
    operation::start_by_hand(world, id)
}

/// Whether nothing will happen to an Application by itself: no operation, refresh or timer is
/// pending, and the newest commit of its target revision was looked at.
pub(crate) fn is_settled(world: &World<'_>, id: ObjectId) -> bool {
    let app = App::of(world, id);
    app.status.operation.is_none() && world.argocd.queues.is_quiet(id) && refresh::is_up_to_date(world, &app)
}
