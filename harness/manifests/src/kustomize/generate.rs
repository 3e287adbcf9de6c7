//! ConfigMaps and Secrets made from literals, files and env files.

use std::collections::BTreeMap;
use std::sync::Arc;

use yaml::{Map, Node, Place, Problem, Source, Value};

use super::error::{Error, Result};
use super::file::{File, Generator, GeneratorOptions, Texts};
use super::loader::Loader;
use super::resource::{
    Behavior, History, Resource, map_entry, metadata_mut, normalise_metadata_map, set_text, text,
};
use super::shared::Shared;

/// The kind that a generator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// Makes the resource that one entry of `configMapGenerator` or `secretGenerator` asks for
/// (api internal/generators).
///
/// # Errors
/// No name, a malformed source, a file that cannot be read, a key twice.
pub(crate) fn generate(
    kind: Kind,
    generator: &Generator,
    place: &Place,
    file: &File,
    loader: &Loader<'_>,
) -> Result<Resource> {
    if generator.name.is_empty() {
        return Err(Problem::at(place, "a configmap must have a name").into());
    }
    if let (Kind::ConfigMap, Some(r#type)) = (kind, &generator.r#type) {
        return Err(Problem::at(
            &file.place_of(r#type),
            "invalid Kustomization: json: unknown field \"type\"",
        )
        .with_help("only a Secret has a type")
        .into());
    }
    let options = merged_options(generator, file);
    let mut node = Node::new(Value::Map(Map::new()), place.clone());
    let map = node.as_map_mut().expect("the node was just made a mapping");
    set_text(map, "apiVersion", "v1", place);
    set_text(map, "kind", if kind == Kind::Secret { "Secret" } else { "ConfigMap" }, place);
    let metadata = metadata_mut(&mut node);
    set_text(metadata, "name", &generator.name, place);
    if !generator.namespace.is_empty() {
        set_text(metadata, "namespace", &generator.namespace, place);
    }
    add_texts(&mut node, "labels", &options.labels, file);
    add_texts(&mut node, "annotations", &options.annotations, file);
    let pairs = pairs(generator, place, file, loader)?;
    let map = node.as_map_mut().expect("the node is a mapping");
    if kind == Kind::Secret {
        let r#type = generator.r#type.as_ref().map_or("", |r#type| r#type.value.as_str());
        set_text(map, "type", if r#type.is_empty() { "Opaque" } else { r#type }, place);
        map.insert("data".to_owned(), Node::new(Value::Map(Map::new()), place.clone()));
    }
    if options.immutable {
        map.insert("immutable".to_owned(), Node::new(Value::Bool(true), place.clone()));
    }
    for (key, pair) in pairs {
        let (field, value) = match (kind, String::from_utf8(pair.value)) {
            (Kind::ConfigMap, Ok(text)) => ("data", text),
            (Kind::ConfigMap, Err(binary)) => ("binaryData", base64(binary.as_bytes())),
            (Kind::Secret, Ok(text)) => ("data", base64(text.as_bytes())),
            (Kind::Secret, Err(binary)) => ("data", base64(binary.as_bytes())),
        };
        map_entry(&mut node, field, place).insert(key, Node::new(Value::String(value), pair.place));
    }
    let history = History {
        needs_hash: !options.disable_name_suffix_hash,
        behavior: Some(Behavior::from_word(&generator.behavior)),
        ..History::default()
    };
    Ok(Resource { node, history })
}

/// The entry's options with those of the whole file; the entry's win
/// (api types/generatoroptions.go: MergeGlobalOptionsIntoLocal).
fn merged_options(generator: &Generator, file: &File) -> GeneratorOptions {
    let mut options = generator.options.clone();
    if let Some(global) = &file.content.generator_options {
        for (key, value) in &global.labels {
            options.labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
        for (key, value) in &global.annotations {
            options.annotations.entry(key.clone()).or_insert_with(|| value.clone());
        }
        options.disable_name_suffix_hash |= global.disable_name_suffix_hash;
        options.immutable |= global.immutable;
    }
    options
}

fn add_texts(node: &mut Node, field: &str, texts: &Texts, file: &File) {
    if texts.is_empty() {
        return;
    }
    let place = node.place.clone();
    let metadata = node.get("metadata").map(|metadata| metadata.place.clone()).unwrap_or(place);
    let holder = node.at_mut(&["metadata"]).expect("a generated object has metadata");
    let map = map_entry(holder, field, &metadata);
    for (key, value) in texts {
        set_text(map, key, &value.value, &file.place_of(value));
    }
}

struct Pair {
    value: Vec<u8>,
    place: Place,
}

/// Env files, then literals, then files (api kv/kv.go: Load).
fn pairs(
    generator: &Generator,
    place: &Place,
    file: &File,
    loader: &Loader<'_>,
) -> Result<BTreeMap<String, Pair>> {
    let mut all: Vec<(String, Pair)> = Vec::new();
    for source in generator.envs.iter().chain(&generator.env) {
        let at = file.place_of(source);
        let (name, content) = loader
            .load(&source.value, &at)
            .map_err(|error| within("env source files", &source.value, error))?;
        env_pairs(&name, &content, &at, &mut all)?;
    }
    for literal in &generator.literals {
        let at = file.place_of(literal);
        let pair = literal.value.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) = pair.ok_or_else(|| {
            let text = &literal.value;
            Problem::at(
                &at,
                format!("loading KV pairs: literal sources [{text}]: invalid literal source {text}, expected key=value"),
            )
        })?;
        all.push((key.to_owned(), Pair { value: without_quotes(value).into(), place: at }));
    }
    for source in &generator.files {
        let at = file.place_of(source);
        let (key, path) = file_source(&source.value).map_err(|why| {
            Problem::at(&at, format!("loading KV pairs: file sources: [{}]: {why}", source.value))
        })?;
        let (name, content) =
            loader.load(path, &at).map_err(|error| within("file sources", &source.value, error))?;
        // A value that is a whole file stands at the file's start.
        let value_place = match std::str::from_utf8(&content) {
            Ok(text) => Place { source: Source::new(name, text), line: 1, column: 1 },
            Err(_) => at,
        };
        all.push((key.to_owned(), Pair { value: content.to_vec(), place: value_place }));
    }
    let mut pairs = BTreeMap::new();
    for (key, pair) in all {
        let at = pair.place.clone();
        if pairs.insert(key.clone(), pair).is_some() {
            let message = format!("configmap {} illegally repeats the key `{key}`", generator.name);
            return Err(Problem::at(if at.line > 0 { &at } else { place }, message).into());
        }
    }
    Ok(pairs)
}

fn within(what: &str, source: &str, error: Error) -> Error {
    match error {
        Error::Invalid(problem) => {
            let message = format!("loading KV pairs: {what}: [{source}]: {}", problem.message);
            Problem { message, ..problem }.into()
        }
        other @ Error::NotImplemented { .. } => other,
    }
}

/// `path` or `key=path` (api internal/generators/utils.go: ParseFileSource).
fn file_source(source: &str) -> std::result::Result<(&str, &str), String> {
    match source.split_once('=') {
        None => Ok((source.trim_end_matches('/').rsplit('/').next().unwrap_or(source), source)),
        Some(("", path)) if !path.contains('=') => {
            Err(format!("missing key name for file path \"{path}\" in source \"{source}\""))
        }
        Some((key, "")) => Err(format!("missing file path for key name \"{key}\" in source \"{source}\"")),
        Some((_, path)) if path.contains('=') => {
            Err(format!("source \"{source}\" key name or file path contains '='"))
        }
        Some(pair) => Ok(pair),
    }
}

/// Lines `KEY=value`; blank lines and those that start with `#` say nothing
/// (api kv/kv.go: keyValuesFromLine).
fn env_pairs(name: &str, content: &Arc<[u8]>, at: &Place, all: &mut Vec<(String, Pair)>) -> Result<()> {
    let text = std::str::from_utf8(content)
        .map_err(|_| Problem::at(at, format!("{name} has invalid utf8 bytes")))?;
    let source = Source::new(name, text);
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // A key alone has an empty value.
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key.is_empty() {
            continue;
        }
        let place = Place { source: Arc::clone(&source), line: index as u32 + 1, column: 1 };
        all.push((key.to_owned(), Pair { value: value.into(), place }));
    }
    Ok(())
}

fn without_quotes(value: &str) -> &str {
    let quoted = |quote: char| value.len() >= 2 && value.starts_with(quote) && value.ends_with(quote);
    if quoted('"') || quoted('\'') { &value[1..value.len() - 1] } else { value }
}

/// Base64, broken into lines of 70 where it is longer (kyaml yaml/datamap.go: encodeBase64).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const LINE: usize = 70;
    let mut encoded = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = bits >> (18 - 6 * digit) & 63;
            encoded.push(if digit <= chunk.len() { ALPHABET[index as usize] as char } else { '=' });
        }
    }
    if encoded.len() < LINE {
        return encoded;
    }
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / LINE + 1);
    for (index, digit) in encoded.chars().enumerate() {
        if index > 0 && index % LINE == 0 {
            lines.push('\n');
        }
        lines.push(digit);
    }
    lines.push('\n');
    lines
}

/// Adds a generated resource to those that are there, or merges it into one of them
/// (api resmap/reswrangler.go: appendReplaceOrMerge).
///
/// # Errors
/// A behavior that does not fit what is there.
pub(crate) fn absorb(resources: &mut Vec<Resource>, mut new: Resource, place: &Place) -> Result<()> {
    let behavior = new.history.behavior.unwrap_or(Behavior::Unspecified);
    let matches: Vec<usize> = {
        let id = new.id();
        let same = |resource: &&Resource| resource.any_id(|other| other.same(&id));
        resources.iter().enumerate().filter(|(_, resource)| same(resource)).map(|(index, _)| index).collect()
    };
    let problem = |message: String| Problem::at(place, message);
    match (matches.as_slice(), behavior) {
        ([], Behavior::Merge | Behavior::Replace) => {
            let message = format!("id {} does not exist; cannot merge or replace", new.id());
            Err(problem(message)
                .with_help("nothing before this entry has that name, kind and namespace")
                .into())
        }
        ([], Behavior::Create | Behavior::Unspecified) => {
            resources.push(new);
            Ok(())
        }
        ([index], Behavior::Merge | Behavior::Replace) => {
            let old = &resources[*index];
            inherit(&mut new, old);
            if behavior == Behavior::Merge {
                merge_data(&mut new.node, &old.node, "data");
                merge_data(&mut new.node, &old.node, "binaryData");
            }
            resources[*index] = new;
            Ok(())
        }
        ([index], Behavior::Create | Behavior::Unspecified) => {
            let id = new.id();
            let message = format!(
                "id {id} exists; can not use behavior: '{behavior}', behavior must be merge or replace"
            );
            Err(problem(message)
                .with_help(format!("the other one comes from {}", resources[*index].place()))
                .into())
        }
        (several, _) => {
            let ids: Vec<String> = several.iter().map(|index| resources[*index].id().to_string()).collect();
            let message =
                format!("found multiple objects [{}] that could accept merge of {}", ids.join(" "), new.id());
            Err(problem(message).into())
        }
    }
}

/// Takes over labels, annotations, name, namespace and history; its own labels and annotations win
/// (api resource/resource.go: CopyMergeMetaDataFieldsFrom).
fn inherit(new: &mut Resource, old: &Resource) {
    for field in ["labels", "annotations"] {
        let mut merged =
            old.node.at(&["metadata", field]).and_then(Node::as_map).cloned().unwrap_or_default();
        merged.extend(new.node.at(&["metadata", field]).and_then(Node::as_map).cloned().unwrap_or_default());
        let place = new.node.place.clone();
        metadata_mut(&mut new.node).insert(field.to_owned(), Node::new(Value::Map(merged), place));
        normalise_metadata_map(&mut new.node, field);
    }
    let name_place = old.place().clone();
    new.set_name(&old.name(), &name_place);
    new.set_namespace(&old.namespace(), &name_place);
    let needs_hash = new.history.needs_hash && old.history.needs_hash;
    new.history = History { needs_hash, shared: Shared::default(), ..old.history.clone() };
}

/// The old entries with the new ones over them, as texts.
fn merge_data(new: &mut Node, old: &Node, field: &str) {
    let mut merged = old.get(field).and_then(Node::as_map).cloned().unwrap_or_default();
    merged.extend(new.get(field).and_then(Node::as_map).cloned().unwrap_or_default());
    for value in merged.values_mut() {
        value.value = Value::String(text(value).into_owned());
    }
    let place = new.place.clone();
    let Some(map) = new.as_map_mut() else { return };
    if merged.is_empty() {
        map.shift_remove(field);
    } else {
        map.insert(field.to_owned(), Node::new(Value::Map(merged), place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_breaks_lines_as_kustomize_does() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b"abc"), "YWJj");
        let long = base64(&[0; 60]);
        assert_eq!(long.lines().map(str::len).collect::<Vec<_>>(), [70, 10]);
        assert!(long.ends_with('\n'));
    }
}
