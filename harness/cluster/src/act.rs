//! What people do: the scenario's actions on a real cluster.

use git::{Commit, GitHost};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use scenario::{Action, DeleteTarget, PlannedAction, PodRole, ResourceRef, RolloutCommand};
use serde_json::{Value, json};
use timeline::Role;
use transform::Names;
use units::{Rate, Time};
use yaml::{Place, Problem};

use crate::Failure;
use crate::api::{Server, Writer, as_json, refused};
use crate::host::objects::RUN_LABEL;
use crate::observe::{Change, Onlooker};
use crate::repository::{BRANCH, Repository};

mod command;
mod undo;

use command::Written;

/// The namespace of Argo CD.
pub(crate) const ARGOCD: &str = "argocd";

/// The namespace of an object that names none, as kubectl has it.
const DEFAULT_NAMESPACE: &str = "default";

/// What actions work with.
pub(crate) struct Hands<'a> {
    /// The cluster.
    pub(crate) server: &'a Server,
    /// The id of the run, which everything that it makes is labelled with.
    pub(crate) run: &'a str,
    /// The branch.
    pub(crate) git: GitHost,
    /// The repository on the Git server.
    pub(crate) repository: Repository,
    /// What things are called in the cluster, where the scenario uses the user's names.
    pub(crate) names: &'a Names,
    /// Where the scenario's own resources are, as the cluster calls it.
    pub(crate) namespaces: Vec<String>,
    /// The Applications, as the cluster calls them.
    pub(crate) applications: Vec<String>,
    /// Whether the Git host tells Argo CD of each push.
    pub(crate) webhook: bool,
}

/// What an action leaves to its caller.
pub(crate) enum Done {
    /// Nothing.
    Nothing,
    /// A commit to tell of.
    Commit(Box<Commit>),
    /// A request rate to set.
    Traffic(Rate),
}

impl Hands<'_> {
    /// Performs an action at a time of the run.
    ///
    /// # Errors
    /// An action that makes no sense by then, or a cluster that fails.
    pub(crate) async fn perform(
        &mut self,
        event: &PlannedAction,
        at: Time,
        onlooker: &Onlooker,
    ) -> Result<Done, Failure> {
        let place = &event.place;
        match &event.action {
            Action::Merge(change) => {
                let commit = self.git.merge(event.id.clone(), change, at, place)?.clone();
                self.publish(commit).await
            }
            Action::Revert(target) => {
                let commit = self.git.revert(target, at, place)?.clone();
                self.publish(commit).await
            }
            Action::Apply(files) => self.apply(files, place).await.map(|()| Done::Nothing),
            Action::Patch { resource, with } => {
                let (api, name) = self.find(resource, place).await?;
                self.patch(&api, &name, &with.to_json()).await
            }
            Action::Delete(DeleteTarget::Resource(resource)) => {
                let (api, name) = self.find(resource, place).await?;
                self.server.delete(&api, &name).await.map(|()| Done::Nothing)
            }
            Action::Delete(DeleteTarget::Pods { of, role, count }) => {
                self.delete_pods(of, *role, *count, place, onlooker).await
            }
            Action::Operate { rollout, command } => self.operate(rollout, *command, place).await,
            Action::Refresh { application, hard } => {
                self.refresh(&self.names.application(application), if *hard { "hard" } else { "normal" })
                    .await
            }
            Action::Sync { application } => self.sync(&self.names.application(application)).await,
            Action::Traffic(rate) => Ok(Done::Traffic(*rate)),
        }
    }

    /// Puts the first commit on the branch.
    ///
    /// # Errors
    /// A Git server that fails.
    pub(crate) async fn publish(&self, commit: Commit) -> Result<Done, Failure> {
        self.repository.push(self.server, &commit).await?;
        if self.webhook {
            for application in &self.applications {
                self.refresh(application, "normal").await?;
            }
        }
        Ok(Done::Commit(Box::new(commit)))
    }

    /// Removes the Applications, so that Argo CD makes nothing again of what is removed after them, and
    /// the namespaces with all that is in them, without waiting for that.
    ///
    /// # Errors
    /// A cluster that fails.
    pub(crate) async fn leave(&self, namespaces: &[String]) -> Result<(), Failure> {
        let applications = self.server.objects("argoproj.io/v1alpha1", "Application", Some(ARGOCD)).await?;
        for name in &self.applications {
            self.server.delete(&applications, name).await?;
        }
        let places = self.server.objects("v1", "Namespace", None).await?;
        for name in namespaces {
            self.server.delete(&places, name).await?;
        }
        self.repository.remove(self.server).await
    }

    /// What `kubectl apply -f` does with files of the branch.
    ///
    /// # Errors
    /// A file that is not there, or an object that the cluster refuses.
    pub(crate) async fn apply(&self, files: &[String], place: &Place) -> Result<(), Failure> {
        let tree = self.git.head().map(|commit| commit.tree.clone()).unwrap_or_default();
        for path in files {
            let documents = tree.documents(path).ok_or_else(|| git::missing_file(&tree, path, place))?;
            for document in documents.map_err(Clone::clone)? {
                let mut object = document.to_json();
                // Argo CD's settings are the cluster's, not the run's.
                if object["kind"] != "ConfigMap" || object["metadata"]["namespace"] != ARGOCD {
                    object["metadata"]["labels"][RUN_LABEL] = self.run.into();
                }
                self.server.apply(Writer::Person, &object, DEFAULT_NAMESPACE).await?;
            }
        }
        Ok(())
    }

    /// A change with the user's names; `None` where it is of another run, or of the harness itself.
    pub(crate) fn original(&self, mut change: Change) -> Option<Change> {
        let object = &change.object;
        if object["kind"] != "Application" && is_of_harness(object) {
            return None;
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if object["kind"] == "Application" && !self.applications.iter().any(|application| application == name)
        {
            return None;
        }
        if !self.names.suffix().is_empty() {
            rename(&mut change.object, self.names);
        }
        Some(change)
    }

    async fn patch(&self, api: &Api<DynamicObject>, name: &str, with: &Value) -> Result<Done, Failure> {
        let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(with)).await;
        patched.map(|_| Done::Nothing).map_err(|error| refused(&format!("patched {name}"), &error))
    }

    /// The one resource that is meant.
    async fn find(
        &self,
        wanted: &ResourceRef,
        place: &Place,
    ) -> Result<(Api<DynamicObject>, String), Failure> {
        let api_version = self
            .server
            .api_version_of(&wanted.kind)
            .await?
            .ok_or_else(|| Problem::at(place, format!("the cluster serves no kind `{}`", wanted.kind)))?;
        let mut found = Vec::new();
        let named = wanted.namespace.as_ref().map(|namespace| self.names.namespace(namespace));
        let several = if named.is_some() { &[][..] } else { &self.namespaces };
        for namespace in named.iter().chain(several) {
            let api = self.server.objects(&api_version, &wanted.kind, Some(namespace)).await?;
            let listed =
                api.list(&ListParams::default()).await.map_err(|error| refused("listed objects", &error))?;
            let fits = |name: &str| match wanted.name.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == wanted.name,
            };
            let names = listed.items.iter().filter_map(|object| object.metadata.name.clone());
            found.extend(names.filter(|name| fits(name)).map(|name| (api.clone(), name)));
        }
        let what = format!("{} `{}`", wanted.kind, wanted.name);
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(Problem::at(place, format!("there is no {what} at that time")).into()),
            _ => {
                let names: Vec<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
                Err(Problem::at(place, format!("{what} could be {}", names.join(" or "))).into())
            }
        }
    }

    async fn rollout(&self, name: &str, place: &Place) -> Result<(Api<DynamicObject>, String), Failure> {
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, name),
        };
        let wanted = ResourceRef { kind: "Rollout".to_owned(), name: name.to_owned(), namespace };
        self.find(&wanted, place).await
    }

    async fn delete_pods(
        &self,
        of: &str,
        role: Option<PodRole>,
        count: u32,
        place: &Place,
        onlooker: &Onlooker,
    ) -> Result<Done, Failure> {
        let wanted = role.map(|role| match role {
            PodRole::Stable => Role::Stable,
            PodRole::Canary => Role::Canary,
        });
        let mut pods = onlooker.pods_of(of, wanted);
        if pods.len() < count as usize {
            return Err(
                Problem::at(place, format!("{of} has only {} of {count} such pods", pods.len())).into()
            );
        }
        pods.truncate(count as usize);
        for (namespace, pod) in pods {
            let api = self.server.objects("v1", "Pod", Some(&self.names.namespace(&namespace))).await?;
            self.server.delete(&api, &pod).await?;
        }
        Ok(Done::Nothing)
    }

    /// What the kubectl plugin writes (argo-rollouts v1.10 pkg/kubectl-argo-rollouts/cmd).
    async fn operate(&self, rollout: &str, command: RolloutCommand, place: &Place) -> Result<Done, Failure> {
        let (api, name) = self.rollout(rollout, place).await?;
        let now = api.get(&name).await.map_err(|error| refused(&format!("read Rollout {name}"), &error))?;
        if let RolloutCommand::Undo { to_revision } = command {
            return self.undo(&as_json(&now), to_revision, place).await;
        }
        let time = k8s_openapi::jiff::Timestamp::now().to_string();
        let Written { status, spec } = command::written(command, &as_json(&now), &time);
        let said = |error: kube::Error| refused(&format!("told Rollout {name} to {}", command.key()), &error);
        if let Some(status) = status {
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await.map_err(said)?;
        }
        if let Some(spec) = spec {
            api.patch(&name, &PatchParams::default(), &Patch::Merge(&spec)).await.map_err(said)?;
        }
        Ok(Done::Nothing)
    }

    /// Returns a Rollout, or the workload that it refers to, to an earlier template.
    async fn undo(&self, rollout: &Value, to: Option<u64>, place: &Place) -> Result<Done, Failure> {
        let namespace = rollout["metadata"]["namespace"].as_str();
        let sets = self.server.objects("apps/v1", "ReplicaSet", namespace).await?;
        let listed =
            sets.list(&ListParams::default()).await.map_err(|error| refused("listed ReplicaSets", &error))?;
        let sets: Vec<Value> = listed.items.iter().map(as_json).collect();
        let undo = undo::undo(rollout, &sets, to).map_err(|why| Problem::at(place, why))?;
        let Some(undo::Undo { api_version, kind, name, patch }) = undo else { return Ok(Done::Nothing) };
        let api = self.server.objects(api_version, kind, namespace).await?;
        let said = |error: &dyn std::fmt::Display| refused(&format!("undid {kind} {name}"), error);
        let patch = serde_json::from_value(patch).map_err(|error| said(&error))?;
        let patched = api.patch(name, &PatchParams::default(), &Patch::Json::<DynamicObject>(patch)).await;
        patched.map(|_| Done::Nothing).map_err(|error| said(&error))
    }

    async fn refresh(&self, application: &str, how: &str) -> Result<Done, Failure> {
        let api = self.server.objects("argoproj.io/v1alpha1", "Application", Some(ARGOCD)).await?;
        let annotation = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": how}}});
        self.patch(&api, application, &annotation).await
    }

    async fn sync(&self, application: &str) -> Result<Done, Failure> {
        let api = self.server.objects("argoproj.io/v1alpha1", "Application", Some(ARGOCD)).await?;
        let operation = json!({
            "operation": {"initiatedBy": {"username": "rehearse"}, "sync": {"revision": BRANCH}},
        });
        self.patch(&api, application, &operation).await
    }
}

/// Whether the harness made an object, and not the pipeline.
pub(crate) fn is_of_harness(object: &Value) -> bool {
    object["metadata"]["labels"][RUN_LABEL].is_string()
}

/// Takes the suffix off every text of an object.
fn rename(value: &mut Value, names: &Names) {
    match value {
        Value::String(text) => *text = names.original_text(text),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        Value::Object(map) => map.values_mut().for_each(|value| rename(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_of_a_run_is_taken_off_every_text_and_off_nothing_else() {
        let names = Names::with_suffix("-ab0").unwrap();
        let mut object = json!({
            "metadata": {"name": "web", "namespace": "ai-ab0", "generation": 3},
            "spec": {"hosts": ["prometheus.monitoring-ab0.svc:9090", "kubernetes.default.svc"], "paused": true},
            "status": {"message": "namespaces \"ai-ab0\" not found", "hash": "x-ab0x", "none": null},
            "key-ab0": "the keys stay",
        });
        rename(&mut object, &names);
        let expected = json!({
            "metadata": {"name": "web", "namespace": "ai", "generation": 3},
            "spec": {"hosts": ["prometheus.monitoring.svc:9090", "kubernetes.default.svc"], "paused": true},
            "status": {"message": "namespaces \"ai\" not found", "hash": "x-ab0x", "none": null},
            "key-ab0": "the keys stay",
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn the_harness_knows_its_own_objects_by_their_label() {
        assert!(is_of_harness(&json!({"metadata": {"labels": {RUN_LABEL: "a-1"}}})));
        for other in [json!({}), json!({"metadata": {"labels": {"app": "web"}}})] {
            assert!(!is_of_harness(&other), "{other}");
        }
    }
}
