//! What the arithmetic of sizes is given for a Rollout at its step.

use manifests::objects::Rollout;

use super::replicas::{Routed, Size, Split, Wanted};
use super::status::RolloutState;
use super::steps::{self, Scale};
use super::weights::TrafficWeights;

/// What a Rollout asks for at its step.
pub(super) fn of(rollout: &Rollout, state: &RolloutState, new: Size, stable: Option<Size>) -> Wanted {
    let replicas = rollout.spec.replicas();
    let scale = steps::scale(rollout, state, new, stable);
    let (canary, weight) = match scale {
        Scale::Pods(pods) => (Some(i64::from(pods)), 0),
        Scale::Weight(weight) => (None, i64::from(weight)),
    };
    let routed = rollout.canary().filter(|canary| canary.traffic_routing.is_some()).map(|strategy| Routed {
        canary,
        fewest: strategy.min_pods_per_replica_set.map(i64::from),
        dynamic: strategy.dynamic_stable_scale,
        aborted: state.abort,
    });
    Wanted {
        replicas: i64::from(replicas),
        weight,
        max_weight: i64::from(steps::max_weight(rollout)),
        surge: i64::from(rollout.max_surge(replicas)),
        unavailable: i64::from(rollout.max_unavailable(replicas)),
        routed,
    }
}

/// How a router splits requests.
pub(super) fn split(weights: Option<&TrafficWeights>) -> Option<Split> {
    weights.map(|weights| Split {
        canary: i64::from(weights.canary.weight),
        stable: i64::from(weights.stable.weight),
    })
}
