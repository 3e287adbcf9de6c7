//! Claims as lines for reports: `rollout model-serving becomes aborted within 8m`.

use std::fmt::{self, Display};

use units::Duration;
use yaml::Node;

use crate::{
    AlertRef, AlertWord, Anchor, ApplicationState, Claim, PodRole, Reached, RequestFilter, RequestKind,
    ResourceRef, ResourceState, RolloutState, RolloutWord, State,
};

/// The longest `match:` that is shown in a line.
const MAX_MATCH_CHARS: usize = 80;

/// ```
/// use scenario::{RolloutState, RolloutWord, State};
/// let state = RolloutState { is: Some(RolloutWord::Paused), step: Some(1), ..RolloutState::default() };
/// assert_eq!(State::Rollout("model-serving".into(), state).to_string(), "rollout model-serving paused, step 1");
/// ```
impl Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", Subject(self))?;
        write_predicate(f, self)
    }
}

/// Whom a state is of: `rollout model-serving`.
struct Subject<'a>(&'a State);

impl Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            State::Rollout(name, _) => write!(f, "rollout {name}"),
            State::Application(name, _) => write!(f, "application {name}"),
            State::Resource(resource, _) => write!(f, "{resource}"),
            State::Alert(alert, _) => write!(f, "alert {alert}"),
        }
    }
}

fn write_predicate(f: &mut fmt::Formatter<'_>, state: &State) -> fmt::Result {
    match state {
        State::Rollout(_, state) => state.fmt(f),
        State::Application(_, state) => state.fmt(f),
        State::Resource(_, state) => state.fmt(f),
        State::Alert(_, word) => word.fmt(f),
    }
}

struct Predicate<'a>(&'a State);

impl Display for Predicate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_predicate(f, self.0)
    }
}

/// As `ConfigMap model-config` or `ConfigMap production/model-config`.
impl Display for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// As a selector: `InferenceLatencyHigh{role="canary"}`.
impl Display for AlertRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let labels: Vec<String> =
            self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        if labels.is_empty() { Ok(()) } else { write!(f, "{{{}}}", labels.join(", ")) }
    }
}

impl Display for AlertWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        })
    }
}

/// Every field that must hold, separated by commas.
impl Display for RolloutState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is, step, weight, stable, canary, canary_pods, stable_pods, message } = self;
        let parts = [
            is.map(|word| word.to_string()),
            step.map(|step| format!("step {step}")),
            weight.map(|weight| format!("weight {weight}")),
            stable.as_ref().map(|version| format!("stable {version}")),
            canary.as_ref().map(|version| format!("canary {version}")),
            canary_pods.map(|count| format!("{count} canary pods")),
            stable_pods.map(|count| format!("{count} stable pods")),
            message.as_ref().map(|text| format!("message `{text}`")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// The word as it is written in a scenario.
impl Display for RolloutWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aborted => "aborted",
            Self::Promoted => "promoted",
            Self::Updating => "updating",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Progressing => "progressing",
            Self::Paused => "paused",
            Self::Invalid => "invalid",
        })
    }
}

/// Every field that must hold, separated by commas.
impl Display for ApplicationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sync, health, operation, message, revision } = self;
        // These enums are named as Argo CD writes them.
        let parts = [
            sync.map(|word| format!("sync {word:?}")),
            health.map(|word| format!("health {word:?}")),
            operation.map(|word| format!("operation {word:?}")),
            message.as_ref().map(|text| format!("message `{text}`")),
            revision.as_ref().map(|action| format!("revision of {action}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// `existing`, `absent` or `matching {…}`.
impl Display for ResourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matches(node) => write!(f, "matching {}", shortened(node)),
            Self::Exists => f.write_str("existing"),
            Self::Absent => f.write_str("absent"),
        }
    }
}

fn shortened(node: &Node) -> String {
    let json = node.to_json().to_string();
    match json.char_indices().nth(MAX_MATCH_CHARS) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json,
    }
}

/// `start`, `the first action`, an `id`, an action's key, or a state.
impl Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::FirstAction => f.write_str("the first action"),
            Self::Action(name) => f.write_str(name),
            Self::Reached(Reached(state)) => state.fmt(f),
        }
    }
}

impl Display for PodRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
        })
    }
}

impl Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "total",
            Self::Failed => "failed",
            Self::Slow => "slow",
            Self::Wrong => "wrong",
            Self::Truncated => "truncated",
            Self::Hurt => "hurt",
        })
    }
}

/// What follows `requests`; empty where all are counted.
impl Display for RequestFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, role, step, after, before } = self;
        let parts = [
            model.as_ref().map(|version| format!(" to {version}")),
            role.map(|role| format!(" to {role} pods")),
            step.map(|step| format!(" at step {step}")),
            after.as_ref().map(|anchor| format!(" after {anchor}")),
            before.as_ref().map(|anchor| format!(" before {anchor}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<String>())
    }
}

/// The claim as one line.
impl Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Becomes { state, within, of, because, before } => {
                write!(f, "{} becomes {}", Subject(state), Predicate(state))?;
                write_within(f, within.as_ref(), of)?;
                write_option(f, "because", because.as_ref())?;
                write_option(f, "before", before.as_ref())
            }
            Self::Always { state, of, before } => {
                write!(f, "{} always {}", Subject(state), Predicate(state))?;
                write_of(f, "from", of)?;
                write_option(f, "before", before.as_ref())
            }
            Self::Never { state, of, before } => {
                write!(f, "{} never {}", Subject(state), Predicate(state))?;
                write_of(f, "from", of)?;
                write_option(f, "before", before.as_ref())
            }
            Self::Stays { state, within, of, hold } => {
                write!(f, "{} stays {}", Subject(state), Predicate(state))?;
                write_option(f, "for", hold.as_ref())?;
                write_within(f, within.as_ref(), of)
            }
            Self::Requests { which, bounds } => {
                let bounds = bounds.iter().map(|(kind, bound)| format!("{kind} {bound}"));
                write!(f, "requests{which}: {}", bounds.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn write_option(f: &mut fmt::Formatter<'_>, word: &str, value: Option<&impl Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {word} {value}"))
}

fn write_within(f: &mut fmt::Formatter<'_>, within: Option<&Duration>, of: &Anchor) -> fmt::Result {
    write_option(f, "within", within)?;
    write_of(f, if within.is_some() { "of" } else { "after" }, of)
}

/// The first action goes without saying.
fn write_of(f: &mut fmt::Formatter<'_>, word: &str, of: &Anchor) -> fmt::Result {
    match of {
        Anchor::FirstAction => Ok(()),
        Anchor::Start | Anchor::Action(_) | Anchor::Reached(_) => write!(f, " {word} {of}"),
    }
}
