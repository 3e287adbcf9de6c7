//! Quantiles of classic histograms.

use crate::cache::LabelId;
use crate::evaluate::{Element, Evaluated, Evaluator};
use crate::labels::BUCKET_BOUND;
use crate::plan::HistogramQuantile;

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
    pub(crate) fn histogram_quantile(
        &mut self,
        node: &HistogramQuantile,
        at_ms: i64,
    ) -> Evaluated<Vec<Element>> {
        let quantile = self.scalar(&node.quantile, at_ms)?;
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
        let mut quantiles = Vec::with_capacity(results.len());
        for (slot, labels) in results.into_iter().enumerate() {
            own.clear();
            own.extend(buckets.iter().filter(|(of, _)| *of == slot).map(|(_, bucket)| *bucket));
            quantiles.push(Element { labels, value: bucket_quantile(quantile, &mut own) });
        }
        self.unique(&quantiles)?;
        Ok(quantiles)
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
    buckets.sort_by(|one, other| one.bound.total_cmp(&other.bound));
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    merge_same_bounds(buckets);
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
            start = buckets[below].bound;
            count -= buckets[below].count;
            rank -= buckets[below].count;
        }
    }
    start + (end - start) * (rank / count)
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
