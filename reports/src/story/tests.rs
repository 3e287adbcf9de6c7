use timeline::testing::{Recorder, healthy, measurement, saw, updating, version};
use timeline::{AnalysisPhase, Requests, ResourceName};

use super::*;

/// The story as lines of clock and text.
#[track_caller]
fn check(recorder: Recorder, expected: &[&str]) {
    let lines = tell(&recorder.settled(999_000), Detail::Story);
    let told: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {} {}", clock(line.at), line.sentence.mark.sign(), line.sentence.text))
        .collect();
    assert_eq!(told[..told.len() - 1], *expected);
}

fn pod(name: &str, phase: PodPhase, reason: &str) -> Event {
    Event::Pod(PodStatus {
        namespace: "ai".into(),
        pod: name.into(),
        replica_set: "rs".into(),
        role: Role::Canary,
        phase,
        model: Some("3.2".into()),
        reason: reason.into(),
    })
}

#[test]
fn pods_that_are_alike_are_told_as_one() {
    let kubernetes = Source::Kubernetes;
    let recorder = Recorder::new()
        .at(1_000, kubernetes, pod("a", PodPhase::Pending, ""))
        .at(2_000, kubernetes, pod("a", PodPhase::Waiting, "ContainerCreating"))
        .at(3_000, kubernetes, pod("a", PodPhase::Ready, ""))
        .at(5_000, kubernetes, pod("b", PodPhase::Ready, ""))
        .at(5_000, kubernetes, pod("b", PodPhase::Ready, ""))
        .at(90_000, kubernetes, pod("a", PodPhase::NotReady, "readiness probe failed"))
        .at(
            91_000,
            kubernetes,
            pod("c", PodPhase::Pending, "0/4 nodes are available: 4 Insufficient nvidia.com/gpu"),
        );
    check(
        recorder,
        &[
            "00:05   2 canary pods ready (3.2), the first at 00:03",
            "01:30 ? 1 canary pod not ready (3.2): readiness probe failed",
            "01:31 ? 1 canary pod pending (3.2): 0/4 nodes are available: 4 Insufficient nvidia.com/gpu",
        ],
    );
}

fn alert(pod: &str, state: AlertState) -> Event {
    Event::Alert(timeline::AlertStatus {
        namespace: "ai".into(),
        rules: "serving".into(),
        group: "g".into(),
        alert: "Unreachable".into(),
        state,
        labels: BTreeMap::from([("pod".to_owned(), pod.to_owned())]),
        annotations: BTreeMap::from([("summary".to_owned(), format!("{pod} does not answer"))]),
        value: "0".into(),
        active_at: Time::ZERO,
    })
}

#[test]
fn an_alert_is_told_from_pending_to_its_end_and_not_where_it_never_fired() {
    let states = |recorder: Recorder, list: &[(u64, &str, AlertState)]| {
        list.iter().fold(recorder, |recorder, (at, pod, state)| {
            recorder.at(*at, Source::Prometheus, alert(pod, *state))
        })
    };
    let (pending, firing, over) = (AlertState::Pending, AlertState::Firing, AlertState::Inactive);
    let recorder = states(
        Recorder::new(),
        &[
            (10_000, "a", pending),
            (20_000, "b", pending),
            (60_000, "a", over),
            (140_000, "b", firing),
            (200_000, "b", over),
            (300_000, "a", pending),
        ],
    );
    check(
        recorder,
        &[
            "00:20 ? alert Unreachable is pending: b does not answer",
            "02:20 ✗ alert Unreachable fires: b does not answer",
            "03:20   alert Unreachable is over: pod=b",
            "05:00 ? alert Unreachable is pending: a does not answer",
        ],
    );
    let pods = ["a", "b", "c", "d", "e"];
    let many = states(Recorder::new(), &pods.map(|pod| (10_000, pod, firing)));
    check(many, &["00:10 ✗ alert Unreachable fires: 5 of them"]);
}

#[test]
fn rules_are_told_where_they_fail() {
    let rules = |failing: &[&str]| {
        Event::Rules(timeline::RulesStatus {
            namespace: "ai".into(),
            name: "serving".into(),
            alerts: vec!["Slow".into()],
            records: Vec::new(),
            failing: failing.iter().map(ToString::to_string).collect(),
            without_series: Vec::new(),
        })
    };
    let recorder = Recorder::new().at(10_000, Source::Prometheus, rules(&[])).at(
        40_000,
        Source::Prometheus,
        rules(&["Slow: many-to-many matching not allowed"]),
    );
    check(recorder, &["00:40 ? rules of serving fail: Slow: many-to-many matching not allowed"]);
}

#[test]
fn measurements_that_go_as_before_are_counted() {
    let passed = |recorder: Recorder, at| {
        recorder.measured(at, "latency", AnalysisPhase::Successful, Some(saw(2, 1_500.0)))
    };
    let recorder = (1..=5).fold(Recorder::new(), |recorder, minute| passed(recorder, minute * 60_000));
    let recorder = recorder.measured(360_000, "latency", AnalysisPhase::Inconclusive, None);
    let recorder = passed(passed(recorder, 420_000), 480_000).analysis(490_000, AnalysisPhase::Successful);
    let first = "✓ latency = [0.87] (condition result < 0.5; 1,500 requests in 2 series)";
    check(
        recorder,
        &[
            &format!("01:00 {first}"),
            "06:00 ✓ latency passed 4 times more, last [0.87]",
            "06:00 ? latency = [0.87] Inconclusive (condition result < 0.5)",
            &format!("07:00 {first}"),
            "08:10 ✓ latency passed once more, last [0.87]",
            "08:10 ✓ analysis of step 2 passed",
        ],
    );
}

#[test]
fn a_measurement_that_could_not_be_made_says_why() {
    let mut broken = measurement("latency", AnalysisPhase::Error, None);
    (broken.value, broken.message) = (String::new(), "connection refused".into());
    let recorder = Recorder::new().at(1_000, Source::Analysis, Event::Measurement(broken));
    check(recorder, &["00:01 ✗ latency Error (condition result < 0.5): connection refused"]);
}

#[test]
fn a_warning_is_told_once_and_what_a_rollout_says_anyway_is_not() {
    let warning = |kind: &str, reason: &str| {
        let resource = ResourceName { kind: kind.into(), namespace: "ai".into(), name: "x".into() };
        Event::Recorded(Recorded {
            resource,
            warning: true,
            reason: reason.into(),
            message: "it fails".into(),
        })
    };
    let recorder = Recorder::new()
        .at(1_000, Source::Kubernetes, warning("Pod", "BackOff"))
        .at(2_000, Source::Kubernetes, warning("Pod", "BackOff"))
        .at(3_000, Source::Rollouts, warning("Rollout", "RolloutAborted"));
    check(recorder, &["00:01 ? Pod x: BackOff: it fails"]);
}

#[test]
fn an_update_is_told_by_its_steps_and_its_end() {
    let (old, new) = (|| version(1, "3.1"), || version(2, "3.2"));
    let mut more_pods = updating(old(), new(), 1);
    more_pods.stable.as_mut().unwrap().ready = 9;
    let recorder = Recorder::new()
        .rollout(1_000, healthy(old()))
        .rollout(2_000, updating(old(), new(), 0))
        .rollout(3_000, updating(old(), new(), 1))
        .rollout(4_000, more_pods)
        .rollout(5_000, healthy(new()));
    check(
        recorder,
        &[
            "00:01   serving: Healthy",
            "00:02   serving: update to revision 2, step 0/4 (step text 0)",
            "00:03   serving: step 1/4 (step text 1), weight 10",
            "00:05 ✓ serving: Healthy, revision 2 is stable",
        ],
    );
}

#[test]
fn requests_are_told_by_step_and_where_no_pod_was_ready() {
    let nobody = Event::Requests(Requests {
        service: "serving".into(),
        owner: String::new(),
        role: Role::Other,
        model: String::new(),
        step: None,
        since: Time::ZERO,
        total: 40.0,
        failed: 40.0,
        slow: 0.0,
        wrong: 0.0,
        truncated: 0.0,
        hurt: 40.0,
    });
    let recorder = Recorder::new()
        .at(10_000, Source::Clients, nobody)
        .requests(10_000, 20_000, Role::Canary, "3.2", 100.0, 1.0)
        .requests(10_000, 20_000, Role::Stable, "3.1", 900.0, 0.0)
        .requests(20_000, 30_000, Role::Canary, "3.2", 100.0, 2.0);
    check(
        recorder,
        &[
            "00:10 ✗ 40 requests to serving found no ready pod",
            "00:30   the canary 3.2 answered 200 requests at step 1: 3 hurt (1.5%)",
        ],
    );
}

#[test]
fn an_application_is_told_by_what_changed() {
    use timeline::{HealthStatus, Operation, OperationPhase, SyncStatus};
    let status =
        |sync, health, revision: &str, operation: Option<(OperationPhase, u64, u64)>, said: &[&str]| {
            Event::Application(ApplicationStatus {
                application: "llama3".into(),
                sync,
                health,
                revision: revision.into(),
                operation: operation.map(|(phase, retries, self_heal_attempts)| Operation {
                    phase,
                    message: "one object failed".into(),
                    revision: revision.into(),
                    retries,
                    self_heal_attempts,
                }),
                conditions: said.iter().map(ToString::to_string).collect(),
                resources: vec!["ConfigMap x: OutOfSync".into()],
            })
        };
    use HealthStatus::{Degraded, Healthy};
    use OperationPhase::{Failed, Running, Succeeded};
    use SyncStatus::{OutOfSync, Synced};
    let recorder = [
        status(Synced, Healthy, "aaa", None, &[]),
        status(Synced, Healthy, "aaa", None, &[]),
        status(OutOfSync, Healthy, "bbb", Some((Running, 0, 0)), &[]),
        status(OutOfSync, Healthy, "bbb", Some((Running, 1, 0)), &[]),
        status(OutOfSync, Degraded, "bbb", Some((Failed, 1, 0)), &["SyncError: no such kind"]),
        status(Synced, Degraded, "bbb", Some((Succeeded, 0, 1)), &["SyncError: no such kind"]),
    ]
    .into_iter()
    .fold(Recorder::new(), |recorder, event| recorder.at(1_000, Source::ArgoCd, event));
    check(
        recorder,
        &[
            "00:01   llama3: Synced at aaa, Healthy",
            "00:01   llama3: OutOfSync at bbb, sync starts",
            "00:01   llama3: sync retry 1",
            "00:01 ✗ llama3: Degraded, sync failed: one object failed, SyncError: no such kind",
            "00:01   llama3: Synced at bbb, sync succeeded (self-heal)",
        ],
    );
}
