//! Nodes that cannot be killed, on machines with control groups of version 1.
//!
//! runc freezes a pod's control group for a moment while it starts the pod (opencontainers/runc,
//! `libcontainer/cgroups/fs/fs.go`: `Set`). A node that is killed in that moment leaves the pod frozen; under
//! version 1 what is frozen does not die, the node's process namespace waits for it, and docker gives up with
//! "did not receive an exit event". So whatever starts pods is ended first, and what stays frozen is thawed.

use std::time::Duration;

use crate::Failure;
use crate::host::docker::Docker;

/// The version of control groups that this is about.
const VERSION: u32 = 1;

/// Ends what starts pods, for good, and thaws what it left frozen. Run in the node.
const CALM: &str = "systemctl --no-block stop kubelet containerd; pkill -KILL 'kubelet|containerd|^runc$'; \
                    find /sys/fs/cgroup/freezer -name freezer.state | \
                    while read -r state; do echo THAWED >\"$state\"; done";

/// How long that may take. A node that does not answer is removed all the same.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes a node safe to kill, where that is needed. What goes wrong here shows when the node is removed.
pub(super) async fn calm(docker: &Docker, node: &str) {
    if docker.engine().cgroup == VERSION {
        let call = docker.exec(node, &["sh", "-c", CALM]).within(PATIENCE);
        drop(call.ended().await);
    }
}

/// Whether a container could not be removed because something in it is frozen.
pub(super) fn is_frozen(docker: &Docker, failure: &Failure) -> bool {
    let is_it = |said: &str| said.contains("did not receive an exit event");
    docker.engine().cgroup == VERSION
        && matches!(failure, Failure::Environment(lack) if is_it(&lack.said) || is_it(&lack.what))
}

/// Thaws a container from outside, by a container that sees the machine's control groups; of the same image,
/// which is there.
pub(super) async fn thaw(docker: &Docker, container: &str) -> Result<(), Failure> {
    let format = "{{.Id}} {{.Config.Image}}";
    let told = docker.call(["container", "inspect", "--format", format, container]).run().await?.text();
    let Some((id, image)) = told.trim().split_once(' ') else { return Ok(()) };
    let script = format!(
        "find /host-cgroup/freezer -path '*{id}*' -name freezer.state | \
         while read -r state; do echo THAWED >\"$state\"; done"
    );
    let how = ["run", "--rm", "--privileged", "--network", "none", "--volume", "/sys/fs/cgroup:/host-cgroup"];
    docker.call([&how[..], &["--entrypoint", "sh", image, "-c", &script]].concat()).run().await.map(drop)
}
