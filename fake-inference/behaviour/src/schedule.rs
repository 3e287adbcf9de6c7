use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use units::{Duration, Ratio, Time};

use crate::Invalid;

/// While a ramp climbs, its value stays the same for this long, then takes the next step; so a ramp of
/// two minutes is 120 pieces of constant behaviour. A ramp shorter than this is one step at its end.
pub const RAMP_STEP: Duration = Duration::from_secs(1);

/// A moment in a pod's life, as a profile sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time since the pod's container started.
    pub age: Duration,
    /// The time since the run started.
    pub now: Time,
    /// The pod's number among the pods of its model version, from 0, in the order of their creation.
    /// A restarted container keeps it.
    pub pod: u64,
}

/// Which clock a fault's `from` and `until` are read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// Since the pod's container started; a restart begins it anew.
    #[default]
    Pod,
    /// Since the run started, the same for every pod.
    Run,
}

/// A fault that comes and goes while it lasts: open for `for` at the start of each `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The period, counted from the fault's `from`.
    pub every: Duration,
    /// How long the fault acts at the start of each period; above 0s and below `every`.
    #[serde(rename = "for")]
    pub open: Duration,
}

/// When and on which pods something acts, as it is written; a [`Schedule`] once it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timing {
    /// The clock of `from` and `until`.
    pub clock: Clock,
    /// When it begins.
    pub from: Duration,
    /// When it ends; `None` for never.
    pub until: Option<Duration>,
    /// Only at the start of each period.
    pub window: Option<Window>,
    /// The time over which it grows to its full strength.
    pub ramp: Duration,
    /// The share of pods; `None` for all.
    pub pods: Option<Ratio>,
}

/// When and on which pods something acts: clock, beginning, end, window, ramp and share of pods. The
/// share of pods, the time and the window must all hold.
///
/// ```
/// use behaviour::{Moment, Schedule, Timing};
/// use units::{Duration, Time};
/// let timing = Timing { from: Duration::from_secs(60), ramp: Duration::from_secs(10), ..Timing::default() };
/// let schedule = Schedule::try_from(timing).unwrap();
/// let at = |age| Moment { age: Duration::from_secs(age), now: Time::from_secs(age), pod: 0 };
/// assert_eq!([30, 65, 90].map(|age| schedule.progress(at(age))), [None, Some(0.5), Some(1.0)]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    clock: Clock,
    from: Duration,
    until: Duration,
    window: Option<Window>,
    ramp: Duration,
    pods: Ratio,
}

impl TryFrom<Timing> for Schedule {
    type Error = Invalid;

    fn try_from(timing: Timing) -> Result<Self, Invalid> {
        let Timing { clock, from, until, window, ramp, pods } = timing;
        if let Some(until) = until.filter(|until| *until <= from) {
            return Err(Invalid::EndsBeforeItBegins { from, until });
        }
        let until = until.unwrap_or(Duration::MAX);
        if let Some(Window { every, open }) = window.filter(|w| w.open == Duration::ZERO || w.open >= w.every)
        {
            return Err(Invalid::BadWindow { every, open });
        }
        let lasts = until.saturating_sub(from).min(window.map_or(Duration::MAX, |window| window.open));
        if ramp > lasts {
            return Err(Invalid::RampTooLong { ramp, lasts });
        }
        if pods == Some(Ratio::ZERO) {
            return Err(Invalid::NoPods);
        }
        Ok(Self { clock, from, until, window, ramp, pods: pods.unwrap_or(Ratio::ONE) })
    }
}

impl From<Schedule> for Timing {
    fn from(schedule: Schedule) -> Self {
        let Schedule { clock, from, until, window, ramp, pods } = schedule;
        let until = (until < Duration::MAX).then_some(until);
        let pods = (pods < Ratio::ONE).then_some(pods);
        Self { clock, from, until, window, ramp, pods }
    }
}

impl Schedule {
    /// The same schedule on clocks that run `speed` times as fast: every time in it divided.
    pub(crate) fn at_speed(self, speed: f64) -> Self {
        let until = if self.until < Duration::MAX { self.until / speed } else { Duration::MAX };
        let window = self.window.map(|it| Window { every: it.every / speed, open: it.open / speed });
        Self { from: self.from / speed, until, window, ramp: self.ramp / speed, ..self }
    }

    /// Whether this pod is among those that it hits. Of the first `n` pods, `n · share` rounded
    /// up are: spread evenly, beginning with the first.
    pub fn hits(&self, pod: u64) -> bool {
        // In millionths, so that binary fractions of a percentage do not add a pod.
        let share = (self.pods.as_f64() * 1e6).round() as u128;
        let hit_of_first = |pods: u128| (pods * share).div_ceil(1_000_000);
        hit_of_first(u128::from(pod) + 1) > hit_of_first(u128::from(pod))
    }

    /// How strongly it acts at this moment, 0 to 1 along its ramp; `None` while it does not act.
    pub fn progress(&self, moment: Moment) -> Option<f64> {
        match self.phase(moment) {
            Phase::Acting { since, .. } => Some(self.climbed(since)),
            Phase::Waiting { .. } | Phase::Over => None,
        }
    }

    /// How long after this moment it next changes anything; `None` for never.
    pub(crate) fn next_change(&self, moment: Moment) -> Option<Duration> {
        match self.phase(moment) {
            Phase::Over => None,
            Phase::Waiting { left } => Some(left),
            Phase::Acting { since, left } => {
                let to_top = self.ramp.saturating_sub(since);
                if to_top == Duration::ZERO {
                    return left;
                }
                let into_step = Duration::from_nanos(since.as_nanos() % RAMP_STEP.as_nanos());
                let step = RAMP_STEP.saturating_sub(into_step).min(to_top);
                Some(left.map_or(step, |left| left.min(step)))
            }
        }
    }

    /// How far along its ramp it is, `since` its beginning: in whole steps.
    fn climbed(&self, since: Duration) -> f64 {
        if since >= self.ramp {
            return 1.0;
        }
        let stepped = since.as_nanos() - since.as_nanos() % RAMP_STEP.as_nanos();
        stepped as f64 / self.ramp.as_nanos() as f64
    }

    fn phase(&self, moment: Moment) -> Phase {
        let clock = match self.clock {
            Clock::Pod => moment.age,
            Clock::Run => moment.now.since(Time::ZERO),
        };
        if clock >= self.until || !self.hits(moment.pod) {
            return Phase::Over;
        }
        if clock < self.from {
            return Phase::Waiting { left: self.from.saturating_sub(clock) };
        }
        let since = clock.saturating_sub(self.from);
        let end = (self.until < Duration::MAX).then(|| self.until.saturating_sub(clock));
        let Some(Window { every, open }) = self.window else {
            return Phase::Acting { since, left: end };
        };
        let into_period = Duration::from_nanos(since.as_nanos() % every.as_nanos());
        if into_period < open {
            let closes = open.saturating_sub(into_period);
            return Phase::Acting {
                since: into_period,
                left: Some(end.map_or(closes, |end| end.min(closes))),
            };
        }
        let left = every.saturating_sub(into_period);
        if end.is_some_and(|end| end <= left) { Phase::Over } else { Phase::Waiting { left } }
    }
}

/// Where a fault stands at a moment.
enum Phase {
    /// It will act, in this long.
    Waiting { left: Duration },
    /// It acts, since its beginning or the last opening of its window, for this long (`None`: for ever).
    Acting { since: Duration, left: Option<Duration> },
    /// It will not act again on this pod.
    Over,
}
