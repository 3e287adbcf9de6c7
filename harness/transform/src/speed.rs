use std::fmt;
use std::str::FromStr;

use units::Duration;

/// By how much every duration is divided. 1 changes nothing.
///
/// ```
/// use transform::Speed;
/// use units::Duration;
/// let speed: Speed = "30".parse().unwrap();
/// assert_eq!(speed.scale(Duration::from_mins(5)), Duration::from_secs(10));
/// assert!("0.5".parse::<Speed>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Speed(f64);

/// What of a deadline does not shrink. The start of a pod (2 to 5 s), a sync (1 to 2 s), the rounding of
/// stored times to whole seconds and the reaction of controllers take as long at any speed, together some
/// 10 s; and an analysis that cannot measure tries again every 10 s, until the fifth error in a row ends it
/// after 40 s.
pub const UNSCALED: Duration = Duration::from_secs(50);

/// What of a progress deadline does not shrink: the start of pods on a busy machine.
pub const PODS_START: Duration = Duration::from_secs(25);

impl Speed {
    /// As fast as written.
    pub const REAL: Self = Self(1.0);

    /// The speeds that a default is chosen from, ascending: those that divide minutes into whole seconds.
    pub const CANDIDATES: [Self; 12] = [
        Self(1.0),
        Self(2.0),
        Self(3.0),
        Self(4.0),
        Self(5.0),
        Self(6.0),
        Self(10.0),
        Self(12.0),
        Self(15.0),
        Self(20.0),
        Self(30.0),
        Self(60.0),
    ];

    /// A speed of at least 1; `None` for less and for what is no finite number.
    pub fn new(factor: f64) -> Option<Self> {
        (factor.is_finite() && factor >= 1.0).then_some(Self(factor))
    }

    /// The number that durations are divided by.
    pub const fn factor(self) -> f64 {
        self.0
    }

    /// Whether nothing changes.
    pub fn is_real(self) -> bool {
        self == Self::REAL
    }

    /// A span of the pipeline's time.
    pub fn scale(self, span: Duration) -> Duration {
        span / self.0
    }

    /// A time that something is given to happen in. Of that, [`UNSCALED`] (or all of it, if it
    /// is shorter) is taken for what no speed shortens, and only the rest is divided.
    ///
    /// ```
    /// use transform::Speed;
    /// use units::Duration;
    /// let speed = Speed::new(30.0).unwrap();
    /// assert_eq!(speed.deadline(Duration::from_mins(10)).to_string(), "1m8.4s");
    /// assert_eq!(speed.deadline(Duration::from_secs(5)), Duration::from_secs(5));
    /// ```
    pub fn deadline(self, within: Duration) -> Duration {
        self.with_fixed(within, UNSCALED)
    }

    /// The deadline of a Rollout's progress, of which [`PODS_START`] is not divided. It is less than what
    /// expectations keep, so that one about the end of the deadline has time left.
    pub fn progress_deadline(self, span: Duration) -> Duration {
        self.with_fixed(span, PODS_START)
    }

    fn with_fixed(self, within: Duration, fixed: Duration) -> Duration {
        const TENTH: u64 = 100_000_000;
        let fixed = within.min(fixed);
        let exact = fixed + self.scale(within.saturating_sub(fixed));
        // Nobody wants to read nanoseconds of a deadline.
        Duration::from_nanos(exact.as_nanos().div_ceil(TENTH) * TENTH).min(within)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why a text is no [`Speed`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a speed: write a number of at least 1, such as 30")]
pub struct NotASpeed(String);

impl FromStr for Speed {
    type Err = NotASpeed;

    fn from_str(text: &str) -> Result<Self, NotASpeed> {
        let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
        let factor = text.parse().ok().filter(|_| plain);
        factor.and_then(Self::new).ok_or_else(|| NotASpeed(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_speed_is_a_number_of_at_least_one() {
        for text in ["", "0", "0.9", "-2", "x", "inf", "NaN", "1e3"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
        assert_eq!("2.5".parse::<Speed>().unwrap().factor(), 2.5);
        assert_eq!("30".parse::<Speed>().unwrap().to_string(), "30");
    }

    proptest! {
        #[test]
        fn a_span_times_the_speed_is_the_span_again(seconds in 0_u64..1_000_000, factor in 1.0..100.0_f64) {
            let (span, speed) = (Duration::from_secs(seconds), Speed::new(factor).unwrap());
            let again = speed.scale(span).as_secs_f64() * factor;
            prop_assert!((again - span.as_secs_f64()).abs() <= 1e-9 * factor);
            prop_assert!(speed.scale(span) <= speed.deadline(span) && speed.deadline(span) <= span);
            prop_assert_eq!(Speed::REAL.deadline(span), span);
        }
    }
}
