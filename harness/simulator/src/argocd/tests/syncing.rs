//! What a sync writes and deletes, in which order, and how it fails.

use timeline::{OperationPhase, SyncOutcome, SyncStatus};

use super::*;

#[test]
fn what_leaves_the_repository_is_pruned_before_what_is_new_is_made() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    bench.push(&[("app/other.yaml", OTHER)]);
    bench.refresh();
    bench.run_until(2);
    let last: Vec<_> = bench.synced().into_iter().skip(2).map(|(_, name, outcome)| (name, outcome)).collect();
    let expected = [
        ("ConfigMap/config".to_owned(), SyncOutcome::Pruned),
        ("ConfigMap/other".to_owned(), SyncOutcome::Created),
    ];
    assert_eq!(last, expected);
}

#[test]
fn create_namespace_needs_the_projects_permission() {
    let mut bench =
        Bench::new(&[("app/config.yaml", CONFIG)], &APP.replace("project: default", "project: ai-models"));
    bench.apply(
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: ai-models, namespace: argocd}\nspec:\n  sourceRepos: ['*']\n  destinations: [{server: '*', namespace: ai}]\n",
    );
    bench.run_until(1);
    assert_eq!(bench.messages(), ["resource :Namespace is not permitted in project ai-models"]);
    assert!(bench.data("config").is_none());
}

#[test]
fn an_api_version_that_is_not_served_blocks_the_whole_sync_through_all_retries() {
    let secret =
        "apiVersion: external-secrets.io/v1beta1\nkind: ExternalSecret\nmetadata: {name: creds}\nspec: {}\n";
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG), ("app/secret.yaml", secret)], APP);
    bench.run_until(1);
    assert_eq!(
        bench.messages(),
        [
            "The Kubernetes API could not find version \"v1beta1\" of external-secrets.io/ExternalSecret for requested resource ai/creds. Version \"v1\" of external-secrets.io/ExternalSecret is installed on the destination cluster."
        ]
    );
    let operation = bench.observed().operation.unwrap();
    assert_eq!((operation.phase, operation.retries), (OperationPhase::Running, 1));
    assert_eq!(
        operation.message,
        "one or more synchronization tasks are not valid. Retrying attempt #1 at 12:00AM."
    );
    assert!(!bench.is_settled());
    bench.run_until(1000);
    let attempts: Vec<u64> = bench.synced().iter().map(|(at, _, _)| at / 1000).collect();
    assert_eq!(attempts, [0, 60, 180, 360]);
    let observed = bench.observed();
    assert_eq!(
        observed.operation.unwrap().message,
        "one or more synchronization tasks are not valid (retried 3 times)."
    );
    assert!(observed.conditions[0].starts_with("SyncError: Failed last sync attempt to ["));
    assert!(bench.data("config").is_none() && bench.is_settled());
}

#[test]
fn a_newer_commit_waits_for_the_running_operation() {
    let unknown = "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: g}\n";
    let mut bench = Bench::new(&[("app/gadget.yaml", unknown)], APP);
    bench.run_until(1);
    assert!(
        bench.messages()[0]
            .ends_with("Make sure the \"Gadget\" CRD is installed on the destination cluster.")
    );
    bench.push(&[("app/config.yaml", CONFIG)]);
    bench.refresh();
    bench.run_until(300);
    assert!(bench.data("config").is_none());
    // The last retry fails at 360 s; the comparison that follows finds the new commit.
    bench.run_until(361);
    assert_eq!(bench.data("config").as_deref(), Some("1"));
    assert!(is_synced(&bench));
}

#[test]
fn waves_are_two_seconds_apart() {
    let late =
        OTHER.replace("{name: other}", "{name: other, annotations: {argocd.argoproj.io/sync-wave: '1'}}");
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG), ("app/other.yaml", &late)], APP);
    bench.run_until(10);
    let applied: Vec<(u64, String)> = bench.synced().into_iter().map(|(at, name, _)| (at, name)).collect();
    let expected = [(0, "Namespace/ai"), (0, "ConfigMap/config"), (2000, "ConfigMap/other")];
    assert_eq!(applied, expected.map(|(at, name)| (at, name.to_owned())));
    assert!(is_synced(&bench));
}

#[test]
fn an_operation_of_several_waves_waits_for_health_and_holds_newer_commits() {
    let early = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: m}\nspec:\n  selector: {matchLabels: {a: b}}\n  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}\n";
    let late =
        OTHER.replace("{name: other}", "{name: other, annotations: {argocd.argoproj.io/sync-wave: '1'}}");
    let mut bench = Bench::new(&[("app/early.yaml", early), ("app/other.yaml", &late)], APP);
    bench.run_until(10);
    // Nothing makes pods here, so that the Deployment stays Progressing.
    let operation = bench.observed().operation.unwrap();
    assert_eq!(
        (operation.phase, operation.message.as_str()),
        (OperationPhase::Running, "waiting for healthy state of apps/Deployment/m")
    );
    assert!(bench.object(&config("other")).is_none() && !bench.is_settled());
    bench.push(&[("app/config.yaml", CONFIG)]);
    bench.run_until(2000);
    assert!(bench.object(&config("other")).is_none() && bench.data("config").is_none());
    assert_eq!(bench.status().revision, bench.world.git.head().unwrap().id.to_string());
}

#[test]
fn pruning_last_follows_every_other_wave() {
    let app = APP.replace("CreateNamespace=true", "CreateNamespace=true, PruneLast=true");
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &app);
    bench.run_until(1);
    bench.push(&[("app/other.yaml", OTHER)]);
    bench.refresh();
    bench.run_until(10);
    let last: Vec<_> = bench.synced().into_iter().skip(2).map(|(at, name, _)| (at, name)).collect();
    assert_eq!(last, [(1000, "ConfigMap/other".to_owned()), (3000, "ConfigMap/config".to_owned())]);
}

#[test]
fn a_resource_that_is_kept_from_pruning_stays_and_may_count_for_nothing() {
    for (compare, expected) in [("", SyncStatus::OutOfSync), ("IgnoreExtraneous", SyncStatus::Synced)] {
        let annotations = format!(
            "{{argocd.argoproj.io/sync-options: Prune=false, argocd.argoproj.io/compare-options: '{compare}'}}"
        );
        let kept = CONFIG.replace("{name: config}", &format!("{{name: config, annotations: {annotations}}}"));
        let mut bench = Bench::new(&[("app/config.yaml", &kept), ("app/other.yaml", OTHER)], APP);
        bench.run_until(1);
        bench.push(&[("app/other.yaml", OTHER)]);
        bench.refresh();
        bench.run_until(5);
        assert!(bench.data("config").is_some());
        assert_eq!(bench.status().sync, Some(expected));
    }
}

#[test]
fn a_manifest_that_the_api_server_refuses_fails_the_sync_and_is_retried() {
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: [no, map]\n";
    let mut bench = Bench::new(&[("app/config.yaml", broken)], APP);
    bench.run_until(1);
    let operation = bench.observed().operation.unwrap();
    assert!(
        operation.message.starts_with("one or more objects failed to apply (dry run). Retrying attempt #1"),
        "{}",
        operation.message
    );
    assert_eq!(bench.messages().len(), 1);
}

#[test]
fn objects_need_their_namespace() {
    let mut bench = Bench::new(
        &[("app/config.yaml", CONFIG)],
        &APP.replace("CreateNamespace=true", "CreateNamespace=false"),
    );
    bench.run_until(1);
    let operation = bench.observed().operation.unwrap();
    assert!(
        operation.message.starts_with(
            "one or more objects failed to apply, reason: namespaces \"ai\" not found. Retrying"
        )
    );
}

#[test]
fn a_sync_by_hand_prunes_nothing() {
    let manual = APP.replace("automated: {prune: true, selfHeal: true}", "automated: {enabled: false}");
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &manual);
    bench.run_until(5);
    assert_eq!(bench.status().sync, Some(SyncStatus::OutOfSync));
    assert!(bench.data("config").is_none() && bench.is_settled());
    argocd::sync(&mut bench.world, "llama3").unwrap();
    bench.after_task();
    bench.run_until(6);
    assert!(is_synced(&bench));
    bench.push(&[("app/other.yaml", OTHER)]);
    argocd::sync(&mut bench.world, "llama3").unwrap();
    bench.after_task();
    bench.run_until(7);
    assert_eq!(bench.observed().resources, ["ConfigMap config: OutOfSync (requires pruning)"]);
    assert!(argocd::sync(&mut bench.world, "nobody").is_err());
}
