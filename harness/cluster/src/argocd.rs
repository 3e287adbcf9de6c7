//! Argo CD in a cluster: its settings, and what core installations leave to their users.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use serde_json::{Value, json};

use crate::Failure;
use crate::act::ARGOCD;
use crate::api::{Server, Writer, as_json, refused};
use crate::standin;

/// The workloads that read settings when they start.
const READ_AT_START: [(&str, &str); 2] =
    [("StatefulSet", "argocd-application-controller"), ("Deployment", "argocd-repo-server")];

/// Writes Argo CD's settings: those of the scenario, and the health of kinds that are stood in for.
/// Whether they differ from before.
///
/// # Errors
/// What the cluster refuses.
pub(crate) async fn configure(server: &Server, settings: &BTreeMap<String, String>) -> Result<bool, Failure> {
    let data: BTreeMap<String, String> =
        standin::health().into_iter().chain(settings.iter().map(|(k, v)| (k.clone(), v.clone()))).collect();
    let labels = json!({"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"});
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": ARGOCD, "labels": labels}, "data": data,
    });
    let maps = server.objects("v1", "ConfigMap", Some(ARGOCD)).await?;
    let before = maps.get_opt("argocd-cm").await.map_err(|error| refused("read argocd-cm", &error))?;
    let before = before.map(|map| as_json(&map)["data"].clone()).unwrap_or_default();
    server.apply(Writer::Harness, &config, ARGOCD).await?;
    Ok(config["data"].as_object().is_some_and(|data| data.iter().any(|(key, value)| before[key] != *value)))
}

/// What the API server of Argo CD would write, which a core installation does not have: the key that
/// sessions are signed with, and the AppProject `default`.
///
/// # Errors
/// What the cluster refuses.
pub(crate) async fn complete(server: &Server) -> Result<(), Failure> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "argocd-secret", "namespace": ARGOCD,
            "labels": {"app.kubernetes.io/name": "argocd-secret", "app.kubernetes.io/part-of": "argocd"},
        },
        "stringData": {"server.secretkey": unguessable()},
    });
    server.apply(Writer::Harness, &secret, ARGOCD).await?;
    let anything = json!([{"group": "*", "kind": "*"}]);
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "default", "namespace": ARGOCD},
        "spec": {
            "sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": anything,
        },
    });
    server.apply(Writer::Harness, &project, ARGOCD).await.map(drop)
}

/// A key that nobody guesses: hashes of keys that this process alone has seen.
fn unguessable() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}{:016x}{:016x}", word(), word(), word(), word())
}

/// Starts again what reads the settings only when it starts.
///
/// # Errors
/// What the cluster refuses.
pub(crate) async fn restart(server: &Server) -> Result<(), Failure> {
    let at = k8s_openapi::jiff::Timestamp::now().to_string();
    let touched: Value = json!({
        "spec": {"template": {"metadata": {"annotations": {"rehearse.dev/restarted": at}}}},
    });
    for (kind, name) in READ_AT_START {
        let api = server.objects("apps/v1", kind, Some(ARGOCD)).await?;
        let patch = kube::api::Patch::Merge(&touched);
        let patched = api.patch(name, &kube::api::PatchParams::default(), &patch).await;
        patched.map_err(|error| refused(&format!("restarted {name}"), &error))?;
        crate::install::wait_until_available(server, kind, ARGOCD, name).await?;
    }
    Ok(())
}
