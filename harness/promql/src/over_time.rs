//! Functions of the samples of one series in a window.

use planted::Bug;

use crate::plan::RangeFunction;
use crate::sum::{Mean, Sum, quantile};
use crate::table::{Values, Window};

/// The window that was asked for; its samples may cover less.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    /// The evaluation time, which `@` and `offset` do not move.
    pub(crate) at_ms: i64,
    /// The parameter of `quantile_over_time` or `predict_linear`; NaN for the others.
    pub(crate) parameter: f64,
}

/// Applies a function to a window with at least one sample; none if it needs more.
pub(crate) fn apply(function: &RangeFunction, window: Window<'_>, bounds: Bounds) -> Option<f64> {
    let values = window.values;
    Some(match function {
        RangeFunction::Rate => {
            let seconds = (bounds.end_ms - bounds.start_ms) as f64 / 1000.0;
            return extrapolated(window, bounds, true, Some(seconds));
        }
        RangeFunction::Increase => return extrapolated(window, bounds, true, None),
        RangeFunction::Delta => return extrapolated(window, bounds, false, None),
        RangeFunction::Irate => return last_change(window, true),
        RangeFunction::Idelta => return last_change(window, false),
        RangeFunction::Deriv => return Some(regression(window, *window.times.first()?)?.slope),
        RangeFunction::Changes => {
            values.pairs().filter(|(before, after)| changed(*before, *after)).count() as f64
        }
        RangeFunction::Resets => values.pairs().filter(|(before, after)| after < before).count() as f64,
        RangeFunction::Avg => {
            let mut mean = Mean::of(values.first()?);
            values.iter().skip(1).for_each(|value| mean.add(value));
            mean.mean()
        }
        RangeFunction::Min => extreme(values, |value, best| value < best)?,
        RangeFunction::Max => extreme(values, |value, best| value > best)?,
        RangeFunction::Sum => {
            let mut sum = Sum::default();
            values.iter().for_each(|value| sum.add(value));
            if sum.sum.is_infinite() { sum.sum } else { sum.total() }
        }
        RangeFunction::Count => window.len() as f64,
        RangeFunction::Last => values.last()?,
        RangeFunction::Stddev => variance(values).sqrt(),
        RangeFunction::Stdvar => variance(values),
        RangeFunction::Present => 1.0,
        RangeFunction::Quantile(_) => quantile(bounds.parameter, &mut values.iter().collect::<Vec<_>>()),
        RangeFunction::PredictLinear(_) => {
            let Line { slope, intercept } = regression(window, bounds.at_ms)?;
            slope * bounds.parameter + intercept
        }
    })
}

/// Change over the window, extended to its edges where the samples suggest that the series goes on
/// (prometheus promql/functions.go: extrapolatedRate).
///
/// With `span` between first and last sample and `average` between neighbours: a gap to an edge of at
/// least 1.1 averages counts as half an average, for the series seems to start or end there. For a
/// counter the gap at the start ends where the counter would be zero.
fn extrapolated(
    window: Window<'_>,
    bounds: Bounds,
    is_counter: bool,
    per_seconds: Option<f64>,
) -> Option<f64> {
    let (&first_ms, &last_ms) = (window.times.first()?, window.times.last()?);
    let (first, last) = (window.values.first()?, window.values.last()?);
    if window.len() < 2 {
        return None;
    }
    let mut change = last - first;
    if is_counter && window.may_fall && !planted::is(Bug::CounterResetIgnored) {
        let falls = window.values.pairs().filter(|(before, after)| after < before);
        change = falls.fold(change, |change, (before, _)| change + before);
    }
    if change == 0.0 {
        // No extension changes that, and most buckets of a histogram stand still.
        return Some(change);
    }
    let mut start_gap = (first_ms - bounds.start_ms) as f64 / 1000.0;
    let mut end_gap = (bounds.end_ms - last_ms) as f64 / 1000.0;
    let span = (last_ms - first_ms) as f64 / 1000.0;
    let average = span / (window.len() - 1) as f64;
    let limit = average * 1.1;
    if start_gap >= limit {
        start_gap = average / 2.0;
    }
    if is_counter && change > 0.0 && first >= 0.0 {
        start_gap = start_gap.min(span * (first / change));
    }
    if end_gap >= limit {
        end_gap = average / 2.0;
    }
    if planted::is(Bug::RateNotExtrapolated) {
        (start_gap, end_gap) = (0.0, 0.0);
    }
    let factor = (span + start_gap + end_gap) / span;
    Some(change * per_seconds.map_or(factor, |seconds| factor / seconds))
}

/// The change between the last two samples; per second and without resets for a counter
/// (prometheus promql/functions.go: instantValue).
fn last_change(window: Window<'_>, is_rate: bool) -> Option<f64> {
    let &[.., before_ms, after_ms] = window.times else { return None };
    let (before, after) = window.values.pairs().next_back()?;
    let reset = is_rate && after < before;
    let change = if reset { after } else { after - before };
    Some(if is_rate { change / ((after_ms - before_ms) as f64 / 1000.0) } else { change })
}

/// A straight line through samples.
struct Line {
    /// Per second.
    slope: f64,
    /// The value at the origin.
    intercept: f64,
}

/// Least-squares line with time counted from `origin_ms` (prometheus promql/functions.go:
/// linearRegression). Samples that are all the same make a line that knows no rounding.
fn regression(window: Window<'_>, origin_ms: i64) -> Option<Line> {
    if window.len() < 2 {
        return None;
    }
    let first = window.values.first()?;
    if window.values.iter().all(|value| value == first) {
        return Some(match first.is_infinite() {
            true => Line { slope: f64::NAN, intercept: f64::NAN },
            false => Line { slope: 0.0, intercept: first },
        });
    }
    let [mut x_sum, mut y_sum, mut xy_sum, mut xx_sum] = [Sum::default(); 4];
    for (&time, y) in window.times.iter().zip(window.values.iter()) {
        let x = (time - origin_ms) as f64 / 1e3;
        x_sum.add(x);
        y_sum.add(y);
        xy_sum.add(x * y);
        xx_sum.add(x * x);
    }
    let count = window.len() as f64;
    let (x, y) = (x_sum.total(), y_sum.total());
    let covariance = xy_sum.total() - x * y / count;
    let variance = xx_sum.total() - x * x / count;
    let slope = covariance / variance;
    Some(Line { slope, intercept: y / count - slope * x / count })
}

/// Population variance (prometheus promql/functions.go: varianceOverTime).
fn variance(values: Values<'_>) -> f64 {
    let mut count = 0.0;
    let [mut mean, mut squares] = [Sum::default(); 2];
    for value in values.iter() {
        count += 1.0;
        let delta = value - mean.total();
        mean.add(delta / count);
        squares.add(delta * (value - mean.total()));
    }
    squares.total() / count
}

/// The best value by `better`; NaN only if all are (prometheus promql/functions.go: compareOverTime).
fn extreme(values: Values<'_>, better: impl Fn(f64, f64) -> bool) -> Option<f64> {
    values.iter().reduce(|best, value| if better(value, best) || best.is_nan() { value } else { best })
}

fn changed(before: f64, after: f64) -> bool {
    after != before && !(after.is_nan() && before.is_nan())
}
