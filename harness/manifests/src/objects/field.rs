//! The messages of Kubernetes' field validation (apimachinery `util/validation/field/errors.go`).

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// The first thing that an upstream validation rejects, worded as upstream words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {body}")]
pub struct FieldError {
    /// The path, such as `spec.strategy.steps[2].setWeight`.
    pub field: String,
    body: String,
}

impl FieldError {
    /// `field: Required value: detail`.
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, "Required value".to_owned(), detail)
    }

    /// `field: Forbidden: detail`.
    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new(field, "Forbidden".to_owned(), detail)
    }

    /// `field: Duplicate value: "value"`.
    pub(crate) fn duplicate(field: impl Into<String>, value: &str) -> Self {
        Self::new(field, format!("Duplicate value: {}", quoted(value)), "")
    }

    /// `field: Invalid value: value: detail`, with a value that upstream prints bare.
    pub(crate) fn invalid(field: impl Into<String>, value: impl fmt::Display, detail: &str) -> Self {
        Self::new(field, format!("Invalid value: {value}"), detail)
    }

    /// `field: Invalid value: "value": detail`.
    pub(crate) fn invalid_text(field: impl Into<String>, value: &str, detail: &str) -> Self {
        Self::invalid(field, quoted(value), detail)
    }

    /// `field: Unsupported value: "value": supported values: "a", "b"`.
    pub(crate) fn unsupported(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|value| quoted(value)).collect();
        let detail = format!("supported values: {}", supported.join(", "));
        Self::new(field, format!("Unsupported value: {}", quoted(value)), &detail)
    }

    fn new(field: impl Into<String>, kind: String, detail: &str) -> Self {
        let body = if detail.is_empty() { kind } else { format!("{kind}: {detail}") };
        Self { field: field.into(), body }
    }
}

/// Text in double quotes with Go's escapes (`strconv.Quote`).
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Letters, marks, numbers, punctuation, symbols and the space (`strconv.IsPrint`).
fn is_printable(c: char) -> bool {
    static OTHERS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$").ok());
    match c {
        ' '..='~' => true,
        '\0'..='\u{7f}' => false,
        c => OTHERS.as_ref().is_none_or(|others| others.is_match(c.encode_utf8(&mut [0; 4]))),
    }
}
