//! What can go wrong with a condition, and where.

use std::fmt;

/// At which stage a condition fails. Upstream makes the measurement `Error` in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not an expression.
    Syntax,
    /// The expression does not fit the type of the measured value.
    Type,
    /// The expression failed while running, for instance on an index out of range.
    Run,
    /// The expression gives something else than a boolean.
    NotBool,
    /// The expression is valid upstream but uses a part of the language that is not simulated.
    NotSimulated,
    /// The expression exceeds a bound of this crate.
    Limit,
}

/// A place in the text of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Byte offset of the first character.
    pub offset: usize,
    /// Length in bytes; 0 at the end of the text.
    pub length: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Why a condition cannot be parsed or evaluated.
///
/// [`ConditionError::message`] is upstream's bare message, which Argo Rollouts records in the
/// measurement (`utils/evaluate/evaluate.go: EvalCondition` drops place and snippet). `Display` adds
/// both in the manner of expr (`file/error.go: Error.format`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionError {
    kind: ErrorKind,
    message: String,
    span: Option<Span>,
    snippet: String,
}

impl ConditionError {
    /// An error that belongs to the condition as a whole.
    pub(crate) fn whole(kind: ErrorKind, message: impl Into<String>) -> Self {
        ConditionError { kind, message: message.into(), span: None, snippet: String::new() }
    }

    /// The stage at which the condition failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without place and snippet.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where in the text, when the error has a place.
    pub fn span(&self) -> Option<Span> {
        self.span
    }
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.span {
            Some(span) => {
                write!(f, "{} ({}:{}){}", self.message, span.line, span.column, self.snippet)
            }
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ConditionError {}

/// A half-open range of characters (not bytes) of the text, as expr counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Location {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// An error whose place is not yet bound to the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) at: Location,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(kind: ErrorKind, at: Location, message: impl Into<String>) -> Self {
        Fault { kind, at, message: message.into() }
    }

    pub(crate) fn syntax(at: Location, message: impl Into<String>) -> Self {
        Fault::new(ErrorKind::Syntax, at, message)
    }

    pub(crate) fn not_simulated(at: Location, what: impl fmt::Display) -> Self {
        Fault::new(ErrorKind::NotSimulated, at, format!("not simulated: {what}"))
    }

    /// Finds line, column and snippet in the text (expr `file/error.go: Error.Bind`).
    pub(crate) fn bind(self, text: &str) -> ConditionError {
        let byte_of = |index: usize| text.char_indices().nth(index).map_or(text.len(), |(byte, _)| byte);
        let start = byte_of(self.at.from);
        let end = byte_of(self.at.to.max(self.at.from));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[line_start..].find('\n').map_or(text.len(), |newline| line_start + newline);
        let column = text[line_start..start].chars().count();
        let line_text = &text[line_start..line_end];
        let snippet = if line_text.is_empty() {
            String::new()
        } else {
            format!("\n | {}\n | {}^", line_text.replace('\t', " "), ".".repeat(column))
        };
        ConditionError {
            kind: self.kind,
            message: self.message,
            span: Some(Span {
                offset: start,
                length: end - start,
                line: 1 + text[..start].matches('\n').count(),
                column: column + 1,
            }),
            snippet,
        }
    }
}

/// What an operator or function reports before the node, and thus the place, is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Upstream fails with this message.
    Upstream(String),
    /// Upstream goes on, this crate does not.
    NotSimulated(String),
    /// A bound of this crate is reached.
    Limit(String),
}

impl Trouble {
    /// Places the trouble; `stage` is where upstream would report it.
    pub(crate) fn at(self, at: Location, stage: ErrorKind) -> Fault {
        match self {
            Trouble::Upstream(message) => Fault::new(stage, at, message),
            Trouble::NotSimulated(what) => Fault::not_simulated(at, what),
            Trouble::Limit(message) => Fault::new(ErrorKind::Limit, at, message),
        }
    }
}
