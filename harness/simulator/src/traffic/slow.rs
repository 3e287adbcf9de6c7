use conditions::{Comparison, Condition, Dialect};
use manifests::objects::{Metric, Object};
use manifests::tree::Tree;
use scenario::Scenario;
use timeline::SlowBound;

/// The latency above which a request counts as slow: what the scenario says, else the smallest bound
/// that a gate of the repository sets on a quantile of latency. `None` where nobody sets one.
pub fn slow_bound(scenario: &Scenario, repository: &Tree) -> Option<SlowBound> {
    if let Some(slow) = scenario.traffic.slow {
        return Some(SlowBound { seconds: slow.as_secs_f64(), from: "scenario".to_owned() });
    }
    let yaml_files = repository.files().filter(|(path, _)| path.ends_with(".yaml") || path.ends_with(".yml"));
    // Files that are no manifests are other people's business here; whoever uses them complains.
    let documents = yaml_files.filter_map(|(path, content)| yaml::parse(path, content).ok()).flatten();
    let bounds = documents.filter(mentions_a_template).filter_map(|document| {
        match Object::read(&document).ok()?.object {
            Object::AnalysisTemplate(template) | Object::ClusterAnalysisTemplate(template) => {
                let bounds = template.spec.metrics.iter().filter_map(bound);
                let smallest = bounds.min_by(|(_, a), (_, b)| a.total_cmp(b));
                smallest.map(|(metric, seconds)| SlowBound {
                    seconds,
                    from: format!("metric {metric} of {}", template.metadata.name),
                })
            }
            _ => None,
        }
    });
    bounds.min_by(|a, b| a.seconds.total_cmp(&b.seconds))
}

fn mentions_a_template(document: &yaml::Node) -> bool {
    matches!(document.str_at(&["kind"]), Some("AnalysisTemplate" | "ClusterAnalysisTemplate"))
}

fn bound(metric: &Metric) -> Option<(&str, f64)> {
    let query = &metric.provider.prometheus.as_ref()?.query;
    if !query.contains("histogram_quantile") {
        return None;
    }
    let condition = Condition::parse(&metric.success_condition, Dialect::default()).ok()?;
    let threshold = condition.threshold()?;
    let is_upper = matches!(threshold.comparison, Comparison::Less | Comparison::LessOrEqual);
    is_upper.then_some((metric.name.as_str(), threshold.bound))
}
