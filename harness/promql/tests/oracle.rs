//! Compares every query of `tests/tables`, and generated ones, with the Prometheus engine (`oracle/`).
//!
//! Needs Go: `cargo test -p promql --features oracle`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot unwrap fails")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test with an oracle")]

mod common;
#[path = "common/generate.rs"]
mod generate;
#[path = "common/promqltest.rs"]
mod promqltest;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Expected, Time, close};
use generate::Series;
use promql::{Labels, Query, QueryError, STALE_NAN, Storage, Value};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value as Json, json};

/// How many generated queries are compared.
const GENERATED: usize = 6_000;

struct Question {
    place: String,
    series: Vec<Series>,
    query: String,
    time: Time,
}

/// Times and values.
type Points = Vec<(i64, f64)>;

/// A result in a form without order: points by labels.
#[derive(Debug)]
enum Answer {
    Points { kind: &'static str, series: BTreeMap<Labels, Points> },
    Text(String),
    Error(String),
}

#[test]
fn the_tables_are_right_about_prometheus() {
    let questions: Vec<Question> = common::cases()
        .iter()
        .filter(
            |case| !matches!(&case.expected, Expected::Failure(text) if text.starts_with("not simulated")),
        )
        .map(|case| Question {
            place: case.place(),
            series: case.series(),
            query: case.query.clone(),
            time: case.time,
        })
        .collect();
    compare(&questions);
}

#[test]
fn generated_queries_agree_with_prometheus() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut questions = Vec::new();
    while questions.len() < GENERATED {
        let series = generate::storage().new_tree(&mut runner).unwrap().current();
        for (at, time) in [(0, 300_000), (1, 420_000), (2, 555_000), (3, 720_000)] {
            let query = generate::query().new_tree(&mut runner).unwrap().current();
            let range = Time::Range { start_ms: 240_000, end_ms: 540_000, step_ms: 60_000 };
            questions.push(Question {
                place: format!("generated: {query}"),
                series: series.clone(),
                query,
                time: if at == 3 { range } else { Time::At(time) },
            });
        }
    }
    compare(&questions);
}

#[test]
fn the_queries_of_prometheus_own_tests_agree() {
    let simulated = |query: &str| !matches!(Query::parse(query), Err(QueryError::NotSimulated { .. }));
    let questions: Vec<Question> = promqltest::files(&promqltest::folder())
        .into_iter()
        .flat_map(|(_, evals)| evals)
        .filter(|eval| simulated(&eval.query))
        .map(|eval| Question {
            place: format!("{} {}", eval.place, eval.query),
            series: eval.loaded.floats.clone().into_iter().collect(),
            query: eval.query,
            time: eval.time,
        })
        .collect();
    assert!(questions.len() > 700, "only {} queries were found", questions.len());
    compare(&questions);
}

fn compare(questions: &[Question]) {
    let theirs = ask(questions);
    let mut wrong = Vec::new();
    let mut with_result = 0;
    for (question, theirs) in questions.iter().zip(&theirs) {
        let ours = answer(question);
        with_result += usize::from(matches!(theirs, Answer::Points { series, .. } if !series.is_empty()));
        if !same(&ours, theirs) {
            wrong.push(format!("{}\nprometheus {theirs:?}\nours       {ours:?}\n", question.place));
        }
    }
    let share = 100 * with_result / questions.len();
    assert!(share >= 30, "only {share} % of the queries have a result to compare");
    let shown = wrong.len().min(10);
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), questions.len(), wrong[..shown].join("\n"));
}

fn same(ours: &Answer, theirs: &Answer) -> bool {
    match (ours, theirs) {
        (Answer::Text(ours), Answer::Text(theirs)) => ours == theirs,
        (Answer::Error(ours), Answer::Error(theirs)) => same_error(ours, theirs),
        (Answer::Points { kind, series }, Answer::Points { kind: other_kind, series: others }) => {
            let same_points = |(ours, theirs): (&Points, &Points)| {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).all(|(our, their)| our.0 == their.0 && close(our.1, their.1))
            };
            kind == other_kind
                && series.keys().eq(others.keys())
                && series.values().zip(others.values()).all(same_points)
        }
        _ => false,
    }
}

/// Evaluation errors have upstream's text; of several match groups at fault either names any.
fn same_error(ours: &str, theirs: &str) -> bool {
    if theirs.contains("parse error") || ours.starts_with("invalid PromQL") {
        return true;
    }
    match (ours.split_once(" on the "), theirs.split_once(" on the ")) {
        (Some((ours, our_side)), Some((theirs, their_side))) => {
            let duplicate = |text: &str| text.starts_with("found duplicate series for the match group");
            duplicate(ours) && duplicate(theirs) && our_side[..4] == their_side[..4]
        }
        _ => ours == theirs,
    }
}

fn answer(question: &Question) -> Answer {
    let mut storage = Storage::new();
    for (labels, points) in &question.series {
        let id = storage.series(labels);
        points.iter().for_each(|&(at_ms, value)| storage.append(id, at_ms, value).unwrap());
    }
    let query = match Query::parse(&question.query) {
        Ok(query) => query,
        Err(error) => return Answer::Error(error.to_string()),
    };
    let (at_ms, found) = match question.time {
        Time::At(at_ms) => (at_ms, query.instant(&storage, at_ms)),
        Time::Range { start_ms, end_ms, step_ms } => (0, query.range(&storage, start_ms, end_ms, step_ms)),
    };
    match found {
        Err(error) => Answer::Error(error.to_string()),
        Ok(Value::String(text)) => Answer::Text(text),
        Ok(Value::Scalar(value)) => {
            Answer::Points { kind: "scalar", series: [(Labels::empty(), vec![(at_ms, value)])].into() }
        }
        Ok(Value::Vector(samples)) => {
            let pairs = samples.into_iter().map(|sample| (sample.labels, vec![(at_ms, sample.value)]));
            Answer::Points { kind: "vector", series: pairs.collect() }
        }
        Ok(Value::Matrix(series)) => {
            let points = |series: promql::Series| series.points.iter().map(|p| (p.at_ms, p.value)).collect();
            let pairs = series.into_iter().map(|series| (series.labels.clone(), points(series)));
            Answer::Points { kind: "matrix", series: pairs.collect() }
        }
    }
}

fn ask(questions: &[Question]) -> Vec<Answer> {
    let mut process = Command::new(build_oracle())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle starts");
    let mut input = process.stdin.take().expect("standard input is piped");
    let cases: Json = questions.iter().map(encode).collect();
    let writer = std::thread::spawn(move || input.write_all(cases.to_string().as_bytes()));
    let output = process.wait_with_output().expect("the oracle ends");
    writer.join().expect("the writer ends").expect("the oracle reads its cases");
    assert!(output.status.success(), "the oracle failed: {}", output.status);
    let answers: Json = serde_json::from_slice(&output.stdout).expect("the answers are JSON");
    let answers: Vec<Answer> = answers.as_array().expect("a list").iter().map(decode).collect();
    assert_eq!(answers.len(), questions.len(), "one answer for each question");
    answers
}

fn oracle_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle")
}

fn build_oracle() -> PathBuf {
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("promql-oracle");
    let status =
        Command::new("go").arg("build").arg("-o").arg(&binary).arg(".").current_dir(oracle_folder()).status();
    match status {
        Ok(status) if status.success() => binary,
        Ok(status) => panic!("`go build` of the oracle failed: {status}"),
        Err(error) => panic!("the oracle needs Go; running `go` failed: {error}"),
    }
}

fn encode(question: &Question) -> Json {
    let (start_ms, end_ms, step_ms) = match question.time {
        Time::At(at_ms) => (at_ms, at_ms, 0),
        Time::Range { start_ms, end_ms, step_ms } => (start_ms, end_ms, step_ms),
    };
    let series: Json = question
        .series
        .iter()
        .map(|(labels, points)| {
            let labels: BTreeMap<_, _> = labels.iter().map(|label| (&*label.name, &*label.value)).collect();
            let points: Json =
                points.iter().map(|(ms, value)| json!({ "ms": ms, "value": number(*value) })).collect();
            json!({ "labels": labels, "points": points })
        })
        .collect();
    json!({ "series": series, "query": question.query, "start_ms": start_ms, "end_ms": end_ms, "step_ms": step_ms })
}

fn number(value: f64) -> String {
    if value.to_bits() == STALE_NAN.to_bits() { "stale".to_owned() } else { value.to_string() }
}

fn decode(answer: &Json) -> Answer {
    let text = answer["text"].as_str().expect("a text").to_owned();
    let kind = match answer["kind"].as_str().expect("a kind") {
        "error" => return Answer::Error(text),
        "string" => return Answer::Text(text),
        "scalar" => "scalar",
        "vector" => "vector",
        "matrix" => "matrix",
        other => panic!("unknown kind {other}"),
    };
    let no_labels = serde_json::Map::new();
    let series = answer["series"].as_array().expect("a list of series").iter().map(|series| {
        let labels = series["labels"].as_object().unwrap_or(&no_labels);
        let labels = Labels::new(labels.iter().map(|(name, value)| (name, value.as_str().expect("a value"))));
        let points = series["points"].as_array().expect("a list of points").iter().map(|point| {
            let value = point["value"].as_str().expect("a number as text").parse().expect("a number");
            (point["ms"].as_i64().expect("a time"), value)
        });
        (labels, points.collect())
    });
    Answer::Points { kind, series: series.collect() }
}
