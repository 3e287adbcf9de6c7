//! The scenario's clock, on which its times are read.

use scenario::{Scenario, Trigger};
use timeline::{ClockStarted, Event, LONGEST_HOLD, Source, holds_clock};
use units::{Duration, Time};

use crate::{Index, Task, World, run, traffic};

/// The scenario's clock. It runs with the world's from the start; in a compressed scenario it stands at
/// zero until what was applied has settled (see [`ClockStarted`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// It stands at zero.
    Held,
    /// It runs, since this time of the world's.
    Since(Time),
}

impl Clock {
    /// The clock at the beginning.
    pub(crate) fn new(scenario: &Scenario, speed: f64) -> Self {
        if holds_clock(scenario, speed) { Self::Held } else { Self::Since(Time::ZERO) }
    }

    /// When `span` will have passed on it, if it is not held for ever.
    pub(crate) fn after(self, span: Duration) -> Time {
        match self {
            Self::Held => Time::ZERO + LONGEST_HOLD + span,
            Self::Since(start) => start + span,
        }
    }
}

impl Clock {
    /// How much has passed on it.
    pub(crate) fn passed(self, now: Time) -> Duration {
        match self {
            Self::Held => Duration::ZERO,
            Self::Since(start) => now.since(start),
        }
    }
}

/// Plans the actions that have a time: at zero at once, the others once the clock runs.
pub(super) fn plan(world: &mut World<'_>) {
    match world.actions.clock {
        Clock::Since(start) => wake_actions(world, start, |_| true),
        Clock::Held => {
            wake_actions(world, Time::ZERO, |at| at == Duration::ZERO);
            world.kernel.wake_at(Time::ZERO + LONGEST_HOLD, Task::Clock);
        }
    }
}

/// Lets a held clock run, if what was applied has settled or the longest hold is over.
pub(super) fn start_if_due(world: &mut World<'_>) {
    if world.actions.clock != Clock::Held {
        return;
    }
    let now = world.now();
    let instant_is_over = world.kernel.next_at().is_none_or(|next| next > now);
    let in_place = instant_is_over && run::everything_settled(world);
    if !in_place && now < Time::ZERO + LONGEST_HOLD {
        return;
    }
    // Faults on the run's clock have stood still, too.
    traffic::settle(world);
    world.actions.clock = Clock::Since(now);
    world.emit(Source::Rehearse, Event::ClockStarted(ClockStarted { in_place }));
    wake_actions(world, now, |at| at > Duration::ZERO);
}

fn wake_actions(world: &mut World<'_>, start: Time, which: impl Fn(Duration) -> bool) {
    for (index, event) in world.scenario.events.iter().enumerate() {
        if let Trigger::At(at) = event.trigger
            && which(at)
        {
            world.kernel.wake_at(start + at, Task::Action(Index::of(index)));
        }
    }
}
