//! One measurement, whatever its provider (argo-rollouts v1.10.1 `analysis/analysis.go: runMeasurements`).

use manifests::objects::analysis::{CheckedMetric, CheckedProvider};
use timeline::{AnalysisPhase, QueryEvidence};
use units::{Duration, Time};
use yaml::{Place, Problem};

use super::plan::PlannedMetric;
use super::run::Measurement;
use super::{job, query, web};
use crate::World;
use crate::api::ObjectId;

/// A measurement with everything that explains it.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(super) phase: AnalysisPhase,
    /// The value as recorded; empty where none was obtained.
    pub(super) value: String,
    pub(super) message: String,
    /// The condition that decided.
    pub(super) condition: String,
    pub(super) evidence: Option<QueryEvidence>,
    pub(super) help: String,
    /// How long the controller waits for it, and does nothing else for the run.
    pub(super) takes: Duration,
}

/// What a pass makes of a metric that is due.
#[derive(Debug)]
pub(super) enum Step {
    /// It is measured.
    Taken(Taken),
    /// Its measurement goes on.
    UnderWay(UnderWay),
}

/// A measurement that a pass leaves unfinished.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct UnderWay {
    /// The Job that is waited for.
    pub(super) job: String,
    /// When it is looked at again.
    pub(super) resume: Time,
}

/// Begins, resumes or terminates the measurement of a metric of the run `id`; `before` is what a pass of
/// before left unfinished.
///
/// # Errors
/// A provider, a query or a condition that is not simulated, and a question that the scenario does not
/// answer: any result would be a guess, and it decides the verdict.
pub(super) fn measure(
    world: &mut World<'_>,
    id: ObjectId,
    planned: &PlannedMetric,
    before: Option<&Measurement>,
    terminating: bool,
) -> Result<Step, Problem> {
    let metric = &planned.checked;
    match &metric.provider {
        CheckedProvider::Prometheus(prometheus) => {
            query::measure(world, id, planned, prometheus).map(Step::Taken)
        }
        CheckedProvider::Web(asked) => web::measure(world, id, planned, asked).map(Step::Taken),
        CheckedProvider::Job(template) => match before {
            None => job::start(world, id, metric, template),
            Some(before) if terminating => Ok(job::terminate(world, id, before)),
            Some(before) => Ok(job::resume(world, id, before)),
        },
        CheckedProvider::Other(name) => Err(other_provider(metric, name)),
    }
}

/// A provider that is not simulated.
pub(super) fn other_provider(metric: &CheckedMetric, name: &str) -> Problem {
    let message = format!("not simulated: the metric provider `{name}` of the metric `{}`", metric.name);
    let help = "only `prometheus`, `web` and `job` are simulated; rehearse this gate with the engine `kind`";
    problem(metric.places.metric.as_ref(), message).with_help(help)
}

impl Taken {
    /// A measurement without a value, in no time.
    pub(super) fn plain(phase: AnalysisPhase, message: impl Into<String>) -> Self {
        Self {
            phase,
            value: String::new(),
            message: message.into(),
            condition: String::new(),
            evidence: None,
            help: String::new(),
            takes: Duration::ZERO,
        }
    }

    /// An error, and how to mend it.
    pub(super) fn error(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..Self::plain(AnalysisPhase::Error, message) }
    }
}

pub(crate) fn problem(place: Option<&Place>, message: String) -> Problem {
    match place {
        Some(place) => Problem::at(place, message),
        None => Problem::new(message),
    }
}
