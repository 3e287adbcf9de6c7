use proptest::prelude::*;
use timeline::{Event, Requests};

use super::*;
use crate::testing;

const RATE: &str = "traffic: {rate: 10/s}";

fn files() -> String {
    [testing::DEPLOYMENT, testing::SERVICE].join("---")
}

fn with_model(version: &str) -> String {
    files().replace("value: '1'", &format!("value: '{version}'"))
}

fn world(scenario: &str, files: &str) -> World<'static> {
    testing::world(scenario, &[("all.yaml", files)])
}

/// The account, closed now: each entry with its end.
fn account(world: &mut World<'_>) -> Vec<(Time, Requests)> {
    close(world);
    let entries = world.entries.iter().filter_map(|entry| match &entry.event {
        Event::Requests(requests) => Some((entry.at, requests.clone())),
        _ => None,
    });
    entries.collect()
}

fn sum(account: &[(Time, Requests)], of: fn(&Requests) -> f64) -> f64 {
    account.iter().map(|(_, requests)| of(requests)).sum()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6 * b.abs().max(1.0)
}

#[test]
fn requests_begin_with_the_first_ready_pod_and_are_spread_evenly() {
    let mut world = world(RATE, &files());
    testing::run_until(&mut world, 112);
    let account = account(&mut world);
    assert_eq!(account.iter().map(|(at, _)| at.as_millis() / 1000).collect::<Vec<_>>(), [72, 112]);
    assert!(near(sum(&account, |r| r.total), 1000.0), "{account:?}");
    for pod in testing::pods(&world) {
        assert!(near(world.traffic.counters(pod).unwrap().requests, 500.0));
    }
    let (_, first) = &account[0];
    let of = (first.service.as_str(), first.owner.as_str(), first.role, first.model.as_str(), first.step);
    assert_eq!(of, ("web", "web", Role::Other, "1", None));
}

#[test]
fn without_a_rate_or_a_ready_pod_nothing_is_accounted() {
    let mut idle = world("traffic: {rate: 0/s}", &files());
    testing::run_until(&mut idle, 300);
    assert!(account(&mut idle).is_empty());
    let mut loading = world(RATE, &with_model("slow"));
    testing::run_until(&mut loading, 300);
    assert!(account(&mut loading).is_empty());
}

#[test]
fn a_moment_without_a_ready_pod_fails_all_requests() {
    let mut world = world(RATE, &files());
    testing::run_until(&mut world, 112);
    for pod in testing::pods(&world) {
        testing::delete(&mut world, pod);
    }
    // New pods are ready 12 s later.
    testing::run_until(&mut world, 212);
    let account = account(&mut world);
    let (_, outage) = account.iter().find(|(_, requests)| requests.owner.is_empty()).unwrap();
    assert!(
        near(outage.total, 120.0) && near(outage.failed, 120.0) && near(outage.hurt, 120.0),
        "{outage:?}"
    );
    assert_eq!((outage.model.as_str(), outage.role, outage.since), ("", Role::Other, Time::from_secs(112)));
    assert!(near(sum(&account, |r| r.total), 2000.0));
    assert!(near(sum(&account, |r| r.failed), 120.0));
}

#[test]
fn a_service_that_is_made_again_is_called_as_before() {
    let mut world = world(RATE, &files());
    testing::run_until(&mut world, 112);
    let service = testing::id(&world, "Service", "web");
    testing::delete(&mut world, service);
    testing::run_until(&mut world, 132);
    testing::apply(&mut world, testing::SERVICE);
    testing::run_until(&mut world, 212);
    let account = account(&mut world);
    assert!(near(sum(&account, |r| r.total), 2000.0), "{account:#?}");
    assert!(near(sum(&account, |r| r.failed), 200.0));
}

#[test]
fn a_service_that_a_controller_made_is_not_chosen() {
    let mut world = world(RATE, &files());
    testing::run_until(&mut world, 1);
    let web = world.api.get(testing::id(&world, "Service", "web"));
    let (body, mut key) = (web.body.clone(), web.key.clone());
    key.name = "of-trial".into();
    let (owner, now) = (testing::id(&world, "Deployment", "web"), world.now());
    world.api.create(key, Some(owner), body, now);
    crate::run::after_task(&mut world);
    testing::run_until(&mut world, 60);
    let account = account(&mut world);
    assert!(!account.is_empty() && account.iter().all(|(_, requests)| requests.service == "web"));
}

#[test]
fn a_change_of_model_splits_the_account() {
    let mut world = world(RATE, &files());
    testing::run_until(&mut world, 100);
    testing::apply(&mut world, &testing::DEPLOYMENT.replace("value: '1'", "value: '2'"));
    testing::run_until(&mut world, 300);
    let account = account(&mut world);
    let of = |model: &str| account.iter().filter(|(_, r)| r.model == model).cloned().collect::<Vec<_>>();
    let (one, two) = (of("1"), of("2"));
    assert!(near(sum(&one, |r| r.failed), 0.0));
    assert!(near(sum(&two, |r| r.failed), sum(&two, |r| r.total) / 2.0));
    assert!(near(sum(&one, |r| r.total) + sum(&two, |r| r.total), 2880.0));
    // Old and new pods together for a time: their entries cover the same spans.
    assert!(one.iter().any(|(at, old)| two.iter().any(|(end, new)| (at, old.since) == (end, new.since))));
}

#[test]
fn roles_and_steps_of_a_rollout_split_the_account() {
    let rollout = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  strategy: {canary: {steps: [{setWeight: 25}, {pause: {duration: 2m}}]}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: server, image: 'server:1', env: [{name: MODEL_VERSION, value: '1'}], ports: [{name: http, containerPort: 8000}], readinessProbe: {periodSeconds: 1}}
";
    let mut world = world(RATE, &[rollout, testing::SERVICE].join("---"));
    testing::run_until(&mut world, 60);
    testing::apply(&mut world, &rollout.replace("value: '1'", "value: '2'"));
    testing::run_until(&mut world, 120);
    let rollout = testing::id(&world, "Rollout", "web");
    let set = |world: &World<'_>, role| {
        world.api.owned(rollout).find(|set| rollouts::role_of(world, set.id) == role).unwrap().id
    };
    let canary: Vec<ObjectId> = world.api.owned(set(&world, Role::Canary)).map(|pod| pod.id).collect();
    settle(&mut world);
    let counted = world.traffic.counters(canary[0]).unwrap().requests;
    assert_eq!(canary.len(), 1);
    // One of four pods, ready since second 72.
    assert!(near(counted, 48.0 * 2.5), "{counted}");
    assert!(near(requests_of_canary(&world, rollout, Duration::from_mins(5)), counted));
    testing::run_until(&mut world, 130);
    settle(&mut world);
    let lately = requests_of_canary(&world, rollout, Duration::from_secs(10));
    assert!(near(lately, 25.0), "{lately}");
    testing::run_until(&mut world, 400);
    let account = account(&mut world);
    let mut groups: Vec<_> = account.iter().map(|(_, r)| (r.role, r.step, r.model.as_str())).collect();
    groups.dedup();
    for group in [
        (Role::Stable, Some(0), "1"),
        (Role::Canary, Some(1), "2"),
        (Role::Stable, Some(1), "1"),
        (Role::Stable, Some(2), "2"),
    ] {
        assert!(groups.contains(&group), "{group:?} is not among {groups:?}");
    }
    assert!(near(sum(&account, |r| r.total), 3880.0));
}

#[test]
fn a_fault_in_the_middle_of_a_span_counts_for_its_own_time() {
    let models = "models: {'1': {latency: {p50: 100ms, p99: 200ms}, load: 10s, faults: [{clock: run, from: 30s, until: 45s, errors: 100%}]}}";
    let mut world = world(&format!("{RATE}\n{models}"), &files());
    testing::run_until(&mut world, 72);
    let account = account(&mut world);
    assert_eq!(account.len(), 1);
    assert!(near(sum(&account, |r| r.total), 600.0));
    assert!(near(sum(&account, |r| r.failed), 150.0), "{account:?}");
}

#[test]
fn a_pod_that_is_ready_at_once_fails_until_it_is_loaded() {
    let mut world = world(RATE, &with_model("eager"));
    testing::run_until(&mut world, 32);
    let account = account(&mut world);
    // Ready in second 2, loaded in second 12.
    assert!(near(sum(&account, |r| r.total), 300.0));
    assert!(near(sum(&account, |r| r.failed), 100.0), "{account:?}");
}

#[test]
fn a_change_of_rate_is_accounted_by_itself() {
    let events = "events: [{at: 30s, traffic: {rate: 100/s}}, {at: 40s, traffic: {rate: 0/s}}, {at: 50s, traffic: {rate: 1/s}}]";
    let mut world = world(&format!("{RATE}\n{events}"), &files());
    testing::run_until(&mut world, 60);
    let account = account(&mut world);
    let spans: Vec<(u64, f64)> =
        account.iter().map(|(at, r)| (at.as_millis() / 1000, (r.total * 1e6).round() / 1e6)).collect();
    assert_eq!(spans, [(30, 180.0), (40, 1000.0), (60, 10.0)]);
}

#[test]
fn several_services_are_a_question_unless_one_is_named() {
    let other = testing::SERVICE.replace("name: web,", "name: other,");
    let files = [&files(), other.as_str()].join("---");
    let mut undecided = world(RATE, &files);
    let problem = testing::run_to_failure(&mut undecided, 60);
    assert!(problem.contains("several Services: Service default/other, Service default/web"), "{problem}");
    let mut named = world("traffic: {rate: 10/s, service: other}", &files);
    testing::run_until(&mut named, 60);
    assert!(account(&mut named).iter().all(|(_, requests)| requests.service == "other"));
}

#[test]
fn a_pod_without_a_model_gets_nothing_and_is_reported() {
    let other = testing::DEPLOYMENT.replace("name: web}", "name: other}").replace("MODEL_VERSION", "NONE");
    let mut world = world(RATE, &[&files(), other.as_str()].join("---"));
    testing::run_until(&mut world, 112);
    let account = account(&mut world);
    assert!(near(sum(&account, |r| r.total), 1000.0), "{account:?}");
    assert!(account.iter().all(|(_, r)| r.owner == "web"));
    let told = testing::told(&world, |event| match event {
        Event::NotSimulated(found) => Some(format!("{}: {}", found.what, found.place)),
        _ => None,
    });
    assert_eq!(told, ["12 a pod without MODEL_VERSION behind the called Service: Service default/web"]);
}

#[test]
fn drawn_requests_are_whole_and_the_same_for_the_same_seed() {
    let run = |seed| {
        let options = Options { seed, ..testing::options() };
        let mut world = testing::world_of(&options, RATE, &[("all.yaml", &files())]);
        testing::run_until(&mut world, 612);
        account(&mut world)
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(first.iter().all(|(_, r)| r.total.fract() == 0.0));
    let total = sum(&first, |r| r.total);
    assert!((6000.0 - total).abs() < 400.0, "{total}");
}

#[test]
fn the_work_does_not_grow_with_the_rate() {
    let tasks = |rate: &str| {
        let mut world = world(&format!("traffic: {{rate: {rate}}}"), &files());
        testing::run_until(&mut world, 3600);
        (world.kernel.steps(), world.entries.len())
    };
    assert_eq!(tasks("1/s"), tasks("1000000/s"));
}

/// What happens to the world of the property below.
#[derive(Debug, Clone)]
enum Happening {
    Scale(u32),
    DeletePod(usize),
    Rate(u32),
    Model(u8),
    RemoveService,
    ApplyService,
    Scrape,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0_u32..5).prop_map(Happening::Scale),
        (0_usize..5).prop_map(Happening::DeletePod),
        (0_u32..50).prop_map(Happening::Rate),
        (1_u8..=2).prop_map(Happening::Model),
        Just(Happening::RemoveService),
        Just(Happening::ApplyService),
        Just(Happening::Scrape),
    ]
}

fn let_happen(world: &mut World<'_>, happening: &Happening) {
    match happening {
        Happening::Scale(replicas) => {
            testing::patch(world, "Deployment", "web", &format!("{{spec: {{replicas: {replicas}}}}}"));
        }
        Happening::DeletePod(index) => {
            if let Some(pod) = testing::pods(world).get(*index) {
                testing::delete(world, *pod);
            }
        }
        Happening::Rate(rate) => set_rate(world, format!("{rate}/s").parse().unwrap()),
        Happening::Model(version) => {
            testing::apply(world, &testing::DEPLOYMENT.replace("value: '1'", &format!("value: '{version}'")));
        }
        Happening::RemoveService => {
            let service = world.api.of_kind("", "Service").next().map(|service| service.id);
            service.into_iter().for_each(|id| testing::delete(world, id));
        }
        Happening::ApplyService => testing::apply(world, testing::SERVICE),
        Happening::Scrape => testing::pods(world).into_iter().for_each(|pod| advance_pod(world, pod)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    // Every request that is sent is accounted once, whatever happens to pods, Service and rate; and
    // within every instant the world comes to rest.
    #[test]
    fn no_request_is_lost_or_counted_twice(happenings in prop::collection::vec((1_u64..40, happening()), 0..20)) {
        let mut world = world(RATE, &files());
        testing::run_until(&mut world, 12);
        let (mut second, mut rate, mut sent) = (12, 10.0, 0.0);
        for (wait, happening) in &happenings {
            second += wait;
            sent += rate * *wait as f64;
            testing::run_until(&mut world, second);
            let_happen(&mut world, happening);
            testing::run_until(&mut world, second);
            if let Happening::Rate(now) = happening {
                rate = f64::from(*now);
            }
        }
        let account = account(&mut world);
        prop_assert!(near(sum(&account, |r| r.total), sent), "{} of {sent}", sum(&account, |r| r.total));
        for (at, requests) in &account {
            prop_assert!(requests.since < *at && requests.failed <= requests.total && requests.hurt <= requests.total);
        }
    }
}

#[test]
fn a_fault_on_the_runs_clock_waits_while_that_clock_is_held() {
    let model = "{latency: {p50: 100ms, p99: 200ms}, load: 10s, faults: [{clock: run, from: 20s, until: 30s, errors: 100%}]}";
    let scenario =
        format!("{RATE}\nmodels: {{'1': {model}}}\nevents: [{{at: 100s, traffic: {{rate: 10/s}}}}]");
    // Ready after 12 s: held until then, the clock shows 20 s after 32 s.
    for (speed, errors_from) in [(1.0, 20), (10.0, 32)] {
        let options = crate::Options { speed, arrivals: Arrivals::Expected, ..testing::options() };
        let mut world = testing::world_of(&options, &scenario, &[("all.yaml", &files())]);
        let failed = |world: &mut World<'_>, until| {
            testing::run_until(world, until);
            sum(&account(world), |r| r.failed)
        };
        assert!(near(failed(&mut world, errors_from), 0.0), "{speed}");
        assert!(near(failed(&mut world, errors_from + 4), 40.0), "{speed}");
        assert!(near(failed(&mut world, errors_from + 60), 100.0), "{speed}");
    }
}
