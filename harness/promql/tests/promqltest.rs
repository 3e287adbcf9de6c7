//! Runs Prometheus's own test files against this evaluator, and says which cases are left out and why.
//!
//! Needs Go, which fetches the files with the module that `oracle/go.mod` pins:
//! `cargo test -p promql --features oracle --test promqltest -- --nocapture`.
//!
//! A case is left out when its query uses something that is refused by name, when it is about native
//! histograms, or when `promqltest-left-out.txt` lists it with a reason. All others must pass; a listed
//! case that passes is an error too. Warnings and infos beside a result are not produced here: such a
//! case is compared by its result.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot unwrap fails")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a test with an oracle"
)]

mod common;
#[path = "common/fixed.rs"]
mod fixed;
#[path = "common/promqltest.rs"]
mod promqltest;

use std::collections::BTreeMap;

use common::Time;
use promql::{Labels, Query, QueryError, Sample, Storage, Value};
use promqltest::{Eval, Expected};

/// How an eval went.
enum Outcome {
    Passed,
    LeftOut(String),
    Failed(String),
}

#[test]
fn the_test_files_of_prometheus_pass() {
    let mut listed = listed();
    let mut wrong = Vec::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let (mut all_passed, mut all_cases) = (0, 0);
    for (file, evals) in promqltest::files(&promqltest::folder()) {
        let (mut passed, cases) = (0, evals.len());
        for eval in &evals {
            let reason = listed.remove(&eval.place);
            match (run(eval), reason) {
                (Outcome::Passed, None) => passed += 1,
                (Outcome::Passed, Some(_)) => wrong.push(format!("{} is listed and passes", eval.place)),
                (Outcome::Failed(_), Some(reason)) => *reasons.entry(reason).or_default() += 1,
                (Outcome::LeftOut(reason), _) => *reasons.entry(reason).or_default() += 1,
                (Outcome::Failed(why), None) => wrong.push(format!("{} {}\n  {why}", eval.place, eval.query)),
            }
        }
        println!("{file:28} {passed:4} of {cases:4} pass");
        (all_passed, all_cases) = (all_passed + passed, all_cases + cases);
    }
    wrong.extend(listed.into_keys().map(|place| format!("{place} is listed and is no case")));
    println!("{:28} {all_passed:4} of {all_cases:4} pass; left out are", "all");
    for (reason, count) in &reasons {
        println!("  {count:4}  {reason}");
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(all_passed > 850, "only {all_passed} cases passed");
}

/// The cases that are left out, with their reasons: a place and a reason a line.
fn listed() -> BTreeMap<String, String> {
    let lines = include_str!("promqltest-left-out.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').unwrap())
        .map(|(p, r)| (p.to_owned(), r.trim().to_owned()))
        .collect()
}

fn run(eval: &Eval) -> Outcome {
    if matches!(eval.expected, Expected::Histograms) {
        return Outcome::LeftOut("native histograms".to_owned());
    }
    let query = match Query::parse(&eval.query) {
        Ok(query) => query,
        Err(QueryError::NotSimulated { features, .. }) => {
            return Outcome::LeftOut(features.into_iter().next().unwrap().name);
        }
        Err(QueryError::Invalid { message, .. }) => return failure(eval, &message),
        Err(other) => return Outcome::Failed(other.to_string()),
    };
    let selects = |labels: &Labels| {
        let mut selectors = query.selectors().iter();
        selectors.any(|selector| selector.matchers.iter().all(|matcher| matcher.matches(labels)))
    };
    if eval.loaded.histograms.iter().any(selects) {
        return Outcome::LeftOut("native histograms".to_owned());
    }
    let mut storage = Storage::new();
    for (labels, points) in &eval.loaded.floats {
        let id = storage.series(labels);
        points.iter().for_each(|&(at_ms, value)| storage.append(id, at_ms, value).unwrap());
    }
    match eval.time {
        Time::Range { start_ms, end_ms, step_ms } => match query.range(&storage, start_ms, end_ms, step_ms) {
            Ok(found) => compare(eval, &found, start_ms, step_ms),
            Err(error) => failure(eval, &error.to_string()),
        },
        Time::At(at_ms) => match run_instant(eval, &query, &storage, at_ms) {
            Outcome::Passed => run_fixed(eval, &storage, at_ms),
            other => other,
        },
    }
}

/// The same query with its time fixed by `@`, at other times, which must give the same.
fn run_fixed(eval: &Eval, storage: &Storage, at_ms: i64) -> Outcome {
    let Some(text) = fixed::at(&eval.query, at_ms) else { return Outcome::Passed };
    let query = Query::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let times = if at_ms == 0 { vec![-1000, 1000] } else { vec![-10 * at_ms, 0, at_ms / 5, 10 * at_ms] };
    for time_ms in times {
        match run_instant(eval, &query, storage, time_ms) {
            Outcome::Passed => {}
            Outcome::Failed(why) => return Outcome::Failed(format!("{text} at {time_ms} ms: {why}")),
            left_out => return left_out,
        }
    }
    Outcome::Passed
}

/// An instant query, which must give the same in the middle of a range.
fn run_instant(eval: &Eval, query: &Query, storage: &Storage, at_ms: i64) -> Outcome {
    let found = match query.instant(storage, at_ms) {
        Ok(found) => found,
        Err(error) => return failure(eval, &error.to_string()),
    };
    let (start_ms, step_ms) = match eval.expected {
        Expected::RangeVector { start_ms, step_ms, .. } => (start_ms, step_ms),
        _ => (at_ms, 1),
    };
    let outcome = compare(eval, &found, start_ms, step_ms);
    if eval.ordered || !matches!(outcome, Outcome::Passed) || !matches!(found, Value::Vector(_)) {
        return outcome;
    }
    match query.range(storage, at_ms - 60_000, at_ms + 60_000, 60_000) {
        Ok(Value::Matrix(series)) => {
            let middle = series.into_iter().filter_map(|series| {
                let point = series.points.iter().find(|point| point.at_ms == at_ms)?;
                Some(Sample { labels: series.labels, value: point.value })
            });
            compare(eval, &Value::Vector(middle.collect()), at_ms, 1)
        }
        Ok(other) => Outcome::Failed(format!("in a range {other:?}")),
        Err(error) => Outcome::Failed(format!("in a range: {error}")),
    }
}

fn failure(eval: &Eval, found: &str) -> Outcome {
    match &eval.expected {
        Expected::Failure(None) => Outcome::Passed,
        Expected::Failure(Some(message)) if message.matches(found) => Outcome::Passed,
        _ => Outcome::Failed(format!("error: {found}")),
    }
}

fn compare(eval: &Eval, found: &Value, start_ms: i64, step_ms: i64) -> Outcome {
    let same = match (&eval.expected, found) {
        (Expected::Scalar(expected), Value::Scalar(found)) => almost_equal(*expected, *found),
        (Expected::Text(expected), Value::String(found)) => expected == found,
        (Expected::Series(expected), Value::Vector(found)) => same_vector(expected, found, eval.ordered),
        (Expected::Series(series) | Expected::RangeVector { series, .. }, Value::Matrix(found)) => {
            let expected: BTreeMap<&Labels, Vec<(i64, f64)>> = series
                .iter()
                .map(|(labels, values)| {
                    let points = values.iter().enumerate();
                    let points = points.filter_map(|(at, v)| Some((start_ms + at as i64 * step_ms, (*v)?)));
                    (labels, points.collect())
                })
                .collect();
            expected.len() == found.len()
                && found.iter().all(|series| {
                    expected.get(&series.labels).is_some_and(|expected| {
                        expected.len() == series.points.len()
                            && expected.iter().zip(&series.points).all(|(expected, found)| {
                                expected.0 == found.at_ms && almost_equal(expected.1, found.value)
                            })
                    })
                })
        }
        _ => false,
    };
    if same { Outcome::Passed } else { Outcome::Failed(format!("found {found:?}")) }
}

fn same_vector(expected: &[(Labels, Vec<Option<f64>>)], found: &[Sample], ordered: bool) -> bool {
    let same = |(labels, values): &(Labels, Vec<Option<f64>>), sample: &Sample| {
        *labels == sample.labels && values[0].is_some_and(|value| almost_equal(value, sample.value))
    };
    expected.len() == found.len()
        && match ordered {
            true => expected.iter().zip(found).all(|(expected, found)| same(expected, found)),
            false => expected.iter().all(|expected| found.iter().any(|found| same(expected, found))),
        }
}

/// prometheus util/almost/almost.go: Equal, with the tolerance of its test runner.
fn almost_equal(one: f64, other: f64) -> bool {
    const TOLERANCE: f64 = 1e-6;
    if one == other || (one.is_nan() && other.is_nan()) {
        return true;
    }
    let (sum, difference) = (one.abs() + other.abs(), (one - other).abs());
    if one == 0.0 || other == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}
