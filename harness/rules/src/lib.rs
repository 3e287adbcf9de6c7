//! Recording and alerting rules of Prometheus, in virtual time, and the unit tests of them that promtool
//! runs.
//!
//! [`read_rules`] reads rule files and `PrometheusRule` objects, [`read_object`] one object; [`RunningGroup`] evaluates a group over
//! a [`promql::Storage`], writes what it records, and follows its alerts. [`Template`] is the part of
//! Go's templates that rules use. Results are those of Prometheus 3.8; what is not done is refused by
//! name.

mod alert;
mod duration;
mod evaluate;
mod fields;
mod file;
mod group;
mod succession;
mod template;
pub mod unit_test;

pub use alert::{Alert, AlertState};
pub use evaluate::{Failure, RuleError, RunningGroup, Settings};
pub use file::{LAG, ObjectRules, REJECTED, read_object, read_rules};
pub use group::{Alerting, Group, Kind, Rule};
pub use template::{Data, ExpandError, ParseError, Template};
