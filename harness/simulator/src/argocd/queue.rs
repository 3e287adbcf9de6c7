//! The refresh queue: who asked for which comparison, and when delayed requests come due.

use std::collections::BTreeMap;

use behaviour::{Stream, stream};
use rand::RngExt;
use units::{Duration, Time};

use super::app::App;
use super::settings;
use crate::api::ObjectId;
use crate::{Task, World};
use git::CommitId;

/// How thorough a comparison is (argo-cd controller/appcontroller.go: CompareWith).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// The tree of resources only: nothing is compared.
    Nothing,
    /// With the commit that was compared last.
    Recent,
    /// With the newest commit, as far as the cached branches tell.
    Latest,
    /// With the newest commit, asked of the Git host.
    LatestForceResolve,
}

/// A delayed request. One of each kind waits, the earliest (client-go util/workqueue: AddAfter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A resync's turn, which asks for no comparison by itself.
    Turn,
    /// A comparison.
    Compare(Level),
}

/// What is pending for one Application.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Whether it has a turn coming in the refresh queue.
    queued: bool,
    /// The comparison that is asked for.
    requested: Option<Level>,
    timers: BTreeMap<Timer, Time>,
    /// The informer's next tick.
    next_resync: Option<Time>,
    jitter: Option<Stream>,
    /// Since when its manifests cannot be loaded.
    pub(super) repo_error_since: Option<Time>,
    /// The commit that a comparison was made with last, or failed for.
    pub(super) looked_at: Option<CommitId>,
    /// Whether it synced by itself, and healed itself, when it was seen last.
    pub(super) automated: Option<(bool, bool)>,
}

/// What is pending for every Application.
#[derive(Debug, Default)]
pub(super) struct Queues {
    apps: BTreeMap<ObjectId, Queue>,
    /// Where the informer's ticks lie: its start is not known.
    phase: Option<Duration>,
}

impl Queues {
    pub(super) fn of(&mut self, id: ObjectId) -> &mut Queue {
        self.apps.entry(id).or_default()
    }

    pub(super) fn forget(&mut self, id: ObjectId) {
        self.apps.remove(&id);
    }

    pub(super) fn looked_at(&self, id: ObjectId) -> Option<&CommitId> {
        self.apps.get(&id)?.looked_at.as_ref()
    }

    /// Whether an error of its repository is being passed over.
    pub(super) fn waits_for_grace(&self, id: ObjectId) -> bool {
        self.apps.get(&id).is_some_and(|queue| queue.repo_error_since.is_some())
    }

    /// Whether no turn and no comparison is to come, but for resyncs.
    pub(super) fn is_quiet(&self, id: ObjectId) -> bool {
        self.apps.get(&id).is_none_or(|queue| {
            let compares = |timer: &Timer| matches!(timer, Timer::Compare(level) if *level > Level::Nothing);
            !queue.queued && queue.requested <= Some(Level::Nothing) && !queue.timers.keys().any(compares)
        })
    }
}

impl Queue {
    /// Gives it a turn.
    pub(super) fn enqueue(&mut self) {
        self.queued = true;
    }

    /// Takes its turn, if it has one by now.
    pub(super) fn take_turn(&mut self, now: Time) -> bool {
        let due: Vec<Timer> =
            self.timers.iter().filter(|(_, at)| **at <= now).map(|(timer, _)| *timer).collect();
        for timer in due {
            self.timers.remove(&timer);
            self.queued = true;
            if let Timer::Compare(level) = timer {
                self.requested = self.requested.max(Some(level));
            }
        }
        std::mem::take(&mut self.queued)
    }

    /// Takes the comparison that is asked for (`isRefreshRequested`).
    pub(super) fn take_request(&mut self) -> Option<Level> {
        self.requested.take()
    }

    fn schedule(&mut self, timer: Timer, at: Time) {
        let earliest = self.timers.entry(timer).or_insert(at);
        *earliest = (*earliest).min(at);
    }
}

/// Asks for a comparison now (`requestAppRefresh`).
pub(super) fn request(world: &mut World<'_>, id: ObjectId, level: Level) {
    let queue = world.argocd.queues.of(id);
    queue.requested = queue.requested.max(Some(level));
    queue.enqueue();
    world.kernel.wake(Task::Application(id));
}

/// Asks for a comparison after a while.
pub(super) fn request_after(world: &mut World<'_>, id: ObjectId, level: Level, wait: Duration) {
    schedule(world, id, Timer::Compare(level), wait);
}

fn schedule(world: &mut World<'_>, id: ObjectId, timer: Timer, wait: Duration) {
    let at = world.now() + wait;
    let queue = world.argocd.queues.of(id);
    if queue.timers.get(&timer).is_some_and(|earlier| *earlier <= at) {
        return;
    }
    queue.schedule(timer, at);
    world.kernel.wake_at(at, Task::Application(id));
}

/// A tick of the informer, or the first sight of an Application: the next tick is planned. A tick
/// gives it a turn in the operation queue at once, and one in the refresh queue after a random delay
/// (argo-cd controller/appcontroller.go: newApplicationInformerAndLister).
pub(super) fn resync(world: &mut World<'_>, id: ObjectId) {
    let app = App::of(world, id);
    let settings = settings::of(world, app.namespace());
    let now = world.now();
    let next = world.argocd.queues.of(id).next_resync;
    if next.is_some_and(|next| now < next) {
        return;
    }
    let next = match next {
        Some(tick) => tick + settings.resync,
        None => first_tick(world, settings.resync),
    };
    if world.argocd.queues.of(id).next_resync.replace(next).is_some() {
        let delay = jitter(world, &app, settings.jitter);
        schedule(world, id, Timer::Turn, delay);
        world.kernel.wake(Task::Application(id));
    }
    world.kernel.wake_at(next, Task::ApplicationResync(id));
}

/// The informer started at some time before the run; its ticks are `resync` apart.
fn first_tick(world: &mut World<'_>, resync: Duration) -> Time {
    let (now, seed) = (world.now(), world.options.seed);
    let draw =
        || Duration::from_secs_f64(stream(seed, "argocd resync").random::<f64>() * resync.as_secs_f64());
    let phase = *world.argocd.queues.phase.get_or_insert_with(draw);
    let mut tick = Time::ZERO + phase;
    while tick <= now {
        tick += resync;
    }
    tick
}

fn jitter(world: &mut World<'_>, app: &App, longest: Duration) -> Duration {
    let seed = world.options.seed;
    let jitter = &mut world.argocd.queues.of(app.id).jitter;
    let stream = jitter.get_or_insert_with(|| stream(seed, &format!("argocd jitter {}", app.name())));
    Duration::from_secs_f64(stream.random::<f64>() * longest.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_coalesce_to_the_most_thorough_one() {
        let mut queue = Queue::default();
        queue.schedule(Timer::Compare(Level::Recent), Time::from_secs(1));
        queue.schedule(Timer::Compare(Level::Latest), Time::from_secs(1));
        assert!(!queue.take_turn(Time::ZERO));
        assert!(queue.take_turn(Time::from_secs(1)));
        assert_eq!(queue.take_request(), Some(Level::Latest));
        assert!(!queue.take_turn(Time::from_secs(2)));
        assert_eq!(queue.take_request(), None);
    }

    #[test]
    fn the_earliest_of_two_delayed_requests_counts() {
        let mut queue = Queue::default();
        queue.schedule(Timer::Compare(Level::Latest), Time::from_secs(9));
        queue.schedule(Timer::Compare(Level::Latest), Time::from_secs(3));
        queue.schedule(Timer::Compare(Level::Latest), Time::from_secs(6));
        assert!(queue.take_turn(Time::from_secs(3)));
        assert!(!queue.take_turn(Time::from_secs(9)));
    }

    #[test]
    fn a_resync_asks_for_no_comparison_by_itself() {
        let mut queue = Queue::default();
        queue.schedule(Timer::Turn, Time::from_secs(1));
        assert!(queue.take_turn(Time::from_secs(1)));
        assert_eq!(queue.take_request(), None);
    }
}
