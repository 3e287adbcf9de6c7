//! Random repositories: a base with the objects of a deployment, a component, and one to three overlays.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Map, Value, json};

/// The directory that is built.
pub(crate) const TARGET: &str = "overlay";

const NAMES: [&str; 3] = ["model", "gateway", "cache"];

/// Kinds with a pod template.
const WORKLOADS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "Rollout"];

/// Texts that YAML could take for something else, and that hashes and quoting stumble over.
const TEXTS: [&str; 12] =
    ["3.1", "yes", "0x10", "1e3", "null", "", " a b ", "<b>&\"c'", "größe", "a\nb\n", "07", "2026-11-28"];

type Files = BTreeMap<String, Vec<u8>>;

/// The repository of a seed.
pub(crate) fn repository(seed: u64) -> Files {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
    let mut files = Files::new();
    let mut resources = Vec::new();
    let mut objects: Vec<(String, String)> = Vec::new();
    for number in 0..draw.between(1, 6) {
        let (kind, name) = (draw.kind(), draw.of(&NAMES));
        // Now and then two of the same identity, which both refuse.
        if objects.contains(&(kind.to_owned(), name.to_owned())) && !draw.one_in(30) {
            continue;
        }
        let object = draw.object(kind, name);
        objects.push((kind.to_owned(), name.to_owned()));
        let file = format!("{number}.yaml");
        files.insert(format!("base/{file}"), object.to_string().into_bytes());
        resources.push(json!(file));
    }
    let mut made = Made { objects, generated: Vec::new() };
    let mut base = draw.layer(&mut files, "base", &mut made);
    base.insert("resources".to_owned(), json!(resources));
    write(&mut files, "base", base);
    if draw.one_in(3) {
        let mut component = draw.layer(&mut files, "component", &mut made);
        component.insert("apiVersion".to_owned(), json!("kustomize.config.k8s.io/v1alpha1"));
        component.insert("kind".to_owned(), json!("Component"));
        write(&mut files, "component", component);
    }
    let mut below = "base".to_owned();
    let layers = draw.between(1, 3);
    for number in 1..=layers {
        let folder = if number == layers { TARGET.to_owned() } else { format!("layer{number}") };
        let mut layer = draw.layer(&mut files, &folder, &mut made);
        layer.insert("resources".to_owned(), json!([format!("../{below}")]));
        if number == 1 && files.contains_key("component/kustomization.yaml") {
            layer.insert("components".to_owned(), json!(["../component"]));
        }
        write(&mut files, &folder, layer);
        below = folder;
    }
    files
}

fn write(files: &mut Files, folder: &str, kustomization: Map<String, Value>) {
    let text = Value::Object(kustomization).to_string();
    files.insert(format!("{folder}/kustomization.yaml"), text.into_bytes());
}

/// What there is to be changed by a layer.
struct Made {
    /// Kinds and names of the base's objects.
    objects: Vec<(String, String)>,
    /// Fields and names of what layers generated.
    generated: Vec<(&'static str, &'static str)>,
}

struct Draw(ChaCha8Rng);

impl Draw {
    fn between(&mut self, low: u32, high: u32) -> u32 {
        self.0.random_range(low..=high)
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.between(1, n) == 1
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.random_range(0..choices.len())].clone()
    }

    fn some<T: Clone>(&mut self, choices: &[T]) -> Vec<T> {
        choices.iter().filter(|_| self.one_in(2)).cloned().collect()
    }

    fn kind(&mut self) -> &'static str {
        if self.one_in(2) {
            return self.of(&WORKLOADS);
        }
        self.of(&[
            "Service",
            "ConfigMap",
            "Secret",
            "ServiceAccount",
            "HorizontalPodAutoscaler",
            "Ingress",
            "CronJob",
            "PersistentVolumeClaim",
            "PodDisruptionBudget",
            "NetworkPolicy",
            "RoleBinding",
            "Role",
            "Namespace",
            "ServiceMonitor",
            "AnalysisTemplate",
        ])
    }

    fn object(&mut self, kind: &str, name: &str) -> Value {
        let api_version = match kind {
            "Deployment" | "StatefulSet" | "DaemonSet" => "apps/v1",
            "Job" | "CronJob" => "batch/v1",
            "Rollout" | "AnalysisTemplate" => "argoproj.io/v1alpha1",
            "HorizontalPodAutoscaler" => "autoscaling/v2",
            "Ingress" | "NetworkPolicy" => "networking.k8s.io/v1",
            "PodDisruptionBudget" => "policy/v1",
            "Role" | "RoleBinding" => "rbac.authorization.k8s.io/v1",
            "ServiceMonitor" => "monitoring.coreos.com/v1",
            _ => "v1",
        };
        let mut metadata = json!({"name": name});
        if self.one_in(3) {
            metadata["labels"] = json!({"app": name, "tier": self.of(&["front", "back"])});
        }
        if self.one_in(6) {
            metadata["annotations"] = json!({"note": self.of(&TEXTS)});
        }
        if self.one_in(8) && kind != "Namespace" {
            metadata["namespace"] = json!(self.of(&["ai", "team"]));
        }
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
        self.body(kind, name, &mut object);
        object
    }

    fn body(&mut self, kind: &str, name: &str, object: &mut Value) {
        let selector = json!({"app": name});
        match kind {
            "ConfigMap" => object["data"] = self.data(),
            "Secret" => object["stringData"] = self.data(),
            "Service" => {
                object["spec"] = json!({"selector": selector, "ports": [{"name": "http", "port": 80}]})
            }
            "HorizontalPodAutoscaler" => {
                let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": self.of(&NAMES)});
                object["spec"] = json!({"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4});
            }
            "Ingress" => {
                let backend = json!({"service": {"name": self.of(&NAMES), "port": {"number": 80}}});
                let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
                object["spec"] = json!({"rules": [{"host": "example.com", "http": {"paths": [path]}}]});
            }
            "PersistentVolumeClaim" => {
                object["spec"] = json!({"resources": {"requests": {"storage": "1Gi"}}})
            }
            "PodDisruptionBudget" => {
                object["spec"] = json!({"selector": {"matchLabels": selector}, "minAvailable": 1})
            }
            "NetworkPolicy" => {
                let from = json!([{"podSelector": {"matchLabels": selector}}]);
                object["spec"] =
                    json!({"podSelector": {"matchLabels": selector}, "ingress": [{"from": from}]});
            }
            "Role" => {
                let names = json!([self.of(&NAMES)]);
                let resources = json!([self.of(&["configmaps", "secrets"])]);
                object["rules"] = json!([{"apiGroups": [""], "resources": resources, "verbs": ["get"], "resourceNames": names}]);
            }
            "RoleBinding" => {
                object["roleRef"] =
                    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": self.of(&NAMES)});
                object["subjects"] =
                    json!([{"kind": "ServiceAccount", "name": self.of(&NAMES), "namespace": "ai"}]);
            }
            "ServiceMonitor" => {
                object["spec"] =
                    json!({"selector": {"matchLabels": selector}, "endpoints": [{"port": "http"}]});
            }
            "AnalysisTemplate" => object["spec"] = json!({"metrics": [{"name": "errors", "count": 1}]}),
            "CronJob" => {
                let template = self.pod_template(name);
                object["spec"] =
                    json!({"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": template}}});
            }
            workload if WORKLOADS.contains(&workload) => {
                object["spec"] = json!({"template": self.pod_template(name)});
                if kind != "Job" {
                    object["spec"]["selector"] = json!({"matchLabels": selector});
                }
                if matches!(kind, "Deployment" | "StatefulSet" | "Rollout") {
                    object["spec"]["replicas"] = json!(self.between(0, 5));
                }
                if kind == "StatefulSet" {
                    object["spec"]["serviceName"] = json!(self.of(&NAMES));
                }
            }
            _ => {}
        }
    }

    fn data(&mut self) -> Value {
        let keys = self.some(&["MODEL_VERSION", "log.level", "a-key", "z"]);
        keys.into_iter().map(|key| (key.to_owned(), json!(self.of(&TEXTS)))).collect::<Map<_, _>>().into()
    }

    fn pod_template(&mut self, name: &str) -> Value {
        let mut containers = vec![self.container("server")];
        if self.one_in(3) {
            containers.push(self.container("sidecar"));
        }
        let mut spec = json!({"containers": containers});
        if self.one_in(4) {
            spec["initContainers"] = json!([self.container("init")]);
        }
        if self.one_in(3) {
            spec["serviceAccountName"] = json!(self.of(&NAMES));
        }
        if self.one_in(2) {
            let config = json!({"name": "config", "configMap": {"name": self.config()}});
            let secret = json!({"name": "secret", "secret": {"secretName": self.config()}});
            let claim = json!({"name": "claim", "persistentVolumeClaim": {"claimName": self.of(&NAMES)}});
            spec["volumes"] = json!(self.some(&[config, secret, claim]));
        }
        json!({"metadata": {"labels": {"app": name}}, "spec": spec})
    }

    fn container(&mut self, name: &str) -> Value {
        let digest = format!("registry.example.com:5000/team/server@sha256:{}", "0123456789abcdef".repeat(4));
        let image = self.of(&["nginx", "nginx:1.25", "registry.example.com/server:1", "server", &digest]);
        let mut container = json!({"name": name, "image": image});
        if self.one_in(2) {
            let by_key = |from: &str, name: &str| json!({from: {"name": name, "key": "z"}});
            let version = json!({"name": "MODEL_VERSION", "value": self.of(&TEXTS)});
            let config = json!({"name": "LEVEL", "valueFrom": by_key("configMapKeyRef", self.config())});
            let secret = json!({"name": "TOKEN", "valueFrom": by_key("secretKeyRef", self.config())});
            container["env"] = json!(self.some(&[version, config, secret]));
        }
        if self.one_in(4) {
            container["envFrom"] = json!([{"configMapRef": {"name": self.config()}}]);
        }
        if self.one_in(2) {
            container["ports"] = json!([{"name": "http", "containerPort": 8000}]);
        }
        if self.one_in(4) {
            container["args"] = json!(["--model", self.of(&TEXTS)]);
        }
        container
    }

    /// A ConfigMap or Secret: generated, as it stands, or nowhere.
    fn config(&mut self) -> &'static str {
        self.of(&["config", "config", "settings", "model"])
    }

    /// A kustomization without its resources.
    fn layer(&mut self, files: &mut Files, folder: &str, made: &mut Made) -> Map<String, Value> {
        let mut layer = Map::new();
        let mut set = |key: &str, value: Value| drop(layer.insert(key.to_owned(), value));
        for (key, n, choices) in [
            ("namespace", 3, ["ai", "team"]),
            ("namePrefix", 4, ["p-", "prod-"]),
            ("nameSuffix", 6, ["-v2", "-x"]),
        ] {
            if self.one_in(n) {
                set(key, json!(self.of(&choices)));
            }
        }
        if self.one_in(3) {
            set("labels", json!([self.labels()]));
        }
        if self.one_in(8) {
            set("commonLabels", json!({"team": self.of(&["a", "b"])}));
        }
        if self.one_in(6) {
            set("commonAnnotations", json!({"note": self.of(&TEXTS)}));
        }
        if self.one_in(3) {
            set("images", json!([self.image()]));
        }
        let scaled =
            made.objects.iter().filter(|(kind, _)| ["Deployment", "StatefulSet"].contains(&kind.as_str()));
        let scaled: Vec<String> = scaled.map(|(_, name)| name.clone()).collect();
        if self.one_in(3) && !scaled.is_empty() {
            set("replicas", json!([{"name": self.of(&scaled), "count": self.between(0, 9)}]));
        }
        for (field, n) in [("configMapGenerator", 2), ("secretGenerator", 5)] {
            if self.one_in(n) {
                set(field, json!([self.generator(files, folder, field, &mut made.generated)]));
            }
        }
        if self.one_in(8) {
            let options = [
                json!({"disableNameSuffixHash": true}),
                json!({"labels": {"g": "h"}}),
                json!({"immutable": true}),
            ];
            set("generatorOptions", self.of(&options));
        }
        if self.one_in(12) {
            set("sortOptions", self.of(&[json!({"order": "fifo"}), json!({"order": "legacy"})]));
        }
        if self.one_in(2) {
            let patches: Vec<Value> = (0..self.between(1, 2)).map(|_| self.patch(&made.objects)).collect();
            set("patches", json!(patches));
        }
        if self.one_in(6) {
            set("replacements", json!([self.replacement(&made.objects)]));
        }
        layer
    }

    fn labels(&mut self) -> Value {
        let mut labels = json!({"pairs": {"env": self.of(&["production", "staging", "1"])}});
        match self.between(0, 3) {
            0 => labels["includeSelectors"] = json!(true),
            1 => labels["includeTemplates"] = json!(true),
            2 => {
                labels["fields"] =
                    json!([{"path": "spec/labels", "kind": self.of(&WORKLOADS), "create": self.one_in(2)}])
            }
            _ => {}
        }
        labels
    }

    fn image(&mut self) -> Value {
        let mut image = json!({"name": self.of(&["nginx", "server", "registry.example.com/server", "registry.example.com:5000/team/server"])});
        if self.one_in(2) {
            image["newName"] = json!(self.of(&["mirror.example.com/server", "server2"]));
        }
        match self.between(0, 3) {
            0 => image["digest"] = json!(format!("sha256:{}", "fedcba9876543210".repeat(4))),
            1 => image["tagSuffix"] = json!("-slim"),
            _ => image["newTag"] = json!(self.of(&["1.27", "v2", "latest"])),
        }
        image
    }

    fn generator(
        &mut self,
        files: &mut Files,
        folder: &str,
        field: &'static str,
        generated: &mut Vec<(&'static str, &'static str)>,
    ) -> Value {
        let name = self.of(&["config", "settings"]);
        let mut generator = json!({"name": name});
        if generated.contains(&(field, name)) {
            generator["behavior"] = json!(self.of(&["merge", "merge", "replace"]));
        }
        generated.push((field, name));
        if self.one_in(20) {
            generator["namespace"] = json!(self.of(&["ai", "team"]));
        }
        let literals =
            self.some(&["MODEL_VERSION=3.1", "z=yes", "quoted=\"a b\"", "empty=", "html=<b>&c", "equal=a=b"]);
        generator["literals"] = json!(literals);
        if self.one_in(3) {
            files.insert(
                format!("{folder}/some.env"),
                b"# a comment\nENV_A=1\nENV_B = two\n\nENV_C=\"q\"\n".to_vec(),
            );
            generator["envs"] = json!(["some.env"]);
        }
        if self.one_in(3) {
            let content = self.of(&["one line\n", "a: [1, 2]\n", "größe\n", ""]);
            files.insert(format!("{folder}/file.txt"), content.as_bytes().to_vec());
            generator["files"] = json!([self.of(&["file.txt", "renamed=file.txt"])]);
        }
        if self.one_in(6) {
            generator["options"] = json!({"disableNameSuffixHash": true, "annotations": {"made": "here"}});
        }
        generator
    }

    fn patch(&mut self, objects: &[(String, String)]) -> Value {
        let (kind, name) = self.of(objects);
        if self.one_in(3) {
            let has_pods = WORKLOADS.contains(&kind.as_str());
            let operations: Vec<Value> = (0..self.between(1, 3)).map(|_| self.operation(has_pods)).collect();
            let mut target = json!({"kind": kind});
            if self.one_in(2) {
                target["name"] = json!(self.of(&[name.as_str(), ".*", "m.*"]));
            }
            return json!({"target": target, "patch": json!(operations).to_string()});
        }
        let mut patch = self.object(&kind, &name);
        if let Some(metadata) = patch["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        self.trim(&mut patch);
        if self.one_in(12) {
            patch["$patch"] = json!(self.of(&["delete", "replace"]));
        }
        match self.one_in(4) {
            true => {
                json!({"target": {"kind": self.of(&[kind.as_str(), "Deployment|Rollout"])}, "patch": patch.to_string()})
            }
            false => json!({"patch": patch.to_string()}),
        }
    }

    /// Leaves a part of an object, with directives here and there.
    fn trim(&mut self, patch: &mut Value) {
        if self.one_in(8) {
            patch["metadata"]["labels"] = json!({"app": null, "added": "1"});
        }
        let Some(spec) = patch.get_mut("spec").and_then(Value::as_object_mut) else { return };
        if self.one_in(2) {
            spec.remove("selector");
        }
        let Some(template) = spec.get_mut("template").and_then(|template| template.get_mut("spec")) else {
            return;
        };
        if self.one_in(6) {
            template["volumes"] =
                self.of(&[json!(null), json!([{"$patch": "replace"}, {"name": "only", "emptyDir": {}}])]);
        }
        if let Some(containers) = template["containers"].as_array_mut() {
            match self.between(0, 5) {
                0 => containers.push(json!({"name": "sidecar", "$patch": "delete"})),
                1 => containers.insert(0, json!({"name": "added", "image": "nginx"})),
                2 => {
                    containers[0]["env"] =
                        json!([{"name": "LEVEL", "$patch": "delete"}, {"name": "NEW", "value": "1"}])
                }
                3 => containers[0]["args"] = Value::Null,
                _ => {}
            }
        }
    }

    fn operation(&mut self, has_pods: bool) -> Value {
        let of_any = [
            json!({"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}),
            json!({"op": "add", "path": "/metadata/annotations", "value": {"n": "1"}}),
            json!({"op": "copy", "from": "/metadata/name", "path": "/copied"}),
            json!({"op": "add", "path": "/a~1b", "value": [1, 2.5, true, null]}),
        ];
        let of_pods = [
            json!({"op": "add", "path": "/spec/replicas", "value": 7}),
            json!({"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "last", "image": "server:9"}}),
            json!({"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}),
            json!({"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "server"}),
            json!({"op": "move", "from": "/spec/template/spec/containers/0/image", "path": "/spec/moved"}),
        ];
        match has_pods {
            _ if self.one_in(40) => json!({"op": "remove", "path": "/spec/not-there"}),
            true if self.one_in(2) => self.of(&of_pods),
            _ => self.of(&of_any),
        }
    }

    /// The name of an object becomes a part of a workload.
    fn replacement(&mut self, objects: &[(String, String)]) -> Value {
        let (kind, name) = self.of(objects);
        let source = json!({"kind": kind, "name": name, "fieldPath": "metadata.name"});
        let path = self.of(&[
            "spec.template.spec.containers.[name=server].image",
            "spec.template.metadata.labels.app",
            "spec.template.spec.containers.0.name",
        ]);
        let workloads = objects.iter().filter(|(kind, _)| WORKLOADS.contains(&kind.as_str()));
        let workloads: Vec<String> = workloads.map(|(kind, _)| kind.clone()).collect();
        let target = if workloads.is_empty() { "Deployment".to_owned() } else { self.of(&workloads) };
        json!({"source": source, "targets": [{"select": {"kind": target}, "fieldPaths": [path]}]})
    }
}
