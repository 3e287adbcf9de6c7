//! Whether an object differs from its desired state (gitops-engine pkg/diff/diff.go: ThreeWayDiff).

use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::objects::application::IgnoreDifference;
use manifests::objects::{ObjectKey, glob};
use yaml::{Node, Value};

/// The state of one object, three times.
struct Versions<'n> {
    target: &'n Node,
    live: &'n Node,
    /// `kubectl.kubernetes.io/last-applied-configuration`; without it the target stands in (a two-way diff).
    last_applied: Option<&'n Node>,
}

/// Whether applying the target would change the live object, apart from the ignored fields.
fn differs(key: &ObjectKey, versions: &Versions<'_>, ignored: &[&str]) -> bool {
    let Versions { target, live, last_applied } = versions;
    let is_target = |node: &Node| std::ptr::eq(node, *target) || node == *target;
    if is_target(live) && last_applied.is_none_or(is_target) {
        return false;
    }
    let target = normalised(target, ignored);
    let live = normalised(live, ignored);
    let last_applied = last_applied.map(|applied| normalised(applied, ignored));
    changes(Lists::of(key), Some(last_applied.as_ref().unwrap_or(&target)), &target, &live)
}

/// What was found of each object, which holds as long as all three versions are the very same
/// (argo-cd util/argo/diff/diff.go: diffArrayCached).
#[derive(Debug, Default)]
pub(super) struct Found(BTreeMap<ObjectKey, Finding>);

#[derive(Debug)]
struct Finding {
    target: Arc<Node>,
    live: Arc<Node>,
    last_applied: Option<Arc<Node>>,
    ignored: Vec<String>,
    differs: bool,
}

impl Found {
    /// As [`differs`].
    pub(super) fn differs(
        &mut self,
        key: &ObjectKey,
        target: &Arc<Node>,
        live: &Arc<Node>,
        last_applied: Option<&Arc<Node>>,
        ignored: &[&str],
    ) -> bool {
        let known = self.0.get(key).filter(|known| {
            Arc::ptr_eq(&known.target, target)
                && Arc::ptr_eq(&known.live, live)
                && known.last_applied.as_ref().map(Arc::as_ptr) == last_applied.map(Arc::as_ptr)
                && known.ignored == ignored
        });
        if let Some(known) = known {
            return known.differs;
        }
        let last_applied = last_applied.cloned();
        let versions = Versions { target, live, last_applied: last_applied.as_deref() };
        let differs = differs(key, &versions, ignored);
        let ignored = ignored.iter().map(|&field| field.to_owned()).collect();
        let (target, live) = (Arc::clone(target), Arc::clone(live));
        self.0.insert(key.clone(), Finding { target, live, last_applied, ignored, differs });
        differs
    }
}

/// How lists are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lists {
    /// Item by item of the same name, as built-in kinds merge them.
    ByName,
    /// Position by position, for custom kinds.
    ByPosition,
}

impl Lists {
    fn of(key: &ObjectKey) -> Self {
        let built_in = matches!(&*key.group, "" | "apps" | "batch" | "autoscaling" | "policy")
            || key.group.ends_with(".k8s.io");
        if built_in { Self::ByName } else { Self::ByPosition }
    }
}

/// Whether the three-way merge of `target` into `live` changes anything: a field that was applied and
/// is no longer wanted goes away, a wanted one is set, all others stay.
fn changes(lists: Lists, applied: Option<&Node>, target: &Node, live: &Node) -> bool {
    match (&target.value, &live.value) {
        (Value::Map(wanted), Value::Map(present)) => {
            let before = applied.and_then(Node::as_map);
            let dropped = |key: &String| !wanted.contains_key(key) && present.contains_key(key);
            before.is_some_and(|before| before.keys().any(dropped))
                || wanted.iter().any(|(key, value)| match present.get(key) {
                    Some(live) => changes(lists, before.and_then(|before| before.get(key)), value, live),
                    None => true,
                })
        }
        (Value::Seq(wanted), Value::Seq(present)) => {
            let before = applied.and_then(Node::as_seq);
            match merge_key(wanted, present).filter(|_| lists == Lists::ByName) {
                Some(key) => items_change(lists, key, before.unwrap_or_default(), wanted, present),
                None => list_changes(before, wanted, present),
            }
        }
        _ => target.value != live.value,
    }
}

/// The field that names the items of a list, where built-in kinds merge it by name
/// (the `patchMergeKey` of `k8s.io/api`).
fn merge_key(wanted: &[Node], present: &[Node]) -> Option<&'static str> {
    let named_by = |key: &str| {
        let mut items = wanted.iter().chain(present).peekable();
        items.peek().is_some() && items.all(|item| item.get(key).is_some())
    };
    ["name", "mountPath", "containerPort", "port", "ip"].into_iter().find(|key| named_by(key))
}

fn items_change(lists: Lists, key: &str, applied: &[Node], wanted: &[Node], present: &[Node]) -> bool {
    let named = |items: &'_ [Node], name: Option<&Node>| items.iter().position(|item| item.get(key) == name);
    let dropped = |item: &Node| {
        let name = item.get(key);
        named(wanted, name).is_none() && named(present, name).is_some()
    };
    applied.iter().any(dropped)
        || wanted.iter().any(|item| {
            let name = item.get(key);
            match named(present, name) {
                Some(live) => {
                    changes(lists, named(applied, name).map(|at| &applied[at]), item, &present[live])
                }
                None => true,
            }
        })
}

/// Custom kinds: items lose the fields that were never applied, then the lists must be equal
/// (gitops-engine pkg/utils/json: RemoveListFields).
fn list_changes(applied: Option<&[Node]>, wanted: &[Node], present: &[Node]) -> bool {
    let applied = applied.unwrap_or_default();
    let reduced = |(at, item): (usize, &Node)| match applied.get(at) {
        Some(before) => reduced(before, item),
        None => item.clone(),
    };
    wanted.len() != present.len() || present.iter().enumerate().map(reduced).ne(wanted.iter().cloned())
}

/// `live` without the fields that `applied` does not have.
fn reduced(applied: &Node, live: &Node) -> Node {
    let value = match (&applied.value, &live.value) {
        (Value::Map(before), Value::Map(present)) => {
            let kept = before
                .iter()
                .filter_map(|(key, before)| Some((key.clone(), reduced(before, present.get(key)?))));
            Value::Map(kept.collect())
        }
        (Value::Seq(before), Value::Seq(present)) => {
            let item = |(at, item): (usize, &Node)| {
                before.get(at).map_or_else(|| item.clone(), |before| reduced(before, item))
            };
            Value::Seq(present.iter().enumerate().map(item).collect())
        }
        _ => live.value.clone(),
    };
    Node::new(value, live.place.clone())
}

/// What is compared of an object: not its identity, not what the API server writes, not its status,
/// not the ignored fields.
fn normalised(node: &Node, ignored: &[&str]) -> Node {
    const SYSTEM: &[&str] = &[
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "managedFields",
        "creationTimestamp",
        "selfLink",
    ];
    let mut node = node.clone();
    if let Some(map) = node.as_map_mut() {
        map.shift_remove("status");
    }
    if let Some(metadata) = node.at_mut(&["metadata"]).and_then(Node::as_map_mut) {
        metadata.retain(|key, _| !SYSTEM.contains(&key.as_str()));
    }
    for pointer in ignored {
        take(&mut node, pointer);
    }
    node
}

/// The fields of an object that `ignoreDifferences` names.
pub(super) fn ignored_fields<'a>(rules: &'a [IgnoreDifference], key: &ObjectKey) -> Vec<&'a str> {
    let fits = |pattern: &str, text: &str| {
        pattern == text || pattern == "*" || (is_pattern(pattern) && glob(pattern, text, &[]))
    };
    let any_or = |wanted: &str, text: &str| wanted.is_empty() || wanted == text;
    let rules = rules.iter().filter(|rule| {
        fits(&rule.group, &key.group)
            && fits(&rule.kind, &key.kind)
            && any_or(&rule.name, &key.name)
            && any_or(&rule.namespace, key.namespace.as_deref().unwrap_or_default())
    });
    rules.flat_map(|rule| rule.json_pointers.iter().map(String::as_str)).collect()
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '\\'])
}

/// The target with the live values of the ignored fields: what `RespectIgnoreDifferences=true` applies
/// (argo-cd controller/sync.go: normalizeTargetResources).
pub(super) fn with_live_values(target: &Node, live: &Node, ignored: &[&str]) -> Node {
    let mut respected = target.clone();
    for pointer in ignored {
        take(&mut respected, pointer);
        if let Some(value) = at(live, pointer) {
            put(&mut respected, pointer, value.clone());
        }
    }
    respected
}

/// The keys of a JSON pointer (RFC 6901).
fn keys(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"))
}

fn at<'n>(node: &'n Node, pointer: &str) -> Option<&'n Node> {
    keys(pointer).try_fold(node, |node, key| match &node.value {
        Value::Map(map) => map.get(&key),
        Value::Seq(items) => items.get(key.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => None,
    })
}

fn child<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    match &mut node.value {
        Value::Map(map) => map.get_mut(key),
        Value::Seq(items) => items.get_mut(key.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => None,
    }
}

/// Removes what a pointer leads to; nothing where it leads nowhere.
fn take(node: &mut Node, pointer: &str) {
    let mut path: Vec<String> = keys(pointer).collect();
    let Some(last) = path.pop() else { return };
    let Some(parent) = path.iter().try_fold(node, |node, key| child(node, key)) else { return };
    match &mut parent.value {
        Value::Map(map) => {
            map.shift_remove(&last);
        }
        Value::Seq(items) => {
            if let Some(index) = last.parse::<usize>().ok().filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
    }
}

/// Sets what a pointer leads to, with the mappings on the way.
fn put(node: &mut Node, pointer: &str, value: Node) {
    let mut path: Vec<String> = keys(pointer).collect();
    let Some(last) = path.pop() else { return };
    let mut parent = node;
    for key in &path {
        let place = parent.place.clone();
        if let Some(map) = parent.as_map_mut() {
            map.entry(key.clone()).or_insert_with(|| Node::new(Value::Map(yaml::Map::new()), place));
        }
        let Some(next) = child(parent, key) else { return };
        parent = next;
    }
    match &mut parent.value {
        Value::Map(map) => {
            map.insert(last, value);
        }
        Value::Seq(items) => {
            if let Ok(index) = last.parse::<usize>() {
                items.insert(index.min(items.len()), value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::three_way_merge;

    fn any_node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            (0_i64..3).prop_map(serde_json::Value::from),
            "[ab]".prop_map(serde_json::Value::from)
        ];
        let tree = leaf.prop_recursive(3, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
                prop::collection::btree_map("(name|spec|x)", inner, 0..3)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        });
        let place = yaml::Place::whole(&yaml::Source::new("any", ""));
        tree.prop_map(move |json| Node::from_json(&json, &place))
    }

    proptest! {
        // What was just applied is no drift: otherwise self-heal would never end.
        #[test]
        fn an_object_that_was_just_applied_does_not_differ(target in any_node(), live in any_node(), applied in any_node(), built_in: bool) {
            let key = ObjectKey::new(if built_in { "apps" } else { "argoproj.io" }, "X", None, "x");
            let merged = three_way_merge(Some(&applied), &target, &live);
            let versions = Versions { target: &target, live: &merged, last_applied: Some(&target) };
            prop_assert!(!differs(&key, &versions, &[]));
        }

        #[test]
        fn pointers_lead_somewhere_or_nowhere_and_never_panic(mut node in any_node(), pointer in "(/(name|spec|x|0|9|~1|))*") {
            let value = at(&node, &pointer).cloned();
            take(&mut node, &pointer);
            if let Some(value) = value {
                put(&mut node, &pointer, value);
            }
        }
    }

    fn node(text: &str) -> Node {
        yaml::parse_one("n.yaml", text.as_bytes()).unwrap()
    }

    fn drift(group: &str, target: &str, live: &str, applied: &str, ignored: &[&str]) -> bool {
        let (target, live, applied) = (node(target), node(live), node(applied));
        let versions = Versions { target: &target, live: &live, last_applied: Some(&applied) };
        differs(&ObjectKey::new(group, "X", None, "x"), &versions, ignored)
    }

    /// Group, target, live, last applied, and whether that is drift.
    const CASES: &[(&str, &str, &str, &str, &str, bool)] = &[
        ("equal", "argoproj.io", "spec: {replicas: 5}", "spec: {replicas: 5}", "spec: {replicas: 5}", false),
        (
            "a declared field that another wrote",
            "argoproj.io",
            "spec: {replicas: 5}",
            "spec: {replicas: 8}",
            "spec: {replicas: 5}",
            true,
        ),
        (
            "a field that was never declared",
            "argoproj.io",
            "spec: {}",
            "spec: {replicas: 8}",
            "spec: {}",
            false,
        ),
        (
            "a field that is no longer declared",
            "argoproj.io",
            "spec: {}",
            "spec: {replicas: 5}",
            "spec: {replicas: 5}",
            true,
        ),
        ("a field that is new", "argoproj.io", "spec: {replicas: 5}", "spec: {}", "spec: {}", true),
        ("status", "argoproj.io", "spec: {a: 1}", "{spec: {a: 1}, status: {x: 1}}", "spec: {a: 1}", false),
        (
            "system metadata",
            "argoproj.io",
            "metadata: {name: x}",
            "metadata: {name: x, uid: u, generation: 3}",
            "metadata: {name: x}",
            false,
        ),
        (
            "a label of another",
            "argoproj.io",
            "metadata: {labels: {a: b}}",
            "metadata: {labels: {a: b, c: d}}",
            "metadata: {labels: {a: b}}",
            false,
        ),
        (
            "a defaulted field of an item",
            "argoproj.io",
            "l: [{name: a}]",
            "l: [{name: a, x: 1}]",
            "l: [{name: a}]",
            false,
        ),
        (
            "an item of another, custom kind",
            "argoproj.io",
            "l: [{name: a}]",
            "l: [{name: a}, {name: b}]",
            "l: [{name: a}]",
            true,
        ),
        (
            "an item of another, built-in kind",
            "apps",
            "l: [{name: a}]",
            "l: [{name: a}, {name: b}]",
            "l: [{name: a}]",
            false,
        ),
        (
            "a changed item, built-in kind",
            "apps",
            "l: [{name: a, v: 1}]",
            "l: [{name: a, v: 2}]",
            "l: [{name: a, v: 1}]",
            true,
        ),
        (
            "an item no longer declared",
            "apps",
            "l: [{name: a}]",
            "l: [{name: a}, {name: b}]",
            "l: [{name: a}, {name: b}]",
            true,
        ),
        (
            "items in another order, built-in kind",
            "apps",
            "l: [{name: a}, {name: b}]",
            "l: [{name: b}, {name: a}]",
            "l: [{name: a}, {name: b}]",
            false,
        ),
        (
            "items in another order, custom kind",
            "argoproj.io",
            "l: [{n: a}, {n: b}]",
            "l: [{n: b}, {n: a}]",
            "l: [{n: a}, {n: b}]",
            true,
        ),
        ("a plain list", "apps", "l: [a]", "l: [b]", "l: [a]", true),
    ];

    #[test]
    fn what_is_drift_and_what_is_not() {
        for (name, group, target, live, applied, expected) in CASES {
            assert_eq!(drift(group, target, live, applied, &[]), *expected, "{name}");
        }
    }

    #[test]
    fn ignored_fields_are_no_drift() {
        let (target, live) = ("spec: {replicas: 5, image: a}", "spec: {replicas: 8, image: a}");
        assert!(!drift("argoproj.io", target, live, target, &["/spec/replicas"]));
        assert!(drift("argoproj.io", target, live, target, &["/spec/image"]));
        assert!(!drift("argoproj.io", target, "spec: {image: a}", target, &["/spec/replicas"]));
    }

    #[test]
    fn an_object_without_last_applied_is_compared_with_the_target_alone() {
        let (target, live) = (node("spec: {a: 1}"), node("spec: {a: 1, b: 2}"));
        let key = ObjectKey::new("argoproj.io", "Rollout", None, "x");
        assert!(!differs(&key, &Versions { target: &target, live: &live, last_applied: None }, &[]));
    }

    #[test]
    fn respecting_ignored_fields_takes_their_live_values() {
        let (target, live) = (node("spec: {replicas: 5, a: {x: 1}}"), node("spec: {replicas: 8}"));
        assert_eq!(
            with_live_values(&target, &live, &["/spec/replicas"]),
            node("spec: {replicas: 8, a: {x: 1}}")
        );
        assert_eq!(with_live_values(&target, &live, &["/spec/a/x"]), node("spec: {replicas: 5, a: {}}"));
        let live = node("metadata: {annotations: {a/b: c}}");
        let taken = with_live_values(&node("kind: X"), &live, &["/metadata/annotations/a~1b"]);
        assert_eq!(taken, node("kind: X\nmetadata: {annotations: {a/b: c}}"));
    }

    #[test]
    fn a_rule_names_kinds_and_may_name_an_object() {
        let rule = |group: &str, kind: &str, name: &str| IgnoreDifference {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            json_pointers: vec!["/spec/replicas".to_owned()],
            ..IgnoreDifference::default()
        };
        let key = ObjectKey::new("argoproj.io", "Rollout", Some("ai"), "m");
        let table = [
            (rule("argoproj.io", "Rollout", ""), true),
            (rule("*", "*", "m"), true),
            (rule("argo*.io", "{Rollout,Deployment}", ""), true),
            (rule("argoproj.io", "Rollout", "other"), false),
            (rule("", "Rollout", ""), false),
        ];
        for (rule, expected) in table {
            assert_eq!(!ignored_fields(std::slice::from_ref(&rule), &key).is_empty(), expected, "{rule:?}");
        }
    }
}
