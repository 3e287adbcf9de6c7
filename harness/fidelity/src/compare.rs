//! Where two accounts of a case differ.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::account::{Account, Measurement, Size};

/// How far two times may be apart, in seconds: Kubernetes keeps whole seconds, and a chain of reactions
/// takes the real controllers some milliseconds.
pub const TIME_TOLERANCE: f64 = 1.0;

/// How far two values may be apart, relative to the larger one.
pub const VALUE_TOLERANCE: f64 = 1e-9;

/// What lies this close together is one instant, of which the last state counts.
const INSTANT: f64 = 0.05;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// The last state: phase, message, abort, stable and current template, step.
    Outcome,
    /// Every state and its time.
    States,
    /// Every number of pods that a ReplicaSet was asked for, and its time.
    Sizes,
    /// AnalysisRuns: names, phases, messages, times.
    Runs,
    /// Measurements: times, phases, values, messages.
    Measurements,
    /// Events about the Rollout by reason.
    Events,
    /// Which templates the Services select.
    Services,
    /// How many pods each template has in which role, and how many were made.
    Pods,
}

impl Aspect {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Outcome,
        Self::States,
        Self::Sizes,
        Self::Runs,
        Self::Measurements,
        Self::Events,
        Self::Services,
        Self::Pods,
    ];
}

/// The first difference of each aspect that differs.
pub fn differences(ours: &Account, theirs: &Account) -> BTreeMap<Aspect, String> {
    let mut found = BTreeMap::new();
    let mut note = |aspect, difference: Option<String>| {
        if let Some(difference) = difference {
            found.insert(aspect, difference);
        }
    };
    let (our_end, their_end) =
        (ours.states.last().map(|last| &last.1), theirs.states.last().map(|last| &last.1));
    note(
        Aspect::Outcome,
        (our_end != their_end).then(|| format!("ours ends as {our_end:?}\nupstream as    {their_end:?}")),
    );
    note(Aspect::States, first(&settled(&ours.states), &settled(&theirs.states), PartialEq::eq));
    note(Aspect::Sizes, first(&sizes(ours), &sizes(theirs), PartialEq::eq));
    note(
        Aspect::Runs,
        first(&ordered(&ours.runs, |run| &run.name), &ordered(&theirs.runs, |run| &run.name), PartialEq::eq),
    );
    note(Aspect::Measurements, first(&by_metric(ours), &by_metric(theirs), alike));
    note(
        Aspect::Events,
        first(
            &ordered(&ours.events, |reason| reason),
            &ordered(&theirs.events, |reason| reason),
            PartialEq::eq,
        ),
    );
    note(Aspect::Services, first(&settled(&ours.services), &settled(&theirs.services), PartialEq::eq));
    note(Aspect::Pods, first(&settled(&ours.pods), &settled(&theirs.pods), PartialEq::eq));
    found
}

type Timed<T> = (f64, T);

/// The first entries that are not the same, or not at the same time.
fn first<T: Debug>(ours: &[Timed<T>], theirs: &[Timed<T>], same: impl Fn(&T, &T) -> bool) -> Option<String> {
    let index =
        (0..ours.len().max(theirs.len())).find(|&index| match (ours.get(index), theirs.get(index)) {
            (Some(ours), Some(theirs)) => {
                (ours.0 - theirs.0).abs() > TIME_TOLERANCE || !same(&ours.1, &theirs.1)
            }
            (_, _) => true,
        })?;
    let shown = |side: &[Timed<T>]| {
        let entries = side.iter().enumerate().skip(index.saturating_sub(1)).take(3);
        entries.map(|(number, entry)| format!("    {number} {entry:?}\n")).collect::<String>()
    };
    Some(format!("  ours, around entry {index}\n{}  upstream\n{}", shown(ours), shown(theirs)))
}

/// The state at the end of each instant, where it is another one than before.
fn settled<T: PartialEq + Clone>(all: &[Timed<T>]) -> Vec<Timed<T>> {
    let mut settled: Vec<Timed<T>> = Vec::new();
    for (index, (at, state)) in all.iter().enumerate() {
        let is_last = all.get(index + 1).is_none_or(|(next, _)| next - at > INSTANT);
        if is_last && settled.last().is_none_or(|(_, last)| last != state) {
            settled.push((*at, state.clone()));
        }
    }
    settled
}

/// The settled sizes, by template.
fn sizes(account: &Account) -> Vec<Timed<Size>> {
    let templates = account.sizes.iter().map(|(_, size)| size.template).max().map_or(0, |last| last + 1);
    let of = |template| {
        let all: Vec<Timed<Size>> =
            account.sizes.iter().filter(|(_, size)| size.template == template).cloned().collect();
        let mut settled = settled(&all);
        if settled.first().is_some_and(|(_, size)| size.desired == 0) {
            settled.remove(0);
        }
        settled
    };
    (0..templates).flat_map(of).collect()
}

/// Measurements by run and metric: those of one instant are taken in parallel.
fn by_metric(account: &Account) -> Vec<Timed<Measurement>> {
    let mut all = account.measurements.clone();
    all.sort_by(|(_, a), (_, b)| (&a.run, &a.metric).cmp(&(&b.run, &b.metric)));
    all
}

fn alike(ours: &Measurement, theirs: &Measurement) -> bool {
    ours.run == theirs.run
        && ours.metric == theirs.metric
        && ours.phase == theirs.phase
        && ours.message == theirs.message
        && close(&ours.value, &theirs.value)
}

/// Whether two recorded values, `0.1` or `[0.1,0.2]`, are equal up to rounding.
fn close(ours: &str, theirs: &str) -> bool {
    let numbers = |text: &str| {
        let inner = text.trim_start_matches('[').trim_end_matches(']');
        inner.split(',').map(str::parse::<f64>).collect::<Result<Vec<f64>, _>>().ok()
    };
    let equal = |a: f64, b: f64| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= VALUE_TOLERANCE * a.abs().max(b.abs())
    };
    match (numbers(ours), numbers(theirs)) {
        (Some(ours_read), Some(theirs_read)) => {
            ours.starts_with('[') == theirs.starts_with('[')
                && ours_read.len() == theirs_read.len()
                && ours_read.into_iter().zip(theirs_read).all(|(a, b)| equal(a, b))
        }
        (_, _) => ours == theirs,
    }
}

/// Entries in the order of a text where they are of one instant: what happens in parallel has no order.
fn ordered<T: Clone>(entries: &[Timed<T>], key: impl Fn(&T) -> &String) -> Vec<Timed<T>> {
    let mut ordered: Vec<Timed<T>> = Vec::new();
    let mut begin = 0;
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 && entry.0 - entries[index - 1].0 > INSTANT {
            begin = index;
        }
        ordered.push(entry.clone());
        ordered[begin..].sort_by(|a, b| key(&a.1).cmp(key(&b.1)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_numbers_and_in_their_shape() {
        for (ours, theirs, expected) in [
            ("0.1", "0.10000000000000001", true),
            ("[0.1]", "0.1", false),
            ("[0.1,2]", "[0.1,2.0000000001]", true),
            ("[0.1,2]", "[0.1,2.00001]", false),
            ("[NaN]", "[NaN]", true),
            ("[]", "[]", true),
            ("", "", true),
            ("[]", "", false),
        ] {
            assert_eq!(close(ours, theirs), expected, "{ours} {theirs}");
        }
    }

    #[test]
    fn what_happens_within_an_instant_counts_by_its_end() {
        let all = [(1.0, 'a'), (1.01, 'b'), (1.02, 'a'), (5.0, 'c'), (9.0, 'c')];
        assert_eq!(settled(&all), [(1.02, 'a'), (5.0, 'c')]);
    }

    #[test]
    fn a_second_apart_is_the_same_time_and_more_is_a_difference() {
        let same = |a: &char, b: &char| a == b;
        assert_eq!(first(&[(1.0, 'a')], &[(2.0, 'a')], same), None);
        assert!(first(&[(1.0, 'a')], &[(2.1, 'a')], same).is_some());
        assert!(first(&[(1.0, 'a')], &[], same).is_some());
    }
}
