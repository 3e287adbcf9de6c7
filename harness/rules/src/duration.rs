//! Durations as Prometheus writes them (prometheus common/model/time.go: ParseDuration).

use std::fmt;

use units::Duration;

/// The units, from the longest to the shortest: in a duration they stand in this order.
const UNITS: [(&str, u64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Why a text is no duration; upstream's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoDuration {
    Empty,
    Malformed(String),
    TooLong,
}

impl fmt::Display for NoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty duration string"),
            Self::Malformed(text) => write!(f, "not a valid duration string: {text:?}"),
            Self::TooLong => f.write_str("duration out of range"),
        }
    }
}

/// Reads `1h30m`, `90s` or `0`.
pub(crate) fn parse(text: &str) -> Result<Duration, NoDuration> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(NoDuration::Empty);
    }
    let malformed = || NoDuration::Malformed(text.to_owned());
    let mut units = UNITS.iter();
    let (mut rest, mut total) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
        let (number, after) = rest.split_at(digits);
        let length = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(length);
        let (_, millis) = units.find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        if number.is_empty() {
            return Err(malformed());
        }
        let part = number.parse::<u64>().ok().and_then(|count| count.checked_mul(*millis));
        total = part.and_then(|part| total.checked_add(part)).ok_or(NoDuration::TooLong)?;
        rest = next;
    }
    // Upstream counts nanoseconds in 63 bits.
    if total > i64::MAX as u64 / 1_000_000 {
        return Err(NoDuration::TooLong);
    }
    Ok(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_stand_in_order_and_once() {
        let cases =
            [("0", 0), ("1h30m", 5_400_000), ("1y2w3d", 33_004_800_000), ("1s500ms", 1500), ("90s", 90_000)];
        for (text, millis) in cases {
            assert_eq!(parse(text).map(Duration::as_millis), Ok(millis), "{text}");
        }
        for text in
            ["", "1", "m", "30m1h", "1m1m", "-1m", "1.5h", "1 m", "1x", "300y", "99999999999999999999s"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
