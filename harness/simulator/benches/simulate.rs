//! How fast the simulator is. The floors, on one core, and what an event is: docs/performance.md.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark reads files and may stop")]

use std::collections::BTreeMap;
use std::path::Path;

use behaviour::Arrivals;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use manifests::tree::Tree;
use scenario::Scenario;
use simulator::kernel::Kernel;
use simulator::{Input, Options, Run, simulate};
use timeline::Verdict;
use units::{Duration, Time};

#[path = "../tests/fixture/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod fixture;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TIMERS: u64 = 1_000;
const EVENTS: u64 = 100_000;

/// Timers that come again and again at intervals of their own, as those of scrapes and measurements do.
fn kernel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kernel");
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("bare events", |bencher| {
        bencher.iter(|| {
            let mut kernel = Kernel::default();
            for timer in 0..TIMERS {
                kernel.wake_at(Time::from_secs(timer), timer);
            }
            for _ in 0..EVENTS {
                let timer = kernel.next(Time::MAX).unwrap();
                kernel.wake_at(kernel.now() + Duration::from_secs(10 + timer), timer);
            }
            kernel.steps()
        });
    });
    group.finish();
}

fn run(scenario: &Scenario, repository: &Tree) -> Run {
    let options = Options {
        seed: 1,
        arrivals: Arrivals::Drawn,
        limit: Duration::from_secs(24 * 3600),
        version: "bench".to_owned(),
        speed: 1.0,
        render: None,
    };
    simulate(&Input { scenario, repository, options: &options }).unwrap_or_else(|problem| panic!("{problem}"))
}

fn verdict(scenario: &Scenario, repository: &Tree) -> Verdict {
    timeline::judge(scenario, &run(scenario, repository).timeline).verdict
}

/// A canary of 50 pods for an hour: scrapes, requests, the pods' lives, the controllers' passes. The
/// figure counts the kernel's tasks; one of them is a whole scrape, with all requests since the last one. The
/// second figure is of the same with the repository's three alerting rules, each evaluated 120 times over the
/// series of all pods.
fn large_canary(criterion: &mut Criterion) {
    let repository = fixture::repository("ai-deployments");
    let without_rules = "        base/monitoring/kustomization.yaml: { resources: [servicemonitor.yaml] }\n";
    let mut group = criterion.benchmark_group("model");
    group.sample_size(20);
    for (name, monitoring) in [
        ("events of a canary of 50 pods", without_rules),
        ("events of a canary of 50 pods with its rules", ""),
    ] {
        let scenario = fixture::scenario("canary/good-model.yaml", |text| {
            let resize = "events:\n  - at: 0s\n    merge:\n      title: Resize\n      edit:\n        \
                          base/model-serving/rollout.yaml: { spec: { replicas: 50 } }\n        \
                          overlays/production/kustomization.yaml: { patches: [{ path: model-config.yaml }] }\n";
            let text = text.replace("events:\n", &format!("{resize}{monitoring}"));
            let text = text.replace("rate: 20/s", "rate: 200/s");
            text + "cluster: { nodes: 80, webhook: true }\nduration: 1h\n"
        });
        group.throughput(Throughput::Elements(run(&scenario, &repository).tasks));
        group.bench_function(name, |bencher| bencher.iter(|| run(&scenario, &repository).tasks));
    }
    group.finish();
}

fn main_scenario(criterion: &mut Criterion) {
    let repository = fixture::repository("ai-deployments");
    let scenario = fixture::scenario("canary/bad-model.yaml", |text| text);
    assert_eq!(verdict(&scenario, &repository), Verdict::Passed);
    criterion.bench_function("main scenario, simulated and judged", |bencher| {
        bencher.iter(|| verdict(&scenario, &repository));
    });
}

/// The files below `scenarios/`.
fn files(folder: &str, found: &mut Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(folder);
    for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
        let name = format!("{folder}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            files(&format!("{name}/"), found);
        } else if name.ends_with(".yaml") {
            found.push(name);
        }
    }
}

/// Every shipped scenario that is run with one seed.
fn scenarios(criterion: &mut Criterion) {
    let mut paths = Vec::new();
    files("", &mut paths);
    let scenarios: Vec<Scenario> = paths
        .iter()
        .map(|path| fixture::scenario(path, |text| text))
        .filter(|scenario| scenario.expect.iter().all(|expectation| expectation.in_seeds.is_none()))
        .collect();
    let name = |scenario: &Scenario| scenario.repository.rsplit('/').next().unwrap().to_owned();
    let repositories: BTreeMap<String, Tree> =
        scenarios.iter().map(name).map(|name| (name.clone(), fixture::repository(&name))).collect();
    let mut group = criterion.benchmark_group("shipped");
    group.throughput(Throughput::Elements(scenarios.len() as u64));
    group.bench_function("scenarios", |bencher| {
        bencher.iter(|| {
            let run = |scenario: &Scenario| verdict(scenario, &repositories[&name(scenario)]);
            scenarios.iter().map(run).filter(|verdict| *verdict == Verdict::Passed).count()
        });
    });
    group.finish();
}

criterion_group!(benches, kernel, large_canary, main_scenario, scenarios);
criterion_main!(benches);
