//! Numbers from texts.

use crate::quote;

/// `strconv.ParseInt(text, …, 64)`; `digits` is the text without its base prefix, and none where that is missing.
///
/// # Errors
/// In Go's words: no digits of this radix, or more than 64 bits hold.
pub fn parse_int(text: &str, digits: Option<&str>, radix: u32) -> Result<i64, String> {
    let error = |reason: &str| format!("strconv.ParseInt: parsing {}: {reason}", quote(text));
    let unsigned = digits.map(|digits| digits.strip_prefix(['+', '-']).unwrap_or(digits));
    match (digits, unsigned) {
        (Some(digits), Some(unsigned))
            if !unsigned.is_empty() && unsigned.chars().all(|c| c.is_digit(radix)) =>
        {
            i64::from_str_radix(digits, radix).map_err(|_| error("value out of range"))
        }
        _ => Err(error("invalid syntax")),
    }
}

/// `strconv.ParseFloat(text, 64)` for decimal numbers, `inf`, `infinity` and `nan`. Hexadecimal ones, see [`is_hexadecimal`],
/// are not read.
///
/// # Errors
/// In Go's words: no number, or a larger one than a float holds.
pub fn parse_float(text: &str) -> Result<f64, String> {
    let error = |reason: &str| format!("strconv.ParseFloat: parsing {}: {reason}", quote(text));
    let digits = without_separators(text).ok_or_else(|| error("invalid syntax"))?;
    let value: f64 = digits.parse().map_err(|_| error("invalid syntax"))?;
    if value.is_nan() && text.starts_with(['+', '-']) {
        return Err(error("invalid syntax"));
    }
    let named = text.contains(['i', 'I', 'n', 'N']);
    if value.is_infinite() && !named { Err(error("value out of range")) } else { Ok(value) }
}

/// The text without underscores, each of which must stand between two digits.
fn without_separators(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_digit);
    let separates = |i: usize| digit(i.checked_sub(1)) && digit(i.checked_add(1));
    let sound = bytes.iter().enumerate().all(|(i, byte)| *byte != b'_' || separates(i));
    sound.then(|| text.replace('_', ""))
}

/// Whether Go would read the text as a hexadecimal floating-point number, which [`parse_float`] does not.
#[must_use]
pub fn is_hexadecimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    unsigned.starts_with("0x") || unsigned.starts_with("0X")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_go_reads_them() {
        assert_eq!(parse_int("-12", Some("-12"), 10), Ok(-12));
        assert_eq!(parse_int("0xff", Some("ff"), 16), Ok(255));
        for (text, why) in [
            ("", "invalid syntax"),
            ("+", "invalid syntax"),
            ("1.0", "invalid syntax"),
            ("9223372036854775808", "value out of range"),
        ] {
            let refused = format!("strconv.ParseInt: parsing {}: {why}", quote(text));
            assert_eq!(parse_int(text, Some(text), 10), Err(refused));
        }
    }

    #[test]
    fn floats_are_read_as_go_reads_them() {
        for (text, value) in [("0.5", 0.5), ("1e3", 1e3), ("1_000.5", 1000.5), ("-Inf", f64::NEG_INFINITY)] {
            assert_eq!(parse_float(text), Ok(value));
        }
        assert!(parse_float("NaN").is_ok_and(f64::is_nan));
        for (text, why) in [
            ("", "invalid syntax"),
            ("_1", "invalid syntax"),
            ("+nan", "invalid syntax"),
            ("1e999", "value out of range"),
        ] {
            let refused = format!("strconv.ParseFloat: parsing {}: {why}", quote(text));
            assert_eq!(parse_float(text), Err(refused));
        }
    }

    #[test]
    fn hexadecimal_numbers_are_told_apart() {
        assert!(is_hexadecimal("-0X1p4") && is_hexadecimal("0x1p4"));
        assert!(!is_hexadecimal("10"));
    }
}
