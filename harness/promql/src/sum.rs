//! Summation as upstream does it, so that results agree to the last digits.

/// A sum with Neumaier's compensation (prometheus promql/functions.go: kahanSumInc).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    pub(crate) sum: f64,
    pub(crate) compensation: f64,
}

impl Sum {
    pub(crate) fn of(first: f64) -> Self {
        Self { sum: first, compensation: 0.0 }
    }

    pub(crate) fn add(&mut self, value: f64) {
        let total = self.sum + value;
        self.compensation = if total.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            self.compensation + ((self.sum - total) + value)
        } else {
            self.compensation + ((value - total) + self.sum)
        };
        self.sum = total;
    }

    pub(crate) fn total(self) -> f64 {
        self.sum + self.compensation
    }
}

/// A mean: the compensated sum divided by the count, until the sum would overflow; from there on the
/// mean itself is carried along (prometheus promql/functions.go: funcAvgOverTime).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mean {
    state: Sum,
    count: f64,
    incremental: bool,
}

impl Mean {
    pub(crate) fn of(first: f64) -> Self {
        Self { state: Sum::of(first), count: 1.0, incremental: false }
    }

    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.incremental {
            let mut next = self.state;
            next.add(value);
            if !next.sum.is_infinite() {
                self.state = next;
                return;
            }
            self.incremental = true;
            self.state.sum /= self.count - 1.0;
            self.state.compensation /= self.count - 1.0;
        }
        let kept = (self.count - 1.0) / self.count;
        self.state.sum *= kept;
        self.state.compensation *= kept;
        self.state.add(value / self.count);
    }

    pub(crate) fn mean(self) -> f64 {
        if self.incremental {
            return self.state.total();
        }
        self.state.sum / self.count + self.state.compensation / self.count
    }
}

/// The quantile of values between 0 and 1, by weight between neighbours; sorts the values, NaN first
/// (prometheus promql/quantile.go: quantile).
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(nan_first);
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = rank.floor();
    let weight = rank - lower;
    let lower = lower as usize;
    values[lower] * (1.0 - weight) + values[(lower + 1).min(last)] * weight
}

/// Ascending order with NaN before all numbers.
pub(crate) fn nan_first(one: &f64, other: &f64) -> std::cmp::Ordering {
    one.partial_cmp(other).unwrap_or_else(|| other.is_nan().cmp(&one.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_are_not_lost_beside_large_ones() {
        let mut sum = Sum::of(1e100);
        for value in [1.0, -1e100, 1.0] {
            sum.add(value);
        }
        assert_eq!(sum.total(), 2.0);
    }

    #[test]
    fn a_mean_of_huge_values_does_not_overflow() {
        let mut mean = Mean::of(f64::MAX);
        mean.add(f64::MAX);
        assert_eq!(mean.mean(), f64::MAX);
    }

    #[test]
    fn quantiles_weigh_neighbours() {
        let cases = [(0.0, 1.0), (0.5, 2.5), (1.0, 4.0), (0.25, 1.75)];
        for (q, expected) in cases {
            assert_eq!(quantile(q, &mut [4.0, 2.0, 1.0, 3.0]), expected, "{q}");
        }
        assert_eq!(quantile(-0.1, &mut [1.0]), f64::NEG_INFINITY);
        assert_eq!(quantile(1.1, &mut [1.0]), f64::INFINITY);
        assert!(quantile(f64::NAN, &mut [1.0]).is_nan() && quantile(0.5, &mut []).is_nan());
        assert_eq!(quantile(1.0, &mut [f64::NAN, 1.0]), 1.0, "NaN sorts first");
    }
}
