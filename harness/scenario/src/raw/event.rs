use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use units::{Duration, Rate};

use super::{FromNode, Mapping, Moment, Text, WordOr};
use crate::schema::exactly_one_of;
use crate::{PodRole, ResourceRef};

/// The keys of an event that say what is done; exactly one belongs in each event.
pub(crate) const ACTION_KEYS: [&str; 16] = [
    "merge",
    "revert",
    "apply",
    "patch",
    "delete",
    "promote",
    "promote_full",
    "abort",
    "retry",
    "pause",
    "resume",
    "restart",
    "undo",
    "refresh",
    "sync",
    "traffic",
];

/// Something that is done, and when: one action, with `at` or `after`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(transform = one_action_and_one_time)]
pub(crate) struct Event {
    /// A name that `of:`, `revert:` and the like can refer to.
    pub(crate) id: Option<Text>,
    /// When it is done: a time after the start of the run.
    pub(crate) at: Option<Duration>,
    /// When it is done: as soon as this state is reached.
    pub(crate) after: Option<FromNode<Moment>>,
    /// With `after`: how long to wait once the state is reached.
    pub(crate) wait: Option<Duration>,
    /// A pull request is merged.
    pub(crate) merge: Option<Merge>,
    /// A pull request that reverts an earlier merge is merged: `last`, or the `id` of the merge.
    pub(crate) revert: Option<Text>,
    /// Files of the repository are applied by hand, as by `kubectl apply -f`.
    #[schemars(length(min = 1))]
    pub(crate) apply: Option<Vec<Text>>,
    /// A resource is changed by hand, as by `kubectl patch --type merge`.
    pub(crate) patch: Option<Patch>,
    /// A resource, or pods of a Rollout, are deleted by hand, as by `kubectl delete`.
    pub(crate) delete: Option<FromNode<Delete>>,
    /// An operator tells this Rollout to go on from a pause, or to skip the running step.
    pub(crate) promote: Option<Text>,
    /// An operator tells this Rollout to skip all remaining steps.
    pub(crate) promote_full: Option<Text>,
    /// An operator aborts the update of this Rollout.
    pub(crate) abort: Option<Text>,
    /// An operator starts the aborted update of this Rollout again.
    pub(crate) retry: Option<Text>,
    /// An operator pauses this Rollout (`spec.paused`).
    pub(crate) pause: Option<Text>,
    /// An operator ends that pause of this Rollout.
    pub(crate) resume: Option<Text>,
    /// An operator has all pods of this Rollout replaced (`spec.restartAt`).
    pub(crate) restart: Option<Text>,
    /// An operator returns this Rollout to the pod template of its last revision but one, or of the named one.
    pub(crate) undo: Option<WordOr<Text, Undo>>,
    /// An Application is refreshed, as by `argocd app get --refresh`.
    pub(crate) refresh: Option<WordOr<Text, Refresh>>,
    /// This Application is synced by hand, as by `argocd app sync`.
    pub(crate) sync: Option<Text>,
    /// The request rate changes.
    pub(crate) traffic: Option<TrafficChange>,
}

fn one_action_and_one_time(schema: &mut Schema) {
    let conditions = [exactly_one_of(&ACTION_KEYS), exactly_one_of(&["at", "after"])];
    schema.insert("allOf".to_owned(), conditions.into_iter().collect());
}

/// A pull request, as it changes the files of the branch; at least one change.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Merge {
    /// The title, the first line of the commit's message; `Update <path>` if left out.
    pub(crate) title: Option<Text>,
    /// Who wrote it; `dev` if left out.
    pub(crate) author: Option<Text>,
    /// Merge patches to YAML files, by path: mappings merge, lists and scalars are replaced, null removes.
    #[serde(default)]
    pub(crate) edit: BTreeMap<String, FromNode<Mapping>>,
    /// Whole files, by path.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(crate) write: BTreeMap<String, FromNode<String>>,
    /// Files that are removed.
    #[serde(default)]
    pub(crate) delete: Vec<Text>,
}

/// A change by hand to one resource.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Patch {
    /// The resource.
    pub(crate) resource: ResourceRef,
    /// The merge patch: mappings merge, lists and scalars are replaced, null removes.
    with: FromNode<Mapping>,
}

/// What is deleted by hand: one resource, or pods of a Rollout.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Delete {
    /// One resource.
    Resource(ResourceRef),
    /// Pods of a Rollout.
    Pods(PodsOf),
}

/// Pods of a Rollout, the oldest first.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct PodsOf {
    /// The Rollout, as `name` or `namespace/name`.
    pub(crate) pods: Text,
    /// Only pods of this role; all if left out.
    pub(crate) role: Option<PodRole>,
    /// How many; 1 if left out.
    #[schemars(range(min = 1))]
    pub(crate) count: Option<u32>,
}

/// A return to a revision that is named.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Undo {
    /// The Rollout, as `name` or `namespace/name`.
    pub(crate) rollout: Text,
    /// The revision; the last but one if left out.
    #[schemars(range(min = 1))]
    pub(crate) to_revision: Option<u32>,
}

/// A refresh that can drop cached manifests.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Refresh {
    /// The Application.
    pub(crate) application: Text,
    /// Whether cached manifests are dropped, as by `--hard-refresh`; false if left out.
    #[serde(default)]
    pub(crate) hard: bool,
}

/// A new request rate.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct TrafficChange {
    /// Requests a second in all, from then on.
    pub(crate) rate: Rate,
}
