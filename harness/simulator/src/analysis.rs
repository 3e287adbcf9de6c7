//! Argo Rollouts' analysis controller, v1.10.1: AnalysisRuns, their metrics and measurements.
//!
//! A run's spec is frozen when the rollout controller makes it ([`AnalysisRun::new`]). [`reconcile`] is
//! one pass: it measures what is due, assesses metrics and run, and sets a timer for the next
//! measurement. Assessment and due times are functions of plain values in modules of their own.
//! Web and Job metrics are answered by the scenario. Other providers are not simulated: a run that has one
//! ends the rehearsal by name.

mod assess;
#[cfg(feature = "conformance")]
pub mod conformance;
mod decide;
pub mod gate;
mod help;
mod job;
mod measure;
mod metric;
mod plan;
mod query;
mod range;
mod run;
mod secrets;
mod waiting;
mod web;

pub(crate) use assess::badness;
pub(crate) use measure::problem;
pub(crate) use range::Range;
pub(crate) use run::reconcile;
pub use run::{AnalysisRun, Measurement, MetricResult, RunStatus};
pub(crate) use secrets::decode_base64;
pub(crate) use waiting::State;

#[cfg(test)]
mod tests;
