//! `patches`, `patchesStrategicMerge` and `patchesJson6902`.

use std::collections::BTreeSet;

use yaml::{Located, Node, Place, Problem, Value};

use super::build::{Build, append_all};
use super::error::{Error, Result};
use super::file::{File, Patch, PatchOptions};
use super::jsonpatch::{self, Operation};
use super::loader::Loader;
use super::merge;
use super::resource::{Resource, metadata_mut, normalise_metadata_map, set_text, size, text_at};
use super::selector::Selector;

/// What a patch text turned out to be.
enum Content {
    StrategicMerge(Vec<Resource>),
    Json(Vec<Operation>),
}

/// Applies one entry of `patches` (api internal/builtins/PatchTransformer.go).
///
/// # Errors
/// A text that is no patch, a target that is missing or ambiguous, a patch that does not apply.
pub(crate) fn apply(
    build: &mut Build,
    resources: &mut Vec<Resource>,
    entry: &Located<Patch>,
    file: &File,
    loader: &Loader<'_>,
) -> Result<()> {
    let at = file.place_of(entry);
    let patch = &entry.value;
    let (documents, shown) = read(patch, file, loader, &at)?;
    let selector = patch.target.as_ref().map(|target| Selector::new(&target.value, &file.place_of(target)));
    let selector = selector.transpose()?;
    match (classify(documents, &shown, &at)?, selector) {
        (Content::Json(_), None) => {
            Err(Problem::at(&at, format!("must specify a target for JSON patch {shown}")).into())
        }
        (Content::Json(operations), Some(selector)) => {
            let mut selected = 0;
            for resource in resources.iter_mut().filter(|resource| selector.matches(resource)) {
                selected += 1;
                resource.store_previous_id();
                apply_json(resource, &operations)?;
            }
            warn_if_unused(build, selected, &at);
            Ok(())
        }
        (Content::StrategicMerge(patches), None) => {
            for patch_resource in &patches {
                apply_by_id(build, resources, patch_resource, patch.options)?;
            }
            Ok(())
        }
        (Content::StrategicMerge(patches), Some(selector)) => match patches.as_slice() {
            [] => Ok(()),
            [one] => {
                let selected: BTreeSet<usize> =
                    (0..resources.len()).filter(|index| selector.matches(&resources[*index])).collect();
                warn_if_unused(build, selected.len(), &at);
                apply_to_selected(build, resources, &selected, one, patch.options)
            }
            _ => {
                let message = format!(
                    "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {shown}"
                );
                Err(Problem::at(&at, message).into())
            }
        },
    }
}

fn warn_if_unused(build: &mut Build, selected: usize, at: &Place) {
    if selected == 0 {
        let warning =
            Problem::at(at, "the target of this patch selects no object, and the patch changes nothing");
        build.warnings.push(warning);
    }
}

/// Applies one entry of `patchesStrategicMerge`: a path, or the patch itself
/// (api internal/builtins/PatchStrategicMergeTransformer.go).
///
/// # Errors
/// As [`apply`].
pub(crate) fn apply_strategic_merge(
    build: &mut Build,
    resources: &mut Vec<Resource>,
    entry: &Located<String>,
    file: &File,
    loader: &Loader<'_>,
) -> Result<()> {
    let at = file.place_of(entry);
    let inline = inline_documents(&entry.value, &at)
        .ok()
        .filter(|documents| documents.iter().all(|document| document.as_map().is_some()));
    let documents = match inline {
        Some(documents) if !documents.is_empty() => documents,
        _ => {
            let (name, _) = loader.load(&entry.value, &at)?;
            loader.documents(&name)?
        }
    };
    for patch in super::build::objects(documents)? {
        let target = find_target(resources, &patch).map_err(|message| Problem::at(patch.place(), message))?;
        apply_to_selected(build, resources, &BTreeSet::from([target]), &patch, PatchOptions::default())?;
    }
    Ok(())
}

/// Applies one entry of `patchesJson6902` (api internal/builtins/PatchJson6902Transformer.go).
///
/// # Errors
/// As [`apply`].
pub(crate) fn apply_json6902(
    build: &mut Build,
    resources: &mut [Resource],
    entry: &Located<Patch>,
    file: &File,
    loader: &Loader<'_>,
) -> Result<()> {
    let at = file.place_of(entry);
    let named = entry.value.target.as_ref().filter(|target| !target.value.name.is_empty());
    let target = named.ok_or_else(|| Problem::at(&at, "must specify the target name"))?;
    let (documents, shown) = read(&entry.value, file, loader, &at)?;
    let operations = documents.first().map(jsonpatch::decode).transpose()?.unwrap_or_default();
    if operations.is_empty() {
        return Err(Problem::at(&at, format!("patch appears to be empty; {shown}")).into());
    }
    let selector = Selector::new(&target.value, &file.place_of(target))?;
    let mut selected = 0;
    for resource in resources.iter_mut().filter(|resource| selector.matches(resource)) {
        selected += 1;
        apply_json(resource, &operations)?;
    }
    warn_if_unused(build, selected, &at);
    Ok(())
}

/// The documents of a patch, and how messages show where they come from.
fn read(patch: &Patch, file: &File, loader: &Loader<'_>, at: &Place) -> Result<(Vec<Node>, String)> {
    let given =
        |text: &Option<Located<String>>| text.as_ref().is_some_and(|text| !text.value.trim().is_empty());
    match (&patch.patch, &patch.path) {
        (Some(_), Some(_)) if given(&patch.patch) && given(&patch.path) => {
            Err(Problem::at(at, "patch and path can't be set at the same time").into())
        }
        (Some(inline), _) if given(&patch.patch) => {
            let shown = format!("[patch: {:?}]", inline.value.trim());
            ensure_json(inline.value.trim().as_bytes(), &shown, &file.place_of(inline))?;
            let documents = inline_documents(&inline.value, &file.place_of(inline)).map_err(|problem| {
                let message = format!("unable to parse SM or JSON patch from {shown}: {}", problem.message);
                Problem { message, ..problem }
            })?;
            Ok((documents, shown))
        }
        (_, Some(path)) if given(&patch.path) => {
            let place = file.place_of(path);
            let (name, text) = loader.load(&path.value, &place).map_err(|error| match error {
                Error::Invalid(problem) => {
                    let message = format!(
                        "failed to get the patch file from path({}): {}",
                        path.value, problem.message
                    );
                    Problem { message, ..problem }.into()
                }
                other @ Error::NotImplemented { .. } => other,
            })?;
            let shown = format!("[path: {:?}]", path.value);
            ensure_json(&text, &shown, &place)?;
            Ok((loader.documents(&name)?, shown))
        }
        _ => Err(Problem::at(at, "must specify one of patch and path").into()),
    }
}

/// What begins with `[` is read as JSON, and not as the YAML that a list in braces is otherwise
/// (PatchTransformer.go: jsonPatchFromBytes).
fn ensure_json(text: &[u8], shown: &str, at: &Place) -> Result<()> {
    match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        Err(error) if text.starts_with(b"[") => {
            let message = format!("unable to parse SM or JSON patch from {shown}: {error}");
            let help =
                "what begins with `[` must be JSON: quote its keys and texts, or write a list of `- op: …`";
            Err(Problem::at(at, message).with_help(help).into())
        }
        Err(_) | Ok(_) => Ok(()),
    }
}

/// A patch is a list of operations, or objects; an empty one is neither and changes nothing.
fn classify(documents: Vec<Node>, shown: &str, at: &Place) -> Result<Content> {
    match documents.first() {
        Some(first) if first.as_seq().is_some() => jsonpatch::decode(first).map(Content::Json),
        Some(first) if first.as_map().is_none() => {
            Err(Problem::at(at, format!("unable to parse SM or JSON patch from {shown}")).into())
        }
        _ => super::build::objects(documents).map(Content::StrategicMerge).map_err(|error| {
            let problem = error.into_problem();
            let message = format!("unable to parse SM or JSON patch from {shown}: {}", problem.message);
            Problem { message, ..problem }.into()
        }),
    }
}

/// The documents of a text that stands in another file, placed where they stand in that file.
fn inline_documents(text: &str, at: &Place) -> std::result::Result<Vec<Node>, Problem> {
    let start = Inline::find(text, at);
    let place = |place: &Place| start.as_ref().map_or_else(|| at.clone(), |start| start.place(place, at));
    match yaml::parse(&at.source.name, text.as_bytes()) {
        Ok(mut documents) => {
            for document in &mut documents {
                relocate(document, &place);
            }
            Ok(documents)
        }
        Err(problem) => {
            let moved = problem.place.as_ref().filter(|old| old.line > 0).map_or_else(|| at.clone(), place);
            Err(Problem { place: Some(moved), ..problem })
        }
    }
}

/// Where a block scalar's text starts in its file.
struct Inline {
    line: u32,
    indent: u32,
}

impl Inline {
    /// `None` for a text that does not stand in the file line by line, such as a quoted one.
    fn find(text: &str, at: &Place) -> Option<Self> {
        let first = text.lines().next()?;
        let lines: Vec<&str> =
            at.source.text.lines().skip(at.line.saturating_sub(1) as usize).take(2).collect();
        let found = lines
            .iter()
            .position(|line| line.trim_start().trim_end() == first.trim() && !first.trim().is_empty())?;
        let indent =
            lines[found].len() - lines[found].trim_start().len() - (first.len() - first.trim_start().len());
        Some(Self { line: at.line + found as u32, indent: u32::try_from(indent).ok()? })
    }

    fn place(&self, inner: &Place, at: &Place) -> Place {
        Place {
            source: at.source.clone(),
            line: self.line + inner.line.saturating_sub(1),
            column: self.indent + inner.column,
        }
    }
}

fn relocate(node: &mut Node, place: &impl Fn(&Place) -> Place) {
    node.place = place(&node.place);
    match &mut node.value {
        Value::Map(map) => map.values_mut().for_each(|value| relocate(value, place)),
        Value::Seq(items) => items.iter_mut().for_each(|item| relocate(item, place)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
    }
}

/// A patch whose own id names the object; an error is told like kustomize does.
fn apply_by_id(
    build: &mut Build,
    resources: &mut Vec<Resource>,
    patch: &Resource,
    options: PatchOptions,
) -> Result<()> {
    let index = find_target(resources, patch).map_err(|why| {
        let message = format!("no resource matches strategic merge patch \"{}\": {why}", patch.id());
        Problem::at(patch.place(), message)
    })?;
    build.charge(size(&patch.node), patch.place())?;
    if !merge_into(&mut resources[index], &patch.node, options)? {
        resources.remove(index);
    }
    Ok(())
}

fn find_target(resources: &[Resource], patch: &Resource) -> std::result::Result<usize, String> {
    let id = patch.id();
    let matches: Vec<usize> =
        (0..resources.len()).filter(|index| resources[*index].any_id(|other| other.same(&id))).collect();
    match matches.as_slice() {
        [one] => Ok(*one),
        [] => Err(format!("no matches for Id {id}; failed to find unique target for patch {id}")),
        _ => Err(format!("multiple matches for Id {id}; failed to find unique target for patch {id}")),
    }
}

/// Applies a patch to objects that were selected some other way; what it says about their identity
/// does not count (api resmap/reswrangler.go: ApplySmPatch).
fn apply_to_selected(
    build: &mut Build,
    resources: &mut Vec<Resource>,
    selected: &BTreeSet<usize>,
    patch: &Resource,
    options: PatchOptions,
) -> Result<()> {
    build.charge(size(&patch.node).saturating_mul(selected.len()), patch.place())?;
    let mut patch_node = patch.node.clone();
    normalise_metadata_map(&mut patch_node, "labels");
    normalise_metadata_map(&mut patch_node, "annotations");
    let old = std::mem::take(resources);
    let mut kept = Vec::with_capacity(old.len());
    for (index, mut resource) in old.into_iter().enumerate() {
        if selected.contains(&index) {
            let place = patch_node.place.clone();
            let version = text_at(&resource.node, &["apiVersion"]).into_owned();
            let map = patch_node.as_map_mut().expect("a patch is a mapping");
            set_text(map, "apiVersion", &version, &place);
            if !merge_into(&mut resource, &patch_node, options)? {
                continue;
            }
        }
        kept.push(resource);
    }
    append_all(resources, kept, patch.place())
}

/// Merges and restores what a patch may not change; false if the patch deletes the object
/// (api resource/resource.go: ApplySmPatch).
fn merge_into(resource: &mut Resource, patch: &Node, options: PatchOptions) -> Result<bool> {
    let (name, namespace, kind) =
        (resource.name().into_owned(), resource.namespace().into_owned(), resource.kind().into_owned());
    let name_place = resource.place().clone();
    let place = resource.node.place.clone();
    if options.allow_name_change || options.allow_kind_change {
        resource.store_previous_id();
    }
    let before = resource.history.shared.before(&resource.node);
    let object = std::mem::replace(&mut resource.node, Node::new(Value::Null, place.clone()));
    let Some(merged) = merge::apply(object, patch)? else { return Ok(false) };
    resource.node = merged;
    resource.history.shared.follow(&mut resource.node, before);
    if resource.node.as_map().is_none_or(yaml::Map::is_empty) {
        return Ok(false);
    }
    if !options.allow_kind_change {
        let map = resource.node.as_map_mut().expect("the object was just seen to be a mapping");
        set_text(map, "kind", &kind, &place);
    }
    if !options.allow_name_change {
        set_text(metadata_mut(&mut resource.node), "name", &name, &name_place);
    }
    resource.set_namespace(&namespace, &name_place);
    Ok(true)
}

/// kustomize keeps its notes in the object's annotations, which therefore exist while a JSON patch
/// runs once there is a note.
fn apply_json(resource: &mut Resource, operations: &[Operation]) -> Result<()> {
    if !resource.history.is_empty() {
        let place = resource.node.place.clone();
        let metadata = metadata_mut(&mut resource.node);
        metadata
            .entry("annotations".to_owned())
            .or_insert_with(|| Node::new(Value::Map(yaml::Map::new()), place));
    }
    jsonpatch::apply(&mut resource.node, operations)?;
    resource.history.shared.clear();
    normalise_metadata_map(&mut resource.node, "annotations");
    Ok(())
}
