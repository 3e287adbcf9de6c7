//! When requests leave: planned before the first one does, and never changed by an answer.

use behaviour::Stream;
use rand::Rng;
use units::{Duration, Rate};

/// The most requests that a plan may expect.
const MAX_REQUESTS: f64 = 1e8;

/// The highest rate, in requests a second.
const MAX_RATE: f64 = 1e5;

/// The moments at which requests leave, as spans since the start.
///
/// With the rate `r(t)` and its integral `Λ(t)`, the n-th arrival is `Λ⁻¹(n)` where arrivals are even, and
/// `Λ⁻¹(E₁ + … + Eₙ)` with standard exponential `E` where they are a Poisson process. A constant rate is
/// a ramp that does not rise.
///
/// ```
/// use load::{Plan, Spacing};
/// use units::Duration;
/// let rate = "20/s".parse().unwrap();
/// let plan = Plan::new(rate, rate, Duration::from_secs(10), Spacing::Even, 0).unwrap();
/// let times: Vec<_> = plan.times().collect();
/// assert_eq!(times.len(), 200);
/// assert_eq!(times[1], Duration::from_millis(50));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    from: f64,
    to: f64,
    during: Duration,
    spacing: Spacing,
    seed: u64,
}

/// How arrivals lie around their rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Spacing {
    /// In even distances, as of one pacemaker.
    #[default]
    #[value(name = "constant")]
    Even,
    /// By chance, independently of each other, as of many clients: a Poisson process.
    Poisson,
}

/// Why there is no such plan.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BadPlan {
    /// Nothing would be sent.
    #[error("no request would be sent: the rate and the duration must be more than zero")]
    Empty,
    /// The rate is beyond the bound.
    #[error("{0} requests a second are more than a plan may have: the bound is {MAX_RATE}")]
    TooFast(f64),
    /// There would be too many requests.
    #[error("{0} requests are more than a plan may have: the bound is {MAX_REQUESTS}")]
    TooMany(f64),
}

impl Plan {
    /// The plan whose rate goes linearly from `from` to `to` within `during`. The seed decides a Poisson
    /// process: the same seed gives the same moments on every machine.
    ///
    /// # Errors
    /// A plan without requests, or beyond 100,000 a second or 100 million in all.
    pub fn new(from: Rate, to: Rate, during: Duration, spacing: Spacing, seed: u64) -> Result<Self, BadPlan> {
        let plan = Self { from: from.per_second(), to: to.per_second(), during, spacing, seed };
        let fastest = plan.from.max(plan.to);
        if plan.expected() <= 0.0 {
            Err(BadPlan::Empty)
        } else if fastest > MAX_RATE {
            Err(BadPlan::TooFast(fastest))
        } else if plan.expected() > MAX_REQUESTS {
            Err(BadPlan::TooMany(plan.expected()))
        } else {
            Ok(plan)
        }
    }

    /// The plan that goes on at one rate until it is stopped, or has sent 100 million requests.
    ///
    /// # Errors
    /// A rate of zero, or beyond 100,000 a second.
    pub fn unending(rate: Rate, spacing: Spacing, seed: u64) -> Result<Self, BadPlan> {
        let second = Self::new(rate, rate, Duration::from_secs(1), spacing, seed)?;
        Ok(Self { during: Duration::from_secs_f64(MAX_REQUESTS / rate.per_second()), ..second })
    }

    /// How long requests are sent.
    pub const fn during(&self) -> Duration {
        self.during
    }

    /// The expected number of requests.
    pub fn expected(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.during.as_secs_f64()
    }

    /// The mean distance of arrivals at this moment.
    pub fn interval(&self, at: Duration) -> Duration {
        let share = at.as_secs_f64() / self.during.as_secs_f64();
        Duration::from_secs_f64(1.0 / (self.from + (self.to - self.from) * share))
    }

    /// The moments, in their order.
    pub fn times(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let plan = *self;
        let mut chance = behaviour::stream(self.seed, "load/arrivals");
        let mut reached = 0.0;
        let mut number = 0_u64;
        std::iter::from_fn(move || {
            let goal = match plan.spacing {
                Spacing::Even => number as f64,
                Spacing::Poisson => {
                    reached += exponential(&mut chance);
                    reached
                }
            };
            number += 1;
            plan.when(goal).filter(|at| *at < plan.during)
        })
        .fuse()
    }

    /// The moment at which `count` requests are expected to have left: the root of
    /// `from·t + (to − from)·t²/(2·during) = count`, in the form that loses no digits.
    fn when(&self, count: f64) -> Option<Duration> {
        if count == 0.0 {
            return Some(Duration::ZERO);
        }
        let slope = (self.to - self.from) / self.during.as_secs_f64();
        let square = self.from * self.from + 2.0 * slope * count;
        (square >= 0.0).then(|| Duration::from_secs_f64(2.0 * count / (self.from + square.sqrt())))
    }
}

/// A draw from the standard exponential distribution.
fn exponential(chance: &mut Stream) -> f64 {
    let uniform = (chance.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    -libm::log1p(-uniform)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(from: f64, to: f64, secs: u64, spacing: Spacing, seed: u64) -> Plan {
        let rate = |value| Rate::new(value).unwrap();
        Plan::new(rate(from), rate(to), Duration::from_secs(secs), spacing, seed).unwrap()
    }

    #[test]
    fn plans_without_requests_or_beyond_the_bounds_are_refused() {
        let rate = |value| Rate::new(value).unwrap();
        let refused = |from, to, secs| {
            Plan::new(rate(from), rate(to), Duration::from_secs(secs), Spacing::Even, 0).unwrap_err()
        };
        assert_eq!(refused(0.0, 0.0, 10), BadPlan::Empty);
        assert_eq!(refused(5.0, 5.0, 0), BadPlan::Empty);
        assert_eq!(refused(1.0, 1e6, 10), BadPlan::TooFast(1e6));
        assert_eq!(refused(1e5, 1e5, 10_000), BadPlan::TooMany(1e9));
    }

    #[test]
    fn a_ramp_from_nothing_sends_three_quarters_in_its_second_half() {
        let times: Vec<_> = plan(0.0, 100.0, 20, Spacing::Even, 0).times().collect();
        assert_eq!(times.len(), 1000);
        assert_eq!(times.iter().filter(|at| **at < Duration::from_secs(10)).count(), 250);
    }

    #[test]
    fn distances_of_a_poisson_process_vary_as_much_as_they_are_long() {
        let times: Vec<f64> =
            plan(50.0, 50.0, 400, Spacing::Poisson, 7).times().map(Duration::as_secs_f64).collect();
        let gaps: Vec<f64> = times.windows(2).map(|two| two[1] - two[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / gaps.len() as f64;
        assert!((mean * 50.0 - 1.0).abs() < 0.03, "mean {mean}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "deviation {}", variance.sqrt());
    }

    #[test]
    fn the_moments_of_a_seed_stay_what_they_are() {
        let first: Vec<u64> =
            plan(10.0, 10.0, 10, Spacing::Poisson, 1).times().take(3).map(Duration::as_nanos).collect();
        insta::assert_compact_debug_snapshot!(first);
    }

    proptest! {
        // Moments never go back, and all lie within the plan's time.
        #[test]
        fn moments_are_in_order(from in 0.0..200.0, to in 0.1..200.0, secs in 1_u64..20, poisson: bool, seed: u64) {
            let spacing = if poisson { Spacing::Poisson } else { Spacing::Even };
            let times: Vec<_> = plan(from, to, secs, spacing, seed).times().collect();
            prop_assert!(times.is_sorted());
            prop_assert!(times.iter().all(|at| *at < Duration::from_secs(secs)));
        }

        // Even arrivals never stray from their rate by more than one request; random ones by chance alone.
        #[test]
        fn the_number_follows_the_rate(from in 0.0..200.0, to in 0.1..200.0, secs in 1_u64..20, seed: u64) {
            let even = plan(from, to, secs, Spacing::Even, seed);
            prop_assert!((even.times().count() as f64 - even.expected()).abs() <= 1.0);
            let random = plan(from, to, secs, Spacing::Poisson, seed);
            let astray = (random.times().count() as f64 - random.expected()).abs();
            // Six standard deviations, and room for the skew of small numbers.
            prop_assert!(astray <= 6.0 * random.expected().sqrt() + 6.0, "{astray} of {}", random.expected());
        }

        // A seed decides all moments, and other seeds decide others.
        #[test]
        fn a_seed_decides(seed: u64) {
            let times = |seed| plan(20.0, 40.0, 5, Spacing::Poisson, seed).times().collect::<Vec<_>>();
            prop_assert_eq!(times(seed), times(seed));
            prop_assert_ne!(times(seed), times(seed.wrapping_add(1)));
        }
    }
}
