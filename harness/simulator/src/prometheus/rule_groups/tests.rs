use promql::{Series, Storage, Value};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::testing;

/// A PrometheusRule with a group for each of these lists of rules.
fn rules(groups: &[&str]) -> String {
    let groups: Vec<String> =
        groups.iter().enumerate().map(|(index, rules)| format!("{{name: g{index}, {rules}}}")).collect();
    format!(
        "\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {{name: r}}\nspec: {{groups: [{}]}}\n",
        groups.join(", ")
    )
}

/// A world with two pods of a model that fails half of the requests, and these rules.
fn world(groups: &[&str]) -> World<'static> {
    let deployment = testing::DEPLOYMENT.replace("value: '1'", "value: '2'");
    let files = [&deployment, testing::SERVICE, testing::MONITOR, &rules(groups)].join("---");
    testing::world("traffic: {rate: 10/s}", &[("all.yaml", &files)])
}

/// What is told of alerts, with the second.
fn alerts(world: &World<'_>) -> Vec<String> {
    testing::told(world, |event| match event {
        Event::Alert(it) => {
            Some(format!("{} {} {:?}", it.alert, it.state, it.labels.values().collect::<Vec<_>>()))
        }
        _ => None,
    })
}

/// What is told of rules, whether or not their alerts have series.
fn told_rules(world: &World<'_>) -> Vec<String> {
    let mut told = testing::told(world, |event| match event {
        Event::Rules(it) => Some(format!("{:?} {:?} {:?}", it.alerts, it.records, it.failing)),
        _ => None,
    });
    let rules = |told: &str| told.split_once(' ').map(|(_, rules)| rules.to_owned());
    told.dedup_by(|again, told| rules(again) == rules(told));
    told
}

/// The alerts that are told to have no series, with the second.
fn without_series(world: &World<'_>) -> Vec<String> {
    testing::told(world, |event| match event {
        Event::Rules(it) => Some(it.without_series.join(" ")),
        _ => None,
    })
}

fn values(world: &mut World<'_>, query: &str) -> Vec<f64> {
    let now = world.now();
    match world.prometheus.query(query, now).unwrap().value {
        Value::Vector(samples) => samples.into_iter().map(|sample| sample.value).collect(),
        other => panic!("{query} gives {other:?}"),
    }
}

/// The second at the beginning of what is told.
fn second(told: &str) -> u64 {
    told.split(' ').next().and_then(|second| second.parse().ok()).unwrap()
}

const FAILS: &str = "interval: 10s, rules: [{alert: Fails, expr: 'sum by (role) (rate(inference_errors_total[1m])) > 1', \
                     for: 1m, labels: {severity: page}, annotations: {summary: '{{ $labels.role }} fails {{ $value }}/s'}}]";

#[test]
fn an_alert_is_pending_for_as_long_as_its_rule_says_and_then_fires() {
    let mut world = world(&[FAILS]);
    testing::run_until(&mut world, 200);
    let told = alerts(&world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].ends_with("Fails pending [\"plain\", \"page\"]"), "{told:?}");
    assert!(told[1].ends_with("Fails firing [\"plain\", \"page\"]"), "{told:?}");
    assert_eq!(second(&told[1]) - second(&told[0]), 60);
    let mut events = world.entries.iter().rev().map(|entry| entry.event.clone());
    let Some(Event::Alert(status)) = events.find(|event| matches!(event, Event::Alert(_))) else {
        panic!("nothing is told")
    };
    assert_eq!(
        (status.rules.as_str(), status.group.as_str(), status.namespace.as_str()),
        ("r", "g0", "default")
    );
    assert_eq!(status.annotations["summary"], format!("plain fails {}/s", status.value));
    assert_eq!(status.active_at.as_millis() / 1000, second(&told[0]));
    assert_eq!(values(&mut world, "ALERTS{alertstate=\"firing\", severity=\"page\"}"), [1.0]);
    assert_eq!(values(&mut world, "ALERTS{alertstate=\"pending\"}"), [0.0; 0]);
    assert_eq!(values(&mut world, "ALERTS_FOR_STATE"), [(status.active_at.as_millis() / 1000) as f64]);
}

#[test]
fn an_alert_ends_with_its_condition() {
    let mut world = world(&[FAILS]);
    testing::run_until(&mut world, 200);
    testing::patch(&mut world, "Deployment", "web", "{spec: {replicas: 0}}");
    testing::run_until(&mut world, 400);
    let told = alerts(&world);
    assert!(told.last().unwrap().ends_with("Fails inactive [\"plain\", \"page\"]"), "{told:?}");
    assert_eq!(values(&mut world, "ALERTS"), [0.0; 0]);
}

#[test]
fn prometheus_has_the_rules_forty_seconds_after_they_are_written() {
    let mut world = world(&[FAILS, "rules: [{record: r, expr: up}]"]);
    testing::run_until(&mut world, 39);
    assert_eq!(told_rules(&world), [""; 0]);
    testing::run_until(&mut world, 40);
    assert_eq!(told_rules(&world), ["40 [\"Fails\"] [\"r\"] []"]);
    testing::patch(
        &mut world,
        "PrometheusRule",
        "r",
        "{spec: {groups: [{name: g, rules: [{alert: B, expr: up}]}]}}",
    );
    testing::run_until(&mut world, 60);
    // What changes within the lag is read when it is over.
    testing::patch(
        &mut world,
        "PrometheusRule",
        "r",
        "{spec: {groups: [{name: g, rules: [{alert: C, expr: up}]}]}}",
    );
    testing::run_until(&mut world, 200);
    assert_eq!(told_rules(&world)[1..], ["80 [\"C\"] [] []"]);
}

#[test]
fn each_rule_sees_what_the_ones_before_it_recorded() {
    let mut world = world(&[
        "interval: 10s, rules: [{record: ups, expr: count(up)}, {record: twice, expr: ups * 2}, {alert: A, expr: twice > 3}]",
    ]);
    // Each rule of a group has results from its first evaluation on, so they are in this order.
    testing::run_until(&mut world, 51);
    assert_eq!((values(&mut world, "ups"), values(&mut world, "twice")), (vec![2.0], vec![4.0]));
    assert_eq!(alerts(&world).len(), 1);
}

#[test]
fn groups_are_evaluated_on_their_own_intervals_and_by_default_as_often_as_is_scraped() {
    let mut world =
        world(&["interval: 7s, rules: [{record: a, expr: '1'}]", "rules: [{record: b, expr: '1'}]"]);
    testing::run_until(&mut world, 40 + 30 + 70);
    assert_eq!(values(&mut world, "count_over_time(a[70s])"), [10.0]);
    assert_eq!(values(&mut world, "count_over_time(b[60s])"), [2.0]);
}

#[test]
fn the_series_of_rules_that_are_gone_end_two_intervals_later_and_their_alerts_at_once() {
    let recording = "interval: 10s, rules: [{record: a, expr: '1'}]";
    let mut world = world(&[recording, FAILS]);
    testing::run_until(&mut world, 200);
    let id = testing::id(&world, "PrometheusRule", "r");
    testing::delete(&mut world, id);
    testing::run_until(&mut world, 239);
    assert_eq!((values(&mut world, "a"), alerts(&world).len()), (vec![1.0], 2));
    testing::run_until(&mut world, 240);
    assert!(alerts(&world)[2].starts_with("240 Fails inactive"), "{:?}", alerts(&world));
    assert_eq!(told_rules(&world)[1..], ["240 [] [] []"]);
    testing::run_until(&mut world, 259);
    assert_eq!(values(&mut world, "a"), [1.0]);
    testing::run_until(&mut world, 260);
    assert_eq!((values(&mut world, "a"), values(&mut world, "ALERTS")), (vec![], vec![]));
}

#[test]
fn an_alert_goes_on_through_a_change_of_another_rule_of_its_group() {
    let mut world = world(&[FAILS]);
    testing::run_until(&mut world, 150);
    let written = rules(&[&FAILS.replace("rules: [", "rules: [{record: a, expr: '1'}, ")]);
    testing::apply(&mut world, &written);
    testing::run_until(&mut world, 300);
    let told = alerts(&world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(values(&mut world, "a"), [1.0]);
    // A group that is written as before is evaluated when it was to be.
    let groups = world.prometheus.rules.groups.len();
    testing::apply(
        &mut world,
        &written.replace("metadata: {name: r}", "metadata: {name: r, labels: {a: b}}"),
    );
    let told = told_rules(&world);
    testing::run_until(&mut world, 400);
    assert_eq!((world.prometheus.rules.groups.len(), told_rules(&world)), (groups, told));
}

#[test]
fn rules_that_prometheus_would_refuse_are_left_out_as_a_whole_and_the_operator_says_so() {
    for (rule, why) in [
        ("{alert: A, expr: 'sum('}", "invalid rule: "),
        ("{alert: A, expr: up, for: soon}", "`for`"),
        (
            "{alert: A, expr: up, annotations: {summary: '{{ $value'}}",
            "the template of the annotation `summary`",
        ),
        ("{alert: A, record: b, expr: up}", "only one of `record` and `alert` must be set"),
    ] {
        let mut world = world(&[&format!("rules: [{{alert: Good, expr: up}}, {rule}]")]);
        testing::run_until(&mut world, 120);
        assert_eq!((told_rules(&world), alerts(&world)), (vec![], vec![]), "{rule}");
        let said = testing::told(&world, |event| match event {
            Event::Recorded(it) if it.reason == rules::REJECTED => Some(it.message.clone()),
            _ => None,
        });
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("0 PrometheusRule r was rejected due to invalid configuration: "),
            "{said:?}"
        );
        assert!(said[0].contains(why) && said[0].contains("all.yaml:"), "{said:?}");
    }
}

#[test]
fn a_rule_that_is_not_simulated_is_left_out_alone_and_reported() {
    let mut world = world(&[
        "rules: [{alert: A, expr: 'mad_over_time(up[5m]) > 0'}, {alert: B, expr: up == 1, annotations: {at: '{{ $externalURL }}'}}]",
    ]);
    testing::run_until(&mut world, 120);
    let told = testing::told(&world, |event| match event {
        Event::NotSimulated(it) => Some(format!("{}: {}", it.what, it.instead)),
        _ => None,
    });
    assert!(
        told.iter().any(|told| told.contains("mad_over_time") && told.ends_with("its rule is left out")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|told| told.contains("externalURL in the templates of the alert B: it is empty")),
        "{told:?}"
    );
    assert_eq!(told_rules(&world), ["40 [\"B\"] [] []"]);
    assert_eq!(alerts(&world).len(), 2);
}

#[test]
fn a_rule_that_fails_is_told_and_keeps_its_alerts() {
    let mut world = world(&["interval: 10s, rules: [{alert: A, expr: 'up * on (job) up'}]"]);
    testing::run_until(&mut world, 120);
    let told = told_rules(&world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("A: ") && told[1].contains("many"), "{told:?}");
}

#[test]
fn an_alert_is_told_to_be_without_series_until_a_rule_of_it_has_one() {
    let interval = "interval: 10s";
    let mut world = world(&[
        &format!(
            "{interval}, rules: [{{alert: A, expr: 'up == 0'}}, {{alert: B, expr: none > 1}}, {{alert: C, expr: none}}]"
        ),
        &format!("{interval}, rules: [{{alert: C, expr: vector(1) > 2}}, {{alert: D, expr: absent(none)}}]"),
    ]);
    testing::run_until(&mut world, 120);
    let told = without_series(&world);
    assert_eq!(told[0], "40 A B D");
    assert!(told.last().unwrap().ends_with(" B"), "{told:?}");
    // Another query has to see one of its own.
    let other = rules(&[&format!("{interval}, rules: [{{alert: A, expr: none}}]")]);
    testing::apply(&mut world, &other);
    testing::run_until(&mut world, 300);
    assert_eq!(without_series(&world)[told.len()..], ["160 A"]);
}

#[test]
fn where_there_are_no_rules_nothing_is_evaluated() {
    let files = [testing::DEPLOYMENT, testing::SERVICE, testing::MONITOR].join("---");
    let mut world = testing::world("", &[("all.yaml", &files)]);
    while let Some(task) = world.kernel.next(Time::from_secs(120)) {
        assert!(!matches!(task, Task::Rules(_) | Task::RuleGroup(_)));
        crate::run::perform(&mut world, task);
        crate::run::after_task(&mut world);
    }
}

/// The series that a query over a range finds.
fn matrix(storage: &Storage, query: &str, at_ms: i64) -> Vec<Series> {
    match promql::Query::parse(query).unwrap().instant(storage, at_ms).unwrap() {
        Value::Matrix(series) => series,
        other => panic!("{query} gives {other:?}"),
    }
}

const EXPRESSIONS: [&str; 8] = [
    "sum by (role) (rate(inference_errors_total[1m])) > 0.5",
    "inference_requests_total > 700",
    "histogram_quantile(0.9, sum by (le, pod) (rate(inference_duration_seconds_bucket[1m]))) > 0.15",
    "up == 0",
    "recorded > 2",
    "ALERTS{alertstate=\"firing\"} > 0",
    "absent(none)",
    "changes(up[1m]) > 0",
];

/// A rule that is not the first of its group.
fn rule() -> impl Strategy<Value = String> {
    let alert = (
        select(vec!["A", "B"]),
        0..EXPRESSIONS.len(),
        select(vec!["0s", "20s", "1m"]),
        select(vec!["0s", "30s"]),
    )
        .prop_map(|(name, expr, hold, keep)| {
            let expr = EXPRESSIONS[expr].replace('"', "\\\"");
            let labels = "labels: {severity: '{{ if gt $value 1.0 }}page{{ end }}'}";
            format!("{{alert: {name}, expr: \"{expr}\", for: {hold}, keep_firing_for: {keep}, {labels}}}")
        });
    let recording = subsequence(vec!["count(up)", "sum(rate(inference_requests_total[1m]))"], 1)
        .prop_map(|expr| format!("{{record: recorded, expr: '{}'}}", expr[0]));
    prop_oneof![3 => alert, 1 => recording]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    // What the rules of a run write is what they write over the samples that were scraped in it.
    #[test]
    fn rules_write_in_a_run_what_they_write_over_its_samples(
        list in prop::collection::vec(rule(), 1..4), limit in select(vec!["", "limit: 1, "]), offset in select(vec!["", "query_offset: 5s, "])
    ) {
        let group = format!("interval: 15s, {limit}{offset}rules: [{{record: tick, expr: '1'}}, {}]", list.join(", "));
        let mut world = world(&[&group]);
        testing::run_until(&mut world, 120);
        testing::patch(&mut world, "Deployment", "web", "{spec: {replicas: 3}}");
        testing::run_until(&mut world, 300);
        let theirs = &world.prometheus.storage;
        let scraped = matrix(theirs, "{__name__=~\"up|inference_.*\"}[10m]", 300_000);
        let ticks = matrix(theirs, "tick[10m]", 300_000);
        let manifest = yaml::parse_one("rules.yaml", self::rules(&[&group]).as_bytes()).unwrap();
        let read = ::rules::read_object(&manifest).groups.remove(0);
        let offset_ms = i64::try_from(read.query_offset.as_millis()).unwrap();
        let query = promql::Options { subquery_step_ms: 30_000, ..promql::Options::default() };
        let mut running = RunningGroup::new(Rc::new(read), Rc::new(Settings { query, ..Settings::default() }));
        let mut ours = Storage::new();
        let mut since_ms = -1;
        for tick in &ticks[0].points {
            let now_ms = tick.at_ms + offset_ms;
            for series in &scraped {
                let id = ours.series(&series.labels);
                for point in series.points.iter().filter(|point| (since_ms + 1..=now_ms).contains(&point.at_ms)) {
                    ours.append(id, point.at_ms, point.value).unwrap();
                }
            }
            since_ms = now_ms;
            running.evaluate(&mut ours, now_ms);
        }
        prop_assert!(ticks[0].points.len() > 15);
        let written = "{__name__=~\"tick|recorded|ALERTS.*\"}[10m]";
        prop_assert_eq!(matrix(theirs, written, 300_000), matrix(&ours, written, 300_000), "{}", group);
    }
}
