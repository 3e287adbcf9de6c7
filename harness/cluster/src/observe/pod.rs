//! Pods, and the environment that their containers started with.

use std::collections::BTreeMap;

use serde_json::Value;
use timeline::{PodPhase, PodStatus, Role};

use super::{Change, Name, name_of, owner_of};
use crate::api::is_ready;

/// The variable that decides a pod's model version.
const MODEL_VERSION: &str = "MODEL_VERSION";

/// The ConfigMaps, and the model version of every container that was started.
#[derive(Debug, Default)]
pub(super) struct Environments {
    config_maps: BTreeMap<Name, BTreeMap<String, String>>,
    /// By the container's id: a container keeps the environment that it started with.
    models: BTreeMap<String, Option<String>>,
}

impl Environments {
    pub(super) fn see_config_map(&mut self, change: &Change) {
        let name = name_of(&change.object);
        if change.gone {
            self.config_maps.remove(&name);
            return;
        }
        let data = change.object["data"].as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.config_maps.insert(name, data.map(|(key, value)| (key.clone(), text(value))).collect());
    }

    /// The model version of the container with this id, which was seen running for the first time now or
    /// before.
    fn model(&mut self, pod: &Value, container: &str) -> Option<String> {
        if !self.models.contains_key(container) {
            let found = self.resolve(pod);
            self.models.insert(container.to_owned(), found);
        }
        self.models.get(container).cloned().flatten()
    }

    /// What the variable is for a container that starts now: `env` wins over `envFrom`, later over earlier.
    fn resolve(&self, pod: &Value) -> Option<String> {
        let namespace = name_of(pod).0;
        let map = |name: &Value| {
            let name = name.as_str().unwrap_or_default().to_owned();
            self.config_maps.get(&(namespace.clone(), name))
        };
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut found = None;
        for container in list(&pod["spec"]["containers"]) {
            for source in list(&container["envFrom"]) {
                let prefix = source["prefix"].as_str().unwrap_or_default();
                let key = MODEL_VERSION.strip_prefix(prefix);
                let value = key.and_then(|key| map(&source["configMapRef"]["name"])?.get(key));
                found = value.cloned().or(found);
            }
            for variable in list(&container["env"]).iter().filter(|it| it["name"] == MODEL_VERSION) {
                let from = &variable["valueFrom"]["configMapKeyRef"];
                let named = || map(&from["name"])?.get(from["key"].as_str()?).cloned();
                found = variable["value"].as_str().map(str::to_owned).or_else(named).or(found);
            }
        }
        found
    }
}

/// The observable state, but for the role; `None` for a pod of no ReplicaSet.
pub(super) fn status(
    change: &Change,
    before: Option<&PodStatus>,
    environments: &mut Environments,
) -> Option<PodStatus> {
    let pod = &change.object;
    let (namespace, name) = name_of(pod);
    let replica_set = owner_of(pod, "ReplicaSet")?;
    let (phase, reason) = phase(change, before.map(|before| before.phase));
    let container = &pod["status"]["containerStatuses"][0];
    let id = container["containerID"].as_str().filter(|_| !container["state"]["running"].is_null());
    let model = id.and_then(|id| environments.model(pod, id));
    let model = model.or_else(|| before.and_then(|before| before.model.clone()));
    Some(PodStatus { namespace, pod: name, replica_set, role: Role::Other, phase, model, reason })
}

fn phase(change: &Change, before: Option<PodPhase>) -> (PodPhase, String) {
    let pod = &change.object;
    let container = &pod["status"]["containerStatuses"][0];
    let reason = |path: &str| container.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    match () {
        () if change.gone => (PodPhase::Deleted, String::new()),
        () if !pod["metadata"]["deletionTimestamp"].is_null() => (PodPhase::Terminating, String::new()),
        () if is_ready(pod) => (PodPhase::Ready, String::new()),
        () if !container["state"]["running"].is_null() => match before {
            Some(PodPhase::Ready | PodPhase::NotReady) => (PodPhase::NotReady, String::new()),
            _ => (PodPhase::Started, String::new()),
        },
        () if !container["state"]["waiting"].is_null() => {
            (PodPhase::Waiting, reason("/state/waiting/reason"))
        }
        () if !container["state"]["terminated"].is_null() => {
            (PodPhase::NotReady, reason("/state/terminated/reason"))
        }
        () if pod["spec"]["nodeName"].is_string() => (PodPhase::Waiting, "ContainerCreating".to_owned()),
        () => (PodPhase::Pending, String::new()),
    }
}
