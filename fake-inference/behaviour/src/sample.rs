use std::ops::AddAssign;

use rand::Rng;
use units::{Duration, Ratio};

use crate::random::{Stream, binomial};
use crate::{Buckets, Draws, Effective};

/// A cell is a bucket, or a part of one where the threshold for "slow" cuts it: at most
/// [`Buckets::MAX_BOUNDS`] and two, so that every cell's index fits in a byte.
const MAX_CELLS: usize = 1 << u8::BITS;

/// Up to this many requests, a draw for each is quicker than a binomial for each cell.
const ONE_BY_ONE: f64 = 300.0;

/// Expected counts saturate here: the counts stay whole numbers in an `f64`.
const MAX_REQUESTS: f64 = 1e15;

/// What became of a number of requests. Counts are whole numbers where they were drawn, and have
/// fractions where they are expected values.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// All finished requests.
    pub requests: f64,
    /// Requests answered with an error.
    pub errors: f64,
    /// Requests without an error that took longer than the threshold; zero where there is none.
    pub slow: f64,
    /// Requests without an error whose stream was cut short.
    pub truncated: f64,
    /// Requests without an error whose answer was wrong.
    pub wrong: f64,
    /// Requests with at least one of these: error, slow, truncated, wrong.
    pub hurt: f64,
    /// The sum of all durations in seconds, errors included: each request counts with the mean of its
    /// bucket.
    pub duration_sum: f64,
    /// The requests, errors included, by the bucket of their duration; the last is `+Inf`. Their sum is
    /// `requests`, up to rounding where they are expected values.
    pub buckets: Vec<f64>,
}

impl Batch {
    /// No requests yet, for a histogram with these buckets.
    pub fn empty(buckets: &Buckets) -> Self {
        Self::with_buckets(buckets.count())
    }

    fn with_buckets(count: usize) -> Self {
        Self {
            requests: 0.0,
            errors: 0.0,
            slow: 0.0,
            truncated: 0.0,
            wrong: 0.0,
            hurt: 0.0,
            duration_sum: 0.0,
            buckets: vec![0.0; count],
        }
    }

    /// The counts as Prometheus exposes them: for each `le`, all requests up to it; the last is `+Inf`.
    pub fn cumulative(&self) -> impl ExactSizeIterator<Item = f64> {
        let mut sum = 0.0;
        self.buckets.iter().map(move |count| {
            sum += count;
            sum
        })
    }
}

/// Panics where the two have different numbers of buckets.
impl AddAssign<&Self> for Batch {
    fn add_assign(&mut self, other: &Self) {
        assert_eq!(self.buckets.len(), other.buckets.len(), "batches of different histograms");
        self.requests += other.requests;
        self.errors += other.errors;
        self.slow += other.slow;
        self.truncated += other.truncated;
        self.wrong += other.wrong;
        self.hurt += other.hurt;
        self.duration_sum += other.duration_sum;
        for (mine, others) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += others;
        }
    }
}

/// Samples one behaviour: the tables that need logarithms are computed once, so keep it as long as the
/// behaviour lasts.
///
/// A request fails, is truncated, is wrong and takes long independently of each other. Errors take as
/// long as other answers and count in the histogram, as every finished request does.
#[derive(Debug, Clone)]
pub struct Sampler {
    effective: Effective,
    cells: Vec<Cell>,
    /// The first cell that is slow; the number of cells where nothing is.
    slow_from: usize,
    buckets: usize,
    table: Table,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    /// The probability of a duration in this cell.
    probability: f64,
    /// The probability of this cell among this and the ones after it.
    among_rest: f64,
    /// The mean of the durations in it, in seconds.
    mean: f64,
    /// The bucket that it is, or is a part of.
    bucket: usize,
}

impl Sampler {
    /// A sampler of this behaviour for a histogram with these buckets. Requests that take longer than
    /// `slow_threshold` are slow; it need not be a bucket's bound.
    pub fn new(effective: Effective, buckets: &Buckets, slow_threshold: Option<Duration>) -> Self {
        let threshold = slow_threshold.map(Duration::as_secs_f64);
        let mut edges = buckets.bounds().to_vec();
        edges.extend(threshold.filter(|threshold| !buckets.has_bound(*threshold)));
        edges.sort_by(f64::total_cmp);

        let count = edges.len() + 1;
        let slow_from = threshold.map_or(count, |threshold| edges.partition_point(|e| *e < threshold) + 1);
        let cut = count - buckets.count();
        let bucket = |cell| if cell < slow_from { cell } else { cell - cut };
        let cells = cells(&effective, &edges, bucket);
        let table = Table::new(&effective, &edges);
        Self { effective, cells, slow_from, buckets: buckets.count(), table }
    }

    /// The behaviour that it samples.
    pub const fn effective(&self) -> &Effective {
        &self.effective
    }

    /// What becomes of the requests of a span in which `expected` requests are expected.
    pub fn sample(&self, expected: f64, draws: &mut Draws) -> Batch {
        let mut batch = Batch::with_buckets(self.buckets);
        self.sample_into(expected, draws, &mut batch);
        batch
    }

    /// As [`Sampler::sample`], but adds to `batch`, as the pod's counters do. Panics where `batch` has
    /// another number of buckets. `expected` counts as zero where it is not above zero, and saturates at
    /// 10¹⁵.
    pub fn sample_into(&self, expected: f64, draws: &mut Draws, batch: &mut Batch) {
        assert_eq!(batch.buckets.len(), self.buckets, "a batch of another histogram");
        let expected = if expected > 0.0 { expected.min(MAX_REQUESTS) } else { 0.0 };
        let requests = draws.requests(expected);
        let took_long = self.add_durations(requests, draws, batch);
        batch.requests += requests;
        self.count_outcomes(requests - took_long, took_long, draws, batch);
    }

    /// Distributes the requests over the buckets, by their durations; gives how many were slow.
    fn add_durations(&self, requests: f64, draws: &mut Draws, batch: &mut Batch) -> f64 {
        match draws.durations() {
            None => self.add(self.cells.iter().map(|cell| requests * cell.probability), batch),
            Some(rng) if requests <= ONE_BY_ONE => {
                let mut counts = [0; MAX_CELLS];
                self.count_one_by_one(requests as usize, rng, &mut counts);
                self.add(counts.iter().map(|count| f64::from(*count)), batch)
            }
            Some(rng) => self.add(self.count_by_cell(requests, rng), batch),
        }
    }

    /// Adds this many requests in each cell; gives how many were slow.
    fn add(&self, counts: impl Iterator<Item = f64>, batch: &mut Batch) -> f64 {
        let mut slow = 0.0;
        for (index, (cell, count)) in self.cells.iter().zip(counts).enumerate() {
            batch.buckets[cell.bucket] += count;
            batch.duration_sum += count * cell.mean;
            slow += if index < self.slow_from { 0.0 } else { count };
        }
        slow
    }

    /// A 32-bit number for each request, which says in which cell it falls.
    fn count_one_by_one(&self, requests: usize, rng: &mut Stream, counts: &mut [u16; MAX_CELLS]) {
        let mut count = |number: u32| counts[usize::from(self.table.cell_of(number))] += 1;
        for _ in 0..requests / 2 {
            let two = rng.next_u64();
            count((two >> 32) as u32);
            count(two as u32);
        }
        if requests % 2 == 1 {
            count(rng.next_u32());
        }
    }

    /// A multinomial draw as successive binomials: each cell takes its share of what is left.
    fn count_by_cell(&self, requests: f64, rng: &mut Stream) -> impl Iterator<Item = f64> {
        let mut left = requests;
        self.cells.iter().map(move |cell| {
            let count = binomial(left, cell.among_rest, rng);
            left -= count;
            count
        })
    }

    /// Decides which of the requests fail, are truncated or are wrong, given how many were in time and
    /// how many took longer than the threshold.
    fn count_outcomes(&self, in_time: f64, took_long: f64, draws: &mut Draws, batch: &mut Batch) {
        let Effective { errors, wrong, truncated, .. } = self.effective;
        let mut share = |count: f64, ratio: Ratio| draws.outcomes(count, ratio.as_f64());

        let failed_in_time = share(in_time, errors);
        let failed_late = share(took_long, errors);
        let good = in_time - failed_in_time;
        let slow = took_long - failed_late;
        let truncated_good = share(good, truncated);
        let truncated_slow = share(slow, truncated);
        let wrong_and_truncated = share(truncated_good, wrong);
        let wrong_only = share(good - truncated_good, wrong);
        let wrong_slow = share(slow, wrong);

        let failed = failed_in_time + failed_late;
        batch.errors += failed;
        batch.slow += slow;
        batch.truncated += truncated_good + truncated_slow;
        batch.wrong += wrong_and_truncated + wrong_only + wrong_slow;
        batch.hurt += failed + slow + truncated_good + wrong_only;
    }
}

/// What lies between these ascending edges, and above the last.
fn intervals(edges: &[f64]) -> impl Iterator<Item = (f64, f64)> + '_ {
    let lower = std::iter::once(0.0).chain(edges.iter().copied());
    lower.zip(edges.iter().copied().chain(std::iter::once(f64::INFINITY)))
}

/// The cells between these edges; `bucket` says to which bucket each belongs.
fn cells(effective: &Effective, edges: &[f64], bucket: impl Fn(usize) -> usize) -> Vec<Cell> {
    let latency = effective.latency;
    intervals(edges)
        .enumerate()
        .map(|(index, (from, to))| {
            let probability = latency.between(from, to);
            let rest = latency.slower_than(from);
            Cell {
                probability,
                among_rest: if to.is_infinite() { 1.0 } else { (probability / rest).min(1.0) },
                mean: latency.mean_between(from, to),
                bucket: bucket(index),
            }
        })
        .collect()
}

/// Where uniform 32-bit numbers fall.
#[derive(Debug, Clone)]
struct Table {
    /// A number up to this, and not in an earlier cell, falls in this cell. Cells at the beginning that
    /// none falls in have 0, too; the guide knows them.
    lasts: [u32; MAX_CELLS],
    /// For each first byte of a number, the first cell that such a number can fall in.
    guide: [u8; 1 << u8::BITS],
}

impl Table {
    fn new(effective: &Effective, edges: &[f64]) -> Self {
        let mut uppers = [1 << 32; MAX_CELLS];
        for (upper, edge) in uppers.iter_mut().zip(edges) {
            *upper = (effective.latency.cdf(*edge) * (1_u64 << 32) as f64) as u64;
        }
        let guide = std::array::from_fn(|byte| {
            let lowest = (byte as u64) << 24;
            uppers.partition_point(|upper| *upper <= lowest) as u8
        });
        Self { lasts: uppers.map(|upper| upper.saturating_sub(1) as u32), guide }
    }

    /// The cell in which a uniform number falls: rising with it, so that the same number gives a slower
    /// profile a slower answer.
    fn cell_of(&self, uniform: u32) -> u8 {
        let mut cell = self.guide[(uniform >> 24) as usize];
        while uniform > self.lasts[usize::from(cell)] {
            cell += 1;
        }
        cell
    }
}

#[cfg(test)]
mod tests {
    use units::Time;

    use super::*;
    use crate::{Arrivals, Latency, Moment, Profile};

    const RUNS: u32 = 20_000;

    fn sampler(p50_ms: u64, p99_ms: u64, errors: f64) -> Sampler {
        let latency = Latency::new(Duration::from_millis(p50_ms), Duration::from_millis(p99_ms)).unwrap();
        let profile = Profile { errors: Ratio::new(errors).unwrap(), ..Profile::new(latency) };
        let moment = Moment { age: Duration::from_mins(5), now: Time::from_secs(300), pod: 0 };
        Sampler::new(profile.at(moment), &Buckets::default(), Some(Duration::from_millis(500)))
    }

    /// How often `passes` holds in [`RUNS`] draws.
    fn frequency(mut passes: impl FnMut(&mut Draws) -> bool) -> f64 {
        let mut draws = Draws::new(Arrivals::Drawn, 12, "gate");
        f64::from((0..RUNS).map(|_| u32::from(passes(&mut draws))).sum::<u32>()) / f64::from(RUNS)
    }

    /// Fails where a true `chance` would show such a frequency less than once in 15,000 tests (four
    /// standard errors), allowing for the chance being printed with three digits.
    fn assert_chance(seen: f64, chance: f64, what: &str) {
        let allowed = 4.0 * (chance * (1.0 - chance) / f64::from(RUNS)).sqrt() + 0.000_6;
        assert!((seen - chance).abs() <= allowed, "{what}: {seen} instead of {chance}");
    }

    /// The chance of at most `most` of `n` by the binomial law itself, term by term.
    fn at_most(most: u32, n: f64, p: f64) -> f64 {
        let mut term = libm::exp(n * libm::log1p(-p));
        let mut sum = term;
        for k in 1..=most {
            term *= (n - f64::from(k) + 1.0) / f64::from(k) * p / (1.0 - p);
            sum += term;
        }
        sum
    }

    #[test]
    fn an_error_gate_passes_as_often_as_the_binomial_law_says() {
        // Requests in the window, most errors that `errors / requests < 0.01` lets pass, true share of
        // errors, published chance of passing.
        let table = [
            (50.0, 0, 0.001, 0.951),
            (50.0, 0, 0.02, 0.364),
            (150.0, 1, 0.01, 0.557),
            (600.0, 5, 0.005, 0.917),
            (600.0, 5, 0.02, 0.020),
            (1_500.0, 14, 0.01, 0.465),
            (6_000.0, 59, 0.012, 0.066),
            (15_000.0, 149, 0.008, 0.996),
        ];
        for (n, most, p, published) in table {
            assert!((at_most(most, n, p) - published).abs() < 0.000_6, "{n} requests at {p}");
            let sampler = sampler(180, 350, p);
            let seen = frequency(|draws| {
                let mut batch = Batch::empty(&Buckets::default());
                sampler.count_outcomes(n, 0.0, draws, &mut batch);
                batch.errors / n < 0.01
            });
            assert_chance(seen, published, &format!("{n} requests at {p}"));
        }
    }

    #[test]
    fn a_latency_gate_passes_as_often_as_the_binomial_law_says() {
        // Requests in the window, p50 and p99 in ms, published chance that p99 < 0.5 s holds.
        let table = [
            (60.0, 180, 350, 0.990),
            (60.0, 250, 550, 0.290),
            (150.0, 200, 450, 0.864),
            (150.0, 220, 480, 0.707),
            (600.0, 250, 510, 0.285),
            (600.0, 250, 550, 0.017),
            (1_500.0, 220, 480, 0.871),
            (6_000.0, 250, 510, 0.080),
        ];
        for (n, p50, p99, published) in table {
            let sampler = sampler(p50, p99, 0.0);
            let seen = frequency(|draws| {
                let mut batch = Batch::empty(&Buckets::default());
                n - sampler.add_durations(n, draws, &mut batch) > 0.99 * n
            });
            assert_chance(seen, published, &format!("{n} requests at {p50}/{p99}"));
        }
    }
}
