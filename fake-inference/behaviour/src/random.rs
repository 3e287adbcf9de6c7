use std::sync::LazyLock;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A source of random numbers: xoshiro256++ of Blackman and Vigna.
pub type Stream = Xoshiro256PlusPlus;

/// A source of random numbers for one purpose, independent of every other purpose's, so that a new
/// draw here shifts no draw there.
///
/// Its state is what SplitMix64 makes of the 64-bit FNV-1a hash of the seed, little endian, and `purpose`.
/// What a seed means rests on it, so that a change belongs in the CHANGELOG.
pub fn stream(seed: u64, purpose: &str) -> Stream {
    Stream::seed_from_u64(fnv1a(seed.to_le_bytes().into_iter().chain(purpose.bytes())))
}

/// FNV-1a, 64 bits (draft-eastlake-fnv).
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// How the number of requests and of each kind of answer comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// By chance: requests are a Poisson process, answers fall as the profile's shares say.
    #[default]
    Drawn,
    /// Exactly the expected values, fractions of requests included: no chance at all.
    Expected,
}

/// One pod's source of chance, or none.
///
/// The number of requests, their durations and their outcomes draw from separate streams: a model
/// with more errors gets the same requests with the same durations as its healthy twin.
#[derive(Debug, Clone)]
pub struct Draws(Option<Box<Streams>>);

#[derive(Debug, Clone)]
struct Streams {
    arrivals: Stream,
    durations: Stream,
    outcomes: Stream,
}

impl Draws {
    /// The draws for `purpose`, such as a pod's name, in the run with this seed.
    pub fn new(arrivals: Arrivals, seed: u64, purpose: &str) -> Self {
        Self(match arrivals {
            Arrivals::Expected => None,
            Arrivals::Drawn => Some(Box::new(Streams {
                arrivals: stream(seed, &format!("{purpose}/arrivals")),
                durations: stream(seed, &format!("{purpose}/durations")),
                outcomes: stream(seed, &format!("{purpose}/outcomes")),
            })),
        })
    }

    /// The number of requests where `expected` are expected.
    pub(crate) fn requests(&mut self, expected: f64) -> f64 {
        match &mut self.0 {
            None => expected,
            Some(streams) => poisson(expected, &mut streams.arrivals),
        }
    }

    /// How many of `count` requests come out in a way that has this probability.
    pub(crate) fn outcomes(&mut self, count: f64, probability: f64) -> f64 {
        match &mut self.0 {
            None => count * probability,
            Some(streams) => binomial(count, probability, &mut streams.outcomes),
        }
    }

    /// Where durations are drawn from; `None` where they are expected values.
    pub(crate) fn durations(&mut self) -> Option<&mut Stream> {
        self.0.as_mut().map(|streams| &mut streams.durations)
    }
}

/// Below this expected count one uniform number and a short search are quicker than a rejection.
const SEARCH_BELOW: f64 = 10.0;

/// More than a probability that was computed is off.
const ROUNDING: f64 = 1e-9;

/// Uniform in `[0, 1)`, in steps of 2⁻⁵³.
fn uniform(rng: &mut Stream) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A Poisson number with the mean `expected >= 0`.
///
/// Written here rather than taken from a crate because every logarithm must be `libm`'s: what a
/// crate's feature flags choose may differ in the last bit between builds.
pub(crate) fn poisson(expected: f64, rng: &mut Stream) -> f64 {
    if expected <= 0.0 {
        return 0.0;
    }
    if expected < SEARCH_BELOW {
        return search(uniform(rng), libm::exp(-expected), f64::INFINITY, |k| expected / k);
    }
    poisson_by_rejection(expected, rng)
}

/// The transformed rejection PTRS of Hörmann, "The transformed rejection method for generating
/// Poisson random variables" (1993).
fn poisson_by_rejection(expected: f64, rng: &mut Stream) -> f64 {
    let b = 0.931 + 2.53 * expected.sqrt();
    let a = -0.059 + 0.024_83 * b;
    let quick = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = uniform(rng) - 0.5;
        let v = uniform(rng);
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + expected + 0.43).floor();
        if us >= 0.07 && v <= quick {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let scale = 1.1239 + 1.1328 / (b - 3.4);
        let bound = k * libm::log(expected) - expected - log_factorial(k);
        if libm::log(v * scale / (a / (us * us) + b)) <= bound {
            return k;
        }
    }
}

/// How many of `trials` (a whole number) succeed, each with this probability.
pub(crate) fn binomial(trials: f64, probability: f64, rng: &mut Stream) -> f64 {
    if trials <= 0.0 || probability <= 0.0 {
        return 0.0;
    }
    if probability >= 1.0 {
        return trials;
    }
    if probability > 0.5 {
        return trials - binomial(trials, 1.0 - probability, rng);
    }
    if trials * probability < SEARCH_BELOW {
        let uniform = uniform(rng);
        // None succeeds at least this often (Bernoulli's inequality), which mostly spares the logarithm.
        if uniform < 1.0 - trials * probability - ROUNDING {
            return 0.0;
        }
        let odds = probability / (1.0 - probability);
        let none = libm::exp(trials * libm::log1p(-probability));
        return search(uniform, none, trials, |k| odds * (trials - k + 1.0) / k);
    }
    binomial_by_rejection(trials, probability, rng)
}

/// The transformed rejection BTRS of Hörmann, "The generation of binomial random variates" (1993).
fn binomial_by_rejection(n: f64, p: f64, rng: &mut Stream) -> f64 {
    let deviation = (n * p * (1.0 - p)).sqrt();
    let b = 1.15 + 2.53 * deviation;
    let a = -0.0873 + 0.0248 * b + 0.01 * p;
    let quick = 0.92 - 4.2 / b;
    loop {
        let u = uniform(rng) - 0.5;
        let v = uniform(rng);
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + n * p + 0.5).floor();
        if !(0.0..=n).contains(&k) {
            continue;
        }
        if us >= 0.07 && v <= quick {
            return k;
        }
        let alpha = (2.83 + 5.1 / b) * deviation;
        let mode = ((n + 1.0) * p).floor();
        let bound =
            log_of_choices(n, mode) - log_of_choices(n, k) + (k - mode) * (libm::log(p) - libm::log1p(-p));
        if libm::log(v * alpha / (a / (us * us) + b)) <= bound {
            return k;
        }
    }
}

/// `ln(k! (n − k)!)`: what the binomial coefficient divides by.
fn log_of_choices(n: f64, k: f64) -> f64 {
    log_factorial(k) + log_factorial(n - k)
}

/// `ln(k!)` of a whole number.
fn log_factorial(k: f64) -> f64 {
    static SMALL: LazyLock<[f64; 512]> =
        LazyLock::new(|| std::array::from_fn(|k| libm::lgamma(k as f64 + 1.0)));
    SMALL.get(k as usize).copied().unwrap_or_else(|| libm::lgamma(k + 1.0))
}

/// Inversion by search from zero: the number whose cumulative probability `uniform` falls in. `none` is
/// the probability of 0, `ratio(k)` that of `k` over that of `k − 1`. The search ends at `most`, or far in
/// the tail, where rounding has eaten what is left.
fn search(uniform: f64, none: f64, most: f64, ratio: impl Fn(f64) -> f64) -> f64 {
    let mut left = uniform;
    let (mut k, mut probability) = (0.0, none);
    while left >= probability && k < most && k < 200.0 {
        left -= probability;
        k += 1.0;
        probability *= ratio(k);
    }
    k
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a("".bytes()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a".bytes()), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar".bytes()), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn streams_differ_by_seed_and_by_purpose_and_repeat() {
        let first = |seed, purpose| stream(seed, purpose).next_u64();
        assert_eq!(first(1, "pod/a"), first(1, "pod/a"));
        assert_ne!(first(1, "pod/a"), first(2, "pod/a"));
        assert_ne!(first(1, "pod/a"), first(1, "pod/b"));
    }

    /// Pearson's statistic of `draws` against a distribution that `probability` gives for 0, 1, 2, …,
    /// with cells of at least five expected draws, and the degrees of freedom.
    fn chi_square(draws: &[f64], probability: impl Fn(f64) -> f64) -> (f64, f64) {
        let total = draws.len() as f64;
        let most = draws.iter().copied().fold(0.0, f64::max) as usize;
        let (mut statistic, mut cells) = (0.0, 0.0);
        let (mut expected, mut seen, mut expected_left, mut seen_left) = (0.0, 0.0, total, total);
        for k in 0..=most {
            expected += total * probability(k as f64);
            seen += draws.iter().filter(|&&draw| draw == k as f64).count() as f64;
            if expected >= 5.0 && expected_left - expected >= 5.0 {
                statistic += (seen - expected) * (seen - expected) / expected;
                cells += 1.0;
                (expected_left, seen_left) = (expected_left - expected, seen_left - seen);
                (expected, seen) = (0.0, 0.0);
            }
        }
        (statistic + (seen_left - expected_left) * (seen_left - expected_left) / expected_left, cells)
    }

    /// Fails where a true distribution would show such a statistic less than once in 100,000 tests
    /// (Wilson and Hilferty's approximation).
    fn assert_plausible((statistic, freedom): (f64, f64), what: &str) {
        let spread = 2.0 / (9.0 * freedom);
        let limit = freedom * libm::pow(1.0 - spread + 4.265 * spread.sqrt(), 3.0);
        assert!(statistic < limit, "{what}: chi-square {statistic} of {freedom} degrees, limit {limit}");
    }

    #[test]
    fn drawn_counts_follow_the_poisson_law() {
        for mean in [0.01, 0.8, 9.9, 10.0, 11.5, 50.0, 400.0, 3_000.0] {
            let mut rng = stream(7, "poisson");
            let draws: Vec<_> = (0..20_000).map(|_| poisson(mean, &mut rng)).collect();
            let law = |k: f64| libm::exp(k * libm::log(mean) - mean - libm::lgamma(k + 1.0));
            assert_plausible(chi_square(&draws, law), &format!("mean {mean}"));
        }
    }

    #[test]
    fn drawn_counts_follow_the_binomial_law() {
        for (n, p) in [
            (1.0, 0.3),
            (50.0, 0.001),
            (50.0, 0.5),
            (60.0, 0.97),
            (600.0, 0.01),
            (600.0, 0.02),
            (1_500.0, 0.3),
            (15_000.0, 0.0008),
            (15_000.0, 0.9),
        ] {
            let mut rng = stream(8, "binomial");
            let draws: Vec<_> = (0..20_000).map(|_| binomial(n, p, &mut rng)).collect();
            let law = |k: f64| {
                let coefficient = log_of_choices(n, 0.0) - log_of_choices(n, k);
                if k > n {
                    0.0
                } else {
                    libm::exp(coefficient + k * libm::log(p) + (n - k) * libm::log1p(-p))
                }
            };
            assert_plausible(chi_square(&draws, law), &format!("{n} trials at {p}"));
        }
    }

    proptest! {
        // Every draw is a whole number within its range, however extreme the parameters.
        #[test]
        fn draws_are_whole_numbers_in_range(n in 0..1_000_000_000_000_u64, p in 0.0..=1.0_f64, tiny in 0.0..300.0_f64, seed: u64) {
            let mut rng = stream(seed, "range");
            let n = n as f64;
            let tiny = p * libm::pow(10.0, -tiny);
            for p in [p, tiny, 1.0 - tiny] {
                let hits = binomial(n, p, &mut rng);
                prop_assert!((0.0..=n).contains(&hits) && hits.fract() == 0.0, "{hits} of {n} at {p}");
            }
            let count = poisson(n * p, &mut rng);
            prop_assert!(count >= 0.0 && count.fract() == 0.0);
        }
    }
}
