//! Unit tests of a gate, as they are written.

use std::collections::BTreeSet;
use std::sync::Arc;

use manifests::objects::analysis::Argument;
use promql::{Labels, notation};
use scenario::Answer;
use timeline::AnalysisPhase;
use units::Duration;
use yaml::{Node, Place, Problem, Source, decode};

use crate::raw;

/// The time between two samples where the file does not say.
const INTERVAL: Duration = Duration::from_secs(30);

/// A file of unit tests of a gate.
#[derive(Debug, Clone)]
pub struct GateTests {
    /// What the tests are of.
    pub name: String,
    /// What they are about, for people; may be empty.
    pub story: String,
    /// The file that they were read from.
    pub source: Arc<Source>,
    /// The files with the templates, relative to this file.
    pub templates: Vec<(String, Place)>,
    /// The names of the templates that the run is made of; empty where the files hold only one.
    pub gate: Vec<(String, Place)>,
    /// What a Rollout would supply.
    pub args: Vec<Argument>,
    /// The time between two samples of a series.
    pub interval: Duration,
    /// The tests.
    pub cases: Vec<Case>,
}

/// One test of a gate.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// The series and their samples, one each interval.
    pub series: Vec<(Labels, Vec<Option<f64>>)>,
    /// What web metrics and Jobs are answered; the times count from the first sample.
    pub answers: Vec<Answer>,
    /// When the run begins, counted from the first sample.
    pub start: Duration,
    /// When it is told to end.
    pub terminate: Option<Duration>,
    /// What must come of it.
    pub claims: Vec<Claim>,
}

/// Something that must come of a run.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What.
    pub what: What,
    /// Where it stands.
    pub place: Place,
}

/// What can be claimed.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The run's phase.
    Run(AnalysisPhase),
    /// A part of the run's message.
    Message(String),
    /// When the run is over, counted from the first sample.
    Completed(Duration),
    /// The phase of a metric.
    Metric(String, AnalysisPhase),
    /// How many measurements of a metric have a phase.
    Count(String, AnalysisPhase, u32),
    /// How many measurements of a metric there are.
    Measurements(String, usize),
    /// One measurement of a metric, by its number from 1.
    Measurement(String, usize, ExpectedMeasurement),
}

/// What a measurement must be, as far as it is said.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedMeasurement {
    /// When it is taken, counted from the first sample.
    pub at: Option<Duration>,
    /// The numbers that the query gives.
    pub value: Option<Vec<f64>>,
    /// Its phase.
    pub phase: Option<AnalysisPhase>,
    /// A part of its message.
    pub message: Option<String>,
}

impl GateTests {
    /// Reads a file of unit tests of a gate.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let one = |problem| vec![problem];
        let documents = yaml::parse_with_non_finite(name, bytes).map_err(one)?;
        let node = match documents.as_slice() {
            [node] => node,
            [] => return Err(one(Problem::new(format!("{name} is empty")))),
            [_, second, ..] => return Err(one(second.problem(format!("{name} has several documents")))),
        };
        let file: raw::File = decode(node).map_err(one)?;
        let mut problems = Vec::new();
        check_name(&file.name, at(node, &["name"]), &mut problems);
        let interval = file.interval.unwrap_or(INTERVAL);
        if interval < Duration::from_millis(1) {
            problems.push(at(node, &["interval"]).problem("`interval` must be at least 1ms"));
        }
        let cases = read_cases(&file.cases, at(node, &["cases"]), &mut problems);
        let templates = texts(&file.templates, at(node, &["templates"]));
        if templates.is_empty() {
            let problem = at(node, &["templates"]).problem("no file of templates is named");
            problems
                .push(problem.with_help("name the file with the AnalysisTemplate, relative to this file"));
        }
        let gate = file.gate.map(|names| names.0).unwrap_or_default();
        let gate = texts(&gate, at(node, &["gate"]));
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            name: file.name,
            story: file.story.unwrap_or_default(),
            source: Arc::clone(&node.place.source),
            templates,
            gate,
            args: file.args.iter().map(|(name, value)| Argument::with_value(name, value)).collect(),
            interval,
            cases,
        })
    }
}

fn at<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
    node.at(path).unwrap_or(node)
}

fn check_name(name: &str, node: &Node, problems: &mut Vec<Problem>) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if name.is_empty() || !name.chars().all(is_plain) {
        problems.push(node.problem(format!("`{name}` is no name: write letters, digits, `.`, `-` and `_`")));
    }
}

/// Texts of a list, or of the only text in place of one, with their places.
fn texts(texts: &[String], node: &Node) -> Vec<(String, Place)> {
    let items = node.as_seq();
    let place = |index: usize| items.and_then(|items| items.get(index)).unwrap_or(node).place.clone();
    texts.iter().enumerate().map(|(index, text)| (text.clone(), place(index))).collect()
}

fn read_cases(cases: &[raw::Case], node: &Node, problems: &mut Vec<Problem>) -> Vec<Case> {
    if cases.is_empty() {
        problems.push(node.problem("there is no case, so nothing is tested"));
    }
    let mut names = BTreeSet::new();
    let mut read = Vec::new();
    for (case, node) in cases.iter().zip(node.as_seq().unwrap_or_default()) {
        if case.name.is_empty() || !names.insert(&case.name) {
            problems.push(at(node, &["name"]).problem("each case has a name of its own"));
        }
        read.push(read_case(case, node, problems));
    }
    read
}

fn read_case(case: &raw::Case, node: &Node, problems: &mut Vec<Problem>) -> Case {
    let start = case.start.unwrap_or(Duration::ZERO);
    if case.terminate.is_some_and(|terminate| terminate < start) {
        problems.push(at(node, &["terminate"]).problem("the run is told to end before it begins"));
    }
    let mut series: Vec<(Labels, Vec<Option<f64>>)> = Vec::new();
    for (index, written) in case.input_series.iter().enumerate() {
        let items = at(node, &["input_series"]).as_seq().unwrap_or_default();
        let node = items.get(index).unwrap_or(node);
        let mut told = |key: &str, error: notation::NotationError| {
            problems.push(at(node, &[key]).problem(format!("`{key}`: {error}")));
        };
        let labels = notation::labels(&written.series).map_err(|error| told("series", error));
        let values = at(node, &["values"]).text_as_written().unwrap_or_default();
        let values = notation::samples(&values).map_err(|error| told("values", error));
        let (Ok(labels), Ok(values)) = (labels, values) else { continue };
        if series.iter().any(|(known, _)| *known == labels) {
            problems.push(at(node, &["series"]).problem(format!("the series {labels} is there twice")));
        }
        series.push((labels, values));
    }
    let answers = read_answers(at(node, &["answers"]), problems);
    let claims = claims(&case.expect, at(node, &["expect"]));
    if claims.is_empty() {
        let problem = at(node, &["expect"]).problem("nothing is expected");
        problems.push(problem.with_help("add at least one claim, or the case proves nothing"));
    }
    let (name, place) = (case.name.clone(), node.place.clone());
    Case { name, place, series, answers, start, terminate: case.terminate, claims }
}

fn read_answers(node: &Node, problems: &mut Vec<Problem>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for node in node.as_seq().unwrap_or_default() {
        match Answer::read(node) {
            Ok(answer) if answer.model.is_none() => answers.push(answer),
            Ok(_) => problems.push(at(node, &["model"]).problem("a test of a gate has no model")),
            Err(problem) => problems.push(problem),
        }
    }
    answers
}

fn claims(expect: &raw::Expect, node: &Node) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut claim = |what: What, node: &Node| claims.push(Claim { what, place: node.place.clone() });
    if let Some(phase) = expect.run {
        claim(What::Run(phase.into()), at(node, &["run"]));
    }
    if let Some(message) = &expect.message {
        claim(What::Message(message.clone()), at(node, &["message"]));
    }
    if let Some(completed) = expect.completed {
        claim(What::Completed(completed), at(node, &["completed"]));
    }
    for (name, metric) in &expect.metrics {
        let node = at(node, &["metrics", name]);
        if let Some(phase) = metric.phase {
            claim(What::Metric(name.clone(), phase.into()), at(node, &["phase"]));
        }
        let counts = [
            ("successful", AnalysisPhase::Successful, metric.successful),
            ("failed", AnalysisPhase::Failed, metric.failed),
            ("inconclusive", AnalysisPhase::Inconclusive, metric.inconclusive),
            ("errors", AnalysisPhase::Error, metric.errors),
        ];
        for (key, phase, count) in counts {
            if let Some(count) = count {
                claim(What::Count(name.clone(), phase, count), at(node, &[key]));
            }
        }
        let Some(measurements) = &metric.measurements else { continue };
        let node = at(node, &["measurements"]);
        claim(What::Measurements(name.clone(), measurements.len()), node);
        for (index, (measurement, node)) in
            measurements.iter().zip(node.as_seq().unwrap_or_default()).enumerate()
        {
            let expected = ExpectedMeasurement {
                at: measurement.at,
                value: measurement.value.clone().map(|numbers| numbers.0),
                phase: measurement.phase.map(Into::into),
                message: measurement.message.clone(),
            };
            claim(What::Measurement(name.clone(), index + 1, expected), node);
        }
    }
    claims
}
