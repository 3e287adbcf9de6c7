//! How AnalysisRuns are assessed, and when their metrics are measured (`analysis`).

use std::iter;

use manifests::objects::Metric;
use manifests::objects::analysis::{DryRun, MeasurementRetention};
use manifests::objects::rollout::MergedAnalysis;
use serde_json::{Value, json};
use simulator::analysis::{Measurement, MetricResult, RunStatus};
use simulator::conformance::analysis as ours;
use timeline::AnalysisPhase;
use units::Time;

use super::questions::read;
use super::questions::status::{phase, time};
use super::templates::{complete, list};
use super::{Answers, Call, Compared};

pub(super) fn metric_status(call: &Call) -> Compared {
    let [metric, result, terminating] = &call.inputs[..] else {
        unreachable!("the function has three inputs")
    };
    let found = ours::metric_phase(&complete(metric)?, &measured(result)?, *terminating == true)?;
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(found.to_string()) })
}

pub(super) fn run_status(call: &Call) -> Compared {
    let [run, metrics, dry_runs] = &call.inputs[..] else { unreachable!("the function has three inputs") };
    let metrics = all(metrics)?;
    let dry_runs = dry_runs.as_object().into_iter().flatten().filter(|(_, is)| **is == true);
    let dry_run = dry_runs.map(|(name, _)| DryRun { metric_name: format!("^{name}$") }).collect();
    let analysis = MergedAnalysis { metrics, dry_run, ..MergedAnalysis::default() };
    let before = status(run)?;
    let after = ours::assess(&analysis, run["spec"]["terminate"] == true, before.clone())?;
    // Upstream's function leaves the phase to its caller, which writes it with its message if it is another.
    let message = if after.phase == before.phase { Value::Null } else { json!(after.message) };
    let upstream_message = if after.phase == before.phase { &Value::Null } else { call.output(1)? };
    let told = |results: &[MetricResult]| -> Value {
        results.iter().map(|result| json!([result.name, result.phase.to_string(), result.message])).collect()
    };
    let theirs: Vec<MetricResult> =
        list(&call.output(2)?["metricResults"]).iter().map(measured).collect::<Result<_, _>>()?;
    Ok(Answers {
        upstream: json!([call.output(0)?, upstream_message, told(&theirs)]),
        ours: json!([after.phase.map(|phase| phase.to_string()), message, told(&after.results)]),
    })
}

pub(super) fn due(call: &Call) -> Compared {
    let [run, metrics] = &call.inputs[..] else { unreachable!("the function has two inputs") };
    let analysis = MergedAnalysis { metrics: all(metrics)?, ..MergedAnalysis::default() };
    let (mut status, now) = (status(run)?, time(&call.now));
    // Upstream looks at once at a measurement that goes on without a time to resume.
    for last in status.results.iter_mut().filter_map(|result| result.measurements.last_mut()) {
        last.resume.get_or_insert(last.started);
    }
    let due = |now| ours::due(&analysis, run["spec"]["terminate"] == true, &status, now);
    let upstream = json!(list(call.output(1)?));
    // Objects of these tests have fractions of seconds, which an API server does not keep: what is due within one may be
    // due or not.
    let a_second_ago = json!(due(Time::from_nanos(now.as_nanos() - 1_000_000_000))?);
    let ours = if a_second_ago == upstream { a_second_ago } else { json!(due(now)?) };
    Ok(Answers { upstream, ours })
}

pub(super) fn next_due(call: &Call) -> Compared {
    let [run, metrics] = &call.inputs[..] else { unreachable!("the function has two inputs") };
    let (status, now) = (status(run)?, time(&call.now));
    let analysis = MergedAnalysis { metrics: all(metrics)?, ..MergedAnalysis::default() };
    let is_unknown = |metric: &&Metric| status.results.iter().all(|result| result.name != metric.name);
    if analysis.metrics.iter().filter(is_unknown).any(|metric| metric.initial_delay.is_empty()) {
        return Err("a metric was never measured, which a pass does before it asks".to_owned());
    }
    let ours = ours::next_due(&analysis, &status, now)?;
    let told = |time: Option<Time>| json!(time.map(|time| time.truncated_to_secs().to_string()));
    let upstream = Some(call.output(0)?).filter(|at| !at.is_null()).map(time);
    Ok(Answers { upstream: told(upstream), ours: told(ours) })
}

pub(super) fn retained(call: &Call) -> Compared {
    let [run, rules, limit] = &call.inputs[..] else { unreachable!("the function has three inputs") };
    // As much is kept as if a rule before all others said so.
    let general = MeasurementRetention { metric_name: String::new(), limit: limit.as_i64().unwrap() as i32 };
    let rules = rules.as_object().into_iter().flatten().map(|(name, rule)| MeasurementRetention {
        metric_name: format!("^{name}$"),
        limit: rule["limit"].as_i64().unwrap_or(0) as i32,
    });
    let analysis = MergedAnalysis {
        metrics: all(&run["spec"]["metrics"])?,
        measurement_retention: iter::once(general).chain(rules).collect(),
        args: read(&Value::from(list(&run["spec"]["args"]).to_vec()))?,
        ..MergedAnalysis::default()
    };
    let ours = ours::assess(&analysis, false, status(run)?)?;
    let kept = |results: &[MetricResult]| -> Value {
        let taken = |result: &MetricResult| -> Value {
            result.measurements.iter().map(|taken| json!([taken.phase.to_string(), taken.value])).collect()
        };
        results.iter().map(|result| json!([result.name, taken(result)])).collect()
    };
    let upstream = status(&json!({"status": call.output(1)?}))?;
    Ok(Answers {
        upstream: json!([call.output(0)?, kept(&upstream.results)]),
        ours: json!([null, kept(&ours.results)]),
    })
}

pub(super) fn worse(call: &Call) -> Compared {
    let [current, new] = [0, 1].map(|index| phase(call.inputs[index].as_str().unwrap_or_default()));
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(ours::is_worse(new?, current?)) })
}

fn all(metrics: &Value) -> Result<Vec<Metric>, String> {
    list(metrics).iter().map(complete).collect()
}

fn status(run: &Value) -> Result<RunStatus, String> {
    let status = &run["status"];
    Ok(RunStatus {
        phase: named(&status["phase"])?,
        started: Some(&status["startedAt"]).filter(|at| !at.is_null()).map(time),
        results: list(&status["metricResults"]).iter().map(measured).collect::<Result<_, _>>()?,
        ..RunStatus::default()
    })
}

fn named(written: &Value) -> Result<Option<AnalysisPhase>, String> {
    written.as_str().filter(|name| !name.is_empty()).map(phase).transpose()
}

/// A result, which is not at an end before it has a phase.
fn measured(written: &Value) -> Result<MetricResult, String> {
    let count = |key: &str| {
        let count = written[key].as_i64().unwrap_or(0);
        u32::try_from(count).map_err(|_| format!("{count} {key}"))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let measurement = |written: &Value| {
        let phase = named(&written["phase"])?.unwrap_or(AnalysisPhase::Running);
        let at = |key: &str| Some(&written[key]).filter(|at| !at.is_null()).map(time);
        Ok::<_, String>(Measurement {
            phase,
            value: text(&written["value"]),
            message: text(&written["message"]),
            started: time(&written["startedAt"]),
            finished: at("finishedAt"),
            job: None,
            resume: at("resumeAt"),
        })
    };
    Ok(MetricResult {
        name: text(&written["name"]),
        phase: named(&written["phase"])?.unwrap_or(AnalysisPhase::Pending),
        message: text(&written["message"]),
        dry_run: written["dryRun"] == true,
        count: count("count")?,
        successful: count("successful")?,
        failed: count("failed")?,
        inconclusive: count("inconclusive")?,
        error: count("error")?,
        consecutive_error: count("consecutiveError")?,
        consecutive_success: count("consecutiveSuccess")?,
        measurements: list(&written["measurements"]).iter().map(measurement).collect::<Result<_, _>>()?,
    })
}
