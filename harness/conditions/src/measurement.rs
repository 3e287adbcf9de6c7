//! From both conditions of a metric to the phase of a measurement.

use std::fmt;

use crate::condition::{Condition, Dialect};
use crate::error::ConditionError;
use crate::value::Value;

/// The phase of a measurement after its conditions were evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The measurement succeeded.
    Successful,
    /// The measurement failed and counts against `failureLimit`.
    Failed,
    /// Neither condition holds.
    Inconclusive,
    /// A condition could not be evaluated; the text is the measurement's message.
    Error(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Successful => f.write_str("Successful"),
            Outcome::Failed => f.write_str("Failed"),
            Outcome::Inconclusive => f.write_str("Inconclusive"),
            Outcome::Error(message) => write!(f, "Error: {message}"),
        }
    }
}

/// Judges a measured value (argo-rollouts `utils/evaluate/evaluate.go: EvaluateResult`).
///
/// Both conditions are evaluated, success first; an error in either makes the measurement an error even
/// if the other one decides. A failure condition that holds prevails over a success condition. Without
/// any condition each value is a success.
pub fn judge_measurement(success: Option<&Condition>, failure: Option<&Condition>, value: &Value) -> Outcome {
    let evaluate = |condition: Option<&Condition>, name: &str| {
        condition
            .map(|condition| {
                condition.evaluate(value).map_err(|error| explain(&error, name, condition, value))
            })
            .transpose()
    };
    let succeeded = match evaluate(success, "successCondition") {
        Ok(succeeded) => succeeded,
        Err(message) => return Outcome::Error(message),
    };
    let failed = match evaluate(failure, "failureCondition") {
        Ok(failed) => failed,
        Err(message) => return Outcome::Error(message),
    };
    match (succeeded, failed) {
        (None, None) | (Some(true), None | Some(false)) | (None, Some(false)) => Outcome::Successful,
        (_, Some(true)) | (Some(false), None) => Outcome::Failed,
        (Some(false), Some(false)) => Outcome::Inconclusive,
    }
}

/// The message of the measurement (evaluate.go: formatEvalError); before v1.10 the bare error.
fn explain(error: &ConditionError, name: &str, condition: &Condition, value: &Value) -> String {
    let text = condition.text();
    match condition.dialect() {
        Dialect::Expr1_15 => error.message().to_string(),
        Dialect::Expr1_17 if value.is_nil_or_empty() => format!(
            "could not evaluate {name} \"{text}\": metric result is nil or empty: no data returned from the \
             metric provider"
        ),
        Dialect::Expr1_17 => format!("could not evaluate {name} \"{text}\": {}", error.message()),
    }
}
