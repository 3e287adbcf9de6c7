//! The model: fake-inference in place of the images that the manifests name, and the behaviours that it
//! performs.

use std::collections::BTreeMap;

use behaviour::Profile;
use scenario::Scenario;
use serde_json::{Value, json};

use crate::Failure;
use crate::api::Server;
use crate::install::{Workload, apply_all, namespace, wait_until_available};

/// The Service, in every namespace of a run, that pods ask for the behaviours of their models.
const SERVICE: &str = "rehearse-models";

/// The port that it listens on.
const PORT: u16 = 8000;

/// Sequences that a server computes at once: more than ever come, since the simulator knows no batch.
const SLOTS: u32 = 100_000;

/// Where pods find the behaviours of their models: a Service of their own namespace.
pub fn behaviour_url() -> String {
    format!("http://{SERVICE}:{PORT}/behaviour.yaml")
}

/// Offers the behaviours of a scenario's models in a namespace.
///
/// # Errors
/// What the cluster refuses.
pub(crate) async fn offer(
    server: &Server,
    image: &str,
    place: &str,
    behaviours: &Value,
    labels: &Value,
) -> Result<(), Failure> {
    let settings = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": SERVICE, "namespace": place, "labels": labels},
        "data": {"behaviour.yaml": behaviours.to_string()},
    });
    let workload = Workload {
        name: SERVICE,
        namespace: place,
        labels: labels.clone(),
        container: json!({
            "image": image,
            "args": ["publish", "--listen", format!("0.0.0.0:{PORT}"), "/behaviour/behaviour.yaml"],
            "ports": [{"containerPort": PORT}],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
            "volumeMounts": [{"name": "behaviour", "mountPath": "/behaviour"}],
        }),
        volumes: json!([{"name": "behaviour", "configMap": {"name": SERVICE}}]),
        service_account: "default",
        port: Some((PORT, PORT)),
    };
    let mut place_itself = namespace(place);
    place_itself["metadata"]["labels"] = labels.clone();
    let objects: Vec<Value> = [place_itself, settings].into_iter().chain(workload.objects()).collect();
    apply_all(server, &objects, place).await?;
    wait_until_available(server, "Deployment", place, SERVICE).await
}

/// The behaviours, as fake-inference reads them. `started` is the run's start in seconds since 1970.
pub(crate) fn behaviours(scenario: &Scenario, started: f64, seed: u64) -> Value {
    let models: BTreeMap<&str, &Profile> =
        scenario.models.iter().map(|(version, profile)| (version.as_str(), profile)).collect();
    json!({
        "models": models,
        "server": {
            "engine": {"slots": SLOTS},
            // Compressed time multiplies the requests that come before kube-proxy has heard that a pod goes.
            "shutdown": {"mode": "accept-while-draining", "grace": "5s"},
        },
        "run": {"started": started, "seed": seed},
    })
}
