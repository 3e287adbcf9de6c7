//! Two timelines of the same scenario, side by side: what came of it, which states were reached in which
//! order, what analyses said, and when.
//!
//! Engines differ in what passes: a real cluster shows states for some milliseconds that the simulator
//! goes through in no time, and the other way round. So only what lasts counts, and a state that one
//! side alone shows is told, but is no disagreement as long as it is brief. Times are counted from the
//! action before, since each run has its own beginning.

use scenario::Scenario;
use serde::{Deserialize, Serialize};
use units::{Duration, Time};

use crate::{Engine, Event, Timeline};

mod alerts;
mod align;
mod analyses;
mod chapters;
mod facts;
mod requests;

/// Something of each of the two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides<T> {
    /// Of the first run.
    pub left: T,
    /// Of the second run.
    pub right: T,
}

impl<T> Sides<T> {
    fn map<U>(&self, of: impl Fn(&T) -> U) -> Sides<U> {
        Sides { left: of(&self.left), right: of(&self.right) }
    }
}

/// How far apart two times of the same thing may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// A span that may always lie between them.
    pub absolute: Duration,
    /// A part of the longer one that may lie between them, too.
    pub relative: f64,
    /// How long a state may last that one side alone shows.
    pub brief: Duration,
}

impl Tolerance {
    /// What machines and chance make of the same run at this speed.
    ///
    /// * 5 s for what takes as long at any speed and differs between machines: the start of a pod, a sync,
    ///   times that are stored in whole seconds;
    /// * 180 s divided by the speed for Argo CD's poll, which finds a commit 120 to 300 s after the one
    ///   before (`timeout.reconciliation` and its jitter, argo-cd `newApplicationInformerAndLister`);
    /// * a fifth of the longer time, for delays that add up;
    /// * 3 s for a state that only one side shows: that long a controller may take to react.
    pub fn at_speed(speed: f64) -> Self {
        let poll = Duration::from_secs(180) / speed.max(1.0);
        Self { absolute: Duration::from_secs(5) + poll, relative: 0.2, brief: Duration::from_secs(3) }
    }

    /// Whether two spans are close enough.
    pub fn allows(&self, one: Duration, two: Duration) -> bool {
        let (longer, shorter) = (one.max(two), one.min(two));
        let apart = longer.saturating_sub(shorter).as_secs_f64();
        apart <= self.absolute.as_secs_f64() + self.relative * longer.as_secs_f64()
    }
}

/// Two runs of the same scenario, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The scenario's name.
    pub scenario: String,
    /// The engines.
    pub engines: Sides<Engine>,
    /// By what factor time was compressed.
    pub speed: f64,
    /// How far apart times may be.
    pub tolerance: Tolerance,
    /// What came of it: the last states, how updates ended, which actions were performed.
    pub outcome: Vec<Fact>,
    /// What became of the expectations.
    pub expectations: Vec<Fact>,
    /// The states that were reached, by the actions that they came after.
    pub chapters: Vec<Chapter>,
    /// The analyses.
    pub analyses: Vec<Fact>,
    /// Whether alerts fired: those that fired, and those that the scenario speaks of. Of the others chance may decide
    /// whether they stay on for long enough.
    pub alerts: Vec<Fact>,
    /// What clients experienced, roughly.
    pub requests: Vec<Fact>,
}

/// Something that both runs say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is about.
    pub what: String,
    /// What they say.
    pub said: Sides<String>,
    /// Whether that is the same.
    pub agrees: bool,
}

/// What happened from one action to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chapter {
    /// The action; `the start` for what came before the first.
    pub title: String,
    /// When it began; `None` where the action was not performed.
    pub began: Sides<Option<Time>>,
    /// The states in their order.
    pub states: Vec<Shown>,
}

/// A state of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Whose: `rollout model-serving`.
    pub subject: String,
    /// The state: `Paused, step 1/7`.
    pub state: String,
    /// When it was reached and how long it lasted; `None` for a side that does not show it.
    pub reached: Sides<Option<Reached>>,
    /// What that amounts to.
    pub agreement: Agreement,
}

/// When a state was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// How long after the beginning of its chapter.
    pub after: Duration,
    /// How long it lasted.
    pub lasted: Duration,
}

/// How a state of one run relates to the other run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Both show it, and the times are close.
    Same,
    /// Both show it, and the times are further apart than the tolerance.
    OutOfTime,
    /// One side shows it, and briefly.
    Passing,
    /// One side shows it, and it lasted.
    Missing,
}

/// Lays two runs of `scenario` side by side.
pub fn compare(scenario: &Scenario, left: &Timeline, right: &Timeline) -> Comparison {
    let runs = Sides { left, right };
    let starts = runs.map(|timeline| start(timeline));
    let speed = starts.left.1;
    let tolerance = Tolerance::at_speed(speed);
    Comparison {
        scenario: scenario.name.clone(),
        engines: starts.map(|(engine, _)| *engine),
        speed,
        tolerance,
        outcome: facts::outcome(&runs),
        expectations: facts::expectations(scenario, &runs),
        chapters: chapters::of(scenario, &runs, &tolerance),
        analyses: analyses::of(&runs),
        alerts: alerts::of(scenario, &runs),
        requests: requests::of(&runs),
    }
}

fn start(timeline: &Timeline) -> (Engine, f64) {
    match timeline.entries.first().map(|entry| &entry.event) {
        Some(Event::RunStarted(started)) => (started.engine, started.speed),
        Some(_) | None => (Engine::Sim, 1.0),
    }
}

impl Comparison {
    /// Whether the same came of both runs: outcome and expectations.
    pub fn outcome_agrees(&self) -> bool {
        self.outcome.iter().chain(&self.expectations).all(|fact| fact.agrees)
    }

    /// Whether the runs agree in what matters: what came of them, the order of states that last, and what
    /// analyses said. Times are another matter, see [`Comparison::in_time`], and so are numbers of requests and alerts that
    /// the scenario does not speak of.
    pub fn agrees(&self) -> bool {
        self.outcome_agrees()
            && self.analyses.iter().all(|fact| fact.agrees)
            && self.states().all(|state| state.agreement != Agreement::Missing)
    }

    /// Whether every state that both show was reached at about the same time.
    pub fn in_time(&self) -> bool {
        self.states().all(|state| state.agreement != Agreement::OutOfTime)
    }

    /// All states of all chapters.
    pub fn states(&self) -> impl Iterator<Item = &Shown> {
        self.chapters.iter().flat_map(|chapter| &chapter.states)
    }
}

impl Fact {
    fn new(what: impl Into<String>, left: impl Into<String>, right: impl Into<String>) -> Self {
        let said = Sides { left: left.into(), right: right.into() };
        let agrees = said.left == said.right;
        Self { what: what.into(), said, agrees }
    }
}
