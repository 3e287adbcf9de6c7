//! Values that several kinds share: integers that may be percentages, quantities, Go durations,
//! label selectors.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use units::Duration;

/// Reads an explicit `null` as the default, as Go's JSON decoder does.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An integer or a text (apimachinery `intstr.IntOrString`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A text, usually a percentage.
    String(String),
}

impl IntOrString {
    /// The number; a text that is no decimal number counts as 0 (`IntOrString.IntValue`).
    pub fn int_value(&self) -> i64 {
        match self {
            Self::Int(value) => i64::from(*value),
            Self::String(text) => atoi(text).unwrap_or(0),
        }
    }

    /// The number, or the percentage of `total`, where *any* text is a percentage, with or without
    /// `%` (apimachinery `intstr.GetValueFromIntOrPercent`, which Argo Rollouts still uses). `None`
    /// for a text that is no number.
    pub fn of_any_text_percent(&self, total: u32, rounding: Rounding) -> Option<i64> {
        match self {
            Self::Int(value) => Some(i64::from(*value)),
            Self::String(text) => {
                atoi(&text.replace('%', "")).map(|percent| rounding.percent_of(percent, total))
            }
        }
    }

    /// The number, or the percentage of `total`, where a text must end in `%` (apimachinery
    /// `intstr.GetScaledValueFromIntOrPercent`, which Deployments use).
    pub fn of_percent(&self, total: u32, rounding: Rounding) -> Option<i64> {
        match self {
            Self::Int(value) => Some(i64::from(*value)),
            Self::String(text) => {
                atoi(text.strip_suffix('%')?).map(|percent| rounding.percent_of(percent, total))
            }
        }
    }
}

/// Which way a fraction of a pod goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To the next larger integer: surge.
    Up,
    /// To the next smaller integer: unavailability.
    Down,
}

impl Rounding {
    fn percent_of(self, percent: i64, total: u32) -> i64 {
        // A float division, as upstream divides.
        let exact = percent as f64 * f64::from(total) / 100.0;
        match self {
            Self::Up => exact.ceil() as i64,
            Self::Down => exact.floor() as i64,
        }
    }
}

/// Go's `strconv.Atoi`: an optional sign and decimal digits, nothing else.
pub(crate) fn atoi(text: &str) -> Option<i64> {
    text.parse().ok()
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::String(text) => f.write_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = IntOrString;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or a text such as 25%")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<IntOrString, E> {
                i32::try_from(value)
                    .map(IntOrString::Int)
                    .map_err(|_| E::custom(format!("{value} does not fit into 32 bits")))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<IntOrString, E> {
                self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<IntOrString, E> {
                Ok(IntOrString::String(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// An amount of a resource in thousandths of its unit: millicores, thousandths of a byte or device.
/// Finer amounts are rounded up (apimachinery `resource.Quantity.MilliValue`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Quantity {
    /// Thousandths.
    pub milli: i128,
}

impl Quantity {
    /// Whole units, rounded up (`Quantity.Value`).
    pub fn whole(self) -> i128 {
        self.milli.div_euclid(1000) + i128::from(self.milli.rem_euclid(1000) > 0)
    }

    /// Reads `500m`, `16Gi`, `1e3` or `2`.
    pub fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let digits = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(digits);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 30 {
            return None;
        }
        let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
        let (numerator, denominator) = scale(suffix)?;
        let denominator = 10_i128.pow(fraction.len() as u32).checked_mul(denominator)?;
        let exact = mantissa.checked_mul(numerator)?.checked_mul(1000)?;
        let milli = exact / denominator + i128::from(exact % denominator > 0);
        Some(Self { milli: if text.starts_with('-') { -milli } else { milli } })
    }
}

/// What a quantity's suffix multiplies and divides by; `None` for an unknown one.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    if let Some(power) = BINARY.iter().position(|name| *name == suffix) {
        return Some((1 << (10 * (power + 1)), 1));
    }
    if let Some(power) = DECIMAL.iter().position(|name| *name == suffix) {
        return Some((1000_i128.pow(power as u32 + 1), 1));
    }
    match suffix {
        "" => Some((1, 1)),
        "m" => Some((1, 1_000)),
        "u" => Some((1, 1_000_000)),
        "n" => Some((1, 1_000_000_000)),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = 10_i128.checked_pow(exponent.unsigned_abs()).filter(|_| exponent.abs() <= 18)?;
            Some(if exponent < 0 { (1, factor) } else { (factor, 1) })
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 500m, 16Gi or 1")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text).ok_or_else(|| {
                    E::custom(format!("`{text}` is not a quantity; write for example 500m, 16Gi or 1"))
                })
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Quantity, E> {
                Ok(Quantity { milli: i128::from(value) * 1000 })
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Quantity, E> {
                self.visit_str(&value.to_string())
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// Reads what Go's `time.ParseDuration` reads, to signed nanoseconds.
///
/// # Errors
/// Go's own message.
pub fn go_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", strconv::quote(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 19 {
            return Err(invalid());
        }
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let nanos: i128 = match unit {
            "" => {
                return Err(format!("time: missing unit in duration {}", strconv::quote(text)));
            }
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            unknown => {
                let (unknown, text) = (strconv::quote(unknown), strconv::quote(text));
                return Err(format!("time: unknown unit {unknown} in duration {text}"));
            }
        };
        total += whole.parse::<i128>().unwrap_or(0) * nanos;
        let mut digit_value = nanos;
        for digit in fraction.bytes() {
            digit_value /= 10;
            total += i128::from(digit - b'0') * digit_value;
        }
        if total > i128::from(i64::MAX) {
            return Err(invalid());
        }
        rest = next;
    }
    Ok(if negative { -total as i64 } else { total as i64 })
}

/// A Go duration as a span, a negative one as none.
pub(crate) fn span(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// Which labels an object must have (`metav1.LabelSelector`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must be there with these values.
    #[serde(default, deserialize_with = "nullable")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements, all of which must hold.
    #[serde(default, deserialize_with = "nullable")]
    pub match_expressions: Vec<LabelRequirement>,
}

/// A requirement on one label.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// How it is compared: `In`, `NotIn`, `Exists` or `DoesNotExist`; anything else is refused by
    /// validation, and matches nothing.
    pub operator: String,
    /// What it is compared with.
    #[serde(default, deserialize_with = "nullable")]
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Whether nothing is required: such a selector matches every object.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.matches(labels))
    }
}

impl LabelRequirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => found.is_some_and(|value| self.values.contains(value)),
            "NotIn" => found.is_none_or(|value| !self.values.contains(value)),
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            _ => false,
        }
    }
}
