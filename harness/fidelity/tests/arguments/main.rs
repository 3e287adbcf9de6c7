//! Arguments: what a Rollout hands to an AnalysisRun, and how they get into metrics and experiments; upstream's
//! functions beside ours.

#![cfg(feature = "oracle")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use fidelity::Oracle;
use manifests::objects::analysis::{Argument, resolve_quoted, resolve_text};
use manifests::objects::rollout::RunArgument;
use manifests::objects::{Metric, Rollout, go};
use serde::Deserialize;
use serde_json::{Value, json};
use simulator::conformance::analysis::experiment_value;
use units::{Duration, Time};

mod metrics;
#[path = "../questions/mod.rs"]
mod questions;
mod rollouts;

use metrics::ARGUMENT_NAMES;
use questions::{Draw, typed};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Refused(String),
    Given(Value),
    Panic(String),
}

/// Asks upstream, and compares results and refusals with ours. Where upstream panics, ours must refuse.
fn compare<A: Debug + PartialEq>(
    name: &str,
    questions: &[Value],
    read: impl Fn(&Value) -> A,
    ours: impl Fn(&Value) -> Result<A, String>,
) {
    let theirs: Vec<Answer> = Oracle::build().ask("arguments", questions);
    let (mut given, mut refused, mut panics) = (0, 0, 0);
    for (question, theirs) in questions.iter().zip(theirs) {
        let ours = ours(question);
        match theirs {
            Answer::Given(value) => {
                assert_eq!(ours, Ok(read(&value)), "{question}");
                given += 1;
            }
            Answer::Refused(message) => {
                assert_eq!(ours, Err(message), "{question}");
                refused += 1;
            }
            Answer::Panic(message) => {
                assert!(ours.is_err(), "upstream panics: {message}: {question}");
                panics += 1;
            }
        }
    }
    println!("{name}: {} agree, of which {refused} are refused; {panics} panic upstream", given + refused);
    assert!(
        given * 5 > questions.len() && refused * 20 > questions.len(),
        "{given} given, {refused} refused"
    );
}

fn questions(count: usize, seed: u64, ask: impl Fn(&mut Draw) -> Value) -> Vec<Value> {
    let mut draw = Draw::seeded(seed);
    (0..count).map(|_| ask(&mut draw)).collect()
}

#[test]
fn structures_are_those_of_upstream() {
    #[derive(Deserialize)]
    struct Structures {
        lines: Vec<String>,
    }
    let theirs: Vec<Structures> = Oracle::build().ask("types", &[json!({})]);
    let text: String = theirs[0].lines.iter().map(|line| format!("{line}\n")).collect();
    if std::env::var_os("UPDATE_STRUCTURES").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/src/objects/go/structures.txt");
        fs::write(&path, &text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    assert_eq!(go::STRUCTURES, text, "write them anew with UPDATE_STRUCTURES=1");
}

#[test]
fn rollouts_are_encoded_as_go_encodes_them() {
    let asked = questions(2_000, 41, |draw| json!({"function": "encoded", "rollout": draw.rollout()}));
    let theirs: Vec<Answer> = Oracle::build().ask("arguments", &asked);
    for (question, theirs) in asked.iter().zip(theirs) {
        let Answer::Given(theirs) = theirs else { panic!("{question}") };
        assert_eq!(json!(go::encode("rollouts.Rollout", &question["rollout"])), theirs, "{question}");
    }
    println!("encoded: {} agree", asked.len());
}

#[test]
fn a_runs_arguments_are_built_as_upstream_builds_them() {
    let asked = questions(6_000, 42, |draw| {
        let rollout = draw.rollout();
        let args = (0..draw.below(4)).map(|_| draw.run_argument(&rollout)).collect::<Vec<_>>();
        let (latest, stable) = (draw.of(&["new", ""]), draw.of(&["old", "new"]));
        json!({"function": "build", "rollout": rollout, "runArgs": args, "latest": latest, "stable": stable})
    });
    compare("arguments of runs", &asked, typed::<Vec<Argument>>, |question| {
        let args: Vec<RunArgument> = typed(&question["runArgs"]);
        let hash = |key: &str| question[key].as_str().unwrap_or_default();
        Rollout::run_arguments(&args, hash("latest"), hash("stable"), &question["rollout"])
    });
}

#[test]
fn arguments_are_put_into_metrics_as_upstream_puts_them() {
    let asked = questions(
        6_000,
        43,
        |draw| json!({"function": "metric", "metric": draw.metric(), "args": draw.arguments()}),
    );
    // What became empty is left out of one side's answer and not of the other's.
    let encoded = |metric: &Value| go::encode("rollouts.Metric", metric);
    compare("metrics", &asked, encoded, |question| {
        let metric =
            typed::<Metric>(&question["metric"]).resolve(&typed::<Vec<Argument>>(&question["args"]))?;
        Ok(encoded(&json!(metric)))
    });
}

#[test]
fn arguments_are_put_into_texts_as_upstream_puts_them() {
    let asked = questions(4_000, 44, |draw| {
        let function = draw.of(&["text", "quoted"]);
        json!({"function": function, "text": draw.text(), "args": draw.arguments()})
    });
    compare("texts", &asked, typed::<String>, |question| {
        let args: Vec<Argument> = typed(&question["args"]);
        let text = question["text"].as_str().unwrap_or_default();
        match question["function"] == "text" {
            true => resolve_text(text, &args),
            false => resolve_quoted(text, &args),
        }
    });
}

#[test]
fn an_experiment_puts_in_what_upstream_puts_in() {
    const START: u64 = 1_767_225_600;
    let asked = questions(2_000, 45, |draw| {
        let templates: Vec<&str> = ARGUMENT_NAMES[..draw.below(4)].to_vec();
        let made: Vec<&str> = templates.iter().copied().filter(|_| !draw.one_in(5)).collect();
        let available = if draw.one_in(4) { -1 } else { (START + draw.below(9_999) as u64).cast_signed() };
        json!({"function": "experiment", "text": draw.experiment_text(), "templates": templates, "made": made,
            "available": available, "duration": draw.of(&["", "90s", "1h30m", "1.5s"])})
    });
    compare("experiments", &asked, typed::<String>, |question| {
        let available = question["available"].as_i64().and_then(|at| u64::try_from(at).ok());
        let duration = question["duration"].as_str().unwrap_or_default();
        let nanos = manifests::objects::go_duration(duration).ok().filter(|_| !duration.is_empty());
        let made: Vec<String> = typed(&question["made"]);
        experiment_value(
            question["text"].as_str().unwrap_or_default(),
            available.map(|at| Time::from_secs(at - START)),
            nanos.map(|nanos| Duration::from_nanos(nanos.unsigned_abs())),
            &made
                .iter()
                .map(|name| (&**name, format!("hash-of-{name}"), format!("model-{name}")))
                .collect::<Vec<_>>(),
        )
    });
}
