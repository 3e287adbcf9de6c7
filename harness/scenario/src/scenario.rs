use std::sync::Arc;

use behaviour::Profile;
use indexmap::IndexMap;
use units::{Duration, Rate};
use yaml::{Node, Place, Source};

use crate::{
    AlertRef, Anchor, Answer, Claim, Expectation, ModelServer, PlannedAction, ResourceRef, State, Trigger,
};

/// One rehearsal, valid as far as it can be checked without its repository.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name, which is its file's name without the ending by convention.
    pub name: String,
    /// The case of the matrix that this is, as `key=value, …`; empty without a matrix.
    pub case: String,
    /// What it is about, for people.
    pub story: String,
    /// The folder that is served as the Application's `repoURL`, relative to the scenario file.
    pub repository: String,
    /// The files of the repository that an operator applies once, by hand, at the start.
    pub apply: Vec<String>,
    /// How each model version behaves, by the `MODEL_VERSION` that a container starts with.
    pub models: IndexMap<String, Profile>,
    /// The real server that runs in place of fake-inference where the engine runs servers.
    pub server: Option<ModelServer>,
    /// What clients send.
    pub traffic: Traffic,
    /// The cluster around the pipeline.
    pub cluster: Cluster,
    /// What metrics are answered that ask something outside of the pipeline.
    pub answers: Vec<Answer>,
    /// What is done, in the order written.
    pub events: Vec<PlannedAction>,
    /// What must happen.
    pub expect: Vec<Expectation>,
    /// How long the run lasts; `None` until everything has settled.
    pub duration: Option<Duration>,
    /// How long nothing may move before the run counts as settled.
    pub settle: Duration,
    /// The file that it was read from.
    pub source: Arc<Source>,
    /// Its keys as they are written, for problems that only running can find.
    pub document: Arc<Node>,
}

impl Scenario {
    /// Where the value of a key stands; the file as a whole where the key is not written.
    pub fn place_of(&self, key: &str) -> Place {
        self.document.get(key).map_or_else(|| Place::whole(&self.source), |node| node.place.clone())
    }

    /// Where the image of the real server stands.
    pub fn place_of_server(&self) -> Place {
        let models = self.document.get("models").and_then(Node::as_map);
        let image = models.and_then(|models| models.values().find_map(|model| model.get("image")));
        image.map_or_else(|| self.place_of("models"), |node| node.place.clone())
    }

    /// Where the entry of `apply` with this index stands.
    pub fn place_of_applied(&self, index: usize) -> Place {
        let entry = self.document.get("apply").and_then(Node::as_seq).and_then(|files| files.get(index));
        entry.map_or_else(|| self.place_of("apply"), |node| node.place.clone())
    }
}

impl Scenario {
    /// Every resource that a claim or a trigger speaks of.
    pub fn followed(&self) -> Vec<ResourceRef> {
        self.states()
            .filter_map(|(state, _)| match state {
                State::Resource(resource, _) => Some(resource.clone()),
                State::Rollout(..) | State::Application(..) | State::Alert(..) => None,
            })
            .collect()
    }

    /// Every alert that a claim or a trigger speaks of, and where.
    pub fn alerts(&self) -> impl Iterator<Item = (&AlertRef, &Place)> {
        self.states().filter_map(|(state, place)| match state {
            State::Alert(alert, _) => Some((alert, place)),
            State::Rollout(..) | State::Application(..) | State::Resource(..) => None,
        })
    }

    /// Every state that a claim or a trigger speaks of, and where.
    fn states(&self) -> impl Iterator<Item = (&State, &Place)> {
        let claims = self.expect.iter().flat_map(|expectation| {
            states(&expectation.claim).into_iter().map(|state| (state, &expectation.place))
        });
        let triggers = self.events.iter().filter_map(|event| match &event.trigger {
            Trigger::After { reached, .. } => Some((&reached.0, &event.place)),
            Trigger::At(_) => None,
        });
        claims.chain(triggers)
    }
}

fn states(claim: &Claim) -> Vec<&State> {
    match claim {
        Claim::Becomes { state, of, before, .. }
        | Claim::Always { state, of, before }
        | Claim::Never { state, of, before } => {
            [Some(state), anchored(Some(of)), anchored(before.as_ref())].into_iter().flatten().collect()
        }
        Claim::Stays { state, of, .. } => [Some(state), anchored(Some(of))].into_iter().flatten().collect(),
        Claim::Requests { which, .. } => {
            [anchored(which.after.as_ref()), anchored(which.before.as_ref())].into_iter().flatten().collect()
        }
    }
}

fn anchored(anchor: Option<&Anchor>) -> Option<&State> {
    match anchor {
        Some(Anchor::Reached(reached)) => Some(&reached.0),
        Some(Anchor::Start | Anchor::FirstAction | Anchor::Action(_)) | None => None,
    }
}

/// What clients send to the model's Service.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// Requests a second in all; zero for none.
    pub rate: Rate,
    /// The Service that is called; `None` for the only one that selects the workload's pods.
    pub service: Option<String>,
    /// The latency above which a request is slow; `None` for the bound that a gate's condition states.
    pub slow: Option<Duration>,
}

/// The cluster around the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// The number of nodes.
    pub nodes: u32,
    /// GPUs on each node (`nvidia.com/gpu`).
    pub gpus_per_node: u32,
    /// From a pod's creation to the start of its container: scheduling, image, volumes.
    pub pod_start: Duration,
    /// How often Prometheus scrapes where no ServiceMonitor says otherwise.
    pub scrape_interval: Duration,
    /// Whether the Git host tells Argo CD of each push, so that nothing waits for the next poll.
    pub webhook: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            nodes: 4,
            gpus_per_node: 8,
            pod_start: Duration::from_secs(2),
            scrape_interval: Duration::from_secs(30),
            webhook: false,
        }
    }
}
