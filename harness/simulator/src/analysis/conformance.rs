//! Decisions about an AnalysisRun as the controller makes them.

use manifests::objects::rollout::MergedAnalysis;
use timeline::AnalysisPhase;
use units::Time;

use super::RunStatus;
use super::plan::Plan;

/// The status that a run with these measurements has once the controller has come to rest and before
/// any further one falls due (`reconcileAnalysisRun`).
pub fn settle(analysis: &MergedAnalysis, terminate: bool, mut status: RunStatus) -> RunStatus {
    let plan = match Plan::of(analysis) {
        Ok(plan) => plan,
        Err(message) => {
            status.phase = Some(AnalysisPhase::Error);
            status.message = message;
            return status;
        }
    };
    loop {
        let before = status.clone();
        status.assess(&plan, terminate, Time::ZERO);
        if status == before || status.is_completed() {
            return status;
        }
    }
}
