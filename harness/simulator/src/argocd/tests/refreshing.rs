//! When an Application is compared, and what stands in the way.

use timeline::{OperationPhase, SyncOutcome, SyncStatus};
use units::Duration;

use super::super::status::ConditionType;
use super::*;

#[test]
fn a_new_application_is_compared_and_synced_at_once() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    let observed = bench.observed();
    assert_eq!((observed.sync, observed.health), (SyncStatus::Synced, timeline::HealthStatus::Healthy));
    assert_eq!(observed.revision, bench.world.git.head().unwrap().id.to_string());
    let operation = observed.operation.unwrap();
    assert_eq!(
        (operation.phase, operation.message.as_str()),
        (OperationPhase::Succeeded, "successfully synced (all tasks run)")
    );
    let expected = [
        (0, "Namespace/ai".to_owned(), SyncOutcome::Created),
        (0, "ConfigMap/config".to_owned(), SyncOutcome::Created),
    ];
    assert_eq!(bench.synced(), expected);
    assert_eq!(bench.status().history.len(), 1);
    assert!(bench.is_settled());
}

#[test]
fn a_push_is_found_by_the_poll_within_five_minutes() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(200);
    bench.push(&[("app/config.yaml", CONFIG_2)]);
    assert!(!bench.is_settled());
    // The branch may have been read up to 180 s before and is then trusted for one gap more.
    let found = bench.run_to(200 + 600, |bench| bench.data("config").as_deref() == Some("2"));
    assert!(found > Duration::from_secs(200));
    bench.run_until(900);
    assert!(is_synced(&bench) && bench.is_settled());
    assert_eq!(bench.status().history.len(), 2);
}

#[test]
fn a_webhook_brings_a_push_at_once() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(200);
    bench.push(&[("app/config.yaml", CONFIG_2)]);
    argocd::on_push(&mut bench.world);
    bench.after_task();
    bench.run_until(201);
    assert_eq!(bench.data("config").as_deref(), Some("2"));
    let app = bench.world.api.of_kind("argoproj.io", "Application").next().unwrap();
    assert!(!app.annotations.contains_key("argocd.argoproj.io/refresh"));
}

#[test]
fn a_commit_elsewhere_does_not_concern_an_application_with_paths() {
    let app = APP.replace(
        "name: llama3, ",
        "name: llama3, annotations: {argocd.argoproj.io/manifest-generate-paths: .}, ",
    );
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &app);
    bench.run_until(1);
    let first = bench.status().revision.clone();
    let reconciled = bench.status().reconciled_at;
    let push = |bench: &mut Bench, files: &[(&str, &str)]| {
        bench.push(files);
        argocd::on_push(&mut bench.world);
        bench.after_task();
        let now = bench.world.now().as_millis() / 1000;
        bench.run_until(now + 1);
    };
    push(&mut bench, &[("app/config.yaml", CONFIG), ("readme.md", "hello")]);
    assert_eq!((&bench.status().revision, bench.status().reconciled_at), (&first, reconciled));
    push(&mut bench, &[("app/config.yaml", CONFIG_2), ("readme.md", "hello")]);
    assert_eq!(bench.data("config").as_deref(), Some("2"));
}

#[test]
fn gaps_between_polls_lie_between_two_and_five_minutes() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    let mut times = Vec::new();
    for secs in 0..7200 {
        bench.run_until(secs);
        let at = bench.status().reconciled_at.unwrap();
        if times.last() != Some(&at) {
            times.push(at);
        }
    }
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1].since(pair[0]).as_secs()).skip(1).collect();
    assert!(gaps.len() > 20 && gaps.iter().all(|gap| (120..=300).contains(gap)), "{gaps:?}");
}

#[test]
fn a_poll_may_read_an_old_list_of_branches_unless_the_setting_is_given() {
    let given = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm, namespace: argocd}\ndata: {timeout.reconciliation: 120s}\n";
    let latest = |settings: Option<&str>| {
        let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
        if let Some(settings) = settings {
            bench.apply(settings);
        }
        bench.run_until(1);
        bench.push(&[("app/config.yaml", CONFIG_2)]);
        bench.run_to(1200, |bench| bench.data("config").as_deref() == Some("2"))
    };
    assert!(latest(Some(given)) <= latest(None));
    assert!(latest(Some(given)) <= Duration::from_secs(300));
}

#[test]
fn a_missing_path_is_a_comparison_error_and_found_late_by_polls() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    bench.push(&[("elsewhere/config.yaml", CONFIG)]);
    let unknown = |bench: &Bench| bench.status().sync == Some(SyncStatus::Unknown);
    let at = bench.run_to(1800, unknown);
    // Not at the first failure: errors of the repository must last for 180 s.
    assert!(at > Duration::from_secs(180), "{at}");
    let observed = bench.observed();
    assert_eq!(
        observed.conditions,
        [
            "ComparisonError: Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = app: app path does not exist"
        ]
    );
    assert_eq!(observed.health, timeline::HealthStatus::Healthy);
    assert!(bench.data("config").is_some() && bench.is_settled());
}

#[test]
fn the_third_failure_in_a_row_pauses_generation() {
    let mut bench = Bench::new(&[("elsewhere/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    for _ in 0..3 {
        bench.refresh();
        let now = bench.world.now().as_millis() / 1000;
        bench.run_until(now + 1);
    }
    assert!(
        bench.observed().conditions[0]
            .contains("Manifest generation error (cached): app: app path does not exist")
    );
}

#[test]
fn a_missing_project_makes_everything_unknown_until_it_exists() {
    let mut bench =
        Bench::new(&[("app/config.yaml", CONFIG)], &APP.replace("project: default", "project: ai-models"));
    bench.run_until(10);
    let observed = bench.observed();
    assert_eq!((observed.sync, observed.health), (SyncStatus::Unknown, timeline::HealthStatus::Unknown));
    assert_eq!(
        observed.conditions,
        ["InvalidSpecError: Application referencing project ai-models which does not exist"]
    );
    assert!(observed.operation.is_none() && bench.is_settled());
    bench.apply(
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: ai-models, namespace: argocd}\nspec:\n  sourceRepos: ['*']\n  destinations: [{server: '*', namespace: ai}]\n  clusterResourceWhitelist: [{group: '', kind: Namespace}]\n",
    );
    assert!(!bench.is_settled());
    let at = bench.run_to(10 + 180, is_synced);
    assert!(at > Duration::from_secs(10));
    assert!(!bench.status().has_condition(ConditionType::InvalidSpecError));
}

#[test]
fn a_revision_that_is_no_branch_and_no_commit_is_a_comparison_error() {
    let mut bench = Bench::new(
        &[("app/config.yaml", CONFIG)],
        &APP.replace("targetRevision: main", "targetRevision: v2"),
    );
    bench.run_until(1);
    assert!(bench.observed().conditions[0].ends_with("unable to resolve 'v2' to a commit SHA"));
    assert_eq!(bench.observed().revision, "v2");
}

#[test]
fn a_pinned_commit_stays_when_the_branch_moves_on() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    let first = bench.world.git.head().unwrap().id.to_string();
    bench.run_until(1);
    bench.push(&[("app/config.yaml", CONFIG_2)]);
    let pinned = APP.replace("targetRevision: main", &format!("targetRevision: {}", &first[..8]));
    bench.apply(&pinned);
    bench.run_until(1000);
    assert_eq!(bench.data("config").as_deref(), Some("1"));
    assert_eq!(bench.observed().revision, first);
}

#[test]
fn an_application_may_hold_another() {
    let child = APP.replace("name: llama3", "name: child").replace("path: app", "path: child");
    let mut bench = Bench::new(&[("app/child.yaml", &child), ("child/config.yaml", CONFIG)], APP);
    bench.run_until(5);
    assert_eq!(bench.data("config").as_deref(), Some("1"));
    let apps = bench.world.api.of_kind("argoproj.io", "Application");
    assert!(
        apps.map(|app| argocd::observed(&bench.world, app.id).unwrap())
            .all(|app| app.sync == SyncStatus::Synced)
    );
}

#[test]
fn a_deleted_application_takes_its_resources_along() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    let id = bench.world.api.of_kind("argoproj.io", "Application").next().unwrap().id;
    bench.world.api.delete(id);
    bench.after_task();
    bench.run_until(400);
    assert!(bench.data("config").is_none());
    // The namespace was made for it and is not its own.
    assert!(bench.object(&ObjectKey::new("", "Namespace", None, "ai")).is_some());
}

#[test]
fn the_same_seed_gives_the_same_entries() {
    let run = || {
        let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
        bench.run_until(300);
        bench.push(&[("app/config.yaml", CONFIG_2)]);
        bench.run_until(1500);
        bench.world.entries
    };
    assert_eq!(run(), run());
}

#[test]
fn what_the_built_in_kustomize_does_not_render_ends_the_run_unless_a_program_renders_it() {
    let files = [("app/kustomization.yaml", "helmCharts: [{name: x}]\n")];
    let mut bench = Bench::new(&files, APP);
    bench.run_until(1);
    let problem = bench.world.failure.take().unwrap().to_string();
    assert!(problem.contains("helmCharts") && problem.contains("--kustomize program"), "{problem}");
    let mut bench = Bench::with(
        &files,
        APP,
        Some(|_, path| yaml::parse(path, CONFIG.as_bytes()).map_err(|p| p.to_string())),
    );
    bench.run_until(1);
    assert!(is_synced(&bench) && bench.data("config").is_some());
    let mut bench = Bench::with(&files, APP, Some(|_, _| Err("no such chart".to_owned())));
    bench.run_until(1);
    assert!(bench.observed().conditions[0].ends_with(
        "`kustomize build <path to cached source>/app` failed exit status 1: Error: no such chart"
    ));
}

#[test]
fn an_application_that_is_to_be_skipped_is_left_alone() {
    let app = APP.replace(
        "name: llama3, ",
        "name: llama3, annotations: {argocd.argoproj.io/skip-reconcile: 'true'}, ",
    );
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &app);
    bench.run_until(1000);
    assert!(bench.data("config").is_none() && bench.status().sync.is_none());
}
