//! What a container starts with: its environment, and what keeps it from starting.

use std::collections::BTreeMap;

use manifests::objects::pod::{EnvVar, VolumeItem};
use manifests::objects::{self, Container, PodSpec};

use crate::World;
use crate::analysis::decode_base64;
use crate::api::Object;

/// How the reason of a pod begins whose environment refers to something that is not there.
const CONFIG_ERROR: &str = "CreateContainerConfigError: ";

/// How the reason of a pod begins that waits for a volume.
const MOUNT_ERROR: &str = "FailedMount: ";

/// Whether a pod waits for something that it refers to and that is not there.
pub(super) fn is_missed(reason: &str) -> bool {
    reason.starts_with(CONFIG_ERROR) || reason.starts_with(MOUNT_ERROR)
}

/// What the kubelet says of the first ConfigMap or Secret, or entry of one, that a pod needs and that is
/// not there. Volumes are mounted before any container starts
/// (kubernetes pkg/volume/{configmap,secret}, pkg/kubelet/kubelet_pods.go: makeEnvironmentVariables).
pub(super) fn missing(world: &World<'_>, pod: &Object, spec: &PodSpec) -> Option<String> {
    let namespace = pod.key.namespace.as_deref();
    let unmounted = spec.volumes.iter().find_map(|volume| {
        let map = volume.config_map.as_ref().filter(|map| !map.optional);
        let secret = volume.secret.as_ref().filter(|secret| !secret.optional);
        let map = map.and_then(|map| unmountable(world, Kind::ConfigMap, namespace, &map.name, &map.items));
        let why = map.or_else(|| {
            secret.and_then(|secret| {
                unmountable(world, Kind::Secret, namespace, &secret.secret_name, &secret.items)
            })
        })?;
        Some(format!("{MOUNT_ERROR}MountVolume.SetUp failed for volume \"{}\" : {why}", volume.name))
    });
    unmounted.or_else(|| {
        let mut containers = spec.init_containers.iter().chain(&spec.containers);
        let why = containers.find_map(|container| unresolved(world, namespace, container))?;
        Some(format!("{CONFIG_ERROR}{why}"))
    })
}

fn unmountable(
    world: &World<'_>,
    kind: Kind,
    namespace: Option<&str>,
    name: &str,
    items: &[VolumeItem],
) -> Option<String> {
    let Some(found) = find(world, kind, namespace, name) else { return Some(kind.not_found(name)) };
    let absent = items.iter().find(|item| !found.has(&item.key))?;
    let of = match kind {
        Kind::ConfigMap => "config",
        Kind::Secret => "secret",
    };
    Some(format!("references non-existent {of} key: {}", absent.key))
}

fn unresolved(world: &World<'_>, namespace: Option<&str>, container: &Container) -> Option<String> {
    let whole = container.env_from.iter().find_map(|from| {
        let map = from.config_map_ref.as_ref().map(|reference| (Kind::ConfigMap, reference));
        let (kind, reference) =
            map.or(from.secret_ref.as_ref().map(|reference| (Kind::Secret, reference)))?;
        let absent = !reference.optional && find(world, kind, namespace, &reference.name).is_none();
        absent.then(|| kind.not_found(&reference.name))
    });
    whole.or_else(|| {
        container.env.iter().find_map(|variable| {
            let (kind, reference) = entry_of(variable).filter(|(_, reference)| !reference.optional)?;
            let Some(found) = find(world, kind, namespace, &reference.name) else {
                return Some(kind.not_found(&reference.name));
            };
            let (key, name) = (&reference.key, &reference.name);
            let of = format!("{kind:?} {}/{name}", namespace.unwrap_or_default());
            (!found.has(key)).then(|| format!("couldn't find key {key} in {of}"))
        })
    })
}

fn entry_of(variable: &EnvVar) -> Option<(Kind, &objects::pod::KeyReference)> {
    let source = variable.value_from.as_ref()?;
    let map = source.config_map_key_ref.as_ref().map(|reference| (Kind::ConfigMap, reference));
    map.or(source.secret_key_ref.as_ref().map(|reference| (Kind::Secret, reference)))
}

/// The environment of a container as it starts: entries of `envFrom` in order, then `env`, where
/// `$(NAME)` stands for a variable before it. Values that External Secrets would fetch are unknown and
/// left out, and so are fields of the pod that are no metadata.
pub(super) fn of(world: &World<'_>, pod: &Object, container: &Container) -> BTreeMap<String, String> {
    let namespace = pod.key.namespace.as_deref();
    let mut variables = BTreeMap::new();
    for from in &container.env_from {
        let map = from.config_map_ref.as_ref().map(|reference| (Kind::ConfigMap, &reference.name));
        let reference = map.or(from.secret_ref.as_ref().map(|reference| (Kind::Secret, &reference.name)));
        let Some((kind, name)) = reference else { continue };
        let entries = find(world, kind, namespace, name).map(|found| found.entries()).unwrap_or_default();
        variables.extend(entries.into_iter().map(|(key, value)| (format!("{}{key}", from.prefix), value)));
    }
    for variable in &container.env {
        let value = match (&variable.value, &variable.value_from) {
            (Some(value), _) => Some(expanded(value, &variables)),
            (None, None) => Some(String::new()),
            (None, Some(source)) => match (entry_of(variable), &source.field_ref) {
                (Some((kind, reference)), _) => find(world, kind, namespace, &reference.name)
                    .and_then(|found| found.entry(&reference.key)),
                (None, Some(field)) => metadata_field(pod, &field.field_path),
                (None, None) => None,
            },
        };
        variables.extend(value.map(|value| (variable.name.clone(), value)));
    }
    variables
}

/// A text with `$(NAME)` replaced by the variable, where there is one; `$$` stands for a dollar sign
/// (kubernetes third_party/forked/golang/expansion: Expand).
fn expanded(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let reference = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = match (after.strip_prefix('$'), reference) {
            (Some(rest), _) => {
                expanded.push('$');
                rest
            }
            (None, Some((name, rest))) => {
                match variables.get(name) {
                    Some(value) => expanded.push_str(value),
                    None => expanded.push_str(&format!("$({name})")),
                }
                rest
            }
            (None, None) => {
                expanded.push('$');
                after
            }
        };
    }
    expanded + rest
}

/// A field of the downward API (kubernetes pkg/fieldpath: ExtractFieldPathAsString).
fn metadata_field(pod: &Object, path: &str) -> Option<String> {
    let entry = |map: &BTreeMap<String, String>, of: &str| {
        let key = path.strip_prefix(of)?.strip_prefix("['")?.strip_suffix("']")?;
        Some(map.get(key).cloned().unwrap_or_default())
    };
    match path {
        "metadata.name" => Some(pod.key.name.to_string()),
        "metadata.namespace" => pod.key.namespace.as_deref().map(str::to_owned),
        _ => {
            entry(&pod.labels, "metadata.labels").or_else(|| entry(&pod.annotations, "metadata.annotations"))
        }
    }
}

/// What a container can take its environment from. Its `Debug` text is the kind's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    ConfigMap,
    Secret,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    fn not_found(self, name: &str) -> String {
        let kind = match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        };
        format!("{kind} \"{name}\" not found")
    }
}

/// A ConfigMap or Secret that is there.
enum Found<'w> {
    ConfigMap(&'w objects::ConfigMap),
    Secret(&'w objects::Secret),
    /// External Secrets would write it. That operator is not simulated: every entry is taken as
    /// present, and its value is unknown.
    External,
}

impl Found<'_> {
    fn has(&self, key: &str) -> bool {
        match self {
            Self::ConfigMap(map) => map.data.contains_key(key) || map.binary_data.contains_key(key),
            Self::Secret(secret) => secret.string_data.contains_key(key) || secret.data.contains_key(key),
            Self::External => true,
        }
    }

    /// The text of an entry.
    fn entry(&self, key: &str) -> Option<String> {
        match self {
            Self::ConfigMap(map) => map.data.get(key).cloned(),
            Self::Secret(_) | Self::External => self.entries().remove(key),
        }
    }

    /// The entries that are text.
    fn entries(&self) -> BTreeMap<String, String> {
        match self {
            Self::ConfigMap(map) => map.data.clone(),
            Self::Secret(secret) => {
                let data = secret.data.iter();
                let decoded = data.filter_map(|(key, text)| Some((key.clone(), decode_base64(text)?)));
                decoded.chain(secret.string_data.clone()).collect()
            }
            Self::External => BTreeMap::new(),
        }
    }
}

fn find<'w>(world: &'w World<'_>, kind: Kind, namespace: Option<&str>, name: &str) -> Option<Found<'w>> {
    let Some(object) = world.api.named("", kind.name(), namespace, name) else {
        let external = kind == Kind::Secret && is_external(world, namespace, name);
        return external.then_some(Found::External);
    };
    match object.plain()? {
        objects::Object::ConfigMap(map) => Some(Found::ConfigMap(map)),
        objects::Object::Secret(secret) => Some(Found::Secret(secret)),
        _ => None,
    }
}

/// Whether an ExternalSecret makes the Secret; `Merge` only adds to one, `None` writes nothing.
fn is_external(world: &World<'_>, namespace: Option<&str>, name: &str) -> bool {
    world.api.of_kind("external-secrets.io", "ExternalSecret").any(|object| {
        let Some(objects::Object::ExternalSecret(external)) = object.plain() else { return false };
        let creates = !matches!(external.spec.target.creation_policy.as_deref(), Some("Merge" | "None"));
        object.key.namespace.as_deref() == namespace && external.secret_name() == name && creates
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const FILES: &str = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: first}, data: {A: first, B: first, MODEL: m}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: second}, data: {B: second}}
---
{apiVersion: v1, kind: Secret, metadata: {name: secret}, stringData: {C: text}, data: {C: bm8=, D: aGVsbG8=}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: creds}
spec: {secretStoreRef: {name: s}, target: {name: fetched}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: merged}
spec: {secretStoreRef: {name: s}, target: {creationPolicy: Merge}}
";

    /// A pod of that spec in a world with the files above.
    fn pod(spec: &str) -> (World<'static>, Object, PodSpec) {
        let deployment = testing::DEPLOYMENT.replace("replicas: 2", "replicas: 1");
        let mut world = testing::world("", &[("all.yaml", &format!("{deployment}---{FILES}"))]);
        testing::run_until(&mut world, 0);
        let object = world.api.get(testing::pods(&world)[0]).clone();
        let spec = yaml::decode(&yaml::parse_one("pod.yaml", spec.as_bytes()).unwrap()).unwrap();
        (world, object, spec)
    }

    #[test]
    fn later_sources_win_and_env_wins_over_all() {
        let from = "{configMapRef: {name: first}}, {configMapRef: {name: second}}";
        for (env_from, env, name, value) in [
            (from, "", "A", Some("first")),
            (from, "", "B", Some("second")),
            (from, "{name: B, value: own}", "B", Some("own")),
            (
                from,
                "{name: X, value: '$(A)-$(B)-$(NONE)-$$(A)-$5'}",
                "X",
                Some("first-second-$(NONE)-$(A)-$5"),
            ),
            (from, "{name: X, value: '$(Z)'}, {name: Z, value: later}", "X", Some("$(Z)")),
            ("{prefix: P_, configMapRef: {name: second}}", "", "P_B", Some("second")),
            ("{secretRef: {name: secret}}", "", "C", Some("text")),
            ("{secretRef: {name: secret}}", "", "D", Some("hello")),
            ("{secretRef: {name: fetched}}", "", "C", None),
            ("{configMapRef: {name: none, optional: true}}", "", "A", None),
            ("", "{name: X, valueFrom: {configMapKeyRef: {name: first, key: MODEL}}}", "X", Some("m")),
            ("", "{name: X, valueFrom: {secretKeyRef: {name: secret, key: D}}}", "X", Some("hello")),
            ("", "{name: X, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}", "X", Some("default")),
            (
                "",
                "{name: X, valueFrom: {fieldRef: {fieldPath: 'metadata.labels[''role'']'}}}",
                "X",
                Some("plain"),
            ),
            ("", "{name: X, valueFrom: {fieldRef: {fieldPath: status.podIP}}}", "X", None),
            ("", "{name: X}", "X", Some("")),
        ] {
            let (world, object, spec) =
                pod(&format!("containers: [{{name: c, envFrom: [{env_from}], env: [{env}]}}]"));
            let variables = of(&world, &object, &spec.containers[0]);
            assert_eq!(variables.get(name).map(String::as_str), value, "{env_from} {env}");
        }
    }

    #[test]
    fn what_is_not_there_keeps_the_container_from_starting() {
        let key = |kind: &str, name: &str, key: &str| {
            format!(
                "containers: [{{name: c, env: [{{name: X, valueFrom: {{{kind}: {{name: {name}, key: {key}}}}}}}]}}]"
            )
        };
        let whole = |from: &str| format!("containers: [{{name: c, envFrom: [{from}]}}]");
        let volume = |source: &str| format!("volumes: [{{name: v, {source}}}]");
        let config = "CreateContainerConfigError: ";
        let mount = "FailedMount: MountVolume.SetUp failed for volume \"v\" : ";
        for (spec, reason) in [
            (whole("{configMapRef: {name: first}}"), None),
            (whole("{configMapRef: {name: none}}"), Some(format!("{config}configmap \"none\" not found"))),
            (whole("{configMapRef: {name: none, optional: true}}"), None),
            (whole("{secretRef: {name: none}}"), Some(format!("{config}secret \"none\" not found"))),
            (whole("{secretRef: {name: fetched}}"), None),
            (whole("{secretRef: {name: merged}}"), Some(format!("{config}secret \"merged\" not found"))),
            (key("configMapKeyRef", "first", "A"), None),
            (
                key("configMapKeyRef", "first", "Z"),
                Some(format!("{config}couldn't find key Z in ConfigMap default/first")),
            ),
            (
                key("secretKeyRef", "secret", "Z"),
                Some(format!("{config}couldn't find key Z in Secret default/secret")),
            ),
            (key("secretKeyRef", "fetched", "anything"), None),
            (volume("configMap: {name: first, items: [{key: A}]}"), None),
            (volume("configMap: {name: none}"), Some(format!("{mount}configmap \"none\" not found"))),
            (volume("configMap: {name: none, optional: true}"), None),
            (
                volume("configMap: {name: first, items: [{key: Z}]}"),
                Some(format!("{mount}references non-existent config key: Z")),
            ),
            (volume("secret: {secretName: none}"), Some(format!("{mount}secret \"none\" not found"))),
            (
                "initContainers: [{name: i, envFrom: [{configMapRef: {name: none}}]}]".to_owned(),
                Some(format!("{config}configmap \"none\" not found")),
            ),
        ] {
            let (world, object, read) = pod(&spec);
            let found = missing(&world, &object, &read);
            assert_eq!(found, reason, "{spec}");
            assert!(found.is_none_or(|reason| is_missed(&reason)), "{spec}");
        }
    }
}
