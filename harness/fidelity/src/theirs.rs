//! The real controllers' account of a case.

use std::collections::BTreeMap;

use behaviour::Buckets;
use serde::Deserialize;
use serde_json::{Value, json};
use simulator::rollouts::resync_phase;

use crate::account::{
    Account, Measurement, NOT_COMPARED, Pods, Run, Size, State, without_hash, without_hashes,
};
use crate::case::{Act, Case, Model, ROLLOUT};
use crate::ours::{Choice, SEED};

impl Case {
    /// The question to the Go program. `pods` are the simulator's choices.
    pub fn question(&self, pods: &[Vec<Choice>]) -> Value {
        let models: serde_json::Map<String, Value> =
            self.models.iter().map(|(name, model)| (name.clone(), behaviour_of(model))).collect();
        let actions: Vec<Value> = self.actions.iter().map(|action| act(action.at, &action.act)).collect();
        json!({
            "rollout": ROLLOUT,
            "objects": self.objects(),
            "models": models,
            "rate": self.rate,
            "service": self.called(),
            "buckets": Buckets::default().bounds(),
            "podStart": self.pod_start,
            "scrapeInterval": self.scrape_interval,
            "pods": pods,
            "resyncPhase": resync_phase(SEED).as_millis(),
            "actions": actions,
            "plugins": self.plugins,
            "duration": self.duration,
        })
    }
}

fn permille(count: u32) -> f64 {
    f64::from(count) / 1000.0
}

fn behaviour_of(model: &Model) -> Value {
    let seconds = permille;
    let faults = model.faults.iter().map(|fault| {
        json!({
            "from": fault.from, "until": fault.until,
            "errors": fault.errors.map(permille),
            "p50": fault.latency.map(|(p50, _)| seconds(p50)),
            "p99": fault.latency.map(|(_, p99)| seconds(p99)),
        })
    });
    json!({
        "p50": seconds(model.p50), "p99": seconds(model.p99), "errors": permille(model.errors),
        "load": model.load, "neverReady": model.never_ready, "faults": faults.collect::<Vec<Value>>(),
    })
}

fn act(at: u64, act: &Act) -> Value {
    let mut action = match act {
        Act::Release(_) | Act::Scale(_) | Act::Steps(_) | Act::Paused(_) => {
            json!({"do": "patch", "patch": act.patch()})
        }
        Act::Traffic(rate) => json!({"do": "traffic", "rate": rate}),
        Act::Abort => json!({"do": "abort"}),
        Act::Retry => json!({"do": "retry"}),
        Act::Promote => json!({"do": "promote"}),
        Act::PromoteFull => json!({"do": "promote_full"}),
        Act::Undo(revision) => json!({"do": "undo", "revision": revision.unwrap_or(0)}),
        Act::Restart => json!({"do": "restart"}),
    };
    action["at"] = json!(at as f64 / 1000.0);
    action
}

/// What the Go program answers.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    states: Option<Vec<StateEntry>>,
    #[serde(default)]
    scaled: Option<Vec<ScaledEntry>>,
    #[serde(default)]
    runs: Option<Vec<RunEntry>>,
    #[serde(default)]
    measurements: Option<Vec<MeasurementEntry>>,
    #[serde(default)]
    events: Option<Vec<EventEntry>>,
    #[serde(default)]
    services: Option<Vec<ServicesEntry>>,
    #[serde(default)]
    pods: Option<Vec<PodsEntry>>,
    #[serde(default)]
    problems: Option<Vec<String>>,
    #[serde(default)]
    hashes: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
struct StateEntry {
    at: f64,
    phase: String,
    message: String,
    aborted: bool,
    step: Option<u32>,
    stable: i64,
    current: i64,
    weight: u32,
    routes: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct ServicesEntry {
    at: f64,
    selected: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, Deserialize)]
struct PodsEntry {
    at: f64,
    #[serde(flatten)]
    pods: Pods,
}

#[derive(Debug, Clone, Deserialize)]
struct ScaledEntry {
    at: f64,
    template: usize,
    desired: u32,
}

#[derive(Debug, Clone, Deserialize)]
struct RunEntry {
    at: f64,
    name: String,
    phase: String,
    message: String,
}

#[derive(Debug, Clone, Deserialize)]
struct MeasurementEntry {
    at: f64,
    run: String,
    metric: String,
    phase: String,
    value: String,
    message: String,
}

#[derive(Debug, Clone, Deserialize)]
struct EventEntry {
    at: f64,
    kind: String,
    reason: String,
}

impl Answer {
    /// What happened to a case.
    ///
    /// # Errors
    /// Why the run failed, or an action of it was refused.
    pub fn account(self, case: &Case) -> Result<Account, String> {
        if let Some(problem) = self.error.or(self.problems.and_then(|problems| problems.into_iter().next())) {
            return Err(problem);
        }
        let hashes = self.hashes.unwrap_or_default();
        let states = self.states.unwrap_or_default().into_iter().map(|entry| {
            let template = |number: i64| usize::try_from(number).ok();
            let state = State {
                phase: entry.phase,
                message: without_hashes(&entry.message, &hashes),
                aborted: entry.aborted,
                step: entry.step,
                stable: template(entry.stable),
                current: template(entry.current),
                weight: case.is_routed().then_some(entry.weight),
                routes: entry.routes,
            };
            (entry.at, state)
        });
        let sizes = self.scaled.unwrap_or_default().into_iter();
        let runs = self.runs.unwrap_or_default().into_iter().map(|entry| {
            (entry.at, Run { name: without_hash(&entry.name), phase: entry.phase, message: entry.message })
        });
        let measurements = self.measurements.unwrap_or_default().into_iter().map(|entry| {
            let MeasurementEntry { at, run, metric, phase, value, message } = entry;
            (at, Measurement { run: without_hash(&run), metric, phase, value, message })
        });
        let services = self.services.unwrap_or_default().into_iter().map(|entry| {
            let template = |(name, number): (String, i64)| (name, usize::try_from(number).ok());
            (entry.at, entry.selected.into_iter().map(template).collect())
        });
        let events = self.events.unwrap_or_default().into_iter();
        let about_rollout = events.filter(|event| {
            (event.kind == "Rollout" || event.kind == ROLLOUT)
                && !NOT_COMPARED.contains(&event.reason.as_str())
        });
        Ok(Account {
            states: states.collect(),
            sizes: sizes
                .map(|entry| (entry.at, Size { template: entry.template, desired: entry.desired }))
                .collect(),
            runs: runs.collect(),
            measurements: measurements.collect(),
            events: about_rollout.map(|event| (event.at, event.reason)).collect(),
            services: services.collect(),
            pods: self.pods.unwrap_or_default().into_iter().map(|entry| (entry.at, entry.pods)).collect(),
        })
    }
}
