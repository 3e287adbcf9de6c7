//! The language of `successCondition` and `failureCondition` in an AnalysisTemplate, as Argo Rollouts
//! v1.10 evaluates it: the syntax, the type check against the measured value and the evaluation of
//! expr-lang/expr 1.17, with the functions that Argo adds (`asInt`, `asFloat`, `isNaN`, `isInf`,
//! `isNil`, `default`).
//!
//! [`Condition::parse`] reads a text, [`Condition::evaluate`] checks it against the concrete [`Value`]
//! and runs it, [`judge_measurement`] combines both conditions of a metric into an [`Outcome`].
//! [`JsonPath`] finds the value of the web provider in a body.
//! [`Condition::references_result_as`] and [`Condition::threshold`] answer a linter's questions without
//! a value.
//!
//! A condition of the language that this crate does not evaluate is refused by name
//! ([`ErrorKind::NotSimulated`]); it never passes in silence. Nothing here panics, reads a clock or
//! depends on the iteration order of a hash map.
//!
//! ```
//! use conditions::{Condition, Dialect, Value};
//!
//! let condition = Condition::parse("result < 0.5", Dialect::default()).expect("valid syntax");
//! let error = condition.evaluate(&Value::Floats(vec![0.1])).expect_err("a vector is not a number");
//! assert_eq!(error.message(), "invalid operation: < (mismatched types []float64 and float64)");
//! ```

mod builtins;
mod check;
mod check_builtins;
mod condition;
mod datum;
mod error;
mod host;
mod json;
mod jsonpath;
mod lexer;
mod loops;
mod measurement;
mod operators;
mod optimize;
mod parser;
mod pattern;
mod references;
mod run;
mod syntax;
mod threshold;
mod types;
mod value;

pub use condition::{Condition, Dialect};
pub use error::{ConditionError, ErrorKind, Span};
pub use json::{UnreadableBody, read_body};
pub use jsonpath::{JsonPath, JsonPathError};
pub use measurement::{Outcome, judge_measurement};
pub use references::ResultUse;
pub use threshold::{Comparison, Threshold};
pub use value::{Value, prometheus_value, web_value};
