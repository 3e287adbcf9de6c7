//! Where in a manifest, in a patch to it or in an operation on it the fields are that a rule is about.

use yaml::{Map, Node, Value};

/// Of what object a text speaks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Subject {
    /// The API group; `None` where only the kind is known.
    pub(crate) group: Option<String>,
    /// The kind.
    pub(crate) kind: String,
    /// The name, if it is known.
    pub(crate) name: Option<String>,
}

impl Subject {
    /// The subject of a manifest or of a strategic merge patch.
    pub(crate) fn of(node: &Node) -> Option<Self> {
        let kind = node.str_at(&["kind"])?.to_owned();
        let version = node.str_at(&["apiVersion"]);
        let group = version.map(|it| it.split_once('/').map_or("", |(group, _)| group).to_owned());
        Some(Self { group, kind, name: node.str_at(&["metadata", "name"]).map(str::to_owned) })
    }

    /// Whether it is of this kind, as far as is known.
    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.kind == kind && self.group.as_ref().is_none_or(|own| own == group)
    }
}

/// How much of an object a text holds, which decides whether a missing field has its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// What a JSON merge patch sets: mappings in part, lists whole.
    MergePatch,
    /// What a strategic merge patch or a comparison names: anything in part.
    Part,
}

/// A field and what is done with it.
#[derive(Debug, Clone)]
pub(crate) struct Rule<T> {
    /// The path of the mapping that has the field: keys with `/` between them, `[]` for each item of a
    /// list.
    pub(crate) under: String,
    /// The path of the field from there.
    pub(crate) field: &'static str,
    /// What is there.
    pub(crate) what: T,
}

/// What is done to the fields of manifests.
pub(crate) trait Change {
    /// What rules say of a field.
    type What;

    /// The rules for an object. No two may lead to the same field.
    fn rules(&self, subject: &Subject) -> Vec<Rule<Self::What>>;

    /// Changes a field.
    fn change(&mut self, node: &mut Node, rule: &Rule<Self::What>);

    /// What a missing field is set to; `None` to leave it out. `parent` is where it is missing.
    fn missing(&mut self, _parent: &Node, _rule: &Rule<Self::What>) -> Option<Value> {
        None
    }

    /// Changes what is recognised by its key, wherever it stands in a document; `key` is what the node
    /// itself stands under.
    fn anywhere(&mut self, _key: Option<&str>, _node: &mut Node) {}
}

/// Changes what the rules find in (a part of) an object.
pub(crate) fn rewrite<C: Change>(change: &mut C, node: &mut Node, subject: &Subject, extent: Extent) {
    for rule in change.rules(subject) {
        apply(change, &rule, node, &segments(&rule.under), &segments(rule.field), extent);
    }
    change.anywhere(None, node);
}

/// Changes the value of a JSON patch operation on any of these objects.
pub(crate) fn rewrite_operation<C: Change>(change: &mut C, operation: &mut Node, subjects: &[Subject]) {
    let Some(pointer) = operation.str_at(&["path"]) else { return };
    let pointer: Vec<String> =
        pointer.split('/').skip(1).map(|it| it.replace("~1", "/").replace("~0", "~")).collect();
    let Some(value) = operation.at_mut(&["value"]) else { return };
    // What several kinds have at the same place means the same in each, and is changed once.
    for subject in subjects {
        let mut found = false;
        for rule in change.rules(subject) {
            let (under, field) = (segments(&rule.under), segments(rule.field));
            let path: Vec<&str> = under.iter().chain(&field).copied().collect();
            let leads_there = pointer.len() <= path.len()
                && path.iter().zip(&pointer).all(|(pattern, segment)| stands_for(pattern, segment));
            if !leads_there {
                continue;
            }
            found = true;
            match under.get(pointer.len()..) {
                Some(below) => apply(change, &rule, value, below, &field, Extent::Whole),
                None => apply(change, &rule, value, &[], &path[pointer.len()..], Extent::Part),
            }
        }
        if found {
            break;
        }
    }
    change.anywhere(pointer.last().map(String::as_str), value);
}

/// Whether a rule has the field that a path of keys names, as `replacements` write it.
pub(crate) fn is_about<T>(rules: &[Rule<T>], field_path: &[&str]) -> bool {
    rules.iter().any(|rule| {
        let path: Vec<&str> = segments(&rule.under).into_iter().chain(segments(rule.field)).collect();
        path.len() == field_path.len()
            && path.iter().zip(field_path).all(|(pattern, key)| stands_for(pattern, key) || *key == "*")
    })
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

fn stands_for(pattern: &str, segment: &str) -> bool {
    let is_index = segment == "-" || segment.bytes().all(|byte| byte.is_ascii_digit());
    pattern == segment || pattern == "[]" && is_index
}

fn apply<C: Change>(
    change: &mut C,
    rule: &Rule<C::What>,
    node: &mut Node,
    under: &[&str],
    field: &[&str],
    extent: Extent,
) {
    each(node, under, extent, &mut |parent, extent| {
        let mut found = false;
        each(parent, field, extent, &mut |node, extent| {
            found = true;
            // A merge patch removes with null, and what is removed has its default again.
            match (node.is_null(), extent) {
                (true, Extent::Part) => {}
                (true, _) => {
                    if let Some(value) = change.missing(node, rule) {
                        node.value = value;
                    }
                }
                (false, _) => change.change(node, rule),
            }
        });
        if !found
            && extent == Extent::Whole
            && let Some(value) = change.missing(parent, rule)
        {
            insert(parent, field, value);
        }
    });
}

/// Calls `act` with every node that the path leads to, and with how much is there.
fn each(node: &mut Node, path: &[&str], extent: Extent, act: &mut dyn FnMut(&mut Node, Extent)) {
    let Some((first, rest)) = path.split_first() else { return act(node, extent) };
    match (*first, &mut node.value) {
        ("[]", Value::Seq(items)) => {
            let extent = if extent == Extent::MergePatch { Extent::Whole } else { extent };
            items.iter_mut().for_each(|item| each(item, rest, extent, act));
        }
        (key, Value::Map(map)) => {
            if let Some(child) = map.get_mut(key) {
                each(child, rest, extent, act);
            }
        }
        _ => {}
    }
}

fn insert(parent: &mut Node, field: &[&str], value: Value) {
    let place = parent.place.clone();
    let (Some((first, rest)), Some(map)) = (field.split_first(), parent.as_map_mut()) else { return };
    if rest.is_empty() {
        map.insert((*first).to_owned(), Node::new(value, place));
        return;
    }
    let child = map.entry((*first).to_owned()).or_insert_with(|| Node::new(Value::Map(Map::new()), place));
    insert(child, rest, value);
}
