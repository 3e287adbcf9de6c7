//! How many pods stable and canary should have (argo-rollouts v1.10.1 `utils/replicaset/canary.go`).

use manifests::objects::rollout::{ProgressThreshold, ThresholdKind};
use planted::Bug;

use crate::kubernetes::ReplicaSet;

mod routed;

pub(super) use routed::{Routed, Split, pods_for};

/// What the arithmetic knows of a ReplicaSet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Size {
    /// Pods asked for.
    pub(super) spec: i64,
    /// Pods that exist.
    pub(super) created: i64,
    /// Pods available.
    pub(super) available: i64,
}

impl Size {
    pub(super) fn of(set: &ReplicaSet) -> Self {
        Self {
            spec: i64::from(set.replicas),
            created: i64::from(set.status.replicas),
            available: i64::from(set.status.available),
        }
    }

    /// Pods that count when something is to be scaled down (`GetReplicasForScaleDown`). The side that
    /// shrinks is counted by what was asked for, so that one that crashes can still be shrunk.
    fn counted(self, ignoring_availability: bool) -> i64 {
        if self.spec < self.available || ignoring_availability { self.spec } else { self.available }
    }
}

/// Pods of canary and stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) canary: i64,
    pub(super) stable: i64,
}

/// What a Rollout asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// `spec.replicas`.
    pub(super) replicas: i64,
    /// The weight of the canary.
    pub(super) weight: i64,
    /// The weight that stands for all traffic.
    pub(super) max_weight: i64,
    /// maxSurge in pods.
    pub(super) surge: i64,
    /// maxUnavailable in pods.
    pub(super) unavailable: i64,
    /// What counts with a traffic router; surge and unavailability then play no part.
    pub(super) routed: Option<Routed>,
}

/// The ReplicaSets of a Rollout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes<'a> {
    /// Of the wanted template.
    pub(super) new: Size,
    /// Of the trusted template; the same as `new` when promoted.
    pub(super) stable: Option<Size>,
    /// Whether they are one.
    pub(super) new_is_stable: bool,
    /// All others.
    pub(super) others: &'a [Size],
}

/// The two counts whose ratio comes closest to a weight (`approximateWeightedCanaryStableReplicaCounts`).
/// With surge the sum may be one above `replicas`; a tie goes to the larger canary.
pub(super) fn approximate(wanted: Wanted) -> Counts {
    let Wanted { replicas, weight, max_weight, surge, .. } = wanted;
    if replicas == 0 {
        return Counts { canary: 0, stable: 0 };
    }
    let exact = (replicas * weight) as f64 / max_weight as f64;
    let (high, low) = (exact.ceil() as i64, exact.floor() as i64);
    // The order of these two operations decides what counts as a tie.
    let tied = |total: i64| (total as f64 * (weight as f64 / max_weight as f64)).fract() == 0.5;
    let zero_allowed = weight == max_weight || weight == 0 || (replicas == 1 && surge == 0);
    let low_allowed = low != 0 || zero_allowed;
    let candidates = [
        (high, replicas, high < replicas || zero_allowed),
        (low, replicas, !tied(replicas) && low_allowed),
        (high, replicas + 1, surge > 0),
        (low, replicas + 1, surge > 0 && !tied(replicas + 1) && low_allowed),
    ];
    let distance =
        |canary: i64, total: i64| ((canary * max_weight) as f64 / total as f64 - weight as f64).abs();
    let mut best: Option<(f64, i64, i64)> = None;
    for (canary, total, _) in candidates.into_iter().filter(|(_, _, allowed)| *allowed) {
        let distance = distance(canary, total);
        let tied = |closest| planted::is(Bug::TieToTheSmallerCanary) && distance == closest;
        if best.is_none_or(|(closest, _, _)| distance < closest || tied(closest)) {
            best = Some((distance, canary, total));
        }
    }
    // Without surge a weight of exactly 100 − 50/replicas leaves no candidate, and no canary.
    let (canary, total) = best.map_or((0, replicas), |(_, canary, total)| (canary, total));
    Counts { canary, stable: total - canary }
}

/// The next sizes. `split` is how requests are split at present, where a router does that.
pub(super) fn next_counts(wanted: Wanted, sizes: Sizes<'_>, split: Option<Split>) -> Counts {
    match wanted.routed {
        None => next_basic_counts(wanted, sizes),
        Some(routed) => routed::counts(wanted, routed, split),
    }
}

/// The next sizes on the way to the approximated ones, within surge and unavailability
/// (`CalculateReplicaCountsForBasicCanary`).
fn next_basic_counts(wanted: Wanted, sizes: Sizes<'_>) -> Counts {
    let Sizes { new, stable, new_is_stable, others } = sizes;
    let apart = stable.filter(|_| !new_is_stable);
    let target = match apart {
        Some(_) => approximate(wanted),
        None => Counts { canary: wanted.replicas, stable: 0 },
    };
    let mut counts = Counts { canary: new.spec, stable: apart.map_or(0, |stable| stable.spec) };
    let of_others: i64 = others.iter().map(|other| other.spec).sum();
    let most = wanted.replicas + wanted.surge;
    let mut room = most - of_others - counts.canary - counts.stable;
    if apart.is_some_and(|stable| stable.spec < target.stable) && room > 0 {
        let grown = target.stable.min(counts.stable + room);
        room -= grown - counts.stable;
        counts.stable = grown;
    }
    if new.spec < target.canary && room > 0 {
        counts.canary = target.canary.min(new.spec + room);
    }
    if of_others > 0 {
        return counts;
    }
    let fewest = wanted.replicas - wanted.unavailable;
    let grows = target.canary >= new.spec;
    let counted = new.counted(!grows) + stable.map_or(0, |stable| stable.counted(grows));
    if counted <= fewest {
        return counts;
    }
    let spare = counted - fewest;
    let limits = Limits { most, fewest };
    if !grows {
        let drained = shrunk(new, target.canary, spare, counts.canary);
        (counts.canary, counts.stable) = limits.adjust(new, drained, stable, counts.stable);
    } else if let Some(stable) = apart {
        let drained = shrunk(stable, target.stable, spare, counts.stable);
        (counts.stable, counts.canary) = limits.adjust(stable, drained, Some(new), counts.canary);
    }
    counts
}

/// `calculateScaleDownReplicaCount`.
fn shrunk(set: Size, target: i64, spare: i64, count: i64) -> i64 {
    if set.spec > target { target.max(set.spec - spare) } else { count }
}

struct Limits {
    most: i64,
    fewest: i64,
}

impl Limits {
    /// Keeps a pair of counts within both limits (`adjustReplicaWithinLimits`): `drained` is the side
    /// that shrinks.
    fn adjust(
        &self,
        drained: Size,
        mut drained_count: i64,
        other: Option<Size>,
        mut other_count: i64,
    ) -> (i64, i64) {
        let Some(other) = other else { return (drained_count, other_count) };
        other_count -= (other_count + drained_count - self.most).max(0);
        let available = drained.available.min(drained_count) + other.available.min(other_count);
        let lost = (other.available - other_count).max(0);
        other_count += lost.min((self.fewest - available).max(0));
        drained_count -= (other_count + drained_count - self.most).max(0);
        (drained_count, other_count)
    }
}

/// Whether enough of a ReplicaSet is available (`ReplicaProgressThresholdMet`).
pub(super) fn enough_available(threshold: Option<ProgressThreshold>, set: Size, wanted: i64) -> bool {
    match threshold.filter(|threshold| threshold.value >= 0) {
        None => wanted == set.spec && wanted == set.available,
        Some(ProgressThreshold { kind: ThresholdKind::Pods, value }) => set.available >= i64::from(value),
        Some(ProgressThreshold { kind: ThresholdKind::Percent, .. }) if wanted == 0 => true,
        Some(ProgressThreshold { kind: ThresholdKind::Percent, value }) => {
            let percent = set.available as f64 / wanted as f64 * 100.0;
            percent >= f64::from(value) || (percent - f64::from(value)).abs() <= 1e-10
        }
    }
}

/// Whether a step's sizes are reached (`AtDesiredReplicaCountsForCanary`): the canary is available,
/// stable pods above the wanted number are gone, but need not be available, and nothing else serves. With
/// a router, others get no requests; with dynamic scale, stable follows later.
pub(super) fn at_desired_counts(
    wanted: Wanted,
    threshold: Option<ProgressThreshold>,
    sizes: Sizes<'_>,
    split: Option<Split>,
) -> bool {
    let counts = next_counts(wanted, sizes, split);
    let is_at = |stable: Size| counts.stable == stable.spec && counts.stable == stable.created;
    enough_available(threshold, sizes.new, counts.canary)
        && (wanted.routed.is_some_and(|routed| routed.dynamic) || sizes.stable.is_some_and(is_at))
        && (wanted.routed.is_some()
            || planted::is(Bug::OthersMayServe)
            || sizes.others.iter().all(|other| other.available == 0))
}

#[cfg(test)]
mod tests;
