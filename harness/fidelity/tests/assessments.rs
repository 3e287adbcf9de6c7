//! AnalysisRuns with measurements behind them: the phases that the analysis controller gives them.

#![cfg(feature = "oracle")]
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

use std::collections::BTreeMap;

use fidelity::Oracle;
use manifests::objects::Metric;
use manifests::objects::analysis::DryRun;
use manifests::objects::rollout::MergedAnalysis;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Deserialize;
use serde_json::{Value, json};
use simulator::analysis::{Measurement, MetricResult, RunStatus};
use simulator::conformance::analysis::settle;
use timeline::AnalysisPhase;
use units::Time;
use yaml::{Node, Place, Source};

/// Runs of one bubble.
const BATCH: usize = 250;

/// The start of every bubble, where the last measurements were taken.
const NOW: &str = "2000-01-01T00:00:00Z";

const PHASES: [AnalysisPhase; 4] =
    [AnalysisPhase::Successful, AnalysisPhase::Failed, AnalysisPhase::Inconclusive, AnalysisPhase::Error];

struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, bound: u32) -> u32 {
        self.0.random_range(0..bound)
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    fn metric(&mut self, name: &str) -> Value {
        let mut metric = json!({
            "name": name, "interval": "1h",
            "provider": {"prometheus": {"address": "http://prometheus.monitoring.svc:9090", "query": "up"}},
        });
        for (key, bound) in [
            ("count", 6),
            ("failureLimit", 4),
            ("inconclusiveLimit", 3),
            ("consecutiveErrorLimit", 4),
            ("consecutiveSuccessLimit", 4),
        ] {
            if self.one_in(2) {
                metric[key] = json!(self.below(bound));
            }
        }
        if self.one_in(6) && metric["consecutiveSuccessLimit"].as_u64().is_some_and(|limit| limit > 0) {
            metric["failureLimit"] = json!(-1);
        }
        metric
    }

    /// What some measurements leave behind, counted as the controller counts.
    fn result(&mut self, name: &str, dry_run: bool) -> MetricResult {
        let mut result = MetricResult {
            name: name.to_owned(),
            phase: AnalysisPhase::Running,
            message: String::new(),
            dry_run,
            count: 0,
            successful: 0,
            failed: 0,
            inconclusive: 0,
            error: 0,
            consecutive_error: 0,
            consecutive_success: 0,
            measurements: Vec::new(),
        };
        let favourite = PHASES[self.below(4) as usize];
        for _ in 0..self.below(7) + 1 {
            let phase = if self.one_in(2) { favourite } else { PHASES[self.below(4) as usize] };
            let message =
                if phase == AnalysisPhase::Error { "no such host".to_owned() } else { String::new() };
            result.measurements.push(Measurement {
                phase,
                value: String::new(),
                message,
                started: Time::ZERO,
                finished: Some(Time::ZERO),
                job: None,
                resume: None,
            });
            count(&mut result, phase);
        }
        result
    }

    fn run(&mut self, number: usize) -> (Value, MergedAnalysis, bool, RunStatus) {
        let names = &["errors", "latency", "traffic"][..1 + self.below(3) as usize];
        let metrics: Vec<Value> = names.iter().map(|name| self.metric(name)).collect();
        let dry: Vec<&str> = names.iter().copied().filter(|_| self.one_in(6)).collect();
        let terminate = self.one_in(6);
        let mut results = Vec::new();
        for name in names {
            // A metric whose initial delay has not passed has no result.
            if !self.one_in(8) {
                results.push(self.result(name, dry.contains(name)));
            }
        }
        let mut metrics_with_delay = metrics;
        for metric in &mut metrics_with_delay {
            if !results.iter().any(|result| metric["name"] == result.name.as_str()) {
                metric["initialDelay"] = json!("1h");
            }
        }
        let place = Place::whole(&Source::new("case", ""));
        let typed = |metric: &Value| -> Metric { yaml::decode(&Node::from_json(metric, &place)).unwrap() };
        let analysis = MergedAnalysis {
            metrics: metrics_with_delay.iter().map(typed).collect(),
            dry_run: dry.iter().map(|name| DryRun { metric_name: format!("^{name}$") }).collect(),
            ..MergedAnalysis::default()
        };
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": {"name": format!("run-{number}"), "namespace": "default"},
            "spec": {
                "metrics": metrics_with_delay, "terminate": terminate,
                "dryRun": dry.iter().map(|name| json!({"metricName": format!("^{name}$")})).collect::<Vec<_>>(),
            },
            "status": {
                "phase": "Running", "startedAt": NOW,
                "metricResults": results.iter().map(written).collect::<Vec<_>>(),
            },
        });
        let status = RunStatus {
            phase: Some(AnalysisPhase::Running),
            started: Some(Time::ZERO),
            results,
            ..RunStatus::default()
        };
        (object, analysis, terminate, status)
    }
}

fn count(result: &mut MetricResult, phase: AnalysisPhase) {
    let counted = phase != AnalysisPhase::Error;
    result.count += u32::from(counted);
    result.consecutive_error = if counted { 0 } else { result.consecutive_error + 1 };
    result.consecutive_success =
        if phase == AnalysisPhase::Successful { result.consecutive_success + 1 } else { 0 };
    match phase {
        AnalysisPhase::Successful => result.successful += 1,
        AnalysisPhase::Failed => result.failed += 1,
        AnalysisPhase::Inconclusive => result.inconclusive += 1,
        AnalysisPhase::Error => result.error += 1,
        AnalysisPhase::Pending | AnalysisPhase::Running => {}
    }
}

fn written(result: &MetricResult) -> Value {
    let measurements = result.measurements.iter().map(|taken| {
        json!({"phase": taken.phase.to_string(), "message": taken.message, "startedAt": NOW, "finishedAt": NOW})
    });
    json!({
        "name": result.name, "phase": "Running", "dryRun": result.dry_run, "count": result.count,
        "successful": result.successful, "failed": result.failed, "inconclusive": result.inconclusive,
        "error": result.error, "consecutiveError": result.consecutive_error,
        "consecutiveSuccess": result.consecutive_success, "measurements": measurements.collect::<Vec<_>>(),
    })
}

#[derive(Debug, PartialEq, Deserialize)]
struct Assessment {
    phase: String,
    message: String,
    metrics: BTreeMap<String, String>,
}

#[test]
fn runs_are_assessed_as_the_analysis_controller_assesses_them() {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(1));
    let runs: Vec<_> = (0..5_000).map(|number| draw.run(number)).collect();
    let batches: Vec<Value> =
        runs.chunks(BATCH).map(|batch| batch.iter().map(|(object, ..)| object.clone()).collect()).collect();
    let answers: Vec<Vec<Assessment>> = Oracle::build().ask("assessments", &batches);
    let theirs: Vec<Assessment> = answers.into_iter().flatten().collect();
    let mut phases: BTreeMap<String, u32> = BTreeMap::new();
    let mut differing = Vec::new();
    for ((object, analysis, terminate, status), theirs) in runs.iter().zip(theirs) {
        let settled = settle(analysis, *terminate, status.clone());
        let metrics =
            settled.results.iter().map(|result| (result.name.clone(), result.phase.to_string())).collect();
        let phase = settled.phase.unwrap().to_string();
        let ours = Assessment { phase, message: settled.message, metrics };
        *phases.entry(theirs.phase.clone()).or_default() += 1;
        if ours != theirs {
            differing.push(format!("{object}\n  upstream {theirs:?}\n  ours     {ours:?}"));
        }
    }
    println!("assessments: {} of {} agree; {phases:?}", runs.len() - differing.len(), runs.len());
    assert!(differing.is_empty(), "{} differ, such as\n{}", differing.len(), differing[0]);
}
