//! The language as it is written: one struct a mapping, decoded by serde, described for editors.
//!
//! What serde alone cannot tell well (which subject an expectation has, the places inside a patch)
//! stays a [`FromNode`] here and is read from the node by [`read`](crate::read).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use units::{Duration, Rate};

pub(crate) mod answer;
pub(crate) mod event;
pub(crate) mod expectation;
pub(crate) mod model;
pub(crate) mod state;

pub(crate) use answer::Answer;
pub(crate) use event::Event;
pub(crate) use expectation::{Expectation, Requests, RequestsExpectation, Temporal};
pub(crate) use model::Model;
pub(crate) use state::{
    AlertFields, ApplicationFields, ApplicationWord, Moment, ResourceFields, RolloutFields,
};

/// A rehearsal: which model is merged, how it behaves, what breaks and what must happen.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(rename = "Scenario")]
pub(crate) struct File {
    /// The scenario's name: letters, digits, `.`, `-` and `_`; by convention the file's name without its ending.
    pub(crate) name: Text,
    /// What the scenario is about, for people.
    #[serde(default)]
    pub(crate) story: Option<Text>,
    /// The folder that is served as the Application's `repoURL`, relative to this file.
    pub(crate) repository: Text,
    /// The files of the repository that an operator applies once, by hand, at the start.
    #[serde(default)]
    pub(crate) apply: Vec<Text>,
    /// How each model version behaves, by the `MODEL_VERSION` that its containers start with.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Model>")]
    pub(crate) models: BTreeMap<String, FromNode<Model>>,
    /// What clients send; nothing if left out.
    #[serde(default)]
    pub(crate) traffic: Option<Traffic>,
    /// The cluster around the pipeline.
    #[serde(default)]
    pub(crate) cluster: Cluster,
    /// What is answered that asks something outside of the pipeline: web metrics, Jobs, plugins of steps.
    #[serde(default)]
    pub(crate) answers: Vec<FromNode<Answer>>,
    /// What is done, and when.
    #[serde(default)]
    pub(crate) events: Vec<FromNode<Event>>,
    /// What must happen: at least one claim.
    #[schemars(length(min = 1))]
    pub(crate) expect: Vec<FromNode<Expectation>>,
    /// Lists of values, by key. The file becomes one case for each combination, with every `${key}` replaced.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<Scalar>>")]
    matrix: Option<IgnoredAny>,
    /// How long the run lasts; until everything has settled if left out.
    #[serde(default)]
    pub(crate) duration: Option<Duration>,
    /// How long nothing may move before the run counts as settled; 5m if left out.
    #[serde(default)]
    pub(crate) settle: Option<Duration>,
}

/// What clients send to the model's Service.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Traffic {
    /// Requests a second in all.
    #[serde(default)]
    pub(crate) rate: Rate,
    /// The Service that is called; the only one that selects the workload's pods if left out.
    #[serde(default)]
    pub(crate) service: Option<Text>,
    /// The latency above which a request counts as slow; the bound that a gate's condition states if left out.
    #[serde(default)]
    pub(crate) slow: Option<Duration>,
}

/// The cluster around the pipeline.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a mapping")]
pub(crate) struct Cluster {
    /// The number of nodes; 4 if left out.
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) nodes: Option<u32>,
    /// GPUs on each node (`nvidia.com/gpu`); 8 if left out.
    #[schemars(range(max = 1_000))]
    pub(crate) gpus_per_node: Option<u32>,
    /// From a pod's creation to the start of its container: scheduling, image, volumes; 2s if left out.
    pub(crate) pod_start: Option<Duration>,
    /// How often Prometheus scrapes where no ServiceMonitor says otherwise; 30s if left out.
    pub(crate) scrape_interval: Option<Duration>,
    /// Whether the Git host tells Argo CD of each push, so that nothing waits for the next poll; false if left out.
    pub(crate) webhook: Option<bool>,
}

/// A value of the matrix.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Scalar {
    Text(String),
    Number(f64),
    Boolean(bool),
}

/// Text that was written as text. A version such as `3.1` is a number in YAML; it is refused, not
/// converted, because `3.10` would lose its last digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl TextVisitor {
    fn unquoted<E: de::Error>(kind: &str, value: impl fmt::Display) -> E {
        E::custom(format!(
            "YAML reads {value} as a {kind} and text belongs here; put it in quotes where it is written"
        ))
    }
}

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<String, E> {
        Err(Self::unquoted("boolean", value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<String, E> {
        Err(Self::unquoted("number", value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<String, E> {
        Err(Self::unquoted("number", value))
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// A word, or a mapping that says more.
pub(crate) enum WordOr<W, F> {
    Word(W),
    Fields(F),
}

impl<'de, W: Deserialize<'de>, F: Deserialize<'de>> Deserialize<'de> for WordOr<W, F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<W, F>(PhantomData<(W, F)>);
        impl<'de, W: Deserialize<'de>, F: Deserialize<'de>> Visitor<'de> for Either<W, F> {
            type Value = WordOr<W, F>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a mapping")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                W::deserialize(text.into_deserializer()).map(WordOr::Word)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                F::deserialize(de::value::MapAccessDeserializer::new(map)).map(WordOr::Fields)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<W: JsonSchema, F: JsonSchema> JsonSchema for WordOr<W, F> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}Or{}", W::schema_name(), F::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let alternatives = [generator.subschema_for::<W>(), generator.subschema_for::<F>()];
        schemars::json_schema!({ "anyOf": alternatives })
    }
}

/// A value that serde passes over, because it is read from its node; the schema describes a `T`.
pub(crate) struct FromNode<T>(PhantomData<T>);

impl<'de, T> Deserialize<'de> for FromNode<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for FromNode<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Any mapping: a merge patch, or the fields that a resource must have.
pub(crate) struct Mapping;

impl JsonSchema for Mapping {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Mapping".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "object", "minProperties": 1 })
    }
}
