//! What a cluster must have before a scenario can run on it.

use std::collections::BTreeSet;

use manifests::directory::{self, SourceType, source_type};
use manifests::kustomize;
use manifests::tree::Tree;
use scenario::{Action, Scenario};
use yaml::{Node, Value};

/// What a scenario's manifests need that a plain cluster does not have: of what it applies, of what its
/// Applications render, and of what its merges bring.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Every Prometheus that an analysis asks.
    pub prometheus: BTreeSet<PrometheusAddress>,
    /// Every image of a container of a workload, which serves.
    pub images: BTreeSet<String>,
    /// Every image of a container of a Job, be it a metric's or one by itself, which does its work and ends.
    pub job_images: BTreeSet<String>,
    /// Every kind that needs a CRD or a controller, as group and kind. The autoscaler is among them, since
    /// it needs a metrics server.
    pub kinds: BTreeSet<(String, String)>,
    /// Every namespace that objects go to.
    pub namespaces: BTreeSet<String>,
}

/// A Prometheus by the name of its Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrometheusAddress {
    /// The address as it is written.
    pub url: String,
    /// The Service.
    pub service: String,
    /// The Service's namespace; `None` where the address does not say, which is that of the controller.
    pub namespace: Option<String>,
    /// The port.
    pub port: u16,
}

impl PrometheusAddress {
    /// Takes apart `http://SERVICE.NAMESPACE.svc.cluster.local:PORT` and its shorter forms; `None` for
    /// what is no address of a Service, such as a host of the internet.
    ///
    /// ```
    /// use transform::PrometheusAddress;
    /// let address = PrometheusAddress::parse("http://prometheus.monitoring.svc:9090").unwrap();
    /// assert_eq!((address.service.as_str(), address.port), ("prometheus", 9090));
    /// assert_eq!(address.namespace.as_deref(), Some("monitoring"));
    /// assert!(PrometheusAddress::parse("https://prometheus.example.com").is_none());
    /// ```
    pub fn parse(url: &str) -> Option<Self> {
        let (rest, default_port) = match url.split_once("://") {
            Some(("https", rest)) => (rest, 443),
            Some((_, rest)) => (rest, 80),
            None => (url, 80),
        };
        let authority = rest.split('/').next()?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, default_port),
        };
        let mut labels = host.split('.');
        let service = labels.next().filter(|label| is_label(label))?;
        let namespace = labels.next();
        let in_cluster = match (namespace, labels.next()) {
            (None | Some(_), None) => true,
            (Some(namespace), Some("svc")) => is_label(namespace),
            _ => false,
        };
        in_cluster.then(|| Self {
            url: url.to_owned(),
            service: service.to_owned(),
            namespace: namespace.map(str::to_owned),
            port,
        })
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Needs {
    /// The needs of a scenario, be it transformed or not. What cannot be rendered needs nothing: whoever
    /// renders it next will say why.
    pub fn of(repository: &Tree, scenario: &Scenario) -> Self {
        let mut needs = Self::default();
        let mut applied = scenario.apply.clone();
        for event in &scenario.events {
            match &event.action {
                Action::Merge(merge) => {
                    merge.edit.values().for_each(|node| needs.look_at(node));
                    let written =
                        merge.write.iter().flat_map(|(path, text)| yaml::parse(path, text.as_bytes()));
                    written.flatten().for_each(|node| needs.look_at(&node));
                }
                Action::Apply(files) => applied.extend(files.iter().cloned()),
                _ => {}
            }
        }
        for node in applied.iter().filter_map(|path| repository.documents(path)?.ok()).flatten() {
            needs.look_at(node);
            for (folder, namespace) in destinations(repository, node) {
                needs.namespaces.extend(namespace);
                rendered(repository, &folder).iter().for_each(|object| needs.look_at(object));
            }
        }
        needs
    }

    fn look_at(&mut self, object: &Node) {
        if let (Some(version), Some(kind)) = (object.str_at(&["apiVersion"]), object.str_at(&["kind"])) {
            let group = version.split_once('/').map_or("", |(group, _)| group);
            if !BUILT_IN_GROUPS.contains(&group) || kind == "HorizontalPodAutoscaler" {
                self.kinds.insert((group.to_owned(), kind.to_owned()));
            }
        }
        if let Some(namespace) = object.str_at(&["metadata", "namespace"]) {
            self.namespaces.insert(namespace.to_owned());
        }
        let of_job = matches!(object.str_at(&["kind"]), Some("Job" | "CronJob"));
        self.look_into(None, object, of_job);
    }

    fn look_into(&mut self, key: Option<&str>, node: &Node, of_job: bool) {
        let of_job = of_job || key == Some("job");
        match &node.value {
            Value::Map(map) => {
                if key == Some("prometheus")
                    && let Some(address) = node.str_at(&["address"]).and_then(PrometheusAddress::parse)
                {
                    self.prometheus.insert(address);
                }
                if let (Some("containers" | "initContainers"), Some(image)) = (key, node.str_at(&["image"])) {
                    let images = if of_job { &mut self.job_images } else { &mut self.images };
                    images.insert(image.to_owned());
                }
                map.iter().for_each(|(key, value)| self.look_into(Some(key), value, of_job));
            }
            Value::Seq(items) => items.iter().for_each(|item| self.look_into(key, item, of_job)),
            _ => {}
        }
    }
}

/// The groups of a cluster without extensions.
const BUILT_IN_GROUPS: [&str; 20] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// The folders that an Application renders, or may render by an ApplicationSet, each with its namespace.
fn destinations(repository: &Tree, node: &Node) -> Vec<(String, Option<String>)> {
    let spec = match node.str_at(&["kind"]) {
        Some("Application") => node.get("spec"),
        Some("ApplicationSet") => node.at(&["spec", "template", "spec"]),
        _ => None,
    };
    let Some(spec) = spec else { return Vec::new() };
    let namespace = spec.str_at(&["destination", "namespace"]).filter(|it| !it.is_empty()).map(str::to_owned);
    let several = spec.get("sources").and_then(Node::as_seq).unwrap_or_default();
    let sources = spec.get("source").into_iter().chain(several);
    let folders =
        sources.filter_map(|source| source.str_at(&["path"])).flat_map(|path| folders(repository, path));
    folders.map(|folder| (folder, namespace.clone())).collect()
}

/// The folder of this path, or every folder that it can become when its placeholders are filled in.
fn folders(repository: &Tree, path: &str) -> Vec<String> {
    if !path.contains("{{") {
        return vec![path.to_owned()];
    }
    let pattern: Vec<&str> = path.split('/').collect();
    let matches = |folder: &&str| {
        let parts: Vec<&str> = folder.split('/').collect();
        parts.len() == pattern.len()
            && parts.iter().zip(&pattern).all(|(part, pattern)| part == pattern || pattern.contains("{{"))
    };
    let all: BTreeSet<&str> =
        repository.files().filter_map(|(path, _)| Some(path.rsplit_once('/')?.0)).collect();
    all.into_iter().filter(matches).map(str::to_owned).collect()
}

fn rendered(repository: &Tree, folder: &str) -> Vec<Node> {
    match source_type(repository, folder) {
        SourceType::Kustomize => {
            kustomize::build(repository, folder).map(|it| it.objects).unwrap_or_default()
        }
        SourceType::Directory => directory::load(repository, folder).map(|it| it.objects).unwrap_or_default(),
        SourceType::Helm => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_services_are_taken_apart() {
        let parse = |url: &str| {
            let address = PrometheusAddress::parse(url)?;
            Some((address.service, address.namespace.unwrap_or_default(), address.port))
        };
        let some =
            |service: &str, namespace: &str, port| Some((service.to_owned(), namespace.to_owned(), port));
        let table = [
            ("http://prometheus.monitoring.svc.cluster.local:9090", some("prometheus", "monitoring", 9090)),
            ("http://prometheus.monitoring:9090/", some("prometheus", "monitoring", 9090)),
            ("http://prometheus:9090", some("prometheus", "", 9090)),
            ("https://prometheus.monitoring.svc", some("prometheus", "monitoring", 443)),
            ("prometheus.monitoring.svc:80/prefix", some("prometheus", "monitoring", 80)),
            ("https://prometheus.example.com:9090", None),
            ("http://{{args.host}}:9090", None),
            ("http://p:port", None),
            ("", None),
        ];
        for (url, expected) in table {
            assert_eq!(parse(url), expected, "{url}");
        }
    }

    #[test]
    fn images_of_jobs_are_told_apart_from_those_of_workloads() {
        let text = "
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
spec: {metrics: [{name: a, provider: {job: {spec: {template: {spec: {containers: [{image: suite}]}}}}}}]}
---
apiVersion: batch/v1
kind: Job
spec: {template: {spec: {initContainers: [{image: migration}]}}}
---
apiVersion: apps/v1
kind: Deployment
spec: {template: {metadata: {labels: {job: web}}, spec: {containers: [{image: server}]}}}
";
        let mut needs = Needs::default();
        let documents = yaml::parse("all.yaml", text.as_bytes()).unwrap();
        documents.iter().for_each(|node| needs.look_at(node));
        let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(needs.images, set(&["server"]));
        assert_eq!(needs.job_images, set(&["migration", "suite"]));
    }
}
