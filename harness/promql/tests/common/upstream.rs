//! The queries of Prometheus's own test files (promql/promqltest/testdata), with their series.

use std::collections::BTreeMap;
use std::path::Path;

use promql::{Labels, notation};

use crate::common::Time;
use crate::generate::Series;

/// A query of a test file, and the series that are loaded where it stands.
pub(crate) struct UpstreamCase {
    pub(crate) place: String,
    pub(crate) series: Vec<Series>,
    pub(crate) time: Time,
    pub(crate) query: String,
}

/// All queries of the test files in a folder. Series that are native histograms are left out.
pub(crate) fn cases(folder: &Path) -> Vec<UpstreamCase> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "test"));
    files.sort();
    files.iter().flat_map(|file| file_cases(file)).collect()
}

fn file_cases(file: &Path) -> Vec<UpstreamCase> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut cases = Vec::new();
    let mut stored: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
    let mut loading = None;
    for (at, line) in text.lines().enumerate() {
        if line.starts_with([' ', '\t']) {
            if let Some(interval_ms) = loading {
                load(&mut stored, interval_ms, line.trim());
            }
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        loading = None;
        let (time, words_before) = match words[..] {
            ["clear", ..] => {
                stored.clear();
                continue;
            }
            ["load", interval] => {
                loading = Some(milliseconds(interval));
                continue;
            }
            [eval, "instant", "at", at, ..] if eval.starts_with("eval") => (Time::At(milliseconds(at)), 4),
            [eval, "range", "from", start, "to", end, "step", step, ..] if eval.starts_with("eval") => {
                let [start_ms, end_ms, step_ms] = [start, end, step].map(milliseconds);
                (Time::Range { start_ms, end_ms, step_ms }, 8)
            }
            _ => continue,
        };
        let series = stored.iter().map(|(labels, points)| (labels.clone(), points.clone())).collect();
        let query = after_words(line, words_before).to_owned();
        let name = file.file_name().unwrap().to_string_lossy();
        cases.push(UpstreamCase { place: format!("{name} line {}: {query}", at + 1), series, time, query });
    }
    cases
}

fn load(stored: &mut BTreeMap<Labels, Vec<(i64, f64)>>, interval_ms: i64, line: &str) {
    let Ok((labels, values)) = notation::series(line) else { return };
    let points = stored.entry(labels).or_default();
    for (at, value) in values.into_iter().enumerate() {
        let at_ms = at as i64 * interval_ms;
        let newer = points.last().is_none_or(|&(last_ms, _)| at_ms > last_ms);
        points.extend(value.filter(|_| newer).map(|value| (at_ms, value)));
    }
}

fn after_words(line: &str, count: usize) -> &str {
    (0..count)
        .fold(line, |rest, _| {
            let rest = rest.trim_start();
            &rest[rest.find(char::is_whitespace).unwrap_or(rest.len())..]
        })
        .trim()
}

/// Reads `1h30m`, `10s53ms`, `90` (seconds).
fn milliseconds(text: &str) -> i64 {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds * 1000.0) as i64;
    }
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let mut rest = text;
    let mut total = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
        let unit_end =
            rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        let factor = units.iter().find(|(unit, _)| *unit == &rest[digits..unit_end]).unwrap().1;
        total += rest[..digits].parse::<i64>().unwrap() * factor;
        rest = &rest[unit_end..];
    }
    total
}
