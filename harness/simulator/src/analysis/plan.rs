//! What a run does, read once from its frozen spec.

use std::sync::Arc;

use conditions::{Condition, ConditionError, Dialect};
use manifests::objects::analysis::{Argument, CheckedMetric, CheckedProvider};
use manifests::objects::rollout::MergedAnalysis;
use regex::Regex;

/// How many measurements of a metric are kept where no rule says otherwise
/// (`analysis/analysis.go: DefaultMeasurementHistoryLimit`).
const RETENTION: usize = 10;

/// What stands in for a Secret's value while the spec is checked (`getResolvedMetricsWithoutSecrets`).
const SECRET_STAND_IN: &str = "temp-for-secret";

/// What a run does.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) metrics: Vec<PlannedMetric>,
}

/// A metric of a run.
#[derive(Debug)]
pub(super) struct PlannedMetric {
    pub(super) checked: CheckedMetric,
    pub(super) success: Option<ParsedCondition>,
    pub(super) failure: Option<ParsedCondition>,
    /// Whether it is measured and decides nothing.
    pub(super) dry_run: bool,
    /// How many measurements are kept.
    pub(super) retention: usize,
}

/// A condition, or why it is none: upstream finds out at every measurement.
pub(super) type ParsedCondition = Result<Condition, (String, ConditionError)>;

impl Plan {
    /// Reads and checks a spec.
    ///
    /// # Errors
    /// The message of the run, which ends in phase Error at once (`reconcileAnalysisRun`).
    pub(super) fn of(analysis: &MergedAnalysis) -> Result<Arc<Self>, String> {
        let args: Vec<Argument> = analysis.args.iter().map(without_secret).collect();
        let resolved: Vec<_> = analysis
            .metrics
            .iter()
            .map(|metric| metric.resolve(&args))
            .collect::<Result<_, _>>()
            .map_err(|error| format!("Unable to resolve metric arguments: {error}"))?;
        let invalid = |error: String| format!("Analysis spec invalid: {error}");
        if resolved.is_empty() {
            return Err(invalid("no metrics specified".to_owned()));
        }
        let names: Vec<&str> = resolved.iter().map(|metric| metric.name.as_str()).collect();
        let mut checked = Vec::with_capacity(resolved.len());
        for (index, metric) in resolved.iter().enumerate() {
            if names[..index].contains(&metric.name.as_str()) {
                return Err(invalid(format!("metrics[{index}]: duplicate name '{}'", metric.name)));
            }
            let metric = metric.check().map_err(|error| invalid(format!("metrics[{index}]: {error}")))?;
            checked.push(metric);
        }
        let dry_runs = analysis.dry_run.iter().map(|rule| rule.metric_name.as_str());
        let dry_runs = rules(dry_runs, &names, "dryRun").map_err(invalid)?;
        let retentions = analysis.measurement_retention.iter().map(|rule| rule.metric_name.as_str());
        let retentions = rules(retentions, &names, "measurementRetention").map_err(invalid)?;
        let metrics = checked.into_iter().map(|metric| {
            let dry_run = dry_runs.iter().flatten().any(|rule| rule.is_match(&metric.name));
            // Of several rules that match the last one counts.
            let rule = retentions
                .iter()
                .rposition(|rule| rule.as_ref().is_some_and(|rule| rule.is_match(&metric.name)));
            let limit =
                rule.and_then(|index| usize::try_from(analysis.measurement_retention[index].limit).ok());
            PlannedMetric::new(metric, dry_run, limit.filter(|limit| *limit > 0).unwrap_or(RETENTION))
        });
        Ok(Arc::new(Self { metrics: metrics.collect() }))
    }
}

impl PlannedMetric {
    pub(super) fn new(checked: CheckedMetric, dry_run: bool, retention: usize) -> Self {
        let parse = |text: &Option<String>| {
            let text = text.as_ref()?;
            Some(Condition::parse(text, Dialect::default()).map_err(|error| (text.clone(), error)))
        };
        let (success, failure) = (parse(&checked.success_condition), parse(&checked.failure_condition));
        Self { checked, success, failure, dry_run, retention }
    }

    /// Whether a Job measures it.
    pub(super) fn is_a_job(&self) -> bool {
        matches!(self.checked.provider, CheckedProvider::Job(_))
    }
}

fn without_secret(argument: &Argument) -> Argument {
    match argument.value_from.as_ref().and_then(|source| source.secret_key_ref.as_ref()) {
        Some(_) => Argument::with_value(&argument.name, SECRET_STAND_IN),
        None => argument.clone(),
    }
}

/// Rules that name metrics by an unanchored regular expression; one that matches none is an error
/// (`GetDryRunMetrics`, `GetMeasurementRetentionMetrics`). A text that is no expression matches nothing.
fn rules<'a>(
    texts: impl Iterator<Item = &'a str>,
    names: &[&str],
    field: &str,
) -> Result<Vec<Option<Regex>>, String> {
    let mut rules = Vec::new();
    for (index, text) in texts.enumerate() {
        let rule = Regex::new(text).ok();
        if !names.iter().any(|name| rule.as_ref().is_some_and(|rule| rule.is_match(name))) {
            return Err(format!("{field}[{index}]: Rule didn't match any metric name(s)"));
        }
        rules.push(rule);
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use manifests::objects::Metric;
    use manifests::objects::analysis::{DryRun, MeasurementRetention, Prometheus, Provider};

    use super::*;

    fn metric(name: &str) -> Metric {
        let prometheus = Prometheus { query: "up".to_owned(), ..Prometheus::default() };
        let provider = Provider { prometheus: Some(prometheus), ..Provider::default() };
        Metric { name: name.to_owned(), provider, ..Metric::default() }
    }

    fn analysis(names: &[&str]) -> MergedAnalysis {
        MergedAnalysis {
            metrics: names.iter().map(|name| metric(name)).collect(),
            ..MergedAnalysis::default()
        }
    }

    #[test]
    fn rules_match_parts_of_names_and_must_match_one() {
        let mut spec = analysis(&["p99-latency", "errors"]);
        spec.dry_run = vec![DryRun { metric_name: "lat".to_owned() }];
        spec.measurement_retention = vec![MeasurementRetention { metric_name: ".*".to_owned(), limit: 3 }];
        let plan = Plan::of(&spec).unwrap();
        assert_eq!(plan.metrics.iter().map(|metric| metric.dry_run).collect::<Vec<_>>(), [true, false]);
        assert_eq!(plan.metrics.iter().map(|metric| metric.retention).collect::<Vec<_>>(), [3, 3]);
        spec.dry_run[0].metric_name = "^latency".to_owned();
        let error = Plan::of(&spec).unwrap_err();
        assert_eq!(error, "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)");
    }

    #[test]
    fn a_spec_that_upstream_refuses_is_an_error_of_the_run() {
        assert_eq!(Plan::of(&analysis(&[])).unwrap_err(), "Analysis spec invalid: no metrics specified");
        let mut spec = analysis(&["errors"]);
        spec.metrics[0].failure_limit = Some(manifests::objects::IntOrString::Int(3));
        spec.metrics[0].count = Some(manifests::objects::IntOrString::Int(2));
        spec.metrics[0].interval = "1m".to_owned();
        assert!(Plan::of(&spec).unwrap_err().starts_with("Analysis spec invalid: metrics[0]: count (2)"));
        spec = analysis(&["errors"]);
        spec.metrics[0].success_condition = "result < {{args.bound}}".to_owned();
        let error = Plan::of(&spec).unwrap_err();
        assert_eq!(error, "Unable to resolve metric arguments: failed to resolve {{args.bound}}");
    }
}
