use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use units::Duration;

use crate::Invalid;

/// The standard normal's 99th percentile.
const Z99: f64 = 2.326_347_874_040_840_8;
const MAX_P99: Duration = Duration::from_secs(3600);
const MAX_TAIL: u64 = 1_000;

/// How long answers take, end to end, by the median and the 99th percentile of a lognormal
/// distribution. `p50` is above zero, `p99` not below it, at most 1000 times it and at most an hour.
///
/// ```
/// use behaviour::Latency;
/// let latency: Latency = serde_saphyr::from_str("{ p50: 180ms, p99: 350ms }").unwrap();
/// assert!((latency.distribution().mean() - 0.188).abs() < 0.001);
/// assert!(serde_saphyr::from_str::<Latency>("{ p50: 2s, p99: 1s }").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Quantiles", into = "Quantiles")]
pub struct Latency {
    p50: Duration,
    p99: Duration,
}

/// How long answers take, end to end: a lognormal distribution through two quantiles.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Latency")]
struct Quantiles {
    /// The median: half of the answers are faster. Above 0s.
    p50: Duration,
    /// 1 % of the answers are slower. Not below p50, at most 1000 times p50 and at most 1h.
    p99: Duration,
}

impl TryFrom<Quantiles> for Latency {
    type Error = Invalid;

    fn try_from(Quantiles { p50, p99 }: Quantiles) -> Result<Self, Invalid> {
        Self::new(p50, p99)
    }
}

impl From<Latency> for Quantiles {
    fn from(Latency { p50, p99 }: Latency) -> Self {
        Self { p50, p99 }
    }
}

impl Latency {
    /// The latency with these quantiles, where a lognormal distribution can have them.
    pub fn new(p50: Duration, p99: Duration) -> Result<Self, Invalid> {
        if p50 == Duration::ZERO {
            Err(Invalid::NoLatency)
        } else if p99 < p50 {
            Err(Invalid::QuantilesCrossed { p50, p99 })
        } else if p99 > p50 * MAX_TAIL {
            Err(Invalid::TailTooHeavy { p50, p99, limit: MAX_TAIL })
        } else if p99 > MAX_P99 {
            Err(Invalid::LatencyTooLong { p99, limit: MAX_P99 })
        } else {
            Ok(Self { p50, p99 })
        }
    }

    /// The median.
    pub const fn p50(self) -> Duration {
        self.p50
    }

    /// The 99th percentile.
    pub const fn p99(self) -> Duration {
        self.p99
    }

    /// The distribution through the two quantiles.
    pub fn distribution(self) -> Lognormal {
        Lognormal::from_quantiles(self.p50.as_secs_f64(), self.p99.as_secs_f64())
    }
}

/// A lognormal distribution of seconds: the logarithm is normal with mean `mu` and deviation `sigma`.
/// With `sigma` 0 every value is the median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lognormal {
    mu: f64,
    sigma: f64,
}

impl Lognormal {
    /// `mu = ln p50`, `sigma = ln(p99 / p50) / 2.3263…`, with `0 < p50 <= p99` in seconds.
    pub(crate) fn from_quantiles(p50: f64, p99: f64) -> Self {
        Self { mu: libm::log(p50), sigma: (libm::log(p99 / p50) / Z99).max(0.0) }
    }

    /// The mean of the logarithm of seconds.
    pub const fn mu(self) -> f64 {
        self.mu
    }

    /// The deviation of the logarithm of seconds.
    pub const fn sigma(self) -> f64 {
        self.sigma
    }

    /// The mean in seconds, `e^(mu + sigma²/2)`.
    pub fn mean(self) -> f64 {
        libm::exp(self.mu + self.sigma * self.sigma / 2.0)
    }

    /// The share of values of at most `seconds`.
    pub fn cdf(self, seconds: f64) -> f64 {
        below(self.z(seconds))
    }

    /// The share of values above `seconds`, exact far into the tail.
    pub fn slower_than(self, seconds: f64) -> f64 {
        below(-self.z(seconds))
    }

    /// The seconds that the share `p` of values does not exceed: zero for `p <= 0`, infinite for
    /// `p >= 1`. Rising in `p`, so the same uniform number gives a slower profile a slower answer.
    pub fn quantile(self, p: f64) -> f64 {
        libm::exp(self.mu + self.sigma * standard_quantile(p))
    }

    /// The share of values above `from` and at most `to`.
    pub(crate) fn between(self, from: f64, to: f64) -> f64 {
        normal_between(self.z(from), self.z(to))
    }

    /// The mean of the values above `from` and at most `to`: always inside them.
    pub(crate) fn mean_between(self, from: f64, to: f64) -> f64 {
        let share = self.between(from, to);
        let partial = self.mean() * normal_between(self.z(from) - self.sigma, self.z(to) - self.sigma);
        let mean = if share > 0.0 { partial / share } else { from };
        mean.clamp(from, to)
    }

    fn z(self, seconds: f64) -> f64 {
        if seconds <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let distance = libm::log(seconds) - self.mu;
        if self.sigma > 0.0 {
            distance / self.sigma
        } else if distance >= 0.0 {
            f64::INFINITY
        } else {
            f64::NEG_INFINITY
        }
    }
}

/// The standard normal's share at most `z`.
fn below(z: f64) -> f64 {
    libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2) / 2.0
}

/// The standard normal's share in `(from, to]`, from the nearer tail so that small shares stay exact.
fn normal_between(from: f64, to: f64) -> f64 {
    let share = if from > 0.0 { below(-from) - below(-to) } else { below(to) - below(from) };
    share.max(0.0)
}

/// The inverse of [`below`]. Newton's steps from the middle approach a tail from one side only,
/// because the distribution is concave there.
fn standard_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -standard_quantile(1.0 - p);
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let mut z = 0.0;
    for _ in 0..100 {
        let density = libm::exp(-z * z / 2.0) / (2.0 * std::f64::consts::PI).sqrt();
        let step = (below(z) - p) / density;
        z -= step;
        if step.abs() < 1e-13 {
            break;
        }
    }
    z
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lognormal(p50_ms: u64, p99_ms: u64) -> Lognormal {
        Latency::new(Duration::from_millis(p50_ms), Duration::from_millis(p99_ms)).unwrap().distribution()
    }

    #[test]
    fn published_figures_follow_from_the_two_quantiles() {
        // p50, p99 (ms), mu, sigma, mean, p99.9, share above 0.5 s: each with its last printed digit.
        let table = [
            (180, 350, -1.715, 0.286, 0.188, 0.435, 0.000_18, 0.000_005),
            (200, 450, -1.609, 0.349, 0.213, 0.587, 0.004_3, 0.000_05),
            (220, 480, -1.514, 0.335, 0.233, 0.620, 0.007_2, 0.000_05),
            (250, 550, -1.386, 0.339, 0.265, 0.713, 0.020, 0.000_5),
            (300, 600, -1.204, 0.298, 0.314, 0.753, 0.043, 0.000_5),
            (420, 900, -0.868, 0.328, 0.443, 1.156, 0.297, 0.000_5),
        ];
        for (p50, p99, mu, sigma, mean, p999, slow, slow_digit) in table {
            let found = lognormal(p50, p99);
            let near = |a: f64, b: f64, digit: f64| (a - b).abs() <= digit;
            assert!(near(found.mu(), mu, 0.000_6), "mu of {p50}/{p99}: {}", found.mu());
            assert!(near(found.sigma(), sigma, 0.000_6), "sigma of {p50}/{p99}: {}", found.sigma());
            assert!(near(found.mean(), mean, 0.000_6), "mean of {p50}/{p99}: {}", found.mean());
            assert!(
                near(found.quantile(0.999), p999, 0.001),
                "p99.9 of {p50}/{p99}: {}",
                found.quantile(0.999)
            );
            assert!(
                near(found.slower_than(0.5), slow, slow_digit),
                "{p50}/{p99}: {}",
                found.slower_than(0.5)
            );
        }
    }

    #[test]
    fn equal_quantiles_make_every_answer_alike() {
        let constant = lognormal(200, 200);
        assert_eq!(constant.cdf(0.199), 0.0);
        assert_eq!(constant.cdf(0.2), 1.0);
        assert_eq!(constant.slower_than(0.2), 0.0);
        assert!((constant.mean_between(0.15, 0.2) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn what_is_wrong_with_a_latency_is_said() {
        let error = |yaml: &str| serde_saphyr::from_str::<Latency>(yaml).unwrap_err().to_string();
        assert!(error("{ p50: 0s, p99: 1s }").contains("p50 is 0s"));
        assert!(error("{ p50: 2s, p99: 1s }").contains("p99 (1s) is below p50 (2s)"));
        assert!(error("{ p50: 1ms, p99: 2s }").contains("more than 1000 times"));
        assert!(error("{ p50: 1h, p99: 2h }").contains("above 1h"));
        assert!(error("{ p50: 1s, p99: 2s, p999: 3s }").contains("p999"));
        assert!(error("{ p50: 180, p99: 2s }").contains("unit"));
    }

    #[test]
    fn a_bucket_far_in_the_tail_keeps_its_share_and_mean() {
        let latency = lognormal(180, 350);
        assert!(latency.between(5.0, 10.0) > 0.0);
        let mean = latency.mean_between(5.0, 10.0);
        assert!(mean > 5.0 && mean < 5.2, "{mean}");
    }

    proptest! {
        // The quantile function is the inverse of the distribution function.
        #[test]
        fn a_quantile_is_where_its_share_is_reached(p in 1e-9..0.999_999_f64, p50 in 1..1_000_u64, tail in 1..900_u64) {
            let latency = lognormal(p50, p50 + tail);
            prop_assert!((latency.cdf(latency.quantile(p)) - p).abs() < 1e-9);
        }

        // A bucket's mean lies inside the bucket, and the means add up to the mean of all.
        #[test]
        fn means_of_parts_make_the_mean(p50 in 1..2_000_u64, tail in 0..5_000_u64, cut in 0.001..5.0_f64) {
            let latency = lognormal(p50, (p50 + tail).min(p50 * 1_000));
            let (fast, slow) = (latency.mean_between(0.0, cut), latency.mean_between(cut, f64::INFINITY));
            prop_assert!((0.0..=cut).contains(&fast) && slow >= cut);
            let whole = latency.cdf(cut) * fast + latency.slower_than(cut) * slow;
            prop_assert!((whole / latency.mean() - 1.0).abs() < 1e-6, "{whole} {}", latency.mean());
        }
    }
}
