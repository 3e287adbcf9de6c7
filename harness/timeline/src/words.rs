use std::fmt;

use scenario::{ApplicationState, ResourceState, RolloutState, State};
use units::Duration;

use crate::{
    AlertState, AlertStatus, AnalysisPhase, ApplicationStatus, Engine, Event, HealthStatus, OperationPhase,
    PodPhase, Role, RolloutPhase, RolloutStatus, RolloutVersion, RulesStatus, Source, SyncStatus,
};

/// Shows an enum of the vocabulary by the word that its own project uses.
macro_rules! shown_as {
    ($($name:ident { $($variant:ident => $word:literal),+ $(,)? })+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),+ })
            }
        }
    )+};
}

shown_as! {
    Source {
        Rehearse => "rehearse", Git => "git", ArgoCd => "argo cd", Kubernetes => "kubernetes",
        Rollouts => "rollouts", Analysis => "analysis", Prometheus => "prometheus", Clients => "clients",
    }
    Engine { Sim => "sim", Kind => "kind", Live => "live" }
    SyncStatus { Unknown => "Unknown", Synced => "Synced", OutOfSync => "OutOfSync" }
    HealthStatus {
        Healthy => "Healthy", Suspended => "Suspended", Progressing => "Progressing",
        Missing => "Missing", Degraded => "Degraded", Unknown => "Unknown",
    }
    OperationPhase { Running => "Running", Succeeded => "Succeeded", Failed => "Failed", Error => "Error" }
    RolloutPhase {
        Healthy => "Healthy", Degraded => "Degraded", Progressing => "Progressing", Paused => "Paused",
    }
    AnalysisPhase {
        Pending => "Pending", Running => "Running", Successful => "Successful", Failed => "Failed",
        Error => "Error", Inconclusive => "Inconclusive",
    }
    AlertState { Inactive => "inactive", Pending => "pending", Firing => "firing" }
    Role { Stable => "stable", Canary => "canary", Other => "other" }
    PodPhase {
        Pending => "pending", Waiting => "waiting", Started => "started", Ready => "ready",
        NotReady => "not ready", Terminating => "terminating", Deleted => "deleted",
    }
}

/// A span to the millisecond, for people.
pub(crate) fn span(duration: Duration) -> Duration {
    Duration::from_millis(duration.as_millis())
}

/// `count` things, with the plural's `s` where it is due.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// What a state speaks of: `rollout model-serving`.
pub(crate) fn subject(state: &State) -> String {
    match state {
        State::Rollout(name, _) => format!("rollout {name}"),
        State::Application(name, _) => format!("application {name}"),
        State::Resource(resource, _) => resource.to_string(),
        State::Alert(alert, _) => format!("alert {alert}"),
    }
}

/// What `event` says in place of what `state` wants, naming only what is asked for.
pub(crate) fn found(state: &State, event: &Event) -> String {
    match (state, event) {
        (State::Rollout(_, wanted), Event::Rollout(status)) => found_rollout(wanted, status),
        (State::Application(_, wanted), Event::Application(status)) => found_application(wanted, status),
        (State::Resource(_, wanted), Event::Resource(written)) => match (&written.object, wanted) {
            (None, _) => "missing".into(),
            (Some(object), ResourceState::Matches(node)) => {
                crate::matching::difference(node, object).unwrap_or_else(|| "it matches".into())
            }
            (Some(_), ResourceState::Exists | ResourceState::Absent) => "there".into(),
        },
        (State::Alert(_, _), Event::Alert(status)) => found_alert(status),
        (State::Alert(alert, _), Event::Rules(status)) => found_rules(&alert.name, status),
        (State::Rollout(..) | State::Application(..) | State::Resource(..) | State::Alert(..), _) => {
            "nothing about it".into()
        }
    }
}

fn found_rollout(wanted: &RolloutState, status: &RolloutStatus) -> String {
    let models = |version: &Option<RolloutVersion>| match version {
        Some(version) if !version.models.is_empty() => version.models.join(", "),
        Some(_) | None => "none running".into(),
    };
    let ready = |version: &Option<RolloutVersion>| version.as_ref().map_or(0, |version| version.ready);
    join([
        wanted.is.map(|_| rollout_in_a_word(status)),
        wanted.step.map(|_| status.step.map_or("no step".into(), |step| format!("step {step}"))),
        wanted.weight.map(|_| format!("weight {}", status.weight)),
        wanted.stable.as_ref().map(|_| format!("stable {}", models(&status.stable))),
        wanted.canary.as_ref().map(|_| format!("canary {}", models(&status.canary))),
        wanted.stable_pods.map(|_| format!("{} stable pods ready", ready(&status.stable))),
        wanted.canary_pods.map(|_| format!("{} canary pods ready", ready(&status.canary))),
        wanted.message.as_ref().map(|_| format!("message {:?}", status.message)),
    ])
}

fn rollout_in_a_word(status: &RolloutStatus) -> String {
    let step = status.step.map_or(String::new(), |step| format!(", step {step}/{}", status.steps));
    let mark = match (status.invalid, status.aborted) {
        (true, _) => ", invalid",
        (false, true) => ", aborted",
        (false, false) => "",
    };
    format!("{}{mark}{step}", status.phase)
}

fn found_application(wanted: &ApplicationState, status: &ApplicationStatus) -> String {
    let revision = if status.revision.is_empty() { "no commit" } else { &status.revision };
    join([
        wanted.sync.map(|_| status.sync.to_string()),
        wanted.health.map(|_| status.health.to_string()),
        wanted.operation.map(|_| match &status.operation {
            Some(operation) => format!("operation {}", operation.phase),
            None => "no operation".into(),
        }),
        wanted.message.as_ref().map(|_| {
            let operation = status.operation.iter().map(|operation| &operation.message);
            let all: Vec<_> = status.conditions.iter().chain(operation).map(String::as_str).collect();
            format!("messages {all:?}")
        }),
        wanted.revision.as_ref().map(|_| format!("at {revision}")),
    ])
}

/// What the rules of an alert make of it where nothing is pending or firing.
fn found_rules(alert: &str, status: &RulesStatus) -> String {
    let fails = |rule: &&String| rule.strip_prefix(alert).is_some_and(|why| why.starts_with(": "));
    let failing = status.failing.iter().find(fails);
    match failing {
        _ if !status.alerts.iter().any(|defined| defined == alert) => "no longer defined".into(),
        Some(failing) => format!("without a result, as its rule fails ({failing})"),
        None if status.without_series.iter().any(|blind| blind == alert) => {
            "inactive, but its rule never had a series to look at".into()
        }
        None => "inactive".into(),
    }
}

/// The state, of which of the alerts of the name, and what people were told.
fn found_alert(status: &AlertStatus) -> String {
    let labels: Vec<String> = status.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    match labels.is_empty() {
        true => status.state.to_string(),
        false => format!("{} for {}", status.state, labels.join(", ")),
    }
}

fn join<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
