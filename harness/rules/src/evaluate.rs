//! One evaluation of a group after the other (prometheus rules/group.go: Eval).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use planted::Bug;
use promql::{AppendError, EvalError, Labels, PreparedQuery, Query, QueryError, Sample, Storage, Value};

use crate::alert::{Alert, AlertState};
use crate::group::{Group, Kind};
use crate::template::ExpandError;

/// What rules know of the server that evaluates them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Labels that the server adds to what it sends away; templates know them as `$externalLabels`.
    pub external_labels: Labels,
    /// `$externalURL`
    pub external_url: String,
    /// How queries are evaluated.
    pub query: promql::Options,
}

impl Default for Settings {
    fn default() -> Self {
        let (external_labels, external_url) = (Labels::empty(), String::new());
        Self { external_labels, external_url, query: promql::Options::default() }
    }
}

/// A group and what its rules remember from one evaluation to the next.
///
/// ```
/// use std::rc::Rc;
/// use promql::{Labels, Storage, notation};
/// use rules::{RunningGroup, Settings, read_rules};
///
/// let text = "groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 1m}]}]";
/// let group = read_rules(&yaml::parse("rules.yaml", text.as_bytes())?).map_err(|p| p[0].clone())?.remove(0);
/// let mut storage = Storage::new();
/// notation::load(&mut storage, 60_000, r#"up{job="model"} 0 0 0"#)?;
/// let mut running = RunningGroup::new(Rc::new(group), Rc::new(Settings::default()));
/// for minute in 0..3 {
///     assert!(running.evaluate(&mut storage, minute * 60_000).is_empty());
/// }
/// let firing = running.firing("Down").next().unwrap();
/// assert_eq!(firing.labels, Labels::new([("alertname", "Down"), ("job", "model")]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunningGroup {
    pub(crate) group: Rc<Group>,
    settings: Rc<Settings>,
    pub(crate) rules: Vec<RunningRule>,
    /// The series of rules that are no longer in the group; the next evaluation marks them as stale.
    pub(crate) left: Vec<Labels>,
}

#[derive(Debug, Clone)]
pub(crate) struct RunningRule {
    query: PreparedQuery,
    /// The alerts of an alerting rule that are, or lately were, active.
    pub(crate) active: BTreeMap<Labels, Alert>,
    /// The series that its last evaluation wrote.
    pub(crate) written: BTreeSet<Labels>,
    /// Whether it was ever put to the test.
    pub(crate) exercised: bool,
}

/// A rule that failed at an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The rule, by its position in the group.
    pub rule: usize,
    /// Its name.
    pub name: String,
    /// Why.
    pub error: RuleError,
}

/// Why a rule failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// The expression has no value.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
    /// The expression is of another type.
    #[error("rule result is not a vector or scalar")]
    NotAVector,
    /// The labels of the rule make elements equal.
    #[error("vector contains metrics with the same labelset after applying {0} labels")]
    SameLabels(&'static str),
    /// More series or alerts than the group allows.
    #[error("exceeded limit of {limit} with {count} {what}")]
    Limit {
        /// The group's limit.
        limit: usize,
        /// How many there are.
        count: usize,
        /// `series` or `alerts`.
        what: &'static str,
    },
    /// A series has another value at this time already.
    #[error("{labels}: duplicate sample for timestamp")]
    Duplicate {
        /// The series.
        labels: Labels,
    },
    /// A series has newer samples.
    #[error("{labels}: out of order sample")]
    OutOfOrder {
        /// The series.
        labels: Labels,
    },
    /// Something that is not simulated, by name.
    #[error("not simulated: {0}")]
    NotSimulated(String),
}

impl RunningGroup {
    /// A group that was never evaluated.
    pub fn new(group: Rc<Group>, settings: Rc<Settings>) -> Self {
        let rules = group.rules.iter().map(|rule| RunningRule {
            query: rule.expr.prepare(settings.query),
            active: BTreeMap::new(),
            written: BTreeSet::new(),
            exercised: rule.expr.selectors().is_empty(),
        });
        Self { rules: rules.collect(), group, settings, left: Vec::new() }
    }

    /// The group as it is written.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Evaluates each rule at a time in milliseconds and stores what it gives, so that the next rule sees
    /// it. Series that a rule wrote last time and does not write now are marked as stale.
    ///
    /// A rule that fails stores nothing; the others go on. Its failure is returned.
    pub fn evaluate(&mut self, storage: &mut Storage, at_ms: i64) -> Vec<Failure> {
        let group = Rc::clone(&self.group);
        let offset_ms = milliseconds(group.query_offset);
        let mut failures = Vec::new();
        for (index, rule) in group.rules.iter().enumerate() {
            let results = match self.evaluate_rule(index, storage, at_ms, at_ms - offset_ms) {
                Ok(samples) => self.rules[index].write(storage, samples, at_ms - offset_ms),
                Err(error) => Err(error),
            };
            if let Err(error) = results {
                failures.push(Failure { rule: index, name: rule.name().to_owned(), error });
            }
        }
        self.mark_left(storage, at_ms);
        failures
    }

    /// The alerts that are pending or firing, in order of their rules and labels.
    pub fn active(&self) -> impl Iterator<Item = &Alert> {
        let alerts = self.rules.iter().flat_map(|rule| rule.active.values());
        alerts.filter(|alert| alert.state != AlertState::Inactive)
    }

    /// The alerts of a name that are firing, in order of their rules and labels.
    pub fn firing(&self, name: &str) -> impl Iterator<Item = &Alert> {
        let of_name = move |(index, _): &(usize, &RunningRule)| match &self.group.rules[*index].kind {
            Kind::Alerting(alerting) => alerting.alert == name,
            Kind::Recording { .. } => false,
        };
        let rules = self.rules.iter().enumerate().filter(of_name);
        rules.flat_map(|(_, rule)| rule.active.values()).filter(|alert| alert.is_firing())
    }

    /// Whether a rule, by its position in the group, was ever put to the test: its query had a series to look
    /// at, gave a result without one as `absent` does, or selects none. Else it is no evidence that the rule
    /// gave nothing.
    pub fn was_exercised(&self, rule: usize) -> bool {
        self.rules[rule].exercised
    }

    fn evaluate_rule(
        &mut self,
        index: usize,
        storage: &Storage,
        at_ms: i64,
        query_ms: i64,
    ) -> Result<Vec<Sample>, RuleError> {
        let rule = &mut self.rules[index];
        let evaluation = rule.query.instant(storage, query_ms)?;
        let found = vector(evaluation.value)?;
        rule.exercised |= evaluation.series > 0 || !found.is_empty();
        match &self.group.rules[index].kind {
            Kind::Recording { record, labels } => recorded(found, record, labels, self.group.limit),
            Kind::Alerting(alerting) => {
                let query = |text: &str| template_query(text, storage, at_ms, &self.settings);
                let context = crate::alert::Context {
                    rule: alerting,
                    settings: &self.settings,
                    at_ms,
                    limit: self.group.limit,
                    query: &query,
                };
                context.update(&mut rule.active, &found)
            }
        }
    }
}

impl RunningRule {
    /// Stores samples, and stale markers for the series that are gone.
    fn write(&mut self, storage: &mut Storage, samples: Vec<Sample>, at_ms: i64) -> Result<(), RuleError> {
        let mut written = BTreeSet::new();
        let mut failed = Ok(());
        for Sample { labels, value } in samples {
            match append(storage, &labels, at_ms, value) {
                Ok(()) => drop(written.insert(labels)),
                Err(error) => failed = Err(error),
            }
        }
        for labels in self.written.difference(&written).filter(|_| !planted::is(Bug::RuleSeriesGoOn)) {
            let series = storage.series(labels);
            // Where another rule wrote the series just now, it goes on.
            let _ = storage.mark_stale(series, at_ms);
        }
        self.written = written;
        failed
    }
}

fn recorded(
    found: Vec<Sample>,
    record: &str,
    labels: &BTreeMap<String, String>,
    limit: Option<usize>,
) -> Result<Vec<Sample>, RuleError> {
    let mut seen = BTreeSet::new();
    let mut samples = Vec::with_capacity(found.len());
    for sample in found {
        let named = sample.labels.with(promql::METRIC_NAME, record);
        let labels = labels.iter().fold(named, |labels, (name, value)| labels.with(name, value));
        if !seen.insert(labels.clone()) {
            return Err(RuleError::SameLabels("rule"));
        }
        samples.push(Sample { labels, value: sample.value });
    }
    match limit {
        Some(limit) if samples.len() > limit => {
            Err(RuleError::Limit { limit, count: samples.len(), what: "series" })
        }
        Some(_) | None => Ok(samples),
    }
}

/// A result as rules take it (prometheus rules/manager.go: EngineQueryFunc).
pub(crate) fn vector(value: Value) -> Result<Vec<Sample>, RuleError> {
    match value {
        Value::Vector(samples) => Ok(samples),
        Value::Scalar(value) => Ok(vec![Sample { labels: Labels::empty(), value }]),
        Value::Matrix(_) | Value::String(_) => Err(RuleError::NotAVector),
    }
}

/// The function `query` of templates.
fn template_query(
    text: &str,
    storage: &Storage,
    at_ms: i64,
    settings: &Settings,
) -> Result<Vec<Sample>, ExpandError> {
    let query = Query::parse(text).map_err(|error| match error {
        QueryError::NotSimulated { .. } | QueryError::TooComplex { .. } => {
            ExpandError::NotSimulated(error.to_string().trim_start_matches("not simulated: ").to_owned())
        }
        QueryError::Invalid { message, .. } => ExpandError::Failed(message),
    })?;
    let evaluation = query.prepare(settings.query).instant(storage, at_ms);
    let value = evaluation.map_err(|error| ExpandError::Failed(error.to_string()))?.value;
    vector(value).map_err(|error| ExpandError::Failed(error.to_string()))
}

/// Stores a sample; one that is there already with the same value is as good.
fn append(storage: &mut Storage, labels: &Labels, at_ms: i64, value: f64) -> Result<(), RuleError> {
    let series = storage.series(labels);
    match storage.append(series, at_ms, value) {
        Ok(()) => Ok(()),
        Err(AppendError::OutOfOrder { last_ms, .. }) if last_ms > at_ms => {
            Err(RuleError::OutOfOrder { labels: labels.clone() })
        }
        Err(AppendError::OutOfOrder { .. }) => {
            match stored(storage, labels, at_ms).is_some_and(|stored| stored.to_bits() == value.to_bits()) {
                true => Ok(()),
                false => Err(RuleError::Duplicate { labels: labels.clone() }),
            }
        }
    }
}

/// The value of a series at a time, found by a query.
fn stored(storage: &Storage, labels: &Labels, at_ms: i64) -> Option<f64> {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let matchers = labels.iter().map(|label| format!("{}=\"{}\"", label.name, quoted(&label.value)));
    let selector = matchers.collect::<Vec<_>>().join(",");
    let query = Query::parse(&format!("{{{selector}}}[1ms]")).ok()?;
    let Ok(Value::Matrix(found)) = query.instant(storage, at_ms) else { return None };
    let exact = found.iter().find(|series| series.labels == *labels)?;
    exact.points.last().map(|point| point.value)
}

pub(crate) fn milliseconds(duration: units::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
