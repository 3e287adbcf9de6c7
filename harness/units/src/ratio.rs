use std::fmt;
use std::ops::Mul;
use std::str::FromStr;

use crate::{Duration, ParseError, quantity_in_text};

/// A share of a whole, 0 to 1, written as a percentage: `0.1%`, `100%`.
///
/// ```
/// use units::Ratio;
/// assert_eq!("2.5%".parse::<Ratio>().unwrap().as_f64(), 0.025);
/// assert!("2.5".parse::<Ratio>().unwrap_err().to_string().contains("2.5%"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Ratio(f64);

impl Ratio {
    /// Nothing of the whole.
    pub const ZERO: Self = Self(0.0);
    /// All of it.
    pub const ONE: Self = Self(1.0);

    /// The share `value`, where it lies between 0 and 1.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The share as a number between 0 and 1.
    pub const fn as_f64(self) -> f64 {
        self.0
    }
}

impl FromStr for Ratio {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let Some(number) = text.strip_suffix('%') else {
            return Err(ParseError(format!(
                "`{text}` is not a percentage: write it with its sign, as {text}%"
            )));
        };
        let percent: f64 = plain_number(number)
            .ok_or_else(|| ParseError(format!("`{text}` is not a percentage: `{number}` is not a number")))?;
        Self::new(percent / 100.0)
            .ok_or_else(|| ParseError(format!("`{text}` is not a percentage between 0% and 100%")))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ten digits hide the binary fraction that the division by 100 leaves behind.
        let percent = format!("{:.10}", self.0 * 100.0);
        write!(f, "{}%", percent.trim_end_matches('0').trim_end_matches('.'))
    }
}

quantity_in_text!(
    Ratio,
    "a percentage such as 0.1%",
    r"^ *[0-9]+(\.[0-9]+)? *%$",
    "A share as a percentage between 0% and 100%"
);

/// How often something happens, in events a second, written `20/s`, `300/m` or `5/h`.
///
/// ```
/// use units::Rate;
/// assert_eq!("300/m".parse::<Rate>().unwrap().per_second(), 5.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Rate(f64);

impl Rate {
    /// Never.
    pub const ZERO: Self = Self(0.0);

    /// `value` events a second, where that is finite and not negative.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// Events in one second.
    pub const fn per_second(self) -> f64 {
        self.0
    }

    /// The expected number of events in `span`.
    pub fn over(self, span: Duration) -> f64 {
        self.0 * span.as_secs_f64()
    }
}

/// The rate times a finite number that is not negative.
impl Mul<f64> for Rate {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self(self.0 * factor)
    }
}

impl FromStr for Rate {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let Some((number, unit)) = text.split_once('/') else {
            return Err(ParseError(format!(
                "`{text}` is not a rate: say how often, as {text}/s or {text}/m"
            )));
        };
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            other => {
                return Err(ParseError(format!(
                    "`{text}` is not a rate: unknown unit `{other}`; write /s, /m or /h"
                )));
            }
        };
        plain_number(number).and_then(|value| Self::new(value / seconds)).ok_or_else(|| {
            ParseError(format!("`{text}` is not a rate: `{number}` is not a number of events"))
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

quantity_in_text!(
    Rate,
    "a rate such as 20/s or 300/m",
    r"^ *[0-9]+(\.[0-9]+)? */ *(s|m|min|h)$",
    "How often: 20/s, 300/m, 5/h"
);

/// A finite number in digits; words such as `inf` and `nan`, which Rust's parser takes, are not.
fn plain_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits_only = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|number: &f64| digits_only && number.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_outside_the_whole_and_words_are_refused() {
        for text in ["101%", "-1%", "nan%", "inf%", "1", "%", "1 percent"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
        for text in ["20", "20/x", "-1/s", "inf/s", "/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_ratio_prints_without_binary_dust() {
        assert_eq!("0.1%".parse::<Ratio>().unwrap().to_string(), "0.1%");
        assert_eq!("29%".parse::<Ratio>().unwrap().to_string(), "29%");
        assert_eq!(Ratio::ONE.to_string(), "100%");
    }

    proptest! {
        // No text makes the parsers panic.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = text.parse::<Ratio>();
            let _ = text.parse::<Rate>();
        }
    }
}
