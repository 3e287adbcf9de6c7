//! The scheduler and the kubelet: a pod gets a node, its container starts with the environment of that
//! moment, loads its weights and becomes ready.
//!
//! Not modelled, by design: CPU and memory (only `nvidia.com/gpu` decides whether a node has room),
//! image pulls apart from the scenario's `cluster.pod_start`, and liveness probes, which are taken to
//! succeed. A deleted pod is gone at once, since model servers exit on SIGTERM without draining by
//! default (vLLM `--shutdown-timeout=0`).

use std::collections::BTreeMap;
use std::sync::Arc;

use behaviour::Profile;
use manifests::objects::pod::{EnvVar, Probe};
use manifests::objects::{self, Container, ObjectKey, PodSpec};
use timeline::PodPhase;
use units::{Duration, Time};
use yaml::{Problem, did_you_mean};

use super::{Pod, as_pod};
use crate::api::{Body, Object, ObjectId};
use crate::{Task, World};

/// What the kubelet does next with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It starts the container.
    Start,
    /// The readiness probe succeeds.
    Ready,
    /// The startup probe has failed too often; the container is started again.
    Restart,
}

/// How the reason of a pod begins whose environment refers to something that is not there.
pub(crate) const CONFIG_ERROR: &str = "CreateContainerConfigError";

/// How long the kubelet waits before it looks again for a missing ConfigMap or Secret; a real one
/// takes 10 to 15 seconds (kubernetes pkg/kubelet/pod_workers.go: completeWork).
const CONFIG_RETRY: Duration = Duration::from_secs(10);

const GPU: &str = "nvidia.com/gpu";

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
            Next::Restart => restart(world, id),
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
    let wanted = pod.template.spec.request(GPU).whole();
    let room = i128::from(world.scenario.cluster.gpus_per_node);
    let mut taken = vec![0_i128; world.scenario.cluster.nodes as usize];
    for other in world.api.of_kind("", "Pod").filter_map(as_pod) {
        if let Some(node) = other.node {
            taken[node as usize] += other.template.spec.request(GPU).whole();
        }
    }
    // The emptiest node first, as the scheduler's default scoring spreads pods.
    let node = (0..taken.len()).filter(|node| taken[*node] + wanted <= room).min_by_key(|node| taken[*node]);
    let pod_start = world.scenario.cluster.pod_start;
    match node {
        Some(node) => set(world, id, |pod, now| {
            pod.node = Some(node as u32);
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
    let object = world.api.get(id);
    let Some(pod) = as_pod(object) else { return };
    if let Some(missing) = missing_reference(world, object, &pod.template.spec) {
        set(world, id, |pod, now| {
            pod.phase = PodPhase::Waiting;
            pod.reason = format!("{CONFIG_ERROR}: {missing}");
            pod.next = Some((now + CONFIG_RETRY, Next::Start));
        });
        return;
    }
    let environments: Vec<_> =
        pod.template.spec.containers.iter().map(|c| environment(world, object, c)).collect();
    let variable = |name: &str| {
        environments.iter().find_map(|variables| variables.get(name)).map(|v| Arc::<str>::from(v.as_str()))
    };
    let (model, model_name) = (variable("MODEL_VERSION"), variable("MODEL_NAME"));
    let profile = match &model {
        Some(version) => match world.scenario.models.get(&**version) {
            Some(profile) => Some(profile),
            None => {
                let problem = unknown_version(world, version, object);
                world.fail(problem);
                return;
            }
        },
        None => None,
    };
    let fate = fate(&pod.template.spec, profile);
    // A container that is started again keeps its pod's count.
    let kept = pod.model.is_some() && pod.model == model;
    let model_ordinal = match (&model, kept) {
        (Some(version), false) => world.kubernetes.next_pod_of_model(version),
        (Some(_), true) | (None, _) => pod.model_ordinal,
    };
    set(world, id, |pod, now| {
        pod.phase = PodPhase::Started;
        pod.reason.clear();
        pod.started = Some(now);
        pod.serving_from = Some(now + profile.map_or(Duration::ZERO, |profile| profile.load));
        pod.model = model;
        pod.model_name = model_name;
        pod.model_ordinal = model_ordinal;
        pod.next = fate.map(|(after, next)| (now + after, next));
    });
    // A container without a readiness probe is ready the moment it runs.
    reconcile(world, id);
}

fn restart(world: &mut World<'_>, id: ObjectId) {
    set(world, id, |pod, now| {
        let back_off = back_off(pod.restarts);
        pod.restarts += 1;
        pod.phase = PodPhase::Waiting;
        "CrashLoopBackOff: the startup probe failed".clone_into(&mut pod.reason);
        pod.ready_since = None;
        pod.serving_from = None;
        pod.next = Some((now + back_off, Next::Start));
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
    for container in &spec.containers {
        let mut begun = Duration::ZERO;
        if let Some(probe) = &container.startup_probe {
            let given_up = probe.initial_delay() + probe.period() * u64::from(probe.failures() - 1);
            match answers.map(|answers| first_success(probe, answers)).filter(|success| *success <= given_up)
            {
                Some(success) => begun = success,
                None => return Some((given_up, Next::Restart)),
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

/// What the kubelet says of the first ConfigMap or Secret that the pod needs and that is not there.
fn missing_reference(world: &World<'_>, pod: &Object, spec: &PodSpec) -> Option<String> {
    let namespace = pod.key.namespace.as_deref();
    let missing = |kind: &str, name: &str, optional: bool| {
        let key = ObjectKey::new("", kind, namespace, name);
        let present = optional
            || world.api.find(&key).is_some()
            || kind == "Secret" && is_external(world, namespace, name);
        (!present).then(|| format!("{} \"{name}\" not found", kind.to_lowercase()))
    };
    let from_env = |variable: &EnvVar| {
        let source = variable.value_from.as_ref()?;
        let map = source.config_map_key_ref.as_ref().and_then(|r| missing("ConfigMap", &r.name, r.optional));
        map.or_else(|| source.secret_key_ref.as_ref().and_then(|r| missing("Secret", &r.name, r.optional)))
    };
    let in_containers = spec.init_containers.iter().chain(&spec.containers).find_map(|container| {
        let from = container.env_from.iter().find_map(|from| {
            let map = from.config_map_ref.as_ref().and_then(|r| missing("ConfigMap", &r.name, r.optional));
            map.or_else(|| from.secret_ref.as_ref().and_then(|r| missing("Secret", &r.name, r.optional)))
        });
        from.or_else(|| container.env.iter().find_map(from_env))
    });
    in_containers.or_else(|| {
        spec.volumes.iter().find_map(|volume| {
            let map = volume.config_map.as_ref().and_then(|r| missing("ConfigMap", &r.name, r.optional));
            map.or_else(|| volume.secret.as_ref().and_then(|r| missing("Secret", &r.secret_name, r.optional)))
        })
    })
}

/// Whether an ExternalSecret stands for the Secret: External Secrets is not simulated, and what it
/// would make is taken as present.
fn is_external(world: &World<'_>, namespace: Option<&str>, name: &str) -> bool {
    world.api.of_kind("external-secrets.io", "ExternalSecret").any(|object| {
        let Body::Plain(plain) = &object.body else { return false };
        let objects::Object::ExternalSecret(external) = &**plain else { return false };
        object.key.namespace.as_deref() == namespace && external.secret_name() == name
    })
}

/// The environment of a container as it starts: entries of `envFrom` in order, then `env`.
fn environment(world: &World<'_>, pod: &Object, container: &Container) -> BTreeMap<String, String> {
    let namespace = pod.key.namespace.as_deref();
    let mut variables = BTreeMap::new();
    for from in &container.env_from {
        if let Some(reference) = &from.config_map_ref {
            let entries = config_map(world, namespace, &reference.name).into_iter().flatten();
            variables.extend(entries.map(|(key, value)| (format!("{}{key}", from.prefix), value.clone())));
        }
    }
    for variable in &container.env {
        let value = match (&variable.value, &variable.value_from) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(source)) => source.config_map_key_ref.as_ref().and_then(|reference| {
                config_map(world, namespace, &reference.name)?.get(&reference.key).cloned()
            }),
            (None, None) => Some(String::new()),
        };
        if let Some(value) = value {
            variables.insert(variable.name.clone(), value);
        }
    }
    variables
}

fn config_map<'w>(
    world: &'w World<'_>,
    namespace: Option<&str>,
    name: &str,
) -> Option<&'w BTreeMap<String, String>> {
    let object = world.api.find(&ObjectKey::new("", "ConfigMap", namespace, name))?;
    let Body::Plain(plain) = &object.body else { return None };
    match &**plain {
        objects::Object::ConfigMap(map) => Some(&map.data),
        _ => None,
    }
}

fn unknown_version(world: &World<'_>, version: &str, pod: &Object) -> Problem {
    let known: Vec<&str> = world.scenario.models.keys().map(String::as_str).collect();
    let message = format!(
        "pod {} starts model version `{version}`, for which the scenario states no behaviour",
        pod.key.name
    );
    let problem = Problem::at(&yaml::Place::whole(&world.scenario.source), message);
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
        assert_eq!(fate(&hasty, Some(&loads_60s)), Some((Duration::from_secs(20), Next::Restart)));
    }

    #[test]
    fn the_back_off_doubles_to_five_minutes() {
        let waits: Vec<u64> = (0..8).map(|restarts| back_off(restarts).as_secs()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }
}
