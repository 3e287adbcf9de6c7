//! Argo Rollouts' analysis controller: AnalysisRuns, their metrics and measurements.

use crate::World;
use crate::api::ObjectId;

/// `argoproj.io/AnalysisRun`: its frozen spec and its status.
#[derive(Debug, Clone)]
pub struct AnalysisRun {}

/// One pass of the controller over one AnalysisRun.
pub(crate) fn reconcile(_world: &mut World<'_>, _id: ObjectId) {}
