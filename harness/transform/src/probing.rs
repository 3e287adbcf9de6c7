//! Probes of the manifests, led to where a real inference server answers them.

use manifests::tree::Tree;
use scenario::{Scenario, ServerProbes};
use yaml::{Node, Problem, Value};

use crate::documents::Documents;
use crate::fields::{Change, Rule, Subject};
use crate::scenario::{States, rewrite_manifests};
use crate::{Note, Noted, Transformed};

/// The same repository and scenario with every `httpGet` of the probes of containers asking where a real
/// server answers; nothing changes where that is not stated. Probes of other forms stay.
///
/// # Errors
/// A path of the repository that is none, which cannot be.
pub fn probing(
    repository: &Tree,
    scenario: &Scenario,
    probes: &ServerProbes,
) -> Result<Transformed, Problem> {
    let (mut documents, scenario) = (Documents::of(repository), scenario.clone());
    let mut probing = Probing { probes, notes: Vec::new() };
    let scenario = rewrite_manifests(scenario, &documents, States::Change, &mut probing);
    documents.rewrite(&mut probing);
    let mut notes = probing.notes;
    notes.sort_by_cached_key(crate::sort_key);
    notes.dedup();
    Ok(Transformed { repository: documents.into_tree(repository)?, scenario, notes })
}

/// What a field of a probe says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// The path that is asked for.
    Path,
    /// The port that is asked.
    Port,
}

struct Probing<'p> {
    probes: &'p ServerProbes,
    notes: Vec<Note>,
}

impl Probing<'_> {
    fn value(&self, asks: Asks) -> Option<Value> {
        match asks {
            Asks::Path => self.probes.path.clone().map(Value::String),
            Asks::Port => self.probes.port.map(|port| Value::Int(port.into())),
        }
    }

    fn note(&mut self, place: &Node, rule: &Rule<Asks>, from: &str, to: &Value) {
        let (_, probe) = rule.under.rsplit_once("[]/").unwrap_or_default();
        let what = Noted::Probe {
            field: format!("{}.{}", probe.replace('/', "."), rule.field),
            from: from.to_owned(),
            to: written(to),
        };
        self.notes.push(Note { place: Some(place.place.clone()), what });
    }
}

impl Change for Probing<'_> {
    type What = Asks;

    fn rules(&self, subject: &Subject) -> Vec<Rule<Asks>> {
        let pod = match subject.kind.as_str() {
            "Pod" => "spec",
            "Rollout" | "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "spec/template/spec",
            _ => return Vec::new(),
        };
        let mut rules = Vec::new();
        for containers in ["containers", "initContainers"] {
            for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                let under = format!("{pod}/{containers}/[]/{probe}/httpGet");
                rules.push(Rule { under: under.clone(), field: "path", what: Asks::Path });
                rules.push(Rule { under, field: "port", what: Asks::Port });
            }
        }
        rules
    }

    fn change(&mut self, node: &mut Node, rule: &Rule<Asks>) {
        let Some(value) = self.value(rule.what).filter(|value| *value != node.value) else { return };
        self.note(node, rule, &written(&node.value), &value);
        node.value = value;
    }

    /// The path is `/` where it is left out (Kubernetes API reference, HTTPGetAction).
    fn missing(&mut self, parent: &Node, rule: &Rule<Asks>) -> Option<Value> {
        let value = self.value(rule.what).filter(|_| rule.what == Asks::Path && parent.as_map().is_some())?;
        self.note(parent, rule, "/", &value);
        Some(value)
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        _ => String::new(),
    }
}
