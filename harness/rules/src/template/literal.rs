//! Go's literals: numbers, characters, strings in double quotes.

/// A number without a type: what has a point or an exponent is a float.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

/// Reads a number (go text/template/parse/node.go: newNumber; exec.go: idealConstant).
pub(super) fn number(text: &str) -> Result<Number, String> {
    let bad = || format!("bad number syntax: {text:?}");
    if text.ends_with('i') {
        return Err("not simulated: complex numbers in a template".to_owned());
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase().replace('_', "");
    let radix = |prefix: &str| lower.strip_prefix(prefix);
    let in_radix = |digits: &str, radix| i128::from_str_radix(digits, radix).map_err(|_| bad());
    let integer = if let Some(digits) = radix("0x") {
        if digits.contains(['.', 'p']) {
            return Err("not simulated: hexadecimal floats in a template".to_owned());
        }
        in_radix(digits, 16)?
    } else if let Some(digits) = radix("0o") {
        in_radix(digits, 8)?
    } else if let Some(digits) = radix("0b") {
        in_radix(digits, 2)?
    } else if lower.contains(['.', 'e']) {
        return lower.parse::<f64>().map(|value| Number::Float(sign * value)).map_err(|_| bad());
    } else if lower.len() > 1 && lower.starts_with('0') {
        in_radix(&lower[1..], 8)?
    } else {
        lower.parse::<i128>().map_err(|_| bad())?
    };
    let signed = if sign < 0.0 { -integer } else { integer };
    i64::try_from(signed).map(Number::Int).map_err(|_| format!("integer overflow: {text:?}"))
}

/// The number of a character in single quotes.
pub(super) fn character(text: &str) -> Result<i64, String> {
    let malformed = || format!("malformed character constant: {text}");
    let inner = text.get(1..text.len() - 1).ok_or_else(malformed)?;
    let inner = if inner == "\\'" { "'".to_owned() } else { unescaped(inner).ok_or_else(malformed)? };
    let mut chars = inner.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => Ok(i64::from(u32::from(only))),
        _ => Err(malformed()),
    }
}

/// The text of a string in double quotes.
pub(super) fn string(text: &str) -> Result<String, String> {
    let inner = text.get(1..text.len() - 1).unwrap_or_default();
    unescaped(inner).ok_or_else(|| "invalid syntax".to_owned())
}

/// Replaces Go's escapes; none where one is malformed or makes bytes that are no text.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..].chars().next()?;
        rest = &rest[at + 1 + escape.len_utf8()..];
        let mut hexadecimal = |digits: usize| {
            let value = u32::from_str_radix(rest.get(..digits)?, 16).ok();
            rest = &rest[digits..];
            value
        };
        let simple = match escape {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' | '"' => escape as u8,
            'x' => u8::try_from(hexadecimal(2)?).ok()?,
            'u' | 'U' => {
                let code = hexadecimal(if escape == 'u' { 4 } else { 8 })?;
                bytes.extend_from_slice(char::from_u32(code)?.to_string().as_bytes());
                continue;
            }
            '0'..='7' => {
                let value = u32::from_str_radix(&format!("{escape}{}", rest.get(..2)?), 8).ok()?;
                rest = &rest[2..];
                u8::try_from(value).ok()?
            }
            _ => return None,
        };
        bytes.push(simple);
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        let cases = [
            ("12", Number::Int(12)),
            ("-0x1F", Number::Int(-31)),
            ("010", Number::Int(8)),
            ("1_000", Number::Int(1000)),
            ("1e3", Number::Float(1000.0)),
            ("+.5", Number::Float(0.5)),
            ("1.", Number::Float(1.0)),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), Ok(expected), "{text}");
        }
        for text in ["1i", "0x", "1.2.3", "99999999999999999999", "089", "0x1p4"] {
            assert!(number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn escapes_are_those_of_go() {
        assert_eq!(string(r#""a\"\n\x41\u00e9\101""#).as_deref(), Ok("a\"\nA\u{e9}A"));
        assert!(string(r#""\q""#).is_err() && string(r#""\xff""#).is_err());
        assert_eq!(character("'a'"), Ok(97));
        assert_eq!(character(r"'\n'"), Ok(10));
        assert_eq!(character(r"'\''"), Ok(39));
        assert!(character("'ab'").is_err());
    }
}
