//! What happened in a run, in the terms that both sides share. Templates are told by the order in which
//! their ReplicaSets were made, from 0.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What happened, in order.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Account {
    pub states: Vec<(f64, State)>,
    pub sizes: Vec<(f64, Size)>,
    pub runs: Vec<(f64, Run)>,
    pub measurements: Vec<(f64, Measurement)>,
    /// Reasons of the Events about the Rollout.
    pub events: Vec<(f64, String)>,
    pub services: Vec<(f64, Services)>,
    pub pods: Vec<(f64, Pods)>,
}

/// Which template each Service selects that the Rollout switches.
pub type Services = BTreeMap<String, Option<usize>>;

/// The label that tells a pod's role, where a case has metadata by role.
pub(crate) const ROLE: &str = "role";

/// The pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Pods {
    /// How many were made so far, by template.
    pub made: BTreeMap<String, u32>,
    /// How many there are, by template and role: `1 canary`.
    pub present: BTreeMap<String, u32>,
}

/// What is not compared of Events: `RolloutAddedToInformer` is an informer's, and behind a router upstream
/// switches the Service of an aborted canary there and back in every pass.
pub(crate) const NOT_COMPARED: [&str; 2] = ["RolloutAddedToInformer", "SwitchService"];

/// The Rollout.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct State {
    pub phase: String,
    pub message: String,
    pub aborted: bool,
    pub step: Option<u32>,
    pub stable: Option<usize>,
    pub current: Option<usize>,
    /// The canary's weight, where there is a router.
    pub weight: Option<u32>,
    /// The routes that steps made.
    pub routes: Vec<String>,
}

/// A ReplicaSet was asked for another number of pods.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Size {
    pub template: usize,
    pub desired: u32,
}

/// An AnalysisRun has another phase. Its name is what follows the template's hash in it.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Run {
    pub name: String,
    pub phase: String,
    pub message: String,
}

/// A measurement.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Measurement {
    pub run: String,
    pub metric: String,
    pub phase: String,
    pub value: String,
    pub message: String,
}

/// The part of a run's name that both sides share: hashes differ.
pub(crate) fn without_hash(name: &str) -> String {
    name.splitn(3, '-').nth(2).unwrap_or(name).to_owned()
}

/// A text about a ReplicaSet without the hash in its name.
pub(crate) fn without_hashes(text: &str, hashes: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    hashes.into_iter().fold(text.to_owned(), |text, hash| text.replace(hash.as_ref(), "#"))
}
