//! What is done about changes that did not come from Git.

use timeline::SyncOutcome;

use super::*;

#[test]
fn a_hand_made_change_is_healed_at_once_and_then_with_growing_waits() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(10);
    let mut healed = Vec::new();
    for at in [10, 20, 30] {
        bench.run_until(at);
        bench.patch(&config("config"), "data: {version: '9'}");
        let then = bench.run_to(at + 100, |bench| bench.data("config").as_deref() == Some("1"));
        healed.push(then.as_secs() - at);
    }
    // The first heal is immediate; the later ones wait 2 s and 6 s after the one before, which is past.
    assert_eq!(healed, [1, 1, 1]);
    let operation = bench.observed().operation.unwrap();
    assert_eq!(operation.self_heal_attempts, 3);
    bench.patch(&config("config"), "data: {version: '9'}");
    let then = bench.run_to(200, |bench| bench.data("config").as_deref() == Some("1"));
    assert_eq!(then.as_secs(), 30 + 18);
    // Heals leave no trace in the history.
    assert_eq!(bench.status().history.len(), 1);
}

#[test]
fn an_emptied_folder_deletes_nothing() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    bench.push(&[("app/readme.md", "empty")]);
    bench.refresh();
    bench.run_until(5);
    let revision = bench.world.git.head().unwrap().id.to_string();
    assert_eq!(
        bench.observed().conditions,
        [format!("SyncError: Skipping sync attempt to [{revision}]: auto-sync will wipe out all resources")]
    );
    assert!(bench.data("config").is_some());
}

#[test]
fn applying_a_managed_object_by_hand_takes_its_tracking_and_is_healed() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    bench.apply(&CONFIG.replace("{name: config}", "{name: config, namespace: ai}"));
    let tracking = "argocd.argoproj.io/tracking-id";
    assert!(!bench.object(&config("config")).unwrap().annotations.contains_key(tracking));
    bench.refresh();
    bench.run_until(5);
    assert!(bench.object(&config("config")).unwrap().annotations.contains_key(tracking));
}

#[test]
fn ignored_fields_are_overwritten_by_a_sync_unless_it_respects_them() {
    let ignoring = "\n  ignoreDifferences: [{group: '', kind: ConfigMap, jsonPointers: [/data/version]}]\n";
    for (respects, expected) in [(false, "1"), (true, "9")] {
        let option = if respects {
            "CreateNamespace=true, RespectIgnoreDifferences=true"
        } else {
            "CreateNamespace=true"
        };
        let app = format!("{}{ignoring}", APP.trim_end()).replace("CreateNamespace=true", option);
        let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &app);
        bench.run_until(1);
        bench.patch(&config("config"), "data: {version: '9'}");
        bench.run_until(20);
        assert_eq!(bench.data("config").as_deref(), Some("9"), "an ignored field is no drift");
        bench.push(&[("app/config.yaml", CONFIG), ("app/other.yaml", OTHER)]);
        bench.refresh();
        bench.run_until(21);
        assert_eq!(bench.data("config").as_deref(), Some(expected));
    }
}

#[test]
fn a_deleted_object_is_made_again_without_the_rest_being_written() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG), ("app/other.yaml", OTHER)], APP);
    bench.run_until(10);
    let id = bench.object(&config("config")).unwrap().id;
    bench.world.api.delete(id);
    bench.after_task();
    bench.run_until(11);
    assert_eq!(bench.data("config").as_deref(), Some("1"));
    let last = bench.synced().pop().unwrap();
    assert_eq!(last, (10_100, "ConfigMap/config".to_owned(), SyncOutcome::Created));
}

#[test]
fn a_deleted_namespace_comes_back_with_its_contents() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(10);
    for key in [config("config"), ObjectKey::new("", "Namespace", None, "ai")] {
        let id = bench.object(&key).unwrap().id;
        bench.world.api.delete(id);
    }
    bench.after_task();
    bench.run_until(11);
    assert!(bench.data("config").is_some() && is_synced(&bench));
}
