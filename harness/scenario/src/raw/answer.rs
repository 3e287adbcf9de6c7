use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};
use units::Duration;

use super::{FromNode, Text};
use crate::JobEnd;
use crate::schema::exactly_one_of;

/// The keys that say what an answer is to, each with those that go with it alone.
pub(crate) const OF_URL: [&str; 3] = ["status", "body", "unreachable"];
pub(crate) const OF_JOB: [&str; 1] = ["ends"];

/// An answer to web metrics that ask a URL, or the end of a metric's Job. Of several that fit the first is given.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(transform = to_one_question)]
pub(crate) struct Answer {
    /// The URL that a web metric asks, arguments put in; `*` stands for any text.
    pub(crate) url: Option<Text>,
    /// The name of the metric whose Job runs; `*` stands for any text.
    pub(crate) job: Option<Text>,
    /// Only to runs that judge this model version; to all if left out.
    pub(crate) model: Option<Text>,
    /// From when it is given, counted from the start of the run; from the start if left out.
    pub(crate) from: Option<Duration>,
    /// Until when it is given; to the end if left out.
    pub(crate) until: Option<Duration>,
    /// How long the answer, or the Job, takes; no time if left out.
    pub(crate) takes: Option<Duration>,
    /// The status of the response; 200 if left out.
    #[schemars(range(min = 200, max = 599))]
    pub(crate) status: Option<u16>,
    /// The body of the response: a text as it is, anything else as JSON; empty if left out.
    pub(crate) body: Option<FromNode<Body>>,
    /// The connection fails with this text, such as `connection refused`.
    pub(crate) unreachable: Option<Text>,
    /// How the Job ends; Complete if left out.
    pub(crate) ends: Option<JobEnd>,
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

/// An answer is to a URL or to a Job, and has keys of it alone.
fn to_one_question(schema: &mut Schema) {
    let Value::Object(one) = exactly_one_of(&["url", "job"]) else { return };
    let needs = |keys: &'static [&'static str], subject: &'static str| {
        keys.iter().map(move |key| ((*key).to_owned(), json!([subject])))
    };
    let dependencies: Value = needs(&OF_URL, "url").chain(needs(&OF_JOB, "job")).collect();
    let object = schema.ensure_object();
    object.extend(one);
    object.insert("dependencies".to_owned(), dependencies);
}
