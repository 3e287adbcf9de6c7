//! Reads Prometheus's own test files (promql/promqltest/testdata) as upstream's runner does
//! (promql/promqltest/test.go): `load`, `clear` and `eval`, with what each `eval` expects.
#![allow(dead_code, reason = "each test uses a part of this")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use promql::{Labels, notation};
use regex::Regex;

use crate::common::Time;

/// Times and values of a series.
pub(crate) type Points = Vec<(i64, f64)>;

/// What is loaded where an `eval` stands.
#[derive(Default, Clone)]
pub(crate) struct Loaded {
    pub(crate) floats: BTreeMap<Labels, Points>,
    /// Series of native histograms, which are not loaded.
    pub(crate) histograms: BTreeSet<Labels>,
}

/// One `eval` of a test file.
pub(crate) struct Eval {
    /// File and line, as in `functions.test:12`.
    pub(crate) place: String,
    pub(crate) loaded: Rc<Loaded>,
    pub(crate) time: Time,
    pub(crate) query: String,
    pub(crate) expected: Expected,
    /// The result must come in the order of the file.
    pub(crate) ordered: bool,
    /// Warnings or infos are expected beside the result.
    pub(crate) annotated: bool,
}

pub(crate) enum Expected {
    /// An error; its text where the file states one.
    Failure(Option<Message>),
    Scalar(f64),
    Text(String),
    /// Series with a value at each step; a vector has one.
    Series(Vec<(Labels, Vec<Option<f64>>)>),
    /// A range vector with the times of its points.
    RangeVector {
        start_ms: i64,
        step_ms: i64,
        series: Vec<(Labels, Vec<Option<f64>>)>,
    },
    /// Something with native histograms.
    Histograms,
}

pub(crate) enum Message {
    Exact(String),
    Pattern(Regex),
}

impl Message {
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(expected) => expected == text,
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

/// The folder of the test files, in the module that `oracle/go.mod` pins.
pub(crate) fn folder() -> PathBuf {
    let output = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", "github.com/prometheus/prometheus"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle"))
        .output()
        .expect("the test files need Go; running `go` failed");
    assert!(output.status.success(), "`go list` failed: {}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()).join("promql/promqltest/testdata")
}

/// All `eval`s of the test files in a folder, by file.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<Eval>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "test"));
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let evals = evals(&name, &std::fs::read_to_string(file).unwrap());
        (name, evals)
    };
    files.iter().map(read).collect()
}

fn evals(file: &str, text: &str) -> Vec<Eval> {
    let lines: Vec<&str> =
        text.lines().map(|line| if line.trim().starts_with('#') { "" } else { line.trim() }).collect();
    let (mut found, mut loaded) = (Vec::new(), Rc::<Loaded>::default());
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let block: Vec<&str> = lines[at + 1..].iter().take_while(|line| !line.is_empty()).copied().collect();
        let place = format!("{file}:{}", at + 1);
        match line.split_whitespace().next() {
            None => {}
            Some("clear") => loaded = Rc::default(),
            Some("load" | "load_with_nhcb") => {
                at += block.len();
                load(Rc::make_mut(&mut loaded), line, &block);
            }
            Some(eval) if eval.starts_with("eval") => {
                let (eval, used) = read_eval(place, loaded.clone(), line, &block);
                found.push(eval);
                at += used;
            }
            Some(_) => panic!("{place}: {line}"),
        }
        at += 1;
    }
    found
}

fn load(loaded: &mut Loaded, line: &str, block: &[&str]) {
    let (command, interval) = line.split_once(char::is_whitespace).unwrap();
    let interval_ms = milliseconds(interval.trim());
    // Of several lines with the same series the last one counts.
    let mut defined: BTreeMap<Labels, Vec<Option<f64>>> = BTreeMap::new();
    for line in block {
        let (labels, values) = series(line);
        if command == "load_with_nhcb" {
            loaded.histograms.extend(histogram_of(&labels));
        }
        let Some(values) = values else {
            loaded.histograms.insert(labels);
            continue;
        };
        defined.insert(labels, values);
    }
    for (labels, values) in defined {
        let points = loaded.floats.entry(labels).or_default();
        for (step, value) in values.into_iter().enumerate() {
            let at_ms = step as i64 * interval_ms;
            let newer = points.last().is_none_or(|&(last_ms, _)| at_ms > last_ms);
            points.extend(value.filter(|_| newer).map(|value| (at_ms, value)));
        }
    }
}

/// The native histogram that upstream makes of a classic histogram's series.
fn histogram_of(labels: &Labels) -> Option<Labels> {
    let name = labels.metric_name()?;
    let base = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix))?;
    Some(labels.with("__name__", base).with("le", ""))
}

/// A series and its values; no values where some are native histograms.
fn series(line: &str) -> (Labels, Option<Vec<Option<f64>>>) {
    if let Some(start) = line.find("{{") {
        let before = &line[..start];
        let end = before
            .rfind('}')
            .map_or_else(|| before.find(char::is_whitespace).unwrap_or(start), |brace| brace + 1);
        return (notation::labels(&line[..end]).unwrap(), None);
    }
    let (labels, values) = notation::series(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    (labels, Some(values))
}

/// An `eval` and how many lines of the block below belong to it.
fn read_eval(place: String, loaded: Rc<Loaded>, line: &str, block: &[&str]) -> (Eval, usize) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (time, words_before) = match words[..] {
        [_, "instant", "at", at, ..] => (Time::At(milliseconds(at)), 4),
        [_, "range", "from", start, "to", end, "step", step, ..] => {
            let [start_ms, end_ms, step_ms] = [start, end, step].map(milliseconds);
            (Time::Range { start_ms, end_ms, step_ms }, 8)
        }
        _ => panic!("{place}: {line}"),
    };
    let query = after_words(line, words_before).to_owned();
    let expected = match words[0] {
        "eval_fail" => Expected::Failure(None),
        _ => Expected::Series(Vec::new()),
    };
    let (ordered, annotated) = (words[0] == "eval_ordered", matches!(words[0], "eval_warn" | "eval_info"));
    let mut eval = Eval { place, loaded, time, query, expected, ordered, annotated };
    for (at, line) in block.iter().enumerate() {
        if !expect(&mut eval, line) {
            return (eval, at + 1);
        }
    }
    (eval, block.len())
}

/// Adds a line of expectation, and says whether more may follow.
fn expect(eval: &mut Eval, line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["expected_fail_message", ..] => {
            eval.expected = Expected::Failure(Some(Message::Exact(after_words(line, 1).to_owned())));
            return false;
        }
        ["expect", "range", "vector", "from", start, "to", _, "step", step] => {
            let (start_ms, step_ms) = (milliseconds(start), milliseconds(step));
            eval.expected = Expected::RangeVector { start_ms, step_ms, series: Vec::new() };
        }
        ["expect", "string", ..] => {
            let quoted = after_words(line, 2);
            eval.expected = Expected::Text(unquoted(quoted));
        }
        ["expect", "fail"] => eval.expected = Expected::Failure(None),
        ["expect", "fail", kind, ..] => {
            let text = line.split_once(':').unwrap().1.trim();
            let message = match kind.starts_with("regex:") {
                true => Message::Pattern(Regex::new(text).unwrap()),
                false => Message::Exact(text.to_owned()),
            };
            eval.expected = Expected::Failure(Some(message));
        }
        ["expect", "ordered"] => eval.ordered = true,
        ["expect", "no_warn" | "no_info"] => {}
        ["expect", "warn" | "info", ..] => eval.annotated = true,
        _ => return expect_value(eval, line),
    }
    true
}

fn expect_value(eval: &mut Eval, line: &str) -> bool {
    if let Ok(number) = line.parse::<f64>() {
        eval.expected = Expected::Scalar(number);
        return false;
    }
    let (labels, values) = series(line);
    match (&mut eval.expected, values) {
        (Expected::Series(series) | Expected::RangeVector { series, .. }, Some(values)) => {
            series.push((labels, values));
        }
        (_, _) => eval.expected = Expected::Histograms,
    }
    true
}

/// The text of a Go string literal without escapes other than of quotes and backslashes.
fn unquoted(literal: &str) -> String {
    let inner = &literal[1..literal.len() - 1];
    if literal.starts_with('`') {
        return inner.to_owned();
    }
    inner.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\"").replace("\\\\", "\\")
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
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or_else(|| panic!("no time: {text}"));
        let unit_end =
            rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        let unit = &rest[digits..unit_end];
        let (_, factor) = units.iter().find(|(name, _)| *name == unit).unwrap_or_else(|| panic!("{text}"));
        total += rest[..digits].parse::<i64>().unwrap() * factor;
        rest = &rest[unit_end..];
    }
    total
}
