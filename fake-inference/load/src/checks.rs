//! The checks that a pull request's tests run against a server: does it answer, fast enough, and rightly?

use std::fmt;
use std::future::pending;

use serde::Serialize;
use units::{Duration, Ratio};

use crate::clock::Clock;
use crate::evaluation::{Evaluation, Expected, Question};
use crate::exchange::{Arrival, Client, Exchange, Failure, Outcome, UsageReported};
use crate::generator::{Load, generate};
use crate::plan::Plan;
use crate::report::{Quantiles, Report};
use crate::tally::Tally;

/// The most wrong answers that are told one by one.
const TOLD: usize = 20;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Its name: `smoke`, `latency` or `quality`.
    pub check: &'static str,
    /// The server.
    pub url: String,
    /// Whether everything is as it must be.
    pub passed: bool,
    /// What was looked at.
    pub findings: Vec<Finding>,
    /// Wrong answers of a quality check, twenty at most. One by itself fails nothing: the share does.
    pub wrong: Vec<String>,
    /// What the load of the check found.
    pub report: Option<Report>,
}

/// One thing that a check looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it is as it must be.
    pub passed: bool,
    /// What was found, beside what was asked for.
    pub told: String,
}

/// The server was never reached, so that nothing was checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url} was not reached: {why}")]
pub struct Unreachable {
    /// The server.
    pub url: String,
    /// The first failure.
    pub why: String,
}

/// The bounds of a latency check. Latency is measured from the planned moment to the end of the answer, of
/// every request, failed ones included.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LatencyBounds {
    /// The longest median.
    pub p50: Option<Duration>,
    /// The longest 95 % quantile.
    pub p95: Option<Duration>,
    /// The longest 99 % quantile.
    pub p99: Option<Duration>,
    /// The longest 99 % quantile of the time to the first token.
    pub first_token_p99: Option<Duration>,
    /// The largest share of requests that fail or are truncated.
    pub failed: Ratio,
}

impl Finding {
    fn new(passed: bool, told: String) -> Self {
        Self { passed, told }
    }
}

impl Check {
    fn new(check: &'static str, url: &str, findings: Vec<Finding>, report: Option<Report>) -> Self {
        let passed = !findings.is_empty() && findings.iter().all(|finding| finding.passed);
        Self { check, url: url.to_owned(), passed, findings, wrong: Vec::new(), report }
    }
}

impl LatencyBounds {
    /// Why this plan cannot decide these bounds.
    pub fn undecidable(&self, plan: &Plan) -> Option<String> {
        let needed = [
            ("p50", self.p50, 2.0),
            ("p95", self.p95, 20.0),
            ("p99", self.p99, 100.0),
            ("p99 of the first token", self.first_token_p99, 100.0),
        ];
        if needed.iter().all(|(_, bound, _)| bound.is_none()) {
            return Some("no bound is given".to_owned());
        }
        let expected = plan.expected();
        needed.iter().find(|(_, bound, needed)| bound.is_some() && expected < *needed).map(
            |(name, _, needed)| {
                format!("the {name} of {expected:.0} requests is their slowest; plan at least {needed}")
            },
        )
    }

    fn findings(&self, report: &Report) -> Vec<Finding> {
        let all = report.end_to_end;
        let bounds = [
            ("p50", self.p50, all.map(|times| times.p50)),
            ("p95", self.p95, all.map(|times| times.p95)),
            ("p99", self.p99, all.map(|times| times.p99)),
            (
                "p99 of the first token",
                self.first_token_p99,
                report.first_token.map(|times: Quantiles| times.p99),
            ),
        ];
        let mut findings: Vec<_> = bounds
            .into_iter()
            .filter_map(|(name, bound, measured)| {
                let bound = bound?;
                Some(match measured {
                    Some(secs) => Finding::new(
                        secs <= bound.as_secs_f64(),
                        format!("{name} is {}, the bound is {bound}", Duration::from_secs_f64(secs)),
                    ),
                    None => Finding::new(false, format!("{name} was not measured, the bound is {bound}")),
                })
            })
            .collect();
        let (sent, bad) = (report.counts.sent, report.counts.failed + report.counts.truncated);
        findings.push(Finding::new(
            bad as f64 <= self.failed.as_f64() * sent as f64,
            format!("{bad} of {sent} requests failed or were truncated, the bound is {}", self.failed),
        ));
        if report.dropped > 0 {
            let told = format!("{} requests were not sent: the times leave them out", report.dropped);
            findings.push(Finding::new(false, told));
        }
        findings
    }
}

/// Runs a load to its end.
async fn run(load: &Load, mut seen: impl FnMut(&Exchange)) -> Result<Report, Unreachable> {
    let clock = Clock::start();
    let mut tally = Tally::new(load.plan, None);
    generate(load, pending(), |arrival| {
        tally.add(&arrival);
        if let Arrival::Exchanged(exchange) = &arrival {
            seen(exchange);
        }
    })
    .await;
    let report = tally.report(clock.now());
    match report.unreachable() {
        Some(why) => Err(Unreachable { url: load.target.url().to_owned(), why: why.to_owned() }),
        None => Ok(report),
    }
}

/// Runs a load and holds what it found against the bounds. Requests that were dropped fail the check, since
/// nothing is known of them.
///
/// # Errors
/// No request found a connection.
pub async fn latency(load: &Load, bounds: &LatencyBounds) -> Result<Check, Unreachable> {
    let report = run(load, |_| {}).await?;
    Ok(Check::new("latency", load.target.url(), bounds.findings(&report), Some(report)))
}

/// Runs a load and asks for a share of right answers of at least `right`. What failed, was truncated or was
/// dropped is not right.
///
/// # Errors
/// No request found a connection.
pub async fn quality(load: &Load, right: Ratio) -> Result<Check, Unreachable> {
    let mut wrong = Vec::new();
    let report = run(load, |exchange| {
        let question = load.questions.question(exchange.request);
        if let Outcome::Complete { text, right: false, .. } = &exchange.outcome
            && wrong.len() < TOLD
        {
            wrong.push(told_wrong(question, text));
        }
    })
    .await?;
    let counts = report.counts;
    let (good, offered) = (counts.completed - counts.wrong, report.offered);
    let told = format!(
        "{good} of {offered} answers are right, the bound is {right} ({} wrong, {} failed, {} truncated, \
         {} not asked)",
        counts.wrong, counts.failed, counts.truncated, report.dropped
    );
    let passed = offered > 0 && good as f64 >= right.as_f64() * offered as f64;
    let findings = vec![Finding::new(passed, told)];
    Ok(Check { wrong, ..Check::new("quality", load.target.url(), findings, Some(report)) })
}

fn told_wrong(question: &Question, answer: &str) -> String {
    let expected = match &question.expected {
        Expected::Exact(text) => format!("`{text}`"),
        Expected::Contains(text) => format!("something with `{text}`"),
        Expected::Number(number) => number.to_string(),
    };
    let answer: String = answer.chars().take(200).collect();
    format!("`{}` was answered `{answer}`, not {expected}", question.prompt)
}

/// Looks whether the server works at all: it lists its models, answers a question in one piece, and answers
/// one as a stream. Without a `model`, the first of the list is asked. Of the load's questions only the
/// first is asked, and whether the answer is right does not matter here.
///
/// # Errors
/// There was no connection.
pub async fn smoke(load: &Load, model: Option<&str>) -> Result<Check, Unreachable> {
    let url = load.target.url();
    let models = match load.client().models().await {
        Err(Failure::Connect(why)) => return Err(Unreachable { url: url.to_owned(), why }),
        models => models,
    };
    let (listed, first) = listed(models, model);
    let mut findings = vec![listed];
    let Some(model) = model.map(str::to_owned).or(first) else {
        return Ok(Check::new("smoke", url, findings, None));
    };
    for streaming in [false, true] {
        let questions = Evaluation::of(load.questions.question(0).clone());
        let load = Load { model: model.clone(), streaming, questions, ..load.clone() };
        let client: Client = load.client();
        let exchange = client.ask(Clock::start(), u64::from(streaming), Duration::ZERO).await;
        findings.push(answered(if streaming { "stream" } else { "chat" }, &exchange));
    }
    Ok(Check::new("smoke", url, findings, None))
}

fn listed(models: Result<Vec<String>, Failure>, wanted: Option<&str>) -> (Finding, Option<String>) {
    let models = match models {
        Ok(models) => models,
        Err(failure) => return (Finding::new(false, format!("models: {failure}")), None),
    };
    let found = match wanted {
        Some(wanted) => models.iter().any(|model| model == wanted),
        None => !models.is_empty(),
    };
    let names = if models.is_empty() { "none".to_owned() } else { models.join(", ") };
    let missing = wanted.filter(|_| !found).map(|wanted| format!("; `{wanted}` is not among them"));
    let told = format!("models: {names}{}", missing.unwrap_or_default());
    (Finding::new(found, told), models.into_iter().next())
}

fn answered(name: &str, exchange: &Exchange) -> Finding {
    let took = exchange.latency();
    match &exchange.outcome {
        Outcome::Failed(failure) => Finding::new(false, format!("{name}: {failure}")),
        Outcome::Truncated(cut) => Finding::new(false, format!("{name}: the answer is not whole: {cut}")),
        Outcome::Complete { text, .. } if text.trim().is_empty() => {
            Finding::new(false, format!("{name}: the answer is empty"))
        }
        Outcome::Complete { usage: UsageReported::Missing, .. } => {
            Finding::new(false, format!("{name}: the answer has no usage"))
        }
        Outcome::Complete { usage: UsageReported::Fewer, .. } => {
            Finding::new(false, format!("{name}: the usage has fewer tokens than the stream has chunks"))
        }
        Outcome::Complete { .. } => {
            let by = if exchange.version.is_empty() { "" } else { &exchange.version };
            Finding::new(true, format!("{name}: answered by {by} in {took}"))
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{}  {}", if finding.passed { "ok    " } else { "FAILED" }, finding.told)?;
        }
        for wrong in &self.wrong {
            writeln!(f, "wrong   {wrong}")?;
        }
        if let Some(report) = &self.report {
            write!(f, "\n{report}")?;
        }
        let verdict = if self.passed { "passed" } else { "failed" };
        writeln!(f, "\n{} of {}: {verdict}", self.check, self.url)
    }
}
