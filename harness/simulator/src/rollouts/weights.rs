//! How a traffic router splits the requests (argo-rollouts v1.10.1 `pkg/apis/rollouts/v1alpha1/types.go:
//! TrafficWeights`).

use super::status::Hash;

/// The split that a Rollout asked its router for last (`status.canary.weights`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficWeights {
    /// What the canary gets.
    pub canary: WeightDestination,
    /// What stable gets: the rest.
    pub stable: WeightDestination,
    /// What the templates of a running experiment get.
    pub additional: Vec<WeightDestination>,
}

/// A share of the requests, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightDestination {
    /// The share; the maximum weight, 100 unless the Rollout says otherwise, is all.
    pub weight: i32,
    /// The Service as the spec names it (`canaryService`, `stableService`), not one of two that take turns; empty where
    /// it names none.
    pub service: String,
    /// The pod template's hash.
    pub hash: Hash,
}

/// What a router was asked for last (`SetWeight`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    /// The Services that requests go to, each with its weight: the canary's, stable's, then those of experiments.
    pub weights: Vec<(String, i32)>,
    /// The weight that stands for all requests.
    pub max: i32,
}
