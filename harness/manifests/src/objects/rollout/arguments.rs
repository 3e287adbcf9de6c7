//! The arguments that a Rollout hands to an AnalysisRun (argo-rollouts v1.10.1 `utils/analysis/factory.go:
//! BuildArgumentsForRolloutAnalysisRun`, kubernetes `pkg/fieldpath/fieldpath.go`).

use serde_json::Value as Json;
use strconv::quote;

use super::super::analysis::Argument;
use super::super::go;
use super::super::names::qualified_name;
use super::{PodTemplateHash, Rollout, RunArgument};

impl Rollout {
    /// The Rollout's arguments as validation sees them, with stand-ins for hashes and fields. One path into the
    /// metadata that leads nowhere leaves none at all (`buildAnalysisArgs`).
    pub(super) fn placeholder_arguments(&self, args: &[RunArgument]) -> Vec<Argument> {
        if args.iter().any(RunArgument::leads_nowhere) {
            return Vec::new();
        }
        args.iter().map(|argument| Argument::with_value(&argument.name, &argument.value)).collect()
    }

    /// The arguments of an AnalysisRun that is created now. `live` is the Rollout as the API server has it,
    /// for arguments that refer to its fields.
    ///
    /// # Errors
    /// A path into the metadata that leads nowhere, and the last path of all, where that one leads nowhere, in
    /// upstream's words. Upstream panics of a negative index, which is an error here.
    pub fn run_arguments(
        args: &[RunArgument],
        latest_hash: &str,
        stable_hash: &str,
        live: &Json,
    ) -> Result<Vec<Argument>, String> {
        let (mut built, mut last) = (Vec::with_capacity(args.len()), Ok(()));
        for argument in args {
            let source = argument.value_from.as_ref();
            let hash = source.and_then(|source| source.pod_template_hash_value.as_ref());
            let path = argument.path();
            let value = match (hash, path) {
                (Some(PodTemplateHash::Latest), _) => latest_hash.to_owned(),
                (Some(PodTemplateHash::Stable), _) => stable_hash.to_owned(),
                (Some(PodTemplateHash::Other(_)), _) | (None, None) => argument.value.clone(),
                (None, Some(path)) if path.starts_with("metadata") => {
                    last = Ok(());
                    metadata_field(&live["metadata"], path)?
                }
                (None, Some(path)) => {
                    let found = field_text(&encoded(live), path);
                    last = found.as_ref().map(|_| ()).map_err(String::clone);
                    found.unwrap_or_default()
                }
            };
            built.push(Argument::with_value(&argument.name, value));
        }
        last.map(|()| built)
    }
}

impl RunArgument {
    /// The path of the field that it refers to.
    fn path(&self) -> Option<&str> {
        Some(self.value_from.as_ref()?.field_ref.as_ref()?.field_path.as_str())
    }

    /// Whether it refers to a field of the metadata that cannot be referred to.
    pub(super) fn leads_nowhere(&self) -> bool {
        let path = self.path().filter(|path| path.starts_with("metadata"));
        path.is_some_and(|path| metadata_field(&Json::Null, path).is_err())
    }
}

/// A field of the metadata as the downward API gives it (`ExtractFieldPathAsString`). Whether there is an error
/// depends on the path alone.
fn metadata_field(metadata: &Json, path: &str) -> Result<String, String> {
    let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    if let Some((map, key)) = subscripted(path) {
        let wrong = match map {
            "metadata.annotations" => qualified_name(&key.to_lowercase()),
            "metadata.labels" => qualified_name(key),
            _ => return Err(format!("fieldPath {} does not support subscript", quote(path))),
        };
        if !wrong.is_empty() {
            return Err(format!("invalid key subscript in {path}: {}", wrong.join(";")));
        }
        let map = map.trim_start_matches("metadata.");
        return Ok(metadata[map][key].as_str().unwrap_or_default().to_owned());
    }
    match path {
        "metadata.labels" | "metadata.annotations" => {
            let entries = metadata[path.trim_start_matches("metadata.")].as_object().into_iter().flatten();
            let lines =
                entries.map(|(key, value)| format!("{key}={}", quote(value.as_str().unwrap_or_default())));
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
        "metadata.name" => Ok(text("name")),
        "metadata.namespace" => Ok(text("namespace")),
        "metadata.uid" => Ok(text("uid")),
        _ => Err(format!("unsupported fieldPath: {path}")),
    }
}

/// A path that ends with a key in brackets, and the key (`SplitMaybeSubscriptedPath`).
fn subscripted(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['").filter(|(map, _)| !map.is_empty())
}

/// The Rollout as upstream looks into it. What comes from a `workloadRef` is not in it (`RolloutSpec.MarshalJSON`).
fn encoded(live: &Json) -> Json {
    let mut encoded = go::reencode("rollouts.Rollout", live);
    if let Some(spec) = encoded["spec"].as_object_mut()
        && spec.contains_key("workloadRef")
    {
        spec.remove("template");
    }
    encoded
}

/// `extractValueFromRollout`: a path of keys and indices, which must end at a plain value.
fn field_text(rollout: &Json, path: &str) -> Result<String, String> {
    let invalid = || format!("invalid path {path} in rollout");
    let mut found = rollout;
    for section in path.split(['.', '[', ']']).filter(|section| !section.is_empty()) {
        found = match found {
            Json::Array(items) => {
                let index: i64 = section.parse().map_err(|_| format!("invalid index '{section}'"))?;
                let item = usize::try_from(index).ok().and_then(|index| items.get(index));
                item.ok_or_else(|| format!("index {index} out of range"))?
            }
            Json::Object(map) => map.get(section).unwrap_or(&Json::Null),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => return Err(invalid()),
        };
    }
    match found {
        Json::Null => Err(invalid()),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Number(value) => Ok(strconv::shortest(value.as_f64().unwrap_or_default())),
        Json::String(value) => Ok(value.clone()),
        Json::Array(_) | Json::Object(_) => {
            Err(format!("path {path} in rollout must terminate in a primitive value"))
        }
    }
}
