//! The field specs that kustomize 5.8 carries for Kubernetes' own kinds
//! (api internal/konfig/builtinpluginconsts).

use std::borrow::Cow;

use super::config::{Config, NameReference};
use super::fieldspec::FieldSpec;
use super::resource::Gvk;

/// Kinds with a pod in them, and the way to its spec.
const PODS: &[(&str, &str, &str)] = &[
    ("v1", "Pod", "spec"),
    ("", "PodTemplate", "template/spec"),
    ("", "Deployment", "spec/template/spec"),
    ("", "ReplicaSet", "spec/template/spec"),
    ("", "DaemonSet", "spec/template/spec"),
    ("", "StatefulSet", "spec/template/spec"),
    ("", "Job", "spec/template/spec"),
    ("", "CronJob", "spec/jobTemplate/spec/template/spec"),
];

/// The kinds whose service account, claims and priority class are followed.
const WORKLOADS: &[(&str, &str)] = &[
    ("Pod", "spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicationController", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
];

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

pub(super) fn config() -> Config {
    Config {
        name_prefix: vec![FieldSpec::new("metadata/name", false)],
        name_suffix: vec![FieldSpec::new("metadata/name", false)],
        namespace: vec![
            spec("", "", "Namespace", "metadata/name", true),
            spec("apiregistration.k8s.io", "", "APIService", "spec/service/namespace", true),
            spec(
                "apiextensions.k8s.io",
                "",
                "CustomResourceDefinition",
                "spec/conversion/webhook/clientConfig/service/namespace",
                false,
            ),
        ],
        common_labels: [selectors(), metadata("labels")].concat(),
        labels: Vec::new(),
        template_labels: metadata("labels"),
        common_annotations: metadata("annotations"),
        name_reference: name_references(),
        images: images(),
        replicas: ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"]
            .map(|kind| spec("", "", kind, "spec/replicas", true))
            .to_vec(),
    }
}

fn gvk(group: &'static str, version: &'static str, kind: &'static str) -> Gvk<'static> {
    Gvk { group: Cow::Borrowed(group), version: Cow::Borrowed(version), kind: Cow::Borrowed(kind) }
}

fn spec(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    path: impl Into<Cow<'static, str>>,
    create: bool,
) -> FieldSpec {
    FieldSpec { gvk: gvk(group, version, kind), path: path.into(), create }
}

fn images() -> Vec<FieldSpec> {
    let fields = ["containers[]/image", "initContainers[]/image", "volumes[]/image/reference"];
    let at = |pod: &'static str| fields.map(|field| spec("", "", "", format!("{pod}/{field}"), true));
    [at("spec"), at("spec/template/spec")].concat()
}

/// `metadata/labels` or `metadata/annotations` of every object and of the templates inside it.
fn metadata(field: &'static str) -> Vec<FieldSpec> {
    let template = format!("spec/template/metadata/{field}");
    let at = |group, version, kind, path: &str| spec(group, version, kind, path.to_owned(), true);
    // Annotations reach StatefulSets of any group, labels those of `apps`.
    let stateful_set_group = if field == "labels" { "apps" } else { "" };
    let mut specs = vec![
        at("", "", "", &format!("metadata/{field}")),
        at("", "v1", "ReplicationController", &template),
        at("", "", "Deployment", &template),
        at("", "", "ReplicaSet", &template),
        at("", "", "DaemonSet", &template),
        at(stateful_set_group, "", "StatefulSet", &template),
        at("batch", "", "Job", &template),
        at("batch", "", "CronJob", &format!("spec/jobTemplate/metadata/{field}")),
        at("batch", "", "CronJob", &format!("spec/jobTemplate/{template}")),
    ];
    if field == "labels" {
        specs.push(at("apps", "", "StatefulSet", "spec/volumeClaimTemplates[]/metadata/labels"));
    }
    specs
}

/// The selectors that common labels are added to.
fn selectors() -> Vec<FieldSpec> {
    let mut specs = vec![
        spec("", "v1", "Service", "spec/selector", true),
        spec("", "v1", "ReplicationController", "spec/selector", true),
        spec("", "", "Deployment", "spec/selector/matchLabels", true),
        spec("", "", "ReplicaSet", "spec/selector/matchLabels", true),
        spec("", "", "DaemonSet", "spec/selector/matchLabels", true),
        spec("apps", "", "StatefulSet", "spec/selector/matchLabels", true),
        spec("batch", "", "Job", "spec/selector/matchLabels", false),
        spec("batch", "", "CronJob", "spec/jobTemplate/spec/selector/matchLabels", false),
        spec("policy", "", "PodDisruptionBudget", "spec/selector/matchLabels", false),
    ];
    for path in ["spec/podSelector", "spec/ingress/from/podSelector", "spec/egress/to/podSelector"] {
        specs.push(spec("networking.k8s.io", "", "NetworkPolicy", format!("{path}/matchLabels"), false));
    }
    for kind in ["Deployment", "StatefulSet"] {
        for path in [
            "affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm",
            "affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution",
            "affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm",
            "affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution",
            "topologySpreadConstraints",
        ] {
            let path = format!("spec/template/spec/{path}/labelSelector/matchLabels");
            specs.push(spec("apps", "", kind, path, false));
        }
    }
    specs
}

fn name_references() -> Vec<NameReference> {
    let to = |group, version, kind, referrers| NameReference { gvk: gvk(group, version, kind), referrers };
    let scaled = || vec![spec("", "", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name", false)];
    let role_ref = |kind| spec(RBAC, "", kind, "roleRef/name", false);
    vec![
        to("", "", "Deployment", scaled()),
        to("", "", "ReplicationController", scaled()),
        to("", "", "ReplicaSet", scaled()),
        to("", "", "StatefulSet", scaled()),
        to("", "v1", "ConfigMap", config_map_referrers()),
        to("", "v1", "Secret", secret_referrers()),
        to("", "v1", "Service", service_referrers()),
        to(RBAC, "", "Role", vec![role_ref("RoleBinding")]),
        to(RBAC, "", "ClusterRole", vec![role_ref("RoleBinding"), role_ref("ClusterRoleBinding")]),
        to("", "v1", "ServiceAccount", service_account_referrers()),
        to("", "v1", "PersistentVolumeClaim", in_workloads("volumes/persistentVolumeClaim/claimName")),
        to(
            "",
            "v1",
            "PersistentVolume",
            vec![
                spec("", "", "PersistentVolumeClaim", "spec/volumeName", false),
                spec("", "", "ClusterRole", "rules/resourceNames", false),
            ],
        ),
        to(
            "storage.k8s.io",
            "v1",
            "StorageClass",
            vec![
                spec("", "", "PersistentVolume", "spec/storageClassName", false),
                spec("", "", "PersistentVolumeClaim", "spec/storageClassName", false),
                spec("", "", "StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName", false),
            ],
        ),
        to("scheduling.k8s.io", "v1", "PriorityClass", in_workloads("priorityClassName")),
        // The group holds a version upstream too, so that the entry never matches.
        to(
            "networking.k8s.io/v1",
            "v1",
            "IngressClass",
            vec![spec("", "", "Ingress", "spec/ingressClassName", false)],
        ),
        to(
            ADMISSION,
            "",
            "ValidatingAdmissionPolicy",
            vec![spec(ADMISSION, "", "ValidatingAdmissionPolicyBinding", "spec/policyName", false)],
        ),
    ]
}

fn in_pods(fields: &[&str]) -> Vec<FieldSpec> {
    let at = |(version, kind, pod): &(&'static str, &'static str, &'static str), field: &&str| {
        spec("", version, kind, format!("{pod}/{field}"), false)
    };
    PODS.iter().flat_map(|pod| fields.iter().map(move |field| at(pod, field))).collect()
}

fn in_workloads(field: &str) -> Vec<FieldSpec> {
    WORKLOADS.iter().map(|(kind, pod)| spec("", "", kind, format!("{pod}/{field}"), false)).collect()
}

fn config_map_referrers() -> Vec<FieldSpec> {
    let mut specs = in_pods(&[
        "volumes/configMap/name",
        "containers/env/valueFrom/configMapKeyRef/name",
        "initContainers/env/valueFrom/configMapKeyRef/name",
        "containers/envFrom/configMapRef/name",
        "initContainers/envFrom/configMapRef/name",
        "volumes/projected/sources/configMap/name",
    ]);
    specs.extend([
        spec("", "", "Node", "spec/configSource/configMap", false),
        spec("", "", "Role", "rules/resourceNames", false),
        spec("", "", "ClusterRole", "rules/resourceNames", false),
        spec(
            "",
            "",
            "Ingress",
            r"metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap",
            false,
        ),
    ]);
    specs
}

fn secret_referrers() -> Vec<FieldSpec> {
    let mut specs = in_pods(&[
        "volumes/secret/secretName",
        "containers/env/valueFrom/secretKeyRef/name",
        "initContainers/env/valueFrom/secretKeyRef/name",
        "containers/envFrom/secretRef/name",
        "initContainers/envFrom/secretRef/name",
        "imagePullSecrets/name",
        "volumes/projected/sources/secret/name",
    ]);
    let any = |kind, path: &'static str| spec("", "", kind, path, false);
    specs.extend([
        // Twice upstream too: the second pass may follow another object that once had the new name.
        any("Ingress", "spec/tls/secretName"),
        any("Ingress", "spec/tls/secretName"),
        any("Ingress", r"metadata/annotations/ingress.kubernetes.io\/auth-secret"),
        any("Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret"),
        any("Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret"),
        any("ServiceAccount", "imagePullSecrets/name"),
        any("StorageClass", "parameters/secretName"),
        any("StorageClass", "parameters/adminSecretName"),
        any("StorageClass", "parameters/userSecretName"),
        any("StorageClass", "parameters/secretRef"),
        any("Role", "rules/resourceNames"),
        any("ClusterRole", "rules/resourceNames"),
        spec(
            "serving.knative.dev",
            "v1",
            "Service",
            "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
            false,
        ),
        any("PersistentVolume", "spec/azureFile/secretName"),
    ]);
    specs
}

fn service_referrers() -> Vec<FieldSpec> {
    vec![
        spec("apps", "", "StatefulSet", "spec/serviceName", false),
        spec("", "", "Ingress", "spec/rules/http/paths/backend/serviceName", false),
        spec("", "", "Ingress", "spec/backend/serviceName", false),
        spec("", "", "Ingress", "spec/rules/http/paths/backend/service/name", false),
        spec("", "", "Ingress", "spec/defaultBackend/service/name", false),
        spec("apiregistration.k8s.io", "", "APIService", "spec/service/name", false),
        spec(ADMISSION, "", "ValidatingWebhookConfiguration", "webhooks/clientConfig/service", false),
        spec(ADMISSION, "", "MutatingWebhookConfiguration", "webhooks/clientConfig/service", false),
    ]
}

fn service_account_referrers() -> Vec<FieldSpec> {
    let mut specs = in_workloads("serviceAccountName");
    specs.push(spec(RBAC, "", "RoleBinding", "subjects", false));
    specs.push(spec(RBAC, "", "ClusterRoleBinding", "subjects", false));
    specs
}
