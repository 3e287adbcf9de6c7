//! The YAML of a repository while it is being changed: which file holds manifests, which patches, which
//! kustomizations. A file of which nothing changes keeps its bytes.

use std::collections::BTreeMap;

use manifests::kustomize::FILE_NAMES;
use manifests::tree::{Tree, normalise};
use yaml::{Node, Problem, Value};

use crate::fields::{Change, Extent, Subject, rewrite, rewrite_operation};

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// Objects, each whole.
    Manifests,
    /// A kustomization, with patches in it.
    Kustomization,
    /// A patch of a kustomization, to objects of these kinds where it does not name its own.
    Patch(Vec<Subject>),
}

/// Every file of a repository that is YAML.
#[derive(Debug, Clone)]
pub(crate) struct Documents {
    files: BTreeMap<String, Vec<Node>>,
    roles: BTreeMap<String, Role>,
}

impl Documents {
    pub(crate) fn of(tree: &Tree) -> Self {
        let read = |path: &str| tree.documents(path)?.ok().map(<[Node]>::to_vec);
        let files = tree.files().filter_map(|(path, _)| Some((path.to_owned(), read(path)?)));
        let mut documents = Self { files: files.collect(), roles: BTreeMap::new() };
        let kustomizations: Vec<(String, Node)> = documents
            .files
            .iter()
            .filter(|(path, _)| is_kustomization(path))
            .flat_map(each_with_path)
            .collect();
        for (path, node) in &kustomizations {
            documents.learn_roles(path, node);
        }
        documents
    }

    /// Learns from a kustomization (or a change to one) which files are patches.
    pub(crate) fn learn_roles(&mut self, path: &str, kustomization: &Node) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut learn = |file: &str, target: Option<&Node>| {
            let Ok(file) = normalise(format!("{folder}/{file}").trim_start_matches('/')) else {
                return;
            };
            let role = self.roles.entry(file).or_insert_with(|| Role::Patch(Vec::new()));
            if let Role::Patch(subjects) = role {
                subjects.extend(target.map(subjects_of).unwrap_or_default());
            }
        };
        for key in ["patches", "patchesJson6902"] {
            for entry in items(kustomization.get(key)) {
                if let Some(file) = entry.str_at(&["path"]) {
                    learn(file, entry.get("target"));
                }
            }
        }
        for entry in items(kustomization.get("patchesStrategicMerge")).filter_map(Node::as_str) {
            learn(entry, None);
        }
    }

    /// What the file at this path is, or would be.
    pub(crate) fn role(&self, path: &str) -> Role {
        match self.roles.get(path) {
            _ if is_kustomization(path) => Role::Kustomization,
            Some(role) => role.clone(),
            None => Role::Manifests,
        }
    }

    /// The documents of a file.
    pub(crate) fn get(&self, path: &str) -> &[Node] {
        self.files.get(path).map_or(&[], Vec::as_slice)
    }

    /// Every document, with its file's path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.files.iter().flat_map(|(path, nodes)| nodes.iter().map(move |node| (path.as_str(), node)))
    }

    /// Changes every document.
    pub(crate) fn rewrite(&mut self, change: &mut impl Change) {
        let paths: Vec<String> = self.files.keys().cloned().collect();
        for path in paths {
            let role = self.role(&path);
            for node in self.files.get_mut(&path).into_iter().flatten() {
                rewrite_document(change, node, &role);
            }
        }
    }

    /// The tree with every file that changed; the others keep their bytes.
    ///
    /// # Errors
    /// A path of the tree that is none, which cannot be.
    pub(crate) fn into_tree(self, original: &Tree) -> Result<Tree, Problem> {
        let mut tree = original.clone();
        for (path, nodes) in self.files {
            let before = original.documents(&path).and_then(Result::ok);
            if before != Some(nodes.as_slice()) {
                tree.insert(&path, text_of(&nodes).into_bytes())
                    .map_err(|error| Problem::new(error.to_string()))?;
            }
        }
        Ok(tree)
    }
}

/// Documents as the text of a file.
pub(crate) fn text_of(documents: &[Node]) -> String {
    documents.iter().map(Node::to_yaml).collect::<Vec<_>>().join("---\n")
}

/// Changes a document of a file in this role.
pub(crate) fn rewrite_document(change: &mut impl Change, node: &mut Node, role: &Role) {
    match role {
        Role::Kustomization => rewrite_kustomization(change, node),
        Role::Manifests => rewrite_object(change, node, Extent::Whole),
        Role::Patch(subjects) => rewrite_patch(change, node, subjects),
    }
}

fn rewrite_object(change: &mut impl Change, node: &mut Node, extent: Extent) {
    let Some(subject) = Subject::of(node) else { return };
    let is_list = subject.kind.ends_with("List");
    match node.at_mut(&["items"]).filter(|_| is_list).map(|items| &mut items.value) {
        Some(Value::Seq(items)) => items.iter_mut().for_each(|item| rewrite_object(change, item, extent)),
        _ => rewrite(change, node, &subject, extent),
    }
}

fn rewrite_patch(change: &mut impl Change, node: &mut Node, subjects: &[Subject]) {
    if let Value::Seq(operations) = &mut node.value {
        return operations.iter_mut().for_each(|operation| rewrite_operation(change, operation, subjects));
    }
    if let Some(subject) = Subject::of(node).or_else(|| subjects.first().cloned()) {
        rewrite(change, node, &subject, Extent::Part);
    }
}

fn rewrite_kustomization(change: &mut impl Change, node: &mut Node) {
    let subject = Subject { kind: "Kustomization".to_owned(), ..Subject::default() };
    each_inline_patch(node, &mut |patch, subjects| rewrite_inline(change, patch, subjects));
    // Those texts are done, and the rest of the file does not look into them.
    let mut done = Vec::new();
    each_inline_patch(node, &mut |patch, _| done.push(std::mem::replace(&mut patch.value, Value::Null)));
    rewrite(change, node, &subject, Extent::Part);
    let mut done = done.into_iter();
    each_inline_patch(node, &mut |patch, _| patch.value = done.next().unwrap_or(Value::Null));
}

/// Every patch that stands as a text in a kustomization, with what its target may select.
fn each_inline_patch(node: &mut Node, act: &mut dyn FnMut(&mut Node, &[Subject])) {
    for key in ["patches", "patchesJson6902"] {
        for entry in items_mut(node, key) {
            let subjects = entry.get("target").map(subjects_of).unwrap_or_default();
            if let Some(patch) = entry.at_mut(&["patch"]) {
                act(patch, &subjects);
            }
        }
    }
    items_mut(node, "patchesStrategicMerge").for_each(|entry| act(entry, &[]));
}

/// Changes a patch that stands as a text in a kustomization.
fn rewrite_inline(change: &mut impl Change, text: &mut Node, subjects: &[Subject]) {
    let Some(Ok(before)) = text.as_str().map(|patch| yaml::parse("patch", patch.as_bytes())) else { return };
    let mut after = before.clone();
    for document in &mut after {
        relocate(document, &text.place);
        rewrite_patch(change, document, subjects);
    }
    if after != before {
        text.value = Value::String(text_of(&after));
    }
}

/// Gives every value the place of the text that it was read from.
fn relocate(node: &mut Node, place: &yaml::Place) {
    node.place = place.clone();
    match &mut node.value {
        Value::Seq(items) => items.iter_mut().for_each(|item| relocate(item, place)),
        Value::Map(map) => map.values_mut().for_each(|value| relocate(value, place)),
        _ => {}
    }
}

/// The objects that a patch's target may select: its kind is a regular expression, and of those only
/// alternatives are looked at; without a kind, all kinds with durations are meant.
pub(crate) fn subjects_of(target: &Node) -> Vec<Subject> {
    const ANY: [&str; 8] = [
        "Rollout",
        "Deployment",
        "AnalysisTemplate",
        "Application",
        "ServiceMonitor",
        "PodMonitor",
        "PrometheusRule",
        "ExternalSecret",
    ];
    let kinds = target.str_at(&["kind"]).unwrap_or_default();
    let kinds = kinds.trim_matches(['^', '$', '(', ')']);
    let kinds: Vec<&str> =
        if kinds.is_empty() || kinds == ".*" { ANY.to_vec() } else { kinds.split('|').collect() };
    let name = target.str_at(&["name"]).map(|name| name.trim_matches(['^', '$']).to_owned());
    kinds.into_iter().map(|kind| Subject { group: None, kind: kind.to_owned(), name: name.clone() }).collect()
}

fn is_kustomization(path: &str) -> bool {
    FILE_NAMES.contains(&path.rsplit('/').next().unwrap_or(path))
}

fn each_with_path<'a>(
    (path, nodes): (&'a String, &'a Vec<Node>),
) -> impl Iterator<Item = (String, Node)> + 'a {
    nodes.iter().map(|node| (path.clone(), node.clone()))
}

fn items(node: Option<&Node>) -> impl Iterator<Item = &Node> {
    node.and_then(Node::as_seq).unwrap_or_default().iter()
}

fn items_mut<'a>(node: &'a mut Node, key: &str) -> impl Iterator<Item = &'a mut Node> {
    let list = node.at_mut(&[key]).map(|list| &mut list.value);
    let items: &mut [Node] = match list {
        Some(Value::Seq(items)) => items,
        _ => &mut [],
    };
    items.iter_mut()
}
