//! Who is woken by which change: the watches of every controller, in one place.

use timeline::PodPhase;

use crate::analysis::AnalysisRun;
use crate::api::{Body, ChangeKind, Object, ObjectId};
use crate::kubernetes::as_pod;
use crate::{Task, World, argocd, observe, rollouts};

/// Hands every change since the last call to the controllers that watch for it.
pub(crate) fn deliver(world: &mut World<'_>) {
    if !world.api.has_news() {
        return;
    }
    for change in world.api.take_changes() {
        for task in woken(world, change.id, change.kind) {
            rollouts::wake(world, task);
        }
        argocd::on_change(world, &change);
        observe::on_change(world, &change);
    }
    for found in world.api.take_not_modelled() {
        world.not_simulated(found.path, found.place.to_string(), found.why);
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
            tasks.extend(owner_of(world, object).map(Task::ReplicaSet));
            if pod.phase != PodPhase::Pending {
                tasks.extend(services_of(world, object).map(Task::Endpoints));
            }
        }
        Body::ReplicaSet(_) => {
            if matches!(change, ChangeKind::Created | ChangeKind::Updated) {
                tasks.push(Task::ReplicaSet(id));
            }
            tasks.extend(owner_of(world, object).map(|owner| owner_task(world, owner)));
        }
        Body::AnalysisRun(run) => {
            tasks.push(Task::AnalysisRun(id));
            let owner = owner_of(world, object).map(|owner| owner_task(world, owner));
            tasks.extend(owner.filter(|owner| matters(run, change, *owner)));
        }
        Body::Experiment(_) => {
            tasks.push(Task::Experiment(id));
            tasks.extend(owner_of(world, object).map(Task::Rollout));
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
        // The controller looks at Jobs that are over (`analysis/controller.go: enqueueJobIfCompleted`).
        Body::Job(job) if job.condition.is_some() => {
            tasks.extend(owner_of(world, object).map(Task::AnalysisRun));
        }
        Body::Job(_) => {}
        Body::Plain(_) => tasks.extend(woken_by_plain(world, object, change)),
    }
    // An object that is gone has nothing left to reconcile itself.
    if change == ChangeKind::Deleted {
        tasks.retain(|task| !concerns(*task, id));
    }
    tasks
}

/// Whether the owner of a run looks after a change of it: a Rollout when its phase changes, an Experiment when it is
/// over (argo-rollouts v1.10.1 `rollout/controller.go` and `experiments/controller.go`, the handlers of the
/// AnalysisRunInformer).
fn matters(run: &AnalysisRun, change: ChangeKind, owner: Task) -> bool {
    match change {
        _ if matches!(owner, Task::Experiment(_)) => run.status.is_completed(),
        ChangeKind::Created | ChangeKind::RunPhase | ChangeKind::Deleted => true,
        ChangeKind::Updated | ChangeKind::Status => false,
    }
}

fn woken_by_plain(world: &World<'_>, object: &Object, change: ChangeKind) -> Vec<Task> {
    match (&*object.key.group, &*object.key.kind) {
        ("", "Service") => {
            let mut tasks = rollouts_beside(world, object);
            tasks.extend([Task::Endpoints(object.id), Task::Discovery(object.id)]);
            tasks
        }
        ("monitoring.coreos.com", "ServiceMonitor") => {
            world.api.of_kind("", "Service").map(|service| Task::Discovery(service.id)).collect()
        }
        ("monitoring.coreos.com", "PrometheusRule") => vec![Task::Rules(object.id)],
        ("argoproj.io", "AnalysisTemplate") => rollouts_beside(world, object),
        ("argoproj.io", "ClusterAnalysisTemplate") => {
            world.api.of_kind("argoproj.io", "Rollout").map(|rollout| Task::Rollout(rollout.id)).collect()
        }
        ("", "Namespace") if change == ChangeKind::Deleted => vec![Task::Namespace(object.id)],
        (_, _) => Vec::new(),
    }
}

fn owner_of(world: &World<'_>, object: &Object) -> Option<ObjectId> {
    object.owner.filter(|owner| world.api.exists(*owner))
}

fn owner_task(world: &World<'_>, owner: ObjectId) -> Task {
    match world.api.get(owner).body {
        Body::Deployment(..) => Task::Deployment(owner),
        Body::Experiment(_) => Task::Experiment(owner),
        Body::Rollout(..)
        | Body::ReplicaSet(_)
        | Body::Pod(_)
        | Body::AnalysisRun(_)
        | Body::Application(..)
        | Body::Job(_)
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
        | Task::Experiment(other)
        | Task::Rollout(other)
        | Task::Application(other)
        | Task::ApplicationResync(other) => other == id,
        Task::Action(_)
        | Task::Endpoints(_)
        | Task::Job(_)
        | Task::Traffic
        | Task::Discovery(_)
        | Task::Scrape(_)
        | Task::Rules(_)
        | Task::RuleGroup(_)
        | Task::Namespace(_)
        | Task::RolloutsResync
        | Task::Clock => false,
    }
}

#[cfg(test)]
mod tests {
    use manifests::objects::rollout::MergedAnalysis;
    use timeline::AnalysisPhase;

    use super::*;
    use crate::analysis::RunStatus;
    use crate::api::ChangeKind::{Created, Deleted, Status, Updated};
    use crate::testing;

    const ROLLOUT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: canary}
spec: {selector: {matchLabels: {app: c}}, strategy: {canary: {}}, template: {metadata: {labels: {app: c}}}}
";

    fn names(world: &World<'_>, tasks: &[Task]) -> Vec<String> {
        let name = |id: &ObjectId| &world.api.get(*id).key.name;
        let of = |task: &Task| match task {
            Task::Kubelet(id) => format!("kubelet of {}", name(id)),
            Task::ReplicaSet(_) => "its replica set".to_owned(),
            Task::Deployment(id) => format!("deployment {}", name(id)),
            Task::Rollout(id) => format!("rollout {}", name(id)),
            Task::Endpoints(id) => format!("endpoints {}", name(id)),
            Task::Discovery(id) => format!("discovery {}", name(id)),
            Task::Namespace(id) => format!("namespace {}", name(id)),
            other => format!("{other:?}"),
        };
        tasks.iter().map(of).collect()
    }

    #[test]
    fn every_change_wakes_those_who_watch_for_it() {
        let template = "\napiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: gate}\nspec: {metrics: []}\n";
        let knative = "\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: other}\n";
        let files = [testing::DEPLOYMENT, testing::SERVICE, testing::MONITOR, template, knative].join("---");
        let mut world = testing::world("", &[("all.yaml", &files)]);
        testing::run_until(&mut world, 30);
        testing::apply(&mut world, ROLLOUT);
        let world = &world;
        let id = |kind: &str, name: &str| testing::id(world, kind, name);
        let deployment = id("Deployment", "web");
        let set = world.api.owned(deployment).next().unwrap().id;
        let pod = world.api.owned(set).next().unwrap().id;
        let knative = world.api.of_kind("serving.knative.dev", "Service").next().unwrap().id;
        for (changed, kind, woken) in [
            (pod, Status, vec!["its replica set", "endpoints web"]),
            (pod, Updated, vec!["its replica set", "endpoints web"]),
            (pod, Deleted, vec!["its replica set", "endpoints web"]),
            (set, Updated, vec!["its replica set", "deployment web"]),
            (set, Status, vec!["deployment web"]),
            (set, Deleted, vec!["deployment web"]),
            (deployment, Updated, vec!["deployment web", "rollout canary"]),
            (deployment, Deleted, vec!["rollout canary"]),
            (id("Rollout", "canary"), Status, vec!["rollout canary"]),
            (id("Rollout", "canary"), Deleted, vec![]),
            (id("Service", "web"), Updated, vec!["rollout canary", "endpoints web", "discovery web"]),
            (id("Service", "web"), Deleted, vec!["rollout canary", "endpoints web", "discovery web"]),
            (id("ServiceMonitor", "web"), Created, vec!["discovery web"]),
            (id("ServiceMonitor", "web"), Deleted, vec!["discovery web"]),
            (id("AnalysisTemplate", "gate"), Updated, vec!["rollout canary"]),
            (knative, Created, vec![]),
            (id("Namespace", "default"), Updated, vec![]),
            (id("Namespace", "default"), Deleted, vec!["namespace default"]),
        ] {
            let tasks = names(world, &super::woken(world, changed, kind));
            assert_eq!(tasks, woken, "{} {kind:?}", world.api.get(changed).key);
        }
    }

    /// A Rollout looks after its AnalysisRun when that has another phase, not after every measurement.
    #[test]
    fn of_a_run_s_changes_only_its_phase_wakes_the_rollout() {
        let mut world = testing::world("", &[]);
        testing::apply(&mut world, ROLLOUT);
        let rollout = testing::id(&world, "Rollout", "canary");
        let key = manifests::objects::ObjectKey::new("argoproj.io", "AnalysisRun", Some("default"), "run");
        let run = AnalysisRun::new("canary".into(), "hash".into(), None, MergedAnalysis::default());
        let run = world.api.create(key, Some(rollout), Body::AnalysisRun(run), units::Time::ZERO);
        let write = |world: &mut World<'_>, change: fn(&mut RunStatus)| {
            world.api.take_changes();
            world.api.update_status(run, |object| {
                let Body::AnalysisRun(run) = &mut object.body else { panic!("it is a run") };
                change(&mut run.status);
            });
            let change = world.api.take_changes().remove(0);
            super::woken(world, change.id, change.kind)
        };
        let (itself, owner) = (Task::AnalysisRun(run), Task::Rollout(rollout));
        let running = |status: &mut RunStatus| status.phase = Some(AnalysisPhase::Running);
        assert_eq!(write(&mut world, running), [itself, owner]);
        assert_eq!(write(&mut world, |status| status.message = "measured".to_owned()), [itself]);
        assert_eq!(super::woken(&world, run, Created), [itself, owner]);
        assert_eq!(super::woken(&world, run, Updated), [itself]);
        assert_eq!(super::woken(&world, run, Deleted), [owner]);
    }

    #[test]
    fn a_field_that_is_not_modelled_is_reported_once_by_path_and_place() {
        let sticky = testing::SERVICE.replace("spec:", "spec:\n  sessionAffinity: ClientIP");
        let mut world = testing::world("", &[("all.yaml", &sticky)]);
        testing::apply(&mut world, &sticky);
        let found: Vec<String> = world
            .entries
            .iter()
            .filter_map(|entry| match &entry.event {
                timeline::Event::NotSimulated(found) => Some(format!("{} at {}", found.what, found.place)),
                _ => None,
            })
            .collect();
        assert_eq!(found, ["spec.sessionAffinity at all.yaml:6:20"]);
    }
}
