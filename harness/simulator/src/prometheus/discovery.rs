//! Which pods Prometheus scrapes, and with which labels
//! (prometheus-operator pkg/prometheus/promcfg.go: generateServiceMonitorConfig).

use std::collections::BTreeMap;

use behaviour::stream;
use manifests::objects::monitoring::Endpoint;
use manifests::objects::{self, IntOrString, ServiceMonitor};
use rand_chacha::rand_core::Rng;
use units::{Duration, Time};

use super::scrape::Target;
use crate::api::{Body, Object, ObjectId};
use crate::kubernetes::{as_pod, endpoints};
use crate::{Task, World};

/// From a change of endpoints until Prometheus has new targets: service discovery sends its updates at
/// most every 5 s (prometheus discovery/manager.go: updatert).
const LAG: Duration = Duration::from_secs(5);

/// After a target is gone, its series are marked stale after two further intervals and a tenth
/// (prometheus scrape/scrape.go: endOfRunStaleness).
const STALE_AFTER_INTERVALS: f64 = 2.1;

/// A target as a monitor asks for it.
struct Wanted {
    pod: ObjectId,
    labels: BTreeMap<String, String>,
    interval: Duration,
    honor_labels: bool,
}

/// A Service of this monitor changed; its targets are learnt anew once the lag has passed.
pub(crate) fn discover(world: &mut World<'_>, monitor: ObjectId) {
    let now = world.now();
    match world.prometheus.pending.get(&monitor) {
        None => {
            world.prometheus.pending.insert(monitor, now + LAG);
            world.kernel.wake_at(now + LAG, Task::Discovery(monitor));
        }
        Some(due) if *due <= now => {
            world.prometheus.pending.remove(&monitor);
            relearn(world, monitor);
        }
        Some(_) => {}
    }
}

fn relearn(world: &mut World<'_>, monitor: ObjectId) {
    let wanted = if world.api.exists(monitor) { wanted(world, monitor) } else { Vec::new() };
    let now = world.now();
    let mut ending = Vec::new();
    for (index, target) in world.prometheus.targets.iter_mut().enumerate() {
        let kept = wanted.iter().any(|wanted| wanted.pod == target.pod && wanted.labels == target.labels);
        if target.monitor == monitor && target.ended.is_none() && !kept {
            target.ended = Some(now);
            let wait = Duration::from_secs_f64(target.interval.as_secs_f64() * STALE_AFTER_INTERVALS);
            ending.push((now + wait, Task::Scrape(index)));
        }
    }
    for (at, task) in ending {
        world.kernel.wake_at(at, task);
    }
    for wanted in wanted {
        let known = world.prometheus.targets.iter().any(|target| {
            target.ended.is_none() && target.pod == wanted.pod && target.labels == wanted.labels
        });
        if !known {
            add(world, monitor, wanted);
        }
    }
}

fn add(world: &mut World<'_>, monitor: ObjectId, wanted: Wanted) {
    let index = world.prometheus.targets.len();
    let first = first_scrape(world, &wanted);
    world.prometheus.targets.push(Target {
        monitor,
        pod: wanted.pod,
        labels: wanted.labels,
        interval: wanted.interval,
        honor_labels: wanted.honor_labels,
        ended: None,
        series: None,
    });
    world.kernel.wake_at(first, Task::Scrape(index));
}

/// A target is scraped at a fixed offset within the interval, which spreads targets
/// (prometheus scrape/target.go: offset, a hash there, a draw here).
fn first_scrape(world: &World<'_>, wanted: &Wanted) -> Time {
    let interval = wanted.interval.as_nanos().max(1);
    let mut rng = stream(world.options.seed, &format!("scrape offset of {}", world.api.get(wanted.pod).key));
    let millis = (interval / 1_000_000).max(1);
    let offset = rng.next_u64() % millis * 1_000_000;
    let now = world.now().as_nanos();
    let base = now - now % interval + offset;
    Time::from_nanos(if base >= now { base } else { base + interval })
}

fn wanted(world: &World<'_>, monitor: ObjectId) -> Vec<Wanted> {
    let object = world.api.get(monitor);
    let Body::Plain(plain) = &object.body else { return Vec::new() };
    let objects::Object::ServiceMonitor(spec) = &**plain else { return Vec::new() };
    let services = world.api.of_kind("", "Service").filter(|service| selects(spec, object, service));
    services.flat_map(|service| targets_of(world, spec, service)).collect()
}

fn selects(monitor: &ServiceMonitor, object: &Object, service: &Object) -> bool {
    let namespaces = &monitor.spec.namespace_selector;
    let namespace = service.key.namespace.as_deref();
    let in_namespace = namespaces.any
        || if namespaces.match_names.is_empty() {
            namespace == object.key.namespace.as_deref()
        } else {
            namespaces.match_names.iter().any(|name| Some(name.as_str()) == namespace)
        };
    in_namespace && monitor.spec.selector.matches(&service.labels)
}

fn targets_of(world: &World<'_>, monitor: &ServiceMonitor, service: &Object) -> Vec<Wanted> {
    let Body::Plain(plain) = &service.body else { return Vec::new() };
    let objects::Object::Service(spec) = &**plain else { return Vec::new() };
    let mut wanted = Vec::new();
    for endpoint in &monitor.spec.endpoints {
        let Some(port) =
            spec.spec.ports.iter().find(|port| endpoint.port.as_deref() == Some(port.name.as_str()))
        else {
            continue;
        };
        let behind = endpoints::of(world, service.id);
        for pod in behind.ready.iter().chain(&behind.not_ready) {
            let object = world.api.get(*pod);
            let labels = labels(monitor, service, object, &port.name, port.target_port.as_ref(), port.port);
            wanted.push(Wanted {
                pod: *pod,
                labels,
                interval: interval(world, endpoint),
                honor_labels: endpoint.honor_labels,
            });
        }
    }
    wanted
}

fn interval(world: &World<'_>, endpoint: &Endpoint) -> Duration {
    let written = endpoint.interval.as_deref().and_then(|text| text.parse::<Duration>().ok());
    written.filter(|interval| *interval > Duration::ZERO).unwrap_or(world.scenario.cluster.scrape_interval)
}

fn labels(
    monitor: &ServiceMonitor,
    service: &Object,
    pod: &Object,
    port: &str,
    target_port: Option<&IntOrString>,
    number: i32,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let containers = as_pod(pod).map(|pod| pod.template.spec.containers.as_slice()).unwrap_or_default();
    let names_port = |container: &&objects::Container| {
        container.ports.iter().any(|p| {
            target_port.is_none_or(|wanted| match wanted {
                IntOrString::Int(wanted) => p.container_port == *wanted,
                IntOrString::String(wanted) => p.name == *wanted,
            })
        })
    };
    let container = containers.iter().find(names_port).or(containers.first());
    let port_number = container.and_then(|c| c.ports.first()).map_or(number, |port| port.container_port);
    let address = format!("10.244.{}.{}:{port_number}", pod.id.index() / 250 % 250, pod.id.index() % 250 + 2);
    let job = match monitor.spec.job_label.as_str() {
        "" => service.key.name.to_string(),
        label => service.labels.get(label).cloned().unwrap_or_else(|| service.key.name.to_string()),
    };
    for (name, value) in [
        ("namespace", pod.key.namespace.as_deref().unwrap_or_default()),
        ("service", &service.key.name),
        ("pod", &pod.key.name),
        ("container", container.map(|c| c.name.as_str()).unwrap_or_default()),
        ("endpoint", port),
        ("job", &job),
        ("instance", &address),
    ] {
        labels.insert(name.to_owned(), value.to_owned());
    }
    let copied = monitor.spec.pod_target_labels.iter().map(|name| (name, pod.labels.get(name)));
    let copied = copied.chain(monitor.spec.target_labels.iter().map(|name| (name, service.labels.get(name))));
    for (name, value) in copied {
        // A label that is absent or empty is not copied: the generated rule asks for `(.+)`.
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            labels.insert(sanitised(name), value.clone());
        }
    }
    labels
}

/// A Kubernetes label's name as a Prometheus label's (prometheus util/strutil: SanitizeLabelName).
fn sanitised(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}
