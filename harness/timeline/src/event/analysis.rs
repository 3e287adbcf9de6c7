//! What the analysis controller tells of AnalysisRuns and their measurements.

use serde::{Deserialize, Serialize};

/// The phase of an AnalysisRun, a metric or a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnalysisPhase {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// The condition held.
    Successful,
    /// The condition did not hold.
    Failed,
    /// It could not be measured or evaluated.
    Error,
    /// Neither condition held.
    Inconclusive,
}

/// The phase of an AnalysisRun changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalysisRunStatus {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The Rollout that made it.
    pub rollout: String,
    /// The step that it decides; `None` for a background analysis.
    pub step: Option<u32>,
    /// Its phase.
    pub phase: AnalysisPhase,
    /// The message beside the phase.
    pub message: String,
}

/// A metric was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The AnalysisRun's namespace.
    pub namespace: String,
    /// The AnalysisRun.
    pub run: String,
    /// The Rollout that made the run.
    pub rollout: String,
    /// The step that the run decides; `None` for a background analysis.
    pub step: Option<u32>,
    /// The metric.
    pub metric: String,
    /// The count of this metric's measurements in the run so far, from 1.
    pub number: u32,
    /// The outcome.
    pub phase: AnalysisPhase,
    /// The value as the controller records it: `[0.43]`; empty where none was obtained.
    pub value: String,
    /// Why it is an error; empty otherwise.
    pub message: String,
    /// The condition that decided, as written; empty where the metric has none.
    pub condition: String,
    /// What the query looked at: `None` where the engine cannot know.
    pub evidence: Option<QueryEvidence>,
    /// How to mend the gate, where the engine knows; empty otherwise.
    pub help: String,
}

/// What a query looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryEvidence {
    /// Series that matched its selectors.
    pub series: u64,
    /// Samples read.
    pub samples: u64,
    /// The length of the longest range that it looked back over, in seconds.
    pub range_seconds: f64,
    /// Requests of the canary that fall into that range.
    pub requests: f64,
}
