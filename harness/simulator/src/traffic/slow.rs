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
    let paths = repository.files().map(|(path, _)| path);
    let yaml_files = paths.filter(|path| path.ends_with(".yaml") || path.ends_with(".yml"));
    // Files that are no manifests are other people's business here; whoever uses them complains.
    let documents = yaml_files.filter_map(|path| repository.documents(path)?.ok()).flatten();
    let bounds = documents.filter(|document| mentions_a_template(document)).filter_map(smallest_bound);
    bounds.min_by(|a, b| a.seconds.total_cmp(&b.seconds))
}

fn smallest_bound(document: &yaml::Node) -> Option<SlowBound> {
    let object = Object::read(document).ok()?.object;
    let (Object::AnalysisTemplate(template) | Object::ClusterAnalysisTemplate(template)) = object else {
        return None;
    };
    let bounds = template.spec.metrics.iter().filter_map(bound);
    let (metric, seconds) = bounds.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    Some(SlowBound { seconds, from: format!("metric {metric} of {}", template.metadata.name) })
}

fn mentions_a_template(document: &yaml::Node) -> bool {
    matches!(document.str_at(&["kind"]), Some("AnalysisTemplate" | "ClusterAnalysisTemplate"))
}

fn bound(metric: &Metric) -> Option<(&str, f64)> {
    let query = &metric.provider.prometheus.as_ref()?.query;
    if !is_a_quantile(query) {
        return None;
    }
    let condition = Condition::parse(&metric.success_condition, Dialect::default()).ok()?;
    let threshold = condition.threshold()?;
    let is_upper = matches!(threshold.comparison, Comparison::Less | Comparison::LessOrEqual);
    is_upper.then_some((metric.name.as_str(), threshold.bound))
}

/// Whether the whole query is one `histogram_quantile(…)`: of a multiple of one, or a ratio of two, the
/// bound would be no latency in seconds.
fn is_a_quantile(query: &str) -> bool {
    let Some(arguments) = query.trim().strip_prefix("histogram_quantile").map(str::trim_start) else {
        return false;
    };
    let mut depth = 0;
    let mut in_quotes = false;
    for (index, c) in arguments.char_indices() {
        match c {
            '"' => in_quotes = !in_quotes,
            '(' if !in_quotes => depth += 1,
            ')' if !in_quotes => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1 == arguments.len() && c == ')';
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing, tree_of};

    fn template(name: &str, query: &str, condition: &str) -> String {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {{name: {name}}}\nspec:\n  metrics:\n  \
             - name: m\n    successCondition: {condition}\n    provider: {{prometheus: {{address: a, query: '{query}'}}}}\n"
        )
    }

    const QUANTILE: &str = "histogram_quantile(0.99, sum by (le) (rate(x_bucket{a=\"(\"}[5m])))";

    #[test]
    fn a_bound_on_a_quantile_says_what_is_slow() {
        for (query, condition, expected) in [
            (QUANTILE, "result[0] < 0.5", Some(0.5)),
            (QUANTILE, "result[0] <= 0.25", Some(0.25)),
            (QUANTILE, "result[0] > 0.5", None),
            (QUANTILE, "result[0] == 0.5", None),
            (&format!(" {QUANTILE} "), "result[0] < 0.5", Some(0.5)),
            (&format!("{QUANTILE} * 1000"), "result[0] < 500", None),
            (&format!("{QUANTILE} / {QUANTILE}"), "result[0] < 1.2", None),
            (&format!("1000 * {QUANTILE}"), "result[0] < 500", None),
            ("sum(rate(errors[5m]))", "result[0] < 0.01", None),
        ] {
            let world = testing::world("", &[]);
            let tree = tree_of([("gate.yaml", template("gate", query, condition).as_str())]);
            let bound = slow_bound(world.scenario, &tree);
            assert_eq!(bound.as_ref().map(|bound| bound.seconds), expected, "{query} {condition}");
            assert!(bound.is_none_or(|bound| bound.from == "metric m of gate"));
        }
    }

    #[test]
    fn the_scenario_wins_and_else_the_smallest_bound() {
        let gates = [template("a", QUANTILE, "result[0] < 0.5"), template("b", QUANTILE, "result[0] < 0.3")];
        let tree = tree_of([("gates.yaml", gates.join("---\n").as_str()), ("broken.yaml", "a: [")]);
        let world = testing::world("", &[]);
        let smallest = slow_bound(world.scenario, &tree).unwrap();
        assert_eq!((smallest.seconds, smallest.from.as_str()), (0.3, "metric m of b"));
        let world = testing::world("traffic: {rate: 1/s, slow: 2s}", &[]);
        let own = slow_bound(world.scenario, &tree).unwrap();
        assert_eq!((own.seconds, own.from.as_str()), (2.0, "scenario"));
    }
}
