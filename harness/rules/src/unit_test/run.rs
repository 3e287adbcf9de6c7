//! Running unit tests.

use std::rc::Rc;

use promql::{EvalError, Labels, Options, Query, QueryError, Sample, Storage};
use units::Duration;
use yaml::{Place, Problem};

use super::check::{found_alert, last_definitions, same_alerts, same_samples};
use super::{AlertTest, ExpectedAlert, QueryTest, TestFile, TestGroup};
use crate::evaluate::{RuleError, milliseconds, vector};
use crate::{Group, RunningGroup, Settings};

/// How often the rules of one test are evaluated at most.
const MAX_EVALUATIONS: i64 = 1_000_000;

/// What came of one test.
#[derive(Debug, Clone)]
pub struct GroupResult {
    /// Its name.
    pub name: String,
    /// What was not as expected.
    pub failures: Vec<Failure>,
    /// How many claims it makes.
    pub claims: usize,
}

/// One thing that was not as expected.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When, since the start of the test.
    pub at: Duration,
    /// What.
    pub wrong: Wrong,
    /// The claim, or the rule.
    pub place: Place,
}

/// What can be wrong.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// A rule has no result; the test ends there.
    Rule {
        /// Its name.
        name: String,
        /// Why.
        why: RuleError,
    },
    /// Other alerts fire.
    Alerts {
        /// The alerts' name.
        alertname: String,
        /// What was expected.
        expected: Vec<ExpectedAlert>,
        /// What fires.
        found: Vec<ExpectedAlert>,
    },
    /// A query gives something else.
    Query {
        /// The query.
        expr: String,
        /// What was expected.
        expected: Vec<Sample>,
        /// What it gives.
        found: Found,
    },
}

/// What a query gives.
#[derive(Debug, Clone)]
pub enum Found {
    /// Samples.
    Samples(Vec<Sample>),
    /// Nothing, for this reason.
    Error(String),
}

impl TestFile {
    /// Runs every test over the groups of the rule files, which are evaluated in their order but for
    /// those that `group_eval_order` names.
    ///
    /// # Errors
    /// Something that is not simulated, so that there is no verdict.
    pub fn run(&self, groups: &[Rc<Group>]) -> Result<Vec<GroupResult>, Problem> {
        let mut ordered: Vec<&Rc<Group>> = groups.iter().collect();
        let rank = |group: &Group| self.group_eval_order.iter().position(|name| *name == group.name);
        // Groups that are not named are of the first rank, as upstream.
        ordered.sort_by_key(|group| rank(group).unwrap_or(0));
        self.tests.iter().map(|test| Run::new(self, test, &ordered).result()).collect()
    }
}

/// One test while it runs.
struct Run<'a> {
    file: &'a TestFile,
    test: &'a TestGroup,
    options: Options,
    storage: Storage,
    groups: Vec<RunningGroup>,
    failures: Vec<Failure>,
}

impl<'a> Run<'a> {
    fn new(file: &'a TestFile, test: &'a TestGroup, groups: &[&Rc<Group>]) -> Self {
        let options =
            Options { subquery_step_ms: milliseconds(file.evaluation_interval), ..Options::default() };
        let settings = Rc::new(Settings {
            external_labels: test.external_labels.clone(),
            external_url: test.external_url.clone(),
            query: options,
        });
        let running = |group: &&Rc<Group>| RunningGroup::new(Rc::clone(group), Rc::clone(&settings));
        Self {
            file,
            test,
            options,
            storage: Storage::new(),
            groups: groups.iter().map(running).collect(),
            failures: Vec::new(),
        }
    }

    fn result(mut self) -> Result<GroupResult, Problem> {
        let length_ms = milliseconds(self.test.length());
        let step_ms = milliseconds(self.file.evaluation_interval);
        if length_ms / step_ms > MAX_EVALUATIONS {
            let message = format!("the rules would be evaluated more than {MAX_EVALUATIONS} times");
            return Err(Problem::at(&self.test.place, message)
                .with_help("use earlier moments or a longer `evaluation_interval`"));
        }
        let mut input = Input::new(self.test);
        let mut at_ms = 0;
        while at_ms <= length_ms {
            input.append_until(&mut self.storage, at_ms);
            if !self.evaluate(at_ms)? {
                return Ok(self.finished());
            }
            let moment = at_ms..at_ms.saturating_add(step_ms);
            for test in &self.test.alerts {
                if moment.contains(&milliseconds(test.eval_time)) {
                    self.check_alerts(test);
                }
            }
            at_ms = moment.end;
        }
        for test in &self.test.queries {
            self.check_query(test)?;
        }
        Ok(self.finished())
    }

    fn finished(self) -> GroupResult {
        let claims = self.test.alerts.len() + self.test.queries.len();
        GroupResult { name: self.test.name.clone(), failures: self.failures, claims }
    }

    /// Evaluates all groups, and says whether all rules have results.
    fn evaluate(&mut self, at_ms: i64) -> Result<bool, Problem> {
        let mut all = true;
        for group in &mut self.groups {
            for failure in group.evaluate(&mut self.storage, self.test.start_ms + at_ms) {
                let place = &group.group().rules[failure.rule].place;
                if let RuleError::NotSimulated(what) = &failure.error {
                    return Err(Problem::at(place, format!("not simulated: {what}")));
                }
                all = false;
                self.failures.push(Failure {
                    at: Duration::from_millis(at_ms as u64),
                    wrong: Wrong::Rule { name: failure.name, why: failure.error },
                    place: place.clone(),
                });
            }
        }
        Ok(all)
    }

    fn check_alerts(&mut self, test: &AlertTest) {
        let firing = self.groups.iter().flat_map(|group| group.firing(&test.alertname));
        let found: Vec<ExpectedAlert> = firing.map(found_alert).collect();
        if !same_alerts(&test.expected, &found) {
            let (alertname, expected) = (test.alertname.clone(), test.expected.clone());
            let wrong = Wrong::Alerts { alertname, expected, found };
            self.failures.push(Failure { at: test.eval_time, wrong, place: test.place.clone() });
        }
    }

    fn check_query(&mut self, test: &QueryTest) -> Result<(), Problem> {
        let at_ms = self.test.start_ms + milliseconds(test.eval_time);
        let found = match Query::parse(&test.expr) {
            Err(error @ (QueryError::NotSimulated { .. } | QueryError::TooComplex { .. })) => {
                return Err(Problem::at(&test.place, error.to_string()));
            }
            Err(error @ QueryError::Invalid { .. }) => Found::Error(error.to_string()),
            Ok(query) => {
                let value = query.prepare(self.options).instant(&self.storage, at_ms);
                match value.map_err(RuleError::from).and_then(|found| vector(found.value)) {
                    Ok(samples) => Found::Samples(samples),
                    Err(RuleError::Evaluation(error @ EvalError::TooManySubquerySteps)) => {
                        return Err(Problem::at(&test.place, error.to_string()));
                    }
                    Err(error) => Found::Error(error.to_string()),
                }
            }
        };
        let is_as_expected = match &found {
            Found::Samples(samples) => same_samples(&test.expected, samples, self.file.fuzzy_compare),
            Found::Error(_) => false,
        };
        if !is_as_expected {
            let (expr, expected) = (test.expr.clone(), test.expected.clone());
            let wrong = Wrong::Query { expr, expected, found };
            self.failures.push(Failure { at: test.eval_time, wrong, place: test.place.clone() });
        }
        Ok(())
    }
}

/// The input series, of which more are stored as time goes on.
struct Input<'a> {
    series: Vec<(&'a Labels, &'a [Option<f64>])>,
    interval_ms: i64,
    start_ms: i64,
    /// How many samples of each series were stored.
    stored: usize,
}

impl<'a> Input<'a> {
    fn new(test: &'a TestGroup) -> Self {
        let series = test.input_series.iter().map(|series| (&series.labels, &*series.values));
        Self {
            series: last_definitions(series).into_iter().collect(),
            interval_ms: milliseconds(test.interval),
            start_ms: test.start_ms,
            stored: 0,
        }
    }

    /// Stores the samples until a time since the start. A sample that a rule has stored in the meantime
    /// is in the way of an older one of the same series, which is then left out.
    fn append_until(&mut self, storage: &mut Storage, at_ms: i64) {
        let until = usize::try_from(at_ms / self.interval_ms + 1).unwrap_or(usize::MAX);
        for (labels, values) in &self.series {
            let due = &values[self.stored.min(values.len())..until.min(values.len())];
            if due.iter().all(Option::is_none) {
                continue;
            }
            let id = storage.series(labels);
            for (offset, value) in due.iter().enumerate() {
                let sample_ms = self.start_ms + (self.stored + offset) as i64 * self.interval_ms;
                if let Some(value) = value {
                    let _ = storage.append(id, sample_ms, *value);
                }
            }
        }
        self.stored = until;
    }
}
