use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use units::Duration;

use super::state::{ALERT, APPLICATION, RESOURCE, ROLLOUT};
use super::{
    ApplicationFields, ApplicationWord, FromNode, Moment, ResourceFields, RolloutFields, Text, WordOr,
};
use crate::bound::ShareOfSeeds;
use crate::schema::{exactly_one_of, with_subject};
use crate::{AlertWord, Bound, PodRole, ResourceRef, RolloutWord};

/// The keys that say how a state is claimed; exactly one belongs in an expectation about a state.
pub(crate) const CLAIM_KEYS: [&str; 4] = ["becomes", "always", "never", "stays"];

/// A claim about the run, with one subject: `rollout`, `application`, `resource`, `alert` or `requests`.
pub(crate) struct Expectation;

impl JsonSchema for Expectation {
    fn schema_name() -> Cow<'static, str> {
        "Expectation".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        type RolloutClaim = Temporal<WordOr<RolloutWord, RolloutFields>>;
        type ApplicationClaim = Temporal<WordOr<ApplicationWord, ApplicationFields>>;
        let mut rollout = with_subject::<RolloutClaim, Text>(generator, "rollout", ROLLOUT);
        let mut application = with_subject::<ApplicationClaim, Text>(generator, "application", APPLICATION);
        let mut resource =
            with_subject::<Temporal<ResourceClaim>, ResourceRef>(generator, "resource", RESOURCE);
        let mut alert = with_subject::<Temporal<AlertWord>, Text>(generator, "alert", ALERT);
        properties(&mut alert).insert("labels".to_owned(), labels());
        forbid_because(&mut alert);
        forbid_because(&mut application);
        forbid_because(&mut resource);
        add_shorthands(&mut resource, generator);
        let claims = |extra: &[&str]| {
            let keys: Vec<&str> = CLAIM_KEYS.iter().chain(extra).copied().collect();
            [exactly_one_of(&keys)].into_iter().collect::<serde_json::Value>()
        };
        rollout.insert("allOf".to_owned(), claims(&[]));
        application.insert("allOf".to_owned(), claims(&[]));
        resource.insert("allOf".to_owned(), claims(&["match", "exists"]));
        alert.insert("allOf".to_owned(), claims(&[]));
        let requests = RequestsExpectation::json_schema(generator);
        schemars::json_schema!({
            "description": "A claim about the run, with one subject: rollout, application, resource, alert or requests",
            "anyOf": [rollout, application, resource, alert, requests]
        })
    }
}

fn properties(schema: &mut Schema) -> &mut serde_json::Map<String, serde_json::Value> {
    let properties = schema.ensure_object().entry("properties").or_insert_with(|| serde_json::json!({}));
    properties.as_object_mut().expect("the properties of a struct's schema are an object")
}

fn labels() -> serde_json::Value {
    serde_json::json!({
        "description": "Only alerts with these labels",
        "type": "object", "minProperties": 1, "additionalProperties": { "type": "string" }
    })
}

fn forbid_because(schema: &mut Schema) {
    properties(schema).remove("because");
}

/// `match:` and `exists:` beside `resource:` are short for `becomes: { match: … }`.
fn add_shorthands(resource: &mut Schema, generator: &mut SchemaGenerator) {
    let mut fields = ResourceFields::json_schema(generator);
    let shorthands = std::mem::take(properties(&mut fields));
    properties(resource).extend(shorthands);
}

/// What a resource must be: `{ match: … }` or `{ exists: … }`, or the fields that it must contain,
/// which are short for the first.
struct ResourceClaim;

impl JsonSchema for ResourceClaim {
    fn schema_name() -> Cow<'static, str> {
        "ResourceClaim".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let state = generator.subschema_for::<ResourceFields>();
        let fields = schemars::json_schema!({
            "type": "object",
            "minProperties": 1,
            "not": { "anyOf": [{ "required": ["match"] }, { "required": ["exists"] }] },
            "description": "The fields that it must contain: mappings by their keys, lists whole, scalars equal"
        });
        schemars::json_schema!({ "anyOf": [state, fields] })
    }
}

/// A claim about a state, beside its subject.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Temporal<S> {
    /// The state is entered, within a time if `within` is given.
    pub(crate) becomes: Option<S>,
    /// The state holds whenever it is defined, from `of` until `before` or the end of the run.
    pub(crate) always: Option<S>,
    /// The state never holds, from `of` until `before` or the end of the run.
    pub(crate) never: Option<S>,
    /// The state is entered and then holds, `for` a time or to the end of the run.
    pub(crate) stays: Option<S>,
    /// With `becomes` or `stays`: by when the state must be entered, counted from `of`.
    pub(crate) within: Option<Duration>,
    /// From when: `start`, an event's id or action, or a state; the scenario's first action if left out.
    pub(crate) of: Option<FromNode<Anchor>>,
    /// With `becomes: aborted` of a rollout: the metric whose measurement must be the cause.
    pub(crate) because: Option<Text>,
    /// With `stays`: how long the state must hold; to the end of the run if left out.
    #[serde(rename = "for")]
    pub(crate) hold: Option<Duration>,
    /// With `becomes`, `always` or `never`: only until this moment.
    pub(crate) before: Option<FromNode<Anchor>>,
    /// The share of seeds in which it must hold, such as `">= 95% of seeds"`; all if left out.
    #[serde(rename = "in")]
    pub(crate) in_seeds: Option<ShareOfSeeds>,
}

/// A moment that times are counted from: `start`, an event's `id`, an action such as `merge` (the
/// first of its kind), or a state that is reached.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Anchor {
    /// `start`, an event's `id`, or an action such as `merge`.
    Word(Text),
    /// A state that is reached.
    Reached(Moment),
}

/// Bounds on what clients experienced.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct RequestsExpectation {
    /// The bounds, and which requests they are about.
    pub(crate) requests: Requests,
    /// The share of seeds in which it must hold, such as `">= 95% of seeds"`; all if left out.
    #[serde(rename = "in")]
    pub(crate) in_seeds: Option<ShareOfSeeds>,
}

/// Bounds on requests (at least one), and which requests they are about.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(transform = at_least_one_bound)]
pub(crate) struct Requests {
    /// All requests.
    pub(crate) total: Option<Bound>,
    /// Requests answered with an error.
    pub(crate) failed: Option<Bound>,
    /// Requests slower than the bound of the run.
    pub(crate) slow: Option<Bound>,
    /// Requests answered wrongly.
    pub(crate) wrong: Option<Bound>,
    /// Requests whose answer was cut short.
    pub(crate) truncated: Option<Bound>,
    /// Requests that were failed, slow, wrong or truncated.
    pub(crate) hurt: Option<Bound>,
    /// Only requests answered by this model version.
    pub(crate) model: Option<Text>,
    /// Only requests answered by pods of this role.
    pub(crate) role: Option<PodRole>,
    /// Only requests at this step of the Rollout, from 0.
    pub(crate) step: Option<u32>,
    /// Only requests after this moment.
    pub(crate) after: Option<FromNode<Anchor>>,
    /// Only requests before this moment.
    pub(crate) before: Option<FromNode<Anchor>>,
}

fn at_least_one_bound(schema: &mut Schema) {
    let kinds = ["total", "failed", "slow", "wrong", "truncated", "hurt"];
    let any: serde_json::Value = kinds.iter().map(|kind| serde_json::json!({ "required": [kind] })).collect();
    schema.insert("anyOf".to_owned(), any);
}
