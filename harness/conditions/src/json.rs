//! JSON as Go's `encoding/json` reads it into an `any` and writes it again.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// A body that upstream and this crate may read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadableBody {
    /// Half of a surrogate pair, which Go replaces.
    Surrogate,
    /// Deeper than 127 levels, of which Go reads 10,000.
    TooDeep,
}

/// What a body contains; `None` where it is no JSON, which the web provider takes for a text
/// (webmetric.go: parseResponse).
///
/// # Errors
/// What Go reads and this crate does not.
pub fn read_body(body: &str) -> Result<Option<Json>, UnreadableBody> {
    let error = match serde_json::from_str(body) {
        Ok(json) => return Ok(Some(json)),
        Err(error) => error.to_string(),
    };
    if error.starts_with("recursion limit") {
        return Err(UnreadableBody::TooDeep);
    }
    if error.contains("surrogate") || error.contains("end of hex escape") {
        return Err(UnreadableBody::Surrogate);
    }
    Ok(None)
}

/// As `json.Marshal` writes a value.
pub(crate) fn text(json: &Json) -> String {
    let mut written = String::new();
    write(&mut written, json);
    written
}

fn write(out: &mut String, json: &Json) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Json::Number(value) => out.push_str(&number(value.as_f64().unwrap_or(f64::NAN))),
        Json::String(text) => out.push_str(&string(text)),
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(out, item);
            }
            out.push(']');
        }
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                out.push_str(&string(name));
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
    }
}

/// A `float64`: plain from 1e-6 to below 1e21, with a short exponent beyond (`floatEncoder`).
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{value}");
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        Some(_) | None => scientific,
    }
}

/// A string, with what HTML reads escaped (`appendString`).
pub(crate) fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escape(&mut quoted, c),
            c if u32::from(c) < 0x20 => escape(&mut quoted, c),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn escape(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\u{:04x}", u32::from(c));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_go_writes_them() {
        for (body, written) in [
            ("{\"b\": 1.0, \"a\": [true, null, -0.0]}", "{\"a\":[true,null,-0],\"b\":1}"),
            ("1e21", "1e+21"),
            ("999999999999999999999", "1e+21"),
            ("123456789012345678", "123456789012345680"),
            ("1e-6", "0.000001"),
            ("1e-7", "1e-7"),
            ("2.5e-10", "2.5e-10"),
            ("0.1", "0.1"),
            (
                "\"<a href=\\\"x\\\">\\u00e9\\u2028\\u0001\"",
                "\"\\u003ca href=\\\"x\\\"\\u003eé\\u2028\\u0001\"",
            ),
        ] {
            let json = read_body(body).unwrap().unwrap();
            assert_eq!(text(&json), written, "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_apart_from_what_only_go_reads() {
        for body in ["", "test: notJson", "{", "1 2", "NaN", "1e999", "{'a': 1}"] {
            assert_eq!(read_body(body), Ok(None), "{body}");
        }
        assert_eq!(read_body("\"\\ud800\""), Err(UnreadableBody::Surrogate));
        assert_eq!(read_body("\"\\ud800x\""), Err(UnreadableBody::Surrogate));
        assert_eq!(read_body("\"\\ud800\\u0041\""), Err(UnreadableBody::Surrogate));
        assert_eq!(read_body(&"[".repeat(200)), Err(UnreadableBody::TooDeep));
        assert_eq!(read_body("null"), Ok(Some(Json::Null)));
    }
}
