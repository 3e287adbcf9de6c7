//! What a manifest says and the types do not hold. [`fields`] lists, part by part of each kind, what
//! the real API knows beyond the fields that are read; here a manifest is laid against it.

use std::collections::BTreeMap;

use yaml::{Node, Place, Value, did_you_mean};

use super::ObjectKey;

mod fields;

/// Something that a manifest asks for and that is not modelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotModelled {
    /// The path, such as `spec.strategy.canary.trafficRouting.istio`.
    pub path: String,
    /// Where its value stands.
    pub place: Place,
    /// What it would do in a real cluster.
    pub why: &'static str,
}

/// A key that the real API does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// The path.
    pub path: String,
    /// Where its value stands.
    pub place: Place,
    /// The key that was probably meant.
    pub did_you_mean: Option<&'static str>,
}

pub(crate) struct Coverage {
    pub(crate) not_modelled: Vec<NotModelled>,
    pub(crate) unknown: Vec<UnknownField>,
}

/// A mapping within a kind, and the keys that the real API knows there.
pub(crate) struct Part {
    /// Its path, with `[]` for every item of a list.
    at: String,
    /// Keys that a type has a field for.
    read: &'static [&'static str],
    /// Keys that change nothing that is modelled.
    harmless: &'static [&'static str],
    /// Keys that have an effect which is not modelled, and that effect.
    not_modelled: &'static [(&'static str, &'static str)],
}

/// Reports on a manifest; `unread` are the keys that no type has a field for.
pub(crate) fn report(node: &Node, key: &ObjectKey, unread: Vec<(String, Place)>) -> Coverage {
    let parts = fields::parts(&key.group, &key.kind);
    let mut not_modelled = Vec::new();
    if let Some(why) = fields::kind_without_model(&key.group, &key.kind) {
        let place = node.get("kind").unwrap_or(node).place.clone();
        not_modelled.push(NotModelled { path: "kind".to_owned(), place, why });
    }
    for part in &parts {
        if part.not_modelled.is_empty() {
            continue;
        }
        for (indices, node) in nodes_at(node, &part.at) {
            let asked = part.not_modelled.iter().filter_map(|(name, why)| {
                let value = node.get(name).filter(|value| asks_for_something(value))?;
                let path = join(&with_indices(&part.at, &indices), name);
                Some(NotModelled { path, place: value.place.clone(), why })
            });
            not_modelled.extend(asked);
        }
    }
    not_modelled.sort_by_key(|found| (found.place.line, found.place.column));
    let by_path: BTreeMap<&str, &Part> = parts.iter().map(|part| (part.at.as_str(), part)).collect();
    let unknown =
        unread.into_iter().filter_map(|(path, place)| unknown_field(&by_path, path, place)).collect();
    Coverage { not_modelled, unknown }
}

/// The key as unknown, unless the real API knows it.
fn unknown_field(parts: &BTreeMap<&str, &Part>, path: String, place: Place) -> Option<UnknownField> {
    let pattern = without_indices(&path);
    let (parent, name) = pattern.rsplit_once('.').unwrap_or(("", &pattern));
    let did_you_mean = match parts.get(parent) {
        None => None,
        Some(part) => {
            let others = part.harmless.iter().chain(part.not_modelled.iter().map(|(known, _)| known));
            if others.clone().any(|known| *known == name) {
                return None;
            }
            did_you_mean(name, part.read.iter().chain(others).copied())
        }
    };
    Some(UnknownField { path, place, did_you_mean })
}

/// `spec.containers[0].name` as `spec.containers[].name`.
fn without_indices(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    let mut within = false;
    for c in path.chars() {
        within &= c != ']';
        if !within {
            pattern.push(c);
        }
        within |= c == '[';
    }
    pattern
}

/// Every node that a path with `[]` leads to, with the indices of the items on its way.
fn nodes_at<'a>(node: &'a Node, at: &str) -> Vec<(Vec<usize>, &'a Node)> {
    let mut found = vec![(Vec::new(), node)];
    for segment in at.split('.').filter(|segment| !segment.is_empty()) {
        let (name, is_list) = segment.strip_suffix("[]").map_or((segment, false), |name| (name, true));
        let children = found.into_iter().filter_map(|(indices, node)| Some((indices, node.get(name)?)));
        found = match is_list {
            false => children.collect(),
            true => children.flat_map(items).collect(),
        };
    }
    found
}

fn items((indices, node): (Vec<usize>, &Node)) -> impl Iterator<Item = (Vec<usize>, &Node)> {
    let items = node.as_seq().unwrap_or(&[]).iter().enumerate();
    items.map(move |(index, item)| ([indices.as_slice(), &[index]].concat(), item))
}

/// `spec.containers[].name` as `spec.containers[0].name`.
fn with_indices(pattern: &str, indices: &[usize]) -> String {
    let mut parts = pattern.split("[]");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.zip(indices).fold(first, |path, (part, index)| format!("{path}[{index}]{part}"))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Go cannot tell most zero values from an absent field: they ask for nothing.
fn asks_for_something(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Int(value) => *value != 0,
        Value::Float(value) => *value != 0.0,
        Value::String(text) => !text.is_empty() && text != "None",
        Value::Seq(items) => !items.is_empty(),
        // An empty mapping still chooses: `requiredDuringScheduling...: {}`, `job: {}`.
        Value::Map(_) => true,
    }
}
