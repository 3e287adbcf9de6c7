//! An AnalysisRun by itself, without a World: for unit tests of a gate.
//!
//! Passes, due times, judgements and counters are those of the controller in the World; only where the
//! samples come from differs, and nothing is looked up: not the address of Prometheus, no Secret. Nor are
//! there Jobs: each ends when its answer says.

use std::collections::BTreeMap;
use std::sync::Arc;

use conditions::Value;
use manifests::objects::analysis::{CheckedMetric, CheckedProvider, Prometheus, Web};
use manifests::objects::rollout::MergedAnalysis;
use promql::Storage;
use scenario::{Answer, JobEnd};
use timeline::AnalysisPhase;
use units::{Duration, Time};
use yaml::Problem;

use super::measure::{Step, Taken, UnderWay, other_provider};
use super::plan::{Plan, PlannedMetric};
use super::run::{MetricResult, RunStatus};
use super::{assess, job, metric, query, web};
use crate::answers::{Asked, Questions};
use crate::prometheus::{QueryResult, State};

/// An AnalysisRun over samples that are all there from the start; a query sees those until its time.
#[derive(Debug)]
pub struct GateRun {
    /// What the run does; none where its spec is invalid.
    plan: Option<Arc<Plan>>,
    status: RunStatus,
    prometheus: State,
    answers: Vec<Answer>,
    questions: Questions,
    /// When the Jobs that run are over, and how, by the names of their metrics.
    jobs: BTreeMap<String, (Time, JobEnd)>,
    started: Time,
    /// Until when the pass of before waited for answers.
    busy_until: Time,
    terminate: bool,
}

/// What a measurement asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Prometheus, with arguments put in.
    Query(String),
    /// An HTTP server.
    Url(String),
    /// The Job of this name, without the identity of the run.
    Job(String),
}

/// A measurement, and everything that explains it.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The metric.
    pub metric: String,
    /// Its number among those of the metric, from 1.
    pub number: u32,
    /// When it was taken.
    pub at: Time,
    /// What was asked.
    pub question: Question,
    /// What the query gave; none where it was refused, and for other questions.
    pub value: Option<promql::Value>,
    /// The value as the controller records it; empty where none was obtained.
    pub recorded: String,
    /// The numbers in it, as conditions see them.
    pub numbers: Option<Vec<f64>>,
    /// Series that had samples.
    pub series: u64,
    /// Samples that were read.
    pub samples: u64,
    /// Its outcome.
    pub phase: AnalysisPhase,
    /// Why it is an error; empty otherwise.
    pub message: String,
    /// The condition that decided; empty where there is none.
    pub condition: String,
    /// How to mend the gate, where it cannot work as it is; empty otherwise.
    pub help: String,
    /// The metric after the pass in which it was measured.
    pub counters: MetricResult,
}

impl GateRun {
    /// A run that begins at a time; the times of its answers count from zero. One whose spec is invalid ends
    /// at once in phase Error.
    pub fn new(analysis: &MergedAnalysis, storage: Storage, answers: Vec<Answer>, started: Time) -> Self {
        let mut status = RunStatus::default();
        let plan = Plan::of(analysis).map_err(|message| {
            status.phase = Some(AnalysisPhase::Error);
            status.message = message;
        });
        Self {
            plan: plan.ok(),
            status,
            prometheus: State::holding(storage),
            answers,
            questions: Questions::default(),
            jobs: BTreeMap::new(),
            started,
            busy_until: started,
            terminate: false,
        }
    }

    /// Its metrics; none where its spec is invalid.
    pub fn metrics(&self) -> impl Iterator<Item = &CheckedMetric> {
        self.planned().map(|planned| &planned.checked)
    }

    /// What came of it so far.
    pub fn status(&self) -> &RunStatus {
        &self.status
    }

    /// The answers that were not given so far, and why, for people.
    pub fn unused_answers(&self) -> Vec<String> {
        self.questions.unused(&self.answers)
    }

    /// Tells the run to end.
    pub fn terminate(&mut self) {
        self.terminate = true;
    }

    /// When the next measurement is due, or one that is under way is looked at.
    pub fn next_due(&self, now: Time) -> Option<Time> {
        let due = self.status.next_due(self.plan.as_deref()?, self.begun());
        let over = self.jobs.values().map(|(over, _)| *over).filter(|over| *over > now);
        let due = due.into_iter().filter(|due| *due > now).chain(over).min();
        // What an answer that was waited for brings about is looked at at once.
        let busy = Some(self.busy_until).filter(|until| *until > now);
        busy.or(due)
    }

    /// Whether the run goes on until it fails or is told to end: a metric without a count is not over.
    pub fn is_endless(&self) -> bool {
        let is_over = |name: &str| {
            let result = self.status.results.iter().find(|result| result.name == name);
            result.is_some_and(|result| metric::is_completed(result.phase))
        };
        self.metrics().any(|metric| metric.count.is_none() && !is_over(&metric.name))
    }

    /// Measures what is due and assesses, until the controller would come to rest.
    ///
    /// # Errors
    /// A provider, a query or a condition that is not simulated.
    pub fn pass(&mut self, now: Time) -> Result<Vec<Measured>, Problem> {
        let Some(plan) = self.plan.clone() else { return Ok(Vec::new()) };
        let now = now.max(self.busy_until);
        let mut all = Vec::new();
        while !self.status.is_completed() {
            let before = self.status.clone();
            let terminating = assess::is_terminating(self.terminate, &self.status.results);
            let due = match terminating {
                true => before.unfinished(&plan),
                false => before.due(&plan, self.begun(), now),
            };
            // Nothing is assessed before the slowest answer is there.
            let mut assessed = now;
            for planned in due {
                if let Some((measured, took)) = self.step(planned, now, terminating)? {
                    assessed = assessed.max(now + took);
                    all.push(measured);
                }
            }
            self.status.started.get_or_insert(assessed.truncated_to_secs());
            self.status.assess(&plan, self.terminate, assessed);
            self.busy_until = self.busy_until.max(assessed);
            if self.status == before || assessed > now {
                break;
            }
        }
        for measured in &mut all {
            let result = self.status.results.iter().find(|result| result.name == measured.metric);
            measured.counters = result.cloned().unwrap_or_else(|| measured.counters.clone());
        }
        Ok(all)
    }

    /// When its first pass was over.
    fn begun(&self) -> Time {
        self.status.started.unwrap_or(self.started.truncated_to_secs())
    }

    /// Measures, or notes that a measurement goes on; with what was measured, how long it took.
    fn step(
        &mut self,
        planned: &PlannedMetric,
        now: Time,
        terminating: bool,
    ) -> Result<Option<(Measured, Duration)>, Problem> {
        let (question, taken, found) = match &planned.checked.provider {
            CheckedProvider::Prometheus(asked) => {
                let (taken, found) = self.query(planned, asked, now)?;
                (Question::Query(asked.query.clone()), taken, found)
            }
            CheckedProvider::Web(asked) => {
                (Question::Url(asked.url.clone()), self.request(planned, asked, now)?, None)
            }
            CheckedProvider::Job(_) => match self.job(planned, now, terminating)? {
                Step::Taken(taken) => (Question::Job(planned.checked.name.clone()), taken, None),
                Step::UnderWay(under_way) => {
                    self.status.go_on(planned, under_way, now);
                    return Ok(None);
                }
            },
            CheckedProvider::Other(name) => return Err(other_provider(&planned.checked, name)),
        };
        let number = self.status.add(planned, &taken, now);
        let takes = taken.takes;
        Ok(Some((measured(planned, number, now, question, taken, found), takes)))
    }

    fn query(
        &mut self,
        planned: &PlannedMetric,
        asked: &Prometheus,
        now: Time,
    ) -> Result<(Taken, Option<QueryResult>), Problem> {
        Ok(match query::ask(&mut self.prometheus, &planned.checked, asked, now)? {
            Ok(found) => (query::judge(planned, &found, None)?, Some(found)),
            Err(message) => (Taken::error(message, ""), None),
        })
    }

    fn request(&mut self, planned: &PlannedMetric, asked: &Web, now: Time) -> Result<Taken, Problem> {
        let request = match web::Request::prepare(&planned.checked, asked)? {
            Ok(request) => request,
            Err(message) => return Ok(Taken::error(message, "")),
        };
        let at = Asked::without_model(now.since(Time::ZERO));
        let place = planned.checked.places.url.as_ref();
        let (reply, takes) = self.questions.url(&self.answers, &asked.url, &at, place)?;
        request.answered(planned, reply, takes)
    }

    fn job(&mut self, planned: &PlannedMetric, now: Time, terminating: bool) -> Result<Step, Problem> {
        let name = &planned.checked.name;
        let Some(before) = self.status.under_way(name) else {
            let at = Asked::without_model(now.since(Time::ZERO));
            let place = planned.checked.places.job.as_ref();
            let (end, takes) = self.questions.job(&self.answers, name, &at, place)?;
            self.jobs.insert(name.clone(), (now + takes, end));
            return Ok(Step::UnderWay(UnderWay { job: name.clone(), resume: now }));
        };
        if terminating {
            self.jobs.remove(name);
            return Ok(Step::Taken(job::terminated()));
        }
        let end = self.jobs.get(name).filter(|(over, _)| *over <= now).map(|(_, end)| *end);
        Ok(job::looked_at(end, before, now))
    }

    fn planned(&self) -> impl Iterator<Item = &PlannedMetric> {
        self.plan.iter().flat_map(|plan| &plan.metrics)
    }
}

/// A measurement with everything that explains it; the counters are brought up to date after the pass.
fn measured(
    planned: &PlannedMetric,
    number: u32,
    at: Time,
    question: Question,
    taken: Taken,
    found: Option<QueryResult>,
) -> Measured {
    let value = match &found {
        Some(found) => query::found_value(found),
        None => conditions::read_body(&taken.value).ok().flatten().map(Value::Json),
    };
    let name = planned.checked.name.clone();
    Measured {
        number,
        at,
        question,
        numbers: value.as_ref().and_then(numbers),
        recorded: taken.value,
        series: found.as_ref().map_or(0, |found| found.series),
        samples: found.as_ref().map_or(0, |found| found.samples),
        value: found.map(|found| found.value),
        phase: taken.phase,
        message: taken.message,
        condition: taken.condition,
        help: taken.help,
        counters: MetricResult::new(&name, planned.dry_run),
        metric: name,
    }
}

/// A number, or a list of numbers.
fn numbers(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Float(number) => Some(vec![*number]),
        Value::Floats(numbers) => Some(numbers.clone()),
        Value::Json(serde_json::Value::Number(number)) => number.as_f64().map(|number| vec![number]),
        Value::Json(serde_json::Value::Array(items)) => items.iter().map(serde_json::Value::as_f64).collect(),
        Value::Nil | Value::Text(_) | Value::Bool(_) | Value::Json(_) => None,
    }
}
