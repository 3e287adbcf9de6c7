//! Whole walks of a Rollout through the simulator: what it announces, and when.

use behaviour::Arrivals;
use scenario::Scenario;
use timeline::{Event, RolloutPhase, RolloutStatus, Source, Timeline};
use units::Duration;

use crate::run::{Input, Options, simulate, tree_of};

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

/// A walk: the steps, the gate's condition and what is done on the way.
struct Walk<'a> {
    steps: &'a str,
    condition: &'a str,
    /// Changes of the manifest's text, each as what is replaced by what.
    spec: &'a [(&'a str, &'a str)],
    events: &'a str,
}

impl Default for Walk<'_> {
    fn default() -> Self {
        Self {
            steps: "[{ setWeight: 20 }, { pause: { duration: 1m } }]",
            condition: "result[0] == 1",
            spec: &[],
            events: "[]",
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
        let mut rollout = ROLLOUT.replace("STEPS", self.steps);
        for (from, to) in self.spec {
            assert!(rollout.contains(from), "{from} is not in the manifest");
            rollout = rollout.replace(from, to);
        }
        let manifests = format!("{}---{rollout}", TEMPLATE.replace("CONDITION", self.condition));
        let text = format!(
            "name: walk\nrepository: .\napply: [all.yaml]\nmodels:\n  one: {{ latency: {{ p50: 10ms, p99: 20ms }}, load: 10s }}\n  \
             two: {{ latency: {{ p50: 10ms, p99: 20ms }}, load: 10s }}\n  never: {{ latency: {{ p50: 10ms, p99: 20ms }}, ready: never }}\nexpect:\n  - rollout: model\n    becomes: healthy\n    \
             within: 1h\nevents: {}\n",
            self.events.replace("UPDATE", UPDATE)
        );
        let scenario = Scenario::read("walk.yaml", text.as_bytes())
            .unwrap_or_else(|problems| panic!("{}", problems[0]))
            .remove(0);
        let repository = tree_of([("all.yaml", manifests.as_str())]);
        let options = Options {
            seed: 1,
            arrivals: Arrivals::Expected,
            limit: Duration::from_secs(7200),
            version: "test".to_owned(),
            render: None,
        };
        let input = Input { scenario: &scenario, repository: &repository, options: &options };
        simulate(&input).unwrap_or_else(|problem| panic!("{problem}")).timeline
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

/// The announcements of a walk, one a line.
fn story(walk: &Walk<'_>, from: u64) -> String {
    let timeline = walk.run();
    let end = last(&timeline);
    let mut lines = announced(&timeline, from);
    lines.push(format!("{:?}: {}", end.phase, without_hashes(&end.message)));
    lines.join("\n")
}

const GATED: &str = "[{ setWeight: 50 }, { analysis: { templates: [{ templateName: gate }] } }, { setWeight: 80 }, { pause: {} }]";

#[test]
fn a_good_update_walks_all_steps() {
    insta::assert_snapshot!(story(&Walk { events: "[{ at: 1m, UPDATE }]", ..Walk::default() }, 0));
}

#[test]
fn a_failed_analysis_goes_back_to_stable() {
    let walk =
        Walk { steps: GATED, condition: "result[0] == 2", events: "[{ at: 1m, UPDATE }]", ..Walk::default() };
    insta::assert_snapshot!(story(&walk, 60));
}

#[test]
fn a_condition_that_cannot_work_aborts_after_five_errors() {
    let walk =
        Walk { steps: GATED, condition: "result == 1", events: "[{ at: 1m, UPDATE }]", ..Walk::default() };
    insta::assert_snapshot!(story(&walk, 62));
}

#[test]
fn retry_begins_at_the_first_step_with_a_new_run() {
    let walk = Walk {
        steps: GATED,
        condition: "result[0] == 2",
        events: "[{ at: 1m, UPDATE }, { at: 10m, retry: model }]",
        ..Walk::default()
    };
    insta::assert_snapshot!(story(&walk, 600));
}

#[test]
fn an_inconclusive_analysis_pauses_and_promote_skips_it() {
    let inconclusive = "result[0] == 2\n      failureCondition: result[0] == 3";
    let walk = Walk {
        steps: GATED,
        condition: inconclusive,
        events: "[{ at: 1m, UPDATE }, { at: 10m, promote: model }]",
        ..Walk::default()
    };
    insta::assert_snapshot!(story(&walk, 62));
}

#[test]
fn promote_full_skips_what_is_left() {
    let walk = Walk {
        steps: GATED,
        events: "[{ at: 1m, UPDATE }, { at: 5m, promote_full: model }]",
        ..Walk::default()
    };
    insta::assert_snapshot!(story(&walk, 300));
}

#[test]
fn an_operators_abort_is_undone_by_a_revert_to_the_stable_template() {
    let revert = UPDATE.replace("value: two", "value: one");
    let events = format!("[{{ at: 1m, UPDATE }}, {{ at: 5m, abort: model }}, {{ at: 10m, {revert} }}]");
    insta::assert_snapshot!(story(&Walk { steps: GATED, events: &events, ..Walk::default() }, 300));
}

#[test]
fn a_third_template_in_mid_update_drains_the_second_first() {
    let third = UPDATE.replace("value: two", "value: one").replace("server:1", "server:3");
    let events = format!("[{{ at: 1m, UPDATE }}, {{ at: 90s, {third} }}]");
    insta::assert_snapshot!(story(&Walk { events: &events, ..Walk::default() }, 60));
}

#[test]
fn an_older_template_walks_again_unless_it_lies_within_the_rollback_window() {
    let back = UPDATE.replace("value: two", "value: one");
    let events = format!("[{{ at: 1m, UPDATE }}, {{ at: 10m, {back} }}]");
    insta::assert_snapshot!(
        "an_older_template_walks_again",
        story(&Walk { events: &events, ..Walk::default() }, 600)
    );
    let window = [("  strategy:", "  rollbackWindow: { revisions: 1 }\n  strategy:")];
    insta::assert_snapshot!(
        "an_older_template_within_the_window",
        story(&Walk { events: &events, spec: &window, ..Walk::default() }, 600)
    );
}

#[test]
fn a_change_of_replicas_in_mid_update_keeps_the_weight_and_the_step() {
    let scale =
        "{ at: 2m, patch: { resource: { kind: Rollout, name: model }, with: { spec: { replicas: 10 } } } }";
    let events = format!("[{{ at: 1m, UPDATE }}, {scale}]");
    insta::assert_snapshot!(story(
        &Walk { steps: "[{ setWeight: 20 }, { pause: {} }]", events: &events, ..Walk::default() },
        120
    ));
}

#[test]
fn a_paused_spec_freezes_sizes_until_it_is_resumed() {
    let events = "[{ at: 30s, pause: model }, { at: 1m, UPDATE }, { at: 5m, resume: model }]";
    insta::assert_snapshot!(story(&Walk { events, ..Walk::default() }, 30));
}

#[test]
fn an_update_that_never_gets_ready_is_degraded_past_its_deadline_or_aborted() {
    let update = UPDATE.replace("value: two", "value: never");
    let events = format!("[{{ at: 1m, {update} }}]");
    let deadline = ("  strategy:", "  progressDeadlineSeconds: 120\n  strategy:");
    insta::assert_snapshot!(
        "past_its_deadline_degraded",
        story(&Walk { events: &events, spec: &[deadline], ..Walk::default() }, 60)
    );
    let abort = ("  strategy:", "  progressDeadlineSeconds: 120\n  progressDeadlineAbort: true\n  strategy:");
    insta::assert_snapshot!(
        "past_its_deadline_aborted",
        story(&Walk { events: &events, spec: &[abort], ..Walk::default() }, 60)
    );
}

#[test]
fn a_background_analysis_begins_before_the_canary_and_ends_with_the_update() {
    let analysis = [(
        "      canaryMetadata",
        "      analysis: { templates: [{ templateName: gate }] }\n      canaryMetadata",
    )];
    let condition = "result[0] == 1\n      interval: 20s";
    let walk = Walk { spec: &analysis, condition, events: "[{ at: 1m, UPDATE }]", ..Walk::default() };
    let timeline = walk.run();
    let measured: Vec<u64> = timeline
        .entries
        .iter()
        .filter(|entry| matches!(entry.event, Event::Measurement(_)))
        .map(|entry| entry.at.as_millis() / 1000)
        .collect();
    assert_eq!(measured, [60, 80, 100, 120, 140]);
    insta::assert_snapshot!(story(&walk, 60));
}

#[test]
fn an_endless_metric_in_a_step_is_an_invalid_spec_until_it_is_mended() {
    let count = "{ at: 5m, patch: { resource: { kind: AnalysisTemplate, name: gate }, with: { spec: { metrics: [{ name: gate, \
                 provider: { prometheus: { address: 'http://prometheus.monitoring:9090', query: 'vector(1)' } } }] } } } }";
    let events = format!("[{{ at: 1m, UPDATE }}, {count}, {{ at: 10m, promote: model }}]");
    let condition = "result[0] == 1\n      interval: 1m";
    insta::assert_snapshot!(story(&Walk { steps: GATED, condition, events: &events, ..Walk::default() }, 0));
}

#[test]
fn a_restart_replaces_pods_one_after_the_other() {
    let timeline = Walk { events: "[{ at: 5m, restart: model }]", ..Walk::default() }.run();
    let mut gone = Vec::new();
    for entry in &timeline.entries {
        if let Event::Pod(pod) = &entry.event
            && pod.phase == timeline::PodPhase::Deleted
        {
            gone.push(entry.at.as_millis() / 1000);
        }
    }
    assert_eq!(gone.len(), 5, "{gone:?}");
    assert!(gone.windows(2).all(|pair| pair[0] < pair[1]), "{gone:?}");
    assert_eq!(last(&timeline).phase, RolloutPhase::Healthy);
}

#[test]
fn the_same_walk_twice_gives_the_same_timeline() {
    let walk =
        Walk { steps: GATED, condition: "result[0] == 2", events: "[{ at: 1m, UPDATE }]", ..Walk::default() };
    assert_eq!(walk.run().entries, walk.run().entries);
}
