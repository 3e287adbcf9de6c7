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
    /// The Service; empty where the router works by hash alone.
    pub service: String,
    /// The pod template's hash.
    pub hash: Hash,
}

impl TrafficWeights {
    /// All destinations: the canary, stable, then those of experiments.
    pub fn destinations(&self) -> impl Iterator<Item = &WeightDestination> {
        [&self.canary, &self.stable].into_iter().chain(&self.additional)
    }
}
