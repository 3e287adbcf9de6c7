//! What came of unit tests of rules.

use std::collections::BTreeMap;

use promql::Sample;
use rules::unit_test::{ExpectedAlert, Failure, Found, GroupResult, Wrong};
use serde_json::{Value as Json, json};
use timeline::Verdict;

use crate::numbers::counted;
use crate::page::{Options, Page, Tone, plain, span};
use crate::terminal::mark;

/// A file of unit tests and what came of it.
#[derive(Debug, Clone)]
pub struct TestedFile {
    /// The file.
    pub file: String,
    /// What it names in vain.
    pub warnings: Vec<String>,
    /// What came of its tests.
    pub outcome: Tested,
}

/// What came of the tests of a file.
#[derive(Debug, Clone)]
pub enum Tested {
    /// They ran.
    Ran(Vec<GroupResult>),
    /// The file, or a rule file that it names, is invalid.
    Invalid(Vec<String>),
}

impl TestedFile {
    fn verdict(&self) -> Verdict {
        match &self.outcome {
            Tested::Ran(tests) if tests.iter().all(|test| test.failures.is_empty()) => Verdict::Passed,
            Tested::Ran(_) | Tested::Invalid(_) => Verdict::Failed,
        }
    }

    /// Whether its tests ran and passed.
    pub fn passed(&self) -> bool {
        self.verdict() == Verdict::Passed
    }
}

/// Files of unit tests for people: a line for each test, and what is not as expected.
pub fn rule_tests(files: &[TestedFile], options: &Options) -> String {
    let mut page = Page::new(options);
    for file in files {
        page.heading(&file.file);
        for warning in &file.warnings {
            page.line([span(Tone::Open, "  ! ")], [plain(warning)]);
        }
        match &file.outcome {
            Tested::Invalid(problems) => {
                let count = counted(problems.len(), "problem");
                page.line([span(Tone::Bad, "  ✗ ")], [plain(format!("invalid: {count}"))]);
            }
            Tested::Ran(tests) if tests.is_empty() => page.line([plain("  ")], [plain("no tests")]),
            Tested::Ran(tests) => tests.iter().for_each(|test| tell_test(&mut page, test)),
        }
    }
    page.gap();
    let passed = files.iter().filter(|file| file.passed()).count();
    let tone = if passed == files.len() { Tone::Good } else { Tone::Bad };
    let count = counted(files.len(), "file");
    page.line([], [plain(format!("{count}: ")), span(tone, format!("{passed} passed"))]);
    page.into_text()
}

fn tell_test(page: &mut Page, test: &GroupResult) {
    let mark = mark(if test.failures.is_empty() { Verdict::Passed } else { Verdict::Failed });
    let claims = format!("  {}", counted(test.claims, "claim"));
    let name = [plain(&test.name), span(Tone::Dim, claims)];
    page.line([span(mark.tone(), format!("  {} ", mark.sign()))], name);
    for failure in &test.failures {
        tell_failure(page, failure);
    }
}

fn tell_failure(page: &mut Page, failure: &Failure) {
    let at = failure.at;
    match &failure.wrong {
        Wrong::Rule { name, why } => {
            page.line([plain("      ")], [plain(format!("the rule {name} fails at {at}: {why}"))]);
        }
        Wrong::Alerts { alertname, expected, found } => {
            page.line([plain("      ")], [plain(format!("other alerts {alertname} fire at {at}"))]);
            tell_list(page, "expected", &expected.iter().map(alert).collect::<Vec<_>>());
            tell_list(page, "found", &found.iter().map(alert).collect::<Vec<_>>());
        }
        Wrong::Query { expr, expected, found } => {
            page.line([plain("      ")], [plain(format!("at {at} another result of {expr}"))]);
            tell_list(page, "expected", &expected.iter().map(sample).collect::<Vec<_>>());
            match found {
                Found::Samples(samples) => {
                    tell_list(page, "found", &samples.iter().map(sample).collect::<Vec<_>>());
                }
                Found::Error(why) => page.line([plain("        found     ")], [plain(why)]),
            }
        }
    }
    page.line([span(Tone::Dim, "        --> ")], [span(Tone::Dim, failure.place.to_string())]);
}

fn tell_list(page: &mut Page, word: &str, items: &[String]) {
    if items.is_empty() {
        page.line([plain(format!("        {word:<10}"))], [plain("nothing")]);
    }
    for (at, item) in items.iter().enumerate() {
        let word = if at == 0 { word } else { "" };
        page.line([plain(format!("        {word:<10}"))], [plain(item)]);
    }
}

fn sample(sample: &Sample) -> String {
    format!("{} {}", sample.labels, sample.value)
}

fn alert(alert: &ExpectedAlert) -> String {
    let texts = |texts: &BTreeMap<String, String>| {
        texts.iter().map(|(name, text)| format!("{name}={text:?}")).collect::<Vec<_>>().join(", ")
    };
    match alert.annotations.is_empty() {
        true => format!("{{{}}}", texts(&alert.labels)),
        false => format!("{{{}}} with {}", texts(&alert.labels), texts(&alert.annotations)),
    }
}

/// Files of unit tests for programs: one JSON object.
pub fn rule_tests_json(files: &[TestedFile], version: &str) -> String {
    let results: Vec<Json> = files
        .iter()
        .map(|file| {
            let mut result = json!({ "file": file.file, "warnings": file.warnings });
            match &file.outcome {
                Tested::Ran(tests) => {
                    result["verdict"] = json!(file.verdict().to_string());
                    result["tests"] = tests.iter().map(test_json).collect();
                }
                Tested::Invalid(problems) => {
                    result["verdict"] = json!("invalid");
                    result["problems"] = json!(problems);
                }
            }
            result
        })
        .collect();
    crate::json::indented(&json!({ "rehearse": version, "results": results }))
}

fn test_json(test: &GroupResult) -> Json {
    let verdict = if test.failures.is_empty() { Verdict::Passed } else { Verdict::Failed };
    let failures: Vec<Json> = test.failures.iter().map(failure_json).collect();
    json!({ "name": test.name, "verdict": verdict.to_string(), "claims": test.claims, "failures": failures })
}

fn failure_json(failure: &Failure) -> Json {
    let mut found = json!({ "at": failure.at.as_secs_f64(), "place": failure.place.to_string() });
    match &failure.wrong {
        Wrong::Rule { name, why } => {
            found["rule"] = json!(name);
            found["message"] = json!(why.to_string());
        }
        Wrong::Alerts { alertname, expected, found: alerts } => {
            found["alertname"] = json!(alertname);
            found["expected"] = expected.iter().map(alert_json).collect();
            found["found"] = alerts.iter().map(alert_json).collect();
        }
        Wrong::Query { expr, expected, found: result } => {
            found["expr"] = json!(expr);
            found["expected"] = expected.iter().map(sample_json).collect();
            match result {
                Found::Samples(samples) => found["found"] = samples.iter().map(sample_json).collect(),
                Found::Error(why) => found["message"] = json!(why),
            }
        }
    }
    found
}

fn alert_json(alert: &ExpectedAlert) -> Json {
    json!({ "labels": alert.labels, "annotations": alert.annotations })
}

/// Values as texts: JSON knows neither NaN nor infinity.
fn sample_json(sample: &Sample) -> Json {
    json!({ "labels": sample.labels.to_string(), "value": sample.value.to_string() })
}
