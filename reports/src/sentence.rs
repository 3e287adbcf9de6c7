use timeline::{
    AlertState, AlertStatus, AnalysisPhase, AnalysisRunStatus, ApplicationStatus, Commit, CommitReason,
    EndReason, Event, Measurement, PodStatus, Requests, ResourceName, Role, RolloutPhase, RolloutStatus,
    RolloutVersion, RulesStatus, SyncOutcome,
};

use crate::numbers::{count, percent, short_commit};
use crate::page::Tone;

/// What one entry says, whatever came before it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sentence {
    pub(crate) mark: Mark,
    pub(crate) text: String,
}

/// The sign before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing to say.
    None,
    /// Someone did something: an action, a commit.
    Deed,
    /// It went well.
    Good,
    /// It went badly.
    Bad,
    /// It is open.
    Open,
}

impl Mark {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::None => " ",
            Self::Deed => ">",
            Self::Good => "✓",
            Self::Bad => "✗",
            Self::Open => "?",
        }
    }

    pub(crate) fn tone(self) -> Tone {
        match self {
            Self::None => Tone::Plain,
            Self::Deed => Tone::Strong,
            Self::Good => Tone::Good,
            Self::Bad => Tone::Bad,
            Self::Open => Tone::Open,
        }
    }
}

impl From<AnalysisPhase> for Mark {
    fn from(phase: AnalysisPhase) -> Self {
        match phase {
            AnalysisPhase::Pending | AnalysisPhase::Running => Self::None,
            AnalysisPhase::Successful => Self::Good,
            AnalysisPhase::Failed | AnalysisPhase::Error => Self::Bad,
            AnalysisPhase::Inconclusive => Self::Open,
        }
    }
}

impl Sentence {
    pub(crate) fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into() }
    }

    pub(crate) fn of(event: &Event) -> Self {
        match event {
            Event::RunStarted(started) => Self::new(
                Mark::None,
                format!("the run starts: engine {}, seed {}", started.engine, started.seed),
            ),
            Event::ClockStarted(clock) => Self::new(
                Mark::None,
                match clock.in_place {
                    true => "what was applied is in place: the scenario's clock starts",
                    false => "what was applied does not settle: the scenario's clock starts regardless",
                },
            ),
            Event::ActionPerformed(action) => Self::new(Mark::Deed, &action.text),
            Event::Commit(commit) => Self::new(Mark::Deed, commit_text(commit)),
            Event::Application(status) => Self::new(Mark::None, application_text(status)),
            Event::ResourceSynced(synced) => {
                let mark = if synced.outcome == SyncOutcome::Failed { Mark::Bad } else { Mark::None };
                let text = format!("{} {}", outcome(synced.outcome), resource(&synced.resource));
                Self::new(mark, with_message(text, &synced.message))
            }
            Event::Rollout(status) => Self::new(rollout_mark(status), rollout_text(status)),
            Event::Scaled(scaled) => {
                let text =
                    format!("{} pods of {}: {} to {}", scaled.role, scaled.owner, scaled.from, scaled.to);
                Self::new(Mark::None, text)
            }
            Event::Pod(pod) => Self::new(Mark::None, pod_text(pod)),
            Event::AnalysisRun(run) => analysis_run(run),
            Event::Measurement(measured) => Self::new(measured.phase.into(), measurement_text(measured)),
            Event::Rules(status) => rules(status),
            Event::Alert(status) => Self::new(alert_mark(status.state), alert_text(status)),
            Event::Recorded(event) => {
                let mark = if event.warning { Mark::Open } else { Mark::None };
                Self::new(mark, format!("{}: {}: {}", resource(&event.resource), event.reason, event.message))
            }
            Event::Requests(requests) => Self::new(Mark::None, requests_text(requests)),
            Event::Resource(written) => {
                let what = if written.object.is_some() { "written" } else { "deleted" };
                Self::new(Mark::None, format!("{} {what}", resource(&written.resource)))
            }
            Event::NotSimulated(what) => Self::new(Mark::Open, format!("not simulated: {what}")),
            Event::RunEnded(ended) => Self::new(Mark::None, end(ended.reason)),
        }
    }
}

pub(crate) fn with_message(text: String, message: &str) -> String {
    if message.is_empty() { text } else { format!("{text}: {message}") }
}

pub(crate) fn resource(name: &ResourceName) -> String {
    format!("{} {}", name.kind, name.name)
}

pub(crate) fn outcome(outcome: SyncOutcome) -> &'static str {
    match outcome {
        SyncOutcome::Created => "created",
        SyncOutcome::Configured => "configured",
        SyncOutcome::Unchanged => "unchanged",
        SyncOutcome::Pruned => "pruned",
        SyncOutcome::Failed => "could not write",
    }
}

fn commit_text(commit: &Commit) -> String {
    let what = match commit.reason {
        CommitReason::Initial => "initial commit",
        CommitReason::Merge => "merged as",
        CommitReason::Revert => "reverted by",
    };
    let files = match commit.files.len() {
        0 => String::new(),
        1..=3 => format!(" ({})", commit.files.join(", ")),
        many => format!(" ({many} files)"),
    };
    format!("{what} {}: {}{files}", short_commit(&commit.commit), commit.title)
}

fn application_text(status: &ApplicationStatus) -> String {
    let mut text = format!("{}: {}, {}", status.application, status.sync, status.health);
    if !status.revision.is_empty() {
        text += &format!(", at {}", short_commit(&status.revision));
    }
    if let Some(operation) = &status.operation {
        text += &with_message(format!("; operation {}", operation.phase), &operation.message);
    }
    for said in status.conditions.iter().chain(&status.resources) {
        text += &format!("; {said}");
    }
    text
}

fn rollout_mark(status: &RolloutStatus) -> Mark {
    if status.aborted || status.invalid {
        Mark::Bad
    } else if status.promoted() {
        Mark::Good
    } else {
        Mark::None
    }
}

fn rollout_text(status: &RolloutStatus) -> String {
    let mut text = format!("{} {}", status.name, status.phase);
    if let (Some(_), Some(step)) = (&status.canary, step_text(status)) {
        text += &format!(", {step}, weight {}", status.weight);
    }
    for (role, version) in [("stable", &status.stable), ("canary", &status.canary)] {
        if let Some(version) = version {
            text += &format!("; {role} {}", version_text(version));
        }
    }
    with_message(text, &status.message)
}

fn version_text(version: &RolloutVersion) -> String {
    let models = if version.models.is_empty() { "no pods".into() } else { version.models.join(" and ") };
    format!("{models} {} of {} ready", version.ready, version.desired)
}

/// `step 1/7 (pause: 5m)`, counted from 0 as `kubectl argo rollouts` does; `None` where the Rollout is at no step.
pub(crate) fn step_text(status: &RolloutStatus) -> Option<String> {
    let step = status.step?;
    Some(if step >= status.steps {
        "all steps done".into()
    } else if status.step_text.is_empty() {
        format!("step {step}/{}", status.steps)
    } else {
        format!("step {step}/{} ({})", status.steps, status.step_text)
    })
}

fn pod_text(pod: &PodStatus) -> String {
    let model = pod.model.as_ref().map_or(String::new(), |model| format!(" ({model})"));
    with_message(format!("{} pod {} {}{model}", pod.role, pod.pod, pod.phase), &pod.reason)
}

fn analysis_run(run: &AnalysisRunStatus) -> Sentence {
    let of = run.step.map_or("background analysis".into(), |step| format!("analysis of step {step}"));
    let text = match run.phase {
        AnalysisPhase::Pending => format!("{of} is created ({})", run.name),
        AnalysisPhase::Running => format!("{of} starts ({})", run.name),
        AnalysisPhase::Successful => format!("{of} passed"),
        AnalysisPhase::Failed => format!("{of} failed"),
        AnalysisPhase::Error => format!("{of} ended with an error"),
        AnalysisPhase::Inconclusive => format!("{of} is inconclusive"),
    };
    Sentence::new(run.phase.into(), with_message(text, &run.message))
}

fn measurement_text(measured: &Measurement) -> String {
    let mut text = measured.metric.clone();
    if !measured.value.is_empty() {
        text += &format!(" = {}", measured.value);
    }
    if !matches!(measured.phase, AnalysisPhase::Successful | AnalysisPhase::Failed) {
        text += &format!(" {}", measured.phase);
    }
    let mut details = Vec::new();
    if !measured.condition.is_empty() {
        details.push(format!("condition {}", measured.condition));
    }
    if let Some(seen) = &measured.evidence {
        details.push(format!("{} requests in {} series", count(seen.requests), seen.series));
    }
    if !details.is_empty() {
        text += &format!(" ({})", details.join("; "));
    }
    with_message(text, &measured.message)
}

fn rules(status: &RulesStatus) -> Sentence {
    let what: Vec<String> = [
        ("alerts", &status.alerts),
        ("records", &status.records),
        ("no series yet for", &status.without_series),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(kind, names)| format!("{kind} {}", names.join(", ")))
    .collect();
    let name = &status.name;
    if !status.failing.is_empty() {
        return Sentence::new(Mark::Open, format!("rules of {name} fail: {}", status.failing.join("; ")));
    }
    let text = match what.is_empty() {
        true => format!("Prometheus has the rules of {name} no more"),
        false => format!("Prometheus has the rules of {name}: {}", what.join("; ")),
    };
    Sentence::new(Mark::None, text)
}

pub(crate) fn alert_mark(state: AlertState) -> Mark {
    match state {
        AlertState::Inactive => Mark::None,
        AlertState::Pending => Mark::Open,
        AlertState::Firing => Mark::Bad,
    }
}

pub(crate) fn alert_verb(state: AlertState) -> &'static str {
    match state {
        AlertState::Inactive => "is over",
        AlertState::Pending => "is pending",
        AlertState::Firing => "fires",
    }
}

fn alert_text(status: &AlertStatus) -> String {
    let labels = labels_text(status);
    let of = if labels.is_empty() { String::new() } else { format!(" ({labels})") };
    let text = format!("alert {} {}{of}, value {}", status.alert, alert_verb(status.state), status.value);
    with_message(text, told_by(status))
}

fn labels_text(status: &AlertStatus) -> String {
    status.labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

/// What a person reads first of an alert; empty where it has no text.
fn told_by(status: &AlertStatus) -> &str {
    let by_name = ["summary", "message", "description"].into_iter().find_map(|it| status.annotations.get(it));
    by_name.or_else(|| status.annotations.values().next()).map_or("", String::as_str)
}

/// Which of the alerts of a name it is, in one text: what it tells, or its labels where it tells nothing or is
/// over.
pub(crate) fn alert_name(status: &AlertStatus) -> String {
    match (status.state, told_by(status)) {
        (AlertState::Inactive, _) | (_, "") => labels_text(status),
        (AlertState::Pending | AlertState::Firing, text) => text.to_owned(),
    }
}

fn requests_text(requests: &Requests) -> String {
    if requests.owner.is_empty() {
        return format!("{} requests to {} found no ready pod", count(requests.total), requests.service);
    }
    let role = match requests.role {
        Role::Stable | Role::Canary => format!("{} ", requests.role),
        Role::Other => String::new(),
    };
    let kinds = [
        ("failed", requests.failed),
        ("slow", requests.slow),
        ("wrong", requests.wrong),
        ("cut short", requests.truncated),
    ];
    let kinds: Vec<String> =
        kinds.iter().filter(|(_, n)| *n > 0.0).map(|(kind, n)| format!("{} {kind}", count(*n))).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(": {}", kinds.join(", ")) };
    format!(
        "{role}{} answered {} requests, {} hurt ({}){kinds}",
        requests.model,
        count(requests.total),
        count(requests.hurt),
        percent(requests.hurt, requests.total)
    )
}

fn end(reason: EndReason) -> &'static str {
    match reason {
        EndReason::DurationReached => "the run ends: its duration is over",
        EndReason::Settled => "the run ends: everything has settled",
        EndReason::TimeLimit => "the run ends: it reached the time limit and had not settled",
        EndReason::Interrupted => "the run ends: it was interrupted",
    }
}

/// A phase of a Rollout as the sign of how it goes.
pub(crate) fn phase_mark(phase: RolloutPhase) -> Mark {
    match phase {
        RolloutPhase::Healthy => Mark::Good,
        RolloutPhase::Degraded => Mark::Bad,
        RolloutPhase::Progressing | RolloutPhase::Paused => Mark::None,
    }
}
