//! A rollout with everything that happens to it: what both sides are given.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The name of the Rollout.
pub const ROLLOUT: &str = "model";

/// A rollout from its first revision on. Times are in seconds, those of actions in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// `spec.replicas`.
    pub replicas: u32,
    /// What else stands in the Rollout's spec.
    pub spec: BTreeMap<String, Value>,
    /// What stands in its canary strategy beside steps and analysis.
    pub canary: BTreeMap<String, Value>,
    /// Its blueGreen strategy, in place of the canary.
    #[serde(default)]
    pub blue_green: Option<BTreeMap<String, Value>>,
    /// The steps.
    pub steps: Vec<Value>,
    /// The analysis beside the steps.
    pub background: Option<Value>,
    /// The AnalysisTemplates' specs, by name.
    pub templates: BTreeMap<String, Template>,
    /// How each model version behaves; the first revision runs `v1`.
    pub models: BTreeMap<String, Model>,
    /// Requests a second.
    pub rate: u32,
    /// Between two scrapes.
    pub scrape_interval: u32,
    /// From a pod's creation to the start of its container.
    pub pod_start: u32,
    /// What people do.
    pub actions: Vec<Action>,
    /// What plugins of steps say; of several that fit the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginAnswer>,
    /// How long the run lasts.
    pub duration: u32,
}

/// An AnalysisTemplate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Its metrics.
    pub metrics: Vec<Value>,
    /// The names of those that decide nothing.
    pub dry_run: Vec<String>,
}

/// How a model version behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The median latency in milliseconds.
    pub p50: u32,
    /// Its 99th percentile.
    pub p99: u32,
    /// Errors in a thousand.
    pub errors: u32,
    /// From the container's start until its weights are loaded.
    pub load: u32,
    /// Whether it never becomes ready.
    pub never_ready: bool,
    /// Changes for a while.
    pub faults: Vec<Fault>,
}

/// A change of a model's behaviour between two times of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Fault {
    pub from: u32,
    pub until: u32,
    pub errors: Option<u32>,
    pub latency: Option<(u32, u32)>,
}

/// What plugins of a name say of an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginAnswer {
    /// Their name; `*` stands for any text without a slash.
    pub plugin: String,
    /// `Run`, `Terminate` or `Abort`.
    pub operation: String,
    /// Until when it is given; 0 for ever.
    pub until: u32,
    /// How long a run takes.
    pub takes: u32,
    /// What is said then.
    pub phase: String,
    /// What is said beside.
    pub message: String,
    /// After which time a run wants to be asked again.
    pub requeue_after: u32,
    /// The call fails with this text; empty where it does not.
    pub unreachable: String,
}

/// Something that a person does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// When, in milliseconds.
    pub at: u64,
    /// What.
    #[serde(rename = "do")]
    pub act: Act,
}

/// What a person does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Act {
    /// Releases a model version.
    Release(String),
    /// Changes the number of replicas.
    Scale(u32),
    /// Changes the steps.
    Steps(Vec<Value>),
    /// Sets `spec.paused`.
    Paused(bool),
    /// Changes the request rate.
    Traffic(u32),
    Abort,
    Retry,
    Promote,
    PromoteFull,
    /// Returns to the template of this revision, or of the last but one.
    Undo(Option<u32>),
    /// Has all pods replaced.
    Restart,
}

impl Act {
    /// The merge patch of the Rollout, where the action is one.
    pub(crate) fn patch(&self) -> Option<Value> {
        match self {
            Self::Release(version) => Some(json!({"spec": {"template": template(version)}})),
            Self::Scale(replicas) => Some(json!({"spec": {"replicas": replicas}})),
            Self::Steps(steps) => Some(json!({"spec": {"strategy": {"canary": {"steps": steps}}}})),
            Self::Paused(paused) => Some(json!({"spec": {"paused": paused}})),
            Self::Traffic(_)
            | Self::Abort
            | Self::Retry
            | Self::Promote
            | Self::PromoteFull
            | Self::Undo(_)
            | Self::Restart => None,
        }
    }
}

/// A Service that selects all pods until the Rollout points it to some of them.
fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": ROLLOUT}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    })
}

/// The pod template of a model version. Readiness is asked for every second.
fn template(version: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": ROLLOUT}},
        "spec": {"containers": [{
            "name": "server",
            "image": "registry.example.com/server:1",
            "env": [{"name": "MODEL_VERSION", "value": version}, {"name": "MODEL_NAME", "value": "llama"}],
            "ports": [{"name": "http", "containerPort": 8000}],
            "readinessProbe": {"periodSeconds": 1, "httpGet": {"path": "/health", "port": 8000}},
        }]},
    })
}

impl Case {
    /// The Rollout and what it refers to.
    pub fn objects(&self) -> Vec<Value> {
        let templates = self.templates.iter().map(|(name, template)| {
            let dry_run: Vec<Value> =
                template.dry_run.iter().map(|name| json!({"metricName": name})).collect();
            json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"args": [{"name": "hash"}], "metrics": template.metrics, "dryRun": dry_run},
            })
        });
        let mut objects: Vec<Value> = templates.collect();
        objects.extend(self.services().into_iter().map(service));
        objects.push(self.rollout());
        objects
    }

    /// Whether a router splits the requests.
    pub fn is_routed(&self) -> bool {
        self.canary.contains_key("trafficRouting")
    }

    /// The Services that the Rollout switches.
    pub fn services(&self) -> Vec<&str> {
        let canary = ["canaryService", "stableService"].map(|field| self.canary.get(field));
        let turns = self.canary.get("pingPong");
        let turns = ["pingService", "pongService"].map(|field| turns.and_then(|it| it.get(field)));
        let blue_green = self.blue_green.as_ref();
        let blue_green =
            ["activeService", "previewService"].map(|field| blue_green.and_then(|it| it.get(field)));
        canary.into_iter().chain(turns).chain(blue_green).flatten().filter_map(Value::as_str).collect()
    }

    /// The Service that clients call; without one they reach every pod.
    pub fn called(&self) -> Option<&str> {
        match &self.blue_green {
            Some(strategy) => strategy.get("activeService").and_then(Value::as_str),
            None if self.is_routed() => {
                let turns = self.canary.get("pingPong").and_then(|turns| turns.get("pingService"));
                self.canary.get("stableService").or(turns).and_then(Value::as_str)
            }
            None => None,
        }
    }

    fn strategy(&self) -> Value {
        if let Some(strategy) = &self.blue_green {
            return json!({"blueGreen": strategy});
        }
        let mut canary = json!(self.canary);
        canary["steps"] = json!(self.steps);
        if let Some(background) = &self.background {
            canary["analysis"] = background.clone();
        }
        json!({"canary": canary})
    }

    fn rollout(&self) -> Value {
        let mut spec = json!(self.spec);
        spec["replicas"] = json!(self.replicas);
        spec["selector"] = json!({"matchLabels": {"app": ROLLOUT}});
        spec["template"] = template("v1");
        spec["strategy"] = self.strategy();
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": ROLLOUT, "namespace": "default"},
            "spec": spec,
        })
    }
}
