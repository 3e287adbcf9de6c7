//! [`Query`]: a parsed PromQL expression, and what it evaluates to.

use std::fmt;
use std::rc::Rc;

use crate::cache::Cache;
use crate::compile::compile;
use crate::error::EvalError;
use crate::evaluate::{Evaluation, Evaluator};
use crate::labels::Labels;
use crate::plan::{Plan, Root, Selector, VectorNode};
use crate::source::{Position, Source, invalid};
use crate::storage::Storage;

/// Something of PromQL that this crate does not evaluate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its name, such as "PromQL function `histogram_count`".
    pub name: String,
    /// Where it stands in the query, where that is known.
    pub position: Option<Position>,
}

/// Why a text is not a query that can be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// Not PromQL, or PromQL of the wrong types.
    Invalid {
        /// The text.
        query: String,
        /// What is wrong.
        message: String,
        /// Where, if that is known.
        position: Option<Position>,
    },
    /// Valid PromQL that is not simulated; all such features are listed.
    NotSimulated {
        /// The text.
        query: String,
        /// The features, in order of appearance, each once.
        features: Vec<Feature>,
    },
    /// The text is beyond the bounds of this crate.
    TooComplex {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        count: usize,
        /// How much is accepted.
        limit: usize,
    },
}

impl std::error::Error for QueryError {}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { query, message, position } => {
                write!(f, "invalid PromQL: {message}")?;
                write_excerpt(f, query, *position)
            }
            Self::NotSimulated { query, features } => {
                f.write_str("not simulated: ")?;
                for (at, feature) in features.iter().enumerate() {
                    let separator = if at == 0 { "" } else { ", " };
                    write!(f, "{separator}{}", feature.name)?;
                }
                write_excerpt(f, query, features.first().and_then(|feature| feature.position))
            }
            Self::TooComplex { what, count, limit } => {
                write!(f, "the PromQL query has {count} {what}; at most {limit} are accepted")
            }
        }
    }
}

/// The line at fault with a mark below, or the whole query where the place is unknown.
fn write_excerpt(f: &mut fmt::Formatter<'_>, query: &str, position: Option<Position>) -> fmt::Result {
    let Some(position) = position else {
        return query.lines().try_for_each(|line| write!(f, "\n  | {line}"));
    };
    let line = query.lines().nth(position.line - 1).unwrap_or_default();
    let before: String =
        line.chars().take(position.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    write!(f, " ({position})\n  | {line}\n  | {before}^")
}

/// The result of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// An instant vector. It is sorted by labels; if the query's outermost operation is `sort`,
    /// `sort_desc`, `topk` or `bottomk`, it is in the order of that operation, with elements of the
    /// same value in order of labels. (Upstream's order is otherwise arbitrary.)
    Vector(Vec<Sample>),
    /// A range vector, or the result of a range query; sorted by labels.
    Matrix(Vec<Series>),
    /// A text.
    String(String),
}

/// One element of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: Labels,
    /// Its value at the time of the evaluation.
    pub value: f64,
}

/// One element of a range vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: Labels,
    /// Its samples, oldest first.
    pub points: Vec<Point>,
}

/// A value at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Milliseconds of virtual time.
    pub at_ms: i64,
    /// The value.
    pub value: f64,
}

/// The settings of a Prometheus server that change results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How far an instant selector looks back (`--query.lookback-delta`), in milliseconds.
    pub lookback_ms: i64,
    /// The step of a subquery that states none (`global.evaluation_interval`), in milliseconds.
    pub subquery_step_ms: i64,
    /// How many samples one evaluation may read (`--query.max-samples`).
    pub max_samples: u64,
}

impl Default for Options {
    /// Prometheus's defaults: 5 m, 1 m, 50 million.
    fn default() -> Self {
        Self { lookback_ms: 300_000, subquery_step_ms: 60_000, max_samples: 50_000_000 }
    }
}

/// A parsed query. Cheap to clone.
///
/// ```
/// use promql::{Labels, Query, Storage, Value};
///
/// let mut storage = Storage::new();
/// let errors = storage.series(&Labels::new([("__name__", "errors_total"), ("role", "canary")]));
/// for second in (0..=300).step_by(15) {
///     storage.append(errors, second * 1000, second as f64)?;
/// }
///
/// let query = Query::parse(r#"sum(rate(errors_total{role="canary"}[5m]))"#)?;
/// let Value::Vector(result) = query.instant(&storage, 300_000)? else { unreachable!() };
/// assert!((result[0].value - 1.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    text: Rc<str>,
    plan: Rc<Plan>,
}

impl Query {
    /// Parses an expression and checks that all of it can be evaluated.
    ///
    /// # Errors
    /// The text is not PromQL, uses features that are not simulated (all are named), or is too large.
    ///
    /// ```
    /// let error = promql::Query::parse("mad_over_time(free_bytes[1h]) < 0").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "not simulated: PromQL function `mad_over_time` (line 1, column 1)\n  \
    ///      | mad_over_time(free_bytes[1h]) < 0\n  | ^"
    /// );
    /// ```
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.trim().is_empty() {
            return Err(invalid(text, "the query is empty", None));
        }
        let source = Source::scan(text)?;
        let expression = promql_parser::parser::parse(text).map_err(|message| syntax(&source, message))?;
        let plan = compile(&source, &expression)?;
        Ok(Self { text: text.into(), plan: Rc::new(plan) })
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All selectors, in order of appearance.
    pub fn selectors(&self) -> &[Selector] {
        &self.plan.selectors
    }

    /// The selector, if the query is nothing but an instant selector of the evaluation time.
    pub(crate) fn as_selector(&self) -> Option<&Selector> {
        let is_plain = |selector: &&Selector| selector.offset_ms == 0 && selector.at.is_none();
        match self.plan.root {
            Root::Vector { node: VectorNode::Selector { selector, .. }, .. } => {
                Some(&self.plan.selectors[selector.0]).filter(is_plain)
            }
            _ => None,
        }
    }

    /// Binds the query to settings and gives it memory, for evaluating it many times.
    pub fn prepare(&self, options: Options) -> PreparedQuery {
        PreparedQuery { plan: self.plan.clone(), options, cache: Cache::new(&self.plan) }
    }

    /// Evaluates at one time, with default settings.
    ///
    /// # Errors
    /// The evaluation fails where Prometheus's would, or reaches a bound.
    pub fn instant(&self, storage: &Storage, at_ms: i64) -> Result<Value, EvalError> {
        Ok(self.instant_with_stats(storage, at_ms)?.value)
    }

    /// Evaluates at one time and says how much was looked at, with default settings.
    ///
    /// # Errors
    /// The evaluation fails where Prometheus's would, or reaches a bound.
    pub fn instant_with_stats(&self, storage: &Storage, at_ms: i64) -> Result<Evaluation, EvalError> {
        self.prepare(Options::default()).instant(storage, at_ms)
    }

    /// Evaluates at `start_ms`, then every `step_ms` until `end_ms`, with default settings.
    ///
    /// # Errors
    /// The step is not positive, the query is of no type that has ranges, the evaluation fails where
    /// Prometheus's would, or it reaches a bound.
    pub fn range(
        &self,
        storage: &Storage,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> Result<Value, EvalError> {
        Ok(self.prepare(Options::default()).range(storage, start_ms, end_ms, step_ms)?.value)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::parse(text)
    }
}

/// A query that remembers which series it selects and what it did with their labels, so that a
/// repeated evaluation is work on numbers alone. New series are noticed. Given another storage it
/// starts afresh.
///
/// ```
/// use promql::{Labels, Options, Query, Storage, Value};
///
/// let mut storage = Storage::new();
/// let up = storage.series(&Labels::new([("__name__", "up")]));
/// let mut query = Query::parse("sum(up)")?.prepare(Options::default());
/// for second in 1..10 {
///     storage.append(up, second * 1000, 1.0)?;
///     assert_eq!(query.instant(&storage, second * 1000)?.samples, 1);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PreparedQuery {
    plan: Rc<Plan>,
    options: Options,
    cache: Cache,
}

impl PreparedQuery {
    /// Evaluates at one time.
    ///
    /// # Errors
    /// The evaluation fails where Prometheus's would, or reaches a bound.
    pub fn instant(&mut self, storage: &Storage, at_ms: i64) -> Result<Evaluation, EvalError> {
        Evaluator::new(&self.plan, storage, &mut self.cache, self.options, (at_ms, at_ms)).instant(at_ms)
    }

    /// Evaluates at `start_ms`, then every `step_ms` until `end_ms`.
    ///
    /// # Errors
    /// The step is not positive, the query is of no type that has ranges, the evaluation fails where
    /// Prometheus's would, or it reaches a bound.
    pub fn range(
        &mut self,
        storage: &Storage,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> Result<Evaluation, EvalError> {
        Evaluator::new(&self.plan, storage, &mut self.cache, self.options, (start_ms, end_ms)).range(step_ms)
    }
}

/// The parser's message, with a place where the message names a word that can be found.
fn syntax(source: &Source<'_>, message: String) -> QueryError {
    let named = message.split(['\'', '"', '`']).nth(1).map(str::to_owned);
    let position = named.and_then(|word| source.call(&word).or_else(|| source.word(&word)));
    source.error(message, position)
}
