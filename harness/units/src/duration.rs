use std::fmt;
use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::str::FromStr;

use crate::{ParseError, quantity_in_text};

const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// A span of time in whole nanoseconds, never negative, written as Go writes it: `90s`, `1h30m`,
/// `180ms`; days are `d`.
///
/// ```
/// use units::Duration;
/// assert_eq!("1h30m".parse::<Duration>().unwrap(), Duration::from_secs(5400));
/// assert_eq!(Duration::from_millis(1500).to_string(), "1.5s");
/// assert!("5".parse::<Duration>().unwrap_err().to_string().contains("unit"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(u64);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span that can be said: about 584 years.
    pub const MAX: Self = Self(u64::MAX);

    /// A span of whole nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A span of whole milliseconds, saturating.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// A span of whole seconds, saturating.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// A span of whole minutes, saturating.
    pub const fn from_mins(mins: u64) -> Self {
        Self::from_secs(mins.saturating_mul(60))
    }

    /// A span of fractional seconds, rounded to the nanosecond; negative and NaN give zero.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * 1e9).round() as u64)
    }

    /// Whole nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds, truncated.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Whole seconds, truncated.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Seconds with their fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The difference, or zero where `other` is longer.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Mul<u64> for Duration {
    type Output = Self;
    fn mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

/// The span divided by a number above zero, to the nearest nanosecond.
impl Div<f64> for Duration {
    type Output = Self;
    fn div(self, divisor: f64) -> Self {
        Self((self.0 as f64 / divisor).round() as u64)
    }
}

impl FromStr for Duration {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |why: &str| ParseError(format!("`{text}` is not a duration: {why}"));
        if text.is_empty() {
            return Err(wrong("it is empty; write for example 5m, 90s or 1h30m"));
        }
        let mut total = 0_u64;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, after) = rest.split_at(digits);
            let unit_len = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, next) = after.split_at(unit_len);
            if number.is_empty() {
                return Err(wrong("a number must come first, as in 5m"));
            }
            if unit.is_empty() {
                return Err(wrong(&format!("the unit is missing; write {number}s, {number}m or {number}h")));
            }
            let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return Err(wrong(&format!("unknown unit `{unit}`; the units are ms, s, m, h and d")));
            };
            let part =
                nanoseconds(number, *nanos).ok_or_else(|| wrong("the number is malformed or too large"))?;
            total = total.checked_add(part).ok_or_else(|| wrong("it is too long"))?;
            rest = next;
        }
        Ok(Self(total))
    }
}

/// `number` units of `unit` nanoseconds, exact to the nanosecond; `None` where malformed or too large.
fn nanoseconds(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let mut nanos = whole.checked_mul(unit)?;
    let mut digit_value = u128::from(unit);
    for digit in fraction.chars() {
        digit_value /= 10;
        nanos = nanos.checked_add((u128::from(digit.to_digit(10)?) * digit_value) as u64)?;
    }
    Some(nanos)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes) = (self.0 / 3_600_000_000_000, self.0 / 60_000_000_000 % 60);
        let rest = self.0 % 60_000_000_000;
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        let (unit, name) = match rest {
            0 if self.0 > 0 => return Ok(()),
            0 => (1_000_000_000, "s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "us"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (1_000_000_000, "s"),
        };
        write!(f, "{}", rest / unit)?;
        let fraction = rest % unit;
        if fraction > 0 {
            let digits = format!("{:0width$}", fraction, width = unit.ilog10() as usize);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str(name)
    }
}

quantity_in_text!(
    Duration,
    "a duration with its unit, such as 5m, 90s or 1h30m",
    r"^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d))+$",
    "A span of time with its unit: 180ms, 90s, 5m, 1h30m, 2d"
);

/// A point in a run's time: nanoseconds since its start. Virtual in `sim`, scaled wall time elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// After everything.
    pub const MAX: Self = Self(u64::MAX);

    /// The point `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The point `secs` seconds after the start.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Whole nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start, truncated.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Seconds since the start, with their fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// This point without its fraction of a second, as Kubernetes stores it (`metav1.Time`).
    pub const fn truncated_to_secs(self) -> Self {
        Self(self.0 - self.0 % 1_000_000_000)
    }

    /// The span since `earlier`, or zero where that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub<Duration> for Time {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// As a clock since the start: `02:05`, `1:00:07`, `00:00.250`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, millis) = (self.0 / 1_000_000_000, self.0 / 1_000_000 % 1_000);
        if secs >= 3_600 {
            write!(f, "{}:", secs / 3_600)?;
        }
        write!(f, "{:02}:{:02}", secs / 60 % 60, secs % 60)?;
        if millis > 0 {
            write!(f, ".{millis:03}")?;
        }
        Ok(())
    }
}

/// In JSON a point is a number of seconds, to the nanosecond.
impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1_000_000_000) {
            serializer.serialize_u64(self.0 / 1_000_000_000)
        } else {
            serializer.serialize_f64(self.as_secs_f64())
        }
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secs = f64::deserialize(deserializer)?;
        if secs.is_finite() && secs >= 0.0 {
            Ok(Self((secs * 1e9).round() as u64))
        } else {
            Err(serde::de::Error::custom(format!("{secs} is not a number of seconds since the start")))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_duration_is_said() {
        let error = |text: &str| text.parse::<Duration>().unwrap_err().to_string();
        assert!(error("5").contains("5s, 5m or 5h"));
        assert!(error("5 m").contains("unit is missing"));
        assert!(error("5x").contains("unknown unit `x`"));
        assert!(error("").contains("empty"));
        assert!(error("m").contains("number must come first"));
        assert!(error("99999999999999999d").contains("too large"));
    }

    #[test]
    fn a_point_reads_as_a_clock() {
        assert_eq!(Time::from_secs(125).to_string(), "02:05");
        assert_eq!(Time::from_secs(3607).to_string(), "1:00:07");
        assert_eq!((Time::ZERO + Duration::from_millis(250)).to_string(), "00:00.250");
    }

    proptest! {
        // What is printed is read back unchanged.
        #[test]
        fn a_duration_survives_its_own_text(nanos in 0..u64::MAX) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(duration.to_string().parse::<Duration>().unwrap(), duration);
        }

        // No text makes the parser panic.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = text.parse::<Duration>();
        }
    }
}
