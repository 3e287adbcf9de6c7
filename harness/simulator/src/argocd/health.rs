//! How healthy managed resources are (gitops-engine pkg/health, argo-cd resource_customizations).

use manifests::objects;
use timeline::HealthStatus;
use units::Time;

use super::compare::Compared;
use super::target::live;
use crate::World;
use crate::api::{Body, ObjectId};
use crate::kubernetes::Deployment;
use crate::rollouts;

/// The health of an object; `None` where nothing judges its kind, or nothing writes its status here.
pub(super) fn of(world: &World<'_>, id: ObjectId) -> Option<HealthStatus> {
    let object = world.api.get(id);
    match &object.body {
        Body::Rollout(..) => Some(rollouts::health(world, id).0),
        Body::Deployment(spec, status) => {
            Some(deployment(&spec.spec, status, object.generation, world.now()))
        }
        Body::Plain(plain) => match &**plain {
            // No address is ever given to a load balancer here.
            objects::Object::Service(service) if service.spec.kind == "LoadBalancer" => {
                Some(HealthStatus::Progressing)
            }
            objects::Object::Service(_) => Some(HealthStatus::Healthy),
            _ => None,
        },
        Body::ReplicaSet(_)
        | Body::Pod(_)
        | Body::AnalysisRun(_)
        | Body::Experiment(_)
        | Body::Job(_)
        | Body::Application(..) => None,
    }
}

/// gitops-engine pkg/health/health_deployment.go: getAppsv1DeploymentHealth.
fn deployment(
    spec: &objects::workload::DeploymentSpec,
    status: &Deployment,
    generation: u64,
    now: Time,
) -> HealthStatus {
    if spec.paused {
        return HealthStatus::Suspended;
    }
    let settled = status.observed_generation >= generation
        && status.updated >= spec.replicas()
        && status.replicas <= status.updated
        && status.available >= status.updated;
    if settled {
        HealthStatus::Healthy
    } else if status.observed_generation >= generation
        && now.since(status.progressed) > spec.progress_deadline()
    {
        HealthStatus::Degraded
    } else {
        HealthStatus::Progressing
    }
}

/// Whether objects of a kind have a health check at all.
fn has_check(group: &str, kind: &str) -> bool {
    matches!(
        (group, kind),
        ("argoproj.io", "Rollout" | "AnalysisRun" | "ApplicationSet")
            | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("", "Service" | "PersistentVolumeClaim" | "Pod")
            | ("autoscaling", "HorizontalPodAutoscaler")
            | ("batch", "Job" | "CronJob")
            | ("networking.k8s.io", "Ingress")
            | ("apiregistration.k8s.io", "APIService")
            | ("policy", "PodDisruptionBudget")
            | ("external-secrets.io", "ExternalSecret" | "SecretStore" | "ClusterSecretStore")
    )
}

/// The worst health of all resources that count (argo-cd controller/health.go: setApplicationHealth).
pub(super) fn aggregate<'c>(
    world: &World<'_>,
    resources: impl Iterator<Item = &'c Compared>,
) -> HealthStatus {
    worst(resources.filter_map(|resource| match resource.live {
        Some(id) if live::ignores_health(world.api.get(id)) => None,
        Some(_) => resource.health,
        None => missing(&resource.key.group, &resource.key.kind),
    }))
}

fn worst(counted: impl Iterator<Item = HealthStatus>) -> HealthStatus {
    counted.max().unwrap_or(HealthStatus::Healthy)
}

/// What an object that does not exist counts as.
fn missing(group: &str, kind: &str) -> Option<HealthStatus> {
    has_check(group, kind).then_some(HealthStatus::Missing)
}

/// What is done in place of a kind whose health is judged in a real cluster, and whose controller is
/// not modelled.
pub(super) fn without_controller(group: &str, kind: &str) -> Option<&'static str> {
    match (group, kind) {
        ("autoscaling", "HorizontalPodAutoscaler") => Some("replicas are left as Git declares them"),
        ("external-secrets.io", "ExternalSecret") => {
            Some("its target Secret is taken as present, and its health does not count")
        }
        ("external-secrets.io", "SecretStore" | "ClusterSecretStore") => {
            Some("it is taken as ready, and its health does not count")
        }
        ("argoproj.io", "ApplicationSet") => Some("no Applications are generated from it"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_healthy_when_its_pods_are_of_its_template_and_available() {
        let spec = |text: &str| -> objects::workload::DeploymentSpec {
            let text = format!("replicas: 3\nselector: {{}}\ntemplate: {{spec: {{containers: []}}}}\n{text}");
            yaml::decode(&yaml::parse_one("d.yaml", text.as_bytes()).unwrap()).unwrap()
        };
        let status = |observed_generation, updated, replicas, available| Deployment {
            observed_generation,
            updated,
            replicas,
            available,
            ..Deployment::default()
        };
        let (early, late) = (Time::from_secs(10), Time::from_secs(601));
        let table = [
            (status(1, 3, 3, 3), early, HealthStatus::Healthy),
            (status(0, 3, 3, 3), early, HealthStatus::Progressing),
            (status(1, 2, 3, 3), early, HealthStatus::Progressing),
            (status(1, 3, 4, 3), early, HealthStatus::Progressing),
            (status(1, 3, 3, 2), early, HealthStatus::Progressing),
            (status(1, 3, 3, 2), late, HealthStatus::Degraded),
            (status(1, 3, 3, 3), late, HealthStatus::Healthy),
        ];
        for (status, now, expected) in table {
            assert_eq!(deployment(&spec(""), &status, 1, now), expected, "{status:?}");
        }
        assert_eq!(deployment(&spec("paused: true"), &status(1, 3, 3, 3), 1, early), HealthStatus::Suspended);
    }

    #[test]
    fn an_application_is_as_healthy_as_the_worst_of_its_resources() {
        use HealthStatus::{Degraded, Healthy, Missing, Progressing, Suspended, Unknown};
        let table: &[(&[HealthStatus], HealthStatus)] = &[
            (&[], Healthy),
            (&[Healthy, Suspended], Suspended),
            (&[Suspended, Progressing, Healthy], Progressing),
            (&[Progressing, Missing], Missing),
            (&[Degraded, Missing, Progressing], Degraded),
            (&[Degraded, Unknown, Healthy], Unknown),
        ];
        for (health, expected) in table {
            assert_eq!(worst(health.iter().copied()), *expected, "{health:?}");
        }
    }

    #[test]
    fn a_missing_object_counts_only_if_its_kind_has_a_check() {
        assert_eq!(missing("argoproj.io", "Rollout"), Some(HealthStatus::Missing));
        assert_eq!(missing("", "ConfigMap"), None);
        assert_eq!(missing("argoproj.io", "AnalysisTemplate"), None);
    }
}
