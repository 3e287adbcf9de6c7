//! The scheduler and the kubelet: a pod gets a node, its container starts with the environment of that
//! moment, loads its weights and becomes ready.
//!
//! Not modelled, by design: CPU and memory (only `nvidia.com/gpu` decides whether a node has room),
//! image pulls apart from the scenario's `cluster.pod_start`, the time that init containers take, and
//! liveness probes, which are taken to succeed. The containers of a pod live and die together, and each
//! probe of them asks the model's server. A deleted pod is gone at once, since model servers exit on
//! SIGTERM without draining by default (vLLM `--shutdown-timeout=0`).

use std::sync::Arc;

use behaviour::{Profile, Ready};
use manifests::objects::PodSpec;
use manifests::objects::pod::Probe;
use timeline::{PodPhase, Source};
use units::{Duration, Time};
use yaml::{Problem, did_you_mean};

use super::{Pod, as_pod, environment};
use crate::api::{Body, Object, ObjectId};
use crate::{Task, World, traffic};

/// What the kubelet does next with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It starts the container.
    Start,
    /// The readiness probe succeeds.
    Ready,
    /// The startup probe of the container with this index has failed too often; it is started again.
    Restart(usize),
}

/// How long the kubelet waits before it looks again for a missing ConfigMap or Secret; a real one
/// takes 10 to 15 seconds (kubernetes pkg/kubelet/pod_workers.go: completeWork).
const CONFIG_RETRY: Duration = Duration::from_secs(10);

/// A container that ran for longer than this is not held back when it is started again: twice the
/// longest back-off (client-go util/flowcontrol/backoff.go: hasExpired).
const BACK_OFF_FORGOTTEN: Duration = Duration::from_secs(600);

const GPU: &str = "nvidia.com/gpu";

/// The GPUs that a pod asks for.
pub(super) fn gpus(spec: &PodSpec) -> i128 {
    spec.request(GPU).whole()
}

pub(crate) fn reconcile(world: &mut World<'_>, id: ObjectId) {
    let Some(pod) = as_pod(world.api.get(id)).filter(|_| world.api.exists(id)) else { return };
    if pod.node.is_none() {
        schedule(world, id);
        return;
    }
    match pod.next {
        Some((at, next)) if at <= world.now() => match next {
            Next::Start => start(world, id),
            Next::Ready => set(world, id, |pod, now| {
                pod.phase = PodPhase::Ready;
                pod.ready_since = Some(now.truncated_to_secs());
                pod.reason.clear();
                pod.next = None;
            }),
            Next::Restart(container) => restart(world, id, container),
        },
        Some(_) | None => {}
    }
}

/// Changes a pod's status and asks for the kubelet's next turn.
fn set(world: &mut World<'_>, id: ObjectId, change: impl FnOnce(&mut Pod, Time)) {
    let now = world.now();
    let next = world.api.update_status(id, |object| {
        let Body::Pod(pod) = &mut object.body else { return None };
        change(pod, now);
        pod.next
    });
    if let Some((at, _)) = next {
        world.kernel.wake_at(at, Task::Kubelet(id));
    }
}

fn schedule(world: &mut World<'_>, id: ObjectId) {
    let Some(pod) = as_pod(world.api.get(id)) else { return };
    let wanted = pod.gpus;
    let room = i128::from(world.scenario.cluster.gpus_per_node);
    // GPUs and pods by node.
    let mut taken = vec![(0_i128, 0_u32); world.scenario.cluster.nodes as usize];
    for other in world.api.of_kind("", "Pod").filter_map(as_pod) {
        if let Some((gpus, pods)) = other.node.and_then(|node| taken.get_mut(node as usize)) {
            *gpus += other.gpus;
            *pods += 1;
        }
    }
    // The emptiest node first, as the scheduler's default scoring spreads pods.
    let fitting = (0_u32..).zip(&taken).filter(|(_, (gpus, _))| *gpus + wanted <= room);
    let node = fitting.min_by_key(|(_, taken)| **taken).map(|(node, _)| node);
    let pod_start = world.scenario.cluster.pod_start;
    match node {
        Some(node) => set(world, id, |pod, now| {
            pod.node = Some(node);
            pod.phase = PodPhase::Waiting;
            "ContainerCreating".clone_into(&mut pod.reason);
            pod.next = Some((now + pod_start, Next::Start));
        }),
        None => {
            let reason = format!("0/{} nodes are available: {} Insufficient {GPU}", taken.len(), taken.len());
            if pod.reason != reason {
                set(world, id, |pod, _| pod.reason = reason);
            }
        }
    }
}

fn start(world: &mut World<'_>, id: ObjectId) {
    // What was sent while no container ran is counted before it is forgotten.
    traffic::advance_pod(world, id);
    let object = world.api.get(id);
    let Some(pod) = as_pod(object) else { return };
    if let Some(reason) = environment::missing(world, object, &pod.template.spec) {
        set(world, id, |pod, now| {
            pod.phase = PodPhase::Waiting;
            pod.reason = reason;
            pod.next = Some((now + CONFIG_RETRY, Next::Start));
        });
        return;
    }
    let containers = pod.template.spec.containers.iter();
    let environments: Vec<_> = containers.map(|c| environment::of(world, object, c)).collect();
    let variable =
        |name: &str| environments.iter().find_map(|variables| variables.get(name)).map(String::as_str);
    let (model, model_name) = (variable("MODEL_VERSION"), variable("MODEL_NAME").map(Arc::from));
    let profile = model.map(|version| world.scenario.models.get(version).ok_or(version)).transpose();
    let profile = match profile {
        Ok(profile) => profile,
        Err(version) => {
            let problem = unknown_version(world, version, object);
            return world.fail(problem);
        }
    };
    let model: Option<Arc<str>> = model.map(Arc::from);
    let fate = fate(&pod.template.spec, profile);
    // A container that is started again keeps its pod's count.
    let model_ordinal = match &model {
        Some(version) if pod.model.as_ref() != Some(version) => world.kubernetes.next_pod_of_model(version),
        Some(_) | None => pod.model_ordinal,
    };
    set(world, id, |pod, now| {
        pod.phase = PodPhase::Started;
        pod.reason.clear();
        pod.started = Some(now);
        pod.serving_from = profile.map(|profile| now + answers_after(profile));
        pod.model = model;
        pod.model_name = model_name;
        pod.model_ordinal = model_ordinal;
        pod.next = fate.map(|(after, next)| (now + after, next));
    });
    // A container without a readiness probe is ready the moment it runs.
    reconcile(world, id);
}

/// From the container's start until its server answers: errors at first, where it says that it is ready
/// before its weights are loaded.
fn answers_after(profile: &Profile) -> Duration {
    match profile.ready {
        Ready::AtOnce => Duration::ZERO,
        Ready::WhenLoaded | Ready::Never => profile.load,
    }
}

fn restart(world: &mut World<'_>, id: ObjectId, container: usize) {
    // What the container that ends has counted is brought up to date before it is gone.
    traffic::advance_pod(world, id);
    let containers = as_pod(world.api.get(id)).map(|pod| pod.template.spec.containers.as_slice());
    let name = containers.and_then(|all| all.get(container)).map(|c| c.name.clone()).unwrap_or_default();
    let message = format!("Container {name} failed startup probe, will be restarted");
    world.record(Source::Kubernetes, id, false, "Killing", message);
    set(world, id, |pod, now| {
        if pod.started.is_some_and(|started| now.since(started) > BACK_OFF_FORGOTTEN) {
            pod.back_off = 0;
        }
        let wait = back_off(pod.back_off);
        pod.back_off += 1;
        pod.restarts += 1;
        pod.phase = PodPhase::Waiting;
        "CrashLoopBackOff: the startup probe failed".clone_into(&mut pod.reason);
        pod.ready_since = None;
        pod.serving_from = None;
        pod.next = Some((now + wait, Next::Start));
    });
    reconcile(world, id);
}

/// The wait before the next start of a container that was started again `restarts` times already:
/// none, then 10 s doubling to 300 s (kubernetes pkg/kubelet/kuberuntime: doBackOff).
fn back_off(restarts: u32) -> Duration {
    match restarts {
        0 => Duration::ZERO,
        n => Duration::from_secs((10_u64 << (n - 1).min(5)).min(300)),
    }
}

/// What becomes of a container, counted from its start: when it is ready, or started again because
/// its startup probe failed too often. `None` where it will run and never be ready.
fn fate(spec: &PodSpec, profile: Option<&Profile>) -> Option<(Duration, Next)> {
    let answers = match profile {
        Some(profile) => profile.ready_after(),
        None => Some(Duration::ZERO),
    };
    let mut ready_at = Duration::ZERO;
    for (index, container) in spec.containers.iter().enumerate() {
        let mut begun = Duration::ZERO;
        if let Some(probe) = &container.startup_probe {
            let given_up = probe.initial_delay() + probe.period() * u64::from(probe.failures() - 1);
            match answers.map(|answers| first_success(probe, answers)).filter(|success| *success <= given_up)
            {
                Some(success) => begun = success,
                None => return Some((given_up, Next::Restart(index))),
            }
        }
        if let Some(probe) = &container.readiness_probe {
            let first = first_success(probe, answers?.max(begun));
            begun = first + probe.period() * u64::from(probe.successes() - 1);
        }
        ready_at = ready_at.max(begun);
    }
    Some((ready_at, Next::Ready))
}

/// The first probe at or after `answers`, where probes come at the initial delay and every period.
fn first_success(probe: &Probe, answers: Duration) -> Duration {
    let period = probe.period().as_nanos().max(1);
    let late = answers.saturating_sub(probe.initial_delay()).as_nanos();
    probe.initial_delay() + Duration::from_nanos(late.div_ceil(period).saturating_mul(period))
}

fn unknown_version(world: &World<'_>, version: &str, pod: &Object) -> Problem {
    let known: Vec<&str> = world.scenario.models.keys().map(String::as_str).collect();
    let message = format!(
        "pod {} starts model version `{version}`, for which the scenario states no behaviour",
        pod.key.name
    );
    let problem = Problem::at(&world.scenario.place_of("models"), message);
    problem.with_help(match did_you_mean(version, known.iter().copied()) {
        Some(similar) => format!("add `{version}` under `models:` (or did you mean `{similar}`?)"),
        None => format!(
            "add `{version}` under `models:`; it has {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(readiness: Option<&str>, startup: Option<&str>) -> PodSpec {
        let probe = |name: &str, text: Option<&str>| {
            text.map(|text| format!("    {name}: {text}\n")).unwrap_or_default()
        };
        let text = format!(
            "containers:\n  - name: server\n{}{}",
            probe("readinessProbe", readiness),
            probe("startupProbe", startup)
        );
        yaml::decode(&yaml::parse_one("pod.yaml", text.as_bytes()).unwrap()).unwrap()
    }

    fn profile(text: &str) -> Profile {
        yaml::decode(&yaml::parse_one("profile.yaml", text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn readiness_comes_with_the_first_probe_after_loading() {
        let loads_60s = profile("{latency: {p50: 100ms, p99: 200ms}, load: 60s}");
        let loads_61s = profile("{latency: {p50: 100ms, p99: 200ms}, load: 61s}");
        let never = profile("{latency: {p50: 100ms, p99: 200ms}, ready: never}");
        let ready = |secs| Some((Duration::from_secs(secs), Next::Ready));
        let every_10s = spec(Some("{periodSeconds: 10}"), None);
        assert_eq!(fate(&every_10s, Some(&loads_60s)), ready(60));
        assert_eq!(fate(&every_10s, Some(&loads_61s)), ready(70));
        assert_eq!(fate(&every_10s, Some(&never)), None);
        assert_eq!(fate(&spec(None, None), Some(&loads_60s)), ready(0));
        assert_eq!(
            fate(
                &spec(Some("{initialDelaySeconds: 5, periodSeconds: 10, successThreshold: 2}"), None),
                Some(&loads_60s)
            ),
            ready(75)
        );
    }

    #[test]
    fn a_startup_probe_that_gives_up_restarts_the_container() {
        let loads_60s = profile("{latency: {p50: 100ms, p99: 200ms}, load: 60s}");
        let patient = spec(Some("{periodSeconds: 5}"), Some("{periodSeconds: 10, failureThreshold: 30}"));
        let hasty = spec(Some("{periodSeconds: 5}"), Some("{periodSeconds: 10, failureThreshold: 3}"));
        assert_eq!(fate(&patient, Some(&loads_60s)), Some((Duration::from_secs(60), Next::Ready)));
        assert_eq!(fate(&hasty, Some(&loads_60s)), Some((Duration::from_secs(20), Next::Restart(0))));
    }

    #[test]
    fn the_back_off_doubles_to_five_minutes() {
        let waits: Vec<u64> = (0..8).map(|restarts| back_off(restarts).as_secs()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }
    use crate::testing::{self, pod, pods};

    fn phases(world: &World<'_>) -> Vec<PodPhase> {
        pods(world).into_iter().map(|id| pod(world, id).phase).collect()
    }

    #[test]
    fn a_pod_without_room_waits_until_another_leaves() {
        let gpus = testing::DEPLOYMENT
            .replace("replicas: 2", "replicas: 3")
            .replace("ports:", "resources: {limits: {nvidia.com/gpu: 2}}\n        ports:");
        let cluster = "cluster: {nodes: 2, gpus_per_node: 3}";
        let mut world = testing::world(cluster, &[("all.yaml", &gpus)]);
        testing::run_until(&mut world, 60);
        use PodPhase::{Pending, Ready};
        assert_eq!(phases(&world), [Ready, Ready, Pending]);
        let nodes: Vec<_> = pods(&world).into_iter().map(|id| pod(&world, id).node).collect();
        assert_eq!(nodes, [Some(0), Some(1), None]);
        let reason = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu";
        assert_eq!(pod(&world, pods(&world)[2]).reason, reason);
        let first = pods(&world)[0];
        testing::patch(&mut world, "Deployment", "web", "{spec: {replicas: 2}}");
        testing::run_until(&mut world, 60);
        assert_eq!(phases(&world), [Ready, Ready], "the pod without a node goes first");
        testing::patch(&mut world, "Deployment", "web", "{spec: {replicas: 3}}");
        testing::run_until(&mut world, 60);
        testing::delete(&mut world, first);
        testing::run_until(&mut world, 80);
        let nodes: Vec<_> = pods(&world).into_iter().map(|id| pod(&world, id).node).collect();
        assert_eq!(nodes, [Some(1), Some(0), None]);
        assert_eq!(phases(&world), [Ready, Ready, Pending]);
    }

    #[test]
    fn pods_spread_over_the_nodes() {
        let many = testing::DEPLOYMENT.replace("replicas: 2", "replicas: 6");
        let mut world = testing::world("cluster: {nodes: 3}", &[("all.yaml", &many)]);
        testing::run_until(&mut world, 0);
        let nodes: Vec<_> = pods(&world).into_iter().filter_map(|id| pod(&world, id).node).collect();
        assert_eq!(nodes, [0, 1, 2, 0, 1, 2]);
    }

    const FROM_CONFIG: &str = "envFrom: [{configMapRef: {name: model}}]";
    const CONFIG: &str =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: model}, data: {MODEL_VERSION: '1'}}";

    fn from_config() -> String {
        let env = "env: [{name: MODEL_VERSION, value: '1'}, {name: MODEL_NAME, value: llama}]";
        testing::DEPLOYMENT.replace("replicas: 2", "replicas: 1").replace(env, FROM_CONFIG)
    }

    #[test]
    fn a_missing_config_map_is_looked_for_every_ten_seconds() {
        let mut world = testing::world("", &[("all.yaml", &from_config())]);
        testing::run_until(&mut world, 25);
        let id = pods(&world)[0];
        assert_eq!(pod(&world, id).reason, "CreateContainerConfigError: configmap \"model\" not found");
        assert!(crate::kubernetes::is_settled(&world));
        testing::apply(&mut world, CONFIG);
        testing::run_until(&mut world, 31);
        assert_eq!(pod(&world, id).phase, PodPhase::Waiting);
        testing::run_until(&mut world, 32);
        assert_eq!((pod(&world, id).phase, pod(&world, id).reason.as_str()), (PodPhase::Started, ""));
        assert_eq!(pod(&world, id).model.as_deref(), Some("1"));
    }

    #[test]
    fn a_running_container_keeps_the_environment_that_it_started_with() {
        let mut world = testing::world("", &[("all.yaml", &format!("{}---\n{CONFIG}", from_config()))]);
        testing::run_until(&mut world, 20);
        testing::apply(&mut world, &CONFIG.replace("'1'", "'2'"));
        testing::run_until(&mut world, 100);
        let old = pods(&world)[0];
        assert_eq!(pod(&world, old).model.as_deref(), Some("1"));
        testing::delete(&mut world, old);
        testing::run_until(&mut world, 120);
        assert_eq!(pod(&world, pods(&world)[0]).model.as_deref(), Some("2"));
    }

    #[test]
    fn a_container_that_is_started_again_reads_its_environment_anew() {
        let hasty = from_config().replace(
            "readinessProbe:",
            "startupProbe: {periodSeconds: 5, failureThreshold: 3}\n        readinessProbe:",
        );
        let config = CONFIG.replace("'1'", "slow");
        let mut world = testing::world("", &[("all.yaml", &format!("{hasty}---\n{config}"))]);
        testing::run_until(&mut world, 11);
        let id = pods(&world)[0];
        assert_eq!((pod(&world, id).model.as_deref(), pod(&world, id).restarts), (Some("slow"), 0));
        // The first start again comes without a wait, the second after 10 s, the third after 20 s.
        testing::run_until(&mut world, 22);
        assert_eq!((pod(&world, id).phase, pod(&world, id).restarts), (PodPhase::Waiting, 2));
        testing::apply(&mut world, CONFIG);
        testing::run_until(&mut world, 31);
        assert_eq!(pod(&world, id).phase, PodPhase::Waiting);
        testing::run_until(&mut world, 42);
        assert_eq!((pod(&world, id).phase, pod(&world, id).model.as_deref()), (PodPhase::Ready, Some("1")));
        let told = testing::told(&world, |event| match event {
            timeline::Event::Recorded(told) => Some(format!("{}: {}", told.reason, told.message)),
            _ => None,
        });
        let killed = "Killing: Container server failed startup probe, will be restarted";
        assert_eq!(told, [format!("12 {killed}"), format!("22 {killed}")]);
    }

    #[test]
    fn a_container_that_never_starts_does_not_keep_the_run_from_settling() {
        let probe = "startupProbe: {periodSeconds: 1, failureThreshold: 2}\n        readinessProbe:";
        let hasty =
            testing::DEPLOYMENT.replace("value: '1'", "value: slow").replace("readinessProbe:", probe);
        let mut world = testing::world("", &[("all.yaml", &hasty)]);
        testing::run_until(&mut world, 30);
        assert!(!crate::kubernetes::is_settled(&world));
        testing::run_until(&mut world, 1000);
        assert!(crate::kubernetes::is_settled(&world));
        let moved = world.observed.moved;
        testing::run_until(&mut world, 3000);
        assert!(pod(&world, pods(&world)[0]).restarts > 6);
        assert_eq!(world.observed.moved, moved);
    }

    #[test]
    fn a_long_run_is_not_held_against_a_container() {
        let probe = "startupProbe: {periodSeconds: 150, failureThreshold: 6}\n        readinessProbe:";
        let patient =
            testing::DEPLOYMENT.replace("value: '1'", "value: slow").replace("readinessProbe:", probe);
        let models = "models: {slow: {latency: {p50: 100ms, p99: 200ms}, load: 1h}}";
        let mut world = testing::world(models, &[("all.yaml", &patient)]);
        testing::run_until(&mut world, 2 + 750 * 4);
        let pod = pod(&world, pods(&world)[0]);
        assert_eq!((pod.restarts, pod.back_off, pod.phase), (4, 1, PodPhase::Started));
    }

    #[test]
    fn a_version_without_behaviour_ends_the_run_and_names_its_like() {
        for (version, help) in [
            ("sloww", "add `sloww` under `models:` (or did you mean `slow`?)"),
            ("zzzzzzzz", "add `zzzzzzzz` under `models:`; it has 1, 2, eager, slow"),
        ] {
            let files = testing::DEPLOYMENT.replace("value: '1'", &format!("value: {version}"));
            let mut world = testing::world("", &[("all.yaml", &files)]);
            let problem = testing::run_to_failure(&mut world, 60);
            assert!(problem.contains(&format!("starts model version `{version}`")), "{problem}");
            assert!(problem.contains(help), "{problem}");
        }
    }
}
