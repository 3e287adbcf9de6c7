//! The controller by itself: a repository, an API server, an Application, and nothing that acts on
//! what is applied.

use std::sync::Arc;

use manifests::objects::ObjectKey;
use scenario::Scenario;
use timeline::{Event, SyncOutcome, SyncStatus};
use units::{Duration, Time};

use crate::api::{Body, Object};
use crate::{Options, Task, World, argocd, observe, tree_of, watch};

mod healing;
mod refreshing;
mod syncing;

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
        Self::with(files, app, None)
    }

    fn with(files: &[(&str, &str)], app: &str, render: Option<crate::run::Render>) -> Self {
        let text =
            "name: t\nrepository: .\nexpect: [{application: llama3, becomes: {sync: Synced}, within: 5m}]\n";
        let scenario = Scenario::read("t.yaml", text.as_bytes()).unwrap().remove(0);
        let options = Options {
            seed: 1,
            arrivals: behaviour::Arrivals::Expected,
            limit: Duration::from_mins(60),
            version: "test".to_owned(),
            speed: 1.0,
            render,
        };
        let mut bench =
            Self { world: World::new(Box::leak(Box::new(scenario)), Box::leak(Box::new(options))) };
        bench.push(files);
        bench.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: argocd}\n");
        bench.apply(app);
        bench.after_task();
        bench
    }

    fn push(&mut self, files: &[(&str, &str)]) {
        let now = self.world.now();
        let (tree, author) = (tree_of(files.iter().copied()), "A <a@example.com>");
        self.world.git.push(tree, "change", author, now, timeline::CommitReason::Merge, None);
    }

    fn apply(&mut self, text: &str) {
        let now = self.world.now();
        let manifest = Arc::new(yaml::parse_one("applied.yaml", text.as_bytes()).unwrap());
        self.world.api.apply(&manifest, "default", now).unwrap();
        self.after_task();
    }

    /// Asks for a comparison with the newest commit.
    fn refresh(&mut self) {
        argocd::refresh(&mut self.world, "llama3", false).unwrap();
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
                Task::Application(id) => argocd::reconcile(&mut self.world, id),
                Task::ApplicationResync(id) => argocd::resync(&mut self.world, id),
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

    fn status(&self) -> &argocd::ApplicationStatus {
        let app = self.world.api.of_kind("argoproj.io", "Application").next().unwrap();
        match &app.body {
            Body::Application(_, status) => status,
            _ => unreachable!(),
        }
    }

    fn observed(&self) -> timeline::ApplicationStatus {
        let app = self.world.api.of_kind("argoproj.io", "Application").next().unwrap();
        argocd::observed(&self.world, app.id).unwrap()
    }

    fn is_settled(&self) -> bool {
        let app = self.world.api.of_kind("argoproj.io", "Application").next().unwrap();
        argocd::is_settled(&self.world, app.id)
    }

    /// When and how each resource was synced.
    fn synced(&self) -> Vec<(u64, String, SyncOutcome)> {
        let entries = self.world.entries.iter();
        entries
            .filter_map(|entry| match &entry.event {
                Event::ResourceSynced(event) => Some((
                    entry.at.as_millis(),
                    format!("{}/{}", event.resource.kind, event.resource.name),
                    event.outcome,
                )),
                _ => None,
            })
            .collect()
    }

    fn messages(&self) -> Vec<String> {
        let entries = self.world.entries.iter();
        entries
            .filter_map(|entry| match &entry.event {
                Event::ResourceSynced(event) if event.outcome == SyncOutcome::Failed => {
                    Some(event.message.clone())
                }
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
