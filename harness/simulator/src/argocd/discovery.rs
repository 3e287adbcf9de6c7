//! Which kinds and versions the API server of the cluster serves.

use manifests::objects::{ObjectKey, is_namespaced};

use super::target::Target;
use crate::World;

/// Custom kinds of the operators that a pipeline has, in the only version that current releases
/// serve. External Secrets serves v1 alone since 0.17.
const CUSTOM: &[(&str, &str, &[&str])] = &[
    (
        "argoproj.io",
        "v1alpha1",
        &[
            "AnalysisRun",
            "AnalysisTemplate",
            "AppProject",
            "Application",
            "ApplicationSet",
            "ClusterAnalysisTemplate",
            "Experiment",
            "Rollout",
        ],
    ),
    (
        "external-secrets.io",
        "v1",
        &["ClusterExternalSecret", "ClusterSecretStore", "ExternalSecret", "SecretStore"],
    ),
    ("external-secrets.io", "v1alpha1", &["ClusterPushSecret", "PushSecret"]),
    (
        "monitoring.coreos.com",
        "v1",
        &[
            "Alertmanager",
            "PodMonitor",
            "Probe",
            "Prometheus",
            "PrometheusRule",
            "ServiceMonitor",
            "ThanosRuler",
        ],
    ),
    ("monitoring.coreos.com", "v1alpha1", &["AlertmanagerConfig", "PrometheusAgent", "ScrapeConfig"]),
];

/// The versions that Kubernetes 1.34 serves of its own groups.
const BUILT_IN: &[(&str, &[&str])] = &[
    ("", &["v1"]),
    ("admissionregistration.k8s.io", &["v1"]),
    ("apiextensions.k8s.io", &["v1"]),
    ("apiregistration.k8s.io", &["v1"]),
    ("apps", &["v1"]),
    ("autoscaling", &["v1", "v2"]),
    ("batch", &["v1"]),
    ("certificates.k8s.io", &["v1"]),
    ("coordination.k8s.io", &["v1"]),
    ("discovery.k8s.io", &["v1"]),
    ("events.k8s.io", &["v1"]),
    ("flowcontrol.apiserver.k8s.io", &["v1"]),
    ("networking.k8s.io", &["v1"]),
    ("node.k8s.io", &["v1"]),
    ("policy", &["v1"]),
    ("rbac.authorization.k8s.io", &["v1"]),
    ("resource.k8s.io", &["v1"]),
    ("scheduling.k8s.io", &["v1"]),
    ("storage.k8s.io", &["v1"]),
];

/// Why an object of a kind and version cannot be synced; `None` where it can. The message is the one
/// that Argo CD makes of the API server's answer (argo-cd util/argo/argo.go: AugmentSyncMsg).
pub(super) fn objection(
    world: &World<'_>,
    targets: &[Target],
    key: &ObjectKey,
    version: &str,
) -> Option<String> {
    let served = served(world, &key.group, &key.kind);
    if served.iter().any(|known| known == version) || targets.iter().any(|target| defines(target, key)) {
        return None;
    }
    let (group, kind, name) = (&key.group, &key.kind, &key.name);
    let namespace = key.namespace.as_deref().unwrap_or_default();
    Some(match served.first() {
        None => format!(
            "The Kubernetes API could not find {group}/{kind} for requested resource {namespace}/{name}. Make sure the \"{kind}\" CRD is installed on the destination cluster."
        ),
        Some(other) => format!(
            "The Kubernetes API could not find version \"{version}\" of {group}/{kind} for requested resource {namespace}/{name}. Version \"{other}\" of {group}/{kind} is installed on the destination cluster."
        ),
    })
}

fn served(world: &World<'_>, group: &str, kind: &str) -> Vec<String> {
    if let Some((_, versions)) = BUILT_IN.iter().find(|(known, _)| *known == group) {
        // A kind that does not exist in a built-in group is as unknown as a missing CRD.
        let exists = is_namespaced(group, kind).is_some();
        return if exists { versions.iter().map(ToString::to_string).collect() } else { Vec::new() };
    }
    let custom = CUSTOM.iter().filter(|(known, _, kinds)| *known == group && kinds.contains(&kind));
    let mut versions: Vec<String> = custom.map(|(_, version, _)| (*version).to_owned()).collect();
    for definition in world.api.of_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        let Some(spec) = definition.manifest.as_ref().and_then(|manifest| manifest.get("spec")) else {
            continue;
        };
        if spec.str_at(&["group"]) == Some(group) && spec.str_at(&["names", "kind"]) == Some(kind) {
            let names = spec.get("versions").and_then(yaml::Node::as_seq).unwrap_or_default().iter();
            versions.extend(names.filter_map(|version| version.str_at(&["name"])).map(str::to_owned));
        }
    }
    versions
}

/// Whether a target is the definition of a kind (`hasCRDOfGroupKind`).
fn defines(target: &Target, key: &ObjectKey) -> bool {
    &*target.key.kind == "CustomResourceDefinition"
        && target.manifest.str_at(&["spec", "group"]) == Some(&key.group)
        && target.manifest.str_at(&["spec", "names", "kind"]) == Some(&key.kind)
}

/// Reports what a target asks of a sync and is not modelled.
pub(super) fn report_not_simulated(world: &mut World<'_>, target: &Target) {
    let place = target.manifest.place.to_string();
    if let Some(hook) = target.hook().filter(|hook| *hook != "Skip") {
        world.not_simulated(
            format!("the {hook} hook {}", target.key),
            place.clone(),
            "it is left out of every sync",
        );
    }
    for option in target.sync_options() {
        if !matches!(option, "Prune=false" | "PruneLast=true" | "Validate=false" | "Delete=false") {
            world.not_simulated(
                format!("sync option {option} of {}", target.key),
                place.clone(),
                "it is synced without the option",
            );
        }
    }
}
