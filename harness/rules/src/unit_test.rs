//! The unit tests of rules that `promtool test rules` runs (prometheus cmd/promtool/unittest.go).
//!
//! [`TestFile::read`] reads a file of them; [`TestFile::run`] runs it over the rules of its `rule_files`,
//! which the caller has read, and gives promtool's verdict.

mod check;
mod read;
mod run;

use std::collections::BTreeMap;

use promql::{Labels, Sample};
use units::Duration;
use yaml::Place;

pub use run::{Failure, Found, GroupResult, Wrong};

/// A file of unit tests.
#[derive(Debug, Clone)]
pub struct TestFile {
    /// Rule files, or patterns of them, relative to this file.
    pub rule_files: Vec<(String, Place)>,
    /// How often rules are evaluated.
    pub evaluation_interval: Duration,
    /// Groups that are evaluated in this order, after those that are not named.
    pub group_eval_order: Vec<String>,
    /// Whether numbers that are neighbours count as equal.
    pub fuzzy_compare: bool,
    /// The tests.
    pub tests: Vec<TestGroup>,
}

/// Series, and what must come of them.
#[derive(Debug, Clone)]
pub struct TestGroup {
    /// Its name.
    pub name: String,
    /// The time of the first sample and the first evaluation, in milliseconds since 1970.
    pub start_ms: i64,
    /// The time between the samples of a series.
    pub interval: Duration,
    /// The series.
    pub input_series: Vec<InputSeries>,
    /// What alerts must fire.
    pub alerts: Vec<AlertTest>,
    /// What queries must give.
    pub queries: Vec<QueryTest>,
    /// Labels that templates know as `$externalLabels`.
    pub external_labels: Labels,
    /// What templates know as `$externalURL`.
    pub external_url: String,
    /// Where it stands.
    pub place: Place,
}

/// A series and its samples, one an interval.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSeries {
    /// Its labels.
    pub labels: Labels,
    /// Its samples; none is a missing one.
    pub values: Vec<Option<f64>>,
}

/// The alerts of a name that must fire at a time, and no others.
#[derive(Debug, Clone)]
pub struct AlertTest {
    /// When.
    pub eval_time: Duration,
    /// The name.
    pub alertname: String,
    /// What must fire.
    pub expected: Vec<ExpectedAlert>,
    /// Where it stands.
    pub place: Place,
}

/// Labels and annotations of an alert, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedAlert {
    /// All labels, with `alertname`.
    pub labels: BTreeMap<String, String>,
    /// All annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What a query must give at a time.
#[derive(Debug, Clone)]
pub struct QueryTest {
    /// The query.
    pub expr: String,
    /// When.
    pub eval_time: Duration,
    /// The samples, in any order.
    pub expected: Vec<Sample>,
    /// Where it stands.
    pub place: Place,
}

impl TestGroup {
    /// How long the test lasts: until its last moment.
    pub fn length(&self) -> Duration {
        let alerts = self.alerts.iter().map(|test| test.eval_time);
        let queries = self.queries.iter().map(|test| test.eval_time);
        alerts.chain(queries).max().unwrap_or(Duration::ZERO)
    }
}
