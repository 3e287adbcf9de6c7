use std::collections::BTreeMap;
use std::sync::Arc;

use units::{Duration, Rate, Ratio};
use yaml::{Node, Place};

use crate::PodRole;

/// An entry under `expect:`: a temporal claim about the run.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The claim as one line, for reports.
    pub text: String,
    /// What is claimed.
    pub claim: Claim,
    /// The share of seeds in which it must hold, with `--seeds`.
    pub in_seeds: Option<Ratio>,
    /// Where it is written.
    pub place: Place,
}

/// What can be claimed.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// A state is entered within a time.
    Becomes {
        /// The state.
        state: State,
        /// Counted from `of`; `None` for any time after it.
        within: Option<Duration>,
        /// From when.
        of: Anchor,
        /// For `rollout: … becomes: aborted`: the metric whose measurement must be the cause.
        because: Option<String>,
        /// The state must have been entered before this.
        before: Option<Anchor>,
    },
    /// A state holds whenever it is defined, from `of` to the end of the run.
    Always {
        /// The state.
        state: State,
        /// From when.
        of: Anchor,
        /// Until when; `None` for the end of the run.
        before: Option<Anchor>,
    },
    /// A state never holds.
    Never {
        /// The state.
        state: State,
        /// From when.
        of: Anchor,
        /// Until when; `None` for the end of the run.
        before: Option<Anchor>,
    },
    /// A state is entered within a time and then holds.
    Stays {
        /// The state.
        state: State,
        /// By when it must be entered, counted from `of`.
        within: Option<Duration>,
        /// From when.
        of: Anchor,
        /// How long it must hold; `None` to the end of the run.
        hold: Option<Duration>,
    },
    /// Bounds on what clients experienced.
    Requests {
        /// Which requests.
        which: RequestFilter,
        /// The bounds; all must hold.
        bounds: Vec<(RequestKind, Bound)>,
    },
}

/// A moment that times are counted from.
#[derive(Debug, Clone, PartialEq)]
pub enum Anchor {
    /// The start of the run.
    Start,
    /// The first action of the scenario; the start where there is none.
    FirstAction,
    /// The action with this `id`, or the first of this kind (`merge`, `revert`, …).
    Action(String),
    /// A state was reached for the first time.
    Reached(Reached),
}

/// A state that was reached: entered, not merely found.
#[derive(Debug, Clone, PartialEq)]
pub struct Reached(pub State);

/// A predicate over what the timeline says at an instant.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Of a Rollout, given as `name` or `namespace/name`.
    Rollout(String, RolloutState),
    /// Of an Application.
    Application(String, ApplicationState),
    /// Of any resource.
    Resource(ResourceRef, ResourceState),
    /// Of the alerts of a name.
    Alert(AlertRef, AlertWord),
}

/// What a Rollout must be; every field that is given must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RolloutState {
    /// A word for its state.
    pub is: Option<RolloutWord>,
    /// The step that it is at, from 0.
    pub step: Option<u32>,
    /// The desired canary weight in percent.
    pub weight: Option<u32>,
    /// The only model version that stable pods run.
    pub stable: Option<String>,
    /// The only model version that canary pods run.
    pub canary: Option<String>,
    /// Ready canary pods.
    pub canary_pods: Option<u32>,
    /// Ready stable pods.
    pub stable_pods: Option<u32>,
    /// A part of its message.
    pub message: Option<String>,
}

/// Words for the state of a Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RolloutWord {
    /// The update was aborted; stable serves.
    Aborted,
    /// Every step is done and the new version is stable.
    Promoted,
    /// An update is under way or paused and not aborted.
    Updating,
    /// Phase Healthy.
    Healthy,
    /// Phase Degraded.
    Degraded,
    /// Phase Progressing.
    Progressing,
    /// Phase Paused.
    Paused,
    /// The controller rejects its spec.
    Invalid,
}

/// What an Application must be; every field that is given must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ApplicationState {
    /// The sync status: `Synced`, `OutOfSync`, `Unknown`.
    pub sync: Option<SyncWord>,
    /// The health status.
    pub health: Option<HealthWord>,
    /// The phase of the latest operation.
    pub operation: Option<OperationWord>,
    /// A part of one of its conditions, or of the operation's message.
    pub message: Option<String>,
    /// The action (by `id` or kind) whose commit was compared last.
    pub revision: Option<String>,
}

/// A sync status as Argo CD writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub enum SyncWord {
    /// Live and desired state agree.
    Synced,
    /// They differ.
    OutOfSync,
    /// They could not be compared.
    Unknown,
}

/// A health status as Argo CD writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub enum HealthWord {
    /// Healthy.
    Healthy,
    /// Suspended.
    Suspended,
    /// Progressing.
    Progressing,
    /// Missing.
    Missing,
    /// Degraded.
    Degraded,
    /// Unknown.
    Unknown,
}

/// An operation's phase as Argo CD writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub enum OperationWord {
    /// Under way, or waiting for a retry.
    Running,
    /// Done.
    Succeeded,
    /// A resource could not be applied.
    Failed,
    /// It could not be started.
    Error,
}

/// A resource by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping with `kind` and `name`")]
pub struct ResourceRef {
    /// The kind, such as `ConfigMap`.
    pub kind: String,
    /// The name. A name that ends in `*` stands for the one resource of the kind that begins so, since
    /// generated names end in a hash.
    pub name: String,
    /// The namespace; may be left out where one resource has the name.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// The alerts of a name, all or those with some labels. They are together in the state of the one that is
/// furthest: firing where one fires, else pending where one is pending, else inactive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRef {
    /// The name: what a rule has under `alert`.
    pub name: String,
    /// Labels that an alert must have.
    pub labels: BTreeMap<String, String>,
}

impl AlertRef {
    /// Whether it may stand for the alert with this name and these labels.
    pub fn refers_to(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.name == name && self.labels.iter().all(|(label, value)| labels.get(label) == Some(value))
    }
}

/// Words for the state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertWord {
    /// Its condition does not hold.
    Inactive,
    /// Its condition holds, not yet for as long as the rule demands.
    Pending,
    /// It fires.
    Firing,
}

/// What a resource must be.
#[derive(Debug, Clone, PartialEq)]
pub enum ResourceState {
    /// It exists and contains this: mappings by their keys, lists whole, scalars equal.
    Matches(Arc<Node>),
    /// It exists.
    Exists,
    /// It does not exist.
    Absent,
}

/// Which requests are counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RequestFilter {
    /// Answered by this model version.
    pub model: Option<String>,
    /// Answered by pods of this role.
    pub role: Option<PodRole>,
    /// At this step of the Rollout, from 0.
    pub step: Option<u32>,
    /// After this moment.
    pub after: Option<Anchor>,
    /// Before this moment.
    pub before: Option<Anchor>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestKind {
    /// All requests.
    Total,
    /// Failed.
    Failed,
    /// Slower than the bound of the run.
    Slow,
    /// Answered wrongly.
    Wrong,
    /// Cut short.
    Truncated,
    /// At least one of these.
    Hurt,
}

/// A bound such as `< 2%`, `<= 100`, `>= 1/s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// How the quantity must compare.
    pub comparison: Comparison,
    /// The limit.
    pub limit: Limit,
}

/// How a quantity compares with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
}

/// The limit of a bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// A number of requests.
    Count(f64),
    /// A share of all requests that the filter lets through.
    Share(Ratio),
    /// Requests a second, averaged over the span that the filter lets through.
    Rate(Rate),
}
