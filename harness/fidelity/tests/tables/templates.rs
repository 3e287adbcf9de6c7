//! What AnalysisRuns are made of, and which metrics are refused (`utils/analysis`).

use std::sync::Arc;

use manifests::objects::analysis::Argument;
use manifests::objects::rollout::{Analyses, HASH_LABEL, MergedAnalysis, RunArgument};
use manifests::objects::{AnalysisTemplate, Metric, Rollout};
use serde_json::{Map, Value, json};
use simulator::conformance::analysis::{Planned, plan};

use super::questions::read;
use super::{Answers, Call, Compared};

pub(super) fn merged(call: &Call) -> Compared {
    let of = |value: &Value| -> Result<Vec<Arc<AnalysisTemplate>>, String> {
        list(value).iter().map(|template| Ok(Arc::new(read(template)?))).collect()
    };
    let (templates, cluster_templates) = (of(&call.inputs[0])?, of(&call.inputs[1])?);
    let [args, dry_run, retention] = [2, 3, 4].map(|index| Value::from(list(&call.inputs[index]).to_vec()));
    let ours = Analyses { templates, cluster_templates }.merge(
        &read::<Vec<_>>(&args)?,
        &read::<Vec<_>>(&dry_run)?,
        &read::<Vec<_>>(&retention)?,
    );
    let told = |merged: Result<MergedAnalysis, String>| json!(format!("{merged:?}"));
    let upstream = match call.output(1)?.as_str() {
        Some(refused) => Err(refused.to_owned()),
        None => {
            let spec = &call.output(0)?["spec"];
            let list = |key: &str| Value::from(list(&spec[key]).to_vec());
            Ok(MergedAnalysis {
                metrics: read(&list("metrics"))?,
                args: read(&list("args"))?,
                dry_run: read(&list("dryRun"))?,
                measurement_retention: read(&list("measurementRetention"))?,
            })
        }
    };
    Ok(Answers { upstream: told(upstream), ours: told(ours) })
}

pub(super) fn arguments(call: &Call) -> Compared {
    let [args, stable, new, written] = &call.inputs[..] else { unreachable!("the function has four inputs") };
    let hash = |set: &Value| set["metadata"]["labels"][HASH_LABEL].as_str().unwrap_or_default().to_owned();
    let args: Vec<RunArgument> = read(&Value::from(list(args).to_vec()))?;
    let ours = Rollout::run_arguments(&args, &hash(new), &hash(stable), written);
    let upstream = match call.output(1)?.as_str() {
        Some(refused) => Err(refused.to_owned()),
        None => Ok(read::<Vec<Argument>>(&Value::from(list(call.output(0)?).to_vec()))?),
    };
    Ok(Answers { upstream: json!(format!("{upstream:?}")), ours: json!(format!("{ours:?}")) })
}

pub(super) fn resolved(call: &Call) -> Compared {
    let metric: Metric = read(&call.inputs[0])?;
    let args: Vec<Argument> = read(&Value::from(list(&call.inputs[1]).to_vec()))?;
    let ours = metric.resolve(&args);
    let upstream = match call.output(1)?.as_str() {
        Some(refused) => Err(refused.to_owned()),
        None => Ok(read::<Metric>(call.output(0)?)?),
    };
    Ok(Answers { upstream: json!(format!("{upstream:?}")), ours: json!(format!("{ours:?}")) })
}

pub(super) fn refused_metric(call: &Call) -> Compared {
    let metric: Metric = read(&call.inputs[0])?;
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(metric.check().err()) })
}

pub(super) fn effective_count(call: &Call) -> Compared {
    let metric = complete(&call.inputs[0])?;
    let ours = metric.check()?.count;
    // A number or a text that is one.
    let upstream = match call.output(0)? {
        Value::String(text) => json!(text.parse::<u32>().ok()),
        count => count.clone(),
    };
    Ok(Answers { upstream, ours: json!(ours) })
}

pub(super) fn refused_metrics(call: &Call) -> Compared {
    let metrics: Vec<Metric> = read(&Value::from(list(&call.inputs[0]).to_vec()))?;
    let ours = plan(&MergedAnalysis { metrics, ..MergedAnalysis::default() }).err();
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(ours.map(reason)) })
}

pub(super) fn dry_runs(call: &Call) -> Compared {
    let dry_run = read(&Value::from(list(&call.inputs[0]).to_vec()))?;
    planned(call, MergedAnalysis { dry_run, ..MergedAnalysis::default() }, |planned| {
        planned.dry_run.then_some(Value::Bool(true))
    })
}

pub(super) fn retention(call: &Call) -> Compared {
    let measurement_retention = read(&Value::from(list(&call.inputs[0]).to_vec()))?;
    let rules = MergedAnalysis { measurement_retention, ..MergedAnalysis::default() };
    let limits = rules.measurement_retention.clone();
    planned(call, rules, |planned| {
        // Ours knows how many are kept, and not which rule says so.
        let rule = limits.iter().rfind(|rule| rule.limit as usize == planned.retention)?;
        Some(json!({"metricName": rule.metric_name, "limit": rule.limit}))
    })
}

/// What rules say of each metric, or why they are refused.
fn planned(call: &Call, rules: MergedAnalysis, told: impl Fn(&Planned) -> Option<Value>) -> Compared {
    // The rules look at the names alone.
    let named =
        list(&call.inputs[1]).iter().map(|metric| complete(&json!({"name": metric["name"], "provider": {}})));
    let metrics = named.collect::<Result<_, _>>()?;
    let ours = match plan(&MergedAnalysis { metrics, ..rules }) {
        Ok(planned) => {
            let told = planned.iter().filter_map(|planned| Some((planned.name.clone(), told(planned)?)));
            json!([told.collect::<Map<_, _>>(), null])
        }
        Err(refused) => json!([null, reason(refused)]),
    };
    // What was found before a rule was refused plays no part.
    let refused = call.output(1)?;
    let found = if refused.is_null() { call.output(0)? } else { &Value::Null };
    Ok(Answers { upstream: json!([found, refused]), ours })
}

/// The message of a run without what its caller puts before it.
fn reason(message: String) -> String {
    message.strip_prefix("Analysis spec invalid: ").map(str::to_owned).unwrap_or(message)
}

/// A metric with what its assessment does not look at, and without which it would not be accepted: a provider,
/// and the interval between several measurements.
pub(super) fn complete(metric: &Value) -> Result<Metric, String> {
    let mut metric = metric.clone();
    if metric["provider"] == json!({}) {
        metric["provider"] = json!({"prometheus": {"query": "up"}});
    }
    let count = metric["count"].as_str().and_then(|text| text.parse().ok()).or(metric["count"].as_i64());
    if metric["interval"].is_null() && count.is_some_and(|count| count > 1) {
        metric["interval"] = json!("1m");
    }
    read(&metric)
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
