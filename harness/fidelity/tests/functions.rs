//! Single functions: what upstream's give and what ours give for the same generated input.

#![cfg(feature = "oracle")]
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

use std::fmt::Debug;

use fidelity::Oracle;
use manifests::objects::{Metric, Rollout, Step};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use simulator::conformance::rollouts::{self as ours, Pods};
use simulator::rollouts::RolloutState;
use units::Time;

mod questions;

use questions::typed;

const SEED: u64 = 1;

struct Draw(ChaCha8Rng);

impl Draw {
    fn new() -> Self {
        Self(ChaCha8Rng::seed_from_u64(SEED))
    }

    fn below(&mut self, bound: i64) -> i64 {
        self.0.random_range(0..bound)
    }

    fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as i64) as usize].clone()
    }
}

/// Asks upstream, and compares each answer with ours.
fn compare<A>(name: &str, questions: &[Value], ours: impl Fn(&Value) -> A)
where
    A: DeserializeOwned + PartialEq + Debug,
{
    compare_as(name, questions, |answer: A| answer, ours);
}

/// As [`compare`], with upstream's answers in our terms.
fn compare_as<A>(name: &str, questions: &[Value], read: impl Fn(A) -> A, ours: impl Fn(&Value) -> A)
where
    A: DeserializeOwned + PartialEq + Debug,
{
    let theirs: Vec<A> = Oracle::build().ask("functions", questions);
    let mut differing = Vec::new();
    for (question, theirs) in questions.iter().zip(theirs) {
        let (ours, theirs) = (ours(question), read(theirs));
        if ours != theirs {
            differing.push(format!("{question}\n  upstream {theirs:?}\n  ours     {ours:?}"));
        }
    }
    let (asked, agreed) = (questions.len(), questions.len() - differing.len());
    println!("{name}: {agreed} of {asked} agree");
    assert!(differing.is_empty(), "{} differ, such as\n{}", differing.len(), differing[0]);
}

/// A fencepost: a number, a percentage, or a text without a percent sign, which upstream reads as one.
fn fencepost(draw: &mut Draw) -> Value {
    match draw.below(6) {
        0 => Value::Null,
        1 | 2 => json!(draw.below(5)),
        3 | 4 => json!(format!("{}%", draw.of(&[0, 1, 10, 20, 25, 33, 50, 75, 99, 100]))),
        _ => json!(draw.below(101).to_string()),
    }
}

fn step(draw: &mut Draw) -> Value {
    match draw.below(8) {
        0..=4 => json!({"setWeight": draw.of(&[0, 1, 5, 10, 20, 25, 33, 50, 66, 75, 90, 98, 99, 100])}),
        5 => json!({"pause": {}}),
        6 => json!({"pause": {"duration": draw.of(&[json!("30s"), json!(60), json!("1h"), json!("90")])}}),
        _ => json!({"analysis": {"templates": [{"templateName": "gate"}]}}),
    }
}

fn steps(draw: &mut Draw) -> Vec<Value> {
    (0..draw.below(6)).map(|_| step(draw)).collect()
}

fn rollout(draw: &mut Draw) -> Value {
    let steps = steps(draw);
    let index = if steps.is_empty() { Value::Null } else { json!(draw.below(steps.len() as i64 + 1)) };
    let mut canary = json!({"steps": steps, "maxSurge": fencepost(draw), "maxUnavailable": fencepost(draw)});
    if draw.one_in(6) {
        let kind = draw.of(&["Percent", "Pods"]);
        canary["replicaProgressThreshold"] =
            json!({"type": kind, "value": draw.of(&[0, 1, 3, 5, 50, 67, 80, 100])});
    }
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "model", "namespace": "default", "generation": 3},
        "spec": {
            "replicas": if draw.one_in(20) { Value::Null } else { json!(draw.below(13)) },
            "strategy": {"canary": canary},
            "progressDeadlineSeconds": draw.of(&[Value::Null, json!(60), json!(600)]),
            "paused": draw.one_in(10),
            "template": {"metadata": {}, "spec": {"containers": []}},
        },
        "status": status(draw, index),
    })
}

/// Puts a router before a Rollout, with what only a router makes possible.
fn route(draw: &mut Draw, rollout: &mut Value) {
    let most = draw.of(&[100, 100, 200]);
    let weight = draw.below(most + 1);
    let canary = &mut rollout["spec"]["strategy"]["canary"];
    canary["trafficRouting"] = json!({"plugins": {"router": {}}, "maxTrafficWeight": most});
    canary["dynamicStableScale"] = json!(draw.one_in(2));
    if draw.one_in(3) {
        canary["minPodsPerReplicaSet"] = json!(1 + draw.below(4));
    }
    if draw.one_in(3) {
        canary["abortScaleDownDelaySeconds"] = json!(draw.of(&[0, 30]));
    }
    for step in canary["steps"].as_array_mut().unwrap() {
        if draw.one_in(5) {
            let scale = match draw.below(3) {
                0 => json!({"replicas": draw.below(8)}),
                1 => json!({"weight": draw.below(101)}),
                _ => json!({"matchTrafficWeight": true}),
            };
            *step = json!({"setCanaryScale": scale});
        }
    }
    if !draw.one_in(4) {
        rollout["status"]["canary"] = json!({"weights": {
            "canary": {"weight": weight, "podTemplateHash": "new"},
            "stable": {"weight": most - weight, "podTemplateHash": "old"},
        }});
    }
}

fn state(status: &Value) -> RolloutState {
    questions::status::state(status).unwrap()
}

fn status(draw: &mut Draw, index: Value) -> Value {
    let updated = draw.below(12);
    let mut status = json!({
        "currentPodHash": "new",
        "stableRS": draw.of(&["old", "old", "old", "new", ""]),
        "currentStepIndex": index,
        "currentStepHash": draw.of(&["a", "b"]),
        "observedGeneration": draw.of(&["3", "3", "2"]),
        "replicas": updated + draw.below(3),
        "updatedReplicas": updated,
        "readyReplicas": draw.below(12),
        "availableReplicas": updated - draw.below(3).min(updated),
        "conditions": conditions(draw),
    });
    if draw.one_in(6) {
        status["abort"] = json!(true);
    }
    if draw.one_in(12) {
        status["promoteFull"] = json!(true);
    }
    if draw.one_in(6) {
        let reason = draw.of(&["CanaryPauseStep", "InconclusiveAnalysisRun"]);
        status["pauseConditions"] = json!([{"reason": reason, "startTime": "1970-01-01T00:01:00Z"}]);
    }
    status
}

const REASONS: &[(&str, &str)] = &[
    ("NewReplicaSetCreated", "True"),
    ("ReplicaSetUpdated", "True"),
    ("NewReplicaSetAvailable", "True"),
    ("RolloutPaused", "Unknown"),
    ("RolloutResumed", "Unknown"),
    ("RolloutRetry", "Unknown"),
    ("RolloutAborted", "False"),
    ("ProgressDeadlineExceeded", "False"),
];

fn conditions(draw: &mut Draw) -> Value {
    let mut conditions = Vec::new();
    if !draw.one_in(5) {
        let (reason, status) = draw.of(REASONS);
        let second = draw.below(60);
        let time = format!("1970-01-01T00:00:{second:02}Z");
        conditions.push(json!({"type": "Progressing", "status": status, "reason": reason, "message": "why",
            "lastUpdateTime": time, "lastTransitionTime": time}));
    }
    if draw.one_in(10) {
        let time = "1970-01-01T00:00:00Z";
        conditions.push(json!({"type": "InvalidSpec", "status": "True", "reason": "InvalidSpec",
            "message": "bad", "lastUpdateTime": time, "lastTransitionTime": time}));
    }
    Value::from(conditions)
}

/// Makes a Rollout a blueGreen one.
fn switch(draw: &mut Draw, rollout: &mut Value) {
    let mut strategy = json!({"activeService": "active"});
    if draw.one_in(2) {
        strategy["previewService"] = json!("preview");
    }
    if draw.one_in(2) {
        strategy["postPromotionAnalysis"] = json!({"templates": [{"templateName": "gate"}]});
    }
    rollout["spec"]["strategy"] = json!({"blueGreen": strategy});
    let status = &mut rollout["status"];
    status["currentStepIndex"] = Value::Null;
    let hashes = ["new", "new", "old", ""];
    status["blueGreen"] = json!({"activeSelector": draw.of(&hashes), "previewSelector": draw.of(&hashes)});
    if draw.one_in(2) {
        status["blueGreen"]["postPromotionAnalysisRunStatus"] =
            json!({"name": "run", "status": draw.of(&["Running", "Successful"])});
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Sizing {
    pods: Option<i32>,
    weight: i32,
    surge: u32,
    unavailable: u32,
    canary: i64,
    stable: i64,
    reached: bool,
}

fn pods(draw: &mut Draw, near: i64) -> Value {
    let spec = if draw.one_in(3) { draw.below(13) } else { near };
    let created = if draw.one_in(5) { draw.below(13) } else { spec };
    json!({"spec": spec, "created": created, "available": if draw.one_in(3) { draw.below(created + 1) } else { created }})
}

fn read_pods(value: &Value) -> Pods {
    let of = |key: &str| value[key].as_i64().unwrap();
    Pods { spec: of("spec"), created: of("created"), available: of("available") }
}

#[test]
fn replica_sets_are_sized_as_upstream_sizes_them() {
    let mut draw = Draw::new();
    let questions: Vec<Value> = (0..20_000)
        .map(|_| {
            let mut rollout = rollout(&mut draw);
            if draw.one_in(2) {
                route(&mut draw, &mut rollout);
            }
            let replicas = rollout["spec"]["replicas"].as_i64().unwrap_or(1);
            let canary = draw.below(replicas + 2);
            let new = pods(&mut draw, canary);
            let same = rollout["status"]["stableRS"] == "new";
            let none = rollout["status"]["stableRS"] == "";
            let stable = match (same, none) {
                (true, _) => new.clone(),
                (_, true) => Value::Null,
                (_, _) => pods(&mut draw, (replicas - canary).max(0)),
            };
            let others: Vec<Value> = (0..draw.below(5) - 2)
                .map(|_| {
                    let near = draw.below(3);
                    pods(&mut draw, near)
                })
                .collect();
            json!({"function": "sizing", "rollout": rollout, "new": new, "stable": stable, "others": others})
        })
        .collect();
    compare("sizing", &questions, |question| {
        let rollout: Rollout = typed(&question["rollout"]);
        let others: Vec<Pods> = question["others"].as_array().unwrap().iter().map(read_pods).collect();
        let stable = Some(&question["stable"]).filter(|stable| !stable.is_null()).map(read_pods);
        let status = state(&question["rollout"]["status"]);
        let ours::Sizing { pods, weight, surge, unavailable, canary, stable, reached } =
            ours::sizing(&rollout, &status, read_pods(&question["new"]), stable, &others);
        Sizing { pods, weight, surge, unavailable, canary, stable, reached }
    });
}

#[derive(Debug, PartialEq, Deserialize)]
struct Phase {
    phase: String,
    message: String,
}

#[test]
fn phase_and_message_are_those_of_upstream() {
    let mut draw = Draw::new();
    let questions: Vec<Value> = (0..5_000)
        .map(|_| {
            let mut rollout = rollout(&mut draw);
            match draw.below(3) {
                0 => route(&mut draw, &mut rollout),
                1 => switch(&mut draw, &mut rollout),
                _ => {}
            }
            json!({"function": "phase", "rollout": rollout})
        })
        .collect();
    compare("phase", &questions, |question| {
        let (phase, message) =
            ours::phase(&typed(&question["rollout"]), &state(&question["rollout"]["status"]));
        Phase { phase: phase.to_string(), message }
    });
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    progressing: bool,
    healthy: bool,
    completed: bool,
    timed_out: bool,
}

#[test]
fn progress_is_what_upstream_calls_progress() {
    let mut draw = Draw::new();
    let questions: Vec<Value> = (0..10_000)
        .map(|_| {
            let mut rollout = rollout(&mut draw);
            if draw.one_in(3) {
                switch(&mut draw, &mut rollout);
            }
            let mut after = rollout["status"].clone();
            for key in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
                if draw.one_in(3) {
                    after[key] = json!((after[key].as_i64().unwrap() + draw.below(3) - 1).max(0));
                }
            }
            if draw.one_in(4) {
                after["stableRS"] = json!("new");
            }
            if draw.one_in(4) && !after["currentStepIndex"].is_null() {
                after["currentStepIndex"] =
                    json!(rollout["spec"]["strategy"]["canary"]["steps"].as_array().unwrap().len());
            }
            if draw.one_in(6) {
                after["currentStepHash"] = json!("b");
            }
            if draw.one_in(3) && after["blueGreen"].is_object() {
                after["blueGreen"]["activeSelector"] = json!("new");
            }
            if draw.one_in(2) {
                let replicas = json!(rollout["spec"]["replicas"].as_i64().unwrap_or(1));
                for key in ["replicas", "updatedReplicas", "availableReplicas"] {
                    after[key] = replicas.clone();
                }
            }
            json!({"function": "progress", "rollout": rollout, "after": after, "now": 60 + draw.below(120)})
        })
        .collect();
    compare("progress", &questions, |question| {
        let before = state(&question["rollout"]["status"]);
        let now = Time::from_secs(question["now"].as_u64().unwrap());
        let ours::Progress { progressing, healthy, completed, timed_out } =
            ours::progress(&typed(&question["rollout"]), 3, &before, &state(&question["after"]), now);
        Progress { progressing, healthy, completed, timed_out }
    });
}

#[derive(Debug, PartialEq, Deserialize)]
struct Text {
    text: String,
}

#[test]
fn steps_are_named_as_upstream_names_them() {
    let mut draw = Draw::new();
    let questions: Vec<Value> = (0..500)
        .map(|_| match draw.below(4) {
            0 => json!({"setCanaryScale": {"weight": draw.below(101)}}),
            1 => json!({"setCanaryScale": {"replicas": draw.below(11)}}),
            _ => step(&mut draw),
        })
        .map(|step| json!({"function": "step", "step": step}))
        .collect();
    compare("step", &questions, |question| Text { text: ours::step_text(&typed::<Step>(&question["step"])) });
}

#[derive(Debug, PartialEq, Deserialize)]
struct Checked {
    refused: Option<String>,
    count: Option<i64>,
}

fn metric(draw: &mut Draw) -> Value {
    let mut metric =
        json!({"name": "errors", "provider": {"prometheus": {"address": "http://p", "query": "up"}}});
    for (key, bound) in [
        ("count", 6),
        ("failureLimit", 5),
        ("inconclusiveLimit", 5),
        ("consecutiveErrorLimit", 5),
        ("consecutiveSuccessLimit", 4),
    ] {
        if draw.one_in(3) {
            let value = draw.below(bound) - i64::from(draw.one_in(4));
            metric[key] = if draw.one_in(3) { json!(value.to_string()) } else { json!(value) };
        }
    }
    for (key, choices) in
        [("interval", ["30s", "1m", "5x", "", "1h30m"]), ("initialDelay", ["10s", "", "soon", "1m", "0"])]
    {
        if draw.one_in(2) {
            metric[key] = json!(draw.of(&choices));
        }
    }
    metric
}

#[test]
fn a_metric_is_refused_with_upstreams_words() {
    let mut draw = Draw::new();
    let questions: Vec<Value> =
        (0..5_000).map(|_| json!({"function": "metric", "metric": metric(&mut draw)})).collect();
    // We have no negative counts: none is the same, since both are reached at once.
    let reached_at_once =
        |checked: Checked| Checked { count: checked.count.map(|count| count.max(0)), ..checked };
    compare_as("metric", &questions, reached_at_once, |question| {
        match typed::<Metric>(&question["metric"]).check() {
            Ok(checked) => Checked { refused: None, count: checked.count.map(i64::from) },
            Err(refused) => Checked { refused: Some(refused), count: None },
        }
    });
}
