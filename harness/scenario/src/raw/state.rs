use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{FromNode, Mapping, Text};
use crate::schema::{exactly_one_of, with_subject};
use crate::{AlertWord, HealthWord, OperationWord, ResourceRef, RolloutWord, SyncWord};

/// What a Rollout must be; every key that is given must hold.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(rename = "RolloutState")]
pub(crate) struct RolloutFields {
    /// A word for its state.
    pub(crate) is: Option<RolloutWord>,
    /// The step that it is at, from 0.
    pub(crate) step: Option<u32>,
    /// The desired canary weight in percent.
    #[schemars(range(max = 100))]
    pub(crate) weight: Option<u32>,
    /// The only model version that its stable pods run.
    pub(crate) stable: Option<Text>,
    /// The only model version that its canary pods run.
    pub(crate) canary: Option<Text>,
    /// The number of ready canary pods.
    pub(crate) canary_pods: Option<u32>,
    /// The number of ready stable pods.
    pub(crate) stable_pods: Option<u32>,
    /// A part of its message.
    pub(crate) message: Option<Text>,
}

/// What an Application must be; every key that is given must hold.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(rename = "ApplicationState")]
pub(crate) struct ApplicationFields {
    /// The sync status.
    pub(crate) sync: Option<SyncWord>,
    /// The health status.
    pub(crate) health: Option<HealthWord>,
    /// The phase of the latest operation.
    pub(crate) operation: Option<OperationWord>,
    /// A part of one of its conditions, or of the operation's message.
    pub(crate) message: Option<Text>,
    /// The merge or revert (by `id` or kind) whose commit was compared last.
    pub(crate) revision: Option<Text>,
}

/// A sync status or a health status; `Unknown` is both, and is written `{ sync: Unknown }` or
/// `{ health: Unknown }`.
#[derive(Clone, Copy, serde::Deserialize, JsonSchema)]
pub(crate) enum ApplicationWord {
    Synced,
    OutOfSync,
    Healthy,
    Suspended,
    Progressing,
    Missing,
    Degraded,
    #[schemars(skip)]
    Unknown,
}

/// What a resource must be: `match` or `exists`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(rename = "ResourceState", transform = match_or_exists)]
pub(crate) struct ResourceFields {
    /// It exists and contains this: mappings by their keys, lists whole, scalars equal.
    #[serde(rename = "match")]
    pub(crate) matches: Option<FromNode<Mapping>>,
    /// Whether it exists.
    pub(crate) exists: Option<bool>,
}

fn match_or_exists(schema: &mut Schema) {
    schema.insert("allOf".to_owned(), [exactly_one_of(&["match", "exists"])].into_iter().collect());
}

/// What the alerts of a name must be.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(rename = "AlertState")]
pub(crate) struct AlertFields {
    /// The state of the one that is furthest.
    pub(crate) is: AlertWord,
    /// Only alerts with these labels.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    labels: Option<FromNode<Mapping>>,
}

/// A state with its subject: `{ rollout: model-serving, is: aborted }`.
pub(crate) struct Moment;

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let alternatives = [
            with_subject::<RolloutFields, Text>(generator, "rollout", ROLLOUT),
            with_subject::<ApplicationFields, Text>(generator, "application", APPLICATION),
            with_subject::<ResourceFields, ResourceRef>(generator, "resource", RESOURCE),
            with_subject::<AlertFields, Text>(generator, "alert", ALERT),
        ];
        schemars::json_schema!({ "description": "The moment at which a state is reached", "anyOf": alternatives })
    }
}

pub(crate) const ROLLOUT: &str = "The Rollout, as `name` or `namespace/name`";
pub(crate) const APPLICATION: &str = "The Application, by its name";
pub(crate) const ALERT: &str = "The alerts of this name, which a rule has under `alert`";
pub(crate) const RESOURCE: &str = "The resource, by kind and name";
