//! AnalysisRuns (argo-rollouts v1.10 pkg/apis/rollouts/v1alpha1/analysis_types.go).

use std::collections::BTreeMap;

use serde_json::Value;
use timeline::{AnalysisPhase, AnalysisRunStatus, Event, Measurement};

use super::{Change, Name, name_of, owner_of};

/// What was told of each run.
#[derive(Debug, Default)]
pub(super) struct Runs {
    told: BTreeMap<Name, Told>,
}

#[derive(Debug, Default)]
struct Told {
    phase: Option<AnalysisPhase>,
    measurements: BTreeMap<String, usize>,
}

impl Runs {
    /// New measurements, then a new phase.
    pub(super) fn see(&mut self, change: &Change) -> Vec<Event> {
        let object = &change.object;
        let Some(rollout) = owner_of(object, "Rollout").filter(|_| !change.gone) else { return Vec::new() };
        let (namespace, name) = name_of(object);
        let told = self.told.entry((namespace.clone(), name.clone())).or_default();
        let step = object["metadata"]["labels"]["step-index"].as_str().and_then(|step| step.parse().ok());
        let mut events = Vec::new();
        for result in list(&object["status"]["metricResults"]) {
            let metric = text(&result["name"]);
            let seen = told.measurements.entry(metric.clone()).or_default();
            // Old measurements are dropped from the status, so that it is the count that tells.
            let taken = taken(result);
            let kept = list(&result["measurements"]).filter(|it| is_finished(it)).collect::<Vec<_>>();
            let new = taken.saturating_sub(*seen).min(kept.len());
            for (offset, measured) in kept[kept.len() - new..].iter().enumerate() {
                events.push(Event::Measurement(Measurement {
                    namespace: namespace.clone(),
                    run: name.clone(),
                    rollout: rollout.clone(),
                    step,
                    metric: metric.clone(),
                    number: u32::try_from(taken - new + offset + 1).unwrap_or(u32::MAX),
                    phase: phase(&measured["phase"]).unwrap_or(AnalysisPhase::Error),
                    value: text(&measured["value"]),
                    message: text(&measured["message"]),
                    condition: condition(object, &metric),
                    evidence: None,
                    help: String::new(),
                }));
            }
            *seen = taken;
        }
        let now = phase(&object["status"]["phase"]);
        if let Some(phase) = now.filter(|_| now != told.phase) {
            told.phase = now;
            let message = text(&object["status"]["message"]);
            let status = AnalysisRunStatus { namespace, name, rollout, step, phase, message };
            events.push(Event::AnalysisRun(status));
        }
        events
    }
}

/// How many measurements of a metric were taken in all.
fn taken(result: &Value) -> usize {
    let count = |key: &str| result[key].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
    count("successful") + count("failed") + count("inconclusive") + count("error")
}

fn is_finished(measurement: &Value) -> bool {
    !measurement["finishedAt"].is_null()
}

/// The condition that decides a metric, as written.
fn condition(run: &Value, metric: &str) -> String {
    let metric = list(&run["spec"]["metrics"]).find(|it| it["name"] == metric);
    let written = |key: &str| metric.and_then(|it| it[key].as_str()).filter(|it| !it.is_empty());
    written("successCondition").or(written("failureCondition")).unwrap_or_default().to_owned()
}

fn phase(value: &Value) -> Option<AnalysisPhase> {
    serde_json::from_value(value.clone()).ok()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
