//! Which pods Prometheus scrapes, and with which labels
//! (prometheus-operator pkg/prometheus/promcfg.go: generateServiceMonitorConfig).

use std::borrow::Cow;

use manifests::objects::monitoring::Endpoint;
use manifests::objects::{self, Container, IntOrString, ServiceMonitor};
use promql::Labels;
use units::{Duration, Time};

use super::scrape::Target;
use super::{first_time, learns_now};
use crate::api::{Object, ObjectId};
use crate::kubernetes::{as_pod, endpoints};
use crate::{Index, Task, World};

/// From a change of endpoints until Prometheus has new targets: discovery hands on its updates once in
/// 5 s and the scraper takes them up once in 5 s, which is 5 s on average
/// (prometheus discovery/manager.go: updatert; scrape/manager.go: DiscoveryReloadInterval).
const LAG: Duration = Duration::from_secs(5);

/// A target as a monitor asks for it. The pod comes first: it tells most targets apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The pod.
    pub(super) pod: ObjectId,
    /// The ServiceMonitor that asks for it.
    pub(super) monitor: ObjectId,
    /// The Service that leads to it.
    pub(super) service: ObjectId,
    /// The labels that discovery gives it.
    pub(super) labels: Labels,
    /// The time between scrapes.
    pub(super) interval: Duration,
    /// Whether the model's own labels win over discovery's.
    pub(super) honor_labels: bool,
}

/// A Service, its endpoints or a monitor changed; the Service's targets are learnt anew once the lag has
/// passed.
pub(crate) fn discover(world: &mut World<'_>, service: ObjectId) {
    if learns_now(world, Task::Discovery(service), LAG) {
        relearn(world, service);
    }
}

fn relearn(world: &mut World<'_>, service: ObjectId) {
    let wanted = if world.api.exists(service) { wanted(world, service) } else { Vec::new() };
    let targets = world.prometheus.targets.iter_mut().enumerate();
    let scraped = targets.filter(|(_, target)| target.is_scraped() && target.wanted.service == service);
    for (index, target) in scraped {
        if !wanted.contains(&target.wanted)
            && let Some(at) = target.give_up(world.kernel.now())
        {
            world.kernel.wake_at(at, Task::Scrape(Index::of(index)));
        }
    }
    for wanted in wanted {
        if !world.prometheus.targets.iter().any(|target| target.is_scraped() && target.wanted == wanted) {
            let first = first_scrape(world, &wanted);
            let index = world.prometheus.targets.len();
            world.prometheus.targets.push(Target::new(wanted));
            world.kernel.wake_at(first, Task::Scrape(Index::of(index)));
        }
    }
}

/// A pod's targets are scraped at an offset of their own.
fn first_scrape(world: &World<'_>, wanted: &Wanted) -> Time {
    let purpose = format!("scrape offset of {}", world.api.get(wanted.pod).key);
    first_time(world, &purpose, wanted.interval, world.now())
}

/// What every monitor asks for behind a Service.
fn wanted(world: &mut World<'_>, service: ObjectId) -> Vec<Wanted> {
    let (mut wanted, mut portless) = (Vec::new(), Vec::new());
    for object in world.api.of_kind("monitoring.coreos.com", "ServiceMonitor") {
        let Some(objects::Object::ServiceMonitor(monitor)) = object.plain() else { continue };
        if !selects(monitor, object, world.api.get(service)) {
            continue;
        }
        for endpoint in &monitor.spec.endpoints {
            if endpoint.port.is_none() && endpoint.target_port.is_none() {
                portless.push(object.key.name.to_string());
            }
            wanted.extend(targets(world, object.id, service, monitor, endpoint));
        }
    }
    for name in portless {
        let what = format!("an endpoint without a port in ServiceMonitor {name}");
        world.not_simulated(what, "", "it has no targets");
    }
    wanted
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

/// The targets of one of a monitor's endpoints. Which port it means decides the address and the
/// `endpoint` label.
fn targets(
    world: &World<'_>,
    monitor_id: ObjectId,
    service_id: ObjectId,
    monitor: &ServiceMonitor,
    endpoint: &Endpoint,
) -> Vec<Wanted> {
    let service = world.api.get(service_id);
    let behind = endpoints::of(world, service_id);
    let interval = interval(world, endpoint);
    let mut targets = Vec::new();
    for pod in behind.ready.iter().chain(&behind.not_ready) {
        let object = world.api.get(*pod);
        let containers =
            as_pod(object).map(|pod| pod.template.spec.containers.as_slice()).unwrap_or_default();
        let Some((name, port)) = port_of(service, endpoint, containers) else { continue };
        let scraped = world.prometheus.targets.iter().map(|target| &target.wanted);
        let known = scraped.rev().find(|wanted| wanted.pod == *pod).map(|wanted| &wanted.labels);
        targets.push(Wanted {
            monitor: monitor_id,
            service: service_id,
            pod: *pod,
            labels: labels(known, monitor, service, object, &name, port),
            interval,
            honor_labels: endpoint.honor_labels,
        });
    }
    targets
}

/// What the port is called in the `endpoint` label, and the number that is scraped.
fn port_of(service: &Object, endpoint: &Endpoint, containers: &[Container]) -> Option<(String, i32)> {
    let number = |wanted: &IntOrString| match wanted {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let ports = containers.iter().flat_map(|container| &container.ports);
            ports.into_iter().find(|port| port.name == *name).map(|port| port.container_port)
        }
    };
    if let Some(name) = endpoint.port.as_deref().filter(|name| !name.is_empty()) {
        let Some(objects::Object::Service(spec)) = service.plain() else { return None };
        let port = spec.spec.ports.iter().find(|port| port.name == name)?;
        return Some((name.to_owned(), port.target_port.as_ref().map_or(Some(port.port), number)?));
    }
    let wanted = endpoint.target_port.as_ref()?;
    let number = number(wanted)?;
    let is_declared = containers.iter().flat_map(|c| &c.ports).any(|port| port.container_port == number);
    let name = match wanted {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    };
    is_declared.then_some((name, number))
}

fn interval(world: &World<'_>, endpoint: &Endpoint) -> Duration {
    let written = endpoint.interval.as_deref().and_then(|text| text.parse::<Duration>().ok());
    written.filter(|interval| *interval > Duration::ZERO).unwrap_or(world.scenario.cluster.scrape_interval)
}

/// The labels that the generated rules give a target, in their order: a later rule wins. A label that is
/// absent or empty is not copied. Labels that are `known` already are shared.
fn labels(
    known: Option<&Labels>,
    monitor: &ServiceMonitor,
    service: &Object,
    pod: &Object,
    endpoint: &str,
    port: i32,
) -> Labels {
    let containers = as_pod(pod).map(|pod| pod.template.spec.containers.as_slice()).unwrap_or_default();
    let declares = |container: &&Container| container.ports.iter().any(|p| p.container_port == port);
    let container = containers.iter().find(declares).map(|container| container.name.as_str());
    let (service_name, spec) = (&*service.key.name, &monitor.spec);
    fn label_of<'o>(object: &'o Object, name: &str) -> &'o str {
        object.labels.get(name).map(String::as_str).unwrap_or_default()
    }
    let job = Some(label_of(service, &spec.job_label)).filter(|job| !job.is_empty());
    let address = address(pod, port);
    let mut rules: Vec<(Cow<'_, str>, &str)> = vec![
        ("instance".into(), &address),
        ("namespace".into(), pod.key.namespace.as_deref().unwrap_or_default()),
        ("service".into(), service_name),
        ("pod".into(), &pod.key.name),
        ("container".into(), container.unwrap_or_default()),
    ];
    rules.extend(spec.target_labels.iter().map(|name| (sanitised(name), label_of(service, name))));
    rules.extend(spec.pod_target_labels.iter().map(|name| (sanitised(name), label_of(pod, name))));
    rules.push(("job".into(), job.unwrap_or(service_name)));
    rules.push(("endpoint".into(), endpoint));
    rules.retain(|(_, value)| !value.is_empty());
    match known.filter(|known| known.are(&rules)) {
        Some(known) => known.clone(),
        None => Labels::new(rules),
    }
}

/// An address within the cluster's pod network, by the pod's count.
fn address(pod: &Object, port: i32) -> String {
    let (network, host) = (pod.id.index() / 250 % 250, pod.id.index() % 250 + 2);
    format!("10.244.{network}.{host}:{port}")
}

/// A Kubernetes label's name as a Prometheus label's (prometheus util/strutil: SanitizeLabelName).
fn sanitised(name: &str) -> Cow<'_, str> {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(is_kept) {
        return name.into();
    }
    name.chars().map(|c| if is_kept(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn files(service: &str, monitor: &str) -> String {
        [testing::DEPLOYMENT, service, monitor].join("---")
    }

    /// The labels of each target that is scraped, without those that every target has.
    fn targets(world: &World<'_>, labels: &[&str]) -> Vec<String> {
        let scraped = world.prometheus.targets.iter().filter(|target| target.is_scraped());
        scraped
            .map(|target| {
                let text = |name: &&str| Some(format!("{name}={}", target.wanted.labels.get(name)?));
                labels.iter().filter_map(text).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    #[test]
    fn targets_have_the_labels_that_the_operators_rules_give_them() {
        let service =
            testing::SERVICE.replace("labels: {app: web}", "labels: {app: web, team: ml, job: own}");
        let all = ["namespace", "service", "container", "endpoint", "job", "role", "team", "no_such"];
        let base = "namespace=default service=web container=server endpoint=http job=web";
        for (from, to, expected) in [
            ("podTargetLabels: [role]", "podTargetLabels: []", base.to_owned()),
            ("", "", format!("{base} role=plain")),
            ("[role]", "[role, no-such]", format!("{base} role=plain")),
            ("[role]", "[role]\n  targetLabels: [team]", format!("{base} role=plain team=ml")),
            ("[role]", "[]\n  jobLabel: team", base.replace("job=web", "job=ml")),
            ("[role]", "[]\n  jobLabel: absent", base.to_owned()),
            ("[role]", "[]\n  targetLabels: [job]", base.to_owned()),
            ("port: http", "targetPort: http", format!("{base} role=plain")),
            ("port: http", "targetPort: 8000", format!("{} role=plain", base.replace("=http", "=8000"))),
        ] {
            let monitor = testing::MONITOR.replace(from, to);
            let mut world = testing::world("", &[("all.yaml", &files(&service, &monitor))]);
            testing::run_until(&mut world, 30);
            assert_eq!(targets(&world, &all), [expected.as_str(), &expected], "{to}");
        }
    }

    #[test]
    fn what_no_monitor_selects_is_not_scraped() {
        for (service, monitor) in [
            (
                testing::SERVICE.replace("labels: {app: web}", "labels: {app: other}"),
                testing::MONITOR.to_owned(),
            ),
            (
                testing::SERVICE.to_owned(),
                testing::MONITOR.replace("name: web", "name: web, namespace: monitoring"),
            ),
            (testing::SERVICE.to_owned(), testing::MONITOR.replace("port: http", "port: metrics")),
            (testing::SERVICE.to_owned(), testing::MONITOR.replace("port: http", "targetPort: 9")),
            (testing::SERVICE.replace("targetPort: http", "targetPort: none"), testing::MONITOR.to_owned()),
        ] {
            let mut world = testing::world("", &[("all.yaml", &files(&service, &monitor))]);
            testing::run_until(&mut world, 30);
            assert!(world.prometheus.targets.is_empty(), "{service} {monitor}");
        }
        for selector in ["any: true", "matchNames: [default]"] {
            let monitor = testing::MONITOR
                .replace("name: web", "name: web, namespace: monitoring")
                .replace("spec:", &format!("spec:\n  namespaceSelector: {{{selector}}}"));
            let mut world = testing::world("", &[("all.yaml", &files(testing::SERVICE, &monitor))]);
            testing::run_until(&mut world, 30);
            assert_eq!(targets(&world, &[]).len(), 2, "{selector}");
        }
    }

    #[test]
    fn an_endpoint_without_a_port_is_reported() {
        let monitor = testing::MONITOR.replace("port: http, ", "");
        let mut world = testing::world("", &[("all.yaml", &files(testing::SERVICE, &monitor))]);
        testing::run_until(&mut world, 30);
        let told = testing::told(&world, |event| match event {
            timeline::Event::NotSimulated(found) => Some(found.what.clone()),
            _ => None,
        });
        assert_eq!(told, ["5 an endpoint without a port in ServiceMonitor web"]);
    }

    #[test]
    fn targets_come_and_go_five_seconds_after_the_endpoints() {
        let files = files(testing::SERVICE, testing::MONITOR);
        let mut world = testing::world("", &[("all.yaml", &files)]);
        // The containers run from second 2 on; what changes within the lag is learnt with the first change.
        testing::run_until(&mut world, 4);
        assert_eq!(targets(&world, &[]).len(), 0);
        testing::run_until(&mut world, 5);
        assert_eq!(targets(&world, &[]).len(), 2);
        testing::run_until(&mut world, 60);
        testing::patch(&mut world, "Deployment", "web", "{spec: {replicas: 1}}");
        testing::run_until(&mut world, 64);
        assert_eq!(targets(&world, &[]).len(), 2);
        testing::run_until(&mut world, 65);
        assert_eq!(targets(&world, &[]).len(), 1);
    }

    #[test]
    fn a_label_that_changes_in_place_is_seen_at_the_next_change_of_endpoints() {
        let files = files(testing::SERVICE, testing::MONITOR);
        let mut world = testing::world("", &[("all.yaml", &files)]);
        testing::run_until(&mut world, 30);
        for pod in testing::pods(&world) {
            world.api.update_metadata(pod, |pod| pod.labels.insert("role".to_owned(), "stable".to_owned()));
        }
        crate::run::after_task(&mut world);
        testing::run_until(&mut world, 300);
        assert_eq!(targets(&world, &["role"]), ["role=plain", "role=plain"]);
        testing::patch(&mut world, "Deployment", "web", "{spec: {replicas: 1}}");
        testing::run_until(&mut world, 305);
        assert_eq!(targets(&world, &["role"]), ["role=stable"]);
    }

    #[test]
    fn another_services_endpoints_change_nothing_for_a_service() {
        let other = "
apiVersion: v1
kind: Service
metadata: {name: other, labels: {app: web}}
spec: {selector: {app: none}, ports: [{name: http, port: 80, targetPort: http}]}
";
        let files = format!("{}---{other}", files(testing::SERVICE, testing::MONITOR));
        let mut world = testing::world("", &[("all.yaml", &files)]);
        testing::run_until(&mut world, 30);
        for pod in testing::pods(&world) {
            world.api.update_metadata(pod, |pod| pod.labels.insert("role".to_owned(), "stable".to_owned()));
        }
        testing::patch(&mut world, "Service", "other", "{spec: {selector: {app: web}}}");
        testing::run_until(&mut world, 60);
        let mut found = targets(&world, &["service", "role"]);
        found.sort();
        let expected = ["service=other role=stable", "service=web role=plain"];
        assert_eq!(found, [expected[0], expected[0], expected[1], expected[1]]);
    }

    #[test]
    fn first_scrapes_are_spread_over_the_interval() {
        let many = testing::DEPLOYMENT.replace("replicas: 2", "replicas: 20");
        let files = [&many, testing::SERVICE, testing::MONITOR].join("---");
        let mut world = testing::world("", &[("all.yaml", &files)]);
        testing::run_until(&mut world, 7);
        let firsts: Vec<Time> =
            world.prometheus.targets.iter().map(|target| first_scrape(&world, &target.wanted)).collect();
        let (soonest, latest) = (firsts.iter().min().unwrap(), firsts.iter().max().unwrap());
        assert!(*soonest >= Time::from_secs(7) && *latest < Time::from_secs(17));
        assert!(latest.since(*soonest) > Duration::from_secs(5), "{soonest} to {latest}");
    }
}
