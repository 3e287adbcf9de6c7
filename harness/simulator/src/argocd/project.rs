//! What an AppProject permits an Application (argo-cd util/argo/argo.go: ValidatePermissions).

use std::sync::Arc;

use manifests::objects::application::Destination;
use manifests::objects::{self, AppProject, ObjectKey, is_namespaced};

use super::app::App;
use super::status::{Condition, ConditionType};
use crate::World;

/// The only cluster there is, by its server and its name.
const SERVER: &str = "https://kubernetes.default.svc";
const CLUSTER: &str = "in-cluster";

/// The project of an Application.
#[derive(Debug, Clone)]
pub(super) struct Project {
    name: String,
    /// `None` for the project `default` where nobody wrote one: it permits everything.
    rules: Option<Arc<AppProject>>,
}

/// The project of an Application (`getAppProj`); `None` where there is none of that name.
pub(super) fn of(world: &World<'_>, app: &App) -> Option<Project> {
    named(world, app.namespace(), &app.spec.spec.project)
}

/// A project of the Argo CD in `namespace`.
pub(super) fn named(world: &World<'_>, namespace: &str, name: &str) -> Option<Project> {
    // An empty name means the default project (`ApplicationSpec.GetProject`).
    let name = if name.is_empty() { "default" } else { name };
    let object = world.api.named("argoproj.io", "AppProject", Some(namespace), name);
    let rules = object.and_then(|object| match object.plain()? {
        objects::Object::AppProject(project) => Some(Arc::clone(project)),
        _ => None,
    });
    (rules.is_some() || name == "default").then(|| Project { name: name.to_owned(), rules })
}

/// The project, if the Application may do what its spec says.
///
/// # Errors
/// The conditions that say why not.
pub(super) fn permitted(world: &World<'_>, app: &App) -> Result<Project, Vec<Condition>> {
    let Some(project) = of(world, app) else {
        return invalid(format!(
            "Application referencing project {} which does not exist",
            app.spec.spec.project
        ));
    };
    match check(&project, app, has_chart(world, app)) {
        Ok(()) => Ok(project),
        Err(messages) => Err(messages
            .into_iter()
            .map(|text| Condition::new(ConditionType::InvalidSpecError, text))
            .collect()),
    }
}

fn invalid<T>(message: String) -> Result<T, Vec<Condition>> {
    Err(vec![Condition::new(ConditionType::InvalidSpecError, message)])
}

/// Whether the source is a Helm chart from a chart repository.
pub(super) fn has_chart(world: &World<'_>, app: &App) -> bool {
    let manifest = world.api.get(app.id).manifest.as_ref();
    manifest.is_some_and(|manifest| manifest.at(&["spec", "source", "chart"]).is_some())
}

fn check(project: &Project, app: &App, has_chart: bool) -> Result<(), Vec<String>> {
    let source = app.source();
    if source.repo_url.is_empty() || (source.path.is_empty() && !has_chart) {
        return Err(vec![
            "spec.source.repoURL and either spec.source.path or spec.source.chart are required".to_owned(),
        ]);
    }
    let mut messages = Vec::new();
    if !project.rules.as_ref().is_none_or(|rules| rules.permits_source(&source.repo_url)) {
        messages.push(format!(
            "application repo {} is not permitted in project '{}'",
            source.repo_url, project.name
        ));
    }
    let destination = &app.spec.spec.destination;
    if let Err(message) = cluster(destination) {
        messages.push(message);
    } else if !project.permits_namespace(&destination.namespace) {
        let server = if destination.name.is_empty() { SERVER } else { CLUSTER };
        messages.push(format!(
            "application destination server '{server}' and namespace '{}' do not match any of the allowed destinations in project '{}'",
            destination.namespace, project.name
        ));
    }
    if messages.is_empty() { Ok(()) } else { Err(messages) }
}

/// Finds the cluster (argo-cd util/argo/argo.go: GetDestinationCluster).
fn cluster(destination: &Destination) -> Result<(), String> {
    match (destination.server.as_str(), destination.name.as_str()) {
        ("", "") => Err("Destination server missing from app spec".to_owned()),
        (SERVER, "") | ("", CLUSTER) => Ok(()),
        ("", name) => Err(format!("there are no clusters with this name: {name}")),
        (server, "") => Err(format!(
            "error getting cluster by server \"{server}\": rpc error: code = NotFound desc = cluster \"{server}\" not found"
        )),
        (server, name) => {
            Err(format!("application destination can't have both name and server defined: {name} {server}"))
        }
    }
}

impl Project {
    /// Whether it may hold objects of a kind (`IsGroupKindPermitted`).
    pub(super) fn permits_kind(&self, key: &ObjectKey) -> bool {
        let namespaced = is_namespaced(&key.group, &key.kind).unwrap_or(true);
        self.rules.as_ref().is_none_or(|rules| rules.permits_kind(&key.group, &key.kind, namespaced))
    }

    /// Whether it may write to a namespace (`IsDestinationPermitted`).
    pub(super) fn permits_namespace(&self, namespace: &str) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.permits_destination(SERVER, CLUSTER, namespace))
    }

    /// Whether an object that exists counts as its own (`IsLiveResourcePermitted`).
    pub(super) fn permits_live(&self, key: &ObjectKey) -> bool {
        self.permits_kind(key)
            && key.namespace.as_deref().is_none_or(|namespace| self.permits_namespace(namespace))
    }

    /// Whether an object may be synced (argo-cd controller/sync.go: the permission validator).
    ///
    /// # Errors
    /// Why not, in upstream's words.
    pub(super) fn permits_sync(&self, key: &ObjectKey) -> Result<(), String> {
        if !self.permits_kind(key) {
            return Err(format!(
                "resource {}:{} is not permitted in project {}",
                key.group, key.kind, self.name
            ));
        }
        match key.namespace.as_deref() {
            Some(namespace) if !self.permits_namespace(namespace) => {
                Err(format!("namespace {namespace} is not permitted in project '{}'", self.name))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(server: &str, name: &str) -> Destination {
        Destination { server: server.to_owned(), name: name.to_owned(), namespace: String::new() }
    }

    #[test]
    fn the_cluster_is_found_by_its_server_or_its_name() {
        let table = [
            (SERVER, "", Ok(())),
            ("", CLUSTER, Ok(())),
            ("", "", Err("Destination server missing from app spec")),
            ("", "eu", Err("there are no clusters with this name: eu")),
            (
                SERVER,
                CLUSTER,
                Err(
                    "application destination can't have both name and server defined: in-cluster https://kubernetes.default.svc",
                ),
            ),
            (
                "https://eu",
                "",
                Err(
                    "error getting cluster by server \"https://eu\": rpc error: code = NotFound desc = cluster \"https://eu\" not found",
                ),
            ),
        ];
        for (server, name, expected) in table {
            assert_eq!(cluster(&destination(server, name)), expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn a_project_without_whitelist_permits_no_cluster_wide_kind() {
        let project = Project { name: "ai-models".to_owned(), rules: Some(Arc::new(AppProject::default())) };
        let namespace = ObjectKey::new("", "Namespace", None, "ai-inference");
        assert_eq!(
            project.permits_sync(&namespace),
            Err("resource :Namespace is not permitted in project ai-models".to_owned())
        );
        let default = Project { name: "default".to_owned(), rules: None };
        assert_eq!(default.permits_sync(&namespace), Ok(()));
    }
}
