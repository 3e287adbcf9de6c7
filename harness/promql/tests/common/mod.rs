//! Reads the tables in `tests/tables`: storages, queries and what they give.
//!
//! ```text
//! # a comment
//! load 30s
//!   errors_total{role="canary"} 0+10x20
//!
//! eval 5m sum(rate(errors_total[5m]))
//!   {} 0.3333333333333333
//!
//! fail 5m errors_total + on () other
//!   found duplicate series
//! ```
//!
//! `eval` lists the result in order: an element of a vector a line, `scalar`, or `"text"`. `load`
//! starts a new storage. `range 0 5m 1m` evaluates over a range, with `value@seconds` as points.
#![allow(clippy::disallowed_methods, reason = "the tables are files")]
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a table that cannot be read fails the test; each test uses a part of this"
)]

use std::fmt::Write as _;

use promql::{Labels, Query, Storage, Value, notation};

pub(crate) struct Case {
    pub(crate) table: String,
    pub(crate) line: usize,
    pub(crate) interval_ms: i64,
    /// The series of the case's storage.
    pub(crate) notation: String,
    pub(crate) time: Time,
    pub(crate) query: String,
    pub(crate) expected: Expected,
}

#[derive(Clone, Copy)]
pub(crate) enum Time {
    At(i64),
    Range { start_ms: i64, end_ms: i64, step_ms: i64 },
}

pub(crate) enum Expected {
    Lines(Vec<String>),
    Failure(String),
}

impl Case {
    /// The series of the case's storage, with stale markers.
    pub(crate) fn series(&self) -> Vec<(Labels, Vec<(i64, f64)>)> {
        let series = self.notation.lines().map(|line| notation::series(line).unwrap());
        series
            .map(|(labels, values)| {
                let points = values
                    .iter()
                    .enumerate()
                    .filter_map(|(at, value)| Some((at as i64 * self.interval_ms, (*value)?)));
                (labels, points.collect())
            })
            .collect()
    }

    pub(crate) fn storage(&self) -> Storage {
        let mut storage = Storage::new();
        notation::load(&mut storage, self.interval_ms, &self.notation)
            .unwrap_or_else(|error| panic!("{}: {error}", self.place()));
        storage
    }

    pub(crate) fn evaluate(&self) -> Result<Value, String> {
        let query = Query::parse(&self.query).map_err(|error| error.to_string())?;
        let storage = self.storage();
        match self.time {
            Time::At(at_ms) => query.instant(&storage, at_ms),
            Time::Range { start_ms, end_ms, step_ms } => query.range(&storage, start_ms, end_ms, step_ms),
        }
        .map_err(|error| error.to_string())
    }

    pub(crate) fn place(&self) -> String {
        format!("{} line {}: {}", self.table, self.line, self.query)
    }
}

/// All cases of all tables.
pub(crate) fn cases() -> Vec<Case> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| parse(file.file_name().unwrap().to_str().unwrap(), file)).collect()
}

fn parse(table: &str, file: &std::path::Path) -> Vec<Case> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut cases: Vec<Case> = Vec::new();
    let (mut interval_ms, mut series) = (0, String::new());
    let mut loading = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(indented) = line.strip_prefix("  ") {
            match cases.last_mut() {
                _ if loading => writeln!(series, "{indented}").unwrap(),
                Some(Case { expected: Expected::Lines(lines), .. }) => lines.push(indented.to_owned()),
                Some(Case { expected: Expected::Failure(message), .. }) => *message = indented.to_owned(),
                None => panic!("{table} line {}: result without query", at + 1),
            }
            continue;
        }
        let (command, rest) = line.split_once(' ').unwrap();
        loading = command == "load";
        let expected = match command {
            "load" => {
                (interval_ms, series) = (milliseconds(rest), String::new());
                continue;
            }
            "eval" | "range" => Expected::Lines(Vec::new()),
            "fail" => Expected::Failure(String::new()),
            other => panic!("{table} line {}: unknown command {other}", at + 1),
        };
        let (time, query) = time_and_query(command, rest);
        let (table, notation) = (table.to_owned(), series.clone());
        cases.push(Case { table, line: at + 1, interval_ms, notation, time, query, expected });
    }
    cases
}

fn time_and_query(command: &str, rest: &str) -> (Time, String) {
    let (first, rest) = rest.split_once(' ').unwrap();
    if command != "range" {
        return (Time::At(milliseconds(first)), rest.to_owned());
    }
    let (end, rest) = rest.split_once(' ').unwrap();
    let (step, query) = rest.split_once(' ').unwrap();
    let [start_ms, end_ms, step_ms] = [first, end, step].map(milliseconds);
    (Time::Range { start_ms, end_ms, step_ms }, query.to_owned())
}

/// Reads `5m`, `90s`, `1500ms` or `0`.
fn milliseconds(text: &str) -> i64 {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("", 1)];
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor))).unwrap();
    number.parse::<i64>().unwrap_or_else(|_| panic!("not a time: {text}")) * factor
}

/// A value as the tables write it.
pub(crate) fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Scalar(number) => vec![format!("scalar {number}")],
        Value::String(text) => vec![format!("{text:?}")],
        Value::Vector(samples) => {
            samples.iter().map(|sample| format!("{} {}", name(&sample.labels), sample.value)).collect()
        }
        Value::Matrix(series) => series
            .iter()
            .map(|series| {
                let points = series.points.iter();
                let points: String =
                    points.map(|point| format!(" {}@{}", point.value, point.at_ms as f64 / 1000.0)).collect();
                format!("{}{points}", name(&series.labels))
            })
            .collect(),
    }
}

fn name(labels: &Labels) -> String {
    labels.to_string()
}

/// Whether two lines say the same, numbers within 1e-12.
pub(crate) fn same_line(one: &str, other: &str) -> bool {
    let words = |line: &str| line.split([' ', '@']).map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (words(one), words(other));
    one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| same_word(one, other))
}

fn same_word(one: &str, other: &str) -> bool {
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => close(one, other),
        _ => one == other,
    }
}

/// Whether two numbers are the same within a relative 1e-12.
pub(crate) fn close(one: f64, other: f64) -> bool {
    if one == other || (one.is_nan() && other.is_nan()) {
        return true;
    }
    (one - other).abs() <= 1e-12 * one.abs().max(other.abs()) && one.is_finite() && other.is_finite()
}
