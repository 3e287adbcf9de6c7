use std::collections::{BTreeMap, BTreeSet};

use scenario::{Claim, Expectation, Scenario, Trigger};
use serde::{Deserialize, Serialize};
use units::{Ratio, Time};

use crate::moment::{Run, Unanswered};
use crate::{Event, Timeline, claims, requests, words};

/// What became of an expectation, or of a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds, and it was put to the test.
    Passed,
    /// There is no evidence either way.
    Inconclusive,
    /// It does not hold.
    Failed,
}

impl Verdict {
    /// The verdict on a whole whose parts have these: failed if any failed, else inconclusive if any is
    /// or if there are none, else passed.
    pub fn of(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().max().unwrap_or(Self::Inconclusive)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "failed",
        })
    }
}

/// An expectation and what became of it in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The claim as one line.
    pub text: String,
    /// What became of it.
    pub verdict: Verdict,
    /// When that was decided; `None` where it has no moment.
    pub at: Option<Time>,
    /// The entries of the timeline that decided it, by position.
    pub evidence: Vec<usize>,
    /// Why, for people.
    pub message: String,
    /// The share of seeds in which it must hold; one run alone does not answer such a claim.
    pub in_seeds: Option<Ratio>,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict on the whole run.
    pub verdict: Verdict,
    /// Why, as one line.
    pub reason: String,
    /// The expectations in the order of the scenario.
    pub expectations: Vec<Judged>,
    /// Expectations without an answer, actions that were never performed, alerts whose rules never had a
    /// series to look at, and answers that nothing asked for.
    pub never_exercised: Vec<String>,
}

/// Judges a run: what became of each of the scenario's expectations, and of the run as a whole.
///
/// It is failed if any expectation failed, else inconclusive if any is inconclusive, asks for a share of
/// seeds or if there is none at all, else passed.
pub fn judge(scenario: &Scenario, timeline: &Timeline) -> Judgement {
    let run = Run { scenario, timeline };
    let expectations: Vec<Judged> =
        scenario.expect.iter().map(|expectation| judged(run, expectation)).collect();
    let verdict = Verdict::of(expectations.iter().map(|judged| match judged.in_seeds {
        Some(_) => Verdict::Inconclusive,
        None => judged.verdict,
    }));
    let unanswered = expectations.iter().filter(|judged| judged.verdict == Verdict::Inconclusive);
    let mut never_exercised: Vec<String> = unanswered.map(|judged| judged.text.clone()).collect();
    never_exercised.extend(never_performed(run));
    never_exercised.extend(alerts_without_series(run));
    if let Some(Event::RunEnded(ended)) = timeline.entries.last().map(|entry| &entry.event) {
        never_exercised.extend(ended.unused_answers.iter().cloned());
    }
    Judgement { verdict, reason: reason(verdict, &expectations), expectations, never_exercised }
}

fn judged(run: Run, expectation: &Expectation) -> Judged {
    let finding = match &expectation.claim {
        Claim::Becomes { state, within, of, because, before } => {
            let because = because.as_deref();
            claims::becomes(
                run,
                &claims::Becomes { state, within: *within, of, because, before: before.as_ref() },
            )
        }
        Claim::Always { state, of, before } => claims::always(run, state, of, before.as_ref()),
        Claim::Never { state, of, before } => claims::never(run, state, of, before.as_ref()),
        Claim::Stays { state, within, of, hold } => claims::stays(run, state, *within, of, *hold),
        Claim::Requests { which, bounds } => requests::judge(run, which, bounds),
    };
    let Finding { verdict, at, evidence, message } =
        finding.unwrap_or_else(|Unanswered(why)| Finding::inconclusive(why));
    let in_seeds = expectation.in_seeds;
    Judged { text: expectation.text.clone(), verdict, at, evidence, message, in_seeds }
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) at: Option<Time>,
    pub(crate) evidence: Vec<usize>,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn passed(message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Passed, at: None, evidence: Vec::new(), message: message.into() }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, ..Self::passed(message) }
    }

    pub(crate) fn inconclusive(message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Inconclusive, ..Self::passed(message) }
    }

    pub(crate) fn at(mut self, at: Time) -> Self {
        self.at = Some(at);
        self
    }

    pub(crate) fn because_of(mut self, evidence: impl IntoIterator<Item = usize>) -> Self {
        self.evidence.extend(evidence);
        self.evidence.sort_unstable();
        self.evidence.dedup();
        self
    }
}

fn reason(verdict: Verdict, expectations: &[Judged]) -> String {
    let all = words::counted(expectations.len(), "expectation");
    let of = |wanted: Verdict| expectations.iter().filter(|judged| judged.verdict == wanted).count();
    let over_seeds = expectations.iter().filter(|judged| judged.in_seeds.is_some()).count();
    match verdict {
        Verdict::Passed => format!("{all} passed"),
        Verdict::Failed => format!("{} of {all} failed", of(Verdict::Failed)),
        Verdict::Inconclusive if expectations.is_empty() => {
            "the scenario expects nothing: write what must happen under `expect:`".into()
        }
        Verdict::Inconclusive if of(Verdict::Inconclusive) == 0 => {
            format!("{over_seeds} of {all} asked over many seeds: run with --seeds")
        }
        Verdict::Inconclusive => format!("{} of {all} without an answer", of(Verdict::Inconclusive)),
    }
}

fn never_performed(run: Run) -> Vec<String> {
    let performed: BTreeSet<usize> = run
        .timeline
        .entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::ActionPerformed(action) => Some(action.index),
            _ => None,
        })
        .collect();
    let planned = run.scenario.events.iter().enumerate();
    planned
        .filter(|(index, _)| !performed.contains(index))
        .map(|(_, planned)| {
            let name = planned.id.as_ref().map_or(String::new(), |id| format!(" `{id}`"));
            let when = match &planned.trigger {
                Trigger::At(time) => format!("at {time}"),
                Trigger::After { reached, .. } => format!("after \"{}\"", reached.0),
            };
            format!("action {}{name} {when} was never performed", planned.action.key())
        })
        .collect()
}

/// The alerts whose rules had no series to look at for as long as Prometheus had them.
fn alerts_without_series(run: Run) -> Vec<String> {
    let mut without: BTreeMap<(&str, &str, &str), bool> = BTreeMap::new();
    for entry in &run.timeline.entries {
        let Event::Rules(status) = &entry.event else { continue };
        for alert in &status.alerts {
            let is_without = status.without_series.contains(alert);
            without.insert((&status.namespace, &status.name, alert), is_without);
        }
    }
    let named = |(namespace, rules, alert): (&str, &str, &str)| {
        format!("alert {alert} of {namespace}/{rules}: its rule never had a series to look at")
    };
    without.into_iter().filter(|(_, is_without)| *is_without).map(|(key, _)| named(key)).collect()
}
