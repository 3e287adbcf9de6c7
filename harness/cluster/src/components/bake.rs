//! An image of nodes that has the images of all components in it, so that a new cluster loads nothing.

use crate::Failure;
use crate::components::{Lock, NODE, Sources};
use crate::host::kind::import;
use crate::host::{Docker, Journal, Made, RunId};

/// Starts the node's containerd and waits until it answers.
const START: &str = "containerd >/tmp/bake.log 2>&1 & for i in $(seq 300); do \
                     ctr version >/dev/null 2>&1 && exit 0; sleep 0.1; done; cat /tmp/bake.log >&2; exit 1";

/// Ends it and waits until its database is closed. Nobody in the container asks how it ended, so that it stays
/// in the list of processes, as a zombie.
const STOP: &str = "process=$(pgrep -o -x containerd) && kill $process || exit 1; for i in $(seq 300); do \
                    grep -q '^State:.Z' /proc/$process/status 2>/dev/null || [ ! -d /proc/$process ] && \
                    { rm -f /tmp/bake.log; exit 0; }; sleep 0.1; done; exit 1";

/// The name of the image that is baked of a lock.
pub fn image(lock: &Lock) -> String {
    format!("rehearse/node:{}", lock.hash())
}

/// The name of the container that a run bakes in.
fn container(run: &RunId) -> String {
    format!("rehearse-{run}-bake")
}

/// The run that bakes in a container of this name.
pub(crate) fn baking_run(container: &str) -> Option<RunId> {
    let run = container.strip_prefix("rehearse-")?.strip_suffix("-bake")?;
    RunId::parse(run).ok()
}

/// Makes the image: runs a container of the lock's own node image, takes every component's images into its
/// containerd and commits it. Says what it is called.
///
/// # Errors
/// An image is nowhere, there is no room, or the docker engine fails. What was begun is in the journal.
pub async fn bake(
    lock: &Lock,
    sources: &Sources,
    docker: &Docker,
    journal: &Journal,
) -> Result<String, Failure> {
    let (base, _) = sources.image(lock.node()?).await?;
    let mut images = Vec::new();
    for component in lock.components().iter().filter(|component| component.name != NODE) {
        images.extend(sources.images(component).await?.into_iter().map(|(name, _)| name));
    }
    let names: Vec<&str> = images.iter().map(String::as_str).collect();
    let ids = docker.image_ids(&names).await?;
    let images: Vec<(&str, &str)> = names.into_iter().zip(ids.iter().map(String::as_str)).collect();

    let container = container(journal.run());
    let note = journal.note(Made::Container { name: container.clone() })?;
    // What kind does to put its own images into a node image (kind, pkg/build/nodeimage/buildcontext.go:
    // `createBuildContainer`, `prePullImagesAndWriteManifests`).
    // No label tells whose it is: the image would have it too, and with that every node.
    let run = ["run", "--detach", "--name", &container, "--security-opt", "seccomp=unconfined"];
    docker.call([&run[..], &["--entrypoint", "sleep", &base, "infinity"]].concat()).run().await?;
    docker.exec(&container, &["sh", "-c", START]).run().await?;
    // A node unpacks an image when it first starts a container of it.
    import(docker, &container, &images, &["--digests", "--no-unpack"]).await?;
    docker.exec(&container, &["sh", "-c", STOP]).run().await?;
    let baked = image(lock);
    docker.commit_as(&container, &base, &baked).await?;
    docker.remove(&[&container]).await?;
    journal.done(note)?;
    Ok(baked)
}
