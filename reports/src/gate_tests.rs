//! What came of unit tests of gates.

use gates::{CaseResult, Measured, Question};
use promql::Value;
use serde_json::{Value as Json, json};
use timeline::{AnalysisPhase, Verdict};
use units::Time;

use crate::numbers::{clock, counted};
use crate::page::{Options, Page, Tone, plain, span};
use crate::terminal::mark;

/// A file of gate tests and what came of it.
#[derive(Debug, Clone)]
pub struct TestedGate {
    /// The file.
    pub file: String,
    /// What it calls itself.
    pub name: String,
    /// What came of its cases; the problems where it is invalid.
    pub outcome: Result<Vec<CaseResult>, Vec<String>>,
}

impl TestedGate {
    /// Whether its cases ran and all claims hold.
    pub fn passed(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|cases| cases.iter().all(CaseResult::passed))
    }
}

/// Gate tests for people: a line for each case and each claim that does not hold; with `explain` also
/// every measurement, what it was made of, and the counters after it.
pub fn gate_tests(gates: &[TestedGate], explain: bool, options: &Options) -> String {
    let mut page = Page::new(options);
    for gate in gates {
        page.heading(&gate.file);
        match &gate.outcome {
            Ok(cases) => cases.iter().for_each(|case| tell_case(&mut page, case, explain)),
            Err(problems) => {
                let count = counted(problems.len(), "problem");
                page.line([span(Tone::Bad, "  ✗ ")], [plain(format!("invalid: {count}"))]);
            }
        }
    }
    page.gap();
    let cases = || gates.iter().flat_map(|gate| gate.outcome.iter().flatten());
    let passed = cases().filter(|case| case.passed()).count();
    let tone = if gates.iter().all(TestedGate::passed) { Tone::Good } else { Tone::Bad };
    let count = counted(cases().count(), "case");
    page.line([], [plain(format!("{count}: ")), span(tone, format!("{passed} passed"))]);
    page.into_text()
}

fn tell_case(page: &mut Page, case: &CaseResult, explain: bool) {
    let mark = mark(if case.passed() { Verdict::Passed } else { Verdict::Failed });
    let phase = case.status.phase.map_or("never measured".to_owned(), |phase| phase.to_string());
    let told = [
        plain(&case.name),
        span(Tone::Dim, format!("  {}, run {phase}", counted(case.claims.len(), "claim"))),
    ];
    page.line([span(mark.tone(), format!("  {} ", mark.sign()))], told);
    for (claim, against) in &case.claims {
        let Some(against) = against else { continue };
        page.line([plain("      ")], [plain(format!("{}: ", claim.what)), span(Tone::Bad, against)]);
        page.line([span(Tone::Dim, "        --> ")], [span(Tone::Dim, claim.place.to_string())]);
    }
    for unused in &case.never_exercised {
        page.line([span(Tone::Open, "      ? ")], [plain(unused)]);
    }
    if explain {
        case.measured.iter().for_each(|measured| tell_measurement(page, measured));
        let message = match case.status.message.as_str() {
            "" => String::new(),
            message => format!(": {message}"),
        };
        let end = case.status.completed.map_or("     ".to_owned(), clock);
        page.line(
            [plain(format!("      {end}  "))],
            [span(tone(case.status.phase), format!("run {phase}")), plain(message)],
        );
    }
}

fn tell_measurement(page: &mut Page, measured: &Measured) {
    let at = clock(measured.at);
    let title = format!("{}, measurement {}", measured.metric, measured.number);
    let phase = span(tone(Some(measured.phase)), format!(" {}", measured.phase));
    page.line([plain(format!("      {at}  "))], [span(Tone::Strong, title), phase]);
    let lead = |word: &str| [span(Tone::Dim, format!("             {word:<10}"))];
    let (kind, asked) = question(measured);
    page.line(lead(kind), [plain(asked.split_whitespace().collect::<Vec<_>>().join(" "))]);
    if let Some(value) = &measured.value {
        let samples = counted(measured.samples as usize, "sample");
        let read = format!("  ({} series, {samples})", measured.series);
        page.line(lead("result"), [plain(result(value)), span(Tone::Dim, read)]);
    }
    if measured.value.is_none() && !measured.recorded.is_empty() {
        page.line(lead("result"), [plain(&measured.recorded)]);
    }
    if !measured.condition.is_empty() {
        page.line(lead("condition"), [plain(&measured.condition)]);
    }
    if !measured.message.is_empty() {
        page.line(lead("message"), [plain(&measured.message)]);
    }
    if !measured.help.is_empty() {
        page.line(lead("help"), [plain(&measured.help)]);
    }
    page.line(lead("counters"), [plain(counters(measured))]);
}

/// What was asked, and of whom.
fn question(measured: &Measured) -> (&'static str, &str) {
    match &measured.question {
        Question::Query(query) => ("query", query),
        Question::Url(url) => ("url", url),
        Question::Job(metric) => ("job", metric),
    }
}

fn tone(phase: Option<AnalysisPhase>) -> Tone {
    match phase {
        Some(AnalysisPhase::Successful) => Tone::Good,
        Some(AnalysisPhase::Failed | AnalysisPhase::Error) => Tone::Bad,
        Some(AnalysisPhase::Inconclusive) => Tone::Open,
        Some(AnalysisPhase::Pending | AnalysisPhase::Running) | None => Tone::Plain,
    }
}

/// A result, at most a handful of its elements.
fn result(value: &Value) -> String {
    const SHOWN: usize = 5;
    let all: Vec<String> = match value {
        Value::Scalar(number) => vec![number.to_string()],
        Value::String(text) => vec![format!("{text:?}")],
        Value::Vector(samples) => samples.iter().map(|it| format!("{} {}", it.labels, it.value)).collect(),
        Value::Matrix(series) => series.iter().map(|it| format!("{} …", it.labels)).collect(),
    };
    match all.len() {
        0 => "no element".to_owned(),
        count if count > SHOWN => format!("{} and {} more", all[..SHOWN].join(", "), count - SHOWN),
        _ => all.join(", "),
    }
}

fn counters(measured: &Measured) -> String {
    let counters = &measured.counters;
    let dry = if counters.dry_run { ", dry run" } else { "" };
    format!(
        "{} successful, {} failed, {} inconclusive, {} errors ({} in a row); metric {}{dry}",
        counters.successful,
        counters.failed,
        counters.inconclusive,
        counters.error,
        counters.consecutive_error,
        counters.phase
    )
}

/// Gate tests for programs: one JSON object.
pub fn gate_tests_json(gates: &[TestedGate], version: &str) -> String {
    let results: Vec<Json> = gates
        .iter()
        .map(|gate| match &gate.outcome {
            Ok(cases) => json!({
                "file": gate.file, "name": gate.name, "verdict": verdict(gate.passed()),
                "cases": cases.iter().map(case_json).collect::<Vec<_>>(),
            }),
            Err(problems) => json!({ "file": gate.file, "verdict": "invalid", "problems": problems }),
        })
        .collect();
    crate::json::indented(&json!({ "rehearse": version, "results": results }))
}

fn verdict(passed: bool) -> String {
    if passed { Verdict::Passed } else { Verdict::Failed }.to_string()
}

fn case_json(case: &CaseResult) -> Json {
    let claims = case.claims.iter().map(|(claim, against)| {
        json!({
            "text": claim.what.to_string(), "verdict": verdict(against.is_none()),
            "message": against, "place": claim.place.to_string(),
        })
    });
    let metrics = case.status.results.iter().map(|result| {
        json!({
            "name": result.name, "phase": result.phase.to_string(), "message": result.message, "dry_run": result.dry_run,
            "successful": result.successful, "failed": result.failed,
            "inconclusive": result.inconclusive, "errors": result.error,
        })
    });
    json!({
        "name": case.name,
        "verdict": verdict(case.passed()),
        "claims": claims.collect::<Vec<_>>(),
        "never_exercised": case.never_exercised,
        "run": {
            "phase": case.status.phase.map(|phase| phase.to_string()),
            "message": case.status.message,
            "completed": case.status.completed.map(Time::as_secs_f64),
            "metrics": metrics.collect::<Vec<_>>(),
            "measurements": case.measured.iter().map(measured_json).collect::<Vec<_>>(),
        },
    })
}

/// Values as texts: JSON knows neither NaN nor infinity.
fn measured_json(measured: &Measured) -> Json {
    let numbers = measured.numbers.as_ref();
    let (kind, asked) = question(measured);
    json!({
        "at": measured.at.as_secs_f64(), "metric": measured.metric, "number": measured.number,
        "phase": measured.phase.to_string(), "message": measured.message, "condition": measured.condition,
        "value": numbers.map(|numbers| numbers.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "series": measured.series, "samples": measured.samples, kind: asked, "recorded": measured.recorded, "help": measured.help,
        "metric_phase": measured.counters.phase.to_string(),
        "successful": measured.counters.successful, "failed": measured.counters.failed,
        "inconclusive": measured.counters.inconclusive, "errors": measured.counters.error,
        "consecutive_errors": measured.counters.consecutive_error,
    })
}
