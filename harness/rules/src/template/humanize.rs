//! Numbers for people (prometheus template/template.go; common helpers/templates/time.go).

use promql::DatePart;
use strconv::{Format, format_float, is_hexadecimal, parse_float, shortest};

use super::error::ExpandError;
use super::value::Value;

type Text = Result<Value, ExpandError>;

/// With metric prefixes, to four digits.
pub(super) fn metric(value: &Value) -> Text {
    let mut number = number(value)?;
    let mut prefix = "";
    if number == 0.0 || !number.is_finite() {
        return Ok(Value::Text(digits(number)));
    }
    if number.abs() >= 1.0 {
        for larger in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
            if number.abs() < 1000.0 {
                break;
            }
            prefix = larger;
            number /= 1000.0;
        }
    } else {
        (number, prefix) = with_small_prefix(number);
    }
    Ok(Value::Text(format!("{}{prefix}", digits(number))))
}

/// With binary prefixes, to four digits.
pub(super) fn binary(value: &Value) -> Text {
    let mut number = number(value)?;
    let mut prefix = "";
    if number.abs() > 1.0 && number.is_finite() {
        for larger in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
            if number.abs() < 1024.0 {
                break;
            }
            prefix = larger;
            number /= 1024.0;
        }
    }
    Ok(Value::Text(format!("{}{prefix}", digits(number))))
}

/// Seconds as days, hours, minutes and seconds.
pub(super) fn duration(value: &Value) -> Text {
    let seconds = number(value)?;
    if !seconds.is_finite() {
        return Ok(Value::Text(digits(seconds)));
    }
    if seconds.abs() < 1.0 {
        let (small, prefix) = if seconds == 0.0 { (seconds, "") } else { with_small_prefix(seconds) };
        return Ok(Value::Text(format!("{}{prefix}s", digits(small))));
    }
    let (sign, size) = if seconds < 0.0 { ("-", -seconds) } else { ("", seconds) };
    // What does not fit is the least integer, as Go has it on amd64.
    let whole = if size < i64::MAX as f64 { size as i64 } else { i64::MIN };
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    Ok(Value::Text(match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", digits(size)),
        (0, 0, minutes) => format!("{sign}{minutes}m {rest}s"),
        (0, hours, minutes) => format!("{sign}{hours}h {minutes}m {rest}s"),
        (days, hours, minutes) => format!("{sign}{days}d {hours}h {minutes}m {rest}s"),
    }))
}

pub(super) fn percentage(value: &Value) -> Text {
    Ok(Value::Text(format!("{}%", digits(number(value)? * 100.0))))
}

/// Seconds since 1970 as Go's `time.Time` writes itself, to the millisecond.
pub(super) fn timestamp(value: &Value) -> Text {
    let seconds = number(value)?;
    if !seconds.is_finite() {
        return Ok(Value::Text(digits(seconds)));
    }
    let nanos = seconds * 1e9;
    if nanos.abs() > i64::MAX as f64 {
        let seconds = shortest(seconds);
        return Err(ExpandError::failed(format!(
            "{seconds} cannot be represented as a nanoseconds timestamp since it overflows int64"
        )));
    }
    let millis = nanos as i64 / 1_000_000;
    let (whole, millis) = (millis.div_euclid(1000) as f64, millis.rem_euclid(1000));
    let [year, month, day, hour, minute] =
        [DatePart::Year, DatePart::Month, DatePart::DayOfMonth, DatePart::Hour, DatePart::Minute]
            .map(|part| part.of(whole));
    let second = whole.rem_euclid(60.0);
    let fraction = match millis {
        0 => String::new(),
        millis => format!(".{millis:03}").trim_end_matches('0').to_owned(),
    };
    Ok(Value::Text(format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction} +0000 UTC"
    )))
}

/// Up to a thousandth of a thousandth and so on, until the number is at least 1.
fn with_small_prefix(mut number: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for smaller in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if number.abs() >= 1.0 {
            break;
        }
        prefix = smaller;
        number *= 1000.0;
    }
    (number, prefix)
}

fn digits(number: f64) -> String {
    format_float(number, Format::General, Some(4))
}

/// common helpers/templates/convert.go: ConvertToFloat
fn number(value: &Value) -> Result<f64, ExpandError> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Text(text) if is_hexadecimal(text) => {
            Err(ExpandError::NotSimulated("a hexadecimal floating-point number".to_owned()))
        }
        Value::Text(text) => parse_float(text).map_err(ExpandError::failed),
        other => Err(ExpandError::failed(format!("can't convert {} to float", other.type_name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Function = fn(&Value) -> Text;

    fn text(function: Function, number: f64) -> String {
        match function(&Value::Float(number)) {
            Ok(Value::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_are_written_as_upstream_writes_them() {
        let cases: &[(Function, f64, &str)] = &[
            (metric, 0.0, "0"),
            (metric, 1_234_567.0, "1.235M"),
            (metric, 0.001_25, "1.25m"),
            (metric, -999.0, "-999"),
            (metric, f64::INFINITY, "+Inf"),
            (binary, 1024.0, "1ki"),
            (binary, 1_048_576.0 * 1.5, "1.5Mi"),
            (binary, 0.5, "0.5"),
            (duration, 899.99, "14m 59s"),
            (duration, 0.123_45, "123.5ms"),
            (duration, 1.2345, "1.234s"),
            (duration, -183_845.0, "-2d 3h 4m 5s"),
            (duration, 0.0, "0s"),
            (percentage, 0.1234567, "12.35%"),
            (timestamp, 1_435_065_584.128, "2015-06-23 13:19:44.128 +0000 UTC"),
            (timestamp, 0.0, "1970-01-01 00:00:00 +0000 UTC"),
            (timestamp, -0.5, "1969-12-31 23:59:59.5 +0000 UTC"),
            (timestamp, f64::NAN, "NaN"),
        ];
        for (function, number, expected) in cases {
            assert_eq!(text(*function, *number), *expected, "{number}");
        }
    }

    #[test]
    fn texts_that_are_numbers_are_taken_and_others_refused() {
        assert_eq!(metric(&Value::Text("2000".to_owned())), Ok(Value::Text("2k".to_owned())));
        for value in [Value::Text("x".to_owned()), Value::Bool(true), Value::Nil] {
            assert!(metric(&value).is_err());
        }
    }
}
