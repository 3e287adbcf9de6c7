//! Sizes where a router splits the requests (argo-rollouts v1.10.1 `utils/replicaset/canary.go:
//! CalculateReplicaCountsForTrafficRoutedCanary`).

use super::{Counts, Wanted};

/// What counts only with a router.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::rollouts) struct Routed {
    /// The canary's size, where a `setCanaryScale` names it.
    pub(in crate::rollouts) canary: Option<i64>,
    /// Fewest pods of a ReplicaSet that has any (`minPodsPerReplicaSet`).
    pub(in crate::rollouts) fewest: Option<i64>,
    /// Whether stable shrinks as requests move away (`dynamicStableScale`).
    pub(in crate::rollouts) dynamic: bool,
    /// Whether the update is aborted.
    pub(in crate::rollouts) aborted: bool,
}

/// The weights that requests are split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rollouts) struct Split {
    pub(in crate::rollouts) canary: i64,
    pub(in crate::rollouts) stable: i64,
}

/// Pods that a weight needs, rounded up (`trafficWeightToReplicas`).
pub(in crate::rollouts) fn pods_for(replicas: i64, weight: i64, max_weight: i64) -> i64 {
    ((weight * replicas) as f64 / max_weight as f64).ceil() as i64
}

/// Stable keeps all its pods, unless it is scaled dynamically: then both keep what the present split
/// and the wanted weight need.
pub(super) fn counts(wanted: Wanted, routed: Routed, split: Option<Split>) -> Counts {
    let Wanted { replicas, weight, max_weight, .. } = wanted;
    let pods = |weight: i64| pods_for(replicas, weight, max_weight);
    let canary = routed.canary.unwrap_or_else(|| routed.at_least(replicas, pods(weight)));
    if !routed.dynamic {
        return Counts { canary, stable: replicas };
    }
    let (mut canary, mut stable) = (canary, pods(max_weight - weight));
    if let Some(split) = split {
        stable = stable.max(pods(split.stable));
        if routed.aborted {
            canary = canary.max(pods(split.canary));
        }
    }
    Counts { canary: routed.at_least(replicas, canary), stable: routed.at_least(replicas, stable) }
}

impl Routed {
    /// `CheckMinPodsPerReplicaSet`.
    fn at_least(self, replicas: i64, count: i64) -> i64 {
        match self.fewest {
            Some(fewest) if count != 0 => count.max(fewest.min(replicas)),
            Some(_) | None => count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(replicas: i64, weight: i64) -> Wanted {
        Wanted { replicas, weight, max_weight: 100, ..Wanted::default() }
    }

    #[test]
    fn stable_keeps_its_pods_and_the_canary_gets_what_its_weight_needs() {
        for (replicas, weight, canary) in [
            (5, 10, 1),
            (5, 50, 3),
            (5, 100, 5),
            (10, 10, 1),
            (3, 50, 2),
            (2, 10, 1),
            (1, 50, 1),
            (0, 50, 0),
            (4, 0, 0),
        ] {
            let counts = counts(wanted(replicas, weight), Routed::default(), None);
            assert_eq!(counts, Counts { canary, stable: replicas }, "{weight} of {replicas}");
        }
    }

    #[test]
    fn a_named_size_wins_and_the_fewest_pods_count_only_where_there_are_any() {
        let fewest = Routed { fewest: Some(3), ..Routed::default() };
        assert_eq!(counts(wanted(10, 10), fewest, None).canary, 3);
        assert_eq!(counts(wanted(2, 10), fewest, None).canary, 2, "never more than the Rollout has");
        assert_eq!(counts(wanted(10, 0), fewest, None).canary, 0);
        let named = Routed { canary: Some(1), ..fewest };
        assert_eq!(counts(wanted(10, 50), named, None).canary, 1);
        assert_eq!(counts(wanted(10, 50), Routed { dynamic: true, ..named }, None).canary, 3);
    }

    #[test]
    fn with_dynamic_scale_both_follow_the_larger_of_present_and_wanted_weight() {
        let dynamic = Routed { dynamic: true, ..Routed::default() };
        let aborted = Routed { aborted: true, ..dynamic };
        let split = |canary: i64| Some(Split { canary, stable: 100 - canary });
        for (routed, weight, split, canary, stable) in [
            (dynamic, 10, split(10), 1, 5),
            (dynamic, 50, split(50), 3, 3),
            (dynamic, 100, split(100), 5, 0),
            (dynamic, 50, split(10), 3, 5),
            (dynamic, 10, split(50), 1, 5),
            (dynamic, 50, None, 3, 3),
            (aborted, 0, split(50), 3, 5),
            (aborted, 0, split(0), 0, 5),
        ] {
            let found = counts(wanted(5, weight), routed, split);
            assert_eq!(found, Counts { canary, stable }, "{weight}, {split:?}, {routed:?}");
        }
    }
}
