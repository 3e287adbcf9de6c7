//! Numbers and strings as Go writes and reads them (`strconv`, `fmt`).

/// `strconv.Quote`.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// `strconv.FormatFloat(value, 'f', -1, 64)`: the shortest decimal that reads back the same, never with
/// an exponent.
pub(crate) fn float_plain(value: f64) -> String {
    match special(value) {
        Some(text) => text.to_string(),
        None => format!("{value}"),
    }
}

/// `fmt.Sprint` of a float64 (`strconv`'s `'g'`, shortest): with an exponent below 1e-4 and from
/// 1e6 on.
pub(crate) fn float_default(value: f64) -> String {
    if let Some(text) = special(value) {
        return text.to_string();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        Ok(_) | Err(_) => format!("{value}"),
    }
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// `strconv.ParseInt(text, …, 64)`; `digits` is the text without its base prefix.
pub(crate) fn parse_int(text: &str, digits: Option<&str>, radix: u32) -> Result<i64, String> {
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

/// `strconv.ParseFloat(text, 64)` for decimal numbers, `inf`, `infinity` and `nan`.
pub(crate) fn parse_float(text: &str) -> Result<f64, String> {
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

/// Whether Go would read the text as a hexadecimal floating-point number, which is not simulated.
pub(crate) fn is_hexadecimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    unsigned.starts_with("0x") || unsigned.starts_with("0X")
}

/// Go's conversion of a float64 to int64 on amd64: what does not fit becomes the smallest integer.
pub(crate) fn float_to_int(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) { value as i64 } else { i64::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let cases = [
            (0.1, "0.1", "0.1"),
            (1e21, "1000000000000000000000", "1e+21"),
            (1e-5, "0.00001", "1e-05"),
            (123456789.0, "123456789", "1.23456789e+08"),
            (f64::NAN, "NaN", "NaN"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
            (-0.0, "-0", "-0"),
        ];
        for (value, plain, default) in cases {
            assert_eq!(float_plain(value), plain);
            assert_eq!(float_default(value), default);
        }
    }
}
