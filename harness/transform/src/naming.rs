//! Names in manifests, changed so that scenarios do not meet in one cluster.

use std::collections::{BTreeMap, BTreeSet};

use manifests::objects::is_namespaced;
use yaml::{Node, Problem, Value};

use crate::documents::{Documents, Role};
use crate::fields::{Change, Rule, Subject};
use crate::names::LONGEST_NAMESPACE;
use crate::{Names, Note, Noted, query};

const ARGO: &str = "argoproj.io";

/// What a field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// An Application or ApplicationSet.
    Application,
    /// An AppProject.
    Project,
    /// A Namespace.
    Namespace,
    /// A cluster-wide object of this kind.
    ClusterWide(&'static str),
    /// The object itself, cluster-wide and of its own kind.
    Itself,
    /// A mapping with `templateName` and `clusterScope`.
    TemplateReference,
    /// A mapping with `kind` and `name`.
    Reference,
    /// An entry of `args` of an analysis.
    Argument,
}

/// Puts the names of the cluster in place of the user's.
#[derive(Debug)]
pub(crate) struct Naming<'n> {
    names: &'n Names,
    /// The cluster-wide objects that the repository brings: kind and name.
    cluster_wide: BTreeSet<(String, String)>,
    /// The namespaces that the repository names.
    namespaces: BTreeSet<String>,
    /// The URLs that stand for the repository.
    repository_urls: BTreeSet<String>,
    /// Each changed name once, so that the notes are few.
    renamed: BTreeMap<String, Note>,
    pub(crate) problems: Vec<Problem>,
}

impl<'n> Naming<'n> {
    pub(crate) fn new(names: &'n Names, documents: &Documents, repository_urls: BTreeSet<String>) -> Self {
        let mut cluster_wide = BTreeSet::new();
        let mut namespaces = BTreeSet::new();
        for (path, node) in documents.iter() {
            note_namespaces(None, node, &mut namespaces);
            let Some(subject) = Subject::of(node).filter(|_| documents.role(path) == Role::Manifests) else {
                continue;
            };
            if is_brought(&subject)
                && let Some(name) = subject.name
            {
                cluster_wide.insert((subject.kind, name));
            }
        }
        let (renamed, problems) = Default::default();
        Self { names, cluster_wide, namespaces, repository_urls, renamed, problems }
    }

    pub(crate) fn into_notes(self) -> impl Iterator<Item = Note> {
        self.renamed.into_values()
    }

    fn set(&mut self, node: &mut Node, new: String) {
        let Some(old) = node.as_str().filter(|old| *old != new) else { return };
        let what = Noted::Renamed { from: old.to_owned(), to: new.clone() };
        let note = Note { place: Some(node.place.clone()), what };
        self.renamed.entry(old.to_owned()).or_insert(note);
        node.value = Value::String(new);
    }

    /// A namespace, or a pattern of namespaces: `!` for all others and `*` for anything may be in it.
    fn namespace(&mut self, node: &mut Node) {
        let Some(text) = node.as_str().filter(|text| !text.is_empty() && !text.ends_with('*')) else {
            return;
        };
        let (sign, name) = text.strip_prefix('!').map_or(("", text), |name| ("!", name));
        let new = self.names.namespace(name);
        if new.len() > LONGEST_NAMESPACE && !new.contains(['{', '*']) {
            let message =
                format!("the namespace `{new}` would be longer than {LONGEST_NAMESPACE} characters");
            let problem = node.problem(message).with_help("shorten the namespace, or the suffix of this run");
            self.problems.push(problem);
        }
        self.set(node, format!("{sign}{new}"));
    }

    fn cluster_wide(&mut self, node: &mut Node, kind: &str) {
        let Some(name) = node.as_str() else { return };
        if self.cluster_wide.contains(&(kind.to_owned(), name.to_owned())) {
            self.set(node, self.names.cluster_object(name));
        }
    }

    fn kind_and_name(&mut self, node: &mut Node) {
        let Some(kind) = node.str_at(&["kind"]).map(str::to_owned) else { return };
        let Some(name) = node.at_mut(&["name"]) else { return };
        let Some(text) = name.as_str().filter(|text| !text.is_empty()) else { return };
        match kind.as_str() {
            "Application" | "ApplicationSet" => self.set(name, self.names.application(text)),
            "AppProject" => self.set(name, self.names.project(text)),
            "Namespace" => self.namespace(name),
            kind => self.cluster_wide(name, kind),
        }
    }

    /// An argument whose value is a namespace is one, if its name says so.
    fn argument(&mut self, node: &mut Node) {
        let says_so = node.str_at(&["name"]).is_some_and(|name| name.to_lowercase().contains("namespace"));
        let Some(value) = node.at_mut(&["value"]).filter(|_| says_so) else { return };
        if value.as_str().is_some_and(|text| self.namespaces.contains(text)) {
            self.namespace(value);
        }
    }

    /// What a text that stands anywhere has in it: the repository's URL, or hosts of Services.
    fn text(&mut self, node: &mut Node) {
        let Some(text) = node.as_str() else { return };
        match self.names.repository() {
            Some(url) if self.repository_urls.contains(text) => self.set(node, url.to_owned()),
            _ => {
                let new = with_service_hosts(text, self.names);
                if new != text {
                    node.value = Value::String(new);
                }
            }
        }
    }

    fn query(&mut self, node: &mut Node) {
        let Some(text) = node.as_str() else { return };
        let new = query::rewrite(text, &mut Matchers(self.names));
        if new != text {
            node.value = Value::String(new);
        }
    }
}

impl Change for Naming<'_> {
    type What = Name;

    fn rules(&self, subject: &Subject) -> Vec<Rule<Name>> {
        rules(subject)
    }

    fn change(&mut self, node: &mut Node, rule: &Rule<Name>) {
        let text = node.as_str().map(str::to_owned).unwrap_or_default();
        match rule.what {
            Name::Application if !text.is_empty() => self.set(node, self.names.application(&text)),
            Name::Project if !text.is_empty() => self.set(node, self.names.project(&text)),
            Name::Application | Name::Project => {}
            Name::Namespace => self.namespace(node),
            Name::ClusterWide(kind) => self.cluster_wide(node, kind),
            Name::Itself if !text.is_empty() => self.set(node, self.names.cluster_object(&text)),
            Name::Itself => {}
            Name::TemplateReference => {
                let cluster = node.get("clusterScope").is_some_and(|it| it.value == Value::Bool(true));
                if let Some(name) = node.at_mut(&["templateName"]).filter(|_| cluster) {
                    self.cluster_wide(name, "ClusterAnalysisTemplate");
                }
            }
            Name::Reference => self.kind_and_name(node),
            Name::Argument => self.argument(node),
        }
    }

    fn anywhere(&mut self, key: Option<&str>, node: &mut Node) {
        match (&mut node.value, key) {
            (Value::String(_), Some("namespace" | "kubernetes.io/metadata.name")) => self.namespace(node),
            (Value::String(_), Some("query" | "expr")) => {
                self.query(node);
                self.text(node);
            }
            (Value::String(_), _) => self.text(node),
            (Value::Seq(items), Some("matchNames" | "namespaces" | "sourceNamespaces")) => {
                items.iter_mut().for_each(|item| self.namespace(item));
            }
            (Value::Seq(items), _) => items.iter_mut().for_each(|item| self.anywhere(None, item)),
            (Value::Map(map), _) => {
                map.iter_mut().for_each(|(key, value)| self.anywhere(Some(key), value));
            }
            _ => {}
        }
    }
}

/// Whether it is a cluster-wide object that each scenario can have for itself.
fn is_brought(subject: &Subject) -> bool {
    let shared = ["Namespace", "Node", "CustomResourceDefinition", "APIService"];
    let group = subject.group.as_deref().unwrap_or_default();
    is_namespaced(group, &subject.kind) == Some(false) && !shared.contains(&subject.kind.as_str())
}

fn rules(subject: &Subject) -> Vec<Rule<Name>> {
    let mut rules = Vec::new();
    let mut add = |under: &str, field: &'static str, what: Name| {
        rules.push(Rule { under: under.to_owned(), field, what });
    };
    match subject.kind.as_str() {
        "Application" if subject.is(ARGO, "Application") => {
            add("metadata", "name", Name::Application);
            add("spec", "project", Name::Project);
        }
        "ApplicationSet" if subject.is(ARGO, "ApplicationSet") => {
            add("metadata", "name", Name::Application);
            add("spec/template/metadata", "name", Name::Application);
            add("spec/template/spec", "project", Name::Project);
        }
        "AppProject" if subject.is(ARGO, "AppProject") => add("metadata", "name", Name::Project),
        "Namespace" if subject.is("", "Namespace") => add("metadata", "name", Name::Namespace),
        "Kustomization" => {
            for list in ["patches", "patchesJson6902"] {
                add(&format!("{list}/[]"), "target", Name::Reference);
            }
            add("replacements/[]", "source", Name::Reference);
            add("replacements/[]/targets/[]", "select", Name::Reference);
        }
        _ if is_brought(subject) => add("metadata", "name", Name::Itself),
        _ => {}
    }
    references(subject, &mut add);
    rules
}

/// Where objects name cluster-wide objects, and values that analyses are given.
fn references(subject: &Subject, add: &mut impl FnMut(&str, &'static str, Name)) {
    match subject.kind.as_str() {
        "Rollout" => {
            for analysis in [
                "spec/strategy/canary/analysis",
                "spec/strategy/canary/steps/[]/analysis",
                "spec/strategy/blueGreen/prePromotionAnalysis",
                "spec/strategy/blueGreen/postPromotionAnalysis",
            ] {
                add(&format!("{analysis}/templates"), "[]", Name::TemplateReference);
                add(&format!("{analysis}/args"), "[]", Name::Argument);
            }
            add("spec/strategy/canary/steps/[]/experiment/analyses", "[]", Name::TemplateReference);
            add("spec/template/spec", "priorityClassName", Name::ClusterWide("PriorityClass"));
        }
        "AnalysisTemplate" | "ClusterAnalysisTemplate" => {
            add("spec/templates", "[]", Name::TemplateReference);
            add("spec/args", "[]", Name::Argument);
        }
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => {
            add("spec/template/spec", "priorityClassName", Name::ClusterWide("PriorityClass"));
        }
        "PersistentVolumeClaim" => add("spec", "storageClassName", Name::ClusterWide("StorageClass")),
        "ExternalSecret" => {
            add("spec", "secretStoreRef", Name::Reference);
            add("spec/data/[]/sourceRef", "storeRef", Name::Reference);
            add("spec/dataFrom/[]/sourceRef", "storeRef", Name::Reference);
        }
        "RoleBinding" | "ClusterRoleBinding" => add("", "roleRef", Name::Reference),
        _ => {}
    }
}

fn note_namespaces(key: Option<&str>, node: &Node, found: &mut BTreeSet<String>) {
    match &node.value {
        Value::String(text) if key == Some("namespace") => {
            found.insert(text.clone());
        }
        Value::Seq(items) => items.iter().for_each(|item| note_namespaces(None, item, found)),
        Value::Map(map) => map.iter().for_each(|(key, value)| note_namespaces(Some(key), value, found)),
        _ => {}
    }
}

/// Renames the namespace of `label="…"` where the label is one of those that name namespaces.
struct Matchers<'n>(&'n Names);

impl query::Rewriter for Matchers<'_> {
    fn matcher(&mut self, label: &str, value: &str) -> Option<String> {
        let names_one = label == "namespace" || label.ends_with("_namespace");
        (names_one && !value.is_empty() && !value.contains("{{")).then(|| self.0.namespace(value))
    }
}

/// The text with `NAME.NAMESPACE.svc` renamed wherever it is a whole host or the beginning of one.
fn with_service_hosts(text: &str, names: &Names) -> String {
    const SVC: &str = ".svc";
    let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut new = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(SVC) {
        let (before, after) = rest.split_at(at);
        let start = before.rfind(|c| !is_label(c)).map_or(0, |dot| dot + 1);
        let namespace = &before[start..];
        let service = before[..start]
            .strip_suffix('.')
            .is_some_and(|service| service.ends_with(|c| is_label(c) || c == '}'));
        let ends = !after[SVC.len()..].starts_with(is_label);
        new.push_str(&before[..start]);
        match service && ends && !namespace.is_empty() {
            true => new.push_str(&names.namespace(namespace)),
            false => new.push_str(namespace),
        }
        new.push_str(SVC);
        rest = &after[SVC.len()..];
    }
    new.push_str(rest);
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_services_are_renamed_by_their_namespace() {
        let names = Names::with_suffix("-a1").unwrap();
        let table = [
            (
                "http://prometheus.monitoring.svc.cluster.local:9090",
                "http://prometheus.monitoring-a1.svc.cluster.local:9090",
            ),
            ("prometheus.monitoring.svc", "prometheus.monitoring-a1.svc"),
            ("http://a.b.svc/x and http://c.d.svc:80", "http://a.b-a1.svc/x and http://c.d-a1.svc:80"),
            ("https://kubernetes.default.svc", "https://kubernetes.default.svc"),
            ("http://argocd-server.argocd.svc", "http://argocd-server.argocd.svc"),
            ("http://prometheus:9090", "http://prometheus:9090"),
            ("http://prometheus.svc", "http://prometheus.svc"),
            ("http://a.b.svcs", "http://a.b.svcs"),
            (".svc", ".svc"),
            ("http://{{args.name}}.ai.svc", "http://{{args.name}}.ai-a1.svc"),
        ];
        for (text, expected) in table {
            assert_eq!(with_service_hosts(text, &names), expected);
        }
    }
}
