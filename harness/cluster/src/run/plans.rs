//! Which of a scenario's actions are still to come, and when.

use scenario::{PlannedAction, Trigger};
use timeline::{Entry, Watch};
use tokio::time::Instant;
use units::Duration;

use super::wait;

/// The actions of a scenario, in its order.
pub(super) struct Plans<'a> {
    actions: &'a [PlannedAction],
    plans: Vec<Plan>,
}

/// When an action is performed.
enum Plan {
    /// Waits for a state to be entered.
    Watching(Box<Watch>),
    /// Is due at a time of the scenario's clock, which stands still.
    Planned(Duration),
    /// Is due.
    Timed(Instant),
    /// Done.
    Done,
}

impl<'a> Plans<'a> {
    /// All to come; what is planned for zero is due.
    pub(super) fn of(actions: &'a [PlannedAction]) -> Self {
        let plan = |trigger: &Trigger| match trigger {
            Trigger::At(at) if *at == Duration::ZERO => Plan::Timed(Instant::now()),
            Trigger::At(at) => Plan::Planned(*at),
            Trigger::After { reached, .. } => Plan::Watching(Box::new(Watch::new(&reached.0))),
        };
        Self { actions, plans: actions.iter().map(|event| plan(&event.trigger)).collect() }
    }

    /// The scenario's clock starts.
    pub(super) fn start(&mut self, start: Instant) {
        for plan in &mut self.plans {
            if let Plan::Planned(at) = plan {
                *plan = Plan::Timed(start + wait(*at));
            }
        }
    }

    /// Something happened, which actions may wait for.
    pub(super) fn see(&mut self, entry: &Entry, at: Instant) {
        for (plan, event) in self.plans.iter_mut().zip(self.actions) {
            let Plan::Watching(watch) = plan else { continue };
            if let (true, Trigger::After { wait: after, .. }) = (watch.entered(entry), &event.trigger) {
                *plan = Plan::Timed(at + wait(*after));
            }
        }
    }

    /// Takes the first action that is due.
    pub(super) fn take_due(&mut self) -> Option<usize> {
        let now = Instant::now();
        let due = |plan: &Plan| matches!(plan, Plan::Timed(at) if *at <= now);
        let index = self.plans.iter().position(due)?;
        self.take(index);
        Some(index)
    }

    /// An action is performed before its time.
    pub(super) fn take(&mut self, index: usize) {
        self.plans[index] = Plan::Done;
    }

    /// When the next action is due, where that is known.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let times = self.plans.iter().filter_map(|plan| match plan {
            Plan::Timed(at) => Some(*at),
            Plan::Watching(_) | Plan::Planned(_) | Plan::Done => None,
        });
        times.min()
    }

    /// Whether an action is due at some time, whatever happens.
    pub(super) fn is_to_come(&self) -> bool {
        self.plans.iter().any(|plan| matches!(plan, Plan::Timed(_) | Plan::Planned(_)))
    }
}
