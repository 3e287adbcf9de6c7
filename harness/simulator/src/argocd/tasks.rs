//! The tasks of a sync and their order (gitops-engine pkg/sync/sync_tasks.go).

use std::collections::BTreeMap;

use manifests::objects::ObjectKey;
use planted::Bug;
use timeline::OperationPhase;

use super::compare::Compared;
use super::status::{ResourceResult, ResultCode, SyncPhase};
use super::target::{Target, live};
use crate::World;
use crate::api::ObjectId;

/// One object that a sync has to write or delete.
#[derive(Debug, Clone)]
pub(super) struct SyncTask {
    pub(super) phase: SyncPhase,
    pub(super) wave: i64,
    pub(super) key: ObjectKey,
    /// `None` for an object that is to be pruned.
    pub(super) target: Option<Target>,
    pub(super) live: Option<ObjectId>,
    /// Whether applying it would change anything.
    pub(super) modified: bool,
    /// What was done so far; `None` while it is pending.
    pub(super) done: Option<Done>,
}

/// What was done to a task.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Done {
    pub(super) code: ResultCode,
    pub(super) phase: OperationPhase,
    pub(super) message: String,
}

impl SyncTask {
    /// The task of a compared resource.
    pub(super) fn of(world: &World<'_>, resource: &Compared) -> Self {
        let wave = match (&resource.target, resource.live) {
            (Some(target), _) => target.wave(),
            (None, Some(id)) => live::wave(world.api.get(id)),
            (None, None) => 0,
        };
        Self {
            phase: SyncPhase::Sync,
            wave,
            key: resource.key.clone(),
            target: resource.target.clone(),
            live: resource.live,
            modified: resource.modified,
            done: None,
        }
    }

    pub(super) fn is_prune(&self) -> bool {
        self.target.is_none()
    }

    pub(super) fn is_running(&self) -> bool {
        self.done.as_ref().is_some_and(|done| done.phase == OperationPhase::Running)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.done
            .as_ref()
            .is_some_and(|done| matches!(done.phase, OperationPhase::Failed | OperationPhase::Error))
    }

    /// Where it stands among the waves.
    pub(super) fn step(&self) -> (SyncPhase, i64) {
        (self.phase, self.wave)
    }
}

/// The kinds that others depend on, in the order in which they are applied. All others come last.
const KIND_ORDER: &[&str] = &[
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

/// Puts tasks in order: phase, wave, kind, name; namespaces and definitions of kinds then move before
/// the first object that needs them. Deviation: objects of equal rank keep the order of their keys
/// (upstream leaves it open).
pub(super) fn sort(tasks: &mut Vec<SyncTask>) {
    let rank = |kind: &str| KIND_ORDER.iter().position(|known| *known == kind).unwrap_or(KIND_ORDER.len());
    tasks.sort_by(|a, b| {
        let order = |task: &SyncTask| (task.phase, task.wave, rank(&task.key.kind));
        order(a).cmp(&order(b)).then_with(|| a.key.name.cmp(&b.key.name)).then_with(|| a.key.cmp(&b.key))
    });
    pull_dependencies(tasks, namespace_made, |task| task.key.namespace.as_deref().map(str::to_owned));
    pull_dependencies(tasks, kind_defined, |task| Some(format!("{}/{}", task.key.group, task.key.kind)));
}

/// Moves a task that makes something before the first task that needs it, into its phase and wave
/// (`adjustDeps`).
fn pull_dependencies(
    tasks: &mut Vec<SyncTask>,
    makes: impl Fn(&SyncTask) -> Option<String>,
    needs: impl Fn(&SyncTask) -> Option<String>,
) {
    let mut first_need: BTreeMap<String, usize> = BTreeMap::new();
    for index in 0..tasks.len() {
        if tasks[index].is_prune() {
            continue;
        }
        if let Some(made) = makes(&tasks[index]) {
            if let Some(&first) = first_need.get(&made) {
                let mut task = tasks.remove(index);
                (task.phase, task.wave) = tasks[first].step();
                tasks.insert(first, task);
                first_need.values_mut().filter(|at| **at >= first).for_each(|at| *at += 1);
            }
        } else if let Some(needed) = needs(&tasks[index]) {
            first_need.entry(needed).or_insert(index);
        }
    }
}

fn namespace_made(task: &SyncTask) -> Option<String> {
    (task.key.group.is_empty() && &*task.key.kind == "Namespace").then(|| task.key.name.to_string())
}

fn kind_defined(task: &SyncTask) -> Option<String> {
    let spec = task
        .target
        .as_ref()
        .filter(|target| &*target.key.kind == "CustomResourceDefinition")?
        .manifest
        .get("spec")?;
    Some(format!("{}/{}", spec.str_at(&["group"])?, spec.str_at(&["names", "kind"])?))
}

/// The waves of prunes: in reverse, so that what was made last goes first, and those that are asked to
/// be last after every other wave (`getSyncTasks`).
pub(super) fn order_prunes(world: &World<'_>, tasks: &mut [SyncTask], prune_last: bool) {
    let mut waves: Vec<i64> = tasks.iter().filter(|task| task.is_prune()).map(|task| task.wave).collect();
    waves.sort_unstable();
    waves.dedup();
    let mirrored: BTreeMap<i64, i64> = waves.iter().copied().zip(waves.iter().rev().copied()).collect();
    for task in tasks.iter_mut().filter(|task| task.is_prune()) {
        if !planted::is(Bug::PruneInOrder) {
            task.wave = mirrored[&task.wave];
        }
    }
    let of_sync = tasks.iter().filter(|task| task.phase == SyncPhase::Sync).map(|task| task.wave);
    let last = of_sync.fold(0, i64::max) + 1;
    for task in tasks.iter_mut().filter(|task| task.is_prune()) {
        let asked = task.live.is_some_and(|id| live::has_sync_option(world.api.get(id), "PruneLast=true"));
        if prune_last || asked {
            task.wave = last;
        }
    }
}

/// Adds what was done so far.
pub(super) fn enrich(tasks: &mut [SyncTask], results: &[ResourceResult]) {
    for task in tasks {
        let result = results.iter().find(|result| result.key == task.key && result.sync_phase == task.phase);
        task.done = result.map(|result| Done {
            code: result.code,
            phase: result.phase,
            message: result.message.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(kind: &str, name: &str, wave: i64, namespace: Option<&str>) -> SyncTask {
        let text = format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n");
        let target = Target::new(yaml::parse_one("t.yaml", text.as_bytes()).unwrap(), "app", "ai").unwrap();
        let key = ObjectKey::new("", kind, namespace, name);
        SyncTask {
            phase: SyncPhase::Sync,
            wave,
            key,
            target: Some(target),
            live: None,
            modified: true,
            done: None,
        }
    }

    fn names(tasks: &[SyncTask]) -> Vec<String> {
        tasks.iter().map(|task| format!("{}/{}", task.key.kind, task.key.name)).collect()
    }

    #[test]
    fn tasks_go_by_wave_then_kind_then_name_and_custom_kinds_last() {
        let mut tasks = vec![
            task("Rollout", "model-serving", 0, Some("ai")),
            task("AnalysisTemplate", "quality", 0, Some("ai")),
            task("HorizontalPodAutoscaler", "hpa", 0, Some("ai")),
            task("Service", "b", 0, Some("ai")),
            task("Service", "a", 0, Some("ai")),
            task("ConfigMap", "late", 1, Some("ai")),
            task("ConfigMap", "early", -1, Some("ai")),
        ];
        sort(&mut tasks);
        assert_eq!(
            names(&tasks),
            [
                "ConfigMap/early",
                "Service/a",
                "Service/b",
                "HorizontalPodAutoscaler/hpa",
                "Rollout/model-serving",
                "AnalysisTemplate/quality",
                "ConfigMap/late"
            ]
        );
    }

    #[test]
    fn what_was_made_last_is_pruned_first_and_after_all_else_where_asked() {
        let world = crate::testing::world("", &[("all.yaml", crate::testing::DEPLOYMENT)]);
        let prune = |name, wave| SyncTask { target: None, ..task("ConfigMap", name, wave, Some("ai")) };
        let kept = task("ConfigMap", "kept", 7, Some("ai"));
        let mut tasks = [prune("first", -1), kept, prune("second", 0), prune("third", 5)];
        let waves = |tasks: &[SyncTask]| tasks.iter().map(|task| task.wave).collect::<Vec<_>>();
        order_prunes(&world, &mut tasks, false);
        assert_eq!(waves(&tasks), [5, 7, 0, -1]);
        order_prunes(&world, &mut tasks, true);
        assert_eq!(waves(&tasks), [8, 7, 8, 8]);
    }

    #[test]
    fn a_namespace_moves_before_what_lives_in_it() {
        let mut tasks = vec![
            task("ConfigMap", "c", -5, Some("ai")),
            task("Namespace", "ai", 0, None),
            task("Secret", "s", -5, Some("ai")),
        ];
        sort(&mut tasks);
        assert_eq!(names(&tasks), ["Namespace/ai", "Secret/s", "ConfigMap/c"]);
        assert_eq!(tasks[0].wave, -5);
    }
}
