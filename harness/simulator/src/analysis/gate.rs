//! An AnalysisRun by itself, without a World: for unit tests of a gate.
//!
//! Passes, due times, judgements and counters are those of the controller in the World; only where the
//! samples come from differs, and nothing is looked up: not the address of Prometheus, no Secret.

use std::sync::Arc;

use manifests::objects::analysis::CheckedMetric;
use manifests::objects::rollout::MergedAnalysis;
use promql::Storage;
use timeline::AnalysisPhase;
use units::Time;
use yaml::Problem;

use super::plan::{Plan, PlannedMetric};
use super::run::{MetricResult, RunStatus};
use super::{assess, measure, metric};
use crate::prometheus::State;

/// An AnalysisRun over samples that are all there from the start; a query sees those until its time.
#[derive(Debug)]
pub struct GateRun {
    /// What the run does; none where its spec is invalid.
    plan: Option<Arc<Plan>>,
    status: RunStatus,
    prometheus: State,
    started: Time,
    terminate: bool,
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
    /// The query, with arguments put in.
    pub query: String,
    /// What the query gave; none where it was refused.
    pub value: Option<promql::Value>,
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
    /// A run that begins at a time. One whose spec is invalid ends at once in phase Error.
    pub fn new(analysis: &MergedAnalysis, storage: Storage, started: Time) -> Self {
        let mut status = RunStatus::default();
        let plan = Plan::of(analysis).map_err(|message| {
            status.phase = Some(AnalysisPhase::Error);
            status.message = message;
        });
        Self { plan: plan.ok(), status, prometheus: State::holding(storage), started, terminate: false }
    }

    /// Its metrics; none where its spec is invalid.
    pub fn metrics(&self) -> impl Iterator<Item = &CheckedMetric> {
        self.planned().map(|planned| &planned.checked)
    }

    /// What came of it so far.
    pub fn status(&self) -> &RunStatus {
        &self.status
    }

    /// Tells the run to end.
    pub fn terminate(&mut self) {
        self.terminate = true;
    }

    /// When the next measurement is due.
    pub fn next_due(&self) -> Option<Time> {
        self.status.next_due(self.plan.as_deref()?, self.started.truncated_to_secs())
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
        let started = *self.status.started.get_or_insert(self.started.truncated_to_secs());
        let mut all = Vec::new();
        while !self.status.is_completed() {
            let before = self.status.clone();
            if !assess::is_terminating(self.terminate, &self.status.results) {
                for planned in before.due(&plan, started, now) {
                    all.push(self.measure(planned, now)?);
                }
            }
            self.status.assess(&plan, self.terminate, now);
            if self.status == before {
                break;
            }
        }
        for measured in &mut all {
            let result = self.status.results.iter().find(|result| result.name == measured.metric);
            measured.counters = result.cloned().unwrap_or_else(|| measured.counters.clone());
        }
        Ok(all)
    }

    fn measure(&mut self, planned: &PlannedMetric, now: Time) -> Result<Measured, Problem> {
        let query = measure::query_of(&planned.checked)?.query.clone();
        let (taken, found) = match self.prometheus.query(&query, now) {
            Ok(found) => (measure::judge(planned, &found, None)?, Some(found)),
            Err(refused) => (measure::refuse(planned, refused)?, None),
        };
        let number = self.status.add(planned, &taken, now);
        let numbers = found.as_ref().and_then(measure::found_value).and_then(|value| match value {
            conditions::Value::Float(number) => Some(vec![number]),
            conditions::Value::Floats(numbers) => Some(numbers),
            _ => None,
        });
        let name = planned.checked.name.clone();
        Ok(Measured {
            number,
            at: now,
            query,
            numbers,
            series: found.as_ref().map_or(0, |found| found.series),
            samples: found.as_ref().map_or(0, |found| found.samples),
            value: found.map(|found| found.value),
            phase: taken.phase,
            message: taken.message,
            condition: taken.condition,
            help: taken.help,
            counters: MetricResult::new(&name, planned.dry_run),
            metric: name,
        })
    }

    fn planned(&self) -> impl Iterator<Item = &PlannedMetric> {
        self.plan.iter().flat_map(|plan| &plan.metrics)
    }
}
