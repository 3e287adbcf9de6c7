//! The controller by itself: a repository, an API server, an Application, and nothing that acts on
//! what is applied.

use std::sync::Arc;

use manifests::objects::ObjectKey;
use scenario::Scenario;
use timeline::{Event, OperationPhase, SyncOutcome, SyncStatus};
use units::{Duration, Time};

use super::status::ConditionType;
use crate::api::{Body, Object};
use crate::{Options, Task, World, observe, tree_of, watch};

const APP: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: llama3, namespace: argocd, finalizers: [resources-finalizer.argocd.argoproj.io]}
spec:
  project: default
  source: {repoURL: https://git.example/ai, targetRevision: main, path: app}
  destination: {server: https://kubernetes.default.svc, namespace: ai}
  syncPolicy:
    automated: {prune: true, selfHeal: true}
    syncOptions: [CreateNamespace=true]
    retry: {limit: 3, backoff: {duration: 30s, factor: 2}}
";

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {version: '1'}\n";
const CONFIG_2: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {version: '2'}\n";
const OTHER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: b}\n";

/// A world with Argo CD's namespace in which only Argo CD acts.
struct Bench {
    world: World<'static>,
}

impl Bench {
    /// The repository's first commit holds `files`; then the Application is applied.
    fn new(files: &[(&str, &str)], app: &str) -> Self {
        let text = "name: t\nrepository: .\nexpect: [{application: llama3, becomes: {sync: Synced}, within: 5m}]\n";
        let scenario = Scenario::read("t.yaml", text.as_bytes()).unwrap().remove(0);
        let options = Options {
            seed: 1,
            arrivals: behaviour::Arrivals::Expected,
            limit: Duration::from_mins(60),
            version: "test".to_owned(),
            render: None,
        };
        let mut bench = Self { world: World::new(Box::leak(Box::new(scenario)), Box::leak(Box::new(options))) };
        bench.push(files);
        bench.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: argocd}\n");
        bench.apply(app);
        bench.after_task();
        bench
    }

    fn push(&mut self, files: &[(&str, &str)]) {
        let now = self.world.now();
        self.world.git.push(tree_of(files.iter().copied()), "change", "A <a@example.com>", now, None);
    }

    fn apply(&mut self, text: &str) {
        let now = self.world.now();
        let manifest = Arc::new(yaml::parse_one("applied.yaml", text.as_bytes()).unwrap());
        self.world.api.apply(&manifest, "default", now).unwrap();
        self.after_task();
    }

    fn patch(&mut self, key: &ObjectKey, text: &str) {
        let id = self.object(key).unwrap().id;
        self.world.api.patch(id, &yaml::parse_one("patch.yaml", text.as_bytes()).unwrap()).unwrap();
        self.after_task();
    }

    fn after_task(&mut self) {
        watch::deliver(&mut self.world);
        observe::write_changes(&mut self.world);
    }

    fn run_until(&mut self, secs: u64) {
        while let Some(task) = self.world.kernel.next(Time::from_secs(secs)) {
            assert!(self.world.kernel.steps() < 100_000, "{task:?} never comes to rest");
            match task {
                Task::Application(id) => super::reconcile(&mut self.world, id),
                Task::ApplicationResync(id) => super::resync(&mut self.world, id),
                _ => {}
            }
            self.after_task();
        }
    }

    /// Runs until something holds; tells when.
    fn run_to(&mut self, limit: u64, holds: impl Fn(&Self) -> bool) -> Duration {
        for secs in self.world.now().as_millis() / 1000..=limit {
            self.run_until(secs);
            if holds(self) {
                return Duration::from_secs(secs);
            }
        }
        panic!("it never came: {:#?}", self.status());
    }

    fn object(&self, key: &ObjectKey) -> Option<&Object> {
        self.world.api.find(key)
    }

    fn data(&self, name: &str) -> Option<String> {
        let object = self.object(&config(name))?;
        Some(object.manifest.as_ref()?.str_at(&["data", "version"])?.to_owned())
    }

    fn status(&self) -> &super::ApplicationStatus {
        let app = self.world.api.of_kind("argoproj.io", "Application").next().unwrap();
        match &app.body {
            Body::Application(_, status) => status,
            _ => unreachable!(),
        }
    }

    fn observed(&self) -> timeline::ApplicationStatus {
        let app = self.world.api.of_kind("argoproj.io", "Application").next().unwrap();
        super::observed(&self.world, app.id).unwrap()
    }

    fn is_settled(&self) -> bool {
        let app = self.world.api.of_kind("argoproj.io", "Application").next().unwrap();
        super::is_settled(&self.world, app.id)
    }

    /// When and how each resource was synced.
    fn synced(&self) -> Vec<(u64, String, SyncOutcome)> {
        let entries = self.world.entries.iter();
        entries
            .filter_map(|entry| match &entry.event {
                Event::ResourceSynced(event) => {
                    Some((entry.at.as_millis(), format!("{}/{}", event.resource.kind, event.resource.name), event.outcome))
                }
                _ => None,
            })
            .collect()
    }

    fn messages(&self) -> Vec<String> {
        let entries = self.world.entries.iter();
        entries
            .filter_map(|entry| match &entry.event {
                Event::ResourceSynced(event) if event.outcome == SyncOutcome::Failed => Some(event.message.clone()),
                _ => None,
            })
            .collect()
    }
}

fn config(name: &str) -> ObjectKey {
    ObjectKey::new("", "ConfigMap", Some("ai"), name)
}

fn is_synced(bench: &Bench) -> bool {
    bench.status().sync == Some(SyncStatus::Synced)
}

#[test]
fn a_new_application_is_compared_and_synced_at_once() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    let observed = bench.observed();
    assert_eq!((observed.sync, observed.health), (SyncStatus::Synced, timeline::HealthStatus::Healthy));
    assert_eq!(observed.revision, bench.world.git.head().unwrap().id.to_string());
    let operation = observed.operation.unwrap();
    assert_eq!((operation.phase, operation.message.as_str()), (OperationPhase::Succeeded, "successfully synced (all tasks run)"));
    let expected = [(0, "Namespace/ai".to_owned(), SyncOutcome::Created), (0, "ConfigMap/config".to_owned(), SyncOutcome::Created)];
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
    super::on_push(&mut bench.world);
    bench.after_task();
    bench.run_until(201);
    assert_eq!(bench.data("config").as_deref(), Some("2"));
    let app = bench.world.api.of_kind("argoproj.io", "Application").next().unwrap();
    assert!(!app.annotations.contains_key("argocd.argoproj.io/refresh"));
}

#[test]
fn a_commit_elsewhere_does_not_concern_an_application_with_paths() {
    let app = APP.replace("name: llama3, ", "name: llama3, annotations: {argocd.argoproj.io/manifest-generate-paths: .}, ");
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &app);
    bench.run_until(1);
    let first = bench.status().revision.clone();
    let reconciled = bench.status().reconciled_at;
    let push = |bench: &mut Bench, files: &[(&str, &str)]| {
        bench.push(files);
        super::on_push(&mut bench.world);
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
fn what_leaves_the_repository_is_pruned_before_what_is_new_is_made() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    bench.push(&[("app/other.yaml", OTHER)]);
    super::refresh(&mut bench.world, "llama3", false).unwrap();
    bench.after_task();
    bench.run_until(2);
    let last: Vec<_> = bench.synced().into_iter().skip(2).map(|(_, name, outcome)| (name, outcome)).collect();
    let expected = [("ConfigMap/config".to_owned(), SyncOutcome::Pruned), ("ConfigMap/other".to_owned(), SyncOutcome::Created)];
    assert_eq!(last, expected);
}

#[test]
fn an_emptied_folder_deletes_nothing() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    bench.push(&[("app/readme.md", "empty")]);
    super::refresh(&mut bench.world, "llama3", false).unwrap();
    bench.after_task();
    bench.run_until(5);
    let revision = bench.world.git.head().unwrap().id.to_string();
    assert_eq!(
        bench.observed().conditions,
        [format!("SyncError: Skipping sync attempt to [{revision}]: auto-sync will wipe out all resources")]
    );
    assert!(bench.data("config").is_some());
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
        ["ComparisonError: Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = app: app path does not exist"]
    );
    assert_eq!(observed.health, timeline::HealthStatus::Healthy);
    assert!(bench.data("config").is_some() && bench.is_settled());
}

#[test]
fn the_third_failure_in_a_row_pauses_generation() {
    let mut bench = Bench::new(&[("elsewhere/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    for _ in 0..3 {
        super::refresh(&mut bench.world, "llama3", false).unwrap();
        bench.after_task();
        let now = bench.world.now().as_millis() / 1000;
        bench.run_until(now + 1);
    }
    assert!(bench.observed().conditions[0].contains("Manifest generation error (cached): app: app path does not exist"));
}

#[test]
fn a_missing_project_makes_everything_unknown_until_it_exists() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &APP.replace("project: default", "project: ai-models"));
    bench.run_until(10);
    let observed = bench.observed();
    assert_eq!((observed.sync, observed.health), (SyncStatus::Unknown, timeline::HealthStatus::Unknown));
    assert_eq!(observed.conditions, ["InvalidSpecError: Application referencing project ai-models which does not exist"]);
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
fn create_namespace_needs_the_projects_permission() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &APP.replace("project: default", "project: ai-models"));
    bench.apply(
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: ai-models, namespace: argocd}\nspec:\n  sourceRepos: ['*']\n  destinations: [{server: '*', namespace: ai}]\n",
    );
    bench.run_until(1);
    assert_eq!(bench.messages(), ["resource :Namespace is not permitted in project ai-models"]);
    assert!(bench.data("config").is_none());
}

#[test]
fn an_api_version_that_is_not_served_blocks_the_whole_sync_through_all_retries() {
    let secret = "apiVersion: external-secrets.io/v1beta1\nkind: ExternalSecret\nmetadata: {name: creds}\nspec: {}\n";
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG), ("app/secret.yaml", secret)], APP);
    bench.run_until(1);
    assert_eq!(
        bench.messages(),
        ["The Kubernetes API could not find version \"v1beta1\" of external-secrets.io/ExternalSecret for requested resource ai/creds. Version \"v1\" of external-secrets.io/ExternalSecret is installed on the destination cluster."]
    );
    let operation = bench.observed().operation.unwrap();
    assert_eq!((operation.phase, operation.retries), (OperationPhase::Running, 1));
    assert_eq!(operation.message, "one or more synchronization tasks are not valid. Retrying attempt #1 at 12:00AM.");
    assert!(!bench.is_settled());
    bench.run_until(1000);
    let attempts: Vec<u64> = bench.synced().iter().map(|(at, _, _)| at / 1000).collect();
    assert_eq!(attempts, [0, 60, 180, 360]);
    let observed = bench.observed();
    assert_eq!(observed.operation.unwrap().message, "one or more synchronization tasks are not valid (retried 3 times).");
    assert!(observed.conditions[0].starts_with("SyncError: Failed last sync attempt to ["));
    assert!(bench.data("config").is_none() && bench.is_settled());
}

#[test]
fn a_newer_commit_waits_for_the_running_operation() {
    let unknown = "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: g}\n";
    let mut bench = Bench::new(&[("app/gadget.yaml", unknown)], APP);
    bench.run_until(1);
    assert!(bench.messages()[0].ends_with("Make sure the \"Gadget\" CRD is installed on the destination cluster."));
    bench.push(&[("app/config.yaml", CONFIG)]);
    super::refresh(&mut bench.world, "llama3", false).unwrap();
    bench.after_task();
    bench.run_until(300);
    assert!(bench.data("config").is_none());
    // The last retry fails at 360 s; the comparison that follows finds the new commit.
    bench.run_until(361);
    assert_eq!(bench.data("config").as_deref(), Some("1"));
    assert!(is_synced(&bench));
}

#[test]
fn waves_are_two_seconds_apart() {
    let late = OTHER.replace("{name: other}", "{name: other, annotations: {argocd.argoproj.io/sync-wave: '1'}}");
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
    let late = OTHER.replace("{name: other}", "{name: other, annotations: {argocd.argoproj.io/sync-wave: '1'}}");
    let mut bench = Bench::new(&[("app/early.yaml", early), ("app/other.yaml", &late)], APP);
    bench.run_until(10);
    // Nothing makes pods here, so that the Deployment stays Progressing.
    let operation = bench.observed().operation.unwrap();
    assert_eq!((operation.phase, operation.message.as_str()), (OperationPhase::Running, "waiting for healthy state of apps/Deployment/m"));
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
    super::refresh(&mut bench.world, "llama3", false).unwrap();
    bench.after_task();
    bench.run_until(10);
    let last: Vec<_> = bench.synced().into_iter().skip(2).map(|(at, name, _)| (at, name)).collect();
    assert_eq!(last, [(1000, "ConfigMap/other".to_owned()), (3000, "ConfigMap/config".to_owned())]);
}

#[test]
fn a_resource_that_is_kept_from_pruning_stays_and_may_count_for_nothing() {
    for (compare, expected) in [("", SyncStatus::OutOfSync), ("IgnoreExtraneous", SyncStatus::Synced)] {
        let annotations = format!("{{argocd.argoproj.io/sync-options: Prune=false, argocd.argoproj.io/compare-options: '{compare}'}}");
        let kept = CONFIG.replace("{name: config}", &format!("{{name: config, annotations: {annotations}}}"));
        let mut bench = Bench::new(&[("app/config.yaml", &kept), ("app/other.yaml", OTHER)], APP);
        bench.run_until(1);
        bench.push(&[("app/other.yaml", OTHER)]);
        super::refresh(&mut bench.world, "llama3", false).unwrap();
        bench.after_task();
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
    assert!(operation.message.starts_with("one or more objects failed to apply (dry run). Retrying attempt #1"), "{}", operation.message);
    assert_eq!(bench.messages().len(), 1);
}

#[test]
fn objects_need_their_namespace() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &APP.replace("CreateNamespace=true", "CreateNamespace=false"));
    bench.run_until(1);
    let operation = bench.observed().operation.unwrap();
    assert!(operation.message.starts_with("one or more objects failed to apply, reason: namespaces \"ai\" not found. Retrying"));
}

#[test]
fn applying_a_managed_object_by_hand_takes_its_tracking_and_is_healed() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], APP);
    bench.run_until(1);
    bench.apply(&CONFIG.replace("{name: config}", "{name: config, namespace: ai}"));
    let tracking = "argocd.argoproj.io/tracking-id";
    assert!(!bench.object(&config("config")).unwrap().annotations.contains_key(tracking));
    super::refresh(&mut bench.world, "llama3", false).unwrap();
    bench.after_task();
    bench.run_until(5);
    assert!(bench.object(&config("config")).unwrap().annotations.contains_key(tracking));
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
fn an_application_may_hold_another() {
    let child = APP.replace("name: llama3", "name: child").replace("path: app", "path: child");
    let mut bench = Bench::new(&[("app/child.yaml", &child), ("child/config.yaml", CONFIG)], APP);
    bench.run_until(5);
    assert_eq!(bench.data("config").as_deref(), Some("1"));
    let apps = bench.world.api.of_kind("argoproj.io", "Application");
    assert!(apps.map(|app| super::observed(&bench.world, app.id).unwrap()).all(|app| app.sync == SyncStatus::Synced));
}

#[test]
fn ignored_fields_are_overwritten_by_a_sync_unless_it_respects_them() {
    let ignoring = "\n  ignoreDifferences: [{group: '', kind: ConfigMap, jsonPointers: [/data/version]}]\n";
    for (respects, expected) in [(false, "1"), (true, "9")] {
        let option = if respects { "CreateNamespace=true, RespectIgnoreDifferences=true" } else { "CreateNamespace=true" };
        let app = format!("{}{ignoring}", APP.trim_end()).replace("CreateNamespace=true", option);
        let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &app);
        bench.run_until(1);
        bench.patch(&config("config"), "data: {version: '9'}");
        bench.run_until(20);
        assert_eq!(bench.data("config").as_deref(), Some("9"), "an ignored field is no drift");
        bench.push(&[("app/config.yaml", CONFIG), ("app/other.yaml", OTHER)]);
        super::refresh(&mut bench.world, "llama3", false).unwrap();
        bench.after_task();
        bench.run_until(21);
        assert_eq!(bench.data("config").as_deref(), Some(expected));
    }
}

#[test]
fn a_sync_by_hand_prunes_nothing() {
    let manual = APP.replace("automated: {prune: true, selfHeal: true}", "automated: {enabled: false}");
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &manual);
    bench.run_until(5);
    assert_eq!(bench.status().sync, Some(SyncStatus::OutOfSync));
    assert!(bench.data("config").is_none() && bench.is_settled());
    super::sync(&mut bench.world, "llama3").unwrap();
    bench.after_task();
    bench.run_until(6);
    assert!(is_synced(&bench));
    bench.push(&[("app/other.yaml", OTHER)]);
    super::sync(&mut bench.world, "llama3").unwrap();
    bench.after_task();
    bench.run_until(7);
    assert_eq!(bench.observed().resources, ["ConfigMap config: OutOfSync (requires pruning)"]);
    assert!(super::sync(&mut bench.world, "nobody").is_err());
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
fn a_revision_that_is_no_branch_and_no_commit_is_a_comparison_error() {
    let mut bench = Bench::new(&[("app/config.yaml", CONFIG)], &APP.replace("targetRevision: main", "targetRevision: v2"));
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
