//! Removing what a run has made in a cluster that stays: everything that has its label.

use std::path::Path;
use std::time::Duration;

use futures::future::try_join_all;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::wait::{await_condition, conditions::is_deleted};
use kube::{Client, Config, ResourceExt};

use crate::Failure;
use crate::host::RunId;

/// The label of everything that a run makes in a cluster that it does not own. Its value is the run's id.
pub const RUN_LABEL: &str = "rehearse.dev/run";

/// How long an object may take to go while its controllers still tidy up after it.
const GRACE: Duration = Duration::from_secs(60);

/// How long it may take once nothing holds it any more.
const FORCED: Duration = Duration::from_secs(30);

/// How long the API server of a cluster may take to take a connection.
const CONNECTED: Duration = Duration::from_secs(10);

/// An object with the run's label.
struct Found {
    resource: ApiResource,
    scope: Scope,
    object: DynamicObject,
}

/// Removes all objects of a run from a cluster, and waits until they are gone. Says how many there were.
///
/// # Errors
/// The API server does not answer or refuses; an object does not go.
pub async fn remove(client: &Client, run: &RunId) -> Result<usize, Failure> {
    let mut found = find(client, run).await?;
    found.sort_by_key(turn);
    let count = found.len();
    for same_turn in found.chunk_by(|a, b| turn(a) == turn(b)) {
        try_join_all(same_turn.iter().map(|it| delete(client, it))).await?;
    }
    Ok(count)
}

/// [`remove`], in the cluster that a kubeconfig leads to.
pub(super) async fn remove_by(kubeconfig: &Path, run: &RunId) -> Result<usize, Failure> {
    remove(&client(kubeconfig).await?, run).await
}

async fn client(kubeconfig: &Path) -> Result<Client, Failure> {
    let connected = async {
        let read = Kubeconfig::read_from(kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
        // A cluster that is stopped does not answer at all.
        config.connect_timeout = Some(CONNECTED);
        Client::try_from(config).map_err(Box::<dyn std::error::Error + Send + Sync>::from)
    };
    connected.await.map_err(|error| {
        Failure::environment(format!("{} leads to no cluster", kubeconfig.display()), error, "")
    })
}

async fn find(client: &Client, run: &RunId) -> Result<Vec<Found>, Failure> {
    let discovery =
        Discovery::new(client.clone()).run().await.map_err(|error| refused("discovery", &error))?;
    let resources = discovery.groups().flat_map(|group| group.recommended_resources());
    let removable = resources
        .filter(|(_, it)| it.supports_operation(verbs::LIST) && it.supports_operation(verbs::DELETE));
    let labelled = ListParams::default().labels(&format!("{RUN_LABEL}={run}"));
    let lists = removable.map(|(resource, capabilities)| {
        let labelled = labelled.clone();
        async move {
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            let objects = match api.list(&labelled).await {
                // Its definition was removed meanwhile.
                Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
                listed => {
                    listed.map_err(|error| refused(&format!("list {}", resource.plural), &error))?.items
                }
            };
            let found =
                move |object| Found { resource: resource.clone(), scope: capabilities.scope.clone(), object };
            Ok::<Vec<Found>, Failure>(objects.into_iter().map(found).collect())
        }
    });
    Ok(try_join_all(lists).await?.into_iter().flatten().collect())
}

/// Which goes first. Argo CD makes again what is removed under an Application, and finishes the removal of
/// an Application only while its project is there (argo-cd, controller/appcontroller.go:
/// `finalizeApplicationDeletion`).
fn turn(found: &Found) -> u8 {
    match (found.resource.group.as_str(), found.resource.kind.as_str()) {
        ("argoproj.io", "ApplicationSet") => 0,
        ("argoproj.io", "Application") => 1,
        ("", "Namespace") => 3,
        ("argoproj.io", "AppProject") => 4,
        _ => 2,
    }
}

async fn delete(client: &Client, found: &Found) -> Result<(), Failure> {
    let name = found.object.name_any();
    let what = format!("{} {name}", found.resource.kind);
    let api: Api<DynamicObject> = match (&found.scope, found.object.namespace()) {
        (Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), &namespace, &found.resource)
        }
        _ => Api::all_with(client.clone(), &found.resource),
    };
    match api.delete(&name, &DeleteParams::background()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        deleted => deleted.map_err(|error| refused(&format!("delete {what}"), &error))?,
    };
    let uid = found.object.uid().unwrap_or_default();
    let gone = || await_condition(api.clone(), &name, is_deleted(&uid));
    if tokio::time::timeout(GRACE, gone()).await.is_ok_and(|watched| watched.is_ok()) {
        return Ok(());
    }
    // Whoever should have let it go does not: its controller may be gone.
    let unheld = Patch::Merge(serde_json::json!({ "metadata": { "finalizers": null } }));
    match api.patch(&name, &PatchParams::default(), &unheld).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        patched => patched.map_err(|error| refused(&format!("release {what}"), &error))?,
    };
    match tokio::time::timeout(FORCED, gone()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(refused(&format!("watch {what}"), &error)),
        Err(_) => {
            let waited = (GRACE + FORCED).as_secs();
            let what = format!("{what} is not gone after {waited} s");
            Err(Failure::environment(
                what,
                "",
                "`kubectl describe` says what it waits for; then `rehearse clean`",
            ))
        }
    }
}

fn refused(request: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::environment(
        format!("the cluster's API refuses to {request}"),
        error,
        "run `rehearse clean` again",
    )
}
