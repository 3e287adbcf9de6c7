use timeline::{Event, PodPhase};

use super::*;
use crate::testing;

const CONFIG: &str =
    "# The model.\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {a: '1', b: '1'}\n";

fn world(events: &str) -> World<'static> {
    testing::world(
        &format!("events:\n{events}"),
        &[("config.yaml", CONFIG), ("docs/readme.md", "text"), ("many.yaml", "a: 1\n---\nb: 1\n")],
    )
}

/// The files of the branch after the events.
fn branch(world: &World<'_>) -> Vec<(String, String)> {
    let files = world.git.head().unwrap().tree.files();
    files.map(|(path, text)| (path.to_owned(), String::from_utf8_lossy(text).into_owned())).collect()
}

fn commits(world: &World<'_>) -> Vec<String> {
    testing::told(world, |event| match event {
        Event::Commit(commit) => Some(format!("{} {:?}", commit.title, commit.files)),
        _ => None,
    })
}

#[test]
fn a_merge_edits_writes_and_deletes() {
    let mut world = world(
        "- {at: 1m, id: m, merge: {title: Better, edit: {config.yaml: {data: {a: '2', b: null}}}, write: {new/file: x}, delete: [docs/readme.md]}}",
    );
    testing::run_until(&mut world, 60);
    let files = branch(&world);
    assert_eq!(
        files.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
        ["config.yaml", "many.yaml", "new/file"]
    );
    let config = yaml::parse_one("config.yaml", files[0].1.as_bytes()).unwrap();
    assert_eq!(config.get("data").unwrap().to_json(), serde_json::json!({"a": "2"}));
    assert_eq!(commits(&world)[1], "60 Better [\"config.yaml\", \"docs/readme.md\", \"new/file\"]");
}

#[test]
fn what_cannot_be_merged_ends_the_run() {
    for (change, expected) in [
        ("edit: {confg.yaml: {data: {a: '2'}}}", "the repository has no file `confg.yaml`"),
        ("edit: {confg.yaml: {data: {a: '2'}}}", "did you mean `config.yaml`?"),
        ("edit: {config.yaml: {data: {a: '1', c: null}}}", "this merge changes nothing"),
        ("write: {docs/readme.md: text}", "this merge changes nothing"),
        ("delete: [docs/redme.md]", "did you mean `docs/readme.md`?"),
        ("write: {docs: x}", "`docs` would be a file and a folder at once"),
        ("write: {config.yaml/x: x}", "`config.yaml` would be a file and a folder at once"),
        ("edit: {many.yaml: {a: 2}}", "many.yaml"),
    ] {
        let mut world = world(&format!("- {{at: 1m, merge: {{title: T, {change}}}}}"));
        let problem = testing::run_to_failure(&mut world, 60);
        assert!(problem.contains(expected), "{change}: {problem}");
    }
}

#[test]
fn an_edit_that_changes_nothing_leaves_a_file_with_its_comments() {
    let mut world =
        world("- {at: 1m, merge: {title: T, edit: {config.yaml: {data: {a: '1'}}}, write: {x: x}}}");
    testing::run_until(&mut world, 60);
    assert_eq!(branch(&world)[0].1, CONFIG);
    assert_eq!(commits(&world)[1], "60 T [\"x\"]");
}

#[test]
fn reverts_undo_the_latest_merge_or_the_one_that_is_named() {
    let merges = "- {at: 1m, id: one, merge: {title: One, write: {one: x}}}\n- {at: 2m, id: two, merge: {title: Two, write: {two: x}}}\n";
    for (reverts, left) in [
        ("- {at: 3m, revert: last}", vec!["one"]),
        ("- {at: 3m, revert: one}", vec!["two"]),
        ("- {at: 3m, revert: last}\n- {at: 4m, revert: last}", vec![]),
    ] {
        let mut world = world(&format!("{merges}{reverts}"));
        testing::run_until(&mut world, 300);
        let files = branch(&world);
        let of_merges: Vec<&str> = files
            .iter()
            .map(|(path, _)| path.as_str())
            .filter(|path| ["one", "two"].contains(path))
            .collect();
        assert_eq!(of_merges, left, "{reverts}");
    }
    let mut world = world(&format!("{merges}- {{at: 3m, revert: two}}"));
    testing::run_until(&mut world, 300);
    let told = world.entries.iter().find_map(|entry| match &entry.event {
        Event::Commit(commit) if commit.reverts.is_some() => Some(commit.clone()),
        _ => None,
    });
    let told = told.unwrap();
    assert_eq!((told.title.as_str(), told.files), ("Revert \"Two\"", vec!["two".to_owned()]));
    assert_eq!(told.reverts.as_deref(), Some(world.git.log()[2].id.as_str()));
}

#[test]
fn a_revert_that_cannot_be_made_ends_the_run() {
    let merges = "- {at: 1m, id: one, merge: {title: One, write: {x: a}}}\n- {at: 2m, id: two, merge: {title: Two, write: {x: b}}}\n";
    let back = "- {at: 1m, id: one, merge: {title: One, write: {x: a}}}\n- {at: 2m, merge: {title: Two, delete: [x]}}\n";
    let late = "- {after: {resource: {kind: ConfigMap, name: none}, exists: true}, id: one, merge: {title: One, write: {x: a}}}\n";
    for (merges, revert, expected) in [
        (merges, "one", "the revert conflicts: `x` was changed again since"),
        (back, "one", "this revert changes nothing"),
        (late, "one", "`one` was not merged by then"),
        (late, "last", "there is no merge to revert by then"),
    ] {
        let mut world = world(&format!("{merges}- {{at: 3m, revert: {revert}}}"));
        let problem = testing::run_to_failure(&mut world, 300);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn an_action_after_a_state_waits_from_when_it_is_entered() {
    let mut world = world(
        "- {at: 1m, apply: [config.yaml]}\n- {after: {resource: {kind: ConfigMap, name: config}, exists: true}, wait: 30s, delete: {kind: ConfigMap, name: config}}\n- {after: {resource: {kind: ConfigMap, name: config}, exists: false}, traffic: {rate: 1/s}}\n- {after: {resource: {kind: ConfigMap, name: other}, exists: true}, traffic: {rate: 2/s}}",
    );
    testing::run_until(&mut world, 80);
    assert!(!is_settled(&world), "a timed action is still to come");
    testing::run_until(&mut world, 600);
    let performed = testing::told(&world, |event| match event {
        Event::ActionPerformed(action) => Some(action.text.clone()),
        _ => None,
    });
    assert_eq!(
        performed,
        ["60 kubectl apply -f config.yaml", "90 kubectl delete ConfigMap config", "90 clients now send 1/s"]
    );
    assert!(is_settled(&world), "what waits for a state that never comes is not waited for");
}

#[test]
fn what_kubectl_refuses_to_apply_ends_the_run() {
    let config =
        |metadata: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c, {metadata}}}}}");
    for (text, expected) in [
        (config("namespace: nowhere"), "namespaces \"nowhere\" not found"),
        (config("namespace: nowhere"), "apply the Namespace `nowhere` before it"),
        (config("namspace: default"), "unknown field \"metadata.namspace\""),
        ("{kind: ConfigMap}".to_owned(), "apiVersion"),
    ] {
        let events = "events: [{at: 1m, apply: [late.yaml]}]";
        let mut world = testing::world(events, &[("late.yaml", &text)]);
        let problem = testing::run_to_failure(&mut world, 60);
        assert!(problem.contains(expected), "{problem}");
    }
    let mut world = testing::world("events: [{at: 1m, apply: [lat.yaml]}]", &[("late.yaml", "a: 1")]);
    let problem = testing::run_to_failure(&mut world, 60);
    assert!(
        problem.contains("no file `lat.yaml`") && problem.contains("did you mean `late.yaml`?"),
        "{problem}"
    );
}

#[test]
fn a_namespace_can_be_applied_with_what_is_in_it() {
    let files = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: ai}}\n---\n# nothing\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: ai}}\n";
    let mut world =
        testing::world("events: [{at: 1m, delete: {kind: Namespace, name: ai}}]", &[("all.yaml", files)]);
    assert_eq!(
        testing::told(&world, |event| matches!(event, Event::NotSimulated(_)).then(String::new)),
        [""; 0]
    );
    let config = testing::id(&world, "ConfigMap", "c");
    testing::run_until(&mut world, 60);
    assert!(!world.api.exists(config), "what is in a namespace goes away with it");
}

#[test]
fn a_name_must_mean_one_resource() {
    let files = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: config-a1}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: config-b2}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: twice}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: twice, namespace: monitoring}}
";
    for (resource, expected) in [
        ("name: config-a*", None),
        ("name: config-*", Some("could be ConfigMap default/config-a1 or ConfigMap default/config-b2")),
        ("name: config-*", Some("write the whole name")),
        ("name: twice", Some("could be ConfigMap default/twice or ConfigMap monitoring/twice")),
        ("name: twice", Some("name the namespace")),
        ("name: twice, namespace: monitoring", None),
        ("name: config-a3", Some("there is no ConfigMap `config-a3` at that time (01:00)")),
        ("name: config-a3", Some("did you mean `config-a1`?")),
    ] {
        let events = format!("events: [{{at: 1m, delete: {{kind: ConfigMap, {resource}}}}}]");
        let mut world = testing::world(&events, &[("all.yaml", files)]);
        match expected {
            None => {
                let before = world.api.all().count();
                testing::run_until(&mut world, 60);
                assert_eq!(world.api.all().count(), before - 1, "{resource}");
            }
            Some(expected) => {
                let problem = testing::run_to_failure(&mut world, 60);
                assert!(problem.contains(expected), "{resource}: {problem}");
            }
        }
    }
}

#[test]
fn a_patch_by_hand_reaches_the_object() {
    let events =
        "events: [{at: 1m, patch: {resource: {kind: Deployment, name: web}, with: {spec: {replicas: 3}}}}]";
    let mut world = testing::world(events, &[("all.yaml", testing::DEPLOYMENT)]);
    testing::run_until(&mut world, 90);
    assert_eq!(testing::pods(&world).len(), 3);
    let events =
        "events: [{at: 1m, patch: {resource: {kind: Pod, name: web-*}, with: {metadata: {labels: {a: b}}}}}]";
    let one = testing::DEPLOYMENT.replace("replicas: 2", "replicas: 1");
    let mut world = testing::world(events, &[("all.yaml", &one)]);
    let problem = testing::run_to_failure(&mut world, 90);
    assert!(problem.contains("is made by a controller and cannot be patched"), "{problem}");
}

const ROLLOUT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  strategy: {canary: {steps: [{setWeight: 25}, {pause: {}}]}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: server, image: 'server:1', env: [{name: MODEL_VERSION, value: '1'}], readinessProbe: {periodSeconds: 1}}]}
";

/// A Rollout with three stable pods and one canary pod, and an event at 5 m.
fn with_canary(event: &str) -> World<'static> {
    let events = format!("events: [{{at: 5m, {event}}}]");
    let mut world = testing::world(&events, &[("all.yaml", ROLLOUT)]);
    testing::run_until(&mut world, 60);
    testing::apply(&mut world, &ROLLOUT.replace("value: '1'", "value: '2'"));
    testing::run_until(&mut world, 299);
    world
}

#[test]
fn pods_are_deleted_by_role_the_oldest_first() {
    for (event, gone) in [
        ("delete: {pods: web}", vec![0]),
        ("delete: {pods: web, count: 2}", vec![0, 1]),
        ("delete: {pods: default/web, role: stable, count: 3}", vec![0, 1, 2]),
        ("delete: {pods: web, role: canary}", vec![3]),
    ] {
        let mut world = with_canary(event);
        let before = testing::pods(&world);
        assert_eq!(before.len(), 4);
        testing::run_until(&mut world, 300);
        let missing: Vec<usize> = (0..4).filter(|index| !world.api.exists(before[*index])).collect();
        assert_eq!(missing, gone, "{event}");
        assert_eq!(testing::pods(&world).len(), 4, "they are replaced at once");
        let waiting = testing::pods(&world)
            .into_iter()
            .filter(|pod| testing::pod(&world, *pod).phase == PodPhase::Waiting);
        assert_eq!(waiting.count(), gone.len());
    }
    for (event, expected) in [
        ("delete: {pods: web, role: canary, count: 2}", "web has only 1 of 2 such pods at that time (05:00)"),
        ("delete: {pods: other/web}", "there is no Rollout `web`"),
    ] {
        let problem = testing::run_to_failure(&mut with_canary(event), 300);
        assert!(problem.contains(expected), "{problem}");
    }
}

/// A compressed run of a Deployment whose pods are ready after 12 s.
fn held(events: &str, files: &str) -> World<'static> {
    let options = crate::Options { speed: 10.0, ..testing::options() };
    testing::world_of(
        &options,
        &format!("events:\n{events}"),
        &[("all.yaml", files), ("config.yaml", CONFIG)],
    )
}

fn performed(world: &World<'_>) -> Vec<String> {
    testing::told(world, |event| match event {
        Event::ActionPerformed(action) => Some(action.text.clone()),
        Event::ClockStarted(clock) => Some(format!("in place: {}", clock.in_place)),
        _ => None,
    })
}

const AT_0_1_AND_2: &str =
    "- {at: 0s, apply: [config.yaml]}\n- {at: 1m, traffic: {rate: 1/s}}\n- {at: 2m, traffic: {rate: 2/s}}";

#[test]
fn a_held_clock_starts_when_what_was_applied_has_settled() {
    let mut world = held(AT_0_1_AND_2, testing::DEPLOYMENT);
    testing::run_until(&mut world, 300);
    let expected = [
        "0 kubectl apply -f config.yaml",
        "12 in place: true",
        "72 clients now send 1/s",
        "132 clients now send 2/s",
    ];
    assert_eq!(performed(&world), expected);
}

#[test]
fn a_held_clock_starts_after_the_longest_hold_whatever_has_settled() {
    let mut world = held(AT_0_1_AND_2, &testing::DEPLOYMENT.replace("value: '1'", "value: slow"));
    testing::run_until(&mut world, 160);
    assert_eq!(performed(&world)[1..], ["90 in place: false", "150 clients now send 1/s"]);
}

#[test]
fn a_clock_is_not_held_at_speed_1_nor_without_a_time_to_wait_for() {
    let real = testing::world(&format!("events:\n{AT_0_1_AND_2}"), &[("config.yaml", CONFIG)]);
    assert_eq!(real.actions.clock, Clock::Since(Time::ZERO));
    let nothing_later = held("- {at: 0s, apply: [config.yaml]}", testing::DEPLOYMENT);
    assert_eq!(nothing_later.actions.clock, Clock::Since(Time::ZERO));
}
