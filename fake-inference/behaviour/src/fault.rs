use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use units::{Duration, Ratio};

use crate::profile::Levels;
use crate::{Clock, Invalid, Latency, Moment, Schedule, Timing, Window};

/// A change of behaviour over time: what it overrides, for which pods, from when until when.
///
/// The clock, the share of pods and the window must all hold for it to act.
///
/// ```
/// use behaviour::Fault;
/// let fault: Fault = serde_saphyr::from_str("{ from: 6m, until: 11m, ramp: 2m, errors: 5% }").unwrap();
/// assert!(fault.hits(0));
/// let error = serde_saphyr::from_str::<Fault>("{ from: 6m, until: 5m, errors: 5% }").unwrap_err();
/// assert!(error.to_string().contains("put `until` after `from`"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenFault", into = "WrittenFault")]
pub struct Fault {
    schedule: Schedule,
    overrides: Overrides,
}

/// What a fault changes; `None` leaves the value alone.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Overrides {
    latency: Option<Latency>,
    errors: Option<Ratio>,
    wrong: Option<Ratio>,
    truncated: Option<Ratio>,
}

/// A change of behaviour over time. What it does not give keeps its value; where several act at once,
/// a later one in the list overrides an earlier one.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fault")]
struct WrittenFault {
    /// The clock of `from` and `until`: `pod` (since the container started, loading included) or `run`
    /// (since the run started).
    #[serde(default, skip_serializing_if = "is_default")]
    clock: Clock,
    /// When the fault begins; at once if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    from: Duration,
    /// When it ends; never if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Duration>,
    /// Acts only at the start of each period, such as `{ every: 5m, for: 30s }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    /// The time over which the values move linearly to the fault's, from its beginning and from each
    /// opening of its window; at its end they fall back at once. A step each second.
    #[serde(default, skip_serializing_if = "is_default")]
    ramp: Duration,
    /// The share of this model's pods that it hits: of the first n pods, n·share rounded up, spread
    /// evenly and beginning with the first. All if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pods: Option<Ratio>,
    /// The latency while it acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
    /// The share of requests answered with an error while it acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    errors: Option<Ratio>,
    /// The share of answers that are wrong while it acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrong: Option<Ratio>,
    /// The share of answers that are cut short while it acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    truncated: Option<Ratio>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TryFrom<WrittenFault> for Fault {
    type Error = Invalid;

    fn try_from(written: WrittenFault) -> Result<Self, Invalid> {
        let WrittenFault { clock, from, until, window, ramp, pods, latency, errors, wrong, truncated } =
            written;
        if latency.is_none() && errors.is_none() && wrong.is_none() && truncated.is_none() {
            return Err(Invalid::FaultWithoutEffect);
        }
        let schedule = Schedule::try_from(Timing { clock, from, until, window, ramp, pods })?;
        let overrides = Overrides { latency, errors, wrong, truncated };
        Ok(Self { schedule, overrides })
    }
}

impl From<Fault> for WrittenFault {
    fn from(fault: Fault) -> Self {
        let Timing { clock, from, until, window, ramp, pods } = fault.schedule.into();
        let Overrides { latency, errors, wrong, truncated } = fault.overrides;
        Self { clock, from, until, window, ramp, pods, latency, errors, wrong, truncated }
    }
}

impl Fault {
    /// The same fault with its times divided by `speed`.
    pub(crate) fn at_speed(self, speed: f64) -> Self {
        Self { schedule: self.schedule.at_speed(speed), ..self }
    }

    /// Whether this pod is among those that the fault hits; see [`Schedule::hits`].
    pub fn hits(&self, pod: u64) -> bool {
        self.schedule.hits(pod)
    }

    /// Moves `levels` to what the fault makes of them at this moment.
    pub(crate) fn apply(&self, moment: Moment, levels: &mut Levels) {
        let Some(progress) = self.schedule.progress(moment) else { return };
        let Overrides { latency, errors, wrong, truncated } = self.overrides;
        let toward = |level: &mut f64, target: Option<f64>| {
            if let Some(target) = target {
                *level = if progress < 1.0 { *level * (1.0 - progress) + target * progress } else { target };
            }
        };
        toward(&mut levels.p50, latency.map(|latency| latency.p50().as_secs_f64()));
        toward(&mut levels.p99, latency.map(|latency| latency.p99().as_secs_f64()));
        toward(&mut levels.errors, errors.map(Ratio::as_f64));
        toward(&mut levels.wrong, wrong.map(Ratio::as_f64));
        toward(&mut levels.truncated, truncated.map(Ratio::as_f64));
    }

    /// How long after this moment the fault next changes anything; `None` for never.
    pub(crate) fn next_change(&self, moment: Moment) -> Option<Duration> {
        self.schedule.next_change(moment)
    }
}

#[cfg(test)]
mod tests {
    use units::Time;

    use super::*;

    fn fault(yaml: &str) -> Fault {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Moment { age: Duration::from_secs(seconds), now: Time::from_secs(1_000 + seconds), pod: 0 }
    }

    fn errors_at(fault: &Fault, moment: Moment) -> f64 {
        let mut levels = Levels { p50: 1.0, p99: 2.0, errors: 0.0, wrong: 0.0, truncated: 0.0 };
        fault.apply(moment, &mut levels);
        levels.errors
    }

    /// The fault's errors in percent at these seconds of a pod's age.
    fn percents(fault: &Fault, seconds: &[u64]) -> Vec<u64> {
        seconds.iter().map(|s| (errors_at(fault, at(*s)) * 100.0).round() as u64).collect()
    }

    #[test]
    fn a_fault_acts_from_its_beginning_until_just_before_its_end() {
        let fault = fault("{ from: 60s, until: 90s, errors: 5% }");
        assert_eq!(percents(&fault, &[0, 59, 60, 89, 90, 1_000]), [0, 0, 5, 5, 0, 0]);
    }

    #[test]
    fn a_window_opens_at_the_start_of_each_period_until_the_end() {
        let fault = fault("{ from: 60s, until: 400s, window: { every: 100s, for: 30s }, errors: 5% }");
        assert_eq!(
            percents(&fault, &[59, 60, 89, 90, 159, 160, 189, 190, 360, 389, 390, 399, 460]),
            [0, 5, 5, 0, 0, 5, 5, 0, 5, 5, 0, 0, 0]
        );
    }

    #[test]
    fn a_ramp_climbs_in_steps_of_a_second_in_each_window_and_falls_at_once() {
        let fault = fault("{ from: 60s, window: { every: 100s, for: 30s }, ramp: 20s, errors: 40% }");
        assert_eq!(
            percents(&fault, &[60, 61, 70, 79, 80, 89, 90, 160, 170]),
            [0, 2, 20, 38, 40, 40, 0, 0, 20]
        );
        let mut inside_a_step = at(70);
        inside_a_step.age = inside_a_step.age + Duration::from_millis(999);
        assert_eq!(errors_at(&fault, inside_a_step), errors_at(&fault, at(70)));
    }

    #[test]
    fn the_run_clock_is_the_same_for_pods_of_any_age() {
        let fault = fault("{ clock: run, from: 1010s, until: 1020s, errors: 5% }");
        assert_eq!(percents(&fault, &[9, 10, 19, 20]), [0, 5, 5, 0]);
    }

    #[test]
    fn a_share_of_pods_is_rounded_up_spread_evenly_and_starts_with_the_first() {
        let hit = |pods: &str| {
            let fault = fault(&format!("{{ pods: {pods}, errors: 5% }}"));
            (0..10).filter(|pod| fault.hits(*pod)).collect::<Vec<_>>()
        };
        assert_eq!(hit("33%"), [0, 3, 6, 9]);
        assert_eq!(hit("50%"), [0, 2, 4, 6, 8]);
        assert_eq!(hit("10%"), [0]);
        assert_eq!(hit("0.1%"), [0]);
        assert_eq!(hit("100%").len(), 10);
        let seven = fault("{ pods: 7%, errors: 5% }");
        assert_eq!((0..100).filter(|pod| seven.hits(*pod)).count(), 7);
        assert_eq!(errors_at(&seven, Moment { pod: 1, ..at(5) }), 0.0);
    }

    #[test]
    fn what_is_wrong_with_a_fault_is_said() {
        let error = |yaml: &str| serde_saphyr::from_str::<Fault>(yaml).unwrap_err().to_string();
        assert!(error("{ from: 6m }").contains("changes nothing"));
        assert!(error("{ from: 6m, until: 6m, errors: 5% }").contains("put `until` after `from`"));
        assert!(error("{ pods: 0%, errors: 5% }").contains("hits no pod"));
        assert!(error("{ window: { every: 5m, for: 5m }, errors: 5% }").contains("below `every`"));
        assert!(error("{ window: { every: 5m, for: 0s }, errors: 5% }").contains("above 0s"));
        assert!(error("{ until: 1m, ramp: 2m, errors: 5% }").contains("ramp (2m) is longer"));
        assert!(error("{ window: { every: 5m, for: 30s }, ramp: 1m, errors: 5% }").contains("lasts (30s)"));
        assert!(error("{ hang: 5% }").contains("hang"));
        assert!(error("{ errors: 5 }").contains("percentage"));
    }
}
