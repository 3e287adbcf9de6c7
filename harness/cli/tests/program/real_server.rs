//! A scenario that states the image of a real server. Needs docker, kind and the components, and the image of
//! fake-inference, of which the server is made: `cargo test -p rehearse --features kind`.

use std::process::Command;

use crate::common::{Room, program, run};

const BEHAVIOUR: &str = "\
models:
  3.1-70b-instruct: { latency: { p50: 20ms, p99: 40ms }, load: 0s }
  3.2-70b-instruct: { latency: { p50: 20ms, p99: 40ms }, load: 0s }
";

/// The server knows a behaviour of its own: what the scenario says of the models is for the simulator.
const SCENARIO: &str = "\
name: real-server
repository: repository
apply: [argocd/project.yaml, argocd/llama3-production.yaml]
models:
  3.1-70b-instruct: &server
    latency: { p50: 180ms, p99: 350ms }
    image: IMAGE
    command: [/fake-inference, serve]
    environment: { FAKE_INFERENCE_BEHAVIOUR: /own.yaml }
    probes: { path: /ready }
  3.2-70b-instruct: *server
traffic: { rate: 5/s }
events:
  - at: 2m
    merge:
      edit:
        overlays/production/model-config.yaml:
          data: { MODEL_VERSION: 3.2-70b-instruct }
expect:
  - { rollout: model-serving, becomes: promoted, within: 25m }
  - { rollout: model-serving, never: degraded }
";

/// An image that is gone when the test ends, also where that fails.
struct Image(String);

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.0]).output();
    }
}

fn build(room: &Room) -> Image {
    let image = Image(format!("rehearse-test/server:{}", std::process::id()));
    let base = concat!("ghcr.io/rehearse-dev/fake-inference:", env!("CARGO_PKG_VERSION"));
    room.write("image/Dockerfile", format!("FROM {base}\nCOPY own.yaml /own.yaml\n"));
    room.write("image/own.yaml", BEHAVIOUR);
    let built = Command::new("docker").args(["build", "--tag", &image.0]).arg(room.path("image")).output();
    let built = built.unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    image
}

#[test]
fn a_server_of_one_s_own_runs_in_the_pods_and_is_promoted() {
    let room = Room::new();
    let image = build(&room);
    room.write("real.yaml", SCENARIO.replace("IMAGE", &image.0));
    let arguments = ["run", "real.yaml", "--engine", "kind", "--format", "json", "--report", "report"];
    let mut command = program(&room.path(""), &arguments);
    command.env("REHEARSE_STATE", room.path("state"));
    let ran = run(&mut command);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let requests = &ran.json()["results"][0]["requests"];
    assert!(requests["total"].as_f64().unwrap() > 100.0, "{requests}");
    // At 180 ms in the median, as the scenario has it, nearly all would take longer than its own server does.
    assert_eq!(requests["wrong"], 0.0, "{requests}");
}
