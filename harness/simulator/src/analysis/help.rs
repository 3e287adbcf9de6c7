//! Why a measurement cannot work, and how to mend the gate.

use conditions::{Condition, Dialect, Value};
use manifests::objects::analysis::CheckedMetric;
use timeline::AnalysisPhase;

use crate::prometheus::QueryResult;

/// How to mend an address that the controller cannot reach.
pub(super) fn unreachable(address: &str) -> String {
    match address {
        "" => "write the address of Prometheus, such as http://prometheus.monitoring.svc:9090".to_owned(),
        _ => {
            "the name is resolved in the namespace of Argo Rollouts: write the Service's namespace into it, \
              such as http://prometheus.monitoring.svc:9090"
                .to_owned()
        }
    }
}

/// How to mend a URL whose name is not resolved.
pub(super) fn unresolved(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':', '?']).next().unwrap_or_default();
    format!(
        "the name is resolved in the namespace of Argo Rollouts: write the Service's namespace into it, such as \
         {host}.evaluation.svc"
    )
}

/// What to know of a response that is no JSON.
pub(super) fn no_json(url: &str) -> String {
    format!(
        "the response of {url} is no JSON, which Argo Rollouts takes for a success without looking at the conditions"
    )
}

/// How to mend the gate, where the value shows that it cannot work as it is written; empty otherwise.
pub(super) fn explain(
    metric: &CheckedMetric,
    value: &Value,
    phase: AnalysisPhase,
    found: &QueryResult,
    requests: Option<f64>,
) -> String {
    let conditions = [&metric.success_condition, &metric.failure_condition];
    let parsed =
        conditions.into_iter().flatten().filter_map(|text| Condition::parse(text, Dialect::default()).ok());
    let uses: Vec<_> = parsed.map(|condition| condition.references_result_as()).collect();
    match value {
        Value::Floats(samples) if samples.is_empty() && phase == AnalysisPhase::Error => {
            no_data(found, requests)
        }
        Value::Floats(_) if uses.iter().any(|uses| uses.scalar) && phase == AnalysisPhase::Error => {
            "the query gives a vector, and the condition compares it with a number: write `result[0]`"
                .to_owned()
        }
        Value::Float(_) if uses.iter().any(|uses| uses.indexed) && phase == AnalysisPhase::Error => {
            "the query gives a number, not a vector: write `result` in place of `result[0]`".to_owned()
        }
        Value::Floats(samples) if samples.iter().any(|sample| sample.is_nan()) => {
            not_a_number(found, requests)
        }
        Value::Float(number) if number.is_nan() => not_a_number(found, requests),
        Value::Floats(_)
        | Value::Float(_)
        | Value::Nil
        | Value::Text(_)
        | Value::Bool(_)
        | Value::Json(_) => String::new(),
    }
}

fn no_data(found: &QueryResult, requests: Option<f64>) -> String {
    if found.series > 0 {
        return format!(
            "the query found {} series and gave no element: compare the labels that it joins or groups by, and \
             its ranges with the scrape interval",
            found.series
        );
    }
    let selectors = found.selectors.join(", ");
    let cause = match requests {
        Some(requests) if requests > 0.0 => {
            "the canary had requests, so look for a label or a metric that is spelt differently, or a pod that is not scraped"
        }
        Some(_) => {
            "the canary had no requests: let the analysis begin later (`initialDelay`, or a pause before it)"
        }
        None => {
            "look for a label or a metric that is spelt differently, or let the analysis begin later (`initialDelay`, \
             or a pause before it)"
        }
    };
    format!("no series matches {selectors}; {cause}")
}

fn not_a_number(found: &QueryResult, requests: Option<f64>) -> String {
    let range = found.range;
    let causes = "a division by a series that did not grow, or a histogram without observations";
    let mending = "every comparison with it is false, so guard the condition with `isNaN(result[0])` or let traffic \
                   come first";
    match requests {
        Some(requests) if requests > 0.0 => {
            format!("the value is not a number although the canary had requests within {range}: {causes}")
        }
        Some(_) => {
            format!("the value is not a number because the canary had no requests within {range}: {mending}")
        }
        None => format!("the value is not a number: {causes}; {mending}"),
    }
}
