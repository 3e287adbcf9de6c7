//! The desired state of one object, as Argo CD makes it of a rendered manifest.

use std::sync::Arc;

use manifests::objects::{ApiVersion, ObjectKey, api_version, object_key};
use yaml::{Map, Node, Problem, Value};

use crate::api::Object;

/// The annotation that says which Application an object belongs to.
const TRACKING: &str = "argocd.argoproj.io/tracking-id";
const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
const COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";
const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
const HOOK: &str = "argocd.argoproj.io/hook";
const HELM_HOOK: &str = "helm.sh/hook";
pub(super) const IGNORE_HEALTH: &str = "argocd.argoproj.io/ignore-healthcheck";

/// The desired state of one object.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) key: ObjectKey,
    pub(super) api: ApiVersion,
    /// With its namespace and the tracking annotation.
    pub(super) manifest: Arc<Node>,
}

impl Target {
    /// Makes the desired state of a rendered manifest: the namespace is filled in, the tracking
    /// annotation is added, and what no apply ever writes (nulls, the status) is dropped
    /// (argo-cd reposerver/repository/repository.go: GenerateManifests).
    ///
    /// # Errors
    /// A manifest that is no object.
    pub(super) fn new(mut node: Node, app: &str, namespace: &str) -> Result<Self, Problem> {
        let api = api_version(&node)?;
        let key = object_key(&node)?.defaulted_to(namespace);
        drop_nulls(&mut node);
        if let Some(map) = node.as_map_mut() {
            map.shift_remove("status");
        }
        let tracking = tracking_id(app, &key, namespace);
        if let Some(metadata) = entry(&mut node, "metadata") {
            match &key.namespace {
                Some(namespace) => set_text(metadata, "namespace", namespace),
                None => remove(metadata, "namespace"),
            }
            if let Some(annotations) =
                entry(metadata, "annotations").filter(|_| &*key.kind != "CustomResourceDefinition")
            {
                set_text(annotations, TRACKING, &tracking);
            }
        }
        Ok(Self { key, api, manifest: Arc::new(node) })
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.manifest.str_at(&["metadata", "annotations", name])
    }

    /// The kinds of hook that it is, as written; `None` for an ordinary object.
    pub(super) fn hook(&self) -> Option<&str> {
        self.annotation(HOOK).or_else(|| self.annotation(HELM_HOOK))
    }

    /// Its sync wave; 0 where none is given (gitops-engine pkg/sync/syncwaves).
    pub(super) fn wave(&self) -> i64 {
        wave(self.annotation(SYNC_WAVE))
    }

    /// Its sync options as written.
    pub(super) fn sync_options(&self) -> impl Iterator<Item = &str> {
        self.annotation(SYNC_OPTIONS)
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|option| !option.is_empty())
    }
}

/// What an object that exists says through its annotations.
pub(super) mod live {
    use super::{
        COMPARE_OPTIONS, IGNORE_HEALTH, Object, SYNC_OPTIONS, SYNC_WAVE, TRACKING, has_option, wave as parsed,
    };

    /// The Application that it belongs to, if its tracking annotation was written for this very object.
    pub(in super::super) fn application(object: &Object) -> Option<&str> {
        let (app, rest) = object.annotations.get(TRACKING)?.split_once(':')?;
        let (group_kind, namespace_name) = rest.split_once(':')?;
        let (group, kind) = group_kind.split_once('/')?;
        let (_, name) = namespace_name.split_once('/')?;
        let key = &object.key;
        ((group, kind, name) == (&*key.group, &*key.kind, &*key.name)).then_some(app)
    }

    pub(in super::super) fn wave(object: &Object) -> i64 {
        parsed(object.annotations.get(SYNC_WAVE).map(String::as_str))
    }

    pub(in super::super) fn has_sync_option(object: &Object, option: &str) -> bool {
        has_option(object.annotations.get(SYNC_OPTIONS).map(String::as_str), option)
    }

    pub(in super::super) fn has_compare_option(object: &Object, option: &str) -> bool {
        has_option(object.annotations.get(COMPARE_OPTIONS).map(String::as_str), option)
    }

    pub(in super::super) fn ignores_health(object: &Object) -> bool {
        object.annotations.get(IGNORE_HEALTH).is_some_and(|value| value == "true")
    }
}

/// `app:group/Kind:namespace/name`; a cluster-wide object carries the destination's namespace
/// (argo-cd util/argo/resource_tracking.go: BuildAppInstanceValue).
fn tracking_id(app: &str, key: &ObjectKey, namespace: &str) -> String {
    let namespace = key.namespace.as_deref().unwrap_or(namespace);
    format!("{app}:{}/{}:{namespace}/{}", key.group, key.kind, key.name)
}

/// `annotations` are options, separated by commas (gitops-engine pkg/sync/resource: HasAnnotationOption).
fn has_option(annotation: Option<&str>, option: &str) -> bool {
    annotation.is_some_and(|options| options.split(',').any(|set| set.trim() == option))
}

fn wave(annotation: Option<&str>) -> i64 {
    annotation.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn drop_nulls(node: &mut Node) {
    match &mut node.value {
        Value::Map(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Seq(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
    }
}

/// The mapping under a key, made where there is none.
fn entry<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    let place = node.place.clone();
    let map = node.as_map_mut()?;
    Some(map.entry(key.to_owned()).or_insert_with(|| Node::new(Value::Map(Map::new()), place)))
}

fn set_text(node: &mut Node, key: &str, text: &str) {
    let place = node.place.clone();
    if let Some(map) = node.as_map_mut() {
        map.insert(key.to_owned(), Node::new(Value::String(text.to_owned()), place));
    }
}

fn remove(node: &mut Node, key: &str) {
    if let Some(map) = node.as_map_mut() {
        map.shift_remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::new(yaml::parse_one("t.yaml", text.as_bytes()).unwrap(), "llama3", "ai-inference").unwrap()
    }

    #[test]
    fn a_target_carries_its_namespace_and_its_application() {
        let target = target(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: m, creationTimestamp: null}\nspec: {replicas: 1}\nstatus: {}\n",
        );
        assert_eq!(target.manifest.str_at(&["metadata", "namespace"]), Some("ai-inference"));
        assert_eq!(target.annotation(TRACKING), Some("llama3:apps/Deployment:ai-inference/m"));
        assert!(target.manifest.get("status").is_none());
        assert!(target.manifest.at(&["metadata", "creationTimestamp"]).is_none());
    }

    #[test]
    fn options_and_waves_are_read_from_annotations() {
        let target = target(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  annotations:\n    argocd.argoproj.io/sync-wave: '-3'\n    argocd.argoproj.io/sync-options: Prune=false, PruneLast=true\n",
        );
        assert_eq!(target.wave(), -3);
        assert_eq!(target.sync_options().collect::<Vec<_>>(), ["Prune=false", "PruneLast=true"]);
        assert_eq!(target.hook(), None);
    }
}
