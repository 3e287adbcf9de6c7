//! `kubectl argo rollouts undo`.

use timeline::SyncStatus;

use super::*;
use crate::{World, testing};

const APPLICATION: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: app, namespace: argocd}
spec:
  project: default
  source: {repoURL: https://git.example/ai, targetRevision: main, path: app}
  destination: {server: https://kubernetes.default.svc, namespace: default}
  syncPolicy: {automated: {selfHeal: true}}
";

/// When each model version became the wanted one, and when the trusted one.
fn versions(timeline: &Timeline) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for entry in &timeline.entries {
        let Event::Rollout(status) = &entry.event else { continue };
        let model = |version: Option<&timeline::RolloutVersion>| {
            version.and_then(|version| version.models.first().cloned()).unwrap_or_default()
        };
        let line = format!("{} -> {}", model(status.stable.as_ref()), model(status.canary.as_ref()));
        if !lines.last().is_some_and(|last| last.ends_with(&line)) {
            lines.push(format!("{} {line}", entry.at.as_millis() / 1000));
        }
    }
    lines
}

fn undone(undo: &str) -> Vec<String> {
    let events = format!("[{{ at: 1m, UPDATE }}, {{ at: 10m, {undo} }}]");
    versions(&Walk { events: &events, ..Walk::default() }.run())
}

#[test]
fn the_last_revision_but_one_is_released_again() {
    let back = undone("undo: model");
    assert_eq!(back.last().map(String::as_str), Some("696 one -> "), "{back:#?}");
    assert_eq!(undone("undo: { rollout: model, to_revision: 1 }"), back);
}

#[test]
fn the_present_revision_changes_nothing() {
    let update_alone = versions(&Walk { events: "[{ at: 1m, UPDATE }]", ..Walk::default() }.run());
    assert_eq!(undone("undo: { rollout: model, to_revision: 2 }"), update_alone);
}

#[test]
fn a_revision_that_is_not_there_ends_the_run_in_upstream_s_words() {
    for (undo, said) in [
        ("undo: model", "no revision found for rollout \"model\""),
        ("undo: { rollout: model, to_revision: 7 }", "unable to find specified revision 7 in history"),
    ] {
        let events = format!("[{{ at: 1m, {undo} }}]");
        let problem = Walk { events: &events, ..Walk::default() }.outcome().unwrap_err();
        assert!(problem.to_string().contains(said), "{problem}");
    }
}

/// What is written back has defaults, and so another hash, and leads to the same ReplicaSet all the same.
#[test]
fn a_template_with_defaults_is_that_of_the_replica_set_without() {
    let rollout = ROLLOUT.replace("STEPS", "[]");
    let events = "events: [{ at: 1m, UPDATE }, { at: 5m, undo: model }]".replace("UPDATE", UPDATE);
    let models = "models: {one: {latency: {p50: 10ms, p99: 20ms}}, two: {latency: {p50: 10ms, p99: 20ms}}}";
    let mut world = testing::world(&format!("{models}\n{events}"), &[("all.yaml", &rollout)]);
    testing::run_until(&mut world, 600);
    let id = testing::id(&world, "Rollout", "model");
    let manifest = world.api.get(id).manifest.clone().unwrap();
    assert_eq!(manifest.str_at(&["spec", "template", "spec", "dnsPolicy"]), Some("ClusterFirst"));
    let sets = world.api.owned(id).filter_map(crate::kubernetes::as_replica_set);
    let sizes: Vec<(u64, u32)> = sets.map(|set| (set.noted.revision, set.replicas)).collect();
    assert_eq!(sizes, [(3, 5), (2, 0)]);
}

/// An Experiment copies a template with its defaults, which is another than the Rollout's own until an undo has written
/// the same into that.
#[test]
fn pods_of_an_experiment_have_the_hash_of_a_template_that_an_undo_wrote() {
    let step = "[{ experiment: { duration: 1h, templates: [{ name: baseline, specRef: stable }] } }]";
    let rollout = ROLLOUT.replace("STEPS", step);
    let undo = "undo: { rollout: model, to_revision: 1 }";
    let events = format!("events: [{{ at: 1m, UPDATE }}, {{ at: 2m, {undo} }}]").replace("UPDATE", UPDATE);
    let models = "models: {one: {latency: {p50: 10ms, p99: 20ms}}, two: {latency: {p50: 10ms, p99: 20ms}}}";
    let mut world = testing::world(&format!("{models}\n{events}"), &[("all.yaml", &rollout)]);
    // For each copy, the revision whose hash it has.
    let revisions = |world: &World<'_>| -> Vec<Option<u64>> {
        let sets = world.api.of_kind("apps", "ReplicaSet").map(|object| {
            let set = crate::kubernetes::as_replica_set(object).unwrap();
            (object.key.name.ends_with("-baseline"), set.hash.clone(), set.noted.revision)
        });
        let (copies, own): (Vec<_>, Vec<_>) = sets.partition(|(is_copy, ..)| *is_copy);
        let revision = |copied: &String| own.iter().find(|(_, hash, _)| hash == copied).map(|(.., it)| *it);
        copies.iter().map(|(_, hash, _)| revision(hash)).collect()
    };
    testing::run_until(&mut world, 119);
    assert_eq!(revisions(&world), [None]);
    testing::run_until(&mut world, 180);
    assert_eq!(revisions(&world), [Some(3), Some(3)]);
}

/// The image in the live Rollout.
fn image(world: &World<'_>) -> String {
    let manifest = world.api.get(testing::id(world, "Rollout", "model")).manifest.clone().unwrap();
    let containers = manifest.at(&["spec", "template", "spec", "containers"]).unwrap();
    containers.as_seq().unwrap()[0].str_at(&["image"]).unwrap().to_owned()
}

/// To Argo CD an undo is a change that Git knows nothing of: self-heal takes it back within seconds, and the
/// Rollout returns to its stable template without a step.
#[test]
fn self_heal_reverts_an_undo() {
    let rollout = ROLLOUT.replace("STEPS", "[{ setWeight: 20 }]");
    let next = rollout.replace("server:1", "server:2");
    let models = "models: {one: {latency: {p50: 10ms, p99: 20ms}, load: 10s}}";
    let merge = serde_json::json!({"at": "1m", "merge": {"write": {"app/rollout.yaml": next}}});
    let scenario = format!("{models}\nevents: [{merge}, {{ at: 10m, undo: model }}]");
    let files = [("all.yaml", APPLICATION), ("app/rollout.yaml", rollout.as_str())];
    let mut world = testing::world(&scenario, &files);
    testing::run_until(&mut world, 599);
    assert_eq!(image(&world), "server:2");
    testing::run_until(&mut world, 600);
    assert_eq!(image(&world), "server:1");
    testing::run_until(&mut world, 605);
    assert_eq!(image(&world), "server:2");
    let synced: Vec<SyncStatus> = world
        .entries
        .iter()
        .filter(|entry| entry.at.as_millis() >= 600_000)
        .filter_map(|entry| match &entry.event {
            Event::Application(status) => Some(status.sync),
            _ => None,
        })
        .collect();
    assert!(synced.contains(&SyncStatus::OutOfSync), "{synced:?}");
    assert_eq!(synced.last(), Some(&SyncStatus::Synced));
    testing::run_until(&mut world, 700);
    let mut statuses = world.entries.iter().filter_map(|entry| match &entry.event {
        Event::Rollout(status) => Some(status),
        _ => None,
    });
    let last = statuses.next_back().unwrap();
    assert_eq!((last.phase, last.canary.is_none()), (RolloutPhase::Healthy, true));
}
