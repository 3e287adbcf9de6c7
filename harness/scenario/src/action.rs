use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use units::{Duration, Rate};
use yaml::{Node, Place};

use crate::{Reached, ResourceRef};

/// An entry under `events:`: what is done, and when.
#[derive(Debug, Clone)]
pub struct PlannedAction {
    /// A name that `of:`, `after:` and `revert:` can refer to.
    pub id: Option<String>,
    /// When it is done.
    pub trigger: Trigger,
    /// What is done.
    pub action: Action,
    /// Where it is written.
    pub place: Place,
}

/// When an action is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// At a time after the start of the run.
    At(Duration),
    /// Some time after a state was reached.
    After {
        /// The state.
        reached: Reached,
        /// How long to wait from then on.
        wait: Duration,
    },
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A pull request is merged.
    Merge(Merge),
    /// A pull request that reverts an earlier merge is merged.
    Revert(RevertTarget),
    /// Files of the repository are applied by hand: `kubectl apply -f`.
    Apply(Vec<String>),
    /// A resource is changed by hand: `kubectl patch --type merge`.
    Patch {
        /// The resource.
        resource: ResourceRef,
        /// The merge patch.
        with: Arc<Node>,
    },
    /// A resource, or pods of a Rollout, are deleted by hand: `kubectl delete`.
    Delete(DeleteTarget),
    /// An operator's command to a Rollout: `kubectl argo rollouts …`.
    Operate {
        /// The Rollout, as `name` or `namespace/name`.
        rollout: String,
        /// The command.
        command: RolloutCommand,
    },
    /// An Application is refreshed: `argocd app get --refresh` or `--hard-refresh`.
    Refresh {
        /// The Application.
        application: String,
        /// Whether cached manifests are dropped.
        hard: bool,
    },
    /// An Application is synced by hand: `argocd app sync`.
    Sync {
        /// The Application.
        application: String,
    },
    /// The request rate changes.
    Traffic(Rate),
}

impl Action {
    /// The key that it is written under.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Merge(_) => "merge",
            Self::Revert(_) => "revert",
            Self::Apply(_) => "apply",
            Self::Patch { .. } => "patch",
            Self::Delete(_) => "delete",
            Self::Operate { command, .. } => command.key(),
            Self::Refresh { .. } => "refresh",
            Self::Sync { .. } => "sync",
            Self::Traffic(_) => "traffic",
        }
    }
}

/// A pull request, as it changes the files of the branch.
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    /// The title, which becomes the first line of the commit's message.
    pub title: String,
    /// Who wrote it.
    pub author: String,
    /// Merge patches to YAML files, by path: objects merge, lists and scalars are replaced, null removes.
    pub edit: IndexMap<String, Arc<Node>>,
    /// Whole files, by path.
    pub write: IndexMap<String, String>,
    /// Files that are removed.
    pub delete: Vec<String>,
}

/// Which merge a revert undoes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevertTarget {
    /// The latest merge that was not reverted yet.
    Last,
    /// The merge with this `id`.
    Id(String),
}

/// What is deleted by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteTarget {
    /// One resource.
    Resource(ResourceRef),
    /// Pods of a Rollout, the oldest first.
    Pods {
        /// The Rollout, as `name` or `namespace/name`.
        of: String,
        /// Only pods of this role.
        role: Option<PodRole>,
        /// How many.
        count: u32,
    },
}

/// Whose pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PodRole {
    /// Pods of the trusted version.
    Stable,
    /// Pods of the version under test.
    Canary,
}

/// What an operator can tell a Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutCommand {
    /// Go on from a pause, or skip the running step.
    Promote,
    /// Skip all remaining steps.
    PromoteFull,
    /// Return to stable.
    Abort,
    /// Start an aborted update again.
    Retry,
    /// Pause by `spec.paused`.
    Pause,
    /// End that pause.
    Resume,
    /// Replace all pods (`spec.restartAt`).
    Restart,
    /// Return to the pod template of an earlier revision.
    Undo {
        /// The revision, from 1; the last but one where there is none.
        to_revision: Option<u64>,
    },
}

impl RolloutCommand {
    /// The key that it is written under.
    pub fn key(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::PromoteFull => "promote_full",
            Self::Abort => "abort",
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Restart => "restart",
            Self::Undo { .. } => "undo",
        }
    }
}

/// What is done, for people: the command that a person would type, where there is one.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Merge(merge) => write!(f, "merge \"{}\"", merge.title),
            Self::Revert(RevertTarget::Last) => f.write_str("revert the last merge"),
            Self::Revert(RevertTarget::Id(id)) => write!(f, "revert `{id}`"),
            Self::Apply(files) => write!(f, "kubectl apply -f {}", files.join(" -f ")),
            Self::Patch { resource, .. } => write!(f, "kubectl patch {} {}", resource.kind, resource.name),
            Self::Delete(DeleteTarget::Resource(resource)) => {
                write!(f, "kubectl delete {} {}", resource.kind, resource.name)
            }
            Self::Delete(DeleteTarget::Pods { of, count, .. }) => {
                write!(f, "kubectl delete {count} pod(s) of {of}")
            }
            Self::Operate { rollout, command: RolloutCommand::Undo { to_revision: Some(revision) } } => {
                write!(f, "kubectl argo rollouts undo {rollout} --to-revision {revision}")
            }
            Self::Operate { rollout, command } => {
                write!(f, "kubectl argo rollouts {} {rollout}", command.key().replace('_', " --"))
            }
            Self::Refresh { application, hard } => {
                write!(f, "argocd app get {application} --{}refresh", if *hard { "hard-" } else { "" })
            }
            Self::Sync { application } => write!(f, "argocd app sync {application}"),
            Self::Traffic(rate) => write!(f, "clients now send {rate}"),
        }
    }
}
