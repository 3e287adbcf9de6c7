//! What follows from a commit on the branch.

use git::Commit;
use timeline::{Event, Source};

use crate::{World, argocd};

/// Tells of the newest commit; a webhook tells Argo CD of it.
pub(super) fn announce(world: &mut World<'_>) {
    let Some(commit) = world.git.head().map(|commit: &Commit| commit.told(&world.scenario.repository)) else {
        return;
    };
    world.emit(Source::Git, Event::Commit(commit));
    if world.scenario.cluster.webhook {
        argocd::on_push(world);
    }
}
