use std::collections::BTreeMap;

use scenario::Scenario;
use serde::{Deserialize, Serialize};
use units::Time;

use crate::{
    Blind, Engine, Event, HealthStatus, Judgement, NotSimulated, Outcome, RequestTotals, RolloutPhase,
    RolloutSummary, RolloutVersion, SlowBound, Summary, SyncStatus, Timeline, Verdict,
};

/// What `report.json` holds. Its form is a contract: fields are added, never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of rehearse.
    pub rehearse: String,
    /// The runs, in the order that they were asked for.
    pub results: Vec<RunResult>,
}

impl Report {
    /// The verdict on all runs together.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.results.iter().map(|result| result.verdict))
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The scenario's name.
    pub scenario: String,
    /// The case of its matrix; empty without one.
    pub case: String,
    /// The scenario's file.
    pub file: String,
    /// The engine; `None` where the timeline does not say.
    pub engine: Option<Engine>,
    /// The seed.
    pub seed: u64,
    /// By what factor time was compressed.
    pub speed: f64,
    /// The verdict on the run.
    pub verdict: Verdict,
    /// Why, as one line.
    pub reason: String,
    /// The expectations, in the order of the scenario.
    pub expectations: Vec<ExpectationResult>,
    /// The last state of each Rollout, by `namespace/name`.
    pub rollouts: BTreeMap<String, RolloutResult>,
    /// The last state of each Application, by name.
    pub applications: BTreeMap<String, ApplicationResult>,
    /// All requests. None counts as slow where `slow_bound` is null.
    pub requests: RequestTotals,
    /// The latency above which a request counted as slow.
    pub slow_bound: Option<SlowBound>,
    /// The requests hurt, by model version and by step.
    pub hurt: HurtResult,
    /// Canary time that no measurement looked at.
    pub blind: Vec<BlindResult>,
    /// The length of the run, in its own time.
    pub virtual_seconds: f64,
    /// How long it took.
    pub wall_seconds: f64,
    /// How long each part of it took, where an engine has parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageTime>,
    /// What the engine does not model, a line each.
    pub not_simulated: Vec<String>,
    /// What was not put to the test, a line each.
    pub never_exercised: Vec<String>,
}

/// A part of a run and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Its name.
    pub stage: String,
    /// How long it took.
    pub seconds: f64,
}

/// An expectation and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpectationResult {
    /// The claim as one line.
    pub text: String,
    /// What became of it.
    pub verdict: Verdict,
    /// When that was decided, in seconds.
    pub at: Option<Time>,
    /// The entries of the timeline that decided it, by position from 0.
    pub evidence: Vec<usize>,
    /// Why, for people.
    pub message: String,
}

/// The last state of a Rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutResult {
    /// Its phase.
    pub phase: RolloutPhase,
    /// Whether its update was aborted.
    pub aborted: bool,
    /// The model versions that its stable pods run; `None` where none runs.
    pub stable: Option<String>,
    /// The message beside the phase.
    pub message: String,
    /// The number of the pod template that it is at, or on its way to.
    pub revision: Option<u64>,
    /// How its first update after the first action ended.
    pub outcome: Outcome,
}

/// The last state of an Application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApplicationResult {
    /// Its sync status.
    pub sync: SyncStatus,
    /// Its health.
    pub health: HealthStatus,
    /// The commit that was compared last.
    pub revision: String,
}

/// The requests hurt, apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HurtResult {
    /// By the model version that answered; under the empty name what met no ready pod.
    pub by_model: BTreeMap<String, RequestTotals>,
    /// By step.
    pub by_step: Vec<StepResult>,
}

/// The requests at a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// The Rollout; empty for requests that met no ready pod.
    pub rollout: String,
    /// The step, from 0; `None` for no step.
    pub step: Option<u32>,
    /// What the step is.
    pub text: String,
    /// The requests.
    pub requests: RequestTotals,
}

/// The blind minutes of a Rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlindResult {
    /// The Rollout.
    pub rollout: String,
    /// How long its canary served.
    pub served_seconds: f64,
    /// How many requests its canary got.
    #[serde(with = "count")]
    pub served_requests: f64,
    /// How long no measurement looked; `None` where that is unknown.
    pub seconds: Option<f64>,
    /// How many requests no measurement looked at; `None` where that is unknown.
    pub requests: Option<f64>,
}

impl RunResult {
    /// The result of one run that took `wall_seconds`.
    pub fn new(
        scenario: &Scenario,
        timeline: &Timeline,
        judgement: &Judgement,
        summary: &Summary,
        wall_seconds: f64,
    ) -> Self {
        let started = match timeline.entries.first().map(|entry| &entry.event) {
            Some(Event::RunStarted(started)) => Some(started),
            Some(_) | None => None,
        };
        let expectation = |judged: &crate::Judged| ExpectationResult {
            text: judged.text.clone(),
            verdict: judged.verdict,
            at: judged.at,
            evidence: judged.evidence.clone(),
            message: judged.message.clone(),
        };
        Self {
            scenario: scenario.name.clone(),
            case: scenario.case.clone(),
            file: scenario.source.name.clone(),
            engine: started.map(|started| started.engine),
            seed: started.map_or(0, |started| started.seed),
            speed: started.map_or(1.0, |started| started.speed),
            verdict: judgement.verdict,
            reason: judgement.reason.clone(),
            expectations: judgement.expectations.iter().map(expectation).collect(),
            rollouts: summary.rollouts.iter().map(|(name, it)| (name.clone(), rollout(it))).collect(),
            applications: applications(summary),
            requests: summary.requests,
            slow_bound: summary.slow.clone(),
            hurt: hurt(summary),
            blind: summary.blind.iter().map(blind).collect(),
            virtual_seconds: timeline.end().as_secs_f64(),
            wall_seconds,
            stages: Vec::new(),
            not_simulated: summary.not_simulated.iter().map(NotSimulated::to_string).collect(),
            never_exercised: judgement.never_exercised.clone(),
        }
    }
}

fn rollout(RolloutSummary { last: status, outcome }: &RolloutSummary) -> RolloutResult {
    let models = status.stable.as_ref().map(|version| version.models.join(", "));
    let revision = |version: &RolloutVersion| version.revision;
    RolloutResult {
        phase: status.phase,
        aborted: status.aborted,
        stable: models.filter(|models| !models.is_empty()),
        message: status.message.clone(),
        revision: status.canary.as_ref().or(status.stable.as_ref()).map(revision),
        outcome: outcome.clone(),
    }
}

fn applications(summary: &Summary) -> BTreeMap<String, ApplicationResult> {
    let result = |status: &crate::ApplicationStatus| ApplicationResult {
        sync: status.sync,
        health: status.health,
        revision: status.revision.clone(),
    };
    summary.applications.iter().map(|(name, status)| (name.clone(), result(status))).collect()
}

fn hurt(summary: &Summary) -> HurtResult {
    let steps = summary.by_step.iter().map(|((rollout, step), totals)| StepResult {
        rollout: rollout.clone(),
        step: *step,
        text: totals.text.clone(),
        requests: totals.requests,
    });
    HurtResult { by_model: summary.by_model.clone(), by_step: steps.collect() }
}

fn blind(blind: &Blind) -> BlindResult {
    BlindResult {
        rollout: blind.rollout.clone(),
        served_seconds: blind.served.time.as_secs_f64(),
        served_requests: blind.served.requests,
        seconds: blind.unseen.map(|unseen| unseen.time.as_secs_f64()),
        requests: blind.unseen.map(|unseen| unseen.requests),
    }
}

/// A number of requests in JSON: whole where it is whole.
pub(crate) mod count {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    pub(crate) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if number.fract() == 0.0 && (0.0..9e15).contains(number) {
            serializer.serialize_u64(*number as u64)
        } else {
            serializer.serialize_f64(*number)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        f64::deserialize(deserializer)
    }
}

/// "spec.strategy.canary.trafficRouting.istio (rollout.yaml:20:7): weights are set at once".
impl std::fmt::Display for NotSimulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        if !self.place.is_empty() {
            write!(f, " ({})", self.place)?;
        }
        if !self.instead.is_empty() {
            write!(f, ": {}", self.instead)?;
        }
        Ok(())
    }
}
