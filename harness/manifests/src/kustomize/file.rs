//! The kustomization file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use yaml::{Located, Map, Node, Place, Problem, Value, did_you_mean};

use super::config::FieldSpecEntry;
use super::error::{Error, Result};
use super::loader::Loader;

/// The names of a kustomization file, in the order in which messages name them.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What a kustomization file says (api types/kustomization.go).
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Kustomization {
    api_version: Option<Located<String>>,
    kind: Option<Located<String>>,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    pub(crate) resources: Vec<Located<String>>,
    pub(crate) bases: Vec<Located<String>>,
    pub(crate) components: Vec<Located<String>>,
    pub(crate) configurations: Vec<Located<String>>,
    pub(crate) namespace: Option<Located<String>>,
    pub(crate) name_prefix: Option<Located<String>>,
    pub(crate) name_suffix: Option<Located<String>>,
    pub(crate) labels: Vec<Located<Label>>,
    pub(crate) common_labels: Texts,
    pub(crate) common_annotations: Texts,
    pub(crate) patches: Vec<Located<Patch>>,
    pub(crate) patches_strategic_merge: Vec<Located<String>>,
    pub(crate) patches_json6902: Vec<Located<Patch>>,
    pub(crate) images: Vec<Located<Image>>,
    pub(crate) image_tags: Vec<Located<Image>>,
    pub(crate) replicas: Vec<Located<Replica>>,
    pub(crate) replacements: Vec<Located<ReplacementEntry>>,
    pub(crate) config_map_generator: Vec<Located<Generator>>,
    pub(crate) secret_generator: Vec<Located<Generator>>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) sort_options: Option<Located<SortOptions>>,
}

/// Texts by name, each with its place.
pub(crate) type Texts = BTreeMap<String, Located<String>>;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Label {
    pub(crate) pairs: Texts,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) fields: Vec<FieldSpecEntry>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Patch {
    pub(crate) path: Option<Located<String>>,
    pub(crate) patch: Option<Located<String>>,
    pub(crate) target: Option<Located<Target>>,
    pub(crate) options: PatchOptions,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PatchOptions {
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

/// Regular expressions over what identifies a resource, and label selectors.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) label_selector: String,
    pub(crate) annotation_selector: String,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) new_tag: String,
    pub(crate) tag_suffix: String,
    pub(crate) digest: String,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

/// An entry of `replacements`: one written there, or a file of them.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ReplacementEntry {
    pub(crate) path: Option<Located<String>>,
    pub(crate) source: Option<Located<ReplacementSource>>,
    pub(crate) source_value: Option<Located<String>>,
    pub(crate) targets: Vec<Located<ReplacementTarget>>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ReplacementSource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) field_path: String,
    pub(crate) options: ReplacementOptions,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ReplacementTarget {
    pub(crate) select: Option<Target>,
    pub(crate) reject: Vec<Target>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: ReplacementOptions,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReplacementOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    /// Read and not used, upstream too.
    #[serde(rename = "encoding")]
    _encoding: String,
    pub(crate) create: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Generator {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<Located<String>>,
    pub(crate) files: Vec<Located<String>>,
    pub(crate) envs: Vec<Located<String>>,
    pub(crate) env: Option<Located<String>>,
    pub(crate) options: GeneratorOptions,
    /// For Secrets only.
    pub(crate) r#type: Option<Located<String>>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Texts,
    pub(crate) annotations: Texts,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy_sort_options: Option<LegacySortOptions>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct LegacySortOptions {
    pub(crate) order_first: Vec<String>,
    pub(crate) order_last: Vec<String>,
}

/// Keys that kustomize knows and this implementation does not.
const NOT_IMPLEMENTED: &[&str] = &[
    "vars",
    "crds",
    "openapi",
    "helmCharts",
    "helmGlobals",
    "helmChartInflationGenerator",
    "generators",
    "transformers",
    "validators",
    "buildMetadata",
];

const IMPLEMENTED: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "components",
    "configurations",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "images",
    "imageTags",
    "replicas",
    "replacements",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "sortOptions",
];

/// A kustomization and where it stands.
pub(crate) struct File {
    pub(crate) content: Kustomization,
    /// The whole of the file.
    pub(crate) place: Place,
    pub(crate) component: bool,
}

impl File {
    /// Where something in the file stands.
    pub(crate) fn place_of<T>(&self, located: &Located<T>) -> Place {
        located.place(&self.place.source)
    }
}

/// Reads the kustomization of a directory (api internal/target/kusttarget.go: Load).
///
/// # Errors
/// No file or several, malformed content, unknown keys, keys that are not implemented.
pub(crate) fn load(loader: &Loader<'_>, referred_at: Option<&Place>) -> Result<File> {
    let name = find(loader, referred_at)?;
    let content = loader.tree.get(&name).expect("the file was found in the tree");
    let mut documents = loader.documents(&name)?;
    if let Some(second) = documents.get(1) {
        return Err(Error::not_implemented(
            "a second document of a kustomization, which is ignored,",
            &second.place,
        ));
    }
    let empty = || {
        let place = Place::whole(&yaml::Source::new(name.as_str(), String::from_utf8_lossy(content)));
        Problem::at(&place, format!("{} is empty", FILE_NAMES[0]))
            .with_help("name what belongs to the directory under `resources:`")
    };
    let node = documents.pop().ok_or_else(empty)?;
    let place = node.place.clone();
    let Value::Map(map) = node.value else {
        return Err(node
            .problem(format!("invalid Kustomization: a mapping belongs here, found {}", node.kind()))
            .into());
    };
    let map = spelled_right(map, &place)?;
    if map.keys().all(|key| matches!(key.as_str(), "apiVersion" | "kind")) {
        return Err(empty().into());
    }
    let content = yaml::decode(&Node::new(Value::Map(map), place.clone())).map_err(as_upstream)?;
    let mut file = File { content, place, component: false };
    file.component = check_kind(&file, loader)?;
    Ok(file)
}

fn find(loader: &Loader<'_>, referred_at: Option<&Place>) -> Result<String> {
    let in_root = |name: &str| match loader.root.as_str() {
        "" => name.to_owned(),
        root => format!("{root}/{name}"),
    };
    let mut found =
        FILE_NAMES.iter().map(|name| in_root(name)).filter(|name| loader.tree.get(name).is_some());
    let problem = |message: String| Problem { message, place: referred_at.cloned(), help: None };
    match (found.next(), found.next()) {
        (Some(name), None) => Ok(name),
        (Some(_), Some(_)) => {
            Err(problem(format!("Found multiple kustomization files under: {}", loader.shown())).into())
        }
        (None, _) => {
            let names = "'kustomization.yaml', 'kustomization.yml' or 'Kustomization'";
            let message = format!("unable to find one of {names} in directory '{}'", loader.shown());
            Err(problem(message)
                .with_help("add a kustomization.yaml that names the directory's files under `resources:`")
                .into())
        }
    }
}

/// The entries with the keys as kustomize knows them: it reads keys in any case, and null as
/// nothing at all.
fn spelled_right(map: Map, place: &Place) -> Result<Map> {
    let mut result = Map::with_capacity(map.len());
    for (key, node) in map {
        let known =
            |names: &[&'static str]| names.iter().copied().find(|name| name.eq_ignore_ascii_case(&key));
        if let Some(name) = known(NOT_IMPLEMENTED) {
            if !node.is_null() && !node.as_seq().is_some_and(<[Node]>::is_empty) {
                return Err(Error::not_implemented(format!("`{name}`"), &node.place));
            }
        } else if let Some(name) = known(IMPLEMENTED) {
            result.insert(name.to_owned(), without_nulls(node));
        } else {
            let mut problem = Problem::at(
                &yaml_key_place(&key, &node, place),
                format!("invalid Kustomization: json: unknown field \"{key}\""),
            );
            if let Some(name) = did_you_mean(&key, IMPLEMENTED.iter().chain(NOT_IMPLEMENTED).copied()) {
                problem = problem.with_help(format!("did you mean `{name}`?"));
            }
            return Err(problem.into());
        }
    }
    result.retain(|_, node| !node.is_null());
    Ok(result)
}

/// A top-level key stands at the start of a line, at or above its value.
fn yaml_key_place(key: &str, value: &Node, file: &Place) -> Place {
    let lines = value.place.source.text.lines().take(value.place.line as usize);
    let line = lines.enumerate().filter(|(_, line)| line.starts_with(key)).last();
    line.map_or_else(
        || value.place.clone(),
        |(index, _)| Place { line: index as u32 + 1, column: 1, ..file.clone() },
    )
}

fn without_nulls(node: Node) -> Node {
    let value = match node.value {
        Value::Map(map) => Value::Map(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        Value::Seq(items) => Value::Seq(items.into_iter().map(without_nulls).collect()),
        scalar => scalar,
    };
    Node { value, ..node }
}

fn as_upstream(problem: Problem) -> Problem {
    let message = match problem.message.strip_prefix("unknown key `").and_then(|rest| rest.strip_suffix('`'))
    {
        Some(key) => format!("invalid Kustomization: json: unknown field \"{key}\""),
        None => format!("invalid Kustomization: {}", problem.message),
    };
    Problem { message, ..problem }
}

/// Whether the file is a component (api types/kustomization.go: EnforceFields).
fn check_kind(file: &File, loader: &Loader<'_>) -> Result<bool> {
    let under = format!("Failed to read kustomization file under {}:\n", loader.shown());
    let component = match &file.content.kind {
        None => false,
        Some(kind) => match kind.value.as_str() {
            "" | "Kustomization" => false,
            "Component" => true,
            _ => {
                let message = format!("{under}kind should be Kustomization or Component");
                return Err(Problem::at(&file.place_of(kind), message).into());
            }
        },
    };
    let (kind, required) = match component {
        true => ("Component", "kustomize.config.k8s.io/v1alpha1"),
        false => ("Kustomization", "kustomize.config.k8s.io/v1beta1"),
    };
    match &file.content.api_version {
        Some(version) if !version.value.is_empty() && version.value != required => {
            let message = format!("{under}apiVersion for {kind} should be {required}");
            Err(Problem::at(&file.place_of(version), message).into())
        }
        _ => Ok(component),
    }
}
