//! PromQL over an in-memory storage in virtual time.
//!
//! [`Storage`] holds series; [`Query`] is a parsed expression; [`PreparedQuery`] evaluates one many
//! times, cheaply. Results are those of Prometheus 3 (left-open windows, lookback of 5 minutes, stale
//! markers, extrapolating `rate`); where a rule is not obvious, its code names the upstream file and
//! function. What is not evaluated is refused by name when a query is parsed ([`FUNCTIONS`] lists what
//! is), never guessed.
//!
//! The crate does no IO, knows no wall clock and draws no random numbers: the same storage and query
//! give the same bytes.

mod aggregate;
mod binary;
mod cache;
mod calendar;
mod compile;
mod elementwise;
mod error;
mod evaluate;
mod histogram;
mod labels;
mod matcher;
pub mod notation;
mod over_time;
mod plan;
mod query;
mod select;
mod source;
mod storage;
mod sum;
mod table;
mod unsupported;

pub use calendar::DatePart;
pub use error::{EvalError, MAX_STEPS, MAX_SUBQUERY_STEPS};
pub use evaluate::Evaluation;
pub use labels::{BUCKET_BOUND, Label, Labels, METRIC_NAME};
pub use matcher::{MatchOp, Matcher, Pattern};
pub use plan::{At, Selector};
pub use query::{Feature, Options, Point, PreparedQuery, Query, QueryError, Sample, Series, Value};
pub use source::{MAX_NESTING, MAX_OPERATORS, MAX_QUERY_BYTES, Position};
pub use storage::{AppendError, Metric, Row, STALE_NAN, SeriesId, Storage};
pub use unsupported::FUNCTIONS;
