//! The template language of `jsonPath`, as the web provider runs it (client-go v0.34
//! `util/jsonpath`, argo-rollouts v1.10.1 `metricproviders/webmetric/webmetric.go: getValue`).
//!
//! A template is text with actions in braces: `{$.scores[0].value}`. The measured value is the first that
//! the first part with any gives; text outside of braces is such a part, so that `$.score` without braces
//! measures the text `$.score`.
//!
//! What upstream leaves to chance (the order of an object's fields where a wildcard or `..` meets several),
//! and what makes it panic, is refused by name.

mod compare;
mod find;
mod parse;

use serde_json::Value as Json;

use crate::value::Value;
use find::{Finding, Item, Trouble};
use parse::Node;

/// The longest template that is read: real ones have less than a line.
const MAX_CHARS: usize = 1_000;

/// A template that upstream would parse.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    nodes: Vec<Node>,
}

/// Why a template gives no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonPathError {
    /// Upstream says so, in these words.
    Upstream(String),
    /// What upstream would do is not simulated, for this reason.
    NotSimulated(String),
}

impl JsonPath {
    /// Reads a template; an empty one is `{$}`, the whole document
    /// (`NewWebMetricJsonParser`).
    ///
    /// # Errors
    /// What upstream says of the first fault.
    pub fn parse(text: &str) -> Result<JsonPath, JsonPathError> {
        if text.chars().count() > MAX_CHARS {
            let what = format!("a `jsonPath` of more than {MAX_CHARS} characters");
            return Err(JsonPathError::NotSimulated(what));
        }
        let text = if text.is_empty() { "{$}" } else { text };
        parse::template(text).map(|nodes| JsonPath { nodes }).map_err(JsonPathError::Upstream)
    }

    /// The value that is measured in a body.
    ///
    /// # Errors
    /// Upstream's message where there is no such value.
    pub fn measure(&self, body: &Json) -> Result<Value, JsonPathError> {
        let mut finding = Finding::default();
        let root = match body {
            Json::Null => Item::Nothing,
            body => Item::Json(body),
        };
        let chance = |found: &Finding| {
            let what = "the order in which a `jsonPath` meets the fields of an object";
            found.by_chance.then(|| JsonPathError::NotSimulated(format!("{what}, which chance decides")))
        };
        let results = match finding.results(root, &self.nodes, 0) {
            Ok(results) => results,
            Err(Trouble::NotSimulated(what)) => return Err(JsonPathError::NotSimulated(what)),
            Err(Trouble::Upstream(message)) => {
                let message = format!("Could not find JSONPath in body: {message}");
                return Err(chance(&finding).unwrap_or(JsonPathError::Upstream(message)));
            }
        };
        let Some(part) = results.iter().find(|part| !part.is_empty()) else {
            return Err(JsonPathError::Upstream("result of web metric produced no value".to_owned()));
        };
        let several = results.iter().flatten().any(|item| *item != part[0]);
        match chance(&finding).filter(|_| several) {
            Some(by_chance) => Err(by_chance),
            None => value_of(&part[0]),
        }
    }
}

fn value_of(item: &Item<'_>) -> Result<Value, JsonPathError> {
    let refused = |what: &str| Err(JsonPathError::NotSimulated(what.to_owned()));
    match item {
        Item::Json(json) => Ok(Value::Json((*json).clone())),
        Item::Text(text) => Ok(Value::Text(text.clone())),
        Item::Float(number) => Ok(Value::Float(*number)),
        Item::Bool(truth) => Ok(Value::Bool(*truth)),
        Item::Int(_) => refused("a `jsonPath` that measures a whole number of its own"),
        Item::Byte(_) => refused("a `jsonPath` that measures the bytes of a text"),
        // `reflect.Value.Interface` on the zero Value.
        Item::Nothing => refused("a body `null`, of which the controller of Argo Rollouts v1.10.1 panics"),
    }
}

#[cfg(test)]
mod tests;
