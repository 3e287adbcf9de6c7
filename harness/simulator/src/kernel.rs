//! The clock and the queue: what happens next, in one order.

use std::collections::BTreeSet;

use units::Time;

/// Virtual time and everything that is due, now or later.
///
/// Tasks that are due now form a set: a task that is asked for twice before it runs runs once, as a
/// Kubernetes work queue coalesces keys, and they run in the order of `T`, so `T`'s order says which
/// controller goes first within an instant. Timers form a set as well: the same task asked for twice
/// at the same time is one timer.
#[derive(Debug)]
pub struct Kernel<T> {
    now: Time,
    ready: BTreeSet<T>,
    later: BTreeSet<(Time, T)>,
    steps: u64,
}

impl<T: Ord> Default for Kernel<T> {
    fn default() -> Self {
        Self { now: Time::ZERO, ready: BTreeSet::new(), later: BTreeSet::new(), steps: 0 }
    }
}

impl<T: Ord> Kernel<T> {
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
        self.ready.insert(task);
    }

    /// Asks for `task` at `at`; a time that has passed means now.
    pub fn wake_at(&mut self, at: Time, task: T) {
        if at <= self.now {
            self.wake(task);
        } else {
            self.later.insert((at, task));
        }
    }

    /// When the next task is due; `None` when nothing is.
    pub fn next_at(&self) -> Option<Time> {
        if self.ready.is_empty() { self.later.first().map(|(at, _)| *at) } else { Some(self.now) }
    }

    /// Hands out the next task, moving the clock to it. `None` when nothing is due until `limit`; the
    /// clock then stands at `limit`.
    pub fn next(&mut self, limit: Time) -> Option<T> {
        if self.ready.is_empty() {
            self.move_on(limit);
        }
        let task = self.ready.pop_first()?;
        self.steps += 1;
        Some(task)
    }

    /// Moves the clock to the next timer, but not beyond `limit`, and takes up all that is due then.
    fn move_on(&mut self, limit: Time) {
        let next = self.later.first().map_or(limit, |(at, _)| limit.min(*at));
        self.now = self.now.max(next);
        while self.later.first().is_some_and(|(at, _)| *at <= self.now)
            && let Some((_, task)) = self.later.pop_first()
        {
            self.ready.insert(task);
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
