use scenario::ResourceRef;
use timeline::{HealthStatus, OperationPhase, SyncOutcome, SyncStatus};

use super::*;

/// Application `web` with this status.
fn application(status: &Value) -> Value {
    json!({"kind": "Application", "metadata": {"name": "web", "namespace": "argocd"}, "status": status})
}

fn status(sync: &str, health: &str) -> Value {
    json!({"sync": {"status": sync, "revision": "c0ffee"}, "health": {"status": health}})
}

fn applications(events: &[Event]) -> Vec<&ApplicationStatus> {
    let of = events
        .iter()
        .filter_map(|event| if let Event::Application(status) = event { Some(status) } else { None });
    of.collect()
}

#[test]
fn a_status_is_told_when_it_changes() {
    let mut scene = Scene::default();
    assert_eq!(scene.sees(&application(&json!({}))), [], "the controller has not seen it");
    let told = scene.sees(&application(&status("OutOfSync", "Missing")));
    let [first] = applications(&told)[..] else { panic!("one status, not {told:?}") };
    assert_eq!((first.sync, first.health), (SyncStatus::OutOfSync, HealthStatus::Missing));
    assert_eq!((first.application.as_str(), first.revision.as_str()), ("web", "c0ffee"));
    let mut compared = application(&status("OutOfSync", "Missing"));
    compared["status"]["reconciledAt"] = json!("later");
    assert_eq!(scene.sees(&compared), []);
    assert_eq!(applications(&scene.sees(&application(&status("Synced", "Healthy")))).len(), 1);
    assert_eq!(scene.loses(&application(&status("Synced", "Healthy"))), []);
}

#[test]
fn what_a_person_would_read_of_it_is_told() {
    let mut object = application(&status("OutOfSync", "Degraded"));
    object["status"]["conditions"] = json!([{"type": "SyncError", "message": "it failed"}]);
    object["status"]["resources"] = json!([
        {"kind": "Service", "name": "web", "status": "Synced", "health": {"status": "Healthy"}},
        {"kind": "Rollout", "name": "web", "status": "OutOfSync", "health": {"status": "Degraded"}},
        {"kind": "Secret", "name": "old", "status": "OutOfSync", "requiresPruning": true},
    ]);
    object["status"]["operationState"] = json!({
        "phase": "Running", "message": "syncing", "retryCount": 2,
        "operation": {"sync": {"revision": "asked", "autoHealAttemptsCount": 3}},
        "syncResult": {"revision": "c0ffee"},
    });
    let told = Scene::default().sees(&object);
    let [status] = applications(&told)[..] else { panic!("one status, not {told:?}") };
    assert_eq!(status.conditions, ["SyncError: it failed"]);
    assert_eq!(
        status.resources,
        ["Rollout web: OutOfSync, Degraded", "Secret old: OutOfSync (requires pruning)"]
    );
    let operation = status.operation.as_ref().unwrap();
    assert_eq!(
        (operation.phase, operation.retries, operation.self_heal_attempts),
        (OperationPhase::Running, 2, 3)
    );
    assert_eq!((operation.message.as_str(), operation.revision.as_str()), ("syncing", "c0ffee"));
}

#[test]
fn what_a_sync_did_to_a_resource_is_told_once_for_each_sync() {
    let mut scene = Scene::default();
    let synced = |started: &str, results: &[(&str, &str)]| {
        let result = |(status, message): &(&str, &str)| json!({"kind": "Service", "namespace": "ai", "name": "web", "status": status, "message": message});
        let results: Vec<Value> = results.iter().map(result).collect();
        let mut object = application(&status("Synced", "Healthy"));
        object["status"]["operationState"] =
            json!({"phase": "Succeeded", "startedAt": started, "syncResult": {"resources": results}});
        object
    };
    let mut outcomes = |object: &Value| {
        let of =
            |event| if let Event::ResourceSynced(it) = event { Some((it.outcome, it.message)) } else { None };
        scene.sees(object).into_iter().filter_map(of).collect::<Vec<_>>()
    };
    let created = synced("1", &[("Synced", "service/web created")]);
    assert_eq!(outcomes(&created), [(SyncOutcome::Created, String::new())]);
    assert_eq!(outcomes(&created), []);
    let table = [
        ("Synced", "service/web unchanged", SyncOutcome::Unchanged, ""),
        ("Synced", "service/web configured", SyncOutcome::Configured, ""),
        ("Synced", "service/web serverside-applied", SyncOutcome::Configured, ""),
        ("Pruned", "pruned", SyncOutcome::Pruned, ""),
        ("SyncFailed", "it is invalid", SyncOutcome::Failed, "it is invalid"),
    ];
    for (number, (status, message, outcome, told)) in table.into_iter().enumerate() {
        let object = synced(&format!("sync {number}"), &[(status, message)]);
        assert_eq!(outcomes(&object), [(outcome, told.to_owned())]);
    }
    assert_eq!(outcomes(&synced("last", &[("PruneSkipped", "")])), []);
}

#[test]
fn everything_is_in_place_once_applications_and_rollouts_say_so() {
    let mut scene = Scene::default();
    assert!(!scene.onlooker.is_in_place(), "nothing is there yet");
    scene.sees(&application(&status("Synced", "Progressing")));
    assert!(!scene.onlooker.is_in_place());
    scene.sees(&application(&status("Synced", "Healthy")));
    assert!(scene.onlooker.is_in_place());
    scene.sees(&rollout("", "", &json!({})));
    assert!(!scene.onlooker.is_in_place(), "no controller has seen the Rollout");
    scene.sees(&rollout("a", "a", &json!({"phase": "Healthy", "currentStepIndex": 4})));
    assert!(scene.onlooker.is_in_place());
    scene.sees(&application(&status("OutOfSync", "Healthy")));
    assert!(!scene.onlooker.is_in_place());
}

#[test]
fn a_commit_counts_as_compared_once_every_application_says_so() {
    let mut scene = Scene::default();
    let mut object = application(&status("Synced", "Healthy"));
    for (compared, expected) in [("old", false), ("new", true)] {
        object["status"]["sync"]["revision"] = json!(compared);
        scene.sees(&object);
        assert_eq!(scene.onlooker.has_compared("new"), expected);
    }
}

#[test]
fn a_running_sync_is_not_settled() {
    let mut scene = Scene::default();
    let mut object = application(&status("OutOfSync", "Healthy"));
    object["status"]["operationState"] = json!({"phase": "Running"});
    scene.sees(&object);
    assert!(!scene.onlooker.is_settled());
    object["status"]["operationState"]["phase"] = json!("Failed");
    scene.sees(&object);
    assert!(scene.onlooker.is_settled());
}

#[test]
fn events_of_controllers_are_told_once_for_each_time_that_they_happen() {
    let mut scene = Scene::default();
    let event = |kind: &str, count: u64| {
        json!({
            "kind": "Event", "metadata": {"uid": "1"}, "count": count, "type": "Warning", "reason": "Aborted",
            "message": "metric failed", "involvedObject": {"kind": kind, "namespace": "ai", "name": "web"},
        })
    };
    let told = scene.sees(&event("Rollout", 1));
    let [Event::Recorded(recorded)] = &told[..] else { panic!("one event, not {told:?}") };
    assert!(recorded.warning && recorded.reason == "Aborted" && recorded.message == "metric failed");
    assert_eq!(scene.sees(&event("Rollout", 1)), []);
    assert_eq!(scene.sees(&event("Rollout", 2)).len(), 1);
    assert_eq!(scene.sees(&event("Pod", 1)), [], "the kubelet's events are not told");
}

#[test]
fn resources_that_the_scenario_speaks_of_are_told_as_people_see_them() {
    let wanted = |name: &str| ResourceRef {
        kind: "ConfigMap".to_owned(),
        name: name.to_owned(),
        namespace: Some("ai".to_owned()),
    };
    let followed = vec![wanted("model-*"), wanted("exact")];
    let mut scene = Scene { onlooker: Onlooker::new(followed), now: Time::ZERO };
    let map = |namespace: &str, name: &str, value: &str| {
        json!({
            "kind": "ConfigMap", "data": {"A": value},
            "metadata": {"name": name, "namespace": namespace, "managedFields": [value]},
        })
    };
    let told = scene.sees(&map("ai", "model-x7", "1"));
    let [Event::Resource(written)] = &told[..] else { panic!("one resource, not {told:?}") };
    let object = written.object.as_ref().unwrap();
    assert_eq!(object["data"], json!({"A": "1"}));
    assert!(object["metadata"].get("managedFields").is_none());
    assert_eq!(scene.sees(&map("ai", "model-x7", "1")), []);
    assert_eq!(scene.sees(&map("ai", "model-x7", "2")).len(), 1);
    assert_eq!(scene.sees(&map("ai", "exact", "1")).len(), 1);
    for (namespace, name) in [("other", "model-x7"), ("ai", "another"), ("ai", "exactly")] {
        assert_eq!(scene.sees(&map(namespace, name, "1")), []);
    }
    let gone = scene.loses(&map("ai", "model-x7", "2"));
    assert!(matches!(&gone[..], [Event::Resource(written)] if written.object.is_none()));
}
