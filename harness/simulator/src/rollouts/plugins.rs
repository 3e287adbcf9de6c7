//! Steps that run a plugin (argo-rollouts v1.10.1 `rollout/stepplugin.go`, `rollout/steps/plugin/plugin.go`), which the
//! scenario answers.

use std::sync::Arc;

use manifests::objects::rollout::PluginStep;
use planted::Bug;
use scenario::{PluginOperation, PluginPhase, PluginReply};
use timeline::{RolloutPhase, Source};
use units::{Duration, Time};
use yaml::Problem;

use super::pass::Pass;
use super::steps;
use crate::answers::Asked;
use crate::{Task, World};

/// Until a Running plugin is asked again that does not say when; also the least that it can say
/// (`defaultRequeuDuration`, `minRequeueDuration`).
const REQUEUE: Duration = Duration::from_secs(30);
const LEAST_REQUEUE: Duration = Duration::from_secs(10);

/// Until a plugin is asked again whose call failed (`defaultErrorBackoff`).
const ERROR_BACKOFF: Duration = Duration::from_secs(30);

/// How long after that moment the pass comes (`defaultBackoffDelay`).
const DELAY: Duration = Duration::from_secs(5);

/// When the next pass comes after an error of the controller's own (`defaultControllerErrorBackoff`).
const CONTROLLER_BACKOFF: Duration = Duration::from_secs(30);

/// What the controller keeps of one operation of one step's plugin (`StepPluginStatus`).
#[derive(Debug, Clone, PartialEq)]
pub struct PluginStatus {
    /// The step, from 0.
    pub index: u32,
    /// The plugin.
    pub name: Arc<str>,
    /// What it was asked to do.
    pub operation: PluginOperation,
    /// What it said last.
    pub phase: PluginPhase,
    /// What it said beside.
    pub message: String,
    /// When it was asked first.
    pub started: Time,
    /// When it was asked last.
    pub updated: Time,
    /// For how long it is not asked again after that. A plugin that says Error leaves none, which upstream cannot read.
    pub backoff: Option<Duration>,
    /// How often it was asked to Run.
    pub executions: u32,
}

/// Asks the plugin of the step to run, and plugins that ran to take it back after an abort, or to stop where the
/// update is promoted in full (`reconcile`).
///
/// # Errors
/// A run of which the scenario says nothing.
pub(super) fn reconcile(world: &mut World<'_>, pass: &mut Pass) -> Result<(), Problem> {
    pass.plugins = Some(pass.before.plugins.clone());
    if pass.pauses.is_aborted(&pass.before) {
        for index in (0..pass.before.plugins.len()).rev() {
            let ran = pass.before.plugins[index].clone();
            let takes_back = matches!(ran.phase, PluginPhase::Running | PluginPhase::Successful);
            if ran.operation == PluginOperation::Run && takes_back && !planted::is(Bug::PluginNotTakenBack) {
                once(world, pass, &ran, PluginOperation::Abort);
            }
        }
        return Ok(());
    }
    if pass.before.promote_full || pass.before.is_fully_promoted() {
        if let Some(running) = to_terminate(&pass.before.plugins) {
            once(world, pass, &running, PluginOperation::Terminate);
        }
        return Ok(());
    }
    forget_before_retry(pass);
    let rollout = Arc::clone(&pass.rollout);
    let (Some(step), Some(index)) = steps::current(&rollout, &pass.before) else { return Ok(()) };
    match &step.plugin {
        Some(plugin) if pass.before.phase == Some(RolloutPhase::Progressing) => {
            run(world, pass, index, plugin, step.place.as_ref())
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether the plugin of a step is through (`isStepPluginCompleted`). A pass that did not get as far as the plugins knows
/// of none.
pub(super) fn is_complete(pass: &Pass, index: u32) -> bool {
    let Some(plugins) = pass.plugins.as_ref().filter(|_| !pass.plugin_error) else { return false };
    let of = |operation| find(plugins, index, None, operation);
    match of(PluginOperation::Run).map(|ran| ran.phase) {
        Some(PluginPhase::Successful | PluginPhase::Failed) => true,
        Some(PluginPhase::Running) => {
            of(PluginOperation::Terminate).is_some() || of(PluginOperation::Abort).is_some()
        }
        Some(PluginPhase::Error) | None => false,
    }
}

/// When the next plugin can be asked again: a Rollout that is looked at always does not wait for the pass that comes later.
pub(super) fn due(plugins: &[PluginStatus], now: Time) -> Option<Time> {
    let waits = |status: &&PluginStatus| matches!(status.phase, PluginPhase::Running | PluginPhase::Error);
    let ends = plugins.iter().filter(waits).filter_map(|status| Some(status.updated + status.backoff?));
    ends.filter(|end| *end > now).min()
}

/// Asks a plugin to Run, and reacts to what it says.
fn run(
    world: &mut World<'_>,
    pass: &mut Pass,
    index: u32,
    plugin: &PluginStep,
    place: Option<&yaml::Place>,
) -> Result<(), Problem> {
    let name = plugin.name.as_str();
    let before = find(&pass.before.plugins, index, Some(name), PluginOperation::Run).cloned();
    let status = match before {
        Some(PluginStatus { phase: PluginPhase::Successful | PluginPhase::Failed, .. }) => return Ok(()),
        Some(PluginStatus { executions: 1.., backoff: None, .. }) => {
            fail(world, pass, "failed to run plugin: could not parse backoff duration");
            return Ok(());
        }
        Some(waiting @ PluginStatus { executions: 1.., backoff: Some(backoff), .. })
            if waiting.updated + backoff > pass.now && !planted::is(Bug::PluginAskedByEveryPass) =>
        {
            waiting
        }
        before => {
            let mut status = before.unwrap_or_else(|| PluginStatus {
                index,
                name: name.into(),
                operation: PluginOperation::Run,
                phase: PluginPhase::Running,
                message: String::new(),
                started: pass.now,
                updated: pass.now,
                backoff: None,
                executions: 0,
            });
            let asked = Asked::about(world, pass.new_set().id);
            let answers = &world.scenario.answers;
            let (reply, takes) =
                world.questions.plugin(answers, name, PluginOperation::Run, &asked, place)?;
            status.hear(reply, takes, pass.now);
            status
        }
    };
    keep(world, pass, &status);
    match (status.phase, status.backoff) {
        (PluginPhase::Running | PluginPhase::Error, Some(backoff)) => {
            world.kernel.requeue_at(status.updated + backoff + DELAY, Task::Rollout(pass.id));
        }
        (PluginPhase::Running | PluginPhase::Error, None) => {
            fail(world, pass, "failed to parse backoff duration");
        }
        (PluginPhase::Failed, _) => {
            let message = format!("Step Plugin {} ({name}) failed: {}", index + 1, status.message);
            pass.pauses.abort(message);
        }
        (PluginPhase::Successful, _) => {}
    }
    Ok(())
}

/// Asks a plugin once to Terminate or to Abort what it runs or ran. Without an answer it succeeds, as one does that says
/// nothing.
fn once(world: &mut World<'_>, pass: &mut Pass, ran: &PluginStatus, operation: PluginOperation) {
    if find(&pass.before.plugins, ran.index, Some(&ran.name), operation).is_some() {
        return;
    }
    let asked = Asked::about(world, pass.new_set().id);
    let answers = &world.scenario.answers;
    let answer = world.questions.plugin(answers, &ran.name, operation, &asked, None);
    let (phase, message) = match answer.map(|(reply, _)| reply) {
        Ok(PluginReply::Result { phase: PluginPhase::Running, message, .. }) => {
            // It cannot go on: nobody would ask again.
            (PluginPhase::Failed, message.clone())
        }
        Ok(PluginReply::Result { phase, message, .. }) => (*phase, message.clone()),
        Ok(PluginReply::Unreachable(cause)) => (PluginPhase::Error, cause.clone()),
        Err(_) => (PluginPhase::Successful, String::new()),
    };
    let status = PluginStatus {
        operation,
        phase,
        message,
        started: pass.now,
        updated: pass.now,
        backoff: None,
        executions: 0,
        ..ran.clone()
    };
    keep(world, pass, &status);
}

impl PluginStatus {
    /// Takes down what the plugin says (`stepPlugin.Run`).
    fn hear(&mut self, reply: &PluginReply, takes: Duration, now: Time) {
        self.updated = now;
        self.executions += 1;
        self.backoff = None;
        match reply {
            PluginReply::Unreachable(cause) => {
                (self.phase, self.backoff) = (PluginPhase::Error, Some(ERROR_BACKOFF));
                self.message.clone_from(cause);
            }
            PluginReply::Result { phase, message, requeue_after } => {
                let is_over = now >= self.started + takes;
                self.phase = if is_over { *phase } else { PluginPhase::Running };
                self.message = if is_over { message.clone() } else { String::new() };
                if self.phase == PluginPhase::Running {
                    let wanted = *requeue_after;
                    self.backoff = Some(if wanted > LEAST_REQUEUE { wanted } else { REQUEUE });
                }
            }
        }
    }

    /// What the announcement says was done (`recordPhase`).
    fn done(&self) -> String {
        match self.operation {
            PluginOperation::Run => format!("transitioned to {}", self.phase.name()),
            PluginOperation::Abort => format!("aborted ({})", self.phase.name()),
            PluginOperation::Terminate => format!("terminated ({})", self.phase.name()),
        }
    }
}

/// Puts a status in the place of the one of the same step and operation, and tells of another phase
/// (`updateStepPluginStatus`, `recordPhase`). The end of a run is told as that of the step.
fn keep(world: &mut World<'_>, pass: &mut Pass, status: &PluginStatus) {
    let (started, updated) = (status.started.truncated_to_secs(), status.updated.truncated_to_secs());
    let kept = PluginStatus { started, updated, ..status.clone() };
    let same = |kept: &&mut PluginStatus| (kept.index, kept.operation) == (status.index, status.operation);
    let plugins = pass.plugins.get_or_insert_default();
    let before = match plugins.iter_mut().find(same) {
        Some(place) => Some(std::mem::replace(place, kept).phase),
        None => {
            plugins.push(kept);
            None
        }
    };
    let ends = status.operation == PluginOperation::Run && status.phase == PluginPhase::Successful;
    if before == Some(status.phase) || ends {
        return;
    }
    let warning = matches!(status.phase, PluginPhase::Error | PluginPhase::Failed);
    let message = format!("Step plugin {} (step {}) {}", status.name, status.index + 1, status.done());
    world.record(Source::Rollouts, pass.id, warning, "StepPluginTransition", message);
}

/// An error of the controller's own, after which it looks again (`handleError`). Only one can come about here: a plugin
/// said Error and so left no backoff, which upstream then cannot read.
fn fail(world: &mut World<'_>, pass: &mut Pass, what: &str) {
    pass.plugin_error = true;
    let message = format!("Reconciliation failed with error: {what}: time: invalid duration \"\"");
    world.record(Source::Rollouts, pass.id, true, "ReconciliationError", message);
    world.kernel.requeue_at(pass.now + CONTROLLER_BACKOFF, Task::Rollout(pass.id));
}

/// The last run that goes on, unless it was stopped already (`getStepToTerminate`).
fn to_terminate(plugins: &[PluginStatus]) -> Option<PluginStatus> {
    let decides = |status: &&PluginStatus| match status.operation {
        PluginOperation::Terminate => status.phase == PluginPhase::Successful,
        PluginOperation::Run => status.phase == PluginPhase::Running,
        PluginOperation::Abort => false,
    };
    let last = plugins.iter().rev().find(decides)?;
    (last.operation == PluginOperation::Run).then(|| last.clone())
}

/// A retry of an aborted update asks anew (`cleanStatusForRetry`).
fn forget_before_retry(pass: &mut Pass) {
    let rollout = Arc::clone(&pass.rollout);
    if let (Some(step), Some(0)) = steps::current(&rollout, &pass.before)
        && (step.plugin.is_none() || is_complete(pass, 0))
    {
        pass.plugins = Some(Vec::new());
    }
}

fn find<'p>(
    plugins: &'p [PluginStatus],
    index: u32,
    name: Option<&str>,
    operation: PluginOperation,
) -> Option<&'p PluginStatus> {
    plugins.iter().find(|status| {
        status.index == index
            && status.operation == operation
            && name.is_none_or(|name| *status.name == *name)
    })
}
