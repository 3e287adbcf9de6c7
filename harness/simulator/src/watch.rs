//! Who is woken by which change: the watches of every controller, in one place.

use timeline::PodPhase;

use crate::api::{Body, ChangeKind, Object, ObjectId};
use crate::kubernetes::as_pod;
use crate::{Task, World, argocd, observe};

/// Hands every change since the last call to the controllers that watch for it.
pub(crate) fn deliver(world: &mut World<'_>) {
    for change in world.api.take_changes() {
        for task in woken(world, change.id, change.kind) {
            world.kernel.wake(task);
        }
        argocd::on_change(world, &change);
        observe::on_change(world, &change);
    }
}

fn woken(world: &World<'_>, id: ObjectId, change: ChangeKind) -> Vec<Task> {
    let object = world.api.get(id);
    let mut tasks = Vec::new();
    match &object.body {
        Body::Pod(pod) => {
            if change == ChangeKind::Created {
                tasks.push(Task::Kubelet(id));
            }
            if change == ChangeKind::Deleted {
                tasks.extend(unscheduled(world));
            }
            tasks.extend(object.owner.filter(|owner| world.api.exists(*owner)).map(Task::ReplicaSet));
            if pod.phase != PodPhase::Pending {
                tasks.extend(services_of(world, object).map(Task::Endpoints));
            }
        }
        Body::ReplicaSet(_) => {
            if matches!(change, ChangeKind::Created | ChangeKind::Updated) {
                tasks.push(Task::ReplicaSet(id));
            }
            tasks.extend(
                object.owner.filter(|owner| world.api.exists(*owner)).map(|owner| owner_task(world, owner)),
            );
        }
        Body::AnalysisRun(_) => {
            tasks.push(Task::AnalysisRun(id));
            tasks.extend(object.owner.filter(|owner| world.api.exists(*owner)).map(Task::Rollout));
        }
        Body::Rollout(..) => tasks.push(Task::Rollout(id)),
        Body::Deployment(..) => {
            tasks.push(Task::Deployment(id));
            tasks.extend(rollouts_beside(world, object));
        }
        Body::Application(..) => {
            if change == ChangeKind::Created {
                tasks.push(Task::ApplicationResync(id));
            }
            tasks.push(Task::Application(id));
        }
        Body::Plain(_) => tasks.extend(woken_by_plain(world, object, change)),
    }
    // An object that is gone has nothing left to reconcile itself.
    if change == ChangeKind::Deleted {
        tasks.retain(|task| !concerns(*task, id));
    }
    tasks
}

fn woken_by_plain(world: &World<'_>, object: &Object, change: ChangeKind) -> Vec<Task> {
    match &*object.key.kind {
        "Service" => {
            let monitors =
                world.api.of_kind("monitoring.coreos.com", "ServiceMonitor").map(|m| Task::Discovery(m.id));
            rollouts_beside(world, object)
                .into_iter()
                .chain([Task::Endpoints(object.id)])
                .chain(monitors)
                .collect()
        }
        "ServiceMonitor" => vec![Task::Discovery(object.id)],
        "AnalysisTemplate" => rollouts_beside(world, object),
        "ClusterAnalysisTemplate" => {
            world.api.of_kind("argoproj.io", "Rollout").map(|r| Task::Rollout(r.id)).collect()
        }
        "Namespace" if change == ChangeKind::Deleted => vec![Task::Namespace(object.id)],
        _ => Vec::new(),
    }
}

fn owner_task(world: &World<'_>, owner: ObjectId) -> Task {
    match world.api.get(owner).body {
        Body::Deployment(..) => Task::Deployment(owner),
        Body::Rollout(..)
        | Body::ReplicaSet(_)
        | Body::Pod(_)
        | Body::AnalysisRun(_)
        | Body::Application(..)
        | Body::Plain(_) => Task::Rollout(owner),
    }
}

/// Pods that wait for room on a node.
fn unscheduled<'w>(world: &'w World<'_>) -> impl Iterator<Item = Task> + 'w {
    let pods = world.api.of_kind("", "Pod");
    pods.filter(|pod| as_pod(pod).is_some_and(|pod| pod.node.is_none())).map(|pod| Task::Kubelet(pod.id))
}

fn services_of<'w>(world: &'w World<'_>, pod: &'w Object) -> impl Iterator<Item = ObjectId> + 'w {
    world
        .api
        .of_kind("", "Service")
        .filter(|service| service.key.namespace == pod.key.namespace)
        .map(|service| service.id)
}

fn rollouts_beside(world: &World<'_>, object: &Object) -> Vec<Task> {
    world
        .api
        .of_kind("argoproj.io", "Rollout")
        .filter(|rollout| rollout.key.namespace == object.key.namespace)
        .map(|rollout| Task::Rollout(rollout.id))
        .collect()
}

fn concerns(task: Task, id: ObjectId) -> bool {
    match task {
        Task::Kubelet(other)
        | Task::ReplicaSet(other)
        | Task::Deployment(other)
        | Task::AnalysisRun(other)
        | Task::Rollout(other)
        | Task::Application(other)
        | Task::ApplicationResync(other) => other == id,
        Task::Action(_)
        | Task::Endpoints(_)
        | Task::Traffic
        | Task::Discovery(_)
        | Task::Scrape(_)
        | Task::Namespace(_) => false,
    }
}
