//! The clock and the queue: what happens next, in one order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use planted::Bug;
use units::Time;

/// Virtual time and everything that is due, now or later.
///
/// Tasks of one instant form a set: a task that is asked for twice before it runs runs once, as a
/// Kubernetes work queue coalesces keys, and they run in the order of `T`, so `T`'s order says which
/// controller goes first within an instant.
#[derive(Debug)]
pub struct Kernel<T> {
    now: Time,
    /// The next one first. One that was asked for twice lies here twice and is handed out once.
    queue: BinaryHeap<Reverse<(Time, T, Cause)>>,
    /// When the timers of tasks are due. A timer in the queue at another time is void.
    timers: IndexMap<T, Time, FixedState>,
    steps: u64,
}

/// Why a task lies in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Asked,
    Timer,
}

impl<T: Ord + Hash + Copy> Default for Kernel<T> {
    fn default() -> Self {
        Self { now: Time::ZERO, queue: BinaryHeap::new(), timers: IndexMap::default(), steps: 0 }
    }
}

impl<T: Ord + Hash + Copy> Kernel<T> {
    /// The present instant.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many tasks were handed out so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Asks for `task` within the present instant.
    pub fn wake(&mut self, task: T) {
        self.wake_at(self.now, task);
    }

    /// Asks for `task` at `at`; a time that has passed means now.
    pub fn wake_at(&mut self, at: Time, task: T) {
        self.queue.push(Reverse((at.max(self.now), task, Cause::Asked)));
    }

    /// Asks for `task` at `at`, as a controller does that wants its key again: of several times that it names the
    /// earliest counts, and none any more once the task was handed out for whatever cause (client-go
    /// `util/workqueue/delaying_queue.go: insert`, for a queue to which events come by `AddRateLimited`).
    pub fn requeue_at(&mut self, at: Time, task: T) {
        let at = at.max(self.now);
        let replaces = planted::is(Bug::LaterWaitCounts);
        if self.timers.get(&task).is_some_and(|earlier| *earlier <= at && !replaces) {
            return;
        }
        self.timers.insert(task, at);
        self.queue.push(Reverse((at, task, Cause::Timer)));
    }

    /// When the next task is due; `None` when nothing is.
    pub fn next_at(&self) -> Option<Time> {
        self.queue.peek().map(|Reverse((at, ..))| *at)
    }

    /// Hands out the next task, moving the clock to it. `None` when nothing is due until `limit`; the
    /// clock then stands at `limit`.
    pub fn next(&mut self, limit: Time) -> Option<T> {
        let until = limit.max(self.now);
        let Some(at) = self.next_at().filter(|at| *at <= until) else {
            self.now = until;
            return None;
        };
        self.now = at;
        let Reverse((_, task, _)) = self.queue.pop()?;
        while self.queue.peek().is_some_and(|Reverse(same)| (same.0, same.1) == (at, task)) {
            self.queue.pop();
        }
        self.timers.swap_remove(&task);
        self.drop_void_timers();
        self.steps += 1;
        Some(task)
    }

    /// What is next is no void timer.
    fn drop_void_timers(&mut self) {
        while let Some(Reverse((at, task, Cause::Timer))) = self.queue.peek()
            && self.timers.get(task) != Some(at)
        {
            self.queue.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tasks_of_one_instant_run_once_and_in_their_order() {
        let mut kernel = Kernel::default();
        for task in [3, 1, 2, 1] {
            kernel.wake(task);
        }
        let order: Vec<i32> = std::iter::from_fn(|| kernel.next(Time::ZERO)).collect();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn the_clock_stops_at_the_limit() {
        let mut kernel = Kernel::default();
        kernel.wake_at(Time::from_secs(10), ());
        assert_eq!(kernel.next(Time::from_secs(5)), None);
        assert_eq!(kernel.now(), Time::from_secs(5));
        assert_eq!(kernel.next(Time::from_secs(20)), Some(()));
        assert_eq!(kernel.now(), Time::from_secs(10));
    }

    #[test]
    fn a_limit_in_the_past_does_not_turn_the_clock_back() {
        let mut kernel = Kernel::default();
        kernel.wake_at(Time::from_secs(10), ());
        assert_eq!(kernel.next(Time::from_secs(10)), Some(()));
        assert_eq!(kernel.next(Time::from_secs(3)), None);
        assert_eq!(kernel.now(), Time::from_secs(10));
    }

    #[test]
    fn of_several_timers_of_a_task_the_earliest_counts_until_it_is_handed_out() {
        let mut kernel = Kernel::default();
        for at in [20, 10, 30] {
            kernel.requeue_at(Time::from_secs(at), "a");
        }
        kernel.requeue_at(Time::from_secs(15), "b");
        kernel.wake_at(Time::from_secs(12), "b");
        let order: Vec<(Time, &str)> =
            std::iter::from_fn(|| kernel.next(Time::from_secs(60)).map(|task| (kernel.now(), task)))
                .collect();
        assert_eq!(order, [(Time::from_secs(10), "a"), (Time::from_secs(12), "b")]);
        assert_eq!(kernel.next_at(), None);
    }

    #[test]
    fn a_void_timer_does_not_swallow_what_is_asked_for_at_its_time() {
        let mut kernel = Kernel::default();
        kernel.requeue_at(Time::from_secs(20), ());
        kernel.requeue_at(Time::from_secs(10), ());
        kernel.wake_at(Time::from_secs(20), ());
        assert_eq!(kernel.next(Time::from_secs(60)), Some(()));
        assert_eq!((kernel.next(Time::from_secs(60)), kernel.now()), (Some(()), Time::from_secs(20)));
    }

    #[test]
    fn a_task_wakes_others_and_itself_within_the_instant() {
        let mut kernel = Kernel::default();
        kernel.wake_at(Time::from_secs(1), 2);
        kernel.wake_at(Time::from_secs(1), 1);
        kernel.wake_at(Time::from_secs(2), 0);
        assert_eq!(kernel.next(Time::MAX), Some(1));
        kernel.wake(1);
        kernel.wake_at(Time::from_secs(1), 0);
        assert_eq!(kernel.next_at(), Some(Time::from_secs(1)));
        let order: Vec<i32> = std::iter::from_fn(|| kernel.next(Time::from_secs(1))).collect();
        assert_eq!(order, [0, 1, 2]);
        assert_eq!((kernel.next_at(), kernel.steps()), (Some(Time::from_secs(2)), 4));
    }

    #[test]
    fn the_same_timer_twice_is_one() {
        let mut kernel = Kernel::default();
        kernel.wake_at(Time::from_secs(1), ());
        kernel.wake_at(Time::from_secs(1), ());
        assert_eq!(kernel.next(Time::MAX), Some(()));
        assert_eq!(kernel.next(Time::from_secs(9)), None);
    }

    proptest! {
        // Time never goes back, and every distinct timer runs.
        #[test]
        fn timers_run_in_order_of_time(times in prop::collection::vec(0_u64..100, 0..50)) {
            let mut kernel = Kernel::default();
            for (index, at) in times.iter().enumerate() {
                kernel.wake_at(Time::from_secs(*at), index);
            }
            let mut last = Time::ZERO;
            let mut count = 0;
            while kernel.next(Time::from_secs(1000)).is_some() {
                prop_assert!(kernel.now() >= last);
                last = kernel.now();
                count += 1;
            }
            prop_assert_eq!(count, times.len());
        }
    }
}
