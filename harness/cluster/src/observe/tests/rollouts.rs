use timeline::{RolloutPhase, Scaled};

use super::*;

#[test]
fn a_status_is_told_once_for_each_change_of_what_can_be_observed() {
    let mut scene = Scene::default();
    let healthy = rollout("a", "a", &json!({"phase": "Healthy", "currentStepIndex": 4}));
    assert_eq!(rollouts(&scene.sees(&healthy)).len(), 1);
    let mut touched = healthy.clone();
    touched["metadata"]["resourceVersion"] = json!("17");
    touched["status"]["observedGeneration"] = json!("3");
    assert_eq!(scene.sees(&touched), []);
    let paused =
        rollout("a", "b", &json!({"phase": "Paused", "currentStepIndex": 1, "message": "CanaryPauseStep"}));
    let told = scene.sees(&paused);
    let [status] = rollouts(&told)[..] else { panic!("one status, not {told:?}") };
    assert_eq!((status.phase, status.message.as_str()), (RolloutPhase::Paused, "CanaryPauseStep"));
    assert_eq!((status.namespace.as_str(), status.name.as_str(), status.steps), ("ai", "web", 4));
}

#[test]
fn a_rollout_that_no_controller_has_seen_is_not_told() {
    assert_eq!(Scene::default().sees(&rollout("", "", &json!({}))), []);
}

#[test]
fn the_weight_is_that_of_the_last_step_that_set_one() {
    let table = [
        (0, false, 10, "setWeight: 10"),
        (1, false, 10, "pause: 5m"),
        (2, false, 50, "setWeight: 50"),
        (4, false, 100, ""),
        (1, true, 0, "pause: 5m"),
    ];
    for (step, abort, weight, text) in table {
        let status = json!({"phase": "Progressing", "currentStepIndex": step, "abort": abort});
        let told = Scene::default().sees(&rollout("a", "b", &status));
        let [status] = rollouts(&told)[..] else { panic!("one status, not {told:?}") };
        assert_eq!((status.step, status.weight, status.aborted), (Some(step), weight, abort));
        assert_eq!(status.step_text, text);
    }
}

#[test]
fn an_invalid_spec_is_told() {
    let conditions = json!([{"type": "InvalidSpec", "status": "True"}]);
    let told =
        Scene::default().sees(&rollout("a", "a", &json!({"phase": "Degraded", "conditions": conditions})));
    assert!(rollouts(&told)[0].invalid);
}

#[test]
fn versions_are_the_replica_sets_and_the_models_that_their_pods_run() {
    let mut scene = Scene::canary();
    let told = scene.sees(&set("b", 2));
    let status = rollouts(&told).last().copied().unwrap().clone();
    let (stable, canary) = (status.stable.unwrap(), status.canary.unwrap());
    assert_eq!((stable.hash.as_str(), stable.revision, stable.desired), ("a", 1, 1));
    assert_eq!(stable.models, ["3.1"]);
    assert_eq!((canary.hash.as_str(), canary.revision, canary.desired, canary.ready), ("b", 2, 2, 2));
    assert_eq!(canary.models, ["3.2"]);
    let promoted = scene.sees(&rollout("b", "b", &json!({"phase": "Healthy", "currentStepIndex": 4})));
    let status = rollouts(&promoted)[0];
    assert!(status.canary.is_none() && status.promoted());
    assert_eq!(status.stable.as_ref().unwrap().models, ["3.2"]);
}

#[test]
fn roles_follow_from_the_rollout_s_status() {
    let mut scene = Scene::canary();
    let roles = |events: &[Event]| -> Vec<(String, Role)> {
        pods(events).iter().map(|pod| (pod.pod.clone(), pod.role)).collect()
    };
    let promoted = scene.sees(&rollout("b", "b", &json!({"phase": "Healthy", "currentStepIndex": 4})));
    let expected = [("web-a-1".to_owned(), Role::Other), ("web-b-1".to_owned(), Role::Stable)];
    assert_eq!(roles(&promoted), expected);
    let update = scene.sees(&rollout("b", "c", &json!({"phase": "Progressing", "currentStepIndex": 0})));
    assert_eq!(roles(&update), [], "no pod's role has changed");
    let reverted = scene.sees(&rollout("b", "a", &json!({"phase": "Progressing", "currentStepIndex": 0})));
    assert_eq!(roles(&reverted), [("web-a-1".to_owned(), Role::Canary)]);
}

#[test]
fn the_first_template_counts_as_stable_before_it_is_trusted() {
    let mut scene = Scene::default();
    scene.sees(&rollout("", "a", &json!({"phase": "Progressing"})));
    scene.sees(&set("a", 1));
    let told = scene.sees(&pod("web-a-1", "a", "3.1"));
    assert_eq!(pods(&told)[0].role, Role::Stable);
}

#[test]
fn a_change_of_the_pods_asked_for_is_told_with_the_role() {
    let mut scene = Scene::default();
    scene.sees(&rollout("a", "b", &json!({"phase": "Progressing", "currentStepIndex": 0})));
    let scaled = |events: Vec<Event>| {
        let of = |event| {
            if let Event::Scaled(Scaled { role, from, to, .. }) = event {
                Some((role, from, to))
            } else {
                None
            }
        };
        events.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(scaled(scene.sees(&set("a", 2))), [(Role::Stable, 0, 2)]);
    assert_eq!(scaled(scene.sees(&set("b", 1))), [(Role::Canary, 0, 1)]);
    assert_eq!(scaled(scene.sees(&set("b", 1))), []);
    assert_eq!(scaled(scene.sees(&set("b", 0))), [(Role::Canary, 1, 0)]);
    assert_eq!(scaled(scene.loses(&set("a", 2))), [(Role::Stable, 2, 0)]);
    let mut foreign = set("c", 3);
    foreign["metadata"]["ownerReferences"][0]["kind"] = json!("Deployment");
    assert_eq!(scene.sees(&foreign), [], "a ReplicaSet of a Deployment is not looked at");
}

#[test]
fn a_rollout_is_settled_when_nothing_will_happen_by_itself() {
    let table = [
        ("healthy", json!({"phase": "Healthy", "currentStepIndex": 4}), true),
        ("under way", json!({"phase": "Progressing", "currentStepIndex": 0}), false),
        ("not seen", json!({"phase": "Healthy", "observedGeneration": "1"}), false),
        ("paused for a time", json!({"phase": "Paused", "currentStepIndex": 1}), false),
        ("paused until a person acts", json!({"phase": "Paused", "currentStepIndex": 3}), true),
        ("degraded", json!({"phase": "Degraded", "currentStepIndex": 0}), true),
    ];
    for (what, status, settled) in table {
        let mut scene = Scene::default();
        scene.sees(&rollout("a", "b", &status));
        assert_eq!(scene.onlooker.is_settled(), settled, "{what}");
    }
    let mut scene = Scene::default();
    scene.sees(&rollout("a", "b", &json!({"phase": "Degraded", "currentStepIndex": 0})));
    let mut leaving = set("b", 0);
    leaving["status"]["replicas"] = json!(1);
    scene.sees(&leaving);
    assert!(!scene.onlooker.is_settled(), "its pods are still leaving");
    scene.sees(&set("b", 0));
    assert!(scene.onlooker.is_settled());
}

#[test]
fn an_answer_belongs_to_the_pod_s_role_at_the_rollout_s_step() {
    let scene = Scene::canary();
    let web = |role| Some((role, "web".to_owned(), Some(1)));
    assert_eq!(scene.onlooker.answered("web-a-1"), web(Role::Stable));
    assert_eq!(scene.onlooker.answered("web-b-1"), web(Role::Canary));
    assert_eq!(scene.onlooker.answered("another"), None);
}

#[test]
fn an_answer_that_names_a_model_belongs_to_the_only_role_that_runs_it() {
    let mut scene = Scene::canary();
    let web = |role| Some((role, "web".to_owned(), Some(1)));
    assert_eq!(scene.onlooker.answered_as("3.1"), web(Role::Stable));
    assert_eq!(scene.onlooker.answered_as("3.2"), web(Role::Canary));
    assert_eq!(scene.onlooker.answered_as("4"), None);
    assert_eq!(scene.onlooker.answered_as(""), None);
    // A second pod of the same role leaves it clear; one of another role does not.
    scene.sees(&running(&pod("web-a-2", "a", "3.1"), true));
    assert_eq!(scene.onlooker.answered_as("3.1"), web(Role::Stable));
    scene.sees(&running(&pod("web-b-2", "b", "3.1"), false));
    assert_eq!(scene.onlooker.answered_as("3.1"), None);
    // A pod that leaves answers no more.
    let mut leaving = running(&pod("web-b-2", "b", "3.1"), false);
    leaving["metadata"]["deletionTimestamp"] = json!("now");
    scene.sees(&leaving);
    assert_eq!(scene.onlooker.answered_as("3.1"), web(Role::Stable));
}

#[test]
fn pods_of_a_rollout_are_those_on_a_node_the_oldest_first() {
    let mut scene = Scene::canary();
    scene.sees(&running(&pod("web-a-0", "a", "3.1"), true));
    scene.sees(&pod("web-a-9", "a", "3.1"));
    let names = |rollout: &str, role| -> Vec<String> {
        scene.onlooker.pods_of(rollout, role).into_iter().map(|(_, name)| name).collect()
    };
    assert_eq!(names("web", None), ["web-a-1", "web-b-1", "web-a-0"]);
    assert_eq!(names("ai/web", Some(Role::Stable)), ["web-a-1", "web-a-0"]);
    assert_eq!(names("web", Some(Role::Canary)), ["web-b-1"]);
    assert_eq!(names("other/web", None), [""; 0]);
    assert_eq!(names("api", None), [""; 0]);
}
