//! What the real APIs know, by kind (kubernetes 1.34, argo-rollouts v1.10.1, argo-cd v3.2.6,
//! prometheus-operator v0.85, external-secrets v0.20).

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};

use super::Part;
use crate::objects::{analysis, application, core, key, monitoring, pod, project, values, workload};

mod rollout;

/// The parts of a kind; none for a kind that is not modelled.
pub(crate) fn parts(group: &str, kind: &str) -> Vec<Part> {
    let mut parts = match (group, kind) {
        ("", "ConfigMap") => vec![part::<core::ConfigMap>("", ROOT, &[])],
        ("", "Namespace") => {
            vec![part::<core::Namespace>("", &["apiVersion", "kind", "status", "spec"], &[])]
        }
        ("", "PersistentVolumeClaim") => claim(),
        ("", "Pod") => joined([vec![part::<pod::Pod>("", ROOT, &[])], pod_spec("spec")]),
        ("", "Secret") => vec![part::<core::Secret>("", ROOT, &[])],
        ("", "Service") => service(),
        ("", "ServiceAccount") => vec![service_account()],
        ("apps", "Deployment") => deployment(),
        ("apps", "ReplicaSet") => replica_set(),
        ("argoproj.io", "AnalysisTemplate" | "ClusterAnalysisTemplate") => analysis_template(),
        ("argoproj.io", "AppProject") => app_project(),
        ("argoproj.io", "Application") => app(),
        ("argoproj.io", "ApplicationSet") => app_set(),
        ("argoproj.io", "Rollout") => rollout::parts(),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(),
        ("external-secrets.io", "ExternalSecret") => external_secret(),
        ("monitoring.coreos.com", "PrometheusRule") => vec![
            part::<monitoring::PrometheusRule>("", ROOT, &[]),
            part::<monitoring::PrometheusRuleSpec>("spec", &[], &[]),
        ],
        ("monitoring.coreos.com", "ServiceMonitor") => service_monitor(),
        (_, _) => return Vec::new(),
    };
    parts.push(part::<key::Metadata>("metadata", METADATA, &[]));
    parts
}

/// Why objects of a kind do nothing here that they do in a cluster; `None` for modelled kinds and for
/// kinds that change nothing that is modelled.
pub(crate) fn kind_without_model(group: &str, kind: &str) -> Option<&'static str> {
    match (group, kind) {
        ("apps", "DaemonSet" | "StatefulSet")
        | ("batch", "CronJob" | "Job")
        | ("", "ReplicationController") => Some("no pods are made for workloads of this kind"),
        ("argoproj.io", "Experiment" | "AnalysisRun") => Some("runs are made by Rollouts only"),
        ("autoscaling.k8s.io" | "keda.sh", _) => Some("no autoscaler of this kind acts"),
        ("networking.k8s.io", "NetworkPolicy") => Some("every connection is allowed"),
        ("networking.k8s.io", "Ingress") | ("gateway.networking.k8s.io" | "networking.istio.io", _) => {
            Some("traffic is sent to Services directly")
        }
        ("policy", "PodDisruptionBudget") => Some("evictions are not held back"),
        ("", "LimitRange" | "ResourceQuota") => Some("pods are neither limited nor given defaults"),
        ("monitoring.coreos.com", "PodMonitor" | "Probe" | "ScrapeConfig") => {
            Some("only ServiceMonitors make targets")
        }
        ("monitoring.coreos.com", "Prometheus" | "PrometheusAgent") => {
            Some("the server's settings come from the scenario")
        }
        ("admissionregistration.k8s.io" | "kyverno.io", _) => Some("admission is not modelled"),
        _ => None,
    }
    .or_else(|| {
        (!is_known(group, kind)).then_some("nothing is known of this kind: it is applied and never changes")
    })
}

fn is_known(group: &str, kind: &str) -> bool {
    const HARMLESS_GROUPS: [&str; 5] = [
        "apiextensions.k8s.io",
        "cert-manager.io",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    ];
    HARMLESS_GROUPS.contains(&group) || key::is_namespaced(group, kind).is_some()
}

const ROOT: &[&str] = &["apiVersion", "kind", "status"];
const METADATA: &[&str] = &[
    "generateName",
    "selfLink",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "managedFields",
    "clusterName",
];

type Effects = &'static [(&'static str, &'static str)];

fn part<T: DeserializeOwned>(at: &str, harmless: &'static [&'static str], not_modelled: Effects) -> Part {
    Part { at: at.to_owned(), read: fields_of::<T>(), harmless, not_modelled }
}

fn joined<const N: usize>(parts: [Vec<Part>; N]) -> Vec<Part> {
    parts.into_iter().flatten().collect()
}

fn pod_template(at: &str) -> Vec<Part> {
    let metadata = part::<pod::PodMetadata>(
        &format!("{at}.metadata"),
        &["name", "generateName", "namespace", "creationTimestamp"],
        &[("finalizers", "pods end without waiting for finalizers")],
    );
    let template = part::<pod::PodTemplate>(at, &[], &[]);
    joined([vec![template, metadata], pod_spec(&format!("{at}.spec"))])
}

const POD_HARMLESS: &[&str] = &[
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostPID",
    "hostUsers",
    "hostname",
    "hostnameOverride",
    "os",
    "runtimeClassName",
    "securityContext",
    "serviceAccount",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "tolerations",
];
const POD_EFFECTS: Effects = &[
    ("activeDeadlineSeconds", "pods are not ended by a deadline"),
    ("affinity", "pods are placed without regard to affinity"),
    ("ephemeralContainers", "ephemeral containers do not run"),
    ("hostNetwork", "pods do not compete for the ports of a node"),
    ("nodeName", "pods are placed by the scheduler"),
    ("overhead", "the runtime's own resources are not counted"),
    ("preemptionPolicy", "pods do not preempt one another"),
    ("priority", "pods do not preempt one another"),
    ("priorityClassName", "pods do not preempt one another"),
    ("readinessGates", "readiness does not wait for gates"),
    ("resourceClaims", "dynamic resource allocation is not modelled; only extended resources are"),
    ("resources", "only the containers' resources are counted"),
    ("schedulerName", "one scheduler places all pods"),
    ("schedulingGates", "scheduling does not wait for gates"),
    ("topologySpreadConstraints", "pods are not spread"),
];
const CONTAINER_HARMLESS: &[&str] = &[
    "imagePullPolicy",
    "resizePolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];
const CONTAINER_EFFECTS: Effects = &[
    ("lifecycle", "hooks delay neither the start nor the end of a container"),
    ("restartPolicyRules", "restarts follow the pod's policy only"),
];
const VOLUME_HARMLESS: &[&str] = &["downwardAPI", "emptyDir", "hostPath"];
const NO_VOLUME: &str = "a volume of this kind never keeps a pod from starting";
const VOLUME_EFFECTS: Effects = &[
    ("awsElasticBlockStore", NO_VOLUME),
    ("azureDisk", NO_VOLUME),
    ("azureFile", NO_VOLUME),
    ("cephfs", NO_VOLUME),
    ("cinder", NO_VOLUME),
    ("csi", NO_VOLUME),
    ("ephemeral", NO_VOLUME),
    ("fc", NO_VOLUME),
    ("flexVolume", NO_VOLUME),
    ("flocker", NO_VOLUME),
    ("gcePersistentDisk", NO_VOLUME),
    ("gitRepo", NO_VOLUME),
    ("glusterfs", NO_VOLUME),
    ("image", NO_VOLUME),
    ("iscsi", NO_VOLUME),
    ("nfs", NO_VOLUME),
    ("photonPersistentDisk", NO_VOLUME),
    ("portworxVolume", NO_VOLUME),
    ("projected", NO_VOLUME),
    ("quobyte", NO_VOLUME),
    ("rbd", NO_VOLUME),
    ("scaleIO", NO_VOLUME),
    ("storageos", NO_VOLUME),
    ("vsphereVolume", NO_VOLUME),
];

fn pod_spec(at: &str) -> Vec<Part> {
    let mut parts = vec![
        part::<pod::PodSpec>(at, POD_HARMLESS, POD_EFFECTS),
        part::<pod::Volume>(&format!("{at}.volumes[]"), VOLUME_HARMLESS, VOLUME_EFFECTS),
        part::<pod::ConfigMapVolume>(&format!("{at}.volumes[].configMap"), &["defaultMode"], &[]),
        part::<pod::SecretVolume>(&format!("{at}.volumes[].secret"), &["defaultMode"], &[]),
        part::<pod::VolumeItem>(&format!("{at}.volumes[].configMap.items[]"), &["path", "mode"], &[]),
        part::<pod::VolumeItem>(&format!("{at}.volumes[].secret.items[]"), &["path", "mode"], &[]),
        part::<pod::ClaimVolume>(&format!("{at}.volumes[].persistentVolumeClaim"), &["readOnly"], &[]),
    ];
    for list in ["containers", "initContainers"] {
        parts.extend(container(&format!("{at}.{list}[]")));
    }
    parts
}

fn container(at: &str) -> Vec<Part> {
    let mut parts = vec![
        part::<pod::Container>(at, CONTAINER_HARMLESS, CONTAINER_EFFECTS),
        part::<pod::ContainerPort>(
            &format!("{at}.ports[]"),
            &["hostIP"],
            &[("hostPort", "pods do not compete for the ports of a node")],
        ),
        part::<pod::Resources>(
            &format!("{at}.resources"),
            &[],
            &[("claims", "dynamic resource allocation is not modelled; only extended resources are")],
        ),
        part::<pod::EnvVar>(&format!("{at}.env[]"), &[], &[]),
        part::<pod::EnvSource>(
            &format!("{at}.env[].valueFrom"),
            &["resourceFieldRef"],
            &[("fileKeyRef", "the variable stays unset")],
        ),
        part::<pod::FieldReference>(&format!("{at}.env[].valueFrom.fieldRef"), &["apiVersion"], &[]),
        part::<pod::KeyReference>(&format!("{at}.env[].valueFrom.configMapKeyRef"), &[], &[]),
        part::<pod::KeyReference>(&format!("{at}.env[].valueFrom.secretKeyRef"), &[], &[]),
        part::<pod::EnvFrom>(&format!("{at}.envFrom[]"), &[], &[]),
        part::<pod::OptionalReference>(&format!("{at}.envFrom[].configMapRef"), &[], &[]),
        part::<pod::OptionalReference>(&format!("{at}.envFrom[].secretRef"), &[], &[]),
    ];
    for probe in ["readinessProbe", "startupProbe", "livenessProbe"] {
        parts.push(part::<pod::Probe>(
            &format!("{at}.{probe}"),
            &["exec", "grpc", "tcpSocket"],
            &[(
                "terminationGracePeriodSeconds",
                "a failed probe ends the container after the pod's grace period",
            )],
        ));
        let http = format!("{at}.{probe}.httpGet");
        parts.push(part::<pod::HttpGet>(&http, &["host", "httpHeaders", "scheme"], &[]));
    }
    parts
}

fn deployment() -> Vec<Part> {
    let own = vec![
        part::<workload::Deployment>("", ROOT, &[]),
        part::<workload::DeploymentSpec>("spec", &[], &[]),
        part::<values::LabelSelector>("spec.selector", &[], &[]),
        part::<workload::DeploymentStrategy>("spec.strategy", &[], &[]),
        part::<workload::RollingUpdate>("spec.strategy.rollingUpdate", &[], &[]),
    ];
    joined([own, pod_template("spec.template")])
}

fn replica_set() -> Vec<Part> {
    let own = vec![
        part::<workload::ReplicaSet>("", ROOT, &[]),
        part::<workload::ReplicaSetSpec>("spec", &[], &[]),
        part::<values::LabelSelector>("spec.selector", &[], &[]),
    ];
    joined([own, pod_template("spec.template")])
}

const PROVIDER: &str = "this provider gives no measurements";
const PROVIDERS: Effects = &[
    ("wavefront", PROVIDER),
    ("kayenta", PROVIDER),
    ("datadog", PROVIDER),
    ("newRelic", PROVIDER),
    ("cloudWatch", PROVIDER),
    ("graphite", PROVIDER),
    ("influxdb", PROVIDER),
    ("skywalking", PROVIDER),
    ("plugin", PROVIDER),
];

fn analysis_template() -> Vec<Part> {
    vec![
        part::<analysis::AnalysisTemplate>("", ROOT, &[]),
        part::<analysis::AnalysisTemplateSpec>("spec", &[], &[]),
        part::<analysis::Argument>("spec.args[]", &[], &[]),
        part::<analysis::ArgumentSource>("spec.args[].valueFrom", &[], &[]),
        part::<analysis::DryRun>("spec.dryRun[]", &[], &[]),
        part::<analysis::MeasurementRetention>("spec.measurementRetention[]", &[], &[]),
        part::<analysis::TemplateReference>("spec.templates[]", &[], &[]),
        part::<analysis::Metric>("spec.metrics[]", &[], &[]),
        part::<analysis::Provider>("spec.metrics[].provider", &[], PROVIDERS),
        part::<analysis::Prometheus>(
            "spec.metrics[].provider.prometheus",
            &[],
            &[("authentication", "Prometheus asks for no credentials")],
        ),
        part::<analysis::RangeQuery>("spec.metrics[].provider.prometheus.rangeQuery", &[], &[]),
        part::<analysis::Web>("spec.metrics[].provider.web", &[], &[]),
        part::<analysis::Job>(
            "spec.metrics[].provider.job",
            &[],
            &[("spec", "no pod of a Job runs: `answers` says how it ends")],
        ),
    ]
}

const SOURCE_EFFECTS: Effects = &[
    ("kustomize", "the overlay is rendered as it stands in the repository"),
    ("helm", "Helm charts are not rendered"),
    ("directory", "a plain folder's options are not applied"),
    ("plugin", "config management plugins do not run"),
    ("chart", "Helm charts are not rendered"),
    ("ref", "sources do not refer to one another"),
];

fn app() -> Vec<Part> {
    let source = |at| part::<application::ApplicationSource>(at, &["name"], SOURCE_EFFECTS);
    vec![
        part::<application::Application>("", &["apiVersion", "kind", "status", "operation"], &[]),
        part::<application::ApplicationSpec>(
            "spec",
            &["info"],
            &[("sourceHydrator", "manifests are not hydrated into another branch")],
        ),
        source("spec.source"),
        source("spec.sources[]"),
        part::<application::Destination>("spec.destination", &[], &[]),
        part::<application::SyncPolicy>(
            "spec.syncPolicy",
            &[],
            &[("managedNamespaceMetadata", "the namespace gets no labels and annotations")],
        ),
        part::<application::Automated>("spec.syncPolicy.automated", &[], &[]),
        part::<application::Retry>("spec.syncPolicy.retry", &[], &[]),
        part::<application::Backoff>("spec.syncPolicy.retry.backoff", &[], &[]),
        part::<application::IgnoreDifference>(
            "spec.ignoreDifferences[]",
            &[],
            &[("jqPathExpressions", "jq expressions are not evaluated: these differences count")],
        ),
    ]
}

const GENERATOR: &str = "only the clusters and list generators are modelled";
const GENERATORS: Effects = &[
    ("git", GENERATOR),
    ("scmProvider", GENERATOR),
    ("clusterDecisionResource", GENERATOR),
    ("pullRequest", GENERATOR),
    ("matrix", GENERATOR),
    ("merge", GENERATOR),
    ("plugin", GENERATOR),
    ("selector", "generated parameters are not filtered"),
];

fn app_set() -> Vec<Part> {
    vec![
        part::<application::ApplicationSet>("", ROOT, &[]),
        part::<application::ApplicationSetSpec>(
            "spec",
            &[],
            &[
                ("strategy", "all Applications are changed at once"),
                ("preservedFields", "no fields of generated Applications are preserved"),
                ("applyNestedSelectors", "nested generators are not modelled"),
                ("ignoreApplicationDifferences", "every change of a generated Application is undone"),
                ("templatePatch", "the template is not patched"),
            ],
        ),
        part::<application::ApplicationSetSyncPolicy>("spec.syncPolicy", &[], &[]),
        part::<application::Generator>("spec.generators[]", &[], GENERATORS),
        part::<application::ClusterGenerator>(
            "spec.generators[].clusters",
            &[],
            &[
                ("template", "a generator's own template is not merged"),
                ("flatList", "parameters are one set a cluster"),
            ],
        ),
        part::<application::ListGenerator>(
            "spec.generators[].list",
            &[],
            &[
                ("template", "a generator's own template is not merged"),
                ("elementsYaml", "elements are read from the list only"),
            ],
        ),
    ]
}

fn app_project() -> Vec<Part> {
    vec![
        part::<project::AppProject>("", ROOT, &[]),
        part::<project::AppProjectSpec>(
            "spec",
            &["description", "orphanedResources", "roles"],
            &[
                ("destinationServiceAccounts", "syncs run with all rights"),
                ("permitOnlyProjectScopedClusters", "every registered cluster is permitted"),
                ("signatureKeys", "commits are not checked for signatures"),
                ("sourceNamespaces", "Applications live in Argo CD's namespace"),
                ("syncWindows", "syncs are allowed at any time"),
            ],
        ),
        part::<application::Destination>("spec.destinations[]", &[], &[]),
        part::<project::GroupKind>("spec.clusterResourceWhitelist[]", &[], &[]),
        part::<project::GroupKind>("spec.clusterResourceBlacklist[]", &[], &[]),
        part::<project::GroupKind>("spec.namespaceResourceWhitelist[]", &[], &[]),
        part::<project::GroupKind>("spec.namespaceResourceBlacklist[]", &[], &[]),
    ]
}

fn service() -> Vec<Part> {
    let harmless = &[
        "allocateLoadBalancerNodePorts",
        "clusterIPs",
        "externalIPs",
        "externalTrafficPolicy",
        "healthCheckNodePort",
        "internalTrafficPolicy",
        "ipFamilies",
        "ipFamily",
        "ipFamilyPolicy",
        "loadBalancerClass",
        "loadBalancerIP",
        "loadBalancerSourceRanges",
        "sessionAffinityConfig",
        "topologyKeys",
    ];
    let effects: Effects = &[
        ("externalName", "names outside the cluster are not followed"),
        ("sessionAffinity", "each request chooses its pod anew"),
        ("trafficDistribution", "pods are chosen without regard to zones"),
    ];
    vec![
        part::<core::Service>("", ROOT, &[]),
        part::<core::ServiceSpec>("spec", harmless, effects),
        part::<core::ServicePort>("spec.ports[]", &["appProtocol", "nodePort"], &[]),
    ]
}

fn service_account() -> Part {
    let harmless = &["apiVersion", "kind", "status", "automountServiceAccountToken", "secrets"];
    part::<core::ServiceAccount>(
        "",
        harmless,
        &[("imagePullSecrets", "images are pulled with the pod's own credentials")],
    )
}

fn claim() -> Vec<Part> {
    let harmless =
        &["dataSource", "dataSourceRef", "selector", "volumeAttributesClassName", "volumeMode", "volumeName"];
    vec![
        part::<core::PersistentVolumeClaim>("", ROOT, &[]),
        part::<core::PersistentVolumeClaimSpec>("spec", harmless, &[]),
        part::<core::StorageRequest>("spec.resources", &["limits"], &[]),
    ]
}

fn autoscaler() -> Vec<Part> {
    const METRICS: &str = "replicas are left as Git declares them";
    vec![
        part::<workload::HorizontalPodAutoscaler>("", ROOT, &[]),
        part::<workload::HorizontalPodAutoscalerSpec>(
            "spec",
            &[],
            &[("metrics", METRICS), ("targetCPUUtilizationPercentage", METRICS), ("behavior", METRICS)],
        ),
        part::<workload::ScaleTarget>("spec.scaleTargetRef", &[], &[]),
    ]
}

const LIMIT: &str = "scrapes do not fail for their size";
const MONITOR_HARMLESS: &[&str] = &[
    "attachMetadata",
    "convertClassicHistogramsToNHCB",
    "fallbackScrapeProtocol",
    "keepDroppedTargets",
    "nativeHistogramBucketLimit",
    "nativeHistogramMinBucketFactor",
    "scrapeClassicHistograms",
    "scrapeProtocols",
    "selectorMechanism",
    "serviceDiscoveryRole",
];
const MONITOR_EFFECTS: Effects = &[
    ("bodySizeLimit", LIMIT),
    ("labelLimit", LIMIT),
    ("labelNameLengthLimit", LIMIT),
    ("labelValueLengthLimit", LIMIT),
    ("sampleLimit", LIMIT),
    ("targetLimit", LIMIT),
    ("scrapeClass", "scrape classes are not modelled"),
];
const ENDPOINT_HARMLESS: &[&str] = &[
    "authorization",
    "basicAuth",
    "bearerTokenFile",
    "bearerTokenSecret",
    "enableHttp2",
    "filterRunning",
    "followRedirects",
    "honorTimestamps",
    "noProxy",
    "oauth2",
    "proxyConnectHeader",
    "proxyFromEnvironment",
    "proxyUrl",
    "scheme",
    "tlsConfig",
    "trackTimestampsStaleness",
];
const ENDPOINT_EFFECTS: Effects = &[
    ("metricRelabelings", "samples keep their labels, and none is dropped"),
    ("params", "the application sees no parameters"),
    ("relabelings", "targets keep the labels that the operator gives"),
];

fn service_monitor() -> Vec<Part> {
    vec![
        part::<monitoring::ServiceMonitor>("", ROOT, &[]),
        part::<monitoring::ServiceMonitorSpec>("spec", MONITOR_HARMLESS, MONITOR_EFFECTS),
        part::<values::LabelSelector>("spec.selector", &[], &[]),
        part::<monitoring::NamespaceSelector>("spec.namespaceSelector", &[], &[]),
        part::<monitoring::Endpoint>("spec.endpoints[]", ENDPOINT_HARMLESS, ENDPOINT_EFFECTS),
    ]
}

fn external_secret() -> Vec<Part> {
    vec![
        part::<monitoring::ExternalSecret>("", ROOT, &[]),
        part::<monitoring::ExternalSecretSpec>(
            "spec",
            &[],
            &[
                ("dataFrom", "only the entries under data are written"),
                ("syncWindows", "fetches are allowed at any time"),
            ],
        ),
        part::<monitoring::SecretStoreReference>("spec.secretStoreRef", &[], &[]),
        part::<monitoring::ExternalSecretTarget>(
            "spec.target",
            &[],
            &[
                ("immutable", "the Secret can be changed"),
                ("manifest", "only Secrets are written"),
                ("template", "values are written as they are fetched"),
            ],
        ),
        part::<monitoring::ExternalSecretData>(
            "spec.data[]",
            &[],
            &[("sourceRef", "all entries come from the one store")],
        ),
        part::<monitoring::RemoteReference>(
            "spec.data[].remoteRef",
            &["conversionStrategy", "decodingStrategy", "nullBytePolicy"],
            &[("metadataPolicy", "values are fetched, not their metadata")],
        ),
    ]
}

/// The keys that a type reads, as serde knows them.
fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &[&str] = &[];
    // The type asks for a structure, is refused, and has told its fields by then.
    let refused = T::deserialize(Ask { fields: &mut fields });
    debug_assert!(refused.is_err());
    fields
}

struct Ask<'a> {
    fields: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.fields = fields;
        Err(de::Error::custom("only asked for its fields"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("only asked for its fields"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
