//! Small worlds for unit tests: files that are applied at the start, a clock that is run by hand.

use std::sync::Arc;

use behaviour::Arrivals;
use scenario::Scenario;
use timeline::Event;
use units::{Duration, Time};

use crate::api::ObjectId;
use crate::{Options, World, run, tree_of};

/// Two pods of model version `1`, which loads in 10 s; readiness is asked for every second.
pub(crate) const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, role: plain}}
    spec:
      containers:
      - name: server
        image: server:1
        env: [{name: MODEL_VERSION, value: '1'}, {name: MODEL_NAME, value: llama}]
        ports: [{name: http, containerPort: 8000}]
        readinessProbe: {periodSeconds: 1}
";

/// The Service in front of them.
pub(crate) const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
";

/// Its ServiceMonitor.
pub(crate) const MONITOR: &str = "
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  endpoints: [{port: http, interval: 10s}]
  podTargetLabels: [role]
";

/// The models of every test's scenario.
const MODELS: &str = "
  '1': {latency: {p50: 100ms, p99: 200ms}, load: 10s}
  '2': {latency: {p50: 100ms, p99: 200ms}, load: 10s, errors: 50%}
  eager: {latency: {p50: 100ms, p99: 200ms}, load: 10s, ready: at-once}
  slow: {latency: {p50: 100ms, p99: 200ms}, load: 10m}
";

/// A world at time zero whose operator has applied `all.yaml`, where there is one. `scenario` adds to the
/// scenario: traffic, events, another `expect`.
pub(crate) fn world(scenario: &str, files: &[(&str, &str)]) -> World<'static> {
    world_of(&Options { arrivals: Arrivals::Expected, ..options() }, scenario, files)
}

/// As [`world`], with options.
pub(crate) fn world_of(options: &Options, scenario: &str, files: &[(&str, &str)]) -> World<'static> {
    let applied = if files.iter().any(|(path, _)| *path == "all.yaml") { "[all.yaml]" } else { "[]" };
    let mut text = format!("name: t\nrepository: .\napply: {applied}\n{scenario}\n");
    for (key, default) in [
        ("expect:", "expect: [{application: a, becomes: {sync: Synced}, within: 5m}]\n".to_owned()),
        ("models:", format!("models:{MODELS}")),
    ] {
        if !scenario.contains(key) {
            text += &default;
        }
    }
    let scenarios = Scenario::read("test.yaml", text.as_bytes());
    let scenario = scenarios.unwrap_or_else(|problems| panic!("{}", problems[0])).remove(0);
    // A world borrows what it is made from; a test ends soon.
    let mut world = World::new(Box::leak(Box::new(scenario)), Box::leak(Box::new(options.clone())));
    run::begin(&mut world, &tree_of(files.iter().copied()));
    expect_no_failure(&world);
    world
}

/// Drawn arrivals from seed 1.
pub(crate) fn options() -> Options {
    Options {
        seed: 1,
        arrivals: Arrivals::Drawn,
        limit: Duration::from_mins(120),
        version: "test".to_owned(),
        speed: 1.0,
        render: None,
    }
}

/// Runs until a second, inclusive. A world that does not come to rest within an instant fails the test.
pub(crate) fn run_until(world: &mut World<'_>, second: u64) {
    let (mut instant, mut tasks) = (world.now(), 0);
    while let Some(task) = world.kernel.next(Time::from_secs(second)) {
        tasks = if world.now() > instant { 0 } else { tasks + 1 };
        instant = world.now();
        assert!(tasks < 1_000, "{task:?} never comes to rest at {instant}");
        run::perform(world, task);
        run::after_task(world);
        expect_no_failure(world);
    }
}

fn expect_no_failure(world: &World<'_>) {
    if let Some(problem) = &world.failure {
        panic!("{problem}");
    }
}

/// Runs until the world fails; panics where it does not until a second.
pub(crate) fn run_to_failure(world: &mut World<'_>, second: u64) -> String {
    while world.failure.is_none() {
        let task = world.kernel.next(Time::from_secs(second)).expect("the world fails before it ends");
        run::perform(world, task);
        run::after_task(world);
    }
    world.failure.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// Applies a manifest by hand.
pub(crate) fn apply(world: &mut World<'_>, text: &str) {
    let manifest = Arc::new(yaml::parse_one("all.yaml", text.as_bytes()).unwrap());
    let now = world.now();
    world.api.apply(&manifest, "default", now).unwrap();
    run::after_task(world);
}

/// Patches an object by hand.
pub(crate) fn patch(world: &mut World<'_>, kind: &str, name: &str, text: &str) {
    let id = id(world, kind, name);
    world.api.patch(id, &yaml::parse_one("patch.yaml", text.as_bytes()).unwrap()).unwrap();
    run::after_task(world);
}

/// Deletes an object by hand.
pub(crate) fn delete(world: &mut World<'_>, id: ObjectId) {
    world.api.delete(id);
    run::after_task(world);
}

/// The object of this kind and name.
pub(crate) fn id(world: &World<'_>, kind: &str, name: &str) -> ObjectId {
    let mut found = world.api.all().filter(|object| *object.key.kind == *kind && *object.key.name == *name);
    found.next().unwrap_or_else(|| panic!("there is no {kind} {name}")).id
}

/// Every pod, the oldest first.
pub(crate) fn pods(world: &World<'_>) -> Vec<ObjectId> {
    let mut pods: Vec<ObjectId> = world.api.of_kind("", "Pod").map(|pod| pod.id).collect();
    pods.sort();
    pods
}

/// The pod in an object.
pub(crate) fn pod<'w>(world: &'w World<'_>, id: ObjectId) -> &'w crate::kubernetes::Pod {
    crate::kubernetes::as_pod(world.api.get(id)).expect("the test names a pod")
}

/// What is told of the events that `choose` picks, each with its second.
pub(crate) fn told(world: &World<'_>, choose: impl Fn(&Event) -> Option<String>) -> Vec<String> {
    let entries = world.entries.iter();
    entries
        .filter_map(|entry| Some(format!("{} {}", entry.at.as_millis() / 1000, choose(&entry.event)?)))
        .collect()
}
