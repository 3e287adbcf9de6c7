//! [`Matcher`]: a condition on one label.

use std::fmt;

use regex::Regex;

use crate::labels::{Labels, METRIC_NAME, Quoted};

/// A condition on one label. A label that is not there counts as the empty text.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// What is asked of its value.
    pub op: MatchOp,
}

/// What a [`Matcher`] asks of a value. Regular expressions match the whole value.
#[derive(Debug, Clone)]
pub enum MatchOp {
    /// `=`
    Equal(String),
    /// `!=`
    NotEqual(String),
    /// `=~`
    Regex(Pattern),
    /// `!~`
    NotRegex(Pattern),
}

/// An anchored regular expression with the text that the user wrote.
///
/// Deviation: the syntax is that of the `regex` crate, which differs from Go's RE2 in details
/// (`\d` and `\w` take all of Unicode).
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    anchored: Regex,
}

impl Pattern {
    /// Compiles a pattern that must match a whole value; `.` matches a line break too, as upstream
    /// (prometheus model/labels/regexp.go: NewFastRegexMatcher).
    ///
    /// # Errors
    /// The text is not a regular expression.
    pub fn new(source: &str) -> Result<Self, regex::Error> {
        Ok(Self { source: source.to_owned(), anchored: Regex::new(&format!("^(?s:{source})$"))? })
    }

    /// Takes the form that `promql-parser` has compiled: it escapes braces that are no repetition.
    pub(crate) fn from_parser(source: &str, compiled: &str) -> Result<Self, regex::Error> {
        Ok(Self { source: source.to_owned(), anchored: Regex::new(&format!("(?s){compiled}"))? })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the whole value matches.
    pub fn is_match(&self, value: &str) -> bool {
        self.anchored.is_match(value)
    }

    pub(crate) fn regex(&self) -> &Regex {
        &self.anchored
    }
}

impl Matcher {
    /// A matcher for one exact value.
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), op: MatchOp::Equal(value.to_owned()) }
    }

    /// Whether the labels meet the condition.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.accepts(labels.get(&self.name).unwrap_or_default())
    }

    /// Whether a value of the label meets the condition.
    pub(crate) fn accepts(&self, value: &str) -> bool {
        match &self.op {
            MatchOp::Equal(wanted) => value == wanted,
            MatchOp::NotEqual(unwanted) => value != unwanted,
            MatchOp::Regex(pattern) => pattern.is_match(value),
            MatchOp::NotRegex(pattern) => !pattern.is_match(value),
        }
    }

    /// The metric name that these matchers demand, if they demand exactly one.
    pub(crate) fn metric_name(matchers: &[Matcher]) -> Option<&str> {
        matchers.iter().find_map(|matcher| match &matcher.op {
            MatchOp::Equal(value) if matcher.name == METRIC_NAME => Some(value.as_str()),
            MatchOp::Equal(_) | MatchOp::NotEqual(_) | MatchOp::Regex(_) | MatchOp::NotRegex(_) => None,
        })
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, value) = match &self.op {
            MatchOp::Equal(value) => ("=", value.as_str()),
            MatchOp::NotEqual(value) => ("!=", value.as_str()),
            MatchOp::Regex(pattern) => ("=~", pattern.as_str()),
            MatchOp::NotRegex(pattern) => ("!~", pattern.as_str()),
        };
        write!(f, "{}{op}{}", self.name, Quoted(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_the_whole_value_and_line_breaks() {
        let cases = [("a|b", "a", true), ("a|b", "ab", false), ("a.*", "a\nb", true), ("", "", true)];
        for (pattern, value, expected) in cases {
            assert_eq!(Pattern::new(pattern).unwrap().is_match(value), expected, "{pattern} on {value:?}");
        }
    }

    #[test]
    fn a_missing_label_is_the_empty_text() {
        let labels = Labels::new([("role", "canary")]);
        let matcher = |op| Matcher { name: "pod".to_owned(), op };
        assert!(matcher(MatchOp::Equal(String::new())).matches(&labels));
        assert!(matcher(MatchOp::NotEqual("p".to_owned())).matches(&labels));
        assert!(matcher(MatchOp::Regex(Pattern::new(".*").unwrap())).matches(&labels));
        assert!(!matcher(MatchOp::Regex(Pattern::new(".+").unwrap())).matches(&labels));
        assert!(matcher(MatchOp::NotRegex(Pattern::new(".+").unwrap())).matches(&labels));
    }
}
