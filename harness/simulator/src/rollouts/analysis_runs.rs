//! The AnalysisRuns of a Rollout: made, waited for, reacted to, cancelled (argo-rollouts v1.10.1
//! `rollout/analysis.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::objects::rollout::{Analyses, Analysis};
use manifests::objects::{ObjectKey, Rollout, Step};
use timeline::{AnalysisPhase, Source};

use super::load::InNamespace;
use super::pass::Pass;
use super::status::{PauseReason, RunReference};
use super::{HASH_LABEL, REVISION, history, live, steps};
use crate::World;
use crate::analysis::AnalysisRun;
use crate::api::{Body, ObjectId};

/// What a run of a Rollout is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The step with this index waits for it.
    Step(u32),
    /// It runs beside the steps.
    Background,
    /// The switch of the active Service waits for it.
    PrePromotion,
    /// It runs after the switch, before the new template is trusted.
    PostPromotion,
}

impl Purpose {
    /// What the run's name ends in.
    fn suffix(self) -> String {
        match self {
            Self::Step(index) => format!("-{index}"),
            Self::Background => String::new(),
            Self::PrePromotion => "-pre".to_owned(),
            Self::PostPromotion => "-post".to_owned(),
        }
    }

    /// The value of the label `rollout-type`.
    fn label(self) -> &'static str {
        match self {
            Self::Step(_) => "Step",
            Self::Background => "Background",
            Self::PrePromotion => "PrePromotion",
            Self::PostPromotion => "PostPromotion",
        }
    }

    fn step(self) -> Option<u32> {
        match self {
            Self::Step(index) => Some(index),
            Self::Background | Self::PrePromotion | Self::PostPromotion => None,
        }
    }
}

/// Brings the AnalysisRuns in line with the step, and pauses or aborts the update for their results.
///
/// # Errors
/// A run that cannot be made, in upstream's words; the pass ends then.
pub(super) fn reconcile(world: &mut World<'_>, pass: &mut Pass) -> Result<(), String> {
    let step_run = named(world, pass.id, pass.before.step_run.as_ref());
    let background_run = named(world, pass.id, pass.before.background_run.as_ref());
    let (step_run, background_run) = if is_cancelled(pass) {
        (None, None)
    } else {
        (reconcile_step(world, pass, step_run)?, reconcile_background(world, pass, background_run)?)
    };
    pass.step_run = step_run.map(|run| reference(world, run));
    pass.background_run = background_run.map(|run| reference(world, run));
    keep_only(world, pass, &[step_run, background_run]);
    announce(world, pass, pass.before.step_run.as_ref(), pass.step_run.as_ref(), "Step");
    announce(world, pass, pass.before.background_run.as_ref(), pass.background_run.as_ref(), "Background");
    Ok(())
}

/// The run of this name, if the Rollout has it.
pub(super) fn named(
    world: &World<'_>,
    rollout: ObjectId,
    reference: Option<&RunReference>,
) -> Option<ObjectId> {
    let name = &reference?.name;
    let runs = world.api.owned(rollout).filter(|object| matches!(object.body, Body::AnalysisRun(_)));
    runs.into_iter().find(|object| object.key.name == *name).map(|object| object.id)
}

/// Whether no analysis decides anything any more.
pub(super) fn is_cancelled(pass: &Pass) -> bool {
    pass.before.is_fully_promoted()
        || pass.pauses.is_aborted(&pass.before)
        || pass.before.promote_full
        || pass.is_fast_rollback()
        || pass.before.stable_rs.is_none()
}

/// Ends all runs but the current ones, and deletes the oldest of them.
pub(super) fn keep_only(world: &mut World<'_>, pass: &Pass, current: &[Option<ObjectId>]) {
    let others: Vec<ObjectId> = history::runs(world, pass.id)
        .into_iter()
        .map(|(id, _)| id)
        .filter(|id| world.api.exists(*id) && !current.contains(&Some(*id)))
        .collect();
    for run in &others {
        cancel(world, *run);
    }
    for run in history::surplus_runs(world, pass, others) {
        world.api.delete(run);
    }
}

fn reconcile_step(
    world: &mut World<'_>,
    pass: &mut Pass,
    current: Option<ObjectId>,
) -> Result<Option<ObjectId>, String> {
    if !pass.before.pause_conditions.is_empty() || pass.before.abort {
        return Ok(current);
    }
    let rollout = Arc::clone(&pass.rollout);
    let (Some(Step { analysis: Some(analysis), .. }), Some(index)) = steps::current(&rollout, &pass.before)
    else {
        return Ok(None);
    };
    // A run of an earlier step is cancelled in this pass; the next one makes the new run.
    let of_other_step = current.is_some_and(|run| analysis_run(world, run).step != Some(index));
    if analysis.templates.is_empty() || of_other_step {
        return Ok(None);
    }
    match current.filter(|run| !needs_new_run(world, pass, *run)) {
        None => create(world, pass, analysis, Purpose::Step(index)).map(Some),
        Some(run) => {
            react(world, pass, run, "Step-based analysis phase error/failed");
            Ok(Some(run))
        }
    }
}

fn reconcile_background(
    world: &mut World<'_>,
    pass: &mut Pass,
    current: Option<ObjectId>,
) -> Result<Option<ObjectId>, String> {
    let rollout = Arc::clone(&pass.rollout);
    let background = rollout.canary().and_then(|canary| canary.analysis.as_ref());
    let Some(background) = background.filter(|background| !background.analysis.templates.is_empty()) else {
        return Ok(None);
    };
    let (_, index) = steps::current(&rollout, &pass.before);
    let begins_at = background.starting_step.and_then(|step| u32::try_from(step).ok());
    if pass.before.current_pod_hash.is_none()
        || index.is_some_and(|index| begins_at.is_some_and(|step| index < step))
    {
        return Ok(None);
    }
    if pass.before.pause(PauseReason::InconclusiveAnalysisRun).is_some() {
        return Ok(current);
    }
    match current.filter(|run| !needs_new_run(world, pass, *run)) {
        None => create(world, pass, &background.analysis, Purpose::Background).map(Some),
        Some(run) => {
            react(world, pass, run, "Background analysis phase error/failed");
            Ok(Some(run))
        }
    }
}

/// Whether a run is to be replaced: an inconclusive one after a person has resumed, and any one of
/// before an abort (`needsNewAnalysisRun`).
pub(super) fn needs_new_run(world: &World<'_>, pass: &Pass, run: ObjectId) -> bool {
    let waits = [PauseReason::CanaryPauseStep, PauseReason::BlueGreenPause];
    if pass.before.controller_pause && waits.iter().all(|reason| pass.before.pause(*reason).is_none()) {
        return analysis_run(world, run).status.phase == Some(AnalysisPhase::Inconclusive);
    }
    pass.before.aborted_at.is_some()
}

/// Pauses or aborts the update for a run's result (`setPauseOrAbortForBlueGreen` and its like).
pub(super) fn react(world: &World<'_>, pass: &mut Pass, run: ObjectId, cause: &str) {
    let status = &analysis_run(world, run).status;
    match status.phase {
        Some(AnalysisPhase::Inconclusive) => pass.pauses.add(PauseReason::InconclusiveAnalysisRun),
        Some(AnalysisPhase::Failed | AnalysisPhase::Error) => {
            let message = match status.message.as_str() {
                "" => cause.to_owned(),
                message => format!("{cause}: {message}"),
            };
            pass.pauses.abort(message);
        }
        Some(AnalysisPhase::Pending | AnalysisPhase::Running | AnalysisPhase::Successful) | None => {}
    }
}

/// Makes a run from the templates as they are now (`newAnalysisRunFromRollout`,
/// `CreateWithCollisionCounter`).
pub(super) fn create(
    world: &mut World<'_>,
    pass: &Pass,
    analysis: &Analysis,
    purpose: Purpose,
) -> Result<ObjectId, String> {
    let references = InNamespace { world, namespace: &pass.namespace };
    let templates =
        Analyses::find(&analysis.templates, &references, "templates").map_err(|error| error.to_string())?;
    let hash = Arc::clone(&pass.new_set().hash);
    let stable_hash = pass.stable_set().map(|set| Arc::clone(&set.hash)).unwrap_or_default();
    let args = Rollout::run_arguments(&analysis.args, &hash, &stable_hash, &live::object(world, pass)?)?;
    let merged = templates.merge(&args, &analysis.dry_run, &analysis.measurement_retention)?;
    let revision = pass.before.revision;
    let name = format!("{}-{hash}-{revision}{}", pass.name, purpose.suffix());
    let run = AnalysisRun::new(Arc::clone(&pass.name), Arc::clone(&hash), purpose.step(), merged);
    let mut key = ObjectKey::new("argoproj.io", "AnalysisRun", Some(&pass.namespace), &name);
    let mut collisions = 0;
    while let Some(existing) = world.api.find(&key) {
        if let Body::AnalysisRun(present) = &existing.body
            && existing.owner == Some(pass.id)
            && !present.status.is_completed()
            && present.analysis == run.analysis
        {
            return Ok(existing.id);
        }
        collisions += 1;
        key.name = format!("{name}.{collisions}").into();
    }
    let id = world.api.create(key, Some(pass.id), Body::AnalysisRun(run), pass.now);
    let labels = labels(pass, analysis, purpose, &hash);
    world.api.update_metadata(id, |object| {
        object.labels = labels;
        object.annotations.insert(REVISION.to_owned(), revision.to_string());
    });
    Ok(id)
}

fn labels(pass: &Pass, analysis: &Analysis, purpose: Purpose, hash: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (HASH_LABEL.to_owned(), hash.to_owned()),
        ("rollout-type".to_owned(), purpose.label().to_owned()),
    ]);
    labels.extend(purpose.step().map(|index| ("step-index".to_owned(), index.to_string())));
    labels.extend(analysis.analysis_run_metadata.iter().flat_map(|metadata| metadata.labels.clone()));
    labels.extend(pass.rollout.spec.selector.iter().flat_map(|selector| selector.match_labels.clone()));
    labels
}

/// Ends a run that is not over (`cancelAnalysisRuns`).
pub(super) fn cancel(world: &mut World<'_>, id: ObjectId) {
    let run = analysis_run(world, id);
    if run.terminate || run.status.is_completed() {
        return;
    }
    world.api.update(id, |object| {
        if let Body::AnalysisRun(run) = &mut object.body {
            run.terminate = true;
        }
    });
}

/// Tells of a run whose phase is not the one that the Rollout knew (`emitAnalysisRunStatusChanges`).
pub(super) fn announce(
    world: &mut World<'_>,
    pass: &Pass,
    before: Option<&RunReference>,
    after: Option<&RunReference>,
    kind: &str,
) {
    let Some(RunReference { name, phase: Some(phase), .. }) = after else { return };
    if before.is_some_and(|before| before.name != *name || before.phase == Some(*phase)) {
        return;
    }
    let previous = match before {
        None => "NoPreviousStatus".to_owned(),
        Some(before) => before.phase.map(|phase| phase.to_string()).unwrap_or_default(),
    };
    let warning = matches!(phase, AnalysisPhase::Failed | AnalysisPhase::Error);
    let message = format!("{kind} Analysis Run '{name}' Status New: '{phase}' Previous: '{previous}'");
    world.record(Source::Rollouts, pass.id, warning, &format!("AnalysisRun{phase}"), message);
}

pub(super) fn reference(world: &World<'_>, id: ObjectId) -> RunReference {
    let status = &analysis_run(world, id).status;
    let name = Arc::clone(&world.api.get(id).key.name);
    RunReference { name, phase: status.phase, message: status.message.clone() }
}

pub(super) fn analysis_run<'w>(world: &'w World<'_>, id: ObjectId) -> &'w AnalysisRun {
    match &world.api.get(id).body {
        Body::AnalysisRun(run) => run,
        Body::ReplicaSet(_)
        | Body::Pod(_)
        | Body::Experiment(_)
        | Body::Job(_)
        | Body::Rollout(..)
        | Body::Deployment(..)
        | Body::Application(..)
        | Body::Plain(_) => panic!("an AnalysisRun's id leads to an AnalysisRun"),
    }
}
