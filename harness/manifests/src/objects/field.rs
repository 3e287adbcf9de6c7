//! The messages of Kubernetes' field validation (apimachinery `util/validation/field/errors.go`).

use std::fmt;

use strconv::quote;

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
        Self::new(field, format!("Duplicate value: {}", quote(value)), "")
    }

    /// `field: Invalid value: value: detail`, with a value that upstream prints bare.
    pub(crate) fn invalid(field: impl Into<String>, value: impl fmt::Display, detail: &str) -> Self {
        Self::new(field, format!("Invalid value: {value}"), detail)
    }

    /// `field: Invalid value: "value": detail`.
    pub(crate) fn invalid_text(field: impl Into<String>, value: &str, detail: &str) -> Self {
        Self::invalid(field, quote(value), detail)
    }

    /// `field: Unsupported value: "value": supported values: "a", "b"`.
    pub(crate) fn unsupported(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|value| quote(value)).collect();
        let detail = format!("supported values: {}", supported.join(", "));
        Self::new(field, format!("Unsupported value: {}", quote(value)), &detail)
    }

    fn new(field: impl Into<String>, kind: String, detail: &str) -> Self {
        let body = if detail.is_empty() { kind } else { format!("{kind}: {detail}") };
        Self { field: field.into(), body }
    }
}
