//! What people do: the scenario's actions, when they are due, and what they change.

use std::sync::Arc;

use manifests::objects::ObjectKey;
use manifests::tree::Tree;
use scenario::{
    Action, DeleteTarget, Merge, PlannedAction, PodRole, ResourceRef, RevertTarget, Scenario, Trigger,
};
use timeline::{ActionPerformed, Commit, CommitReason, Event, PodPhase, Role, Source, Watch};
use units::Time;
use yaml::{Node, Place, Problem, did_you_mean};

use crate::api::{self, Applied, Body, Object, ObjectId};
use crate::git::CommitId;
use crate::{Task, World, argocd, rollouts, traffic};

/// Which actions are still to come, and what the merges so far were.
#[derive(Debug, Default)]
pub(crate) struct State {
    plans: Vec<Plan>,
    /// Entries of the timeline that the plans were shown.
    shown: usize,
    /// The merges so far that were not reverted, oldest first.
    merges: Vec<MergeDone>,
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

#[derive(Debug)]
struct MergeDone {
    id: Option<String>,
    commit: CommitId,
}

impl State {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let plans = scenario.events.iter().map(|event| match &event.trigger {
            Trigger::At(_) => Plan::Timed,
            Trigger::After { reached, .. } => Plan::Watching(Box::new(Watch::new(&reached.0))),
        });
        Self { plans: plans.collect(), ..Self::default() }
    }
}

/// The namespace of an object that names none, as kubectl has it.
const DEFAULT_NAMESPACE: &str = "default";

/// Puts the repository onto the Git host, applies what an operator applies, and plans the actions.
pub(crate) fn begin(world: &mut World<'_>, repository: &Tree) {
    push(
        world,
        repository.clone(),
        "Initial commit",
        "Operator <operator@example.com>",
        CommitReason::Initial,
        None,
    );
    for (index, event) in world.scenario.events.iter().enumerate() {
        if let Trigger::At(at) = event.trigger {
            world.kernel.wake_at(Time::ZERO + at, Task::Action(index));
        }
    }
    ensure_namespaces(world);
    if let Err(problem) =
        apply_files(world, &world.scenario.apply.clone(), &Place::whole(&world.scenario.source))
    {
        world.fail(problem);
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

/// Shows the entries since the last call to the plans that wait for a state.
pub(crate) fn follow(world: &mut World<'_>) {
    let entries = &world.entries[world.actions.shown..];
    world.actions.shown = world.entries.len();
    let now = world.kernel.now();
    for (index, plan) in world.actions.plans.iter_mut().enumerate() {
        let Plan::Watching(watch) = plan else { continue };
        // Every entry is shown, so that the watch knows what held before.
        let entered = entries.iter().fold(false, |entered, entry| watch.entered(entry) || entered);
        if let (true, Trigger::After { wait, .. }) = (entered, &world.scenario.events[index].trigger) {
            *plan = Plan::Timed;
            world.kernel.wake_at(now + *wait, Task::Action(index));
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
    let performed = ActionPerformed { index, action, id: event.id.clone(), text: text_of(&event.action) };
    world.emit(Source::Rehearse, Event::ActionPerformed(performed));
    if let Err(problem) = carry_out(world, event) {
        world.fail(problem);
    }
}

fn text_of(action: &Action) -> String {
    match action {
        Action::Merge(merge) => format!("merge \"{}\"", merge.title),
        Action::Revert(RevertTarget::Last) => "revert the last merge".to_owned(),
        Action::Revert(RevertTarget::Id(id)) => format!("revert `{id}`"),
        Action::Apply(files) => format!("kubectl apply -f {}", files.join(" -f ")),
        Action::Patch { resource, .. } => format!("kubectl patch {} {}", resource.kind, resource.name),
        Action::Delete(DeleteTarget::Resource(resource)) => {
            format!("kubectl delete {} {}", resource.kind, resource.name)
        }
        Action::Delete(DeleteTarget::Pods { of, count, .. }) => {
            format!("kubectl delete {count} pod(s) of {of}")
        }
        Action::Operate { rollout, command } => {
            format!("kubectl argo rollouts {} {rollout}", command.key().replace('_', " --"))
        }
        Action::Refresh { application, hard } => {
            format!("argocd app get {application} --{}refresh", if *hard { "hard-" } else { "" })
        }
        Action::Sync { application } => format!("argocd app sync {application}"),
        Action::Traffic(rate) => format!("clients now send {rate}"),
    }
}

fn carry_out(world: &mut World<'_>, event: &PlannedAction) -> Result<(), Problem> {
    let refused = |why: String| Problem::at(&event.place, why);
    match &event.action {
        Action::Merge(change) => merge(world, event.id.clone(), change, &event.place),
        Action::Revert(target) => revert(world, target, &event.place),
        Action::Apply(files) => apply_files(world, files, &event.place),
        Action::Patch { resource, with } => {
            let id = find(world, resource, &event.place)?;
            world.api.patch(id, with).map(|_| ())
        }
        Action::Delete(DeleteTarget::Resource(resource)) => {
            let id = find(world, resource, &event.place)?;
            world.api.delete(id);
            Ok(())
        }
        Action::Delete(DeleteTarget::Pods { of, role, count }) => {
            delete_pods(world, of, *role, *count, &event.place)
        }
        Action::Operate { rollout, command } => {
            let id = find_rollout(world, rollout, &event.place)?;
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

fn merge(world: &mut World<'_>, id: Option<String>, change: &Merge, place: &Place) -> Result<(), Problem> {
    let head = world.git.head().map(|commit| commit.tree.clone()).unwrap_or_default();
    let tree = changed(&head, change, place)?;
    if tree == head {
        return Err(Problem::at(place, "this merge changes nothing: the files already say so"));
    }
    let commit = push(world, tree, &change.title, &change.author, CommitReason::Merge, None);
    world.actions.merges.push(MergeDone { id, commit });
    Ok(())
}

/// The repository's content with a pull request's changes.
///
/// # Errors
/// An edit or a deletion of a file that is not there, or an edit of one that is not YAML.
pub fn changed(tree: &Tree, change: &Merge, place: &Place) -> Result<Tree, Problem> {
    let missing = |path: &str, place: &Place| {
        let problem = Problem::at(place, format!("the repository has no file `{path}`"));
        match did_you_mean(path, tree.files().map(|(path, _)| path)) {
            Some(similar) => problem.with_help(format!("did you mean `{similar}`?")),
            None => problem,
        }
    };
    let outside = |error: manifests::tree::PathError, place: &Place| Problem::at(place, error.to_string());
    let mut changed = tree.clone();
    for (path, patch) in &change.edit {
        let content = tree.get(path).ok_or_else(|| missing(path, &patch.place))?;
        let mut node = yaml::parse_one(path, content)?;
        api::merge_patch(&mut node, patch);
        changed.insert(path, node.to_yaml().into_bytes()).map_err(|error| outside(error, &patch.place))?;
    }
    for (path, text) in &change.write {
        changed.insert(path, text.clone().into_bytes()).map_err(|error| outside(error, place))?;
    }
    for path in &change.delete {
        changed.remove(path).ok_or_else(|| missing(path, place))?;
    }
    Ok(changed)
}

fn revert(world: &mut World<'_>, target: &RevertTarget, place: &Place) -> Result<(), Problem> {
    let position = match target {
        RevertTarget::Last => world.actions.merges.len().checked_sub(1),
        RevertTarget::Id(id) => world.actions.merges.iter().position(|merge| merge.id.as_ref() == Some(id)),
    };
    let position = position.ok_or_else(|| Problem::at(place, "there is no merge to revert by then"))?;
    let undone = world.actions.merges[position].commit.clone();
    let tree = world.git.reverted(&undone).map_err(|path| {
        Problem::at(place, format!("the revert conflicts: `{path}` was changed again since"))
            .with_help("revert the later change first, or write the wanted content with `merge:`")
    })?;
    world.actions.merges.remove(position);
    let (title, author) = world
        .git
        .commit(&undone)
        .map(|commit| (commit.title.clone(), commit.author.clone()))
        .unwrap_or_default();
    push(world, tree, &format!("Revert \"{title}\""), &author, CommitReason::Revert, Some(undone));
    Ok(())
}

fn push(
    world: &mut World<'_>,
    tree: Tree,
    title: &str,
    author: &str,
    reason: CommitReason,
    reverts: Option<CommitId>,
) -> CommitId {
    let at = world.now();
    let commit = world.git.push(tree, title, author, at, reverts);
    let id = commit.id.clone();
    let event = Commit {
        repository: world.scenario.repository.clone(),
        commit: id.to_string(),
        reason,
        title: commit.title.clone(),
        author: commit.author.clone(),
        files: commit.files.clone(),
        reverts: commit.reverts.as_ref().map(ToString::to_string),
    };
    world.emit(Source::Git, Event::Commit(event));
    if world.scenario.cluster.webhook {
        argocd::on_push(world);
    }
    id
}

fn apply_files(world: &mut World<'_>, files: &[String], place: &Place) -> Result<(), Problem> {
    for path in files {
        let tree = world.git.head().map(|commit| commit.tree.clone()).unwrap_or_default();
        let Some(content) = tree.get(path) else {
            let problem =
                Problem::at(place, format!("`apply` names `{path}`, which the repository does not have"));
            return Err(match did_you_mean(path, tree.files().map(|(path, _)| path)) {
                Some(similar) => problem.with_help(format!("did you mean `{similar}`?")),
                None => problem,
            });
        };
        for document in yaml::parse(path, content)? {
            let now = world.now();
            match world.api.apply(&Arc::new(document), DEFAULT_NAMESPACE, now)? {
                Applied::Created(_) | Applied::Configured(_) | Applied::Unchanged(_) => {}
            }
        }
    }
    Ok(())
}

fn find(world: &World<'_>, wanted: &ResourceRef, place: &Place) -> Result<ObjectId, Problem> {
    let fits = |object: &&Object| {
        let name = match wanted.name.strip_suffix('*') {
            Some(start) => object.key.name.starts_with(start),
            None => *object.key.name == *wanted.name,
        };
        let namespace =
            wanted.namespace.is_none() || wanted.namespace.as_deref() == object.key.namespace.as_deref();
        *object.key.kind == *wanted.kind && name && namespace
    };
    let found: Vec<&ObjectKey> = world.api.all().filter(fits).map(|object| &object.key).collect();
    match found.as_slice() {
        [] => Err(Problem::at(
            place,
            format!("there is no {} `{}` at that time ({})", wanted.kind, wanted.name, world.now()),
        )),
        [key] => Ok(world.api.find(key).expect("the key was just listed").id),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Problem::at(
                place,
                format!("{} `{}` could be {}", wanted.kind, wanted.name, names.join(" or ")),
            )
            .with_help("name the namespace"))
        }
    }
}

fn find_rollout(world: &World<'_>, name: &str, place: &Place) -> Result<ObjectId, Problem> {
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
        None => (None, name),
    };
    find(world, &ResourceRef { kind: "Rollout".to_owned(), name: name.to_owned(), namespace }, place)
}

fn delete_pods(
    world: &mut World<'_>,
    of: &str,
    role: Option<PodRole>,
    count: u32,
    place: &Place,
) -> Result<(), Problem> {
    let rollout = find_rollout(world, of, place)?;
    let wanted = role.map(|role| match role {
        PodRole::Stable => Role::Stable,
        PodRole::Canary => Role::Canary,
    });
    let sets = world.api.owned(rollout).filter(|object| matches!(object.body, Body::ReplicaSet(_)));
    let sets = sets.filter(|set| wanted.is_none_or(|wanted| rollouts::role_of(world, set.id) == wanted));
    let mut pods: Vec<ObjectId> = sets
        .flat_map(|set| world.api.owned(set.id))
        .filter(|pod| matches!(&pod.body, Body::Pod(pod) if pod.phase != PodPhase::Pending))
        .map(|pod| pod.id)
        .collect();
    pods.sort();
    if pods.len() < count as usize {
        return Err(Problem::at(
            place,
            format!("{of} has only {} such pods at that time ({})", pods.len(), world.now()),
        ));
    }
    for pod in pods.into_iter().take(count as usize) {
        world.api.delete(pod);
    }
    Ok(())
}
