use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};
use units::Duration;

use super::{FromNode, Text};
use crate::schema::exactly_one_of;
use crate::{JobEnd, PluginOperation, PluginPhase};

/// What an answer is to, each with the keys that go with it and not with all others.
pub(crate) const SUBJECTS: [(&str, &[&str]); 3] = [
    ("url", &["status", "body", "unreachable"]),
    ("job", &["ends"]),
    ("plugin", &["operation", "phase", "message", "requeue_after", "unreachable"]),
];

/// An answer to web metrics that ask a URL, the end of a metric's Job, or what a step plugin says. Of several that fit the
/// first is given.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(transform = to_one_question)]
pub(crate) struct Answer {
    /// The URL that a web metric asks, arguments put in; `*` stands for any text.
    pub(crate) url: Option<Text>,
    /// The name of the metric whose Job runs; `*` stands for any text.
    pub(crate) job: Option<Text>,
    /// The name of the plugin of a step; `*` stands for any text.
    pub(crate) plugin: Option<Text>,
    /// Only where this model version is under test; always if left out.
    pub(crate) model: Option<Text>,
    /// From when it is given, counted from the start of the run; from the start if left out.
    pub(crate) from: Option<Duration>,
    /// Until when it is given; to the end if left out.
    pub(crate) until: Option<Duration>,
    /// How long the answer, the Job or the plugin's run takes; no time if left out.
    pub(crate) takes: Option<Duration>,
    /// The status of the response; 200 if left out.
    #[schemars(range(min = 200, max = 599))]
    pub(crate) status: Option<u16>,
    /// The body of the response: a text as it is, anything else as JSON; empty if left out.
    pub(crate) body: Option<FromNode<Body>>,
    /// The connection, or the call of the plugin, fails with this text, such as `connection refused`.
    pub(crate) unreachable: Option<Text>,
    /// How the Job ends; Complete if left out.
    pub(crate) ends: Option<JobEnd>,
    /// What the plugin is asked to do; Run if left out.
    pub(crate) operation: Option<PluginOperation>,
    /// What the plugin says of it; Successful if left out.
    pub(crate) phase: Option<PluginPhase>,
    /// What it says beside.
    pub(crate) message: Option<Text>,
    /// After which time it wants to be asked again while it is Running: 30s if left out, or not above 10s.
    pub(crate) requeue_after: Option<Duration>,
}

/// Whatever JSON can hold, but for a null of its own.
pub(crate) struct Body;

impl JsonSchema for Body {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Body".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": ["object", "array", "string", "number", "boolean"] })
    }
}

/// An answer is to a URL, to a Job or to a plugin, and has keys that go with it.
fn to_one_question(schema: &mut Schema) {
    let Value::Object(one) = exactly_one_of(&SUBJECTS.map(|(subject, _)| subject)) else { return };
    let keys = SUBJECTS.iter().flat_map(|(_, keys)| keys.iter());
    let needs = |key: &&str| {
        let with = SUBJECTS.iter().filter(|(_, keys)| keys.contains(key));
        let any: Value = with.map(|(subject, _)| json!({ "required": [subject] })).collect();
        ((*key).to_owned(), json!({ "anyOf": any }))
    };
    let dependencies: Value = keys.map(needs).collect();
    let object = schema.ensure_object();
    object.extend(one);
    object.insert("dependencies".to_owned(), dependencies);
}
