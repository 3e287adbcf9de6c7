//! Prometheus metrics: what the real provider makes of what a query gives, beside the simulator.

#![cfg(feature = "oracle")]
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

use std::collections::BTreeMap;

use fidelity::Oracle;
use manifests::objects::Metric;
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Value, json};
use simulator::conformance::analysis::prometheus_measurement;

mod questions;

use questions::Draw;
use questions::queried::given;

const QUESTIONS: usize = 4_000;

/// Conditions as they are written, and those that do not fit what a query gives.
const CONDITIONS: &[&str] = &[
    "result[0] < 0.5",
    "result[0] >= 0.95",
    "result < 0.5",
    "result >= 0",
    "len(result) == 0 || result[0] < 0.5",
    "len(result) > 2",
    "isNaN(result[0])",
    "isNaN(result)",
    "isInf(result[0]) || result[0] > 1",
    "isInf(result)",
    "all(result, # < 0.9)",
    "any(result, isNaN(#))",
    "none(result, {# > 1})",
    "default(result, 0) < 0.5",
    "default(result, [0])[0] < 0.5",
    "isNil(result)",
    "result[1] > result[0]",
    "result[-1] > 0",
    "result[0] == result[0]",
    "asFloat(result[0]) > 0.1",
    "asInt(result) > 0",
    "0.5 in result",
    "result[0] != 0 ? result[0] > 0.5 : true",
    "result",
    "result[0]",
    "result[0] <",
    "result.score > 0",
    "errors < 1",
    "true",
];

impl Draw {
    fn number(&mut self) -> f64 {
        match self.below(8) {
            0 => self.of(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0]),
            1 => self.of(&[1e21, 1e20, 123_456_789.0, 1e-7, 5e-324, f64::MAX, 0.1 + 0.2, -1.5e-9]),
            2 => f64::from_bits(self.0.random()),
            3 => self.below(5) as f64,
            _ => self.below(1_001) as f64 / 1_000.0,
        }
    }

    /// The numbers of a series, as text that both sides read.
    fn series(&mut self, bound: usize) -> Value {
        (0..self.below(bound) + 1).map(|_| json!(format!("{:e}", self.number()))).collect()
    }

    fn question(&mut self) -> Value {
        let kind = self.of(&["scalar", "vector", "vector", "vector", "matrix", "matrix", "string"]);
        let count = match kind {
            "scalar" | "string" => 1,
            _ if self.one_in(30) => 200,
            _ => self.below(4),
        };
        let points = if kind == "matrix" { 5 } else { 1 };
        let series: Vec<Value> = (0..count).map(|_| self.series(points)).collect();
        let mut metric = json!({"name": "m", "provider": {"prometheus": {"query": "up"}}});
        if !self.one_in(6) {
            metric["successCondition"] = json!(self.of(CONDITIONS));
        }
        if self.one_in(2) {
            metric["failureCondition"] = json!(self.of(CONDITIONS));
        }
        json!({"metric": metric, "type": kind, "series": series})
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Measured {
    phase: String,
    value: String,
    message: String,
}

#[test]
fn what_a_query_gives_is_measured_as_the_real_provider_measures_it() {
    let mut draw = Draw::seeded(21);
    let questions: Vec<Value> = (0..QUESTIONS).map(|_| draw.question()).collect();
    let theirs: Vec<Measured> = Oracle::build().ask("values", &questions);
    let mut phases = BTreeMap::new();
    let mut differing = BTreeMap::new();
    for (question, theirs) in questions.iter().zip(theirs) {
        let metric: Metric = serde_json::from_value(question["metric"].clone()).unwrap();
        let ours = prometheus_measurement(&metric, given(question))
            .map(|(phase, value, message)| Measured { phase: phase.to_string(), value, message })
            .map_err(|problem| problem.message);
        if ours.as_ref() != Ok(&theirs) {
            differing.insert(
                format!("{ours:?}"),
                format!("{question}\n  upstream {theirs:?}\n  ours     {ours:?}"),
            );
        }
        *phases.entry(theirs.phase).or_insert(0) += 1;
    }
    println!("values: {QUESTIONS} asked, {phases:?}");
    let shown: Vec<&str> = differing.values().map(String::as_str).take(12).collect();
    assert!(differing.is_empty(), "{} kinds differ, such as\n{}", differing.len(), shown.join("\n"));
    assert!(phases.len() == 4 && phases.values().all(|count| count * 50 > QUESTIONS), "{phases:?}");
}
