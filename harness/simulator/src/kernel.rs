//! The clock and the queue: what happens next, in one order.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use units::Time;

/// Virtual time and everything that is due, now or later.
///
/// Tasks that are due now form a set: a task that is asked for twice before it runs runs once, as a
/// Kubernetes work queue coalesces keys, and they run in the order of `T`, so `T`'s order says which
/// controller goes first within an instant. Later tasks wait in a heap ordered by time, then by the
/// order in which they were asked for.
#[derive(Debug)]
pub struct Kernel<T> {
    now: Time,
    ready: BTreeSet<T>,
    later: BinaryHeap<Reverse<Timer<T>>>,
    sequence: u64,
    steps: u64,
}

#[derive(Debug)]
struct Timer<T> {
    at: Time,
    sequence: u64,
    task: T,
}

impl<T> PartialEq for Timer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Timer<T> {}

impl<T> PartialOrd for Timer<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Timer<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl<T: Ord> Default for Kernel<T> {
    fn default() -> Self {
        Self { now: Time::ZERO, ready: BTreeSet::new(), later: BinaryHeap::new(), sequence: 0, steps: 0 }
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
            return;
        }
        self.sequence += 1;
        self.later.push(Reverse(Timer { at, sequence: self.sequence, task }));
    }

    /// When the next task is due; `None` when nothing is.
    pub fn next_at(&self) -> Option<Time> {
        if self.ready.is_empty() { self.later.peek().map(|Reverse(timer)| timer.at) } else { Some(self.now) }
    }

    /// Hands out the next task, moving the clock to it. `None` when nothing is due until `limit`; the
    /// clock then stands at `limit`.
    pub fn next(&mut self, limit: Time) -> Option<T> {
        if self.ready.is_empty() {
            match self.later.peek() {
                Some(Reverse(timer)) if timer.at <= limit => self.now = timer.at,
                Some(_) | None => {
                    self.now = self.now.max(limit);
                    return None;
                }
            }
        }
        // A timer that is due now joins the tasks of this instant only once those before it ran, so
        // that a timer set in this very instant cannot starve it.
        while self.later.peek().is_some_and(|Reverse(timer)| timer.at <= self.now) {
            if let Some(Reverse(timer)) = self.later.pop() {
                self.ready.insert(timer.task);
            }
        }
        self.steps += 1;
        self.ready.pop_first()
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
