//! Why a template is none, or gives no text.

use std::fmt;

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong, in the words of Go's template package where it has some.
    pub message: String,
    /// The line within the template, from 1.
    pub line: usize,
    /// Whether upstream would take it, and only this crate does not.
    pub not_simulated: bool,
}

impl ParseError {
    pub(super) fn at(text: &str, at: usize, message: impl Into<String>) -> Self {
        let line = text[..at].matches('\n').count() + 1;
        Self { message: message.into(), line, not_simulated: false }
    }

    pub(super) fn not_simulated(text: &str, at: usize, what: impl fmt::Display) -> Self {
        let message = format!("not simulated: {what}");
        Self { not_simulated: true, ..Self::at(text, at, message) }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}

/// Why a template gives no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// Upstream fails too; it puts a message of its own in the place of the text.
    #[error("{0}")]
    Failed(String),
    /// Upstream would go on.
    #[error("not simulated: {0}")]
    NotSimulated(String),
}

impl ExpandError {
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}
