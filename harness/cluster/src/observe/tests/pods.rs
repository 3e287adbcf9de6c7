use super::*;

/// The only pod that is told of.
fn told(events: &[Event]) -> (PodPhase, String, Option<String>) {
    let [status] = pods(events)[..] else { panic!("one pod, not {events:?}") };
    (status.phase, status.reason.clone(), status.model.clone())
}

#[test]
fn a_pod_s_life_is_told_phase_by_phase_and_each_once() {
    let mut scene = Scene::default();
    let created = pod("web-a-1", "a", "3.1");
    let mut scheduled = created.clone();
    scheduled["spec"]["nodeName"] = json!("node-1");
    let mut leaving = running(&created, false);
    leaving["metadata"]["deletionTimestamp"] = json!("now");
    let model = Some("3.1".to_owned());
    let life = [
        (created.clone(), PodPhase::Pending, "", None),
        (scheduled, PodPhase::Waiting, "ContainerCreating", None),
        (running(&created, false), PodPhase::Started, "", model.clone()),
        (running(&created, true), PodPhase::Ready, "", model.clone()),
        (running(&created, false), PodPhase::NotReady, "", model.clone()),
        (running(&created, true), PodPhase::Ready, "", model.clone()),
        (leaving.clone(), PodPhase::Terminating, "", model.clone()),
    ];
    for (object, phase, reason, model) in life {
        assert_eq!(told(&scene.sees(&object)), (phase, reason.to_owned(), model));
        assert_eq!(scene.sees(&object), [], "{phase:?} is told once");
    }
    assert_eq!(told(&scene.loses(&leaving)), (PodPhase::Deleted, String::new(), model));
    assert!(scene.onlooker.pods.is_empty());
}

#[test]
fn a_container_that_does_not_run_says_why() {
    let state = |state: Value| {
        let mut object = pod("web-a-1", "a", "3.1");
        object["status"]["containerStatuses"] = json!([{"containerID": "containerd://1", "state": state}]);
        told(&Scene::default().sees(&object))
    };
    let crashed = state(json!({"waiting": {"reason": "CrashLoopBackOff"}}));
    assert_eq!(crashed, (PodPhase::Waiting, "CrashLoopBackOff".to_owned(), None));
    let killed = state(json!({"terminated": {"reason": "OOMKilled"}}));
    assert_eq!(killed, (PodPhase::NotReady, "OOMKilled".to_owned(), None));
}

#[test]
fn a_pod_of_no_replica_set_is_not_told() {
    let mut object = running(&pod("clients", "a", "3.1"), true);
    object["metadata"]["ownerReferences"] = json!([]);
    assert_eq!(Scene::default().sees(&object), []);
}

fn config_map(name: &str, data: Value) -> Value {
    json!({"kind": "ConfigMap", "metadata": {"name": name, "namespace": "ai"}, "data": data})
}

/// The model of a pod with this container in a namespace with two ConfigMaps.
fn model_of(container: Value) -> Option<String> {
    let mut scene = Scene::default();
    scene.sees(&config_map("one", json!({"MODEL_VERSION": "from-one", "version": "by-key"})));
    scene.sees(&config_map("two", json!({"MODEL_VERSION": "from-two", "VERSION": "prefixed"})));
    let mut object = running(&pod("web-a-1", "a", ""), true);
    object["spec"]["containers"] = json!([container]);
    told(&scene.sees(&object)).2
}

#[test]
fn the_model_is_what_the_container_s_environment_says() {
    let literal = json!({"name": "MODEL_VERSION", "value": "literal"});
    let of_map = |name: &str, key: &str| json!({"name": "MODEL_VERSION", "valueFrom": {"configMapKeyRef": {"name": name, "key": key}}});
    let from = |name: &str| json!({"configMapRef": {"name": name}});
    let prefixed = json!({"prefix": "MODEL_", "configMapRef": {"name": "two"}});
    let table = [
        (json!({"env": [literal]}), Some("literal")),
        (json!({"env": [of_map("one", "version")]}), Some("by-key")),
        (json!({"env": [of_map("one", "absent")]}), None),
        (json!({"env": [of_map("absent", "version")]}), None),
        (json!({"envFrom": [from("one")]}), Some("from-one")),
        (json!({"envFrom": [from("one"), from("two")]}), Some("from-two")),
        (json!({"envFrom": [from("one"), from("absent")]}), Some("from-one")),
        (json!({"envFrom": [prefixed]}), Some("prefixed")),
        (json!({"envFrom": [from("one")], "env": [literal]}), Some("literal")),
        (json!({"env": [{"name": "OTHER", "value": "x"}]}), None),
        (json!({}), None),
    ];
    for (container, expected) in table {
        assert_eq!(model_of(container.clone()).as_deref(), expected, "{container}");
    }
}

#[test]
fn a_container_keeps_the_environment_that_it_started_with() {
    let mut scene = Scene::default();
    let map = |version: &str| config_map("model", json!({"MODEL_VERSION": version}));
    let mut object = pod("web-a-1", "a", "");
    object["spec"]["containers"][0] = json!({"envFrom": [{"configMapRef": {"name": "model"}}]});
    scene.sees(&map("3.1"));
    assert_eq!(told(&scene.sees(&running(&object, false))).2.as_deref(), Some("3.1"));
    scene.sees(&map("3.2"));
    assert_eq!(told(&scene.sees(&running(&object, true))).2.as_deref(), Some("3.1"), "it runs on");
    let mut restarted = running(&object, false);
    restarted["status"]["containerStatuses"][0]["containerID"] = json!("containerd://2");
    assert_eq!(told(&scene.sees(&restarted)).2.as_deref(), Some("3.2"), "a new container reads it anew");
    scene.loses(&map("3.2"));
    let mut without = running(&object, true);
    without["metadata"]["name"] = json!("web-a-2");
    without["status"]["containerStatuses"][0]["containerID"] = json!("containerd://3");
    assert_eq!(told(&scene.sees(&without)).2, None);
}
