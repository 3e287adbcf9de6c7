//! Upstream's own tests: every call of a function that they make, and what ours gives in its place.

#![cfg(feature = "oracle")]
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use fidelity::Oracle;
use serde::Deserialize;
use serde_json::Value;

mod defaults;
mod measurements;
mod progress;
#[path = "../questions/mod.rs"]
mod questions;
mod replicas;
mod runs;
mod specs;
mod templates;

/// A call that a test of upstream makes.
#[derive(Deserialize)]
struct Call {
    function: String,
    test: String,
    /// The time that the function saw.
    now: Value,
    inputs: Vec<Value>,
    /// None after a panic.
    outputs: Option<Vec<Value>>,
}

/// What the call gave, and what ours gives.
#[derive(Debug)]
struct Answers {
    upstream: Value,
    ours: Value,
}

/// Both answers, or why the call is left out.
type Compared = Result<Answers, String>;

/// Our counterpart of a function.
type Counterpart = fn(&Call) -> Compared;

const FUNCTIONS: &[(&str, Counterpart)] = &[
    ("replicaset.CalculateReplicaCountsForBasicCanary", replicas::basic),
    ("replicaset.CalculateReplicaCountsForTrafficRoutedCanary", replicas::routed),
    ("replicaset.GetCanaryReplicasOrWeight", replicas::scale),
    ("replicaset.GetDesiredCanaryWeight", replicas::weight),
    ("replicaset.GetCurrentCanaryStep", progress::current_step),
    ("replicaset.ReplicaProgressThresholdMet", replicas::enough_available),
    ("replicaset.AtDesiredReplicaCountsForCanary", replicas::reached),
    ("replicaset.MaxSurge", replicas::surge),
    ("replicaset.MaxUnavailable", replicas::unavailable),
    ("rollout.CalculateRolloutPhase", progress::phase),
    ("rollout.CanaryStepString", progress::step),
    ("conditions.RolloutProgressing", progress::progressing),
    ("conditions.RolloutHealthy", progress::healthy),
    ("conditions.RolloutCompleted", progress::completed),
    ("conditions.RolloutTimedOut", progress::timed_out),
    ("defaults.GetScaleDownDelaySecondsOrDefault", defaults::scale_down_delay),
    ("defaults.GetAbortScaleDownDelaySecondsOrDefault", defaults::abort_delay),
    ("rollout.isIndefiniteStep", progress::waiting_indefinitely),
    ("analysis.generateMetricTasks", runs::due),
    ("analysis.calculateNextReconcileTime", runs::next_due),
    ("analysis.garbageCollectMeasurements", runs::retained),
    ("analysis.IsWorse", runs::worse),
    ("analysis.GetDryRunMetrics", templates::dry_runs),
    ("analysis.GetMeasurementRetentionMetrics", templates::retention),
    ("analysis.ValidateMetrics", templates::refused_metrics),
    ("analysis.assessMetricStatus", runs::metric_status),
    ("analysis.assessRunStatus", runs::run_status),
    ("analysis.NewAnalysisRunFromTemplates", templates::merged),
    ("analysis.BuildArgumentsForRolloutAnalysisRun", templates::arguments),
    ("analysis.ResolveMetricArgs", templates::resolved),
    ("analysis.ValidateMetric", templates::refused_metric),
    ("v1alpha1.EffectiveCount", templates::effective_count),
    ("evaluate.EvalCondition", measurements::condition),
    ("evaluate.EvaluateResult", measurements::result),
    ("prometheus.processResponse", measurements::queried),
    ("webmetric.Run", measurements::web),
    ("validation.ValidateRolloutSpec", specs::spec),
    ("validation.ValidateRolloutStrategy", specs::strategy),
    ("validation.ValidateRolloutStrategyBlueGreen", specs::strategy),
    ("validation.ValidateRolloutStrategyCanary", specs::strategy),
    ("validation.ValidateRolloutStrategyAntiAffinity", specs::anti_affinity),
];

impl Call {
    /// Tests of upstream make objects that no manifest can be.
    fn can_be_written(&self) -> Result<(), String> {
        match self.inputs.iter().any(|input| input.get("unwritable").is_some()) {
            true => Err("the object holds raw JSON that is none".to_owned()),
            false => Ok(()),
        }
    }

    fn output(&self, index: usize) -> Result<&Value, String> {
        let outputs = self.outputs.as_ref().ok_or("upstream panics")?;
        Ok(&outputs[index])
    }
}

#[derive(Default)]
struct Table {
    recorded: usize,
    compared: usize,
    /// How many calls of a test are left out for a reason.
    left_out: BTreeMap<(String, String), usize>,
    differing: Vec<String>,
}

impl Table {
    fn add(&mut self, call: &Call, compared: Compared) {
        self.recorded += 1;
        match compared {
            Err(reason) => *self.left_out.entry((reason, call.test.clone())).or_default() += 1,
            Ok(Answers { upstream, ours }) => {
                self.compared += 1;
                if upstream != ours {
                    let inputs = Value::from(call.inputs.clone());
                    let test = &call.test;
                    self.differing
                        .push(format!("{test}: {inputs}\n  upstream {upstream}\n  ours     {ours}"));
                }
            }
        }
    }
}

fn tables() -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::new();
    for line in Oracle::calls() {
        let call: Call = serde_json::from_str(&line).unwrap();
        let counterpart = FUNCTIONS.iter().find(|(name, _)| *name == call.function);
        let (_, ours) = counterpart.unwrap_or_else(|| panic!("nothing of ours stands for {}", call.function));
        let table: &mut Table = tables.entry(call.function.clone()).or_default();
        table.add(&call, call.can_be_written().and_then(|()| ours(&call)));
    }
    tables
}

/// Each reason with the tests and their calls, as `left-out.txt` lists them.
fn listed(tables: &BTreeMap<String, Table>) -> String {
    let mut list =
        "# Calls of upstream's tests that are not compared: the function and why, the tests and how often.\n"
            .to_owned();
    for (function, table) in tables {
        let mut last = "";
        for ((reason, test), count) in &table.left_out {
            if reason != last {
                writeln!(list, "{function}: {reason}").unwrap();
                last = reason;
            }
            writeln!(list, "    {test} {count}").unwrap();
        }
    }
    list
}

#[test]
fn the_tests_of_upstream_hold_for_ours() {
    let tables = tables();
    for (name, _) in FUNCTIONS {
        assert!(tables.contains_key(*name), "no test of upstream calls {name}");
    }
    for (function, Table { recorded, compared, differing, .. }) in &tables {
        let agreed = compared - differing.len();
        println!(
            "{function}: {recorded} recorded, {compared} compared, {agreed} agree, {} left out",
            recorded - compared
        );
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables/left-out.txt");
    let left_out = listed(&tables);
    if std::env::var_os("UPDATE_LEFT_OUT").is_some() {
        fs::write(&file, &left_out).unwrap();
    }
    let differing: Vec<String> = tables
        .iter()
        .filter(|(_, table)| !table.differing.is_empty())
        .map(|(function, table)| {
            format!("{function}: {} differ, such as\n{}", table.differing.len(), table.differing.join("\n"))
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
    assert_eq!(left_out, fs::read_to_string(&file).unwrap(), "UPDATE_LEFT_OUT=1 writes the list anew");
}
