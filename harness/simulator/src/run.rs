//! A run from its start to its end.

use std::sync::Arc;

use behaviour::Arrivals;
use manifests::tree::Tree;
use scenario::Scenario;
use timeline::{EndReason, Engine, Event, RunEnded, RunStarted, Source, Timeline};
use units::{Duration, Time};
use yaml::{Node, Problem};

use crate::alerts::ensure_alerts_are_defined;
use crate::{
    Task, World, actions, analysis, argocd, experiments, kubernetes, observe, prometheus, rollouts, traffic,
    watch,
};

/// What a run is fed with.
pub struct Input<'a> {
    /// What is rehearsed.
    pub scenario: &'a Scenario,
    /// The content of the repository that it names.
    pub repository: &'a Tree,
    /// How it is run.
    pub options: &'a Options,
}

/// How a scenario is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed of every random choice.
    pub seed: u64,
    /// Whether requests are drawn or expected values are used.
    pub arrivals: Arrivals,
    /// The longest virtual time that a run may take.
    pub limit: Duration,
    /// The version of rehearse, for the timeline's head.
    pub version: String,
    /// By what factor the scenario and the repository were compressed already, for the timeline's head; 1
    /// for not at all. Above 1 the scenario's clock is held at the beginning, see
    /// [`timeline::ClockStarted`].
    pub speed: f64,
    /// Who renders kustomizations; `None` for the renderer of this project.
    pub render: Option<Render>,
}

/// Renders the kustomization in a folder of a repository: its objects, or what `kustomize` says after
/// `Error: `. A pure crate starts no program, so whoever wants one hands it in.
pub type Render = fn(&Tree, &str) -> Result<Vec<Node>, String>;

/// What a run leaves behind.
#[derive(Debug)]
pub struct Run {
    /// What happened.
    pub timeline: Timeline,
    /// How many tasks the kernel handed out.
    pub tasks: u64,
}

/// More tasks within one virtual instant than any pipeline needs: a controller that wakes itself for ever.
const TASKS_PER_INSTANT: u64 = 100_000;

/// Runs a scenario to its end.
///
/// # Errors
/// What only running can find wrong in the user's input: a model version without behaviour, an action
/// on a resource that does not exist, an edit of a missing file; and an alert that no rule defines.
///
/// # Panics
/// When a controller of the model never comes to rest within an instant, which is a defect.
pub fn simulate(input: &Input<'_>) -> Result<Run, Problem> {
    ensure_alerts_are_defined(input.scenario, input.repository)?;
    let mut world = World::new(input.scenario, input.options);
    begin(&mut world, input.repository);
    let reason = run_to_end(&mut world);
    if let Some(problem) = world.failure.take() {
        return Err(problem);
    }
    traffic::close(&mut world);
    let unused_answers = world.questions.unused(&world.scenario.answers);
    world.emit(Source::Rehearse, Event::RunEnded(RunEnded { reason, unused_answers }));
    Ok(Run { tasks: world.kernel.steps(), timeline: Timeline { entries: world.entries } })
}

pub(crate) fn begin(world: &mut World<'_>, repository: &Tree) {
    let slow = traffic::slow_bound(world.scenario, repository);
    world.traffic.set_slow_bound(slow.as_ref().map(|bound| bound.seconds));
    let started = RunStarted {
        rehearse: world.options.version.clone(),
        format: timeline::FORMAT,
        scenario: world.scenario.name.clone(),
        engine: Engine::Sim,
        seed: world.options.seed,
        speed: world.options.speed,
        slow,
    };
    world.emit(Source::Rehearse, Event::RunStarted(started));
    actions::begin(world, repository);
    rollouts::begin(world);
    after_task(world);
}

fn run_to_end(world: &mut World<'_>) -> EndReason {
    let (mut instant, mut tasks_in_instant) = (Time::ZERO, 0);
    loop {
        if world.failure.is_some() {
            return EndReason::Interrupted;
        }
        if let Some(settled) = settled_at(world) {
            // Nothing happens until then, so that the clock only has to be moved.
            while world.kernel.next(settled).is_some() {}
            return EndReason::Settled;
        }
        let (limit, at_limit) = match world.scenario.duration {
            Some(duration) => (world.actions.clock.after(duration), EndReason::DurationReached),
            None => (Time::ZERO + world.options.limit, EndReason::TimeLimit),
        };
        let Some(task) = world.kernel.next(limit) else { return at_limit };
        if world.now() > instant {
            (instant, tasks_in_instant) = (world.now(), 0);
        }
        tasks_in_instant += 1;
        assert!(tasks_in_instant < TASKS_PER_INSTANT, "{task:?} never comes to rest at {instant}");
        perform(world, task);
        after_task(world);
    }
}

pub(crate) fn perform(world: &mut World<'_>, task: Task) {
    match task {
        Task::Action(index) => actions::perform(world, index.position()),
        Task::Kubelet(id) => kubernetes::kubelet::reconcile(world, id),
        Task::ReplicaSet(id) => kubernetes::replica_set::reconcile(world, id),
        Task::Deployment(id) => kubernetes::deployment::reconcile(world, id),
        Task::Endpoints(id) => kubernetes::endpoints::reconcile(world, id),
        Task::Job(id) => kubernetes::job::finish(world, id),
        Task::Namespace(id) => kubernetes::remove_contents(world, id),
        Task::Traffic => traffic::advance(world),
        Task::Discovery(id) => prometheus::discover(world, id),
        Task::Scrape(target) => prometheus::scrape(world, target.position()),
        Task::Rules(id) => prometheus::notice_rules(world, id),
        Task::RuleGroup(group) => prometheus::evaluate_rules(world, group.position()),
        Task::AnalysisRun(id) => analysis::reconcile(world, id),
        Task::Experiment(id) => experiments::reconcile(world, id),
        Task::Rollout(id) => rollouts::reconcile(world, id),
        Task::RolloutsResync => rollouts::resync(world),
        Task::Application(id) => argocd::reconcile(world, id),
        Task::ApplicationResync(id) => argocd::resync(world, id),
        // What it is for happens after every task.
        Task::Clock => {}
    }
}

pub(crate) fn after_task(world: &mut World<'_>) {
    watch::deliver(world);
    observe::write_changes(world);
    actions::follow(world);
}

/// When the run ends because everything has settled: `settle` after the last thing that moved, if
/// nothing is under way and no action is still to come by then.
fn settled_at(world: &World<'_>) -> Option<Time> {
    let end = world.observed.moved + world.scenario.settle;
    let next = world.kernel.next_at()?;
    let at_rest = world.scenario.duration.is_none()
        && next > end.max(world.now())
        && actions::is_settled(world)
        && everything_settled(world);
    at_rest.then_some(end)
}

pub(crate) fn everything_settled(world: &World<'_>) -> bool {
    kubernetes::is_settled(world)
        && observe::no_followed_alert_is_pending(world)
        && world.api.of_kind("argoproj.io", "Application").all(|app| argocd::is_settled(world, app.id))
        && world.api.of_kind("argoproj.io", "Rollout").all(|rollout| rollouts::is_settled(world, rollout.id))
}

/// A tree from paths and texts, for tests and examples.
pub fn tree_of<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.insert(path, Arc::<[u8]>::from(text.as_bytes()))
            .expect("a test names only paths inside its repository");
    }
    tree
}
