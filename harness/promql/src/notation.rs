//! The compact notation for samples of Prometheus's rule tests.
//!
//! ```
//! use promql::{STALE_NAN, notation};
//!
//! let samples = notation::samples("0+10x2 _ 7 stale")?;
//! let expected = [Some(0.0), Some(10.0), Some(20.0), None, Some(7.0), Some(STALE_NAN)];
//! assert_eq!(samples.len(), expected.len());
//! assert_eq!(samples[..5], expected[..5]);
//!
//! let mut storage = promql::Storage::new();
//! notation::load(&mut storage, 30_000, r#"errors_total{role="canary"} 0+10x20 stale"#)?;
//! assert_eq!(storage.len(), 1);
//! # Ok::<(), notation::NotationError>(())
//! ```

use crate::labels::Labels;
use crate::matcher::{MatchOp, Matcher};
use crate::query::{Query, QueryError};
use crate::storage::{AppendError, STALE_NAN, Storage};

/// The most samples that one series may be written with.
pub const MAX_SAMPLES: usize = 1_000_000;

/// Why a text is not a series in this notation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotationError {
    /// A word among the samples is none of the notation's.
    #[error("`{0}` is no sample; write `1`, `1x3`, `0+10x20`, `5-1x3`, `_`, `_x3` or `stale`")]
    Sample(String),
    /// A sample is a native histogram.
    #[error("not simulated: native histograms, as in `{{{{schema:0 …}}}}`")]
    NativeHistogram,
    /// There would be too many samples.
    #[error("the series has more than {MAX_SAMPLES} samples")]
    TooMany,
    /// The text before the samples does not name one series.
    #[error("`{0}` does not name a series; write a name, labels with `=`, or both")]
    Name(String),
    /// The text before the samples is not a selector.
    #[error(transparent)]
    Selector(#[from] QueryError),
    /// The series has samples already.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Parses samples: `1` and `NaN` are values, `1x3` four times the same, `0+10x20` 21 rising values,
/// `_` a missing sample, `_x3` three of them, `stale` a stale marker.
///
/// # Errors
/// A word is none of these, or there are more than [`MAX_SAMPLES`].
pub fn samples(text: &str) -> Result<Vec<Option<f64>>, NotationError> {
    let mut samples = Vec::new();
    if text.contains("{{") {
        return Err(NotationError::NativeHistogram);
    }
    for word in text.split_whitespace() {
        let unknown = || NotationError::Sample(word.to_owned());
        let (head, times) = match word.split_once('x') {
            Some((head, times)) => (head, Some(times.parse::<usize>().map_err(|_| unknown())?)),
            None => (word, None),
        };
        if samples.len().saturating_add(times.unwrap_or(0)) >= MAX_SAMPLES {
            return Err(NotationError::TooMany);
        }
        match (head, times) {
            ("_", times) => samples.extend(std::iter::repeat_n(None, times.unwrap_or(1))),
            ("stale", None) => samples.push(Some(STALE_NAN)),
            (_, None) => samples.push(Some(number(head).ok_or_else(unknown)?)),
            (_, Some(times)) => {
                let (mut value, step) = progression(head).ok_or_else(unknown)?;
                for _ in 0..=times {
                    samples.push(Some(value));
                    value += step;
                }
            }
        }
    }
    Ok(samples)
}

/// Adds the series of a text to a storage, one a line: a series' name and labels, then its samples, of
/// which the k-th is at `k * interval_ms`. Empty lines and lines that start with `#` are skipped.
///
/// # Errors
/// A line is not in the notation, or its series has samples already.
pub fn load(storage: &mut Storage, interval_ms: i64, text: &str) -> Result<(), NotationError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let (labels, values) = series(line)?;
        let id = storage.series(&labels);
        for (at, value) in values.into_iter().enumerate() {
            if let Some(value) = value {
                storage.append(id, at as i64 * interval_ms, value)?;
            }
        }
    }
    Ok(())
}

/// Parses one series: its name and labels, then its samples.
///
/// # Errors
/// The line is not in the notation.
pub fn series(line: &str) -> Result<(Labels, Vec<Option<f64>>), NotationError> {
    let line = line.trim_start();
    let (name, values) = line.split_at(end_of_name(line));
    Ok((labels(name)?, samples(values)?))
}

/// The end of the labels: their closing brace, or the first space where there is none.
fn end_of_name(line: &str) -> usize {
    let (mut quote, mut escaped, mut in_braces) = (None, false, false);
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"' | '\''), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => in_braces = true,
            (None, '}') => return at + 1,
            (None, c) if c.is_whitespace() && !in_braces => return at,
            (None, _) => {}
        }
    }
    line.len()
}

/// Reads the labels of one series, written as `name{label="value"}`.
///
/// # Errors
/// The text is not that.
pub fn labels(text: &str) -> Result<Labels, NotationError> {
    if matches!(text.trim(), "" | "{}") {
        return Ok(Labels::empty());
    }
    let query = Query::parse(text)?;
    let unnamed = || NotationError::Name(text.to_owned());
    let selector = query.as_selector().ok_or_else(unnamed)?;
    let pairs: Option<Vec<(&str, &str)>> = selector.matchers.iter().map(exact).collect();
    Ok(Labels::new(pairs.ok_or_else(unnamed)?))
}

fn exact(matcher: &Matcher) -> Option<(&str, &str)> {
    match &matcher.op {
        MatchOp::Equal(value) => Some((&matcher.name, value)),
        MatchOp::NotEqual(_) | MatchOp::Regex(_) | MatchOp::NotRegex(_) => None,
    }
}

/// Start and step of `5`, `5+2` or `5-2`.
fn progression(text: &str) -> Option<(f64, f64)> {
    let signs = text.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
    for (at, _) in signs {
        if let (Some(start), Some(step)) = (number(&text[..at]), number(&text[at..])) {
            return Some((start, step));
        }
    }
    number(text).map(|value| (value, 0.0))
}

/// A number; whole ones with a leading zero are octal (promql/parser/parse.go: number).
fn number(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let octal = digits.strip_prefix('0').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let octal = octal.and_then(|digits| i64::from_str_radix(digits, 8).ok());
    octal.map(|octal| sign * octal as f64).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_expanded() {
        let some = |values: &[f64]| values.iter().map(|&value| Some(value)).collect::<Vec<_>>();
        let cases: &[(&str, Vec<Option<f64>>)] = &[
            ("1 2.5 -3", some(&[1.0, 2.5, -3.0])),
            ("1x2", some(&[1.0, 1.0, 1.0])),
            ("-2+4x2", some(&[-2.0, 2.0, 6.0])),
            ("1-2x2", some(&[1.0, -1.0, -3.0])),
            ("1e1+1e1x1", some(&[10.0, 20.0])),
            ("_ _x2 1", vec![None, None, None, Some(1.0)]),
            ("Inf -Inf", some(&[f64::INFINITY, f64::NEG_INFINITY])),
            ("010 -010 09 0.5 0", some(&[8.0, -8.0, 9.0, 0.5, 0.0])),
        ];
        for (text, expected) in cases {
            assert_eq!(&samples(text).unwrap(), expected, "{text}");
        }
        assert_eq!(samples("stale").unwrap()[0].unwrap().to_bits(), STALE_NAN.to_bits());
    }

    #[test]
    fn other_words_are_refused() {
        for text in ["x", "1x", "1+x2", "stalex2", "1x-1", "++1x2", "1x99999999", "0+7", "1 + 1x2"] {
            assert!(samples(text).is_err(), "{text}");
        }
        assert_eq!(samples("1 {{count:1}}"), Err(NotationError::NativeHistogram));
    }

    #[test]
    fn labels_may_hold_braces_and_spaces() {
        let (labels, values) = series(r#"x{a="} 1 \"", b='{'} 2"#).unwrap();
        assert_eq!(labels, Labels::new([("__name__", "x"), ("a", "} 1 \""), ("b", "{")]));
        assert_eq!(values, [Some(2.0)]);
        assert_eq!(series("{} 1").unwrap().0, Labels::empty());
    }

    #[test]
    fn only_one_series_is_a_name() {
        for text in ["a + b", "a[5m]", "a offset 1m", "rate(a[5m])", r#"a{b=~"c"}"#, "1", "-a"] {
            assert!(labels(text).is_err(), "{text}");
        }
        assert_eq!(labels(r#"{b="c"}"#).unwrap(), Labels::new([("b", "c")]));
    }
}
