//! kind clusters: nodes that are containers of the docker engine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::host::docker::{Container, Docker};
use crate::host::freezer;
use crate::host::program::{Call, Program};
use crate::host::{Journal, Made, Note, RunId, Version};

/// The oldest kind that this is tested to work with: the first that takes containerd 2's node images.
pub const OLDEST: Version = Version(0, 27, 0);

/// The label that kind gives to the containers of a cluster (kind, `pkg/cluster/internal/providers/docker`,
/// `constants.go`).
pub(crate) const LABEL: &str = "io.x-k8s.kind.cluster";

/// The label of an image in a node that says which of docker's images it is.
const ID_LABEL: &str = "rehearse.dev/docker-id";

/// What the names of all clusters of rehearse begin with.
const PREFIX: &str = "rehearse-";

/// What a cluster with all components takes on disk beside the images in the docker engine, in bytes.
pub const ROOM: u64 = 3_000_000_000;

/// How long a cluster may take to come up. Half a minute is usual, on two processors.
const CREATION: Duration = Duration::from_secs(600);

/// How long images may take from the engine into a node.
const LOADING: Duration = Duration::from_secs(900);

/// How often the containers of a removed cluster are looked for: a creation that was under way in the
/// engine may finish after its client was ended.
const LOOKS: u32 = 5;

/// The time between two looks.
const BETWEEN: Duration = Duration::from_millis(700);

/// What mends a missing kind.
pub(crate) const INSTALL: &str = "install kind: https://kind.sigs.k8s.io/docs/user/quick-start/#installation";

/// The name of a cluster that a run made: `rehearse-` and the run's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName {
    name: String,
    run: RunId,
}

/// The kind program.
#[derive(Debug, Clone)]
pub struct Kind {
    program: Program,
    version: Version,
    docker: Docker,
}

/// What a cluster is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSpec {
    /// The image of its nodes, which has to be in the docker engine or in a registry.
    pub node_image: String,
    /// How many workers it has beside the control plane, which takes pods too where there is none.
    pub workers: u8,
}

/// A cluster that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: ClusterName,
    /// How it is reached: a file of its own. The user's kubeconfig is never touched.
    pub kubeconfig: PathBuf,
    /// The entry in the journal of the run that made it.
    pub note: Note,
}

/// How long a removal looks for containers that come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// Nothing makes them any more.
    None,
    /// Their creation may have been under way a moment ago.
    Possible,
}

impl Kind {
    /// Finds kind.
    ///
    /// # Errors
    /// It is not on the PATH or too old.
    pub async fn find(docker: &Docker) -> Result<Self, Failure> {
        let program = Program::find("kind", INSTALL)?;
        let told = program.call(["version"]).run().await?.text();
        let unsuitable = |what: String| Failure::environment(what, "", INSTALL);
        let version = Version::find(&told);
        let version =
            version.ok_or_else(|| unsuitable(format!("kind says that its version is `{}`", told.trim())))?;
        if version < OLDEST {
            return Err(unsuitable(format!("kind is {version}, and {OLDEST} or later is needed")));
        }
        Ok(Self { program, version, docker: docker.clone() })
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The docker engine that its clusters are in.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Makes the cluster of a run. It stands in the run's journal from before it is begun; that its API
    /// server answers when this returns does not mean that its nodes are ready.
    ///
    /// # Errors
    /// There is no room on disk; kind fails, for which its own complaint is told; the journal cannot be written.
    pub async fn create(&self, spec: &ClusterSpec, journal: &Journal) -> Result<Cluster, Failure> {
        self.docker.need_room(ROOM, "a cluster")?;
        let name = ClusterName::of(journal.run());
        let kubeconfig = journal.folder().join("kubeconfig");
        let note = journal.note(Made::Cluster { name: name.clone() })?;
        let file = kubeconfig.to_string_lossy();
        let call = self.call(&[
            "create",
            "cluster",
            "--name",
            name.as_str(),
            "--image",
            &spec.node_image,
            "--kubeconfig",
            &file,
            "--config",
            "-",
        ]);
        call.stdin(config(spec)).within(CREATION).journalled(journal).run().await?;
        Ok(Cluster { name, kubeconfig, note })
    }

    /// Removes a cluster's containers and volumes; does nothing where there are none.
    ///
    /// # Errors
    /// The engine does not answer or cannot remove one.
    pub async fn delete(&self, name: &ClusterName) -> Result<(), Failure> {
        delete(&self.docker, name, Late::None).await.map(drop)
    }

    /// The names of the clusters that rehearse made on this engine, by whichever user and state folder.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn clusters(&self) -> Result<BTreeSet<ClusterName>, Failure> {
        clusters(&self.docker).await
    }

    /// The names of a cluster's nodes, which are its containers' names.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn nodes(&self, name: &ClusterName) -> Result<Vec<String>, Failure> {
        let containers = self.docker.containers(&format!("{LABEL}={name}")).await?;
        Ok(containers.into_iter().map(|it| it.name).collect())
    }

    /// Takes images from the docker engine into every node that lacks them, and says how many copies that
    /// took. An image that was loaded before and has been built anew since is loaded again.
    ///
    /// # Errors
    /// An image is not in the engine, there is no room, or a node does not answer.
    pub async fn load(&self, name: &ClusterName, images: &[&str]) -> Result<usize, Failure> {
        let ids = self.docker.image_ids(images).await?;
        let mut copied = 0;
        for node in self.nodes(name).await? {
            let there = node_images(&self.docker, &node).await?;
            let lacking: Vec<(&str, &str)> = images
                .iter()
                .zip(&ids)
                .map(|(image, id)| (*image, id.as_str()))
                .filter(|(image, id)| lacks(&there, image, id))
                .collect();
            if !lacking.is_empty() {
                import(&self.docker, &node, &lacking, &["--digests"]).await?;
                copied += lacking.len();
            }
        }
        Ok(copied)
    }

    /// Gives an image of every node another name, whatever had that name before.
    ///
    /// # Errors
    /// A node has no such image or does not answer.
    pub async fn tag(&self, name: &ClusterName, image: &str, new: &str) -> Result<(), Failure> {
        let (image, new) = (full_name(image), full_name(new));
        for node in self.nodes(name).await? {
            let tag = ["ctr", "--namespace=k8s.io", "images", "tag", "--force", &image, &new];
            self.docker.exec(&node, &tag).run().await?;
        }
        Ok(())
    }

    /// Writes the kubeconfig of a cluster that is there, for whoever has lost it.
    ///
    /// # Errors
    /// There is no such cluster.
    pub async fn export_kubeconfig(&self, name: &ClusterName, file: &Path) -> Result<(), Failure> {
        let path = file.to_string_lossy();
        let call = self.call(&["export", "kubeconfig", "--name", name.as_str(), "--kubeconfig", &path]);
        call.run().await.map(drop)
    }

    fn call(&self, arguments: &[&str]) -> Call {
        // Whatever the user has set for clusters of their own.
        self.program
            .call(arguments)
            .env("KIND_EXPERIMENTAL_PROVIDER", "docker")
            .env("KUBECONFIG", "/dev/null")
    }
}

/// Removes what docker has of a cluster until there is nothing left of it. `kind delete cluster` does the
/// same (kind, pkg/cluster/internal/providers/docker/provider.go: DeleteNodes), once. Says how many
/// containers that were.
pub(crate) async fn delete(docker: &Docker, name: &ClusterName, late: Late) -> Result<usize, Failure> {
    let label = format!("{LABEL}={name}");
    let (mut quiet, mut removed) = (0, 0);
    loop {
        let containers = docker.containers(&label).await?;
        if containers.is_empty() {
            quiet += 1;
            if late == Late::None || quiet == LOOKS {
                return Ok(removed);
            }
            tokio::time::sleep(BETWEEN).await;
        } else {
            quiet = 0;
            for container in &containers {
                remove_node(docker, container).await?;
            }
            removed += containers.len();
        }
    }
}

async fn remove_node(docker: &Docker, node: &Container) -> Result<(), Failure> {
    if node.state == "running" {
        freezer::calm(docker, &node.name).await;
    }
    match docker.remove(&[&node.name]).await {
        Err(failure) if freezer::is_frozen(docker, &failure) => {
            freezer::thaw(docker, &node.name).await?;
            docker.remove(&[&node.name]).await
        }
        removed => removed,
    }
}

/// The clusters that rehearse made on an engine.
pub(crate) async fn clusters(docker: &Docker) -> Result<BTreeSet<ClusterName>, Failure> {
    let containers = docker.containers(LABEL).await?;
    Ok(containers.iter().filter_map(|it| ClusterName::parse(&it.label).ok()).collect())
}

/// The images that a node has by name, each with the id that docker had for it when it was loaded; empty for
/// those that came with the node's own image.
async fn node_images(docker: &Docker, node: &str) -> Result<BTreeMap<String, String>, Failure> {
    let output = docker.exec(node, &["ctr", "--namespace=k8s.io", "images", "ls"]).run().await?;
    Ok(image_table(&output.text()))
}

/// Reads what `ctr images ls` prints: the name stands first in a line, the labels last.
fn image_table(table: &str) -> BTreeMap<String, String> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, labels) = (words.next()?, words.next_back()?);
        let id = labels.split(',').find_map(|label| label.strip_prefix(ID_LABEL)?.strip_prefix('='));
        Some((name.to_owned(), id.unwrap_or_default().to_owned()))
    });
    rows.collect()
}

fn lacks(there: &BTreeMap<String, String>, image: &str, id: &str) -> bool {
    there.get(&full_name(image)).is_none_or(|loaded| !loaded.is_empty() && loaded != id)
}

/// Takes images from the docker engine into a containerd, as `kind load` does (kind,
/// pkg/cluster/nodeutils/util.go: `LoadImageArchive`), but all in one stream, so that layers that they share
/// go once. Each is given the id that docker knows it by.
pub(crate) async fn import(
    docker: &Docker,
    container: &str,
    images: &[(&str, &str)],
    options: &[&str],
) -> Result<(), Failure> {
    let ctr = ["ctr", "--namespace=k8s.io", "images"];
    let arguments = [&ctr[..], &["import"], options, &["-"]].concat();
    let import = docker.exec(container, &arguments).within(LOADING);
    let names: Vec<&str> = images.iter().map(|(image, _)| *image).collect();
    docker.save_call(&names).piped_into(import).await?;
    for (image, id) in images {
        let (name, label) = (full_name(image), format!("{ID_LABEL}={id}"));
        docker.exec(container, &[&ctr[..], &["label", &name, &label]].concat()).run().await?;
    }
    Ok(())
}

/// What `kind create cluster --config -` reads.
fn config(spec: &ClusterSpec) -> String {
    let mut nodes = vec![serde_json::json!({ "role": "control-plane" })];
    nodes.resize(1 + usize::from(spec.workers), serde_json::json!({ "role": "worker" }));
    // JSON is YAML.
    serde_json::json!({ "kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": nodes })
        .to_string()
}

/// The name under which containerd knows an image that docker knows by a shorter one
/// (`github.com/distribution/reference`: `ParseNormalizedNamed`, `TagNameOnly`).
pub(crate) fn full_name(image: &str) -> String {
    let first = image.split_once('/').map_or("", |(first, _)| first);
    let is_registry = first.contains(['.', ':']) || first == "localhost";
    let domain = if is_registry {
        ""
    } else if image.contains('/') {
        "docker.io/"
    } else {
        "docker.io/library/"
    };
    let last = image.rsplit('/').next().unwrap_or(image);
    let tag = if last.contains([':', '@']) { "" } else { ":latest" };
    format!("{domain}{image}{tag}")
}

impl ClusterName {
    /// The name of a run's cluster.
    pub fn of(run: &RunId) -> Self {
        Self { name: format!("{PREFIX}{run}"), run: run.clone() }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// No run of rehearse gives such a name.
    pub fn parse(name: &str) -> Result<Self, String> {
        let run = name.strip_prefix(PREFIX).and_then(|run| RunId::parse(run).ok());
        let run = run.ok_or_else(|| {
            format!(
                "`{name}` is not the name of a cluster of rehearse, which is `{PREFIX}` and the id of a run"
            )
        })?;
        Ok(Self::of(&run))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The run that made it.
    pub fn run(&self) -> &RunId {
        &self.run
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TryFrom<String> for ClusterName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name)
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> Self {
        name.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_the_run_and_no_other_name_is_one() {
        let run = RunId::parse("k3x9f2-7d01c55a").unwrap();
        let name = ClusterName::of(&run);
        assert_eq!(name.as_str(), "rehearse-k3x9f2-7d01c55a");
        assert_eq!(ClusterName::parse(name.as_str()), Ok(name.clone()));
        assert_eq!(name.run(), &run);
        for other in ["kind", "rehearse", "rehearse-", "my-rehearse-1", "rehearse-A", "rehearse-a b"] {
            assert!(ClusterName::parse(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_cluster_has_one_control_plane_and_the_workers_asked_for() {
        let spec = ClusterSpec { node_image: "kindest/node:v1.34.4".to_owned(), workers: 2 };
        assert_eq!(config(&spec).matches("\"control-plane\"").count(), 1);
        assert_eq!(config(&spec).matches("\"worker\"").count(), 2);
        assert_eq!(config(&ClusterSpec { workers: 0, ..spec }).matches("worker").count(), 0);
    }

    /// As containerd 1.6 and 2.1 print it.
    #[test]
    fn a_node_lacks_an_image_that_it_has_never_had_or_that_was_built_anew() {
        let table = "\
REF                        TYPE                                      DIGEST        SIZE     PLATFORMS   LABELS
docker.io/library/baked:1  application/vnd.oci.image.manifest.v1+json sha256:aa11   1.3 MiB  linux/amd64 io.cri-containerd.image=managed
docker.io/library/bare:1   application/vnd.oci.image.manifest.v1+json sha256:aa12   1.3 MiB  linux/amd64 -
quay.io/loaded:1           application/vnd.oci.image.manifest.v1+json sha256:aa13   12 MiB   linux/amd64 \
io.cri-containerd.image=managed,rehearse.dev/docker-id=sha256:bb
";
        let there = image_table(table);
        for (image, id, lacking) in [
            ("baked:1", "sha256:bb", false),
            ("bare:1", "sha256:bb", false),
            ("quay.io/loaded:1", "sha256:bb", false),
            ("quay.io/loaded:1", "sha256:cc", true),
            ("quay.io/loaded:2", "sha256:bb", true),
        ] {
            assert_eq!(lacks(&there, image, id), lacking, "{image} {id}");
        }
    }

    #[test]
    fn images_are_known_to_a_node_by_their_full_names() {
        let cases = [
            ("redis", "docker.io/library/redis:latest"),
            ("redis:8.2.2-alpine", "docker.io/library/redis:8.2.2-alpine"),
            ("local/git-http:1", "docker.io/local/git-http:1"),
            ("quay.io/argoproj/argocd:v3.2.6", "quay.io/argoproj/argocd:v3.2.6"),
            ("localhost/x:1", "localhost/x:1"),
            ("host:5000/x", "host:5000/x:latest"),
            ("kindest/node@sha256:44e2", "docker.io/kindest/node@sha256:44e2"),
        ];
        for (image, full) in cases {
            assert_eq!(full_name(image), full);
        }
    }
}
