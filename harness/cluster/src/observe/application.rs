//! Argo CD's Applications (argo-cd v3.2 pkg/apis/application/v1alpha1/types.go).

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;
use timeline::{
    ApplicationStatus, HealthStatus, Operation, ResourceName, ResourceSynced, SyncOutcome, SyncStatus,
};

/// The observable state; `None` before the controller has seen it.
pub(super) fn status(object: &Value) -> Option<ApplicationStatus> {
    let status = &object["status"];
    Some(ApplicationStatus {
        application: object["metadata"]["name"].as_str()?.to_owned(),
        sync: word(&status["sync"]["status"])?,
        health: word(&status["health"]["status"])?,
        revision: text(&status["sync"]["revision"]),
        operation: operation(&status["operationState"]),
        conditions: list(&status["conditions"])
            .map(|it| format!("{}: {}", text(&it["type"]), text(&it["message"])))
            .collect(),
        resources: list(&status["resources"]).filter_map(complaint).collect(),
    })
}

fn operation(state: &Value) -> Option<Operation> {
    let (sync, result) = (&state["operation"]["sync"], &state["syncResult"]);
    let revision = result["revision"].as_str().or(sync["revision"].as_str());
    Some(Operation {
        phase: word(&state["phase"])?,
        message: text(&state["message"]),
        revision: revision.unwrap_or_default().to_owned(),
        retries: state["retryCount"].as_u64().unwrap_or(0),
        self_heal_attempts: sync["autoHealAttemptsCount"].as_u64().unwrap_or(0),
    })
}

/// `Kind name: why`, where a resource differs from Git or is not healthy.
fn complaint(resource: &Value) -> Option<String> {
    let sync = match word::<SyncStatus>(&resource["status"]) {
        Some(SyncStatus::OutOfSync) if resource["requiresPruning"] == true => {
            Some("OutOfSync (requires pruning)".to_owned())
        }
        Some(SyncStatus::OutOfSync) => Some("OutOfSync".to_owned()),
        Some(SyncStatus::Unknown) => Some("Unknown".to_owned()),
        Some(SyncStatus::Synced) | None => None,
    };
    let health = word::<HealthStatus>(&resource["health"]["status"]);
    let health = health.filter(|health| *health != HealthStatus::Healthy).map(|health| format!("{health:?}"));
    let why: Vec<String> = sync.into_iter().chain(health).collect();
    let who = format!("{} {}", text(&resource["kind"]), text(&resource["name"]));
    (!why.is_empty()).then(|| format!("{who}: {}", why.join(", ")))
}

/// What syncs did to resources since the last call. `told` remembers what was told.
pub(super) fn synced(object: &Value, told: &mut BTreeSet<String>) -> Vec<ResourceSynced> {
    let (application, state) = (text(&object["metadata"]["name"]), &object["status"]["operationState"]);
    let started = text(&state["startedAt"]);
    let mut synced = Vec::new();
    for result in list(&state["syncResult"]["resources"]) {
        let resource = ResourceName {
            kind: text(&result["kind"]),
            namespace: text(&result["namespace"]),
            name: text(&result["name"]),
        };
        let message = text(&result["message"]);
        let Some(outcome) = outcome(&text(&result["status"]), &message) else { continue };
        let key = format!("{application} {started} {resource:?} {outcome:?}");
        if told.insert(key) {
            let message = if outcome == SyncOutcome::Failed { message } else { String::new() };
            synced.push(ResourceSynced { application: application.clone(), resource, outcome, message });
        }
    }
    synced
}

/// What became of a resource, from the status and the words that `kubectl apply` has for it.
fn outcome(status: &str, message: &str) -> Option<SyncOutcome> {
    match status {
        "Synced" if message.ends_with("unchanged") => Some(SyncOutcome::Unchanged),
        "Synced" if message.ends_with("created") => Some(SyncOutcome::Created),
        "Synced" => Some(SyncOutcome::Configured),
        "Pruned" => Some(SyncOutcome::Pruned),
        "SyncFailed" => Some(SyncOutcome::Failed),
        _ => None,
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A word of the API as the timeline's type of the same words.
fn word<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}
