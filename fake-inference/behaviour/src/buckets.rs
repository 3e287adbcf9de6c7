use crate::Invalid;

/// The finite bounds of `inference_duration_seconds` that suit a gate at 500 ms: dense around the
/// threshold, which must itself be a bound, or `histogram_quantile` interpolates across it.
const GATE_AT_500_MS: [f64; 23] = [
    0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.475, 0.5, 0.525, 0.55, 0.6, 0.7, 0.85, 1.0, 1.5, 2.5,
    5.0, 10.0, 30.0, 60.0,
];

/// The upper bounds of a histogram's buckets in seconds, without the implied `+Inf`.
///
/// As in Prometheus, bucket `i` holds what is above bound `i - 1` and at most bound `i` (`le`).
///
/// ```
/// use behaviour::Buckets;
/// assert!(Buckets::default().has_bound(0.5));
/// assert!(Buckets::new(vec![0.5, 0.25]).unwrap_err().to_string().contains("bound 0.25"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets(Vec<f64>);

impl Buckets {
    /// The most finite bounds a histogram may have.
    pub const MAX_BOUNDS: usize = 126;

    /// A histogram with these bounds: ascending, positive, finite, at most [`Buckets::MAX_BOUNDS`].
    pub fn new(bounds: Vec<f64>) -> Result<Self, Invalid> {
        if bounds.is_empty() || bounds.len() > Self::MAX_BOUNDS {
            return Err(Invalid::BoundCount { count: bounds.len(), limit: Self::MAX_BOUNDS });
        }
        let mut previous = 0.0;
        for &bound in &bounds {
            if !bound.is_finite() || bound <= previous {
                return Err(Invalid::BadBound { bound });
            }
            previous = bound;
        }
        Ok(Self(bounds))
    }

    /// The finite bounds, ascending.
    pub fn bounds(&self) -> &[f64] {
        &self.0
    }

    /// The number of buckets, `+Inf` included.
    pub fn count(&self) -> usize {
        self.0.len() + 1
    }

    /// Whether `seconds` is a bound, so that a gate at this threshold is exact.
    pub fn has_bound(&self, seconds: f64) -> bool {
        self.0.contains(&seconds)
    }
}

/// The bounds recommended for a gate at 500 ms, from 50 ms to one minute.
impl Default for Buckets {
    fn default() -> Self {
        Self(GATE_AT_500_MS.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recommended_bounds_are_valid() {
        assert_eq!(Buckets::new(GATE_AT_500_MS.to_vec()), Ok(Buckets::default()));
        assert_eq!(Buckets::default().count(), 24);
    }

    #[test]
    fn bounds_that_make_no_histogram_are_refused() {
        for bounds in [
            vec![],
            vec![0.0],
            vec![-1.0],
            vec![1.0, 1.0],
            vec![f64::NAN],
            vec![f64::INFINITY],
            vec![1.0; 127],
        ] {
            assert!(Buckets::new(bounds.clone()).is_err(), "{bounds:?}");
        }
    }
}
