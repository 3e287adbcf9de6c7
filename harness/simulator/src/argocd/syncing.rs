//! What a sync does (argo-cd controller/sync.go: SyncAppState, gitops-engine pkg/sync/sync_context.go: Sync).

use std::sync::Arc;

use manifests::objects::{self, ObjectKey, is_namespaced};
use timeline::{Event, HealthStatus, OperationPhase, ResourceSynced, Source, SyncOutcome};
use units::Duration;
use yaml::Node;

use super::app::{self, App};
use super::compare::{self, Comparison, EVALUATED};
use super::diff;
use super::discovery;
use super::health;
use super::project::Project;
use super::source::{Request, at_its_place};
use super::status::{
    Condition, ConditionType, Deployed, Operation, OperationState, ResourceResult, ResultCode, SyncPhase,
    SyncResult,
};
use super::target::{Target, live};
use super::tasks::{self, Done, SyncTask};
use crate::World;
use crate::api::Applied;
use crate::world::resource_name;

/// The pause after every wave but the last (`ARGOCD_SYNC_WAVE_DELAY`).
const WAVE_DELAY: Duration = Duration::from_secs(2);

/// Successful syncs that are remembered where the spec does not say.
const HISTORY_LIMIT: i64 = 10;

/// Starts or continues a sync, and puts what comes of it into `state`.
pub(super) fn advance(world: &mut World<'_>, app: &App, project: &Project, state: &mut OperationState) {
    let operation = state.operation.clone();
    let result = state.sync_result.get_or_insert_with(|| SyncResult {
        revision: operation.revision.clone(),
        source: operation.source.clone(),
        resources: Vec::new(),
    });
    let revision = if result.revision.is_empty() {
        result.source.target_revision.clone()
    } else {
        result.revision.clone()
    };
    let request = Request { source: result.source.clone(), revision, hard: false, fresh: true };
    let Some(comparison) = compare::compare(world, app, project, &request) else { return };
    result.revision = comparison.revision.clone();
    if let Some(message) = errors(app, &comparison) {
        (state.phase, state.message) = (OperationPhase::Error, message);
        return;
    }
    let mut sync = Sync {
        app,
        project,
        operation: &operation,
        comparison: &comparison,
        results: std::mem::take(&mut result.resources),
    };
    let outcome = sync.advance(world);
    result.resources = sync.results;
    (state.phase, state.message) = (outcome.phase, outcome.message);
    if outcome.pause {
        state.wave_pause_until = Some(world.now() + WAVE_DELAY);
    }
    if state.phase == OperationPhase::Succeeded && operation.resources.is_empty() {
        remember(world, app, state);
    }
}

/// The conditions that keep an operation from running.
fn errors(app: &App, comparison: &Comparison) -> Option<String> {
    let standing = app.status.conditions.iter().filter(|condition| !EVALUATED.contains(&condition.kind));
    let errors = standing.chain(&comparison.conditions).filter(|condition| match condition.kind {
        ConditionType::ComparisonError | ConditionType::InvalidSpecError => true,
        ConditionType::RepeatedResourceWarning
        | ConditionType::SharedResourceWarning
        | ConditionType::SyncError => false,
    });
    let texts: Vec<String> = errors.map(Condition::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(";"))
}

/// Appends to the history (`persistRevisionHistory`).
fn remember(world: &mut World<'_>, app: &App, state: &OperationState) {
    let Some(result) = &state.sync_result else { return };
    let now = world.now().truncated_to_secs();
    let (revision, started_at, automated) =
        (result.revision.clone(), state.started_at, state.operation.automated);
    let limit = app.spec.spec.revision_history_limit.unwrap_or(HISTORY_LIMIT);
    app::write(world, app.id, |status| {
        let id = status.history.last().map_or(0, |last| last.id + 1);
        status.history.push(Deployed { id, revision, started_at, deployed_at: now, automated });
        let excess = status.history.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        status.history.drain(..excess);
    });
}

/// One visit of a sync.
struct Sync<'s> {
    app: &'s App,
    project: &'s Project,
    operation: &'s Operation,
    comparison: &'s Comparison,
    results: Vec<ResourceResult>,
}

/// Where a visit left the sync.
struct Outcome {
    phase: OperationPhase,
    message: String,
    /// Whether the pause between two waves follows.
    pause: bool,
}

impl Outcome {
    fn new(phase: OperationPhase, message: impl Into<String>) -> Self {
        Self { phase, message: message.into(), pause: false }
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::new(OperationPhase::Failed, message)
    }

    fn succeeded(message: &str) -> Self {
        Self::new(OperationPhase::Succeeded, message)
    }

    /// The failure with the messages of the tasks that failed (`setOperationFailed`).
    fn failed_because(message: &str, tasks: &[SyncTask]) -> Self {
        let mut reasons: Vec<&str> = Vec::new();
        for done in tasks
            .iter()
            .filter_map(|task| task.done.as_ref())
            .filter(|done| done.code == ResultCode::SyncFailed)
        {
            if !reasons.contains(&done.message.as_str()) {
                reasons.push(&done.message);
            }
        }
        match reasons.as_slice() {
            [] => Self::failed(message),
            reasons => Self::failed(format!("{message}, reason: {}", reasons.join(","))),
        }
    }

    /// `waiting for healthy state of …` (`setRunningPhase`).
    fn waiting_for(tasks: &[&SyncTask]) -> Self {
        let Some(first) = tasks.first() else {
            return Self::new(OperationPhase::Running, "one or more tasks are running");
        };
        let key = &first.key;
        let more = match tasks.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more resources"),
        };
        let message = format!("waiting for healthy state of {}/{}/{}{more}", key.group, key.kind, key.name);
        Self::new(OperationPhase::Running, message)
    }
}

impl Sync<'_> {
    fn advance(&mut self, world: &mut World<'_>) -> Outcome {
        let started = !self.results.is_empty();
        let mut tasks = self.tasks(world);
        if !self.are_valid(world, &mut tasks) {
            return Outcome::failed("one or more synchronization tasks are not valid");
        }
        if !started && let Err(failed) = self.prepare(world, &mut tasks) {
            return failed;
        }
        self.update_running(world, &mut tasks);
        let is_multi_step = tasks.first().map(SyncTask::step) != tasks.last().map(SyncTask::step);
        let running: Vec<&SyncTask> =
            tasks.iter().filter(|task| is_multi_step && task.is_running()).collect();
        if !running.is_empty() {
            return Outcome::waiting_for(&running);
        }
        if tasks.iter().any(SyncTask::has_failed) {
            return Outcome::failed_because(
                "one or more synchronization tasks completed unsuccessfully",
                &tasks,
            );
        }
        tasks.retain(|task| task.done.is_none() && !self.is_left_out(task));
        let (Some(first), Some(last)) = (tasks.first().map(SyncTask::step), tasks.last().map(SyncTask::step))
        else {
            return Outcome::succeeded("successfully synced (no more tasks)");
        };
        let later: Vec<SyncTask> = tasks.iter().filter(|task| task.step() != first).cloned().collect();
        tasks.retain(|task| task.step() == first);
        if !self.run(world, &mut tasks) {
            return Outcome::failed_because("one or more objects failed to apply", &tasks);
        }
        if later.is_empty() {
            return Outcome::succeeded("successfully synced (all tasks run)");
        }
        let waiting: Vec<&SyncTask> = later.iter().collect();
        Outcome { pause: first != last, ..Outcome::waiting_for(&waiting) }
    }

    /// What is to be done, in order, with what was done already (`getSyncTasks`).
    fn tasks(&self, world: &World<'_>) -> Vec<SyncTask> {
        let selected = self.comparison.resources.iter().filter(|resource| self.is_selected(&resource.key));
        let mut tasks: Vec<SyncTask> = selected.map(|resource| SyncTask::of(world, resource)).collect();
        tasks.extend(self.namespace_task(world));
        tasks::order_prunes(world, &mut tasks, self.operation.has_option("PruneLast=true"));
        tasks::sort(&mut tasks);
        tasks::enrich(&mut tasks, &self.results);
        tasks
    }

    fn is_selected(&self, key: &ObjectKey) -> bool {
        let selected = &self.operation.resources;
        selected.is_empty()
            || selected
                .iter()
                .any(|one| one.group == key.group && one.kind == key.kind && one.name == key.name)
    }

    /// `ApplyOutOfSyncOnly=true` leaves out what would not change.
    fn is_left_out(&self, task: &SyncTask) -> bool {
        self.operation.has_option("ApplyOutOfSyncOnly=true")
            && !task.modified
            && task.live.is_some()
            && !task.is_prune()
    }

    /// The destination's namespace, if it is to be created and neither exists nor is desired. It is
    /// neither tracked nor pruned (`autoCreateNamespace`).
    fn namespace_task(&self, world: &World<'_>) -> Option<SyncTask> {
        let name = self.app.destination_namespace();
        let key = ObjectKey::new("", "Namespace", None, name);
        let is_target =
            self.comparison.resources.iter().any(|resource| resource.key == key && resource.target.is_some());
        let is_wanted = self.operation.has_option("CreateNamespace=true") && !name.is_empty() && !is_target;
        if !is_wanted || world.api.find(&key).is_some() {
            return None;
        }
        let manifest =
            serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let place = world.api.get(self.app.id).manifest.as_ref()?.place.clone();
        let manifest = Arc::new(Node::from_json(&manifest, &place));
        let api = objects::api_version(&manifest).ok()?;
        let target = Some(Target { key: key.clone(), api, manifest });
        Some(SyncTask {
            phase: SyncPhase::PreSync,
            wave: 0,
            key,
            target,
            live: None,
            modified: true,
            done: None,
        })
    }

    /// Whether every task may be done: the API server knows its kind, the project permits it. If one
    /// may not, nothing is done.
    fn are_valid(&mut self, world: &mut World<'_>, tasks: &mut [SyncTask]) -> bool {
        let mut valid = true;
        for task in tasks {
            let objection = match &task.target {
                Some(target) => {
                    discovery::objection(world, &self.comparison.targets, &task.key, &target.api.version)
                }
                None => None,
            };
            let objection = objection.or_else(|| self.project.permits_sync(&task.key).err());
            if let Some(message) = objection {
                valid = false;
                self.done(world, task, ResultCode::SyncFailed, message);
            }
        }
        valid
    }

    /// Before anything is applied: the namespace is made, and every manifest is checked
    /// (`kubectl apply --dry-run=client`).
    fn prepare(&mut self, world: &mut World<'_>, tasks: &mut [SyncTask]) -> Result<(), Outcome> {
        if let Some(namespace) = tasks.iter_mut().find(|task| task.phase == SyncPhase::PreSync)
            && !self.apply(world, namespace)
        {
            return Err(Outcome::failed_because("the namespace failed to apply", tasks));
        }
        let mut valid = true;
        for task in tasks {
            let Some(target) =
                task.target.as_ref().filter(|_| task.done.is_none() && !self.is_left_out(task))
            else {
                continue;
            };
            if let Err(problem) = objects::Object::decode(&target.manifest) {
                valid = false;
                self.done(world, task, ResultCode::SyncFailed, at_its_place(&problem));
            }
        }
        if valid { Ok(()) } else { Err(Outcome::failed("one or more objects failed to apply (dry run)")) }
    }

    /// What was applied counts as done when it is healthy, or nothing judges its kind.
    fn update_running(&mut self, world: &mut World<'_>, tasks: &mut [SyncTask]) {
        for task in tasks.iter_mut().filter(|task| task.is_running()) {
            let Some(id) = task.live else { continue };
            let phase = match health::of(world, id) {
                None | Some(HealthStatus::Healthy) => OperationPhase::Succeeded,
                Some(HealthStatus::Degraded) => OperationPhase::Failed,
                Some(
                    HealthStatus::Suspended
                    | HealthStatus::Progressing
                    | HealthStatus::Missing
                    | HealthStatus::Unknown,
                ) => continue,
            };
            if let Some(done) = &mut task.done {
                done.phase = phase;
            }
            self.store(task);
        }
    }

    /// Does the tasks of one wave: prunes first, then what is to be applied, also after a failure.
    /// Tells whether all went well.
    fn run(&mut self, world: &mut World<'_>, tasks: &mut [SyncTask]) -> bool {
        for task in tasks.iter_mut().filter(|task| task.is_prune()) {
            self.prune(world, task);
        }
        let mut ok = true;
        for task in tasks.iter_mut().filter(|task| !task.is_prune()) {
            ok &= self.apply(world, task);
        }
        ok
    }

    fn prune(&mut self, world: &mut World<'_>, task: &mut SyncTask) {
        let Some(id) = task.live else { return };
        if !self.operation.prune {
            return self.done(world, task, ResultCode::PruneSkipped, "ignored (requires pruning)".to_owned());
        }
        if live::has_sync_option(world.api.get(id), "Prune=false") {
            return self.done(world, task, ResultCode::PruneSkipped, "ignored (no prune)".to_owned());
        }
        world.api.delete(id);
        self.done(world, task, ResultCode::Pruned, "pruned".to_owned());
    }

    fn apply(&mut self, world: &mut World<'_>, task: &mut SyncTask) -> bool {
        let Some(target) = task.target.clone() else { return true };
        if let Some(namespace) = missing_namespace(world, &task.key) {
            self.done(world, task, ResultCode::SyncFailed, format!("namespaces \"{namespace}\" not found"));
            return false;
        }
        let manifest = self.manifest_to_apply(world, task, &target);
        let now = world.now();
        match world.api.apply(&manifest, self.app.destination_namespace(), now) {
            Ok(applied) => {
                let (verb, outcome, id) = match applied {
                    Applied::Created(id) => ("created", Some(SyncOutcome::Created), id),
                    Applied::Configured(id) => ("configured", Some(SyncOutcome::Configured), id),
                    Applied::Unchanged(id) => ("unchanged", None, id),
                };
                task.live = Some(id);
                let message = format!("{}/{} {verb}", resource_of(&task.key), task.key.name);
                self.done_as(world, task, ResultCode::Synced, message, outcome);
                true
            }
            Err(problem) => {
                self.done(world, task, ResultCode::SyncFailed, at_its_place(&problem));
                false
            }
        }
    }

    fn manifest_to_apply(&self, world: &World<'_>, task: &SyncTask, target: &Target) -> Arc<Node> {
        let ignored = diff::ignored_fields(&self.app.spec.spec.ignore_differences, &task.key);
        let live = task.live.and_then(|id| world.api.get(id).manifest.as_ref());
        match live {
            Some(live)
                if !ignored.is_empty() && self.operation.has_option("RespectIgnoreDifferences=true") =>
            {
                Arc::new(diff::with_live_values(&target.manifest, live, &ignored))
            }
            Some(_) | None => Arc::clone(&target.manifest),
        }
    }

    fn done(&mut self, world: &mut World<'_>, task: &mut SyncTask, code: ResultCode, message: String) {
        let outcome = match code {
            ResultCode::SyncFailed => Some(SyncOutcome::Failed),
            ResultCode::Pruned => Some(SyncOutcome::Pruned),
            ResultCode::Synced | ResultCode::PruneSkipped => None,
        };
        self.done_as(world, task, code, message, outcome);
    }

    /// Notes what was done to a task, and tells the timeline of everything but the unchanged.
    fn done_as(
        &mut self,
        world: &mut World<'_>,
        task: &mut SyncTask,
        code: ResultCode,
        message: String,
        outcome: Option<SyncOutcome>,
    ) {
        if let Some(outcome) = outcome {
            let message = if outcome == SyncOutcome::Failed { message.clone() } else { String::new() };
            let event = ResourceSynced {
                application: self.app.name().to_owned(),
                resource: resource_name(&task.key),
                outcome,
                message,
            };
            world.emit(Source::ArgoCd, Event::ResourceSynced(event));
        }
        task.done = Some(Done { code, phase: code.phase(), message });
        self.store(task);
    }

    fn store(&mut self, task: &SyncTask) {
        let Some(Done { code, phase, message }) = task.done.clone() else { return };
        let result = ResourceResult { key: task.key.clone(), sync_phase: task.phase, code, phase, message };
        match self
            .results
            .iter_mut()
            .find(|known| known.key == result.key && known.sync_phase == result.sync_phase)
        {
            Some(known) => *known = result,
            None => self.results.push(result),
        }
    }
}

/// The namespace of an object, if it does not exist.
fn missing_namespace<'k>(world: &World<'_>, key: &'k ObjectKey) -> Option<&'k str> {
    let namespace =
        key.namespace.as_deref().filter(|_| is_namespaced(&key.group, &key.kind) != Some(false))?;
    world.api.named("", "Namespace", None, namespace).is_none().then_some(namespace)
}

/// `rollout.argoproj.io`, as kubectl names what it wrote.
fn resource_of(key: &ObjectKey) -> String {
    let kind = key.kind.to_lowercase();
    if key.group.is_empty() { kind } else { format!("{kind}.{}", key.group) }
}
