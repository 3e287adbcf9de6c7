//! When a metric is measured, and how its measurements count (argo-rollouts v1.10.1
//! `analysis/analysis.go: generateMetricTasks, runMeasurements, calculateNextReconcileTime`).

use manifests::objects::analysis::CheckedMetric;
use planted::Bug;
use timeline::AnalysisPhase;
use units::{Duration, Time};

use super::run::{Measurement, MetricResult};

/// The shortest time between two measurements. Deviation: upstream stores times in whole seconds, so
/// that a shorter interval makes it measure without a pause.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// How long after an error the next attempt follows, whatever the interval.
const ERROR_RETRY: Duration = Duration::from_secs(10);

/// When a metric is due next: `None` when never. What is due at or before now is measured now. A run
/// that ends takes no further measurement. A measurement that is under way is looked at at its time to
/// resume.
pub(super) fn due(metric: &CheckedMetric, result: Option<&MetricResult>, started: Time) -> Option<Time> {
    let Some(result) = result else {
        return Some(if planted::is(Bug::InitialDelayIgnored) {
            started
        } else {
            started + metric.initial_delay
        });
    };
    if is_completed(result.phase) {
        return None;
    }
    let Some(last) = result.measurements.last() else { return Some(started + metric.initial_delay) };
    let Some(finished) = last.finished else { return last.resume };
    if metric.count.is_some_and(|count| result.count >= count) {
        return None;
    }
    let wait = match last.phase {
        AnalysisPhase::Error if !planted::is(Bug::ErrorsWaitForTheInterval) => ERROR_RETRY,
        AnalysisPhase::Pending
        | AnalysisPhase::Running
        | AnalysisPhase::Successful
        | AnalysisPhase::Failed
        | AnalysisPhase::Error
        | AnalysisPhase::Inconclusive => metric.interval.unwrap_or(ERROR_RETRY),
    };
    Some(finished + wait.max(SHORTEST_WAIT))
}

/// Whether a phase is final.
pub(super) fn is_completed(phase: AnalysisPhase) -> bool {
    match phase {
        AnalysisPhase::Successful
        | AnalysisPhase::Failed
        | AnalysisPhase::Error
        | AnalysisPhase::Inconclusive => true,
        AnalysisPhase::Pending | AnalysisPhase::Running => false,
    }
}

impl MetricResult {
    pub(super) fn new(name: &str, dry_run: bool) -> Self {
        Self {
            name: name.to_owned(),
            phase: AnalysisPhase::Running,
            message: String::new(),
            dry_run,
            count: 0,
            successful: 0,
            failed: 0,
            inconclusive: 0,
            error: 0,
            consecutive_error: 0,
            consecutive_success: 0,
            measurements: Vec::new(),
        }
    }

    /// Adds a measurement. Errors do not count towards the metric's `count`.
    pub(super) fn add(&mut self, measurement: Measurement) {
        match measurement.phase {
            AnalysisPhase::Successful => {
                self.successful += 1;
                self.count += 1;
                if !planted::is(Bug::ConsecutiveErrorsNotReset) {
                    self.consecutive_error = 0;
                }
                self.consecutive_success += 1;
            }
            AnalysisPhase::Failed | AnalysisPhase::Inconclusive => {
                let own = match measurement.phase {
                    AnalysisPhase::Failed => &mut self.failed,
                    _ => &mut self.inconclusive,
                };
                *own += 1;
                self.count += 1;
                self.consecutive_error = 0;
                if !planted::is(Bug::ConsecutiveSuccessesNotReset) {
                    self.consecutive_success = 0;
                }
            }
            AnalysisPhase::Error => {
                self.error += 1;
                self.count += u32::from(planted::is(Bug::ErrorsCount));
                self.consecutive_error += 1;
                self.consecutive_success = 0;
            }
            AnalysisPhase::Pending | AnalysisPhase::Running => {}
        }
        self.measurements.push(measurement);
    }

    /// Takes out the measurement that is under way.
    pub(super) fn take_unfinished(&mut self) -> Option<Measurement> {
        self.measurements.pop_if(|last| last.finished.is_none())
    }

    /// How many measurements were taken in all, also those that are not kept any more.
    pub(super) fn taken(&self) -> u32 {
        self.count + self.error
    }
}
