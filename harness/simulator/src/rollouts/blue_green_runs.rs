//! The analyses before and after the switch of a blueGreen Rollout (argo-rollouts v1.10.1
//! `rollout/analysis.go`).

use manifests::objects::rollout::{Analysis, BlueGreenStrategy};
use timeline::AnalysisPhase;

use super::analysis_runs::{self, Purpose};
use super::blue_green::{BlueGreen, run_of};
use super::pass::Pass;
use super::status::PauseReason;
use crate::World;
use crate::api::ObjectId;

/// The AnalysisRuns before and after the switch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) pre: Option<ObjectId>,
    pub(super) post: Option<ObjectId>,
}

impl Runs {
    /// Those that the status names.
    pub(super) fn of(world: &World<'_>, pass: &Pass) -> Self {
        let pre = run_of(world, pass, |state| state.pre_run.as_ref());
        let post = run_of(world, pass, |state| state.post_run.as_ref());
        Self { pre, post }
    }

    /// Whether the analysis before the switch is no obstacle (`completedPrePromotionAnalysis`).
    pub(super) fn allows_switch(self, world: &World<'_>, strategy: &BlueGreenStrategy) -> bool {
        strategy.pre_promotion_analysis.is_none() || phase(world, self.pre) == Some(AnalysisPhase::Successful)
    }

    /// The phase of the analysis after the switch.
    pub(super) fn post_phase(self, world: &World<'_>) -> Option<AnalysisPhase> {
        phase(world, self.post)
    }
}

fn phase(world: &World<'_>, run: Option<ObjectId>) -> Option<AnalysisPhase> {
    run.and_then(|run| analysis_runs::analysis_run(world, run).status.phase)
}

/// Makes the runs, pauses or aborts for their results, and ends the others. Finished runs stay current.
///
/// # Errors
/// A run that cannot be made, in upstream's words; the pass ends then.
pub(super) fn reconcile(world: &mut World<'_>, blue_green: &mut BlueGreen<'_>) -> Result<(), String> {
    let Runs { pre, post } = blue_green.runs;
    if analysis_runs::is_cancelled(blue_green.pass) {
        for run in [pre, post].into_iter().flatten() {
            analysis_runs::cancel(world, run);
        }
    } else {
        let analysis = blue_green.strategy.pre_promotion_analysis.clone();
        let skips = skips_pre(blue_green);
        let pre = current(world, blue_green.pass, analysis.as_ref(), pre, skips, Purpose::PrePromotion)?;
        if let Some(run) = pre {
            let cause = "Blue/green pre-promotion analysis phase error/failed";
            analysis_runs::react(world, blue_green.pass, run, cause);
        }
        let analysis = blue_green.strategy.post_promotion_analysis.clone();
        let skips = skips_post(blue_green);
        let post = current(world, blue_green.pass, analysis.as_ref(), post, skips, Purpose::PostPromotion)?;
        if let Some(run) = post {
            let cause = "Blue/green post-promotion analysis phase error/failed";
            analysis_runs::react(world, blue_green.pass, run, cause);
        }
        blue_green.runs = Runs { pre, post };
    }
    let Runs { pre, post } = blue_green.runs;
    analysis_runs::keep_only(world, blue_green.pass, &[pre, post]);
    announce(world, blue_green.pass, pre, post);
    Ok(())
}

fn announce(world: &mut World<'_>, pass: &Pass, pre: Option<ObjectId>, post: Option<ObjectId>) {
    let before = &pass.before.blue_green;
    for (before, run, kind) in
        [(&before.post_run, post, "PostPromotion"), (&before.pre_run, pre, "PrePromotion")]
    {
        let after = run.map(|run| analysis_runs::reference(world, run));
        analysis_runs::announce(world, pass, before.as_ref(), after.as_ref(), kind);
    }
}

/// The current run of one of the two analyses (`reconcilePrePromotionAnalysisRun`,
/// `reconcilePostPromotionAnalysisRun`).
fn current(
    world: &mut World<'_>,
    pass: &Pass,
    analysis: Option<&Analysis>,
    run: Option<ObjectId>,
    skips: bool,
    purpose: Purpose,
) -> Result<Option<ObjectId>, String> {
    let analysis = analysis.filter(|analysis| !analysis.templates.is_empty());
    let Some(analysis) = analysis.filter(|_| !skips) else {
        if let Some(run) = run {
            analysis_runs::cancel(world, run);
        }
        return Ok(run.filter(|_| analysis.is_some()));
    };
    let paused = pass.before.pause(PauseReason::InconclusiveAnalysisRun).is_some();
    match run.filter(|run| paused || !analysis_runs::needs_new_run(world, pass, *run)) {
        Some(run) => Ok(Some(run)),
        None if paused => Ok(None),
        None => analysis_runs::create(world, pass, analysis, purpose).map(Some),
    }
}

/// Whether there is nothing to analyse before the switch: it has happened, or the new pods are not all
/// there yet (`skipPrePromotionAnalysisRun`). A run that has begun goes on.
fn skips_pre(blue_green: &BlueGreen<'_>) -> bool {
    let (pass, state) = (&*blue_green.pass, &blue_green.pass.before);
    let new = pass.new_set();
    let active = state.blue_green.active.as_ref();
    if state.stable_rs.as_ref() == Some(&new.hash) || active.is_none_or(|active| *active == new.hash) {
        return true;
    }
    if blue_green.runs.pre.is_some() {
        return false;
    }
    match blue_green.strategy.preview_replica_count.map(i64::from) {
        Some(preview) => new.size.spec != preview || new.size.available != preview,
        None => !pass.is_saturated(new),
    }
}

/// Whether there is nothing to analyse after the switch (`skipPostPromotionAnalysisRun`).
pub(super) fn skips_post(blue_green: &BlueGreen<'_>) -> bool {
    let (pass, state) = (&*blue_green.pass, &blue_green.pass.before);
    let new = pass.new_set();
    let is_active = state.blue_green.active.as_ref() == Some(&new.hash);
    if state.stable_rs.as_ref() == Some(&new.hash) || !is_active {
        return true;
    }
    blue_green.runs.post.is_none() && !pass.is_saturated(new)
}
