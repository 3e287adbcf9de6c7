//! Strategic merge patches as kustomize applies them (kyaml yaml/merge2, yaml/walk).
//!
//! Three rules differ from what `kubectl apply` does and are kept: elements that a patch adds come
//! before those that were there; `$patch: replace` of a whole object or of an element of a merged
//! list changes nothing; `$retainKeys`, `$setElementOrder` and `$deleteFromPrimitiveList` are ordinary keys.

use yaml::{Map, Node, Problem, Value};

use super::error::Result;
use super::resource::{is_quoted, text, text_at};
use super::schema::{self, Type};

const DIRECTIVE: &str = "$patch";

/// Applies a patch to an object; `None` means that the patch deletes it.
///
/// # Errors
/// An unknown `$patch` directive, and values of different kinds in one place.
pub(crate) fn apply(object: Node, patch: &Node) -> Result<Option<Node>> {
    if patch.get(DIRECTIVE).is_some_and(|word| text(word) == "replace") {
        // api resource/resource.go: ApplyFilter keeps the old object unless it is changed in place.
        return Ok(Some(object));
    }
    Ok(match merge(object, Patch::With(patch), Shape::UNKNOWN)? {
        Merged::Cleared => None,
        Merged::Kept(node) | Merged::Taken(node) => Some(node),
    })
}

/// What the API knows about the value at hand.
#[derive(Clone, Copy)]
struct Shape {
    merge_keys: Option<&'static [&'static str]>,
    of: &'static Type,
}

impl Shape {
    const UNKNOWN: Self = Self { merge_keys: None, of: &[] };

    fn field(self, name: &str) -> Self {
        let field = schema::field(self.of, name);
        field.map_or(Self::UNKNOWN, |field| Self { merge_keys: field.merge_keys, of: field.of })
    }

    /// What is known about a mapping; one that names its kind is known by it.
    fn of_mapping(self, dest: &Node, patch: Patch<'_>) -> Self {
        if !self.of.is_empty() {
            return self;
        }
        let named = |node: &Node| {
            let (version, kind) = (text_at(node, &["apiVersion"]), text_at(node, &["kind"]));
            schema::type_of(&version, &kind)
        };
        let of = named(dest).or(match patch {
            Patch::With(patch) => named(patch),
            Patch::Absent | Patch::Itself => None,
        });
        Self { of: of.unwrap_or(&[]), ..self }
    }
}

/// What is merged into a value.
#[derive(Clone, Copy)]
enum Patch<'a> {
    /// Nothing.
    Absent,
    /// The value itself: it came from a patch and its directives are still to be obeyed.
    Itself,
    /// The patch.
    With(&'a Node),
}

/// What became of a value.
enum Merged {
    /// It is gone.
    Cleared,
    /// It is the old value, perhaps changed inside.
    Kept(Node),
    /// It is the patch's value.
    Taken(Node),
}

enum Directive {
    Merge,
    Replace,
    Delete,
}

fn directive_of_word(node: &Node) -> Result<Directive> {
    match text(node).as_ref() {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        other => Err(node
            .problem(format!("unknown patch strategy '{other}'"))
            .with_help("the strategies are `merge`, `replace` and `delete`")
            .into()),
    }
}

fn has_directive(patch: &Node) -> bool {
    patch.get(DIRECTIVE).is_some()
        || patch.as_seq().is_some_and(|items| items.iter().any(|item| item.get(DIRECTIVE).is_some()))
}

/// Takes the directive out of a mapping or a list. In a list it is an element of its own, the first
/// that has one; every element with the same directive goes with it.
fn take_directive(patch: &mut Node) -> Result<Directive> {
    match &mut patch.value {
        Value::Map(map) => match map.get(DIRECTIVE) {
            None => Ok(Directive::Merge),
            Some(word) => {
                let directive = directive_of_word(word)?;
                map.shift_remove(DIRECTIVE);
                Ok(directive)
            }
        },
        Value::Seq(items) => {
            let first = items.iter().find_map(|item| item.as_map().filter(|map| map.contains_key(DIRECTIVE)));
            let Some(word) = first.filter(|map| map.len() == 1).map(|map| &map[DIRECTIVE]) else {
                return Ok(Directive::Merge);
            };
            let directive = directive_of_word(word)?;
            let word = text(word).into_owned();
            items.retain(|item| item.get(DIRECTIVE).is_none_or(|other| text(other) != word));
            Ok(directive)
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {
            Ok(Directive::Merge)
        }
    }
}

/// Merges a field that may be missing on either side.
fn merge_field(dest: Option<Node>, patch: Patch<'_>, shape: Shape) -> Result<Merged> {
    match (dest, patch) {
        (_, Patch::With(patch)) if patch.is_null() => Ok(Merged::Cleared),
        (Some(dest), patch) if !dest.is_null() => merge(dest, patch, shape),
        (_, Patch::With(patch)) => adopt(patch.clone(), shape),
        // A null that is written out survives; one that is left blank, or comes from a patch, does not.
        (Some(null), Patch::Absent) if !text(&null).is_empty() => Ok(Merged::Kept(null)),
        (_, Patch::Absent | Patch::Itself) => Ok(Merged::Cleared),
    }
}

/// A patch's value where there was none.
fn adopt(value: Node, shape: Shape) -> Result<Merged> {
    if let (Value::Seq(_), Some(keys)) = (&value.value, shape.merge_keys) {
        // Here alone the directive of a list is not obeyed.
        return merge_list(value, Patch::Itself, keys, shape.of).map(Merged::Taken);
    }
    let deleted =
        value.as_map().and_then(|map| map.get(DIRECTIVE)).is_some_and(|word| text(word) == "delete");
    if deleted {
        return Ok(Merged::Cleared);
    }
    Ok(match merge(value, Patch::Itself, shape)? {
        Merged::Cleared => Merged::Cleared,
        Merged::Kept(node) | Merged::Taken(node) => Merged::Taken(node),
    })
}

fn merge(dest: Node, patch: Patch<'_>, shape: Shape) -> Result<Merged> {
    if let Patch::With(patch) = patch {
        demand_same_kind(&dest, patch)?;
    }
    match (&dest.value, shape.merge_keys) {
        (Value::Map(_), _) => {
            let shape = shape.of_mapping(&dest, patch);
            merge_container(dest, patch, |dest, patch| merge_mapping(dest, patch, shape))
        }
        (Value::Seq(_), Some(keys)) => {
            merge_container(dest, patch, |dest, patch| merge_list(dest, patch, keys, shape.of))
        }
        _ => Ok(match patch {
            // A value that a patch only repeats stays what it was, with its place.
            Patch::With(patch) if *patch != dest => Merged::Taken(in_style_of(&dest, patch)),
            Patch::With(_) | Patch::Absent | Patch::Itself => Merged::Kept(dest),
        }),
    }
}

/// A scalar takes the quotes of the one it replaces, and is text then
/// (kyaml yaml/fns.go: FieldSetter).
fn in_style_of(dest: &Node, patch: &Node) -> Node {
    let plain = matches!(patch.value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
    if plain && is_quoted(dest) {
        return Node::new(Value::String(text(patch).into_owned()), patch.place.clone());
    }
    patch.clone()
}

/// Obeys the directive of a mapping or list and merges what it holds.
fn merge_container(
    dest: Node,
    patch: Patch<'_>,
    merge_content: impl Fn(Node, Patch<'_>) -> Result<Node>,
) -> Result<Merged> {
    match patch {
        Patch::Absent => merge_content(dest, Patch::Absent).map(Merged::Kept),
        Patch::Itself => {
            let mut dest = dest;
            match take_directive(&mut dest)? {
                Directive::Delete => Ok(Merged::Cleared),
                Directive::Merge | Directive::Replace => merge_content(dest, Patch::Itself).map(Merged::Kept),
            }
        }
        Patch::With(patch) if !has_directive(patch) => {
            merge_content(dest, Patch::With(patch)).map(Merged::Kept)
        }
        Patch::With(patch) => {
            let mut patch = patch.clone();
            match take_directive(&mut patch)? {
                Directive::Delete => Ok(Merged::Cleared),
                Directive::Replace => merge_content(patch, Patch::Itself).map(Merged::Taken),
                Directive::Merge => merge_content(dest, Patch::With(&patch)).map(Merged::Kept),
            }
        }
    }
}

fn merge_mapping(mut dest: Node, patch: Patch<'_>, shape: Shape) -> Result<Node> {
    let old = std::mem::take(dest.as_map_mut().expect("only mappings are merged as mappings"));
    let mut new = Map::with_capacity(old.len());
    let patch_map = match patch {
        Patch::With(patch) => patch.as_map(),
        Patch::Absent | Patch::Itself => None,
    };
    let added: Vec<(&String, &Node)> =
        patch_map.into_iter().flatten().filter(|(key, _)| !old.contains_key(*key)).collect();
    for (key, value) in old {
        let patch = match (patch, patch_map.and_then(|map| map.get(&key))) {
            (Patch::Itself, _) => Patch::Itself,
            (_, Some(patch)) => Patch::With(patch),
            (_, None) => Patch::Absent,
        };
        let merged = merge_field(Some(value), patch, shape.field(&key))?;
        if let Merged::Kept(node) | Merged::Taken(node) = merged {
            new.insert(key, node);
        }
    }
    for (key, patch) in added {
        let merged = merge_field(None, Patch::With(patch), shape.field(key))?;
        if let Merged::Kept(node) | Merged::Taken(node) = merged {
            new.insert(key.clone(), node);
        }
    }
    dest.value = Value::Map(new);
    Ok(dest)
}

fn demand_same_kind(dest: &Node, patch: &Node) -> Result<()> {
    let kind = |node: &Node| match &node.value {
        Value::Map(_) => "MappingNode",
        Value::Seq(_) => "SequenceNode",
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => "ScalarNode",
    };
    let (expected, found) = (kind(dest), kind(patch));
    if expected == found {
        return Ok(());
    }
    let message = format!("wrong node kind: expected {expected} but got {found}");
    Err(Problem::at(&patch.place, message)
        .with_help(format!("the patched value stands at {}", dest.place))
        .into())
}

/// Merges a list whose elements are found by keys; without keys, a list of plain values
/// (kyaml yaml/walk/associative_sequence.go: setAssociativeSequenceElements).
fn merge_list(
    mut node: Node,
    patch: Patch<'_>,
    keys: &'static [&'static str],
    of: &'static Type,
) -> Result<Node> {
    let Value::Seq(mut dest) = std::mem::replace(&mut node.value, Value::Null) else { return Ok(node) };
    let patch_items = match patch {
        Patch::With(patch) => patch.as_seq(),
        Patch::Absent | Patch::Itself => None,
    };
    let keys: &[&str] = if keys.is_empty() { &[""] } else { keys };
    let values_list = values_of_all(patch_items.unwrap_or(&[]), &dest, keys);
    let shape = Shape { merge_keys: None, of };
    let mut items: Vec<Node> = Vec::new();
    let mut last_keys: Vec<&str> = keys.to_vec();
    for values in &values_list {
        let (keys, values) = valid_keys(&values_list, values, keys);
        last_keys.clone_from(&keys);
        let index = find(&dest, &keys, &values);
        let found = patch_items.and_then(|items| find(items, &keys, &values).map(|index| &items[index]));
        let patch = match (patch, found) {
            (Patch::Itself, _) => Patch::Itself,
            (_, Some(patch)) => Patch::With(patch),
            (_, None) => Patch::Absent,
        };
        let merged = merge_field(index.map(|index| dest[index].clone()), patch, shape)?;
        let (mut element, kept) = match merged {
            Merged::Cleared => (None, true),
            Merged::Kept(element) => (Some(element), true),
            Merged::Taken(element) => (Some(element), false),
        };
        element = element.filter(|element| !is_empty(element));
        let Some(mut element) = element else {
            if let (Some(index), Patch::Itself) = (index, patch) {
                take_directive(&mut dest[index])?;
            }
            set_element(&mut dest, None, &keys, &values);
            continue;
        };
        add_missing_keys(&mut element, &keys, &values);
        if let (Some(index), true) = (index, kept) {
            dest[index] = element.clone();
        }
        set_element(&mut items, Some(element), &keys, &values);
    }
    if !values_list.is_empty() {
        append_rest(&mut items, &dest, &last_keys);
        dest = items;
    }
    node.value = Value::Seq(dest);
    Ok(node)
}

fn is_empty(node: &Node) -> bool {
    node.is_null() || node.as_map().is_some_and(Map::is_empty)
}

fn add_missing_keys(element: &mut Node, keys: &[&str], values: &[String]) {
    let place = element.place.clone();
    let Some(map) = element.as_map_mut() else { return };
    for (key, value) in keys.iter().zip(values) {
        if !value.is_empty() && !map.contains_key(*key) {
            map.insert((*key).to_owned(), Node::new(Value::String(value.clone()), place.clone()));
        }
    }
}

/// The key values of every element, the patch's first, each once.
fn values_of_all(patch: &[Node], dest: &[Node], keys: &[&str]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for element in patch.iter().chain(dest) {
        let value =
            |key: &&str| if key.is_empty() { text(element) } else { text_at(element, &[key]) }.into_owned();
        let values: Vec<String> = keys.iter().map(value).collect();
        if seen.insert(values.clone()) {
            all.push(values);
        }
    }
    if keys.len() > 1 {
        unify(&mut all);
    }
    all
}

/// Gives values that agree in one key, and of which one lacks another key, all keys of both
/// (kyaml yaml/walk/associative_sequence.go: mergeValues).
fn unify(all: &mut [Vec<String>]) {
    for first in 0..all.len() {
        for second in 0..all.len() {
            if let Some(both) = unified(&all[first], &all[second]) {
                all[first].clone_from(&both);
                all[second] = both;
            }
        }
    }
}

fn unified(first: &[String], second: &[String]) -> Option<Vec<String>> {
    let mut common = false;
    let mut both = Vec::with_capacity(first.len());
    for (a, b) in first.iter().zip(second) {
        if a == b {
            common = true;
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        }
        both.push(if a.is_empty() { b.clone() } else { a.clone() });
    }
    common.then_some(both)
}

/// The keys that some element has, and this element's values of them
/// (kyaml yaml/walk/associative_sequence.go: validateKeys).
fn valid_keys<'k>(all: &[Vec<String>], values: &[String], keys: &[&'k str]) -> (Vec<&'k str>, Vec<String>) {
    let used =
        |index: usize| all.iter().any(|values| values.get(index).is_some_and(|value| !value.is_empty()));
    if !(0..keys.len()).any(used) {
        return (keys.to_vec(), values.to_vec());
    }
    let valid = keys.iter().enumerate().filter(|(index, _)| used(*index)).map(|(_, key)| *key).collect();
    let values = values.iter().enumerate().filter(|(index, value)| !value.is_empty() || used(*index));
    (valid, values.map(|(_, value)| value.clone()).collect())
}

/// The first element with these values; a key without value counts for nothing.
fn find(items: &[Node], keys: &[&str], values: &[String]) -> Option<usize> {
    let own = [values.to_vec()];
    let (keys, values) = valid_keys(&own, values, keys);
    items.iter().position(|item| {
        keys.iter().zip(&values).all(|(key, value)| match (key.is_empty(), &item.value) {
            (true, _) => text(item) == value.as_str(),
            (false, Value::Map(map)) => map.get(*key).is_some_and(|field| text(field) == value.as_str()),
            (false, _) => false,
        })
    })
}

/// Replaces, removes or appends an element (kyaml yaml/fns.go: ElementSetter).
fn set_element(list: &mut Vec<Node>, element: Option<Node>, keys: &[&str], values: &[String]) {
    let by_mapping = keys.first().is_some_and(|key| !key.is_empty())
        && values.first().is_some_and(|value| !value.is_empty());
    let mut found = false;
    let mut kept = Vec::with_capacity(list.len() + 1);
    for item in list.drain(..) {
        if is_empty(&item) {
            continue;
        }
        if item.as_map().is_none() && by_mapping {
            kept.push(item);
        } else if has_values(&item, keys, values) {
            found = true;
            kept.extend(element.clone());
        } else if !values.is_empty() {
            kept.push(item);
        }
    }
    *list = kept;
    if !found {
        list.extend(element);
    }
}

/// Whether an element has the values; keys beyond the values are taken for granted once one matched.
fn has_values(item: &Node, keys: &[&str], values: &[String]) -> bool {
    !values.is_empty()
        && keys.iter().zip(values).all(|(key, value)| {
            if key.is_empty() {
                return text(item) == value.as_str();
            }
            item.get(key).is_some_and(|field| value.is_empty() || text(field) == value.as_str())
        })
}

/// Puts the elements of `rest` after the `items`, in the place of those with the same keys
/// (kyaml yaml/walk/associative_sequence.go: appendListNode).
fn append_rest(items: &mut Vec<Node>, rest: &[Node], keys: &[&str]) {
    for element in rest {
        if keys == [""] {
            set_element(items, Some(element.clone()), keys, &[text(element).into_owned()]);
            continue;
        }
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            match element.get(key) {
                Some(value) => values.push(text(value).into_owned()),
                None => items.push(element.clone()),
            }
        }
        if keys.len() > 1 {
            set_element(items, None, keys, &values);
        }
        set_element(items, Some(element.clone()), keys, &values);
    }
}
