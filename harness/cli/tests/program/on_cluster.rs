//! The scenarios that are for a real cluster (`.ci/kind`, docs/fidelity.md) pass in the simulator, too.

use crate::common::{Room, root};

#[test]
fn the_scenarios_for_a_cluster_pass_in_the_simulator() {
    let folder = root().join("harness/cli/tests/cluster");
    let all = ["alert-then-undo", "job-fails", "rules-change", "undo-is-healed"];
    let all = all.map(|name| folder.join(name).with_extension("yaml").to_str().unwrap().to_owned());
    let arguments: Vec<&str> = std::iter::once("run").chain(all.iter().map(String::as_str)).collect();
    let ran = Room::empty().rehearse(&arguments);
    assert_eq!(ran.code, 0, "{ran:#?}");
}

#[test]
fn their_job_runs_the_image_of_this_version() {
    let template = root().join("harness/cli/tests/cluster/repository/deploy/analysistemplate.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    let image = concat!("image: ghcr.io/rehearse-dev/fake-inference:", env!("CARGO_PKG_VERSION"), "\n");
    assert!(template.contains(image), "{template}");
}
