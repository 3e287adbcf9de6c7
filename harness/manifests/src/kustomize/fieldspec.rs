//! Field specs: which field of which kinds a transformer changes.

use std::borrow::Cow;

use yaml::{Map, Node, Place, Problem, Value};

use super::error::Result;
use super::resource::{Gvk, Resource};

/// A field of the kinds that a selector selects (api types/fieldspec.go).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: Gvk<'static>,
    /// Keys separated by `/`, lists passed through silently; `\/` is a slash, `[]` demands a list.
    pub(crate) path: Cow<'static, str>,
    /// Whether missing mappings on the way are made.
    pub(crate) create: bool,
}

impl FieldSpec {
    pub(crate) const fn new(path: &'static str, create: bool) -> Self {
        let gvk = Gvk { group: Cow::Borrowed(""), version: Cow::Borrowed(""), kind: Cow::Borrowed("") };
        Self { gvk, path: Cow::Borrowed(path), create }
    }
}

/// What a missing field is made of.
#[derive(Clone, Copy)]
pub(crate) enum Create<'a> {
    /// Missing fields stay missing.
    Never,
    /// An empty text at the place, for the setter to fill.
    Scalar(&'a Place),
    /// An empty mapping at the place.
    Mapping(&'a Place),
}

/// Runs `set` on every node that the spec leads to in the resource
/// (api filters/fieldspec/fieldspec.go).
///
/// # Errors
/// A path that runs into a scalar, and whatever `set` refuses.
pub(crate) fn visit(
    resource: &mut Resource,
    spec: &FieldSpec,
    create: Create<'_>,
    set: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<()> {
    if resource.gvk().is_selected(&spec.gvk) {
        let create = if spec.create { create } else { Create::Never };
        return visit_path(resource, &spec.path, create, set);
    }
    Ok(())
}

/// Runs `set` on every node that the path leads to.
///
/// # Errors
/// As [`visit`].
pub(crate) fn visit_path(
    resource: &mut Resource,
    path: &str,
    create: Create<'_>,
    set: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<()> {
    let outcome = walk(&mut resource.node, &split(path), create, set);
    outcome.map_err(|stop| match stop {
        Stop::NotAContainer(place) => {
            let id = resource.id();
            let message =
                format!("considering field '{path}' of object {id}: expected sequence or mapping node");
            Problem::at(&place, message).into()
        }
        Stop::Refused(error) => error,
    })
}

enum Stop {
    NotAContainer(Place),
    Refused(super::error::Error),
}

fn walk(
    node: &mut Node,
    path: &[String],
    create: Create<'_>,
    set: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> std::result::Result<(), Stop> {
    let Some((key, rest)) = path.split_first() else {
        return set(node).map_err(Stop::Refused);
    };
    match &mut node.value {
        Value::Null => Ok(()),
        Value::Seq(items) => items.iter_mut().try_for_each(|item| walk(item, path, create, set)),
        Value::Map(map) => match child(map, key, rest.is_empty(), create) {
            Some(child) => walk(child, rest, create, set),
            None => Ok(()),
        },
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {
            Err(Stop::NotAContainer(node.place.clone()))
        }
    }
}

/// The field, made or turned from null into what belongs there.
fn child<'a>(map: &'a mut Map, key: &str, last: bool, create: Create<'_>) -> Option<&'a mut Node> {
    let (key, list) = match key.strip_suffix("[]") {
        Some(key) => (key, true),
        None => (key, false),
    };
    let empty = match create {
        _ if list => Value::Seq(Vec::new()),
        Create::Never => return map.get_mut(key),
        Create::Scalar(_) if last => Value::String(String::new()),
        Create::Scalar(_) | Create::Mapping(_) => Value::Map(Map::new()),
    };
    if let (false, Create::Scalar(place) | Create::Mapping(place)) = (list || map.contains_key(key), create) {
        map.insert(key.to_owned(), Node::new(Value::Null, place.clone()));
    }
    let field = map.get_mut(key)?;
    if field.is_null() {
        field.value = empty;
    }
    Some(field)
}

fn split(path: &str) -> Vec<String> {
    split_at(path, '/')
}

/// The keys of a path; a backslash before the delimiter makes it part of a key
/// (kyaml utils/pathsplitter.go: PathSplitter).
pub(crate) fn split_at(path: &str, delimiter: char) -> Vec<String> {
    let path = path.strip_prefix(delimiter).unwrap_or(path);
    let mut keys: Vec<String> = Vec::new();
    let mut escaped = false;
    for part in path.split(delimiter) {
        match keys.last_mut() {
            Some(last) if escaped => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => keys.push(part.to_owned()),
        }
        escaped = part.ends_with('\\');
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_splits_at_slashes_that_are_not_escaped() {
        assert_eq!(split("spec/containers[]/image"), ["spec", "containers[]", "image"]);
        assert_eq!(split("/a/b"), ["a", "b"]);
        assert_eq!(split(r"metadata/annotations/x.io\/y"), ["metadata", "annotations", "x.io/y"]);
    }

    #[test]
    fn a_field_is_created_only_where_the_spec_says_so() {
        let mut resource =
            Resource::new(yaml::parse_one("x", b"kind: A\nlist: [{}, {b: {c: old}}]\n").unwrap());
        let place = resource.node.place.clone();
        let mut set = |node: &mut Node| {
            node.value = Value::Int(1);
            Ok(())
        };
        visit(&mut resource, &FieldSpec::new("list/b/c", false), Create::Scalar(&place), &mut set).unwrap();
        assert_eq!(resource.node, yaml::parse_one("x", b"kind: A\nlist: [{}, {b: {c: 1}}]\n").unwrap());
        visit(&mut resource, &FieldSpec::new("list/b/c", true), Create::Scalar(&place), &mut set).unwrap();
        assert_eq!(
            resource.node,
            yaml::parse_one("x", b"kind: A\nlist: [{b: {c: 1}}, {b: {c: 1}}]\n").unwrap()
        );
        let refused = visit(&mut resource, &FieldSpec::new("kind/x", true), Create::Never, &mut set);
        insta::assert_snapshot!(refused.unwrap_err());
    }
}
