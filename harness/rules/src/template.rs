//! Templates of labels and annotations: the part of Go's `text/template` that rules use, with the
//! functions that Prometheus adds (prometheus template/template.go).
//!
//! A template is parsed once ([`Template::parse`]) and expanded for each alert ([`Template::expand`]).
//! What upstream would do and this does not is refused by name, when it is parsed or, where only the
//! values tell, when it is expanded.

mod compare;
mod error;
mod exec;
mod format;
mod functions;
mod humanize;
mod lex;
mod literal;
mod parse;
mod text;
mod tree;
mod value;

use std::fmt;

use promql::{Labels, Sample};

pub use error::{ExpandError, ParseError};

/// The variables that every template of a rule knows (prometheus rules/alerting.go: Eval).
const VARIABLES: [&str; 5] = ["$", "$labels", "$externalLabels", "$externalURL", "$value"];

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    text: String,
    parsed: parse::Parsed,
}

/// What a template is expanded with.
pub struct Data<'a> {
    /// The labels of the element that the alert is of, with the metric's name: `$labels`.
    pub labels: &'a Labels,
    /// `$externalLabels`
    pub external_labels: &'a Labels,
    /// `$externalURL`
    pub external_url: &'a str,
    /// `$value`
    pub value: f64,
    /// The time of the evaluation, in milliseconds: `now`.
    pub at_ms: i64,
    /// What `query` gives.
    pub query: &'a dyn Fn(&str) -> Result<Vec<Sample>, ExpandError>,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// Upstream would refuse it, or it uses what is not simulated.
    ///
    /// ```
    /// let error = rules::Template::parse("{{ $value | toTime }}").unwrap_err();
    /// assert_eq!(error.to_string(), "not simulated: the template function `toTime`");
    /// ```
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Self { text: text.to_owned(), parsed: parse::parse(text, &VARIABLES)? })
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text for an alert.
    ///
    /// # Errors
    /// The expansion fails where upstream's would, or meets what is not simulated.
    ///
    /// ```
    /// use promql::Labels;
    /// use rules::{Data, Template};
    ///
    /// let template = Template::parse("{{ $labels.pod }} fails {{ $value | humanizePercentage }}")?;
    /// let data = Data {
    ///     labels: &Labels::new([("pod", "web-1")]),
    ///     external_labels: &Labels::empty(),
    ///     external_url: "",
    ///     value: 0.25,
    ///     at_ms: 0,
    ///     query: &|_| Ok(Vec::new()),
    /// };
    /// assert_eq!(template.expand(&data)?, "web-1 fails 25%");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expand(&self, data: &Data<'_>) -> Result<String, ExpandError> {
        exec::Expansion::run(&self.parsed, data)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
