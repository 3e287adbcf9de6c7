//! What was expected beside what was found.

use std::collections::BTreeMap;

use promql::{Labels, Sample};

use super::ExpectedAlert;
use crate::Alert;

/// An alert in the form in which it is expected.
pub(super) fn found_alert(alert: &Alert) -> ExpectedAlert {
    let labels = alert.labels.iter().map(|label| (label.name.to_string(), label.value.to_string()));
    ExpectedAlert { labels: labels.collect(), annotations: alert.annotations.clone() }
}

/// Whether the same alerts fire, in whatever order.
pub(super) fn same_alerts(expected: &[ExpectedAlert], found: &[ExpectedAlert]) -> bool {
    let sorted = |alerts: &[ExpectedAlert]| {
        let mut alerts: Vec<ExpectedAlert> = alerts.to_vec();
        alerts.sort();
        alerts
    };
    sorted(expected) == sorted(found)
}

/// Whether two results have the same samples, in whatever order. NaN equals nothing, itself included.
pub(super) fn same_samples(expected: &[Sample], found: &[Sample], fuzzy: bool) -> bool {
    let sorted = |samples: &[Sample]| {
        let mut samples: Vec<Sample> = samples.to_vec();
        samples.sort_by(|one, other| one.labels.cmp(&other.labels));
        samples
    };
    let same = |one: &Sample, other: &Sample| {
        one.labels == other.labels
            && (one.value == other.value || fuzzy && are_neighbours(one.value, other.value))
    };
    let (expected, found) = (sorted(expected), sorted(found));
    expected.len() == found.len() && expected.iter().zip(&found).all(|(one, other)| same(one, other))
}

fn are_neighbours(one: f64, other: f64) -> bool {
    one.next_up() == other || one.next_down() == other
}

/// Series that are defined twice have the samples of the last definition.
pub(super) fn last_definitions<'a>(
    series: impl Iterator<Item = (&'a Labels, &'a [Option<f64>])>,
) -> BTreeMap<&'a Labels, &'a [Option<f64>]> {
    series.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[(&str, f64)]) -> Vec<Sample> {
        let sample = |&(pod, value): &(&str, f64)| Sample { labels: Labels::new([("pod", pod)]), value };
        values.iter().map(sample).collect()
    }

    #[test]
    fn samples_are_compared_without_their_order() {
        let one = samples(&[("a", 1.0), ("b", 2.0)]);
        assert!(same_samples(&one, &samples(&[("b", 2.0), ("a", 1.0)]), false));
        assert!(!same_samples(&one, &samples(&[("a", 1.0)]), false));
        assert!(!same_samples(&samples(&[("a", f64::NAN)]), &samples(&[("a", f64::NAN)]), true));
    }

    #[test]
    fn neighbours_are_equal_only_where_the_file_says_so() {
        let (one, other) = (samples(&[("a", 0.3)]), samples(&[("a", 0.1 + 0.2)]));
        assert!(!same_samples(&one, &other, false));
        assert!(same_samples(&one, &other, true));
    }
}
