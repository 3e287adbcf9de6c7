//! Compares every condition of `corpus.txt`, and generated ones, with expr itself (`oracle/`), against
//! values of every shape and in both dialects.
//!
//! Needs Go: `cargo test -p conditions --features oracle`.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test with an oracle")]

mod generate;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use conditions::{Condition, Dialect, ErrorKind, Value};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value as Json, json};

/// How many generated conditions are compared.
const GENERATED: usize = 3_000;

struct Case {
    dialect: Dialect,
    condition: String,
    value: Value,
}

struct Answer {
    result: String,
    message: String,
    rendered: String,
}

fn build_oracle() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle");
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conditions-oracle");
    let status =
        Command::new("go").arg("build").arg("-o").arg(&binary).arg(".").current_dir(directory).status();
    match status {
        Ok(status) if status.success() => binary,
        Ok(status) => panic!("`go build` of the oracle failed: {status}"),
        Err(error) => panic!("the oracle needs Go; running `go` failed: {error}"),
    }
}

fn encode(case: &Case) -> Json {
    let text = |number: &f64| Json::from(format!("{number}"));
    let mut line = json!({
        "condition": case.condition,
        "dialect": match case.dialect { Dialect::Expr1_17 => "1.17", Dialect::Expr1_15 => "1.15" },
    });
    match &case.value {
        Value::Float(number) => line["float"] = text(number),
        Value::Floats(numbers) => line["floats"] = numbers.iter().map(text).collect(),
        Value::Nil => {}
        Value::Text(content) => line["text"] = Json::from(content.clone()),
        Value::Bool(truth) => line["bool"] = Json::from(*truth),
        Value::Json(content) => line["json"] = content.clone(),
    }
    line
}

fn ask(oracle: &Path, cases: &[Case]) -> Vec<Answer> {
    let mut process =
        Command::new(oracle).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the oracle starts");
    let mut input = process.stdin.take().expect("standard input is piped");
    let lines: Vec<String> = cases.iter().map(|case| encode(case).to_string()).collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            writeln!(input, "{line}").expect("the oracle reads its cases");
        }
    });
    let output = process.wait_with_output().expect("the oracle ends");
    writer.join().expect("the writer ends");
    assert!(output.status.success(), "the oracle failed: {}", output.status);
    let answers: Vec<Answer> = String::from_utf8(output.stdout)
        .expect("answers are text")
        .lines()
        .map(|line| {
            let answer: Json = serde_json::from_str(line).expect("an answer is JSON");
            let field = |name: &str| answer[name].as_str().expect("a field is text").to_string();
            Answer { result: field("result"), message: field("message"), rendered: field("rendered") }
        })
        .collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

/// Where this crate differs from the answer; refusals by name do not count, they are counted apart.
fn difference(case: &Case, answer: &Answer) -> Result<bool, String> {
    let outcome =
        Condition::parse(&case.condition, case.dialect).and_then(|condition| condition.evaluate(&case.value));
    let (result, message, rendered) = match &outcome {
        Ok(truth) => (truth.to_string(), String::new(), String::new()),
        Err(error) if matches!(error.kind(), ErrorKind::NotSimulated | ErrorKind::Limit) => return Ok(false),
        Err(error) => ("error".to_string(), error.message().to_string(), error.to_string()),
    };
    let stage = outcome.err().map(|error| error.kind());
    // The wording of an invalid regular expression is the `regex` crate's; of places only those of
    // syntax and type errors in the current dialect are compared.
    // Go words a failed hash in two ways, by the size of the map.
    let unhashable =
        answer.message.starts_with("hash of unhashable type") && message.contains("hash of unhashable type");
    let loose = unhashable || answer.message.starts_with("error parsing regexp");
    let placed =
        matches!(stage, Some(ErrorKind::Syntax | ErrorKind::Type)) && case.dialect == Dialect::Expr1_17;
    let agree = result == answer.result
        && (loose || message == answer.message && (!placed || rendered == answer.rendered));
    if agree {
        return Ok(true);
    }
    let (ours, theirs) = if placed { (rendered, &answer.rendered) } else { (message, &answer.message) };
    Err(format!(
        "{:?} `{}` on {:?}\n  ours:   {result} {ours}\n  theirs: {} {theirs}",
        case.dialect, case.condition, case.value, answer.result
    ))
}

fn compare(cases: &[Case]) {
    let answers = ask(&build_oracle(), cases);
    let mut differences = Vec::new();
    let mut compared = 0;
    for (case, answer) in cases.iter().zip(&answers) {
        match difference(case, answer) {
            Ok(simulated) => compared += usize::from(simulated),
            Err(text) => differences.push(text),
        }
    }
    let shown: Vec<&String> = differences.iter().take(40).collect();
    let text = shown.iter().map(|text| text.as_str()).collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {} cases differ:\n{text}", differences.len(), cases.len());
    assert!(compared * 10 >= cases.len() * 9, "only {compared} of {} cases are simulated", cases.len());
}

fn values() -> Vec<Value> {
    let object = json!({
        "value": 2, "name": "x", "flag": true, "missing": null,
        "items": [{"value": 2}, {"value": 4}],
        "service": {"apdex": {"label": null, "values": [2, 2]}},
    });
    vec![
        Value::Float(0.1),
        Value::Float(1.1),
        Value::Float(f64::NAN),
        Value::Floats(vec![]),
        Value::Floats(vec![0.1]),
        Value::Floats(vec![f64::NAN]),
        Value::Floats(vec![0.3, 0.7]),
        Value::Floats(vec![f64::INFINITY, -1.0, 2.0]),
        Value::Nil,
        Value::Text("1.1".to_string()),
        Value::Text("x".to_string()),
        Value::Bool(true),
        Value::Json(object),
        Value::Json(json!([1, "a", null, [2], {"value": 1}])),
    ]
}

#[test]
fn the_corpus_is_judged_as_expr_judges_it() {
    let corpus = include_str!("corpus.txt");
    let mut cases = Vec::new();
    for condition in corpus.lines() {
        for value in values() {
            for dialect in [Dialect::Expr1_17, Dialect::Expr1_15] {
                cases.push(Case { dialect, condition: condition.to_string(), value: value.clone() });
            }
        }
    }
    compare(&cases);
}

#[test]
fn generated_conditions_are_judged_as_expr_judges_them() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let values = values();
    let mut cases = Vec::new();
    for i in 0..GENERATED {
        let condition = generate::condition().new_tree(&mut runner).expect("a condition").current();
        let tokens = generate::tokens().new_tree(&mut runner).expect("tokens").current();
        for dialect in [Dialect::Expr1_17, Dialect::Expr1_15] {
            for offset in [0, 5, 9] {
                let value = values[(i + offset) % values.len()].clone();
                cases.push(Case { dialect, condition: condition.clone(), value: value.clone() });
            }
            cases.push(Case { dialect, condition: tokens.clone(), value: values[i % values.len()].clone() });
        }
    }
    compare(&cases);
}
