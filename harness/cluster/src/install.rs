//! Installing what a scenario needs into a cluster.

use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use serde_json::{Value, json};

use crate::Failure;
use crate::api::{Server, Writer, has_condition};

/// Objects that are applied at a time.
const AT_A_TIME: usize = 8;

/// Applies objects: those that others need first, the rest side by side. Objects of namespaced kinds
/// that name no namespace go into `namespace`.
///
/// # Errors
/// What the server refuses.
pub(crate) async fn apply_all(server: &Server, objects: &[Value], namespace: &str) -> Result<(), Failure> {
    let kind = |object: &Value| object["kind"].as_str().unwrap_or_default().to_owned();
    let of = |wanted: &'static [&'static str]| {
        objects.iter().filter(move |object| wanted.contains(&kind(object).as_str()))
    };
    apply_side_by_side(server, of(&["Namespace"]), namespace).await?;
    apply_side_by_side(server, of(&["CustomResourceDefinition"]), namespace).await?;
    for definition in of(&["CustomResourceDefinition"]) {
        let name = definition.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let api = server.objects("apiextensions.k8s.io/v1", "CustomResourceDefinition", None).await?;
        let what = format!("CustomResourceDefinition {name}");
        server.wait_for(api, name, &what, |it| has_condition(it, "Established")).await?;
    }
    let first = ["Namespace", "CustomResourceDefinition"];
    let rest = objects.iter().filter(|object| !first.contains(&kind(object).as_str()));
    apply_side_by_side(server, rest, namespace).await
}

async fn apply_side_by_side<'a>(
    server: &Server,
    objects: impl Iterator<Item = &'a Value>,
    namespace: &str,
) -> Result<(), Failure> {
    let writes = iter(
        objects.map(|object| async move { server.apply(Writer::Harness, object, namespace).await.map(drop) }),
    );
    writes.buffer_unordered(AT_A_TIME).try_collect::<Vec<()>>().await.map(drop)
}

/// Waits until every replica of a Deployment or StatefulSet is available.
///
/// # Errors
/// It is not in time.
pub(crate) async fn wait_until_available(
    server: &Server,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<(), Failure> {
    let api = server.objects("apps/v1", kind, Some(namespace)).await?;
    let what = format!("{kind} {namespace}/{name}");
    server.wait_for(api, name, &what, is_available).await
}

fn is_available(workload: &Value) -> bool {
    let number = |path: &str| workload.pointer(path).and_then(Value::as_i64);
    let wanted = number("/spec/replicas").unwrap_or(1);
    number("/status/observedGeneration") >= number("/metadata/generation")
        && number("/status/availableReplicas").unwrap_or(0) >= wanted
        && number("/status/updatedReplicas").unwrap_or(0) >= wanted
}

/// A namespace.
pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// A Deployment of one pod with one container, and the Service in front of it.
pub(crate) struct Workload<'a> {
    /// Its name, which is its Service's too.
    pub(crate) name: &'a str,
    /// Its namespace.
    pub(crate) namespace: &'a str,
    /// Labels of all its objects.
    pub(crate) labels: Value,
    /// The container, but for its name.
    pub(crate) container: Value,
    /// The pod's volumes.
    pub(crate) volumes: Value,
    /// The pod's service account.
    pub(crate) service_account: &'a str,
    /// The Service's port, and the container's port that it leads to.
    pub(crate) port: Option<(u16, u16)>,
}

impl Workload<'_> {
    /// Its objects.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let Self { name, namespace, labels, volumes, service_account, .. } = self;
        let selector = json!({"app.kubernetes.io/name": name});
        let mut pod_labels = labels.clone();
        pod_labels["app.kubernetes.io/name"] = json!(name);
        let metadata = json!({"name": name, "namespace": namespace, "labels": pod_labels});
        let mut container = self.container.clone();
        container["name"] = json!(name);
        container["imagePullPolicy"] = json!("IfNotPresent");
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {
                "selector": {"matchLabels": selector},
                "template": {
                    "metadata": {"labels": pod_labels},
                    "spec": {
                        "serviceAccountName": service_account, "enableServiceLinks": false,
                        "terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes,
                    },
                },
            },
        });
        let service = self.port.map(|(port, target)| {
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": metadata,
                "spec": {"selector": selector, "ports": [{"port": port, "targetPort": target}]},
            })
        });
        [deployment].into_iter().chain(service).collect()
    }
}
