//! The AnalysisRuns of an Experiment (argo-rollouts v1.10.1 `experiments/experiment.go:
//! reconcileAnalysisRun`).

use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::objects::ObjectKey;
use manifests::objects::analysis::{Argument, substitute};
use manifests::objects::rollout::Analyses;
use timeline::{AnalysisPhase, Source};
use units::{Duration, Time};

use super::templates::set_name;
use super::{AnalysisSpec, Experiment, ExperimentRun, ExperimentStatus, is_over};
use crate::World;
use crate::analysis::AnalysisRun;
use crate::api::{Body, ObjectId};
use crate::kubernetes::as_replica_set;
use crate::rollouts::{InNamespace, calendar};

/// Makes an analysis's run once the pods are available, ends it with the Experiment, and repeats its phase.
pub(super) fn reconcile(
    world: &mut World<'_>,
    id: ObjectId,
    experiment: &Experiment,
    analysis: &AnalysisSpec,
    next: &mut ExperimentStatus,
) {
    let before = experiment.status.run(&analysis.name).cloned();
    let before =
        before.unwrap_or_else(|| ExperimentRun { name: analysis.name.clone(), ..Default::default() });
    let mut status = before.clone();
    update(world, id, experiment, analysis, &mut status);
    announce(world, id, &before, &status);
    match next.runs.iter_mut().find(|known| known.name == status.name) {
        Some(known) => *known = status,
        None => next.runs.push(status),
    }
}

fn update(
    world: &mut World<'_>,
    id: ObjectId,
    experiment: &Experiment,
    analysis: &AnalysisSpec,
    status: &mut ExperimentRun,
) {
    let fail = |status: &mut ExperimentRun, message: String| {
        status.phase = Some(AnalysisPhase::Error);
        status.message = message;
    };
    if experiment.status.available_at.is_none() {
        if let Err((kind, error)) = verify(world, id, analysis) {
            fail(status, format!("{kind} verification failed for analysis '{}': {error}", analysis.name));
        }
        return;
    }
    let Some(name) = status.run.clone() else {
        if experiment.is_terminating() {
            return;
        }
        match create(world, id, experiment, analysis) {
            Ok(run) => {
                status.phase = Some(AnalysisPhase::Pending);
                status.run = Some(run);
            }
            Err(error) => {
                fail(
                    status,
                    format!("Failed to create AnalysisRun for analysis '{}': {error}", analysis.name),
                );
            }
        }
        return;
    };
    if is_over(status.phase) {
        return;
    }
    let namespace = world.api.get(id).key.namespace.clone();
    let key = ObjectKey::new("argoproj.io", "AnalysisRun", namespace.as_deref(), &name);
    let Some((run_id, Body::AnalysisRun(run))) =
        world.api.find(&key).map(|object| (object.id, object.body.clone()))
    else {
        fail(status, format!("analysisruns.argoproj.io \"{name}\" not found"));
        return;
    };
    if !experiment.is_terminating() {
        status.phase = run.status.phase;
        status.message = run.status.message;
        return;
    }
    if !run.status.is_completed() && !run.terminate {
        let message = format!("Terminating {} ({name})", analysis.name);
        world.record(Source::Rollouts, id, false, "AnalysisRunTerminating", message);
        world.api.update(run_id, |object| {
            if let Body::AnalysisRun(run) = &mut object.body {
                run.terminate = true;
            }
        });
    }
}

/// Whether the template exists; its kind and the error where it does not.
fn verify(world: &World<'_>, id: ObjectId, analysis: &AnalysisSpec) -> Result<(), (&'static str, String)> {
    use manifests::objects::References;
    let namespace = world.api.get(id).key.namespace.clone().unwrap_or_default();
    let references = InNamespace { world, namespace: &namespace };
    let name = &analysis.template.template_name;
    let (found, kind, resource) = match analysis.template.cluster_scope {
        true => (
            references.cluster_analysis_template(name),
            "ClusterAnalysisTemplate",
            "clusteranalysistemplate.argoproj.io",
        ),
        false => (references.analysis_template(name), "AnalysisTemplate", "analysistemplate.argoproj.io"),
    };
    found.map(|_| ()).ok_or_else(|| (kind, format!("{resource} \"{name}\" not found")))
}

/// `createAnalysisRun`, `CreateWithCollisionCounter`
fn create(
    world: &mut World<'_>,
    id: ObjectId,
    experiment: &Experiment,
    analysis: &AnalysisSpec,
) -> Result<Arc<str>, String> {
    let object = world.api.get(id);
    let (namespace, base) = (object.key.namespace.clone(), format!("{}-{}", object.key.name, analysis.name));
    let args = resolve(world, id, experiment, &analysis.args)?;
    let references = InNamespace { world, namespace: namespace.as_deref().unwrap_or_default() };
    let templates = Analyses::find(std::slice::from_ref(&analysis.template), &references, "templates")
        .map_err(|error| error.to_string())?;
    let merged = templates.merge(&args, &experiment.spec.dry_run, &[])?;
    let (rollout, hash) = (Arc::clone(&experiment.rollout), Arc::clone(&experiment.hash));
    let run = AnalysisRun::new(rollout, hash, Some(experiment.step), merged);
    let mut key = ObjectKey::new("argoproj.io", "AnalysisRun", namespace.as_deref(), &base);
    let mut collisions = 0;
    while let Some(existing) = world.api.find(&key) {
        if let Body::AnalysisRun(present) = &existing.body
            && existing.owner == Some(id)
            && !present.status.is_completed()
            && present.analysis == run.analysis
        {
            return Ok(Arc::clone(&existing.key.name));
        }
        collisions += 1;
        key.name = format!("{base}.{collisions}").into();
    }
    let name = Arc::clone(&key.name);
    let now = world.now();
    world.api.create(key, Some(id), Body::AnalysisRun(run), now);
    Ok(name)
}

/// Puts what the Experiment knows into arguments (`utils/template/template.go: ResolveExperimentArgsValue`).
fn resolve(
    world: &World<'_>,
    id: ObjectId,
    experiment: &Experiment,
    args: &[Argument],
) -> Result<Vec<Argument>, String> {
    let sets = experiment.spec.templates.iter().filter_map(|template| {
        let name = set_name(world, id, &template.name);
        let set = world.api.owned(id).find(|object| *object.key.name == *name).and_then(as_replica_set)?;
        Some(KnownSet { template: template.name.clone(), hash: set.hash.to_string(), name })
    });
    let sets: Vec<KnownSet> = sets.collect();
    let resolved = args.iter().map(|argument| {
        let mut argument = argument.clone();
        if let Some(value) = &mut argument.value {
            *value = resolve_value(value, experiment.status.available_at, experiment.spec.duration, &sets)?;
        }
        Ok(argument)
    });
    resolved.collect()
}

/// A ReplicaSet of an Experiment, and the template that it was made of.
pub(crate) struct KnownSet {
    pub(crate) template: String,
    pub(crate) hash: String,
    pub(crate) name: String,
}

/// # Errors
/// A placeholder that is not closed, and the last one that the Experiment does not know.
pub(crate) fn resolve_value(
    value: &str,
    available: Option<Time>,
    duration: Option<Duration>,
    sets: &[KnownSet],
) -> Result<String, String> {
    let mut known = BTreeMap::new();
    if let Some(available) = available {
        known.insert("experiment.availableAt".to_owned(), calendar::format(available));
        if let Some(duration) = duration {
            known.insert("experiment.finishedAt".to_owned(), calendar::format(available + duration));
        }
    }
    for set in sets {
        known.insert(format!("templates.{}.podTemplateHash", set.template), set.hash.clone());
        known.insert(format!("templates.{}.replicaset.name", set.template), set.name.clone());
    }
    substitute(value, |name| known.get(name).map(String::as_str))
}

/// Tells of a run's phase, about the Experiment and about the Rollout.
fn announce(world: &mut World<'_>, id: ObjectId, before: &ExperimentRun, after: &ExperimentRun) {
    use AnalysisPhase::{Error, Failed, Inconclusive, Pending, Running, Successful};
    let Some(phase) = after.phase.filter(|_| before.phase != after.phase) else { return };
    let earlier = before.phase.map(|phase| phase.to_string()).unwrap_or_default();
    let mut message = format!("AnalysisRun '{}' transitioned from {earlier} -> {phase}", after.name);
    if !after.message.is_empty() {
        message = format!("{message}: {}", after.message);
    }
    let warning = match phase {
        Error | Failed | Inconclusive => true,
        Pending | Running | Successful => false,
    };
    let reason = format!("AnalysisRun{phase}");
    world.record(Source::Rollouts, id, warning, &reason, message.clone());
    if let Some(rollout) = world.api.get(id).owner {
        world.record(Source::Rollouts, rollout, true, &reason, message);
    }
}
