//! What is kept of the past: old ReplicaSets and finished AnalysisRuns (argo-rollouts v1.10.1
//! `rollout/sync.go: reconcileRevisionHistoryLimit`, `utils/analysis/filter.go`).

use std::cmp::Reverse;

use planted::Bug;
use timeline::AnalysisPhase;

use super::pass::Pass;
use super::sets::Set;
use crate::World;
use crate::analysis::AnalysisRun;
use crate::api::{Body, ObjectId};
use crate::experiments::as_experiment;

/// Deletes the oldest ReplicaSets beyond the limit that have no pods, with their AnalysisRuns.
pub(super) fn reconcile(world: &mut World<'_>, pass: &mut Pass) {
    let limit = pass.rollout.spec.revision_history_limit() as usize;
    let limit = limit + usize::from(planted::is(Bug::HistoryLimitPlusOne));
    let others: Vec<usize> = pass.others().collect();
    let surplus = others.len().saturating_sub(limit);
    let empty = |set: &Set| set.size.spec == 0 && set.size.created == 0;
    let gone: Vec<usize> =
        others.into_iter().take(surplus).filter(|index| empty(&pass.sets[*index])).collect();
    for index in gone {
        let (id, hash) = (pass.sets[index].id, pass.sets[index].hash.clone());
        world.api.delete(id);
        for (run, _) in runs(world, pass.id).into_iter().filter(|(_, run)| run.hash == hash) {
            world.api.delete(run);
        }
        for experiment in &pass.other_experiments {
            if as_experiment(world, *experiment).is_some_and(|experiment| experiment.hash == hash) {
                world.api.delete(*experiment);
            }
        }
    }
}

/// The AnalysisRuns of a Rollout, oldest first.
pub(super) fn runs(world: &World<'_>, rollout: ObjectId) -> Vec<(ObjectId, AnalysisRun)> {
    let owned = world.api.owned(rollout);
    owned
        .filter_map(|object| match &object.body {
            Body::AnalysisRun(run) => Some((object.id, run.clone())),
            Body::ReplicaSet(_)
            | Body::Pod(_)
            | Body::Experiment(_)
            | Body::Job(_)
            | Body::Rollout(..)
            | Body::Deployment(..)
            | Body::Application(..)
            | Body::Plain(_) => None,
        })
        .collect()
}

/// Which of the AnalysisRuns that are not current go (`FilterAnalysisRunsToDelete`): the oldest beyond
/// the limits for successful and for other finished ones, and those whose ReplicaSet is gone.
pub(super) fn surplus_runs(world: &World<'_>, pass: &Pass, mut runs: Vec<ObjectId>) -> Vec<ObjectId> {
    let history = pass.rollout.spec.analysis;
    let limit = |limit: Option<i32>| usize::try_from(limit.unwrap_or(5)).unwrap_or(0);
    let (successful, unsuccessful) =
        (limit(history.successful_run_history_limit), limit(history.unsuccessful_run_history_limit));
    runs.sort_by_key(|id| Reverse((world.api.get(*id).created.truncated_to_secs(), *id)));
    let (mut kept_successful, mut kept_unsuccessful) = (0, 0);
    runs.retain(|id| {
        let Body::AnalysisRun(run) = &world.api.get(*id).body else { return false };
        if pass.sets.iter().all(|set| set.hash != run.hash || !world.api.exists(set.id)) {
            return true;
        }
        let (kept, limit) = match run.status.phase {
            Some(AnalysisPhase::Successful) => (&mut kept_successful, successful),
            Some(AnalysisPhase::Failed | AnalysisPhase::Error | AnalysisPhase::Inconclusive) => {
                (&mut kept_unsuccessful, unsuccessful)
            }
            Some(AnalysisPhase::Pending | AnalysisPhase::Running) | None => return false,
        };
        *kept += 1;
        *kept > limit
    });
    runs
}
