//! The clock and the queue: what happens next, in one order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
    queue: BinaryHeap<Reverse<(Time, T)>>,
    steps: u64,
}

impl<T: Ord> Default for Kernel<T> {
    fn default() -> Self {
        Self { now: Time::ZERO, queue: BinaryHeap::new(), steps: 0 }
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
        self.wake_at(self.now, task);
    }

    /// Asks for `task` at `at`; a time that has passed means now.
    pub fn wake_at(&mut self, at: Time, task: T) {
        self.queue.push(Reverse((at.max(self.now), task)));
    }

    /// When the next task is due; `None` when nothing is.
    pub fn next_at(&self) -> Option<Time> {
        self.queue.peek().map(|Reverse((at, _))| *at)
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
        let Reverse(next) = self.queue.pop()?;
        while self.queue.peek().is_some_and(|Reverse(same)| *same == next) {
            self.queue.pop();
        }
        self.steps += 1;
        Some(next.1)
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
