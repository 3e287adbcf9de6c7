//! Whole walks of a Rollout through the simulator.

mod blue_green;
mod experiments;
mod objects;
mod plugins;
mod routed;
mod story;
mod undo;

use behaviour::Arrivals;
use scenario::Scenario;
use timeline::{Event, RolloutPhase, RolloutStatus, Source, Timeline};
use units::Duration;
use yaml::Problem;

use crate::run::{Input, Options, simulate, tree_of};

/// The Services of stable and canary.
const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: { name: stable, namespace: default }
spec: { selector: { app: model }, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: canary, namespace: default }
spec: { selector: { app: model }, ports: [{ port: 80 }] }
";

/// The gate that the tests have: one query without data, so that each test decides by the condition.
const TEMPLATE: &str = "
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: { name: gate, namespace: default }
spec:
  metrics:
    - name: gate
      provider:
        prometheus: { address: 'http://prometheus.monitoring:9090', query: 'vector(1)' }
      successCondition: CONDITION
";

const ROLLOUT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: { name: model, namespace: default }
spec:
  replicas: 5
  selector: { matchLabels: { app: model } }
  strategy:
    canary:
      steps: STEPS
      canaryMetadata: { labels: { role: canary } }
      stableMetadata: { labels: { role: stable } }
  template:
    metadata: { labels: { app: model } }
    spec:
      containers:
        - name: server
          image: server:1
          env: [{ name: MODEL_VERSION, value: one }]
          ports: [{ containerPort: 80 }]
          readinessProbe: { httpGet: { path: /, port: 80 }, periodSeconds: 1 }
";

const SCENARIO: &str = "
name: walk
repository: .
apply: [all.yaml]
models:
  one: { latency: { p50: 10ms, p99: 20ms }, load: 10s }
  two: { latency: { p50: 10ms, p99: 20ms }, load: 10s }
  never: { latency: { p50: 10ms, p99: 20ms }, ready: never }
expect:
  - { rollout: model, becomes: healthy, within: 1h }
  - { resource: { kind: KIND, name: '*' }, exists: true, within: 1h }
answers: ANSWERS
events: EVENTS
";

/// A walk: the steps, the gate's condition and what is done on the way.
struct Walk<'a> {
    steps: &'a str,
    condition: &'a str,
    /// Changes of the manifest's text, each as what is replaced by what.
    spec: &'a [(&'a str, &'a str)],
    events: &'a str,
    answers: &'a str,
    /// Further manifests that are applied at the start.
    also: &'a str,
    /// The kind of object whose every state is recorded.
    followed: &'a str,
}

impl Default for Walk<'_> {
    fn default() -> Self {
        Self {
            steps: "[{ setWeight: 20 }, { pause: { duration: 1m } }]",
            condition: "result[0] == 1",
            spec: &[],
            events: "[]",
            answers: "[]",
            also: "",
            followed: "Namespace",
        }
    }
}

/// Another model in place of the first; broken ones never load.
const UPDATE: &str = "patch: { resource: { kind: Rollout, name: model }, with: { spec: { template: { spec: { containers: \
                      [{ name: server, image: 'server:1', env: [{ name: MODEL_VERSION, value: two }], \
                      ports: [{ containerPort: 80 }], readinessProbe: { httpGet: { path: /, port: 80 }, \
                      periodSeconds: 1 } }] } } } } }";

impl Walk<'_> {
    fn run(&self) -> Timeline {
        self.outcome().unwrap_or_else(|problem| panic!("{problem}"))
    }

    fn outcome(&self) -> Result<Timeline, Problem> {
        let mut rollout = ROLLOUT.replace("STEPS", self.steps);
        for (from, to) in self.spec {
            assert!(rollout.contains(from), "{from} is not in the manifest");
            rollout = rollout.replace(from, to);
        }
        let manifests =
            format!("{}---{}\n---{rollout}", TEMPLATE.replace("CONDITION", self.condition), self.also);
        let text = SCENARIO
            .replace("KIND", self.followed)
            .replace("ANSWERS", self.answers)
            .replace("EVENTS", self.events)
            .replace("UPDATE", UPDATE);
        let scenario = Scenario::read("walk.yaml", text.as_bytes())
            .unwrap_or_else(|problems| panic!("{}", problems[0]))
            .remove(0);
        let repository = tree_of([("all.yaml", manifests.as_str())]);
        let options = Options {
            seed: 1,
            arrivals: Arrivals::Expected,
            limit: Duration::from_secs(7200),
            version: "test".to_owned(),
            speed: 1.0,
            render: None,
        };
        let input = Input { scenario: &scenario, repository: &repository, options: &options };
        simulate(&input).map(|run| run.timeline)
    }
}

/// What the rollout controller announced from `from` seconds on, with the second and without the
/// hashes in names.
fn announced(timeline: &Timeline, from: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in &timeline.entries {
        let Event::Recorded(told) = &entry.event else { continue };
        let second = entry.at.as_millis() / 1000;
        if entry.source == Source::Rollouts && second >= from {
            lines.push(format!("{second} {}: {}", told.reason, without_hashes(&told.message)));
        }
    }
    lines
}

/// Hashes are long words of letters and digits; they stand in for `#`.
fn without_hashes(text: &str) -> String {
    let is_hash =
        |word: &str| word.len() >= 8 && word.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b));
    let mut words = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        words.push_str(if is_hash(word) { "#" } else { word });
        words.push_str(&part[word.len()..]);
    }
    words
}

/// The states of the Rollout, in order.
fn states(timeline: &Timeline) -> Vec<&RolloutStatus> {
    timeline
        .entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Rollout(status) => Some(status),
            _ => None,
        })
        .collect()
}

fn last(timeline: &Timeline) -> &RolloutStatus {
    states(timeline).last().expect("the controller has seen the Rollout")
}
