//! The promotion of a good model at exactly the times that the controllers' rules imply.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod fixture;

use timeline::{Event, Timeline};
use units::{Duration, Time};

fn good_model(webhook: bool, seed: u64) -> Timeline {
    let scenario = fixture::scenario("canary/good-model.yaml", |text| {
        if webhook { text + "cluster: { webhook: true }\n" } else { text }
    });
    fixture::run(&scenario, &fixture::repository("ai-deployments"), seed)
}

/// When each step was first reached after the merge, and when the new version was trusted.
fn steps(timeline: &Timeline) -> Vec<(u32, Time)> {
    let merged = Time::from_secs(120);
    let mut steps: Vec<(u32, Time)> = Vec::new();
    for (at, status) in fixture::rollouts(timeline).filter(|(at, _)| *at >= merged) {
        let step = status.step.unwrap();
        if status.canary.is_some() && steps.last().is_none_or(|(last, _)| *last < step) {
            steps.push((step, at));
        }
    }
    steps
}

fn promoted(timeline: &Timeline) -> Time {
    let merged = Time::from_secs(120);
    fixture::rollouts(timeline).find(|(at, status)| *at > merged && status.promoted()).unwrap().0
}

fn measurements(timeline: &Timeline) -> Vec<(Time, String)> {
    let measured = timeline.entries.iter().filter_map(|entry| match &entry.event {
        Event::Measurement(measurement) => Some((entry.at, measurement.metric.clone())),
        _ => None,
    });
    measured.collect()
}

/// With a webhook Argo CD sees the merge at once, at 2:00, and applies it in that instant.
///
/// ```text
///  120 s  the Rollout sees a new template: step 0, setWeight 10. For 5 replicas that is 1 canary
///         beside 5 stable (default surge of 25 % is 2, one of them is used).
///  122 s  the pod's container starts (cluster.pod_start 2 s) and loads for 60 s (the profile's default).
///  182 s  the startup probe (every 5 s from the start: 122 + 60) succeeds, and with it the readiness
///         probe; minReadySeconds is 0, so the pod is available and setWeight 10 is done: step 1.
///         The pause starts in the same instant, since passes take no time.
///  482 s  the pause of 300 s is over: step 2, the analysis. Both metrics have neither interval nor
///         count, so each is measured once, at once; both succeed and the step is done: step 3,
///         setWeight 50: 3 of 6. Two more canary pods are made as stable pods go.
///  484 s  their containers start; 544 s they are ready: step 4, the pause of 600 s.
/// 1144 s  step 5, measured at once: step 6, setWeight 100. Two more pods, 1146 s started,
/// 1206 s  ready; the stable ones are gone, every step is done, the new version is trusted.
/// ```
#[test]
fn a_good_model_is_promoted_at_the_times_that_the_rules_imply() {
    let timeline = good_model(true, 1);
    let at = Time::from_secs;
    let expected = [(0, 120), (1, 182), (2, 482), (3, 482), (4, 544), (5, 1144), (6, 1144), (7, 1206)];
    assert_eq!(steps(&timeline), expected.map(|(step, second)| (step, at(second))));
    assert_eq!(promoted(&timeline), at(1206));
    let metrics = ["inference-latency", "error-rate"];
    let measured: Vec<(Time, String)> = [482, 1144]
        .iter()
        .flat_map(|second| metrics.map(|metric| (at(*second), metric.to_owned())))
        .collect();
    assert_eq!(measurements(&timeline), measured);
}

/// Without a webhook the merge waits for a poll: the informer's tick, 120 s after the one before, plus
/// a jitter of up to 60 s, and only if more than 120 s have passed since the last comparison, which the
/// first sync made at 0 s. So it is seen after 2:00 and before 5:00, and everything after is as above.
#[test]
fn a_poll_only_shifts_the_promotion() {
    for seed in 1..=20 {
        let timeline = good_model(false, seed);
        let seen = steps(&timeline)[0].1;
        assert!(seen > Time::from_secs(120) && seen < Time::from_secs(300), "seed {seed}: {seen}");
        let took = promoted(&timeline).since(seen);
        // Pauses start at whole seconds, so that each may end up to a second early.
        let exact = Duration::from_secs(1206 - 120);
        assert!(took <= exact && took > exact.saturating_sub(Duration::from_secs(2)), "seed {seed}: {took}");
    }
}
