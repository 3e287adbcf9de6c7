//! The Experiments of a Rollout: made at their step, reacted to, cancelled (argo-rollouts v1.10.1
//! `rollout/experiment.go`).

use std::cmp::Reverse;
use std::sync::Arc;

use manifests::objects::analysis::TemplateReference;
use manifests::objects::rollout::{ExperimentStep, ExperimentTemplate, SpecReference};
use manifests::objects::{ObjectKey, Rollout};
use timeline::{AnalysisPhase, Source};

use super::pass::Pass;
use super::retry::Failure;
use super::sets::{Set, replica_set};
use super::status::PauseReason;
use super::weights::WeightDestination;
use super::{HASH_LABEL, live, steps, undo};
use crate::World;
use crate::api::{Body, Object, ObjectId};
use crate::experiments::{AnalysisSpec, Experiment, ExperimentSpec, TemplateSpec, as_experiment};

/// Brings the Experiments in line with the step, and pauses or aborts the update for their results.
///
/// # Errors
/// An Experiment that cannot be made, in upstream's words, and one that this pass has deleted where it is to be cancelled.
pub(super) fn reconcile(world: &mut World<'_>, pass: &mut Pass) -> Result<(), Failure> {
    if pass.pauses.is_aborted(&pass.before) || pass.before.promote_full {
        return cancel(world, pass.other_experiments.iter().chain(&pass.experiment));
    }
    if pass.before.pause(PauseReason::InconclusiveAnalysisRun).is_some() {
        return Ok(());
    }
    let rollout = Arc::clone(&pass.rollout);
    let step = steps::current(&rollout, &pass.before).0.and_then(|step| step.experiment.as_ref());
    if let Some(step) = step {
        if pass.experiment.is_none() {
            if pass.stable.is_none() {
                return Ok(());
            }
            pass.experiment = Some(create(world, pass, step)?);
        }
        react(world, pass);
    }
    let mut others = pass.other_experiments.clone();
    match step {
        // The one that was just made may have been there already.
        Some(_) => others.retain(|id| Some(*id) != pass.experiment),
        None => others.extend(pass.experiment),
    }
    cancel(world, &others)?;
    for id in surplus(world, pass, others) {
        world.api.delete(id);
    }
    Ok(())
}

/// The Experiments of a Rollout: the one that the status names, and all others, oldest first.
pub(super) fn of(
    world: &World<'_>,
    rollout: ObjectId,
    current: Option<&Arc<str>>,
) -> (Option<ObjectId>, Vec<ObjectId>) {
    let owned = world.api.owned(rollout).filter(|object| matches!(object.body, Body::Experiment(_)));
    let (current, others): (Vec<_>, Vec<_>) = owned.partition(|object| Some(&object.key.name) == current);
    let ids = |objects: Vec<&Object>| objects.into_iter().map(|object| object.id).collect::<Vec<_>>();
    (ids(current).pop(), ids(others))
}

/// The phase of the current Experiment.
pub(super) fn phase(world: &World<'_>, pass: &Pass) -> Option<AnalysisPhase> {
    as_experiment(world, pass.experiment?)?.status.phase
}

/// What the templates of the current Experiment get from a router
/// (`calculateWeightDestinationsFromExperiment`).
pub(super) fn destinations(world: &World<'_>, pass: &Pass) -> Vec<WeightDestination> {
    let experiment = pass.experiment.and_then(|id| as_experiment(world, id));
    let Some(experiment) = experiment.filter(|it| it.status.phase == Some(AnalysisPhase::Running)) else {
        return Vec::new();
    };
    let Some(step) = steps::last_experiment(&pass.rollout, &pass.before) else { return Vec::new() };
    let found = experiment.status.templates.iter().filter_map(|status| {
        let weight = step.templates.iter().find(|template| template.name == status.name)?.weight?;
        let service = status.service.clone().unwrap_or_default();
        Some(WeightDestination { weight, service, hash: Arc::clone(&status.hash) })
    });
    found.collect()
}

fn react(world: &World<'_>, pass: &mut Pass) {
    let Some(id) = pass.experiment else { return };
    let Some(experiment) = as_experiment(world, id) else { return };
    match experiment.status.phase {
        Some(AnalysisPhase::Inconclusive) => pass.pauses.add(PauseReason::InconclusiveExperiment),
        Some(AnalysisPhase::Error | AnalysisPhase::Failed) => {
            let cause = "Experiment analysis phase is error/failed";
            let message = match experiment.status.message.as_str() {
                "" => cause.to_owned(),
                message => format!("{cause}: {message}"),
            };
            pass.pauses.abort(message);
        }
        // One that has succeeded is not current any more.
        Some(AnalysisPhase::Successful) => {}
        Some(AnalysisPhase::Pending | AnalysisPhase::Running) | None => {
            pass.current_experiment = Some(Arc::clone(&world.api.get(id).key.name));
        }
    }
}

/// Makes the Experiment of a step (`GetExperimentFromTemplate`, `createExperimentWithCollisionHandling`).
fn create(world: &mut World<'_>, pass: &Pass, step: &ExperimentStep) -> Result<ObjectId, String> {
    let hash = Arc::clone(&pass.template_hash);
    let index = pass.before.current_step_index.unwrap_or(0);
    let base = format!("{}-{hash}-{}-{index}", pass.name, pass.before.revision);
    let experiment = Experiment {
        rollout: Arc::clone(&pass.name),
        hash: Arc::clone(&hash),
        step: index,
        spec: spec(world, pass, step)?,
        terminate: false,
        status: Default::default(),
    };
    let mut key = ObjectKey::new("argoproj.io", "Experiment", Some(&pass.namespace), &base);
    let mut collisions = 0;
    let id = loop {
        let Some(existing) = world.api.find(&key) else {
            let id = world.api.create(key, Some(pass.id), Body::Experiment(Box::new(experiment)), pass.now);
            world.api.update_metadata(id, |object| {
                object.labels.insert(HASH_LABEL.to_owned(), hash.to_string());
            });
            break id;
        };
        let same = as_experiment(world, existing.id)
            .is_some_and(|present| !present.is_over() && present.spec == experiment.spec);
        if same && existing.owner == Some(pass.id) {
            break existing.id;
        }
        collisions += 1;
        key.name = format!("{base}-{collisions}").into();
    };
    // Also where it was there already: an abort makes the Rollout forget one that never came to an end.
    let message = format!("Created Experiment '{}'", world.api.get(id).key.name);
    world.record(Source::Rollouts, pass.id, false, "ExperimentCreated", message);
    Ok(id)
}

fn spec(world: &World<'_>, pass: &Pass, step: &ExperimentStep) -> Result<ExperimentSpec, String> {
    let templates = step.templates.iter().map(|template| template_spec(world, pass, template));
    let live = live::object(world, pass)?;
    let stable = pass.stable_set().map(|set| Arc::clone(&set.hash)).unwrap_or_default();
    let mut analyses = Vec::with_capacity(step.analyses.len());
    for analysis in &step.analyses {
        let args = Rollout::run_arguments(&analysis.args, &pass.new_set().hash, &stable, &live)?;
        analyses.push(AnalysisSpec {
            name: analysis.name.clone(),
            template: TemplateReference {
                template_name: analysis.template_name.clone(),
                cluster_scope: analysis.cluster_scope,
            },
            args,
            required: analysis.required_for_completion,
        });
    }
    Ok(ExperimentSpec {
        duration: step.runs_for(),
        progress_deadline: pass.rollout.spec.progress_deadline(),
        scale_down_delay: step.scale_down_delay(),
        templates: templates.collect::<Result<_, _>>()?,
        analyses,
        dry_run: step.dry_run.clone(),
    })
}

/// The pods of a template are those of a ReplicaSet of the Rollout, with further metadata.
fn template_spec(
    world: &World<'_>,
    pass: &Pass,
    template: &ExperimentTemplate,
) -> Result<TemplateSpec, String> {
    let set: Option<&Set> = match template.spec_ref {
        Some(SpecReference::Canary) => Some(pass.new_set()),
        Some(SpecReference::Stable) => pass.stable_set(),
        None => None,
    };
    let set = set.ok_or("Invalid template step SpecRef: must be canary or stable")?;
    // As the pass found it: metadata that the pass has put in is not there yet.
    let mut pods = (*set.template).clone();
    if let Some(metadata) = &template.metadata {
        pods.metadata.labels.extend(metadata.labels.clone());
        pods.metadata.annotations.extend(metadata.annotations.clone());
    }
    let set = replica_set(world, set.id);
    if let Some(hash) = undo::hash_of_copy(world, pass.id, set, &pods.metadata) {
        pods.hash = hash;
    }
    let named = template.service.as_ref().map(|service| service.name.clone());
    Ok(TemplateSpec {
        name: template.name.clone(),
        replicas: u32::try_from(template.replicas.unwrap_or(1)).unwrap_or(0),
        template: Arc::new(pods),
        min_ready: set.min_ready,
        service: named.or(template.weight.map(|_| String::new())),
    })
}

/// Ends those Experiments that are not over (`cancelExperiments`).
///
/// # Errors
/// One that history has taken away since the pass began.
fn cancel<'i>(world: &mut World<'_>, ids: impl IntoIterator<Item = &'i ObjectId>) -> Result<(), Failure> {
    for id in ids {
        if as_experiment(world, *id).is_none_or(|experiment| experiment.terminate || experiment.is_over()) {
            continue;
        }
        if !world.api.exists(*id) {
            return Err(Failure::Gone);
        }
        world.api.update(*id, |object| {
            if let Body::Experiment(experiment) = &mut object.body {
                experiment.terminate = true;
            }
        });
    }
    Ok(())
}

/// Which of the Experiments that are not current go (`FilterExperimentsToDelete`).
fn surplus(world: &World<'_>, pass: &Pass, mut all: Vec<ObjectId>) -> Vec<ObjectId> {
    let history = pass.rollout.spec.analysis;
    let limit = |limit: Option<i32>| usize::try_from(limit.unwrap_or(5)).unwrap_or(0);
    let limits = [limit(history.successful_run_history_limit), limit(history.unsuccessful_run_history_limit)];
    let order = |id: &ObjectId| {
        let object = world.api.get(*id);
        Reverse((object.created.truncated_to_secs(), Arc::clone(&object.key.name)))
    };
    all.sort_by_key(order);
    let mut kept = [0, 0];
    all.retain(|id| {
        let Some(experiment) = as_experiment(world, *id) else { return false };
        if pass.sets.iter().all(|set| set.hash != experiment.hash) {
            return true;
        }
        if !experiment.is_over() {
            return false;
        }
        let which = usize::from(experiment.status.phase != Some(AnalysisPhase::Successful));
        kept[which] += 1;
        kept[which] > limits[which]
    });
    all
}
