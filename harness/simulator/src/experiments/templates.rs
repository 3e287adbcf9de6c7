//! The ReplicaSets of an Experiment and their Services (argo-rollouts v1.10.1 `experiments/experiment.go:
//! reconcileTemplate`, `experiments/replicaset.go`, `experiments/service.go`).

use std::sync::Arc;

use manifests::objects::core::{Service, ServiceSpec};
use manifests::objects::rollout::HASH_LABEL;
use manifests::objects::{self, Metadata, ObjectKey};
use timeline::{Event, Role, Scaled, Source};
use units::{Duration, Time};

use super::{Experiment, ExperimentStatus, TemplatePhase, TemplateSpec, TemplateStatus};
use crate::api::{Body, ObjectId};
use crate::kubernetes::{ReplicaSet, as_replica_set};
use crate::{Task, World, rollouts};

/// Makes or scales a template's ReplicaSet, and brings its status up to date.
pub(super) fn reconcile(
    world: &mut World<'_>,
    id: ObjectId,
    experiment: &Experiment,
    template: &TemplateSpec,
    next: &mut ExperimentStatus,
) {
    let before = experiment.status.template(&template.name).cloned();
    let before =
        before.unwrap_or_else(|| TemplateStatus { name: template.name.clone(), ..Default::default() });
    let mut status = before.clone();
    let now = world.now().truncated_to_secs();
    let wanted = experiment.wanted(template);
    let set = match find(world, id, &template.name) {
        None => {
            status.transitioned = Some(now);
            create(world, id, template)
        }
        Some(set) => {
            reconcile_service(world, id, template, set, wanted, &mut status);
            scale(world, id, experiment, template, set, wanted, &mut status);
            set
        }
    };
    count(world, set, &mut status);
    if (before.replicas, before.ready, before.available) != (status.replicas, status.ready, status.available)
    {
        status.transitioned = Some(now);
    }
    assess(experiment, template, wanted, world.now(), &mut status);
    announce(world, id, &before, &status);
    match next.templates.iter_mut().find(|known| known.name == status.name) {
        Some(known) => *known = status,
        None => next.templates.push(status),
    }
}

/// The ReplicaSet of a template, by the end of its name.
fn find(world: &World<'_>, id: ObjectId, template: &str) -> Option<ObjectId> {
    let name = set_name(world, id, template);
    let sets = world.api.owned(id).filter(|object| as_replica_set(object).is_some());
    sets.into_iter().find(|object| *object.key.name == *name).map(|object| object.id)
}

/// The name of a template's ReplicaSet.
pub(super) fn set_name(world: &World<'_>, id: ObjectId, template: &str) -> String {
    format!("{}-{template}", world.api.get(id).key.name)
}

/// `createReplicaSet`: without pods at first.
fn create(world: &mut World<'_>, id: ObjectId, template: &TemplateSpec) -> ObjectId {
    let name = set_name(world, id, &template.name);
    let hash = rollouts::pod_hash(&template.template);
    let mut labels = template.template.metadata.labels.clone();
    labels.insert(HASH_LABEL.to_owned(), hash.clone());
    let set = ReplicaSet::new(Arc::clone(&template.template), hash, HASH_LABEL, template.min_ready);
    let namespace = world.api.get(id).key.namespace.clone();
    let key = ObjectKey::new("apps", "ReplicaSet", namespace.as_deref(), &name);
    let now = world.now();
    let set = world.api.create(key, Some(id), Body::ReplicaSet(set), now);
    world.api.update_metadata(set, |object| object.labels = labels);
    set
}

/// Makes the template's Service while it is to have pods, and deletes it when the last one is gone.
fn reconcile_service(
    world: &mut World<'_>,
    id: ObjectId,
    template: &TemplateSpec,
    set: ObjectId,
    wanted: u32,
    status: &mut TemplateStatus,
) {
    let object = world.api.get(set);
    let Some(replica_set) = as_replica_set(object) else { return };
    let Some(name) = &template.service else { return };
    let name = if name.is_empty() { object.key.name.to_string() } else { name.clone() };
    let key = ObjectKey::new("", "Service", object.key.namespace.as_deref(), &name);
    let present = world.api.find(&key).map(|object| (object.id, object.owner));
    if wanted == 0 {
        if let Some((service, _)) = present.filter(|(_, owner)| *owner == Some(id))
            && replica_set.status.available == 0
        {
            world.api.delete(service);
            (status.service, status.hash) = (None, "".into());
        }
        return;
    }
    let has_ports = template.template.spec.containers.iter().any(|container| !container.ports.is_empty());
    match present {
        Some((_, owner)) if owner == Some(id) => {}
        Some(_) => {
            status.phase = Some(TemplatePhase::Error);
            status.message = format!(
                "Failed to create Service {name} for template '{0}': service {name} already exists and is not owned by \
                 experiment template {0}",
                template.name
            );
        }
        None if has_ports => {
            let hash = replica_set.hash.as_str().into();
            let spec = ServiceSpec { selector: object.labels.clone(), ..ServiceSpec::default() };
            let metadata = Metadata { name: name.clone(), ..Metadata::default() };
            let service = Service { metadata, spec };
            let body = Body::Plain(Arc::new(objects::Object::Service(Arc::new(service))));
            let now = world.now();
            world.api.create(key, Some(id), body, now);
            (status.service, status.hash) = (Some(name), hash);
        }
        None => {}
    }
}

/// Scales the ReplicaSet; at the end its pods stay for a while (`scaleTemplateRS`).
fn scale(
    world: &mut World<'_>,
    id: ObjectId,
    experiment: &Experiment,
    template: &TemplateSpec,
    set: ObjectId,
    mut wanted: u32,
    status: &mut TemplateStatus,
) {
    let Some(replica_set) = as_replica_set(world.api.get(set)) else { return };
    let (present, mut deadline) = (replica_set.replicas, replica_set.noted.scale_down_deadline);
    let delay = experiment.spec.scale_down_delay;
    if wanted == 0 && deadline.is_none() && delay > Duration::ZERO {
        deadline = Some((world.now() + delay).truncated_to_secs());
        world.api.update_metadata(set, |object| {
            if let Body::ReplicaSet(set) = &mut object.body {
                set.noted.scale_down_deadline = deadline;
            }
        });
    }
    if present == wanted {
        return;
    }
    status.transitioned = Some(world.now().truncated_to_secs());
    if wanted == 0
        && let Some(deadline) = deadline.filter(|deadline| *deadline > world.now())
    {
        world.kernel.wake_at(deadline, Task::Experiment(id));
        wanted = template.replicas;
    }
    if present != wanted {
        resize(world, id, experiment, set, (present, wanted));
    }
}

/// `scaleReplicaSetAndRecordEvent`
fn resize(
    world: &mut World<'_>,
    id: ObjectId,
    experiment: &Experiment,
    set: ObjectId,
    (from, to): (u32, u32),
) {
    world.api.update(set, |object| {
        if let Body::ReplicaSet(set) = &mut object.body {
            set.replicas = to;
        }
    });
    let key = &world.api.get(set).key;
    let name = key.name.to_string();
    let namespace = key.namespace.as_deref().unwrap_or_default().to_owned();
    let direction = if from < to { "up" } else { "down" };
    let message = format!("Scaled {direction} ReplicaSet {name} from {from} to {to}");
    world.record(Source::Rollouts, id, false, "ScalingReplicaSet", message);
    let owner = experiment.rollout.to_string();
    let scaled = Scaled { namespace, replica_set: name, owner, role: Role::Other, from, to };
    world.emit(Source::Rollouts, Event::Scaled(scaled));
}

fn count(world: &World<'_>, set: ObjectId, status: &mut TemplateStatus) {
    let Some(set) = as_replica_set(world.api.get(set)) else { return };
    status.replicas = set.status.replicas;
    status.ready = set.status.ready;
    status.available = set.status.available;
}

/// The template's phase; one that is final stays.
fn assess(
    experiment: &Experiment,
    template: &TemplateSpec,
    wanted: u32,
    now: Time,
    status: &mut TemplateStatus,
) {
    if status.phase.is_some_and(TemplatePhase::is_over) {
        return;
    }
    let ends = experiment.is_terminating();
    let phase = if wanted == status.available {
        let is_over = ends || experiment.end().is_some_and(|end| now >= end);
        if is_over { TemplatePhase::Successful } else { TemplatePhase::Running }
    } else {
        let from = status.transitioned.unwrap_or(now);
        let limit = experiment.spec.progress_deadline;
        if now > from && now >= from + limit {
            let seconds = limit.as_secs_f64();
            status.message =
                format!("Template '{}' exceeded its progressDeadlineSeconds ({seconds})", template.name);
            TemplatePhase::Failed
        } else if ends {
            TemplatePhase::Successful
        } else {
            TemplatePhase::Progressing
        }
    };
    status.phase = Some(phase);
}

fn announce(world: &mut World<'_>, id: ObjectId, before: &TemplateStatus, after: &TemplateStatus) {
    let Some(phase) = after.phase.filter(|_| before.phase != after.phase) else { return };
    let earlier = before.phase.map(TemplatePhase::name).unwrap_or_default();
    let mut message = format!("Template '{}' transitioned from {earlier} -> {}", after.name, phase.name());
    if !after.message.is_empty() {
        message = format!("{message}: {}", after.message);
    }
    let warning = matches!(phase, TemplatePhase::Failed | TemplatePhase::Error);
    world.record(Source::Rollouts, id, warning, &format!("Template{}", phase.name()), message);
}
