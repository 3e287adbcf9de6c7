//! What people do: the scenario's actions, when they are due, and what they change.

use std::sync::Arc;

use manifests::objects;
use manifests::tree::Tree;
use scenario::{Action, DeleteTarget, PlannedAction, Scenario, Trigger};
use timeline::{ActionPerformed, CommitReason, Event, Source, Watch};
use units::Time;
use yaml::{Node, Place, Problem};

use crate::{Index, Task, World, argocd, rollouts, traffic};

mod change;
mod clock;
mod target;

pub(crate) use clock::Clock;

/// Which actions are still to come, and the clock that their times are read on.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    plans: Vec<Plan>,
    /// Entries of the timeline that the plans were shown.
    shown: usize,
}

#[derive(Debug)]
enum Plan {
    /// Waits for a state to be entered.
    Watching(Box<Watch>),
    /// Its time is known.
    Timed,
    /// Done.
    Done,
}

impl State {
    pub(crate) fn new(scenario: &Scenario, speed: f64) -> Self {
        let plans = scenario.events.iter().map(|event| match &event.trigger {
            Trigger::At(_) => Plan::Timed,
            Trigger::After { reached, .. } => Plan::Watching(Box::new(Watch::new(&reached.0))),
        });
        Self { clock: Clock::new(scenario, speed), plans: plans.collect(), shown: 0 }
    }
}

/// The namespace of an object that names none, as kubectl has it.
const DEFAULT_NAMESPACE: &str = "default";

/// Puts the repository onto the Git host, applies what an operator applies, and plans the actions.
pub(crate) fn begin(world: &mut World<'_>, repository: &Tree) {
    let author = "Operator <operator@example.com>";
    let now = world.now();
    world.git.push(repository.clone(), "Initial commit", author, now, CommitReason::Initial, None);
    change::announce(world);
    clock::plan(world);
    ensure_namespaces(world);
    let scenario = world.scenario;
    for (index, file) in scenario.apply.iter().enumerate() {
        if let Err(problem) =
            apply_files(world, std::slice::from_ref(file), &scenario.place_of_applied(index))
        {
            world.fail(problem);
        }
    }
}

/// The namespaces that a cluster with Argo CD, Argo Rollouts and Prometheus has from the start.
fn ensure_namespaces(world: &mut World<'_>) {
    let place = Place::whole(&world.scenario.source);
    for name in ["argocd", "argo-rollouts", DEFAULT_NAMESPACE, "kube-system", "monitoring"] {
        let manifest =
            serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let manifest = Arc::new(Node::from_json(&manifest, &place));
        if let Err(problem) = world.api.apply(&manifest, "", Time::ZERO) {
            world.fail(problem);
        }
    }
}

/// Shows the entries since the last call to the plans that wait for a state, and lets a held clock run.
pub(crate) fn follow(world: &mut World<'_>) {
    clock::start_if_due(world);
    let entries = &world.entries[world.actions.shown..];
    if entries.is_empty() {
        return;
    }
    world.actions.shown = world.entries.len();
    let now = world.kernel.now();
    for (index, plan) in world.actions.plans.iter_mut().enumerate() {
        let Plan::Watching(watch) = plan else { continue };
        let mut entered = false;
        for entry in entries {
            entered |= watch.entered(entry);
        }
        if let (true, Trigger::After { wait, .. }) = (entered, &world.scenario.events[index].trigger) {
            *plan = Plan::Timed;
            world.kernel.wake_at(now + *wait, Task::Action(Index::of(index)));
        }
    }
}

/// Whether no action has a time at which it is still to come.
pub(crate) fn is_settled(world: &World<'_>) -> bool {
    !world.actions.plans.iter().any(|plan| matches!(plan, Plan::Timed))
}

/// Performs an action that is due.
pub(crate) fn perform(world: &mut World<'_>, index: usize) {
    let event = &world.scenario.events[index];
    world.actions.plans[index] = Plan::Done;
    let action = event.action.key().to_owned();
    let performed = ActionPerformed { index, action, id: event.id.clone(), text: event.action.to_string() };
    world.emit(Source::Rehearse, Event::ActionPerformed(performed));
    if let Err(problem) = carry_out(world, event) {
        world.fail(problem);
    }
}

fn carry_out(world: &mut World<'_>, event: &PlannedAction) -> Result<(), Problem> {
    let refused = |why: String| Problem::at(&event.place, why);
    let now = world.now();
    match &event.action {
        Action::Merge(change) => {
            world.git.merge(event.id.clone(), change, now, &event.place)?;
            change::announce(world);
            Ok(())
        }
        Action::Revert(target) => {
            world.git.revert(target, now, &event.place)?;
            change::announce(world);
            Ok(())
        }
        Action::Apply(files) => apply_files(world, files, &event.place),
        Action::Patch { resource, with } => {
            let id = target::find(world, resource, &event.place)?;
            world.api.patch(id, with).map(|_| ())
        }
        Action::Delete(DeleteTarget::Resource(resource)) => {
            let id = target::find(world, resource, &event.place)?;
            world.api.delete(id);
            Ok(())
        }
        Action::Delete(DeleteTarget::Pods { of, role, count }) => {
            target::delete_pods(world, of, *role, *count, &event.place)
        }
        Action::Operate { rollout, command } => {
            let id = target::find_rollout(world, rollout, &event.place)?;
            rollouts::operate(world, id, *command).map_err(refused)
        }
        Action::Refresh { application, hard } => argocd::refresh(world, application, *hard).map_err(refused),
        Action::Sync { application } => argocd::sync(world, application).map_err(refused),
        Action::Traffic(rate) => {
            traffic::set_rate(world, *rate);
            Ok(())
        }
    }
}

/// What `kubectl apply -f` does with files of the branch.
fn apply_files(world: &mut World<'_>, files: &[String], place: &Place) -> Result<(), Problem> {
    for path in files {
        let empty = Tree::default();
        let tree = world.git.head().map_or(&empty, |commit| &commit.tree);
        let documents = tree.documents(path).ok_or_else(|| git::missing_file(tree, path, place))?;
        for document in documents.map_err(Problem::clone)?.to_vec() {
            ensure_accepted(world, &document)?;
            let now = world.now();
            world.api.apply(&Arc::new(document), DEFAULT_NAMESPACE, now)?;
        }
    }
    Ok(())
}

/// Refuses what `kubectl apply` would: an object in a namespace that is not there, and a field that the
/// API does not know, since kubectl asks for strict validation.
fn ensure_accepted(world: &World<'_>, document: &Node) -> Result<(), Problem> {
    let read = objects::Object::read(document)?;
    let key = read.key.defaulted_to(DEFAULT_NAMESPACE);
    if let Some(namespace) = &key.namespace
        && world.api.named("", "Namespace", None, namespace).is_none()
    {
        let named = document.at(&["metadata", "namespace"]).unwrap_or(document);
        let problem = named.problem(format!("{key} cannot be applied: namespaces \"{namespace}\" not found"));
        return Err(problem.with_help(format!("apply the Namespace `{namespace}` before it")));
    }
    let Some(unknown) = read.unknown.first() else { return Ok(()) };
    let message = format!("{key} cannot be applied: unknown field \"{}\"", unknown.path);
    let problem = Problem::at(&unknown.place, message);
    Err(match unknown.did_you_mean {
        Some(similar) => problem.with_help(format!("did you mean `{similar}`?")),
        None => problem,
    })
}

#[cfg(test)]
mod tests;
