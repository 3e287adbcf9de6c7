//! `replacements`: a value of one object, copied into fields of others.

use regex::Regex;
use yaml::{Located, Node, Place, Problem, Value};

use super::error::{Error, Result};
use super::fieldspec::split_at;
use super::file::{File, ReplacementEntry, ReplacementOptions, ReplacementSource, ReplacementTarget, Target};
use super::loader::Loader;
use super::resource::{Gvk, Id, Resource, text};
use super::selector::Selector;

/// The field that is read or written where none is named.
const DEFAULT_PATH: &str = "metadata.name";

/// Applies one entry of `replacements`: one written there, or those of a file
/// (api internal/builtins/ReplacementTransformer.go).
///
/// # Errors
/// A source that is missing or ambiguous, a field that is missing, what is not implemented.
pub(crate) fn apply_entry(
    resources: &mut [Resource],
    entry: &Located<ReplacementEntry>,
    file: &File,
    loader: &Loader<'_>,
) -> Result<()> {
    let at = file.place_of(entry);
    let Some(path) = entry.value.path.as_ref().filter(|path| !path.value.is_empty()) else {
        return apply(resources, &entry.value, &at);
    };
    if entry.value.source.is_some() || !entry.value.targets.is_empty() {
        return Err(Problem::at(&at, "cannot specify both path and inline replacement").into());
    }
    let (name, _) = loader.load(&path.value, &file.place_of(path))?;
    for document in loader.documents(&name)?.iter().take(1) {
        let items = document.as_seq().unwrap_or(std::slice::from_ref(document));
        for item in items {
            apply(resources, &yaml::decode::<ReplacementEntry>(item)?, &item.place)?;
        }
    }
    Ok(())
}

/// Reads the source and writes the targets (api filters/replacement/replacement.go).
fn apply(resources: &mut [Resource], replacement: &ReplacementEntry, at: &Place) -> Result<()> {
    let value = match (&replacement.source, &replacement.source_value) {
        (Some(_), Some(_)) => {
            return Err(Problem::at(at, "value and resource selectors are mutually exclusive").into());
        }
        (None, Some(text)) => Node::new(Value::String(text.value.clone()), text.place(&at.source)),
        (Some(source), None) if !replacement.targets.is_empty() => {
            read_source(resources, &source.value, &source.place(&at.source))?
        }
        (Some(_) | None, None) => {
            return Err(Problem::at(at, "replacements must specify a source and at least one target").into());
        }
    };
    for target in &replacement.targets {
        write_target(resources, &target.value, &value, &target.place(&at.source))?;
    }
    Ok(())
}

fn read_source(resources: &[Resource], source: &ReplacementSource, at: &Place) -> Result<Node> {
    let own = |text: &String| text.clone().into();
    let wanted = Id {
        gvk: Gvk { group: own(&source.group), version: own(&source.version), kind: own(&source.kind) },
        name: own(&source.name),
        namespace: own(&source.namespace),
        cluster_scoped: false,
    };
    let selected = |id: &Id<'_>| {
        (wanted.name.is_empty() || wanted.name == id.name)
            && (wanted.namespace.is_empty() || wanted.same_namespace(id))
            && id.gvk.is_selected(&wanted.gvk)
    };
    let found: Vec<&Resource> = resources.iter().filter(|resource| resource.any_id(selected)).collect();
    let [resource] = found.as_slice() else {
        let what = if found.is_empty() { "nothing selected by" } else { "multiple matches for selector" };
        return Err(Problem::at(at, format!("{what} {wanted}")).into());
    };
    let path = if source.field_path.is_empty() { DEFAULT_PATH } else { &source.field_path };
    let value = keys(path).iter().try_fold(&resource.node, |node, key| step(node, key));
    let value = value.filter(|value| !is_nothing(value)).ok_or_else(|| {
        Problem::at(at, format!("fieldPath `{path}` is missing for replacement source {wanted}"))
            .with_help(format!("the source stands at {}", resource.place()))
    })?;
    part(value, &source.options, at)
}

/// One key further down: a field, an index, or `[field=value]`.
fn step<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Map(map) => map.get(key),
        Value::Seq(items) => match bracketed(key) {
            Some((field, value)) => {
                items.iter().find(|item| item.get(field).is_some_and(|own| text(own) == value))
            }
            None if key == "-" => items.last(),
            None => items.get(key.parse::<usize>().ok()?),
        },
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => None,
    }
}

fn is_nothing(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Map(map) => map.is_empty(),
        Value::Seq(items) => items.is_empty(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => false,
    }
}

fn is_container(node: &Node) -> bool {
    matches!(node.value, Value::Map(_) | Value::Seq(_))
}

/// The part of the source between two delimiters.
fn part(value: &Node, options: &ReplacementOptions, at: &Place) -> Result<Node> {
    if options.delimiter.is_empty() {
        return Ok(value.clone());
    }
    if is_container(value) {
        return Err(Problem::at(at, "delimiter option can only be used with scalar nodes").into());
    }
    let whole = text(value);
    let part =
        usize::try_from(options.index).ok().and_then(|index| whole.split(&options.delimiter).nth(index));
    let part = part.ok_or_else(|| {
        Problem::at(at, format!("options.index {} is out of bounds for value {whole}", options.index))
    })?;
    Ok(Node::new(Value::String(part.to_owned()), value.place.clone()))
}

fn write_target(
    resources: &mut [Resource],
    target: &ReplacementTarget,
    value: &Node,
    at: &Place,
) -> Result<()> {
    let select =
        target.select.as_ref().ok_or_else(|| Problem::at(at, "target must specify resources to select"))?;
    if target.options.create {
        return Err(Error::not_implemented("`create` of a replacement", at));
    }
    let selector = Selector::new(select, at)?;
    let rejected = target.reject.iter().map(|reject| Ok((Selector::new(reject, at)?, reject)));
    let rejected = rejected.collect::<Result<Vec<(Selector, &Target)>>>()?;
    let default = [DEFAULT_PATH.to_owned()];
    let paths = if target.field_paths.is_empty() { &default[..] } else { &target.field_paths };
    for resource in resources.iter_mut() {
        let refused = rejected.iter().any(|(reject, written)| rejects(reject, written, resource));
        if refused || !selector.matches_labels(resource) || !resource.any_id(|id| selector.selects(id)) {
            continue;
        }
        for path in paths {
            let mut found = 0;
            let before = resource.history.shared.before(&resource.node);
            let mut set = |field: &mut Node| {
                found += 1;
                write(field, value, &target.options, at)
            };
            walk(&mut resource.node, &keys(path), path, at, &mut set)?;
            resource.history.shared.follow(&mut resource.node, before);
            if found == 0 {
                return Err(missing(path, resource.place(), at).into());
            }
        }
    }
    Ok(())
}

/// A rejection counts by what it names: labels, or an id
/// (api filters/replacement/replacement.go: selectByAnnoAndLabel, RejectsAny).
fn rejects(reject: &Selector, written: &Target, resource: &Resource) -> bool {
    let names_labels = !written.label_selector.is_empty() || !written.annotation_selector.is_empty();
    let names_id = [&written.group, &written.version, &written.kind, &written.name, &written.namespace]
        .iter()
        .any(|part| !part.is_empty());
    (names_labels && reject.matches_labels(resource))
        || (names_id && resource.any_id(|id| reject.selects(id)))
}

fn missing(path: &str, object: &Place, at: &Place) -> Problem {
    Problem::at(at, format!("unable to find field \"{path}\" in replacement target"))
        .with_help(format!("the target stands at {object}"))
}

/// Runs `set` on every field that the path leads to (kyaml yaml/match.go: PathMatcher).
fn walk(
    node: &mut Node,
    keys: &[String],
    path: &str,
    at: &Place,
    set: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<()> {
    let Some((key, rest)) = keys.split_first() else { return set(node) };
    let place = node.place.clone();
    let pattern = bracketed(key).map(|(field, pattern)| (field, Regex::new(pattern)));
    match (&mut node.value, pattern) {
        (Value::Seq(items), Some((field, Ok(pattern)))) => items
            .iter_mut()
            .filter(|item| match field {
                "" => pattern.is_match(&text(item)),
                field => item.get(field).is_some_and(|own| pattern.is_match(&text(own))),
            })
            // What follows a match of plain values is not looked at.
            .try_for_each(|item| if field.is_empty() { set(item) } else { walk(item, rest, path, at, set) }),
        (Value::Seq(items), None) if key == "*" => {
            items.iter_mut().try_for_each(|item| walk(item, rest, path, at, set))
        }
        (Value::Seq(items), None) => {
            let index = key.parse::<usize>().ok();
            match index.and_then(|index| items.get_mut(index)) {
                Some(item) => walk(item, rest, path, at, set),
                None => Err(missing(path, &place, at).into()),
            }
        }
        (Value::Map(map), None) => map.get_mut(key).map_or(Ok(()), |field| walk(field, rest, path, at, set)),
        (Value::String(_), _) => Err(Error::not_implemented("a replacement inside the text of a field", at)),
        (_, _) => Err(missing(path, &place, at).into()),
    }
}

/// Writes the value; a scalar keeps its type (api filters/replacement/replacement.go: setFieldValue).
fn write(field: &mut Node, value: &Node, options: &ReplacementOptions, at: &Place) -> Result<()> {
    if is_container(field) {
        if !options.delimiter.is_empty() {
            return Err(Problem::at(at, "delimiter option can only be used with scalar nodes").into());
        }
        *field = value.clone();
        return Ok(());
    }
    if is_container(value) {
        return Err(Error::not_implemented("a replacement of a scalar by a list or mapping", at));
    }
    let new = if options.delimiter.is_empty() {
        text(value).into_owned()
    } else {
        let old = text(field);
        let mut parts: Vec<&str> = old.split(&options.delimiter).collect();
        let value = text(value);
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, &value),
            Ok(index) if index >= parts.len() => parts.push(&value),
            Ok(index) => parts[index] = &value,
        }
        parts.join(&options.delimiter)
    };
    let written = match &field.value {
        Value::String(_) => Some(Value::String(new)),
        Value::Int(_) => new.parse().ok().map(Value::Int),
        Value::Bool(_) => new.parse().ok().map(Value::Bool),
        Value::Float(_) | Value::Null | Value::Seq(_) | Value::Map(_) => None,
    };
    let written = written.ok_or_else(|| {
        Error::not_implemented(format!("a replacement of {} by other text", field.kind()), at)
    })?;
    *field = Node::new(written, value.place.clone());
    Ok(())
}

/// `[field=value]` in its parts.
fn bracketed(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix('[')?.strip_suffix(']')?.split_once('=')
}

/// The keys of a path such as `spec.template.spec.containers.[name=a.b].image`
/// (kyaml utils/pathsplitter.go: SmarterPathSplitter).
fn keys(path: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut parts = split_at(path, '.').into_iter();
    while let Some(mut key) = parts.next() {
        if key.starts_with('[') {
            while !key.ends_with(']') {
                let Some(more) = parts.next() else { break };
                key = format!("{key}.{more}");
            }
            if !key.contains('=') {
                key = key.trim_matches(['[', ']']).to_owned();
            }
        }
        keys.push(key);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_hold_a_key_together() {
        assert_eq!(keys("a.b"), ["a", "b"]);
        assert_eq!(keys("metadata.annotations.[a.b/c].x"), ["metadata", "annotations", "a.b/c", "x"]);
        assert_eq!(keys("containers.[name=a.b].image"), ["containers", "[name=a.b]", "image"]);
        assert_eq!(keys(r"metadata.labels.a\.b"), ["metadata", "labels", "a.b"]);
        assert_eq!(keys("a.[open"), ["a", "open"]);
    }
}
