//! Floats in digits.

/// How a float is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `%g`: with an exponent where that is shorter.
    General,
    /// `%e`
    Exponent,
    /// `%f`
    Plain,
}

/// A float in digits (`strconv.FormatFloat`); without a precision with the fewest digits that read back the same (go
/// strconv/ftoa.go: formatDigits).
#[must_use]
pub fn format_float(value: f64, format: Format, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    match (format, precision) {
        (Format::Plain, Some(precision)) => format!("{value:.precision$}"),
        (Format::Plain, None) => value.to_string(),
        (Format::Exponent, Some(precision)) => with_go_exponent(&format!("{value:.precision$e}")),
        (Format::Exponent, None) => with_go_exponent(&format!("{value:e}")),
        (Format::General, precision) => general(value, precision),
    }
}

/// A float as `fmt.Sprint` writes it: with an exponent below 1e-4 and from 1e6 on.
#[must_use]
pub fn shortest(value: f64) -> String {
    format_float(value, Format::General, None)
}

fn general(value: f64, precision: Option<usize>) -> String {
    let scientific = match precision {
        None => format!("{value:e}"),
        Some(precision) => without_zeros(&format!("{value:.*e}", precision.max(1) - 1)),
    };
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let count = digits.chars().filter(char::is_ascii_digit).count() as i32;
    // A whole number keeps its digits up to the precision, others up to as many as they have.
    let limit = match precision {
        None => 6,
        Some(precision) => {
            let precision = precision.max(1) as i32;
            if precision > count && count > exponent { count } else { precision }
        }
    };
    if exponent < -4 || exponent >= limit {
        return with_go_exponent(&scientific);
    }
    let places = (count - 1 - exponent).max(0) as usize;
    // The digits are exact: rounding to them again changes nothing.
    scientific.parse::<f64>().map_or_else(|_| scientific.clone(), |value| format!("{value:.places$}"))
}

/// Takes zeros from the end of a fraction.
fn without_zeros(scientific: &str) -> String {
    match scientific.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => {
            format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => scientific.to_owned(),
    }
}

/// An exponent has a sign and at least two digits.
fn with_go_exponent(scientific: &str) -> String {
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific.to_owned() };
    let (sign, size) = match exponent.strip_prefix('-') {
        Some(size) => ('-', size),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{size:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let cases = [
            (1.0, Format::General, None, "1"),
            (1e6, Format::General, None, "1e+06"),
            (123_456_789.0, Format::General, None, "1.23456789e+08"),
            (99_999.5, Format::General, None, "99999.5"),
            (1e-5, Format::General, None, "1e-05"),
            (0.000_123_4, Format::General, None, "0.0001234"),
            (1234.5678, Format::General, Some(4), "1235"),
            (12_345.678, Format::General, Some(4), "1.235e+04"),
            (100.0, Format::General, Some(4), "100"),
            (1e20, Format::General, Some(2), "1e+20"),
            (0.5, Format::General, Some(4), "0.5"),
            (-0.0, Format::General, None, "-0"),
            (2.5, Format::Plain, Some(0), "2"),
            (0.1 + 0.2, Format::Plain, Some(2), "0.30"),
            (1500.0, Format::Exponent, Some(3), "1.500e+03"),
            (f64::INFINITY, Format::General, Some(4), "+Inf"),
            (f64::NEG_INFINITY, Format::Plain, None, "-Inf"),
            (f64::NAN, Format::General, None, "NaN"),
            (1e21, Format::General, None, "1e+21"),
            (1e21, Format::Plain, None, "1000000000000000000000"),
            (1e-5, Format::Plain, None, "0.00001"),
            (123_456_789.0, Format::Plain, None, "123456789"),
            (0.25, Format::Plain, None, "0.25"),
            (-0.0, Format::Plain, None, "-0"),
        ];
        for (value, format, precision, expected) in cases {
            assert_eq!(format_float(value, format, precision), expected, "{value}");
        }
    }
}
