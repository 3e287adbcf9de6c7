//! Quantiles and fractions of classic histograms.

use planted::Bug;

use crate::cache::LabelId;
use crate::evaluate::{Element, Evaluated, Evaluator};
use crate::labels::BUCKET_BOUND;
use crate::plan::{Histogram, HistogramFunction};

/// Relative differences between neighbouring buckets that count as noise
/// (prometheus promql/quantile.go: smallDeltaTolerance).
const NOISE: f64 = 1e-12;

/// A bucket of a classic histogram: how many observations are at most `bound`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    bound: f64,
    count: f64,
}

impl Evaluator<'_> {
    pub(crate) fn histogram(&mut self, node: &Histogram, at_ms: i64) -> Evaluated<Vec<Element>> {
        let question = match &node.function {
            HistogramFunction::Quantile(quantile) => Question::Quantile(self.scalar(quantile, at_ms)?),
            HistogramFunction::Fraction(lower, upper) => {
                Question::Fraction { lower: self.scalar(lower, at_ms)?, upper: self.scalar(upper, at_ms)? }
            }
        };
        let elements = self.vector(&node.operand, at_ms)?;
        self.cache.slots.clear();
        let mut results: Vec<LabelId> = Vec::new();
        let mut buckets: Vec<(usize, Bucket)> = Vec::with_capacity(elements.len());
        for element in elements {
            // An element without a bound is no bucket (promql/engine.go: resetHistograms).
            let Some(bound) = self.bucket_bound(node.index, element.labels) else { continue };
            let group = self.cache.relabel(self.plan, node.group, element.labels);
            let slot = self.cache.slots.get(group.index()).unwrap_or(results.len());
            if self.cache.slots.insert(group.index(), slot) {
                results.push(self.cache.relabel(self.plan, node.result, element.labels));
            }
            buckets.push((slot, Bucket { bound, count: element.value }));
        }
        let mut own = Vec::new();
        let mut answers = Vec::with_capacity(results.len());
        for (slot, labels) in results.into_iter().enumerate() {
            own.clear();
            own.extend(buckets.iter().filter(|(of, _)| *of == slot).map(|(_, bucket)| *bucket));
            answers.push(Element { labels, value: question.answer(&mut own) });
        }
        self.unique(&answers)?;
        Ok(answers)
    }

    fn bucket_bound(&mut self, index: usize, labels: LabelId) -> Option<f64> {
        let known = self.cache.bounds[index].get(labels.index()).copied();
        if let Some(Some(bound)) = known {
            return Some(bound);
        }
        let bound = self.cache.labels.get(labels).get(BUCKET_BOUND)?.parse().ok()?;
        let bounds = &mut self.cache.bounds[index];
        bounds.resize(bounds.len().max(labels.index() + 1), None);
        bounds[labels.index()] = Some(bound);
        Some(bound)
    }
}

/// A [`HistogramFunction`] with its parameters at one time.
#[derive(Debug, Clone, Copy)]
enum Question {
    Quantile(f64),
    Fraction { lower: f64, upper: f64 },
}

impl Question {
    fn answer(self, buckets: &mut Vec<Bucket>) -> f64 {
        match self {
            Self::Quantile(quantile) => bucket_quantile(quantile, buckets),
            Self::Fraction { lower, upper } => bucket_fraction(lower, upper, buckets),
        }
    }
}

/// The quantile of a histogram by linear interpolation within a bucket
/// (prometheus promql/quantile.go: BucketQuantile).
///
/// NaN without a `+Inf` bucket, with fewer than two buckets, or without observations. In the `+Inf`
/// bucket the answer is the highest finite bound; the first bucket starts at 0 if its bound is
/// positive.
fn bucket_quantile(q: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if !is_complete(buckets) {
        return f64::NAN;
    }
    make_monotonic(buckets);
    let &[.., second_highest, highest] = buckets.as_slice() else { return f64::NAN };
    if highest.count == 0.0 {
        return f64::NAN;
    }
    let mut rank = q * highest.count;
    let finite = &buckets[..buckets.len() - 1];
    // Not `count < rank`: a rank of NaN is in no finite bucket.
    let Some(at) = finite.iter().position(|bucket| bucket.count >= rank) else { return second_highest.bound };
    let Bucket { bound: end, mut count } = buckets[at];
    let mut start = 0.0;
    match at.checked_sub(1) {
        None if end <= 0.0 => return end,
        None => {}
        Some(below) => {
            start = if planted::is(Bug::QuantileFromZero) { 0.0 } else { buckets[below].bound };
            count -= buckets[below].count;
            rank -= buckets[below].count;
        }
    }
    start + (end - start) * (rank / count)
}

/// The share of observations between two values by linear interpolation within buckets
/// (prometheus promql/quantile.go: BucketFraction).
///
/// NaN without a `+Inf` bucket or without observations. A bucket without a finite lower bound counts
/// whole as soon as a value lies in it; the first bucket starts at 0 if its bound is positive.
fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !is_complete(buckets) {
        return f64::NAN;
    }
    let observations = buckets.last().map_or(0.0, |last| last.count);
    if observations == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets, observations) - rank_of(lower, buckets, observations)) / observations
}

/// How many observations are estimated to be below a value.
fn rank_of(value: f64, buckets: &[Bucket], observations: f64) -> f64 {
    let mut rank = 0.0;
    let mut start =
        if buckets.first().is_some_and(|first| first.bound <= 0.0) { f64::NEG_INFINITY } else { 0.0 };
    for &Bucket { bound: end, count } in buckets {
        let found = if start >= value {
            rank
        } else if end <= value {
            (rank, start) = (count, end);
            continue;
        } else if start == f64::NEG_INFINITY {
            count
        } else {
            rank + (count - rank) * (value - start) / (end - start)
        };
        return if found > observations { observations } else { found };
    }
    observations
}

/// Brings buckets in order, one for each bound, and says whether the `+Inf` bucket is among them.
fn is_complete(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_by(|one, other| one.bound.total_cmp(&other.bound));
    merge_same_bounds(buckets);
    buckets.last().is_some_and(|last| last.bound == f64::INFINITY)
}

/// prometheus promql/quantile.go: coalesceBuckets
fn merge_same_bounds(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|bucket, kept| {
        let same = bucket.bound == kept.bound;
        if same {
            kept.count += bucket.count;
        }
        same
    });
}

/// Takes away noise and any decrease (prometheus promql/quantile.go:
/// ensureMonotonicAndIgnoreSmallDeltas).
fn make_monotonic(buckets: &mut [Bucket]) {
    let Some(first) = buckets.first() else { return };
    let mut previous = first.count;
    for bucket in &mut buckets[1..] {
        if bucket.count < previous || almost_equal(previous, bucket.count) {
            bucket.count = previous;
        } else {
            previous = bucket.count;
        }
    }
}

/// prometheus util/almost/almost.go: Equal
fn almost_equal(one: f64, other: f64) -> bool {
    if one == other || (one.is_nan() && other.is_nan()) {
        return true;
    }
    let sum = one.abs() + other.abs();
    let difference = (one - other).abs();
    if one == 0.0 || other == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < NOISE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < NOISE
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    /// Upper bounds and counts.
    type Buckets = [(f64, f64)];

    fn quantile(q: f64, buckets: &Buckets) -> f64 {
        bucket_quantile(q, &mut buckets.iter().map(|&(bound, count)| Bucket { bound, count }).collect())
    }

    #[test]
    fn quantiles_follow_upstream() {
        let latency = [(0.1, 10.0), (0.5, 30.0), (INF, 40.0)];
        let cases: &[(&str, f64, &Buckets, f64)] = &[
            ("interpolates from zero in the first bucket", 0.125, &latency, 0.05),
            ("interpolates within a bucket", 0.5, &latency, 0.3),
            ("the +Inf bucket answers with the highest finite bound", 0.99, &latency, 0.5),
            (
                "a first bucket that is not positive answers with its bound",
                0.1,
                &[(-1.0, 9.0), (INF, 9.0)],
                -1.0,
            ),
            ("below zero", -0.1, &latency, -INF),
            ("above one", 1.1, &latency, INF),
            ("order does not matter", 0.5, &[(INF, 40.0), (0.5, 30.0), (0.1, 10.0)], 0.3),
            ("same bounds add up", 0.5, &[(0.1, 5.0), (0.1, 5.0), (0.5, 30.0), (INF, 40.0)], 0.3),
            ("a decrease is lifted", 0.75, &[(0.1, 10.0), (0.5, 8.0), (1.0, 20.0), (INF, 20.0)], 0.75),
            ("noise is ignored", 1.0, &[(0.1, 10.0), (0.5, 10.0 + 1e-12), (INF, 10.0)], 0.1),
        ];
        for (name, q, buckets, expected) in cases {
            let found = quantile(*q, buckets);
            let close = found == *expected || (found - expected).abs() < 1e-15;
            assert!(close, "{name}: {found} instead of {expected}");
        }
    }

    #[test]
    fn fractions_follow_upstream() {
        let latency = [(0.1, 10.0), (0.5, 30.0), (INF, 40.0)];
        let signed = [(-1.0, 10.0), (1.0, 30.0), (INF, 40.0)];
        let cases: &[(&str, f64, f64, &Buckets, f64)] = &[
            ("whole buckets", 0.1, 0.5, &latency, 0.5),
            ("parts of buckets", 0.05, 0.3, &latency, 0.375),
            ("everything", -INF, INF, &latency, 1.0),
            ("the +Inf bucket is not interpolated", 0.0, 100.0, &latency, 0.75),
            ("the -Inf bucket counts whole", -5.0, 0.0, &signed, 0.25),
            ("nothing lies between a value and itself", 0.2, 0.2, &latency, 0.0),
            ("values in the wrong order", 0.5, 0.1, &latency, 0.0),
        ];
        for (name, lower, upper, buckets, expected) in cases {
            let mut own = buckets.iter().map(|&(bound, count)| Bucket { bound, count }).collect();
            assert_eq!(bucket_fraction(*lower, *upper, &mut own), *expected, "{name}");
        }
        let of = |lower, buckets: &Buckets| {
            let mut own = buckets.iter().map(|&(bound, count)| Bucket { bound, count }).collect();
            bucket_fraction(lower, 1.0, &mut own)
        };
        assert!(of(f64::NAN, &latency).is_nan() && of(0.0, &latency[..2]).is_nan() && of(0.0, &[]).is_nan());
    }

    #[test]
    fn quantiles_that_mean_nothing_are_nan() {
        let cases: &[(&str, f64, &Buckets)] = &[
            ("no observations", 0.5, &[(0.1, 0.0), (INF, 0.0)]),
            ("no +Inf bucket", 0.5, &[(0.1, 1.0), (0.5, 2.0)]),
            ("one bucket", 0.5, &[(INF, 2.0)]),
            ("no buckets", 0.5, &[]),
            ("q is NaN", f64::NAN, &[(0.1, 1.0), (INF, 2.0)]),
        ];
        for (name, q, buckets) in cases {
            assert!(quantile(*q, buckets).is_nan(), "{name}");
        }
    }
}
