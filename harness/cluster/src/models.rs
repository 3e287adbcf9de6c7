//! The model: fake-inference, with the behaviours that it performs, or a real inference server in place of
//! the images that the manifests name.

use std::collections::BTreeMap;

use behaviour::Profile;
use scenario::{ModelServer, Scenario};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

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
            "shutdown": {"pre_stop": "3s", "mode": "accept-while-draining", "grace": "5s"},
        },
        "run": {"started": started, "seed": seed},
    })
}

/// The name of the image that a real server is built as: each has its own.
pub(crate) fn image_of(server: &ModelServer) -> String {
    let digest = Sha256::digest(dockerfile(&server.image, server));
    let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("rehearse/real-server:{tag}")
}

/// How a real server's image is built of `base`. An entrypoint takes the place of the image's command too
/// (Dockerfile reference, "Understand how CMD and ENTRYPOINT interact").
pub(crate) fn dockerfile(base: &str, server: &ModelServer) -> String {
    let environment =
        server.environment.iter().map(|(name, value)| format!("ENV {name}={}\n", quoted(value)));
    let command = (!server.command.is_empty()).then(|| format!("ENTRYPOINT {}\n", json!(server.command)));
    std::iter::once(format!("FROM {base}\n")).chain(environment).chain(command).collect()
}

/// A value as it stands in a Dockerfile, where variables are replaced even between quotes.
fn quoted(value: &str) -> String {
    let escaped = |c: char| matches!(c, '"' | '\\' | '$').then_some('\\').into_iter().chain([c]);
    format!("\"{}\"", value.chars().flat_map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(command: &[&str], environment: &[(&str, &str)]) -> ModelServer {
        ModelServer {
            image: "vllm/vllm-openai:v0.10.2".to_owned(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            environment: environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            probes: scenario::ServerProbes::default(),
        }
    }

    #[test]
    fn a_real_server_is_built_with_its_command_and_environment() {
        let server = server(&["vllm", "serve", "a \"b\""], &[("B", "x y"), ("A", "$HOME \\ \"q\"")]);
        let expected = "FROM local:1\nENV A=\"\\$HOME \\\\ \\\"q\\\"\"\nENV B=\"x y\"\n\
                        ENTRYPOINT [\"vllm\",\"serve\",\"a \\\"b\\\"\"]\n";
        assert_eq!(dockerfile("local:1", &server), expected);
    }

    #[test]
    fn a_server_without_a_command_keeps_its_image_s_own() {
        assert_eq!(dockerfile("local:1", &server(&[], &[])), "FROM local:1\n");
    }

    #[test]
    fn servers_that_differ_have_images_that_differ() {
        let plain = server(&[], &[]);
        let others = [server(&["serve"], &[]), server(&[], &[("A", "b")])];
        assert_eq!(image_of(&plain), image_of(&plain.clone()));
        assert!(others.iter().all(|other| image_of(other) != image_of(&plain)));
        assert!(image_of(&plain).starts_with("rehearse/real-server:"));
    }

    #[test]
    fn behaviours_are_those_that_fake_inference_reads() {
        let yaml = "{ name: s, repository: ., models: { a: { latency: { p50: 1s, p99: 2s }, image: vllm } }, \
                    expect: [{ requests: { failed: == 0 } }] }";
        let scenario = Scenario::read("s", yaml.as_bytes()).unwrap().remove(0);
        let behaviours = behaviours(&scenario, 12.5, 7);
        assert_eq!(behaviours["models"], json!({"a": {"latency": {"p50": "1s", "p99": "2s"}}}));
        assert_eq!(behaviours["run"], json!({"started": 12.5, "seed": 7}));
    }
}
