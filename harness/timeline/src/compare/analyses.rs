//! What analyses measured and decided.

use std::collections::BTreeMap;

use super::{Fact, Sides};
use crate::{AnalysisPhase, Event, Timeline};

/// The Rollout, the step, and which of its runs at that step.
type Key = (String, Option<u32>, usize);

/// An analysis as far as it can be compared.
#[derive(Default)]
struct Analysis {
    phase: Option<AnalysisPhase>,
    /// The outcomes of each metric's measurements, as (outcome, how often in a row).
    metrics: BTreeMap<String, Vec<(AnalysisPhase, u32)>>,
    values: BTreeMap<String, String>,
}

pub(super) fn of(runs: &Sides<&Timeline>) -> Vec<Fact> {
    let found = runs.map(|timeline| analyses(timeline));
    let keys = found.left.keys().chain(found.right.keys().filter(|key| !found.left.contains_key(*key)));
    let mut facts = Vec::new();
    for key in keys {
        let (rollout, step, number) = key;
        let at = step.map_or_else(|| "in the background".to_owned(), |step| format!("at step {step}"));
        let again = if *number > 0 { format!(", run {}", number + 1) } else { String::new() };
        let what = format!("analysis of {rollout} {at}{again}");
        let both = found.map(|all| all.get(key).map_or("–".to_owned(), Analysis::verdict));
        facts.push(Fact::new(&what, both.left, both.right));
        let metrics =
            |all: &BTreeMap<Key, Analysis>| all.get(key).map(|it| it.metrics.keys().cloned().collect());
        let names: Sides<Option<Vec<String>>> = found.map(metrics);
        let mut names: Vec<String> = names.left.into_iter().chain(names.right).flatten().collect();
        names.sort();
        names.dedup();
        for metric in names {
            facts.push(measured(&found, key, &what, &metric));
        }
    }
    facts
}

/// The measurements of a metric. How often one outcome came in a row depends on when the run was over;
/// the order of outcomes must agree.
fn measured(found: &Sides<BTreeMap<Key, Analysis>>, key: &Key, what: &str, metric: &str) -> Fact {
    let of = |all: &BTreeMap<Key, Analysis>| all.get(key).and_then(|it| it.metrics.get(metric)).cloned();
    let phases =
        found.map(|all| of(all).map(|rows| rows.iter().map(|(phase, _)| *phase).collect::<Vec<_>>()));
    let said = found.map(|all| {
        let rows = of(all).unwrap_or_default();
        let rows: Vec<String> = rows
            .iter()
            .map(|(phase, times)| if *times > 1 { format!("{times}× {phase}") } else { phase.to_string() })
            .collect();
        let value = all.get(key).and_then(|it| it.values.get(metric)).filter(|value| !value.is_empty());
        let value = value.map_or(String::new(), |value| format!(" {}", short(value)));
        format!("{}{value}", if rows.is_empty() { "–".to_owned() } else { rows.join(", ") })
    });
    Fact { what: format!("{what}: {metric}"), agrees: phases.left == phases.right, said }
}

/// A value such as `[0.8904999999999997]` with as many digits as a person reads: `0.8905`.
fn short(value: &str) -> String {
    let inner = value.trim_start_matches('[').trim_end_matches(']');
    match inner.parse::<f64>() {
        Ok(number) => format!("{number:.4}"),
        Err(_) => value.chars().take(24).collect(),
    }
}

impl Analysis {
    fn verdict(&self) -> String {
        self.phase.map_or("–".to_owned(), |phase| phase.to_string())
    }
}

fn analyses(timeline: &Timeline) -> BTreeMap<Key, Analysis> {
    let mut keys: BTreeMap<(String, String), Key> = BTreeMap::new();
    let mut counts: BTreeMap<(String, Option<u32>), usize> = BTreeMap::new();
    let mut found: BTreeMap<Key, Analysis> = BTreeMap::new();
    for entry in &timeline.entries {
        let (namespace, name, rollout, step) = match &entry.event {
            Event::AnalysisRun(run) => (&run.namespace, &run.name, &run.rollout, run.step),
            Event::Measurement(it) => (&it.namespace, &it.run, &it.rollout, it.step),
            _ => continue,
        };
        let key = keys.entry((namespace.clone(), name.clone())).or_insert_with(|| {
            let count = counts.entry((rollout.clone(), step)).or_default();
            *count += 1;
            (rollout.clone(), step, *count - 1)
        });
        let analysis = found.entry(key.clone()).or_default();
        match &entry.event {
            Event::AnalysisRun(run) => analysis.phase = Some(run.phase),
            Event::Measurement(it) => {
                let outcomes = analysis.metrics.entry(it.metric.clone()).or_default();
                match outcomes.last_mut() {
                    Some((phase, times)) if *phase == it.phase => *times += 1,
                    _ => outcomes.push((it.phase, 1)),
                }
                analysis.values.insert(it.metric.clone(), it.value.clone());
            }
            _ => {}
        }
    }
    found
}
