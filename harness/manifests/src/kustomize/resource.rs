//! Resources on their way through a build, and how they are identified.

use std::borrow::Cow;
use std::fmt;

use yaml::{Map, Node, Place, Value};

use super::schema;
use super::shared::Shared;

/// Group, version and kind; as a selector, an empty part matches anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gvk<'a> {
    pub(crate) group: Cow<'a, str>,
    pub(crate) version: Cow<'a, str>,
    pub(crate) kind: Cow<'a, str>,
}

impl Gvk<'_> {
    /// Whether `selector` selects this (kyaml resid/gvk.go: IsSelected).
    pub(crate) fn is_selected(&self, selector: &Gvk<'_>) -> bool {
        let part = |selector: &str, own: &str| selector.is_empty() || selector == own;
        part(&selector.group, &self.group)
            && part(&selector.version, &self.version)
            && part(&selector.kind, &self.kind)
    }
}

/// `Kind.version.group`, as kustomize writes it in messages.
impl fmt::Display for Gvk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or =
            |text: &str, none: &'static str| if text.is_empty() { none.to_owned() } else { text.to_owned() };
        let (kind, version) = (or(&self.kind, "[noKind]"), or(&self.version, "[noVer]"));
        write!(f, "{kind}.{version}.{}", or(&self.group, "[noGrp]"))
    }
}

/// What tells one object from another (kyaml resid/resid.go).
#[derive(Debug, Clone)]
pub(crate) struct Id<'a> {
    pub(crate) gvk: Gvk<'a>,
    pub(crate) name: Cow<'a, str>,
    /// The namespace as written; empty for none.
    pub(crate) namespace: Cow<'a, str>,
    /// Whether the kind is known to live outside namespaces. Former ids never know.
    pub(crate) cluster_scoped: bool,
}

/// The stand-in for a namespace of objects that have none.
const NO_NAMESPACE: &str = "_non_namespaceable_";

impl Id<'_> {
    /// The namespace that comparisons use.
    pub(crate) fn effective_namespace(&self) -> &str {
        match (self.cluster_scoped, self.namespace.as_ref()) {
            (true, _) => NO_NAMESPACE,
            (false, "") => "default",
            (false, namespace) => namespace,
        }
    }

    pub(crate) fn same_namespace(&self, other: &Id<'_>) -> bool {
        self.effective_namespace() == other.effective_namespace()
    }

    pub(crate) fn same(&self, other: &Id<'_>) -> bool {
        self.name == other.name && self.gvk == other.gvk && self.same_namespace(other)
    }
}

/// `Kind.version.group/name.namespace`, as kustomize writes it in messages.
impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "[noName]" } else { &self.name };
        let namespace = if self.namespace.is_empty() { "[noNs]" } else { &self.namespace };
        write!(f, "{}/{name}.{namespace}", self.gvk)
    }
}

/// The id that a resource had before a transformer changed its name, namespace or kind.
#[derive(Debug, Clone)]
pub(crate) struct PreviousId {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) kind: String,
}

/// What a generated resource does to one of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behavior {
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    /// Any other word counts as unspecified (types/generationbehavior.go: NewGenerationBehavior).
    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => Self::Unspecified,
        }
    }
}

impl fmt::Display for Behavior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        })
    }
}

/// What a build remembers about a resource beside its content. kustomize keeps this in annotations
/// of the object and removes them at the end (api resource/resource.go: BuildAnnotations).
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) previous: Vec<PreviousId>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    /// Whether the content hash is appended to the name at the end.
    pub(crate) needs_hash: bool,
    /// Set for what a generator made.
    pub(crate) behavior: Option<Behavior>,
    /// Fields that hold one scalar.
    pub(crate) shared: Shared,
}

impl History {
    /// Whether kustomize would have put an annotation on the object by now.
    pub(crate) fn is_empty(&self) -> bool {
        self.previous.is_empty()
            && self.prefixes.is_empty()
            && self.suffixes.is_empty()
            && !self.needs_hash
            && self.behavior.is_none()
    }
}

/// One object and what the build knows about it.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) node: Node,
    pub(crate) history: History,
}

impl Resource {
    pub(crate) fn new(node: Node) -> Self {
        Self { node, history: History::default() }
    }

    pub(crate) fn gvk(&self) -> Gvk<'_> {
        let api_version = text_at(&self.node, &["apiVersion"]);
        let (group, version) = split_api_version(api_version);
        Gvk { group, version, kind: self.kind() }
    }

    pub(crate) fn kind(&self) -> Cow<'_, str> {
        text_at(&self.node, &["kind"])
    }

    pub(crate) fn name(&self) -> Cow<'_, str> {
        text_at(&self.node, &["metadata", "name"])
    }

    pub(crate) fn namespace(&self) -> Cow<'_, str> {
        text_at(&self.node, &["metadata", "namespace"])
    }

    /// What identifies it now.
    pub(crate) fn id(&self) -> Id<'_> {
        let gvk = self.gvk();
        let cluster_scoped = schema::is_cluster_scoped(&gvk.group, &gvk.version, &gvk.kind);
        Id { gvk, name: self.name(), namespace: self.namespace(), cluster_scoped }
    }

    /// What identified it before, oldest first.
    pub(crate) fn previous_ids(&self) -> impl Iterator<Item = Id<'_>> {
        let gvk = self.gvk();
        self.history.previous.iter().map(move |previous| Id {
            gvk: Gvk { kind: Cow::Borrowed(&previous.kind), ..gvk.clone() },
            name: Cow::Borrowed(&previous.name),
            namespace: Cow::Borrowed(&previous.namespace),
            cluster_scoped: false,
        })
    }

    /// What identified it when it was read.
    pub(crate) fn original_id(&self) -> Id<'_> {
        self.previous_ids().next().unwrap_or_else(|| self.id())
    }

    /// Whether some id of it, former or present, passes.
    pub(crate) fn any_id(&self, passes: impl Fn(&Id<'_>) -> bool) -> bool {
        self.previous_ids().any(|id| passes(&id)) || passes(&self.id())
    }

    /// Remembers the present id as a former one.
    pub(crate) fn store_previous_id(&mut self) {
        let id = self.id();
        let previous = PreviousId {
            name: id.name.to_string(),
            namespace: id.effective_namespace().to_owned(),
            kind: id.gvk.kind.to_string(),
        };
        self.history.previous.push(previous);
    }

    pub(crate) fn set_name(&mut self, name: &str, place: &Place) {
        set_text(metadata_mut(&mut self.node), "name", name, place);
    }

    /// An empty namespace takes the field away.
    pub(crate) fn set_namespace(&mut self, namespace: &str, place: &Place) {
        let metadata = metadata_mut(&mut self.node);
        if namespace.is_empty() {
            metadata.shift_remove("namespace");
        } else {
            set_text(metadata, "namespace", namespace, place);
        }
    }

    /// The place of its name, or of the whole object.
    pub(crate) fn place(&self) -> &Place {
        &self.node.at(&["metadata", "name"]).unwrap_or(&self.node).place
    }
}

/// `group/version` in its parts; the core group is empty.
pub(crate) fn split_api_version(api_version: Cow<'_, str>) -> (Cow<'_, str>, Cow<'_, str>) {
    match api_version {
        Cow::Borrowed(text) => {
            let (group, version) = text.split_once('/').unwrap_or(("", text));
            (Cow::Borrowed(group), Cow::Borrowed(version))
        }
        Cow::Owned(text) => {
            let (group, version) = text.split_once('/').unwrap_or(("", &text));
            (Cow::Owned(group.to_owned()), Cow::Owned(version.to_owned()))
        }
    }
}

/// The scalar at a path as the text that YAML shows; empty for anything else.
pub(crate) fn text_at<'a>(node: &'a Node, path: &[&str]) -> Cow<'a, str> {
    node.at(path).map_or(Cow::Borrowed(""), text)
}

/// A scalar as the text that stands in the file: kustomize compares `80` with `"80"` and keeps the
/// `1.10` of an annotation. Empty for lists and mappings.
pub(crate) fn text(node: &Node) -> Cow<'_, str> {
    match &node.value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Seq(_) | Value::Map(_) => Cow::Borrowed(""),
        Value::Null => Cow::Borrowed(written(node).unwrap_or(if in_quotes(node) { "null" } else { "" })),
        Value::Bool(value) => written(node).map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed),
        Value::Int(value) => written(node).map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed),
        Value::Float(value) => written(node).map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed),
    }
}

/// Whether a text is written in quotes or as a block, as far as can be told: a text that would be
/// read as something else must be.
pub(crate) fn is_quoted(node: &Node) -> bool {
    let Value::String(text) = &node.value else { return false };
    let reads_as_text = || match yaml::parse_one("", text.as_bytes()) {
        Ok(plain) => plain.as_str() == Some(text),
        Err(_) => false,
    };
    in_quotes(node) || (text.len() < 40 && !reads_as_text())
}

/// Whether the place is that of a text which holds the node, such as a patch in quotes.
fn in_quotes(node: &Node) -> bool {
    let start = (node.place.column as usize).saturating_sub(1);
    let first = node.place.line_text().and_then(|line| line.chars().nth(start));
    matches!(first, Some('"' | '\'' | '|' | '>'))
}

/// The plain scalar as it stands in the file, if the place leads to one.
fn written(node: &Node) -> Option<&str> {
    let line = node.place.line_text()?;
    let start = line.char_indices().nth((node.place.column as usize).checked_sub(1)?)?.0;
    let rest = &line[start..];
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._~".contains(c))).unwrap_or(rest.len());
    let word = &rest[..end];
    let same = match &node.value {
        Value::Null => matches!(word, "~" | "null" | "Null" | "NULL"),
        Value::Bool(_) => word.bytes().all(|byte| byte.is_ascii_alphabetic()),
        Value::Int(_) | Value::Float(_) => word.bytes().any(|byte| byte.is_ascii_digit()),
        Value::String(_) | Value::Seq(_) | Value::Map(_) => false,
    };
    (same && !word.is_empty()).then_some(word)
}

/// The mapping under `metadata`, made if missing.
pub(crate) fn metadata_mut(node: &mut Node) -> &mut Map {
    let place = node.place.clone();
    map_entry(node, "metadata", &place)
}

/// The mapping under `key`, made at `place` if missing; anything else there gives way.
pub(crate) fn map_entry<'a>(node: &'a mut Node, key: &str, place: &Place) -> &'a mut Map {
    if node.as_map().is_none() {
        node.value = Value::Map(Map::new());
    }
    let map = node.as_map_mut().expect("the value was just made a mapping");
    let entry = map.entry(key.to_owned()).or_insert_with(|| Node::new(Value::Map(Map::new()), place.clone()));
    if entry.as_map().is_none() {
        entry.value = Value::Map(Map::new());
    }
    entry.as_map_mut().expect("the value was just made a mapping")
}

/// Sets a text; where it is there already, it keeps its place.
pub(crate) fn set_text(map: &mut Map, key: &str, value: &str, place: &Place) {
    if map.get(key).and_then(Node::as_str) != Some(value) {
        map.insert(key.to_owned(), Node::new(Value::String(value.to_owned()), place.clone()));
    }
}

/// Makes every value of `metadata.<field>` text, and takes an empty mapping away
/// (kyaml yaml/rnode.go: setMapInMetadata, which every build runs over the annotations).
pub(crate) fn normalise_metadata_map(node: &mut Node, field: &str) {
    let Some(metadata) = node.at_mut(&["metadata"]).and_then(Node::as_map_mut) else { return };
    let Some(map) = metadata.get_mut(field) else { return };
    match map.as_map_mut() {
        Some(map) if !map.is_empty() => {
            for value in map.values_mut() {
                value.value = Value::String(text(value).into_owned());
            }
        }
        _ => {
            metadata.shift_remove(field);
        }
    }
}

/// How many values a tree holds.
pub(crate) fn size(node: &Node) -> usize {
    match &node.value {
        Value::Seq(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(map) => 1 + map.values().map(size).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => 1,
    }
}
