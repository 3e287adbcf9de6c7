//! A cluster with everything that scenarios need, for as long as they run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use scenario::ModelServer;
use serde_json::{Value, json};

use crate::act::ARGOCD;
use crate::api::{Server, has_condition};
use crate::components::{Component, Image, Lock, Ready, Sources};
use crate::host::{Cluster, ClusterSpec, Journal, Kind};
use crate::install::{apply_all, namespace, wait_until_available};
use crate::run::Images;
use crate::{Failure, Progress, Stage, argocd, models, repository, standin};

/// The image of fake-inference that asks for its behaviours where runs publish them.
const MODEL_SERVER: &str = concat!("rehearse/model-server:", env!("CARGO_PKG_VERSION"));

/// GPUs that the node says it has. Nothing is computed on them.
const GPUS: u32 = 1_000;

/// What all the scenarios of a session need of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    /// Argo CD's settings.
    pub argocd: BTreeMap<String, String>,
    /// The images that manifests name, each with the real inference server that runs in its place; without
    /// one, fake-inference does.
    pub images: BTreeMap<String, Option<ModelServer>>,
    /// The images that run as they are.
    pub own_images: BTreeSet<String>,
    /// Whether there are ApplicationSets.
    pub application_sets: bool,
}

/// A cluster with every component, ready for scenarios.
pub struct Session {
    /// Its API server.
    pub server: Server,
    /// The images that runs start.
    pub images: Images,
    kind: Kind,
    cluster: Cluster,
}

/// Where a session's parts come from.
pub struct Supply<'a> {
    /// The kind program.
    pub kind: &'a Kind,
    /// Where images and manifests come from.
    pub sources: &'a Sources,
    /// What is installed.
    pub lock: &'a Lock,
    /// The image of the nodes, where the user chose one.
    pub node_image: Option<&'a str>,
}

impl Session {
    /// Makes a cluster and installs what is demanded.
    ///
    /// # Errors
    /// An environment that lacks something, or a cluster that fails.
    pub async fn open(
        supply: &Supply<'_>,
        journal: &Journal,
        demand: &Demand,
        progress: &dyn Progress,
    ) -> Result<Self, Failure> {
        let node_image = supply.sources.node_image(supply.lock, supply.node_image).await?;
        let spec = ClusterSpec { node_image, workers: 0 };
        let cluster = timed(progress, Stage::Cluster, supply.kind.create(&spec, journal)).await?;
        let server = Server::connect(&cluster.kubeconfig).await?;
        let images = timed(progress, Stage::Images, load(supply, &cluster, demand)).await?;
        timed(progress, Stage::Components, install(supply, &server, demand)).await?;
        Ok(Self { server, images, kind: supply.kind.clone(), cluster })
    }

    /// Takes a cluster that an earlier session left standing.
    ///
    /// # Errors
    /// A cluster that is gone or fails.
    pub async fn reopen(
        supply: &Supply<'_>,
        cluster: Cluster,
        demand: &Demand,
        progress: &dyn Progress,
    ) -> Result<Self, Failure> {
        let server = Server::connect(&cluster.kubeconfig).await?;
        let images = timed(progress, Stage::Images, load(supply, &cluster, demand)).await?;
        let session = Self { server, images, kind: supply.kind.clone(), cluster };
        session.demand(&demand.argocd).await?;
        Ok(session)
    }

    /// Gives Argo CD other settings, which some of its parts read only when they start.
    ///
    /// # Errors
    /// A cluster that fails.
    pub async fn demand(&self, settings: &BTreeMap<String, String>) -> Result<(), Failure> {
        if argocd::configure(&self.server, settings).await? {
            argocd::restart(&self.server).await?;
        }
        Ok(())
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Removes the cluster and takes it out of the journal.
    ///
    /// # Errors
    /// A docker engine that fails.
    pub async fn close(self, journal: &Journal, progress: &dyn Progress) -> Result<(), Failure> {
        timed(progress, Stage::CleanUp, async {
            self.kind.delete(&self.cluster.name).await?;
            journal.done(self.cluster.note)
        })
        .await
    }
}

/// Does a stage's work and tells how long it took.
pub(crate) async fn timed<T>(
    progress: &dyn Progress,
    stage: Stage,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    progress.begins(stage);
    let done = work.await?;
    progress.ends(stage, begun.elapsed());
    Ok(done)
}

/// Brings every image into the node, and gives fake-inference or the real inference server the names of the
/// images that it stands in for.
async fn load(supply: &Supply<'_>, cluster: &Cluster, demand: &Demand) -> Result<Images, Failure> {
    let mut needed = Vec::new();
    let mut image_of = BTreeMap::new();
    for component in supply.lock.components().iter().filter(|component| component.name != "node") {
        for (image, _) in supply.sources.images(component).await? {
            image_of.entry(component.name.clone()).or_insert_with(|| image.clone());
            needed.push(image);
        }
    }
    let image = |component: &str| image_of.get(component).cloned().unwrap_or_default();
    let fake_inference = image("fake-inference");
    let dockerfile =
        format!("FROM {fake_inference}\nENV FAKE_INFERENCE_BEHAVIOUR={}\n", models::behaviour_url());
    supply.kind.docker().build(MODEL_SERVER, &dockerfile).await?;
    needed.push(MODEL_SERVER.to_owned());
    for name in &demand.own_images {
        let (image, _) = supply.sources.image(&Image::named(name)).await?;
        needed.push(image);
    }
    let real: BTreeSet<&ModelServer> = demand.images.values().flatten().collect();
    for server in real {
        needed.push(real_server(supply, server).await?);
    }
    let needed: BTreeSet<&str> = needed.iter().map(String::as_str).collect();
    let needed: Vec<&str> = needed.into_iter().collect();
    supply.kind.load(&cluster.name, &needed).await?;
    for (name, server) in &demand.images {
        let image = server.as_ref().map_or_else(|| MODEL_SERVER.to_owned(), models::image_of);
        supply.kind.tag(&cluster.name, &image, name).await?;
    }
    Ok(Images { fake_inference, prometheus: image("prometheus") })
}

/// Builds the image of a real inference server with its command and environment; its name.
async fn real_server(supply: &Supply<'_>, server: &ModelServer) -> Result<String, Failure> {
    let (base, _) = supply.sources.image(&Image::named(&server.image)).await?;
    let image = models::image_of(server);
    supply.kind.docker().build(&image, &models::dockerfile(&base, server)).await?;
    Ok(image)
}

async fn install(supply: &Supply<'_>, server: &Server, demand: &Demand) -> Result<(), Failure> {
    let component = |name: &str| supply.lock.component(name);
    let git = component("git")?.images.first().map(|image| image.name.clone()).unwrap_or_default();
    let definitions = standin::definitions();
    tokio::try_join!(
        install_argocd(supply, server, component("argo-cd")?, demand),
        install_component(supply, server, component("argo-rollouts")?),
        repository::install(server, &git),
        apply_all(server, &definitions, ""),
        furnish_nodes(server),
    )
    .map(drop)
}

async fn install_component(
    supply: &Supply<'_>,
    server: &Server,
    component: &Component,
) -> Result<(), Failure> {
    let objects = supply.sources.objects(component).await?;
    let place = component.namespace.as_deref().unwrap_or("default");
    apply_all(server, &[namespace(place)], place).await?;
    apply_all(server, &objects, place).await?;
    wait_until_ready(server, component, |_| true).await
}

/// Argo CD, with its settings before anything reads them.
async fn install_argocd(
    supply: &Supply<'_>,
    server: &Server,
    component: &Component,
    demand: &Demand,
) -> Result<(), Failure> {
    let skipped = |name: &str| name == "argocd-applicationset-controller" && !demand.application_sets;
    let ours = ["argocd-cm", "argocd-secret"];
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let objects = supply.sources.objects(component).await?.into_iter();
    let is_left_out = |object: &Value| {
        ours.contains(&name(object).as_str()) || object["kind"] == "Deployment" && skipped(&name(object))
    };
    let objects: Vec<Value> = objects.filter(|object| !is_left_out(object)).collect();
    apply_all(server, &[namespace(ARGOCD)], ARGOCD).await?;
    argocd::configure(server, &demand.argocd).await?;
    let definitions = |object: &&Value| object["kind"] == "CustomResourceDefinition";
    let (first, rest): (Vec<Value>, Vec<Value>) =
        objects.into_iter().partition(|object| definitions(&object));
    apply_all(server, &first, ARGOCD).await?;
    argocd::complete(server).await?;
    apply_all(server, &rest, ARGOCD).await?;
    wait_until_ready(server, component, |name| !skipped(name)).await
}

async fn wait_until_ready(
    server: &Server,
    component: &Component,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Failure> {
    let place = component.namespace.as_deref().unwrap_or("default");
    for ready in &component.ready {
        let (kind, name) = match ready {
            Ready::Deployment(name) => ("Deployment", name),
            Ready::StatefulSet(name) => ("StatefulSet", name),
        };
        if wanted(name) {
            wait_until_available(server, kind, place, name).await?;
        }
    }
    Ok(())
}

/// Lets the nodes say that they have GPUs (kubernetes docs, "Advertise Extended Resources for a Node"),
/// once their kubelets have told what they have themselves.
async fn furnish_nodes(server: &Server) -> Result<(), Failure> {
    let nodes = server.objects("v1", "Node", None).await?;
    let listed = nodes.list(&kube::api::ListParams::default()).await;
    for node in listed.map_err(|error| crate::api::refused("listed nodes", &error))?.items {
        let name = node.metadata.name.unwrap_or_default();
        let what = format!("Node {name}");
        server.wait_for(nodes.clone(), &name, &what, |node| has_condition(node, "Ready")).await?;
        let gpus = json!({"status": {"capacity": {"nvidia.com/gpu": GPUS.to_string()}}});
        let patch = kube::api::Patch::Merge(&gpus);
        let patched = nodes.patch_status(&name, &kube::api::PatchParams::default(), &patch).await;
        patched.map_err(|error| crate::api::refused(&format!("furnished node {name}"), &error))?;
    }
    Ok(())
}
