//! One scalar in several fields.
//!
//! kustomize adds a label or an annotation by putting the same YAML node into every field that it goes
//! to (api filters/filtersutil/setters.go: SetEntry). What later sets one of these fields writes into
//! the node (kyaml yaml/fns.go: FieldSetter), and so into all of them: a patch of a template's label
//! changes the selector, too. Here every field has a value of its own, and [`Shared`] knows which of
//! them follow each other.

use yaml::{Node, Value};

/// Where a field is: keys, and positions in lists.
type Path = Vec<String>;

/// Groups of fields of one object that hold the same scalar.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Vec<Vec<Path>>);

/// What the fields held before a change.
pub(crate) struct Before(Vec<Vec<(Path, Node)>>);

impl Shared {
    /// The fields of the groups as they are now.
    pub(crate) fn before(&self, object: &Node) -> Before {
        let held = |field: &Path| Some((field.clone(), find(object, field)?.clone()));
        Before(self.0.iter().map(|group| group.iter().filter_map(held).collect()).collect())
    }

    /// After a change: where a field of a group was set, the others follow. Of several, the one that
    /// upstream sets last wins, in order of their paths.
    pub(crate) fn follow(&self, object: &mut Node, before: Before) {
        for group in before.0 {
            let set = group.iter().rev().find_map(|(field, old)| {
                let now = find(object, field)?;
                (is_scalar(now) && (now != old || now.place != old.place)).then(|| now.clone())
            });
            let Some(set) = set else { continue };
            for (field, _) in group {
                if let Some(node) = find_mut(object, &field).filter(|node| is_scalar(node)) {
                    *node = set.clone();
                }
            }
        }
    }

    /// These fields were given one scalar.
    pub(crate) fn add(&mut self, mut fields: Vec<Path>) {
        fields.sort();
        if fields.len() > 1 {
            self.0.push(fields);
        }
    }

    /// The object was written anew from its text, as JSON patches do.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

fn is_scalar(node: &Node) -> bool {
    !matches!(node.value, Value::Map(_) | Value::Seq(_))
}

/// Every field of this name.
pub(crate) fn fields_of(object: &Node, name: &str) -> Vec<Path> {
    fn collect(node: &Node, name: &str, path: &mut Path, found: &mut Vec<Path>) {
        let mut enter = |key: &str, child: &Node, is_key: bool| {
            path.push(key.to_owned());
            if is_key && key == name {
                found.push(path.clone());
            }
            collect(child, name, path, found);
            path.pop();
        };
        match &node.value {
            Value::Map(map) => map.iter().for_each(|(key, child)| enter(key, child, true)),
            Value::Seq(items) => {
                items.iter().enumerate().for_each(|(at, child)| enter(&at.to_string(), child, false));
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    collect(object, name, &mut Path::new(), &mut found);
    found
}

fn find<'a>(object: &'a Node, path: &Path) -> Option<&'a Node> {
    path.iter().try_fold(object, |node, key| match &node.value {
        Value::Map(map) => map.get(key),
        Value::Seq(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

fn find_mut<'a>(object: &'a mut Node, path: &Path) -> Option<&'a mut Node> {
    path.iter().try_fold(object, |node, key| match &mut node.value {
        Value::Map(map) => map.get_mut(key),
        Value::Seq(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}
