//! A canary behind a traffic router, step by step.

use super::*;

const UPDATES: &str = "[{ at: 1m, UPDATE }]";

/// A Rollout with a router and further fields of its strategy.
fn routed(steps: &str, more: &str, events: &str) -> Timeline {
    let strategy = format!(
        "      canaryService: canary\n      stableService: stable\n      trafficRouting: {{ plugins: {{ router: {{}} }}, \
         managedRoutes: [{{ name: next }}] }}\n{more}      canaryMetadata"
    );
    let spec = [("      canaryMetadata", strategy.as_str())];
    Walk { steps, spec: &spec, also: SERVICES, events, ..Walk::default() }.run()
}

/// When the canary's weight changes.
fn weights(timeline: &Timeline) -> Vec<(u64, u32)> {
    changes(timeline, |status| status.weight)
}

fn changes<T: PartialEq>(timeline: &Timeline, of: impl Fn(&RolloutStatus) -> T) -> Vec<(u64, T)> {
    let mut changes: Vec<(u64, T)> = Vec::new();
    for entry in &timeline.entries {
        let Event::Rollout(status) = &entry.event else { continue };
        let value = of(status);
        if changes.last().is_none_or(|(_, last)| *last != value) {
            changes.push((entry.at.as_millis() / 1000, value));
        }
    }
    changes
}

/// Sizes that ReplicaSets were given, by role, from a second on.
fn sizes(timeline: &Timeline, from: u64) -> Vec<String> {
    let scaled = timeline.entries.iter().filter_map(|entry| match &entry.event {
        Event::Scaled(scaled) => Some((entry.at.as_millis() / 1000, scaled)),
        _ => None,
    });
    let since = scaled.filter(|(second, _)| *second >= from);
    since.map(|(second, scaled)| format!("{second} {:?} {}", scaled.role, scaled.to)).collect()
}

/// `rollout/trafficrouting.go: reconcileTrafficRouting`: a weight is set when the pods for it are there, and
/// stable keeps all its pods (`CalculateReplicaCountsForTrafficRoutedCanary`) until half a minute after
/// the end (`scaleDownDelayHelper`).
#[test]
fn requests_follow_when_the_canarys_pods_are_there_and_stable_stays_for_a_while() {
    let timeline = routed("[{ setWeight: 20 }, { pause: { duration: 1m } }, { setWeight: 60 }]", "", UPDATES);
    assert_eq!(weights(&timeline), [(0, 0), (72, 20), (144, 60), (156, 100), (156, 0)]);
    assert_eq!(sizes(&timeline, 1), ["60 Canary 1", "132 Canary 3", "144 Canary 5", "186 Other 0"]);
    assert!(last(&timeline).promoted());
}

/// `rollout/replicaset.go: reconcileNewReplicaSet`.
#[test]
fn after_an_abort_requests_go_back_at_once_and_the_canary_stays_for_a_while() {
    let events = "[{ at: 1m, UPDATE }, { at: 5m, abort: model }]";
    let steps = "[{ setWeight: 40 }, { pause: {} }]";
    for (more, gone) in [
        ("", vec!["330 Canary 0"]),
        ("      abortScaleDownDelaySeconds: 100\n", vec!["400 Canary 0"]),
        // Documented as "stays", but a size that follows the weight follows it to nothing.
        ("      abortScaleDownDelaySeconds: 0\n", vec!["300 Canary 0"]),
        // Longer than upstream's timers reach.
        ("      abortScaleDownDelaySeconds: 1000\n", vec!["300 Canary 0"]),
    ] {
        let timeline = routed(steps, more, events);
        assert_eq!(weights(&timeline), [(0, 0), (72, 40), (300, 0)], "{more}");
        assert_eq!(sizes(&timeline, 300), gone, "{more}");
    }
}

/// `utils/replicaset/canary.go: UseSetCanaryScale`, `CheckMinPodsPerReplicaSet`.
#[test]
fn a_step_may_size_the_canary_apart_from_its_weight() {
    let steps = "[{ setCanaryScale: { replicas: 2 } }, { setWeight: 10 }, { setCanaryScale: { matchTrafficWeight: \
                 true } }, { pause: {} }]";
    let timeline = routed(steps, "", UPDATES);
    assert_eq!(sizes(&timeline, 1), ["60 Canary 2", "72 Canary 1"]);
    assert_eq!(weights(&timeline), [(0, 0), (72, 10)]);
    let fewest = routed("[{ setWeight: 10 }, { pause: {} }]", "      minPodsPerReplicaSet: 3\n", UPDATES);
    assert_eq!(sizes(&fewest, 1), ["60 Canary 3"]);
}

/// `calculateDesiredWeightOnAbortOrStableRollback`: stable shrinks as requests move, and an abort goes back
/// through the steps as it grows again.
#[test]
fn with_dynamic_scale_stable_follows_the_requests_and_leads_them_back() {
    let steps = "[{ setWeight: 20 }, { setWeight: 80 }, { pause: {} }]";
    let events = "[{ at: 1m, UPDATE }, { at: 5m, abort: model }]";
    let timeline = routed(steps, "      dynamicStableScale: true\n", events);
    assert_eq!(weights(&timeline), [(0, 0), (72, 20), (84, 80), (312, 20), (324, 0)]);
    insta::assert_snapshot!(sizes(&timeline, 1).join("\n"));
}

/// `RemoveManagedRoutes`, `SetHeaderRoute`: not on the first revision, and gone with the end of the update.
#[test]
fn routes_that_steps_make_go_with_the_update() {
    let route = "{ name: next, match: [{ headerName: version, headerValue: { exact: next } }] }";
    let steps =
        format!("[{{ setWeight: 20 }}, {{ setHeaderRoute: {route} }}, {{ pause: {{ duration: 1m }} }}]");
    let made = |events| changes(&routed(&steps, "", events), |status| status.routes.clone());
    let next = vec!["next".to_owned()];
    assert_eq!(made(UPDATES), [(0, vec![]), (72, next.clone()), (144, vec![])]);
    let aborted = "[{ at: 1m, UPDATE }, { at: 100s, abort: model }]";
    assert_eq!(made(aborted), [(0, vec![]), (72, next), (100, vec![])]);
}

/// `utils/queue/queue.go: DefaultArgoRolloutsRateLimiter`: a pass that fails is tried again up to 10 s later, and an abort waits
/// for that. Of one error is told once.
#[test]
fn a_run_that_cannot_be_made_is_tried_again_and_told_of_once() {
    let argument = "{ name: hash, valueFrom: { fieldRef: { fieldPath: status.canary.weights.nothing } } }";
    let steps = format!("[{{ analysis: {{ templates: [{{ templateName: gate }}], args: [{argument}] }} }}]");
    let timeline = routed(&steps, "", "[{ at: 1m, UPDATE }, { at: 200s, abort: model }]");
    let told = timeline.entries.iter().filter_map(|entry| match &entry.event {
        Event::Recorded(told) if told.reason == "ReconciliationError" => Some((entry.source, &told.message)),
        _ => None,
    });
    let error =
        "the controller's pass fails: invalid path status.canary.weights.nothing in rollout".to_owned();
    assert_eq!(told.collect::<Vec<_>>(), [(Source::Rehearse, &error)]);
    let waits = changes(&timeline, |status| status.message.starts_with("RolloutAborted"));
    assert!(matches!(waits[..], [(0, false), (201..=209, true)]), "{waits:?}");
}

/// The stable Service of one update is the canary's of the next.
#[test]
fn services_take_turns() {
    let strategy = "      pingPong: { pingService: stable, pongService: canary }\n      trafficRouting: { plugins: { router: {} } }\n      \
                    canaryMetadata";
    let events = format!("[{{ at: 1m, UPDATE }}, {{ at: 5m, {} }}]", UPDATE.replace("server:1", "server:2"));
    let spec = [("      canaryMetadata", strategy)];
    let steps = "[{ setWeight: 40 }]";
    let timeline = Walk { steps, spec: &spec, also: SERVICES, events: &events, ..Walk::default() }.run();
    let told = announced(&timeline, 0).into_iter().filter(|told| told.contains("SwitchService"));
    let switched: Vec<String> =
        told.map(|told| told.split(" from ").next().unwrap_or_default().to_owned()).collect();
    let switch = |second: u32, service: &str| {
        format!("{second} SwitchService: Switched selector for service '{service}'")
    };
    assert_eq!(switched, [switch(0, "stable"), switch(60, "canary"), switch(300, "stable")]);
    assert!(last(&timeline).promoted());
}
