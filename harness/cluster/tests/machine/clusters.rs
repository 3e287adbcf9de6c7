//! Clusters on a real docker engine. Needs docker and kind, and the image of a node:
//! `cargo test -p cluster --features kind`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::trial::{Trial, state};
use cluster::components::{Lock, Sources};
use cluster::host::clean::{Cleaned, Wanted, clean};
use cluster::host::objects::RUN_LABEL;
use cluster::host::undo::undo;
use cluster::host::{
    About, Cluster, ClusterName, ClusterSpec, Docker, Journal, Kept, Kind, Made, Places, State,
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use tokio::time::sleep;

/// How often a run is killed.
const KILLS: u32 = 6;

/// The longest that a run lives: longer than a cluster takes to come up.
const LONGEST: Duration = Duration::from_secs(40);

/// What docker is told when the test ends, also where that fails: to remove a container or an image.
struct Removed(Vec<String>);

impl Removed {
    fn cluster(name: &ClusterName) -> Self {
        let node = format!("{name}-control-plane");
        Self(["rm", "--force", "--volumes", &node].map(str::to_owned).to_vec())
    }

    fn image(id: &str) -> Self {
        Self(["rmi", "--force", id].map(str::to_owned).to_vec())
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(&self.0).output();
    }
}

async fn docker() -> Docker {
    Docker::find().await.unwrap()
}

async fn node_image(docker: &Docker) -> String {
    let sources = Sources::new(docker, &Places::of_user().unwrap(), None);
    sources.node_image(&Lock::of_this_version().unwrap(), None).await.unwrap()
}

/// Every container of a run, its cluster's and others.
async fn containers_of(docker: &Docker, run: &str) -> Vec<String> {
    docker.container_names().await.unwrap().into_iter().filter(|name| name.contains(run)).collect()
}

/// A container that is labelled as kind labels those of a cluster, and never runs.
async fn fake_cluster(docker: &Docker, image: &str, name: &ClusterName) {
    let label = format!("io.x-k8s.kind.cluster={name}");
    let node = format!("{name}-control-plane");
    docker.call(["create", "--name", &node, "--label", &label, image]).run().await.unwrap();
}

async fn cleaned(state: &State, docker: &Docker, wanted: &Wanted) -> Cleaned {
    let cleaned = clean(state, docker, wanted, &mut |_| ()).await.unwrap();
    assert!(cleaned.failures.is_empty(), "{:?}", cleaned.failures);
    cleaned
}

/// An archive with one file, for an image with one layer.
fn archive_of(text: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "text", text.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

fn about() -> About {
    About { rehearse: String::new(), node_image: String::new(), components: Vec::new() }
}

/// A kept, a lost, a foreign and a living run's cluster; and one of the user's.
#[tokio::test]
async fn only_what_a_dead_run_made_is_removed_unless_it_is_named() {
    let docker = docker().await;
    let image = node_image(&docker).await;
    let ((_room, state), (_other, other)) = (state("hosta"), state("hostb"));
    let living = Journal::begin(&state).unwrap();
    let (mut names, mut guards) = (Vec::new(), Vec::new());
    for state in [&state, &state, &other] {
        let journal = Journal::begin(state).unwrap();
        let name = ClusterName::of(journal.run());
        let note = journal.note(Made::Cluster { name: name.clone() }).unwrap();
        guards.push(Removed::cluster(&name));
        fake_cluster(&docker, &image, &name).await;
        names.push((name, note, journal));
    }
    let [(kept, note, journal), (lost, ..), (foreign, ..)] = <[_; 3]>::try_from(names).unwrap();
    let kubeconfig = journal.folder().join("kubeconfig");
    std::fs::write(&kubeconfig, "").unwrap();
    Kept::keep(&state, &journal, &Cluster { name: kept.clone(), kubeconfig, note }, about()).unwrap();
    std::fs::remove_dir_all(state.root().join("runs").join(lost.run().as_str())).unwrap();
    let alive = ClusterName::of(living.run());
    living.note(Made::Cluster { name: alive.clone() }).unwrap();
    guards.push(Removed::cluster(&alive));
    fake_cluster(&docker, &image, &alive).await;
    drop(journal);

    let theirs = async || {
        let kind = Kind::find(&docker).await.unwrap();
        let ours = [&kept, &lost, &foreign, &alive].map(Clone::clone);
        let there = kind.clusters().await.unwrap();
        there.into_iter().filter(|name| ours.contains(name)).collect::<BTreeSet<_>>()
    };
    let dry = Wanted { dry_run: true, ..Wanted::default() };
    assert_eq!(cleaned(&state, &docker, &dry).await.removed, [format!("would remove the cluster {lost}")]);
    assert_eq!(theirs().await.len(), 4);
    assert_eq!(cleaned(&state, &docker, &Wanted::default()).await.removed.len(), 1);
    assert_eq!(theirs().await, [&kept, &foreign, &alive].map(Clone::clone).into());
    assert_eq!(cleaned(&state, &docker, &Wanted::default()).await.removed, [""; 0], "it does nothing twice");
    let all = Wanted { all: true, clusters: vec![foreign.clone(), alive.clone()], ..Wanted::default() };
    assert_eq!(cleaned(&state, &docker, &all).await.removed.len(), 2);
    assert_eq!(theirs().await, [alive.clone()].into());
    assert_eq!(Kept::all(&state).unwrap(), []);
    drop(living);
    cleaned(&state, &docker, &Wanted::default()).await;
    assert_eq!(theirs().await, BTreeSet::new());
}

#[tokio::test]
async fn a_run_whose_journal_cannot_be_read_counts_as_living() {
    let docker = docker().await;
    let (_room, state) = state("hostc");
    let journal = Journal::begin(&state).unwrap();
    let name = ClusterName::of(journal.run());
    let _guard = Removed::cluster(&name);
    fake_cluster(&docker, &node_image(&docker).await, &name).await;
    let file = journal.folder().join("journal.jsonl");
    let head = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, head.replace("\"journal\":1", "\"journal\":2")).unwrap();
    drop(journal);

    let cleaned = clean(&state, &docker, &Wanted::default(), &mut |_| ()).await.unwrap();
    assert_eq!(cleaned.removed, [""; 0]);
    assert!(cleaned.failures[0].to_string().contains("in a newer format"), "{:?}", cleaned.failures);
    assert_eq!(containers_of(&docker, name.run().as_str()).await.len(), 1);
}

#[tokio::test]
async fn a_cluster_is_made_with_its_own_kubeconfig_furnished_and_removed() {
    let docker = docker().await;
    let kind = Kind::find(&docker).await.unwrap();
    let (_room, state) = state("host");
    let journal = Journal::begin(&state).unwrap();
    let spec = ClusterSpec { node_image: node_image(&docker).await, workers: 0 };
    let _guard = Removed::cluster(&ClusterName::of(journal.run()));
    let cluster = kind.create(&spec, &journal).await.unwrap();
    assert!(cluster.kubeconfig.starts_with(journal.folder()));
    assert!(std::fs::read_to_string(&cluster.kubeconfig).unwrap().contains(cluster.name.as_str()));
    assert_eq!(kind.nodes(&cluster.name).await.unwrap(), [format!("{}-control-plane", cluster.name)]);

    // Each import is another image, though it has the same name.
    let image = format!("rehearse-host/probe:{}", journal.run());
    let mut guards = Vec::new();
    for (is_new, copies) in [(true, 1), (false, 0), (true, 1)] {
        if is_new {
            let import = docker.call(["import", "-", &image]).stdin(archive_of("text"));
            guards.push(Removed::image(import.run().await.unwrap().text().trim()));
        }
        assert_eq!(kind.load(&cluster.name, &[&image]).await.unwrap(), copies);
    }
    kind.tag(&cluster.name, &image, "made.up/model:1").await.unwrap();
    kind.tag(&cluster.name, &image, "made.up/model:1").await.unwrap();

    removes_what_has_its_label(&state, &cluster).await;

    assert_eq!(journal.left().len(), 1);
    let failures = undo(&journal, &mut |_| ()).await;
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(containers_of(&docker, journal.run().as_str()).await, [""; 0]);
    assert_eq!(state.runs().unwrap(), []);
}

/// What a run makes in a cluster that stays.
async fn removes_what_has_its_label(state: &State, cluster: &Cluster) {
    let client = kube::Client::try_from(
        kube::Config::from_custom_kubeconfig(
            kube::config::Kubeconfig::read_from(&cluster.kubeconfig).unwrap(),
            &kube::config::KubeConfigOptions::default(),
        )
        .await
        .unwrap(),
    )
    .unwrap();
    let journal = Journal::begin(state).unwrap();
    let kubeconfig = cluster.kubeconfig.clone();
    journal.note(Made::Objects { cluster: cluster.name.clone(), kubeconfig }).unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-public");
    let namespaces: Api<Namespace> = Api::all(client);
    let metadata = |name: &str, run: &str| ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some([(RUN_LABEL.to_owned(), run.to_owned())].into()),
        ..ObjectMeta::default()
    };
    let params = PostParams::default();
    let (own, other) = (journal.run().as_str(), "another-run");
    for (name, run) in [("own", own), ("others", other)] {
        let map = ConfigMap { metadata: metadata(name, run), ..ConfigMap::default() };
        maps.create(&params, &map).await.unwrap();
    }
    let namespace = Namespace { metadata: metadata("own", own), ..Namespace::default() };
    namespaces.create(&params, &namespace).await.unwrap();

    let mut told = Vec::new();
    let failures = undo(&journal, &mut |line| told.push(line.to_owned())).await;
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(told, [format!("removed 2 objects of the run from {}", cluster.name)]);
    assert!(maps.get_opt("own").await.unwrap().is_none());
    assert!(namespaces.get_opt("own").await.unwrap().is_none());
    assert!(maps.get_opt("others").await.unwrap().is_some());
}

/// The moments are spread over the whole of a cluster's making and a while after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_at_any_moment_leaves_nothing() {
    let docker = docker().await;
    let (room, state) = state("host");
    for kill in 0..KILLS {
        let mut trial = Trial::start("cluster", room.path());
        // The moments are what is tested; nothing waits for anything to have happened by then.
        sleep(LONGEST * kill / KILLS).await;
        trial.kill();
        tokio::task::block_in_place(|| trial.wait_for_all());
        assert_eq!(containers_of(&docker, trial.run.as_str()).await, [""; 0], "kill {kill}");
        assert_eq!(state.runs().unwrap(), [], "kill {kill}");
    }
    assert_eq!(cleaned(&state, &docker, &Wanted::default()).await.removed, [""; 0]);
}
