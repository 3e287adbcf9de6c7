//! What an onlooker tells of objects as the API server has them.

use serde_json::{Value, json};
use timeline::{PodStatus, RolloutStatus};
use units::Duration;

use super::*;

mod analysis;
mod applications;
mod pods;
mod rollouts;

/// An onlooker, and the time.
#[derive(Default)]
struct Scene {
    onlooker: Onlooker,
    now: Time,
}

impl Scene {
    /// What is told when an object is as it is now.
    fn sees(&mut self, object: &Value) -> Vec<Event> {
        self.change(object, false)
    }

    /// What is told when an object is gone.
    fn loses(&mut self, object: &Value) -> Vec<Event> {
        self.change(object, true)
    }

    fn change(&mut self, object: &Value, gone: bool) -> Vec<Event> {
        self.now += Duration::from_secs(1);
        let entries = self.onlooker.see(self.now, &Change { object: object.clone(), gone });
        assert!(entries.iter().all(|entry| entry.at == self.now), "it is told when it is seen");
        entries.into_iter().map(|entry| entry.event).collect()
    }

    /// A Rollout with its stable ReplicaSet `a`, its canary `b`, and a pod of each that is ready.
    fn canary() -> Self {
        let mut scene = Self::default();
        scene.sees(&rollout("a", "b", &json!({"phase": "Progressing", "currentStepIndex": 1})));
        for (hash, model) in [("a", "3.1"), ("b", "3.2")] {
            scene.sees(&set(hash, 1));
            scene.sees(&running(&pod(&format!("web-{hash}-1"), hash, model), true));
        }
        scene
    }
}

/// Rollout `ai/web` with these ReplicaSets, and more of its status.
fn rollout(stable: &str, current: &str, more: &Value) -> Value {
    let mut rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "ai", "generation": 2},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "server", "image": "app:1"}]},
            },
            "strategy": {"canary": {"steps": [
                {"setWeight": 10}, {"pause": {"duration": "5m"}}, {"setWeight": 50}, {"pause": {}},
            ]}},
        },
        "status": {"stableRS": stable, "currentPodHash": current, "observedGeneration": "2"},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        rollout["status"][key] = value.clone();
    }
    rollout
}

/// A ReplicaSet of that Rollout: the first letter of its hash is its revision.
fn set(hash: &str, replicas: u32) -> Value {
    let revision = hash.bytes().next().unwrap() - b'a' + 1;
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("web-{hash}"), "namespace": "ai",
            "labels": {"rollouts-pod-template-hash": hash},
            "annotations": {"rollout.argoproj.io/revision": revision.to_string()},
            "ownerReferences": [{"kind": "Rollout", "name": "web"}],
        },
        "spec": {"replicas": replicas},
        "status": {"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas},
    })
}

/// A pod of that ReplicaSet that was just created, with a literal model version.
fn pod(name: &str, hash: &str, model: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "ai",
            "ownerReferences": [{"kind": "ReplicaSet", "name": format!("web-{hash}")}],
        },
        "spec": {"containers": [{"name": "server", "env": [{"name": "MODEL_VERSION", "value": model}]}]},
        "status": {},
    })
}

/// A pod whose container, the first of it, runs.
fn running(pod: &Value, ready: bool) -> Value {
    let mut pod = pod.clone();
    pod["spec"]["nodeName"] = json!("node-1");
    let container = format!("containerd://{}", pod["metadata"]["name"].as_str().unwrap());
    let ready = if ready { "True" } else { "False" };
    pod["status"] = json!({
        "conditions": [{"type": "Ready", "status": ready}],
        "containerStatuses": [{"containerID": container, "state": {"running": {"startedAt": "now"}}}],
    });
    pod
}

fn pods(events: &[Event]) -> Vec<&PodStatus> {
    let pod =
        events.iter().filter_map(|event| if let Event::Pod(status) = event { Some(status) } else { None });
    pod.collect()
}

fn rollouts(events: &[Event]) -> Vec<&RolloutStatus> {
    let rollout = events
        .iter()
        .filter_map(|event| if let Event::Rollout(status) = event { Some(status) } else { None });
    rollout.collect()
}
