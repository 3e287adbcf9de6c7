//! How long pods stay that are of no more use (argo-rollouts v1.10.1 `utils/defaults/defaults.go`,
//! `rollout/bluegreen.go`).

use units::Duration;

use super::{ExperimentStep, Rollout, seconds};

/// Where a Rollout does not say how long: seconds.
const DEFAULT: i32 = 30;

/// How long the pods of an aborted update stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortDelay {
    /// So long.
    pub delay: Duration,
    /// Whether the Rollout says so itself.
    pub is_set: bool,
}

impl Rollout {
    /// How long old pods stay after a promotion (`GetScaleDownDelaySecondsOrDefault`); no time without a
    /// router and without blueGreen.
    pub fn scale_down_delay(&self) -> Duration {
        let set = match (self.blue_green(), self.canary()) {
            (Some(blue_green), _) => blue_green.scale_down_delay_seconds,
            (None, Some(canary)) if canary.traffic_routing.is_some() => canary.scale_down_delay_seconds,
            (None, _) => return Duration::ZERO,
        };
        seconds(set.unwrap_or(DEFAULT))
    }

    /// How long the pods of an aborted update stay; `None` for always, which a 0 stands for
    /// (`GetAbortScaleDownDelaySecondsOrDefault`).
    pub fn abort_scale_down_delay(&self) -> Option<AbortDelay> {
        let set = match (self.blue_green(), self.canary()) {
            (Some(blue_green), _) => blue_green.abort_scale_down_delay_seconds,
            (None, Some(canary)) if canary.traffic_routing.is_some() => canary.abort_scale_down_delay_seconds,
            (None, _) => return Some(AbortDelay { delay: Duration::ZERO, is_set: false }),
        };
        match set {
            Some(0) => None,
            set => Some(AbortDelay { delay: seconds(set.unwrap_or(DEFAULT)), is_set: set.is_some() }),
        }
    }

    /// How many old ReplicaSets may wait at a time (`GetScaleDownRevisionLimit`).
    pub fn scale_down_delay_revision_limit(&self) -> u32 {
        let blue_green = self.blue_green().and_then(|strategy| strategy.scale_down_delay_revision_limit);
        let canary = self.canary().and_then(|strategy| strategy.scale_down_delay_revision_limit);
        blue_green.or(canary).map_or(u32::MAX, |limit| u32::try_from(limit).unwrap_or(0))
    }
}

impl ExperimentStep {
    /// How long its pods stay at the end (`GetExperimentScaleDownDelaySecondsOrDefault`).
    pub fn scale_down_delay(&self) -> Duration {
        seconds(self.scale_down_delay_seconds.unwrap_or(DEFAULT))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CanaryStrategy, TrafficRouting};
    use super::*;

    fn canary(routed: bool, set: Option<i32>) -> Rollout {
        let mut rollout = Rollout::default();
        rollout.spec.strategy.canary = Some(CanaryStrategy {
            traffic_routing: routed.then(TrafficRouting::default),
            scale_down_delay_seconds: set,
            abort_scale_down_delay_seconds: set,
            ..CanaryStrategy::default()
        });
        rollout
    }

    #[test]
    fn pods_stay_for_half_a_minute_behind_a_router_and_not_at_all_without_one() {
        let delays = |rollout: &Rollout| {
            let abort = rollout.abort_scale_down_delay().map(|abort| (abort.delay, abort.is_set));
            (rollout.scale_down_delay(), abort)
        };
        let second = Duration::from_secs;
        assert_eq!(delays(&canary(true, None)), (second(30), Some((second(30), false))));
        assert_eq!(delays(&canary(true, Some(5))), (second(5), Some((second(5), true))));
        assert_eq!(delays(&canary(true, Some(0))), (second(0), None));
        assert_eq!(delays(&canary(false, Some(5))), (second(0), Some((second(0), false))));
        assert_eq!(canary(true, None).scale_down_delay_revision_limit(), u32::MAX);
    }
}
