//! What the Kubernetes API says about its built-in kinds and a build depends on: which lists are
//! merged by which keys, and which kinds belong to no namespace.
//!
//! Kubernetes OpenAPI 1.21.2, the one that kustomize 5.8 carries (kyaml openapi/kubernetesapi): the
//! extensions `x-kubernetes-patch-strategy`, `-patch-merge-key`, `-list-map-keys`. Newer API versions,
//! such as `autoscaling/v2`, are not in it, and their lists are replaced like those of custom kinds.

/// The fields of a type that are, or lead to, lists with a merge strategy.
pub(crate) type Type = [Field];

/// One field of a [`Type`].
pub(crate) struct Field {
    name: &'static str,
    /// For a list that is merged, the keys of its elements; none for a list of plain values.
    pub(crate) merge_keys: Option<&'static [&'static str]>,
    /// What the field holds; for a list, what its elements are.
    pub(crate) of: &'static Type,
}

/// The field `name` of a type.
pub(crate) fn field(of: &'static Type, name: &str) -> Option<&'static Field> {
    of.iter().find(|field| field.name == name)
}

/// The type of an object; `None` for kinds that are not built in.
pub(crate) fn type_of(api_version: &str, kind: &str) -> Option<&'static Type> {
    let matches = |(version, kinds): &(&str, &[&str])| *version == api_version && kinds.contains(&kind);
    if METADATA_ONLY.iter().any(matches) {
        return Some(PLAIN);
    }
    KINDS.iter().find(|(version, name, _)| *version == api_version && *name == kind).map(|(_, _, of)| *of)
}

/// Whether objects of this kind certainly belong to no namespace
/// (kyaml openapi.go: IsCertainlyClusterScoped).
pub(crate) fn is_cluster_scoped(group: &str, version: &str, kind: &str) -> bool {
    CLUSTER_SCOPED
        .iter()
        .any(|(name, of, versions)| *name == kind && *of == group && versions.contains(&version))
}

const fn to(name: &'static str, of: &'static Type) -> Field {
    Field { name, merge_keys: None, of }
}

const fn merged(name: &'static str, keys: &'static [&'static str], of: &'static Type) -> Field {
    Field { name, merge_keys: Some(keys), of }
}

static METADATA: &Type = &[merged("finalizers", &[], &[]), merged("ownerReferences", &["uid"], &[])];
static PLAIN: &Type = &[to("metadata", METADATA)];
static CONDITIONS: &Type = &[merged("conditions", &["type"], &[])];
static WITH_CONDITIONS: &Type = &[to("metadata", METADATA), to("status", CONDITIONS)];

static CONTAINER: &Type = &[
    merged("env", &["name"], &[]),
    merged("ports", &["containerPort", "protocol"], &[]),
    merged("volumeDevices", &["devicePath"], &[]),
    merged("volumeMounts", &["mountPath"], &[]),
];
static EPHEMERAL_CONTAINER: &Type = &[
    merged("env", &["name"], &[]),
    merged("volumeDevices", &["devicePath"], &[]),
    merged("volumeMounts", &["mountPath"], &[]),
];
static VOLUME: &Type = &[to("ephemeral", &[to("volumeClaimTemplate", PLAIN)])];
static POD_SPEC: &Type = &[
    merged("containers", &["name"], CONTAINER),
    merged("ephemeralContainers", &["name"], EPHEMERAL_CONTAINER),
    merged("hostAliases", &["ip"], &[]),
    merged("imagePullSecrets", &["name"], &[]),
    merged("initContainers", &["name"], CONTAINER),
    merged("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"], &[]),
    merged("volumes", &["name"], VOLUME),
];
static POD_STATUS: &Type = &[merged("conditions", &["type"], &[]), merged("podIPs", &["ip"], &[])];
static POD: &Type = &[to("metadata", METADATA), to("spec", POD_SPEC), to("status", POD_STATUS)];
static POD_TEMPLATE_SPEC: &Type = &[to("metadata", METADATA), to("spec", POD_SPEC)];
static POD_TEMPLATE: &Type = &[to("metadata", METADATA), to("template", POD_TEMPLATE_SPEC)];
static WORKLOAD_SPEC: &Type = &[to("template", POD_TEMPLATE_SPEC)];
static WORKLOAD: &Type = &[to("metadata", METADATA), to("spec", WORKLOAD_SPEC), to("status", CONDITIONS)];
static STATEFUL_SET_SPEC: &Type =
    &[to("template", POD_TEMPLATE_SPEC), to("volumeClaimTemplates", WITH_CONDITIONS)];
static STATEFUL_SET: &Type =
    &[to("metadata", METADATA), to("spec", STATEFUL_SET_SPEC), to("status", CONDITIONS)];
static JOB_TEMPLATE: &Type = &[to("metadata", METADATA), to("spec", WORKLOAD_SPEC)];
static CRON_JOB: &Type = &[to("metadata", METADATA), to("spec", &[to("jobTemplate", JOB_TEMPLATE)])];
static SERVICE: &Type = &[
    to("metadata", METADATA),
    to("spec", &[merged("ports", &["port", "protocol"], &[])]),
    to("status", CONDITIONS),
];
static NODE: &Type = &[
    to("metadata", METADATA),
    to("spec", &[merged("podCIDRs", &[], &[])]),
    to("status", &[merged("addresses", &["type"], &[]), merged("conditions", &["type"], &[])]),
];
static WEBHOOKS: &Type = &[to("metadata", METADATA), merged("webhooks", &["name"], &[])];
static CSI_NODE: &Type = &[to("metadata", METADATA), to("spec", &[merged("drivers", &["name"], &[])])];

static KINDS: &[(&str, &str, &Type)] = &[
    ("v1", "ComponentStatus", &[to("metadata", METADATA), merged("conditions", &["type"], &[])]),
    ("v1", "Namespace", WITH_CONDITIONS),
    ("v1", "Node", NODE),
    ("v1", "PersistentVolumeClaim", WITH_CONDITIONS),
    ("v1", "Pod", POD),
    ("v1", "PodTemplate", POD_TEMPLATE),
    ("v1", "ReplicationController", WORKLOAD),
    ("v1", "Service", SERVICE),
    ("v1", "ServiceAccount", &[to("metadata", METADATA), merged("secrets", &["name"], &[])]),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", WEBHOOKS),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", WEBHOOKS),
    ("admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration", WEBHOOKS),
    ("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration", WEBHOOKS),
    ("apiregistration.k8s.io/v1", "APIService", WITH_CONDITIONS),
    ("apiregistration.k8s.io/v1beta1", "APIService", WITH_CONDITIONS),
    ("apps/v1", "DaemonSet", WORKLOAD),
    ("apps/v1", "Deployment", WORKLOAD),
    ("apps/v1", "ReplicaSet", WORKLOAD),
    ("apps/v1", "StatefulSet", STATEFUL_SET),
    ("batch/v1", "CronJob", CRON_JOB),
    ("batch/v1", "Job", WORKLOAD),
    ("batch/v1beta1", "CronJob", CRON_JOB),
    ("policy/v1", "PodDisruptionBudget", WITH_CONDITIONS),
    ("policy/v1beta1", "PodDisruptionBudget", WITH_CONDITIONS),
    ("storage.k8s.io/v1", "CSINode", CSI_NODE),
    ("storage.k8s.io/v1beta1", "CSINode", CSI_NODE),
];

/// Kinds of which only the metadata has merged lists.
static METADATA_ONLY: &[(&str, &[&str])] = &[
    (
        "v1",
        &[
            "Binding",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PersistentVolume",
            "ResourceQuota",
            "Secret",
        ],
    ),
    ("apiextensions.k8s.io/v1", &["CustomResourceDefinition"]),
    ("apiextensions.k8s.io/v1beta1", &["CustomResourceDefinition"]),
    ("apps/v1", &["ControllerRevision"]),
    ("authentication.k8s.io/v1", &["TokenRequest", "TokenReview"]),
    ("authentication.k8s.io/v1beta1", &["TokenReview"]),
    (
        "authorization.k8s.io/v1",
        &[
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        ],
    ),
    (
        "authorization.k8s.io/v1beta1",
        &[
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        ],
    ),
    ("autoscaling/v1", &["HorizontalPodAutoscaler", "Scale"]),
    ("autoscaling/v2beta1", &["HorizontalPodAutoscaler"]),
    ("autoscaling/v2beta2", &["HorizontalPodAutoscaler"]),
    ("certificates.k8s.io/v1", &["CertificateSigningRequest"]),
    ("certificates.k8s.io/v1beta1", &["CertificateSigningRequest"]),
    ("coordination.k8s.io/v1", &["Lease"]),
    ("coordination.k8s.io/v1beta1", &["Lease"]),
    ("discovery.k8s.io/v1", &["EndpointSlice"]),
    ("discovery.k8s.io/v1beta1", &["EndpointSlice"]),
    ("events.k8s.io/v1", &["Event"]),
    ("events.k8s.io/v1beta1", &["Event"]),
    ("extensions/v1beta1", &["Ingress"]),
    ("flowcontrol.apiserver.k8s.io/v1beta1", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("networking.k8s.io/v1", &["Ingress", "IngressClass", "NetworkPolicy"]),
    ("networking.k8s.io/v1beta1", &["Ingress", "IngressClass"]),
    ("node.k8s.io/v1", &["RuntimeClass"]),
    ("node.k8s.io/v1beta1", &["RuntimeClass"]),
    ("policy/v1beta1", &["Eviction", "PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io/v1", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("rbac.authorization.k8s.io/v1beta1", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("scheduling.k8s.io/v1", &["PriorityClass"]),
    ("scheduling.k8s.io/v1beta1", &["PriorityClass"]),
    ("storage.k8s.io/v1", &["CSIDriver", "StorageClass", "VolumeAttachment"]),
    ("storage.k8s.io/v1beta1", &["CSIDriver", "CSIStorageCapacity", "StorageClass", "VolumeAttachment"]),
];

static CLUSTER_SCOPED: &[(&str, &str, &[&str])] = &[
    ("MutatingWebhookConfiguration", "admissionregistration.k8s.io", &["v1", "v1beta1"]),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io", &["v1", "v1beta1"]),
    ("CustomResourceDefinition", "apiextensions.k8s.io", &["v1", "v1beta1"]),
    ("APIService", "apiregistration.k8s.io", &["v1", "v1beta1"]),
    ("CertificateSigningRequest", "certificates.k8s.io", &["v1", "v1beta1"]),
    ("FlowSchema", "flowcontrol.apiserver.k8s.io", &["v1beta1"]),
    ("PriorityLevelConfiguration", "flowcontrol.apiserver.k8s.io", &["v1beta1"]),
    ("IngressClass", "networking.k8s.io", &["v1", "v1beta1"]),
    ("RuntimeClass", "node.k8s.io", &["v1", "v1beta1"]),
    ("PodSecurityPolicy", "policy", &["v1beta1"]),
    ("ClusterRole", "rbac.authorization.k8s.io", &["v1", "v1beta1"]),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io", &["v1", "v1beta1"]),
    ("PriorityClass", "scheduling.k8s.io", &["v1", "v1beta1"]),
    ("CSIDriver", "storage.k8s.io", &["v1", "v1beta1"]),
    ("CSINode", "storage.k8s.io", &["v1", "v1beta1"]),
    ("StorageClass", "storage.k8s.io", &["v1", "v1beta1"]),
    ("VolumeAttachment", "storage.k8s.io", &["v1", "v1beta1"]),
    ("ComponentStatus", "", &["v1"]),
    ("Namespace", "", &["v1"]),
    ("Node", "", &["v1"]),
    ("NodeProxyOptions", "", &["v1"]),
    ("PersistentVolume", "", &["v1"]),
];
