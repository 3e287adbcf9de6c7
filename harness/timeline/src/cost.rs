use std::collections::BTreeMap;

use scenario::{RolloutState, RolloutWord, State};
use serde::{Deserialize, Serialize};
use units::{Duration, Time};

use crate::gate::Update;
use crate::{
    ApplicationStatus, Event, Measurement, NotSimulated, Requests, Role, RolloutStatus, SlowBound, Timeline,
    Watch,
};

/// What a run came to and what it cost: derived from its timeline alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// When the first action was performed; the start where there was none.
    pub first_action: Time,
    /// When the run was over.
    pub end: Time,
    /// The Rollouts by `namespace/name`.
    pub rollouts: BTreeMap<String, RolloutSummary>,
    /// The last state of each Application, by name.
    pub applications: BTreeMap<String, ApplicationStatus>,
    /// All requests.
    pub requests: RequestTotals,
    /// The latency above which a request counted as slow.
    pub slow: Option<SlowBound>,
    /// The requests that each model version answered, by the version; requests that met no ready pod are
    /// under the empty name.
    pub by_model: BTreeMap<String, RequestTotals>,
    /// The requests at each step of a Rollout, by its name and step; `None` for no step.
    pub by_step: BTreeMap<(String, Option<u32>), StepTotals>,
    /// What of each Rollout's canary no measurement ever looked at.
    pub blind: Vec<Blind>,
    /// What the engine does not model, each once.
    pub not_simulated: Vec<NotSimulated>,
}

/// What a Rollout came to.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutSummary {
    /// Its last state.
    pub last: RolloutStatus,
    /// How its first update after the first action ended.
    pub outcome: Outcome,
}

/// How an update ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// The new version became stable.
    Promoted {
        /// When.
        at: Time,
    },
    /// The update was aborted.
    Aborted {
        /// When.
        at: Time,
        /// The step that it was at, from 0.
        step: Option<u32>,
        /// The metric whose measurement caused it; `None` where none did.
        metric: Option<String>,
    },
    /// An update was still under way when the run ended.
    Unfinished {
        /// The step that it was at, from 0.
        step: Option<u32>,
    },
    /// There was no update.
    Unchanged,
}

impl Outcome {
    /// When the update ended; `None` where it did not.
    pub fn at(&self) -> Option<Time> {
        match self {
            Self::Promoted { at } | Self::Aborted { at, .. } => Some(*at),
            Self::Unfinished { .. } | Self::Unchanged => None,
        }
    }
}

/// As in "aborted at step 2 because of inference-latency"; the time is left out.
impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at_step = |step: &Option<u32>| step.map_or(String::new(), |step| format!(" at step {step}"));
        match self {
            Self::Promoted { .. } => f.write_str("promoted"),
            Self::Aborted { step, metric: Some(metric), .. } => {
                write!(f, "aborted{} because of {metric}", at_step(step))
            }
            Self::Aborted { step, metric: None, .. } => {
                write!(f, "aborted{}, not because of a measurement", at_step(step))
            }
            Self::Unfinished { step } => write!(f, "still under way{}", at_step(step)),
            Self::Unchanged => f.write_str("not updated"),
        }
    }
}

/// Numbers of requests; fractional with `--arrivals expected`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RequestTotals {
    /// Requests sent.
    #[serde(with = "crate::report::count")]
    pub total: f64,
    /// Requests that failed.
    #[serde(with = "crate::report::count")]
    pub failed: f64,
    /// Requests answered, but slower than the bound of the run.
    #[serde(with = "crate::report::count")]
    pub slow: f64,
    /// Answers that were wrong.
    #[serde(with = "crate::report::count")]
    pub wrong: f64,
    /// Answers that were cut short.
    #[serde(with = "crate::report::count")]
    pub truncated: f64,
    /// Requests of which at least one of these is true.
    #[serde(with = "crate::report::count")]
    pub hurt: f64,
}

impl RequestTotals {
    /// Adds the requests of an entry.
    pub fn add(&mut self, requests: &Requests) {
        self.total += requests.total;
        self.failed += requests.failed;
        self.slow += requests.slow;
        self.wrong += requests.wrong;
        self.truncated += requests.truncated;
        self.hurt += requests.hurt;
    }

    /// The share that was hurt; zero where there were no requests.
    pub fn hurt_share(&self) -> f64 {
        if self.total > 0.0 { self.hurt / self.total } else { 0.0 }
    }
}

/// The requests at one step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepTotals {
    /// What the step is, such as `setWeight: 10`; empty where it has no text.
    pub text: String,
    /// All requests at that step, whoever answered.
    pub requests: RequestTotals,
}

/// A time that a canary served, and the requests that it got in it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Exposure {
    /// How long.
    pub time: Duration,
    /// How many requests.
    pub requests: f64,
}

/// The blind minutes of a Rollout: canary time that no measurement looked at.
///
/// A measurement looks back over the range of its query, from its own time; one that found no series
/// looked at nothing. The requests of a span are taken as evenly spread over it.
#[derive(Debug, Clone, PartialEq)]
pub struct Blind {
    /// The Rollout's name.
    pub rollout: String,
    /// All that its canary served.
    pub served: Exposure,
    /// What of that no measurement looked at; `None` where the engine cannot know what the queries saw.
    pub unseen: Option<Exposure>,
}

impl Summary {
    /// What this run came to.
    pub fn of(timeline: &Timeline) -> Self {
        let mut summary = Self {
            first_action: first_action(timeline).map_or(Time::ZERO, |(_, at)| at),
            end: timeline.end(),
            rollouts: BTreeMap::new(),
            applications: BTreeMap::new(),
            requests: RequestTotals::default(),
            slow: None,
            by_model: BTreeMap::new(),
            by_step: BTreeMap::new(),
            blind: blind(timeline),
            not_simulated: Vec::new(),
        };
        for entry in &timeline.entries {
            summary.add(&entry.event);
        }
        for (name, rollout) in &mut summary.rollouts {
            rollout.outcome = outcome(timeline, name, &rollout.last);
            for (step, text) in step_texts(timeline, name) {
                if let Some(totals) = summary.by_step.get_mut(&(rollout.last.name.clone(), Some(step))) {
                    totals.text = text;
                }
            }
        }
        summary
    }

    fn add(&mut self, event: &Event) {
        match event {
            Event::RunStarted(started) => self.slow.clone_from(&started.slow),
            Event::Rollout(status) => {
                let last = RolloutSummary { last: status.clone(), outcome: Outcome::Unchanged };
                self.rollouts.insert(format!("{}/{}", status.namespace, status.name), last);
            }
            Event::Application(status) => {
                self.applications.insert(status.application.clone(), status.clone());
            }
            Event::Requests(requests) => {
                self.requests.add(requests);
                self.by_model.entry(requests.model.clone()).or_default().add(requests);
                let step = (requests.owner.clone(), requests.step);
                self.by_step.entry(step).or_default().requests.add(requests);
            }
            Event::NotSimulated(what) => {
                if !self.not_simulated.contains(what) {
                    self.not_simulated.push(what.clone());
                }
            }
            Event::ClockStarted(_)
            | Event::ActionPerformed(_)
            | Event::Commit(_)
            | Event::ResourceSynced(_)
            | Event::Scaled(_)
            | Event::Pod(_)
            | Event::AnalysisRun(_)
            | Event::Measurement(_)
            | Event::Rules(_)
            | Event::Alert(_)
            | Event::Recorded(_)
            | Event::Resource(_)
            | Event::RunEnded(_) => {}
        }
    }
}

fn first_action(timeline: &Timeline) -> Option<(usize, Time)> {
    let mut entries = timeline.entries.iter().enumerate();
    entries
        .find(|(_, entry)| matches!(entry.event, Event::ActionPerformed(_)))
        .map(|(index, entry)| (index, entry.at))
}

fn outcome(timeline: &Timeline, name: &str, last: &RolloutStatus) -> Outcome {
    let watch = |word| {
        let wanted = RolloutState { is: Some(word), ..RolloutState::default() };
        Watch::new(&State::Rollout(name.into(), wanted))
    };
    let (mut aborted, mut promoted) = (watch(RolloutWord::Aborted), watch(RolloutWord::Promoted));
    let begin = first_action(timeline).map_or(0, |(index, _)| index);
    for (index, entry) in timeline.entries.iter().enumerate() {
        let (aborts, promotes) = (aborted.entered(entry), promoted.entered(entry));
        if index > begin && promotes {
            return Outcome::Promoted { at: entry.at };
        }
        if index > begin && aborts {
            let update = Update::ending_at(&timeline.entries, index);
            let step = update.as_ref().and_then(|update| update.before_its_end()?.step);
            let metric =
                update.and_then(|update| Some(update.cause().measurements.first()?.1.metric.clone()));
            return Outcome::Aborted { at: entry.at, step, metric };
        }
    }
    match last.canary {
        Some(_) => Outcome::Unfinished { step: last.step },
        None => Outcome::Unchanged,
    }
}

fn step_texts(timeline: &Timeline, rollout: &str) -> BTreeMap<u32, String> {
    let statuses = timeline.entries.iter().filter_map(|entry| match &entry.event {
        Event::Rollout(status) if crate::watch::is_named(rollout, &status.namespace, &status.name) => {
            Some(status)
        }
        _ => None,
    });
    statuses
        .filter(|status| !status.step_text.is_empty())
        .filter_map(|status| Some((status.step?, status.step_text.clone())))
        .collect()
}

/// The length of time that spans cover together.
pub(crate) fn covered(mut spans: Vec<(Time, Time)>) -> Duration {
    spans.sort_unstable();
    let (mut total, mut reached) = (Duration::ZERO, Time::ZERO);
    for (from, until) in spans {
        total = total + until.since(from.max(reached));
        reached = reached.max(until);
    }
    total
}

/// A sum that is plain zero where there is nothing to add; the standard one is minus zero.
pub(crate) fn sum(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(0.0, |sum, number| sum + number)
}

fn blind(timeline: &Timeline) -> Vec<Blind> {
    let mut served: BTreeMap<&str, Vec<(Time, Time, f64)>> = BTreeMap::new();
    for entry in &timeline.entries {
        if let Event::Requests(requests) = &entry.event
            && requests.role == Role::Canary
            && requests.total > 0.0
        {
            served.entry(&requests.owner).or_default().push((requests.since, entry.at, requests.total));
        }
    }
    let unseen = |rollout: &str, spans: &[(Time, Time, f64)]| {
        let looked = looked_at(timeline, rollout)?;
        let parts = || spans.iter().flat_map(|span| not_covered(*span, &looked));
        let time = covered(parts().map(|(from, until, _)| (from, until)).collect());
        Some(Exposure { time, requests: sum(parts().map(|(_, _, requests)| requests)) })
    };
    let blind = served.into_iter().map(|(rollout, spans)| Blind {
        rollout: rollout.into(),
        served: Exposure {
            time: covered(spans.iter().map(|(from, until, _)| (*from, *until)).collect()),
            requests: sum(spans.iter().map(|(_, _, requests)| *requests)),
        },
        unseen: unseen(rollout, &spans),
    });
    blind.collect()
}

/// The spans that the measurements of a Rollout looked back over, in order of time; `None` where one of
/// them does not say.
fn looked_at(timeline: &Timeline, rollout: &str) -> Option<Vec<(Time, Time)>> {
    let of_rollout = timeline.entries.iter().filter_map(|entry| match &entry.event {
        Event::Measurement(measured) if measured.rollout == rollout => Some((entry.at, measured)),
        _ => None,
    });
    let look_back = |(at, measured): (Time, &Measurement)| {
        let seen = measured.evidence.as_ref()?;
        let range =
            if seen.series == 0 { Duration::ZERO } else { Duration::from_secs_f64(seen.range_seconds) };
        Some((at - range, at))
    };
    let mut spans = of_rollout.map(look_back).collect::<Option<Vec<_>>>()?;
    spans.sort_unstable();
    Some(spans)
}

/// The parts of a span that no look-back covers, each with its share of the span's requests.
fn not_covered(
    (from, until, requests): (Time, Time, f64),
    looked: &[(Time, Time)],
) -> Vec<(Time, Time, f64)> {
    let length = until.since(from).as_secs_f64();
    if length <= 0.0 {
        let seen = looked.iter().any(|(begin, end)| *begin < until && until <= *end);
        return if seen { Vec::new() } else { vec![(from, until, requests)] };
    }
    let mut parts = Vec::new();
    let mut reached = from;
    for (begin, end) in looked {
        if *begin > reached && reached < until {
            parts.push((reached, (*begin).min(until)));
        }
        reached = reached.max(*end);
    }
    if reached < until {
        parts.push((reached, until));
    }
    let share = |from: Time, until: Time| requests * until.since(from).as_secs_f64() / length;
    parts.into_iter().map(|(from, until)| (from, until, share(from, until))).collect()
}
