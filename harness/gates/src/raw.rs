//! The language as it is written: one struct a mapping, decoded by serde, described for editors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use scenario::AnswerForm;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use timeline::AnalysisPhase;
use units::Duration;

/// Unit tests of a gate: which series there are, and what the gate must make of them.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
#[schemars(rename = "GateTests")]
pub(crate) struct File {
    /// What the tests are of: letters, digits, `.`, `-` and `_`; by convention the file's name without its ending.
    pub(crate) name: String,
    /// What the tests are about, for people.
    #[serde(default)]
    pub(crate) story: Option<String>,
    /// Files with AnalysisTemplates or ClusterAnalysisTemplates, relative to this file.
    #[schemars(length(min = 1))]
    pub(crate) templates: Vec<String>,
    /// The templates that the AnalysisRun is made of, by their names; may be left out where the files hold only one.
    #[serde(default)]
    pub(crate) gate: Option<Names>,
    /// Arguments of the templates, as a Rollout would supply them.
    #[serde(default)]
    pub(crate) args: BTreeMap<String, String>,
    /// The time between two samples of a series; 30s if left out.
    #[serde(default)]
    pub(crate) interval: Option<Duration>,
    /// The tests.
    #[schemars(length(min = 1))]
    pub(crate) cases: Vec<Case>,
}

/// One test of the gate.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: String,
    /// What Prometheus holds, in the notation of promtool's unit tests.
    #[serde(default)]
    pub(crate) input_series: Vec<Series>,
    /// What web metrics and Jobs are answered; the times count from the first sample.
    #[serde(default)]
    #[expect(dead_code, reason = "they are read from their nodes")]
    pub(crate) answers: Vec<AnswerForm>,
    /// When the AnalysisRun begins, counted from the first sample; 0s if left out.
    #[serde(default)]
    pub(crate) start: Option<Duration>,
    /// When the AnalysisRun is told to end, as it is when its Rollout has no more need of it; counted from the
    /// first sample. A gate whose metrics have no `count` ends only so, or by failing.
    #[serde(default)]
    pub(crate) terminate: Option<Duration>,
    /// What must come of it: at least one claim.
    pub(crate) expect: Expect,
}

/// A series, as `up{job="model"}` and `1x5 _ 0 stale`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Series {
    /// Its name and labels.
    pub(crate) series: String,
    /// Its samples, one each interval: `1` and `.5` are values, `1x3` four times the same, `0+10x20` 21 rising ones,
    /// `_` a missing one, `_x3` three of them, `stale` the end of the series.
    #[expect(dead_code, reason = "they are read from their node")]
    pub(crate) values: Samples,
}

/// What must come of an AnalysisRun.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Expect {
    /// The phase that the run ends in.
    #[serde(default)]
    pub(crate) run: Option<Phase>,
    /// A part of the run's message.
    #[serde(default)]
    pub(crate) message: Option<String>,
    /// When the run is over, counted from the first sample.
    #[serde(default)]
    pub(crate) completed: Option<Duration>,
    /// What must come of its metrics, by their names.
    #[serde(default)]
    pub(crate) metrics: BTreeMap<String, Metric>,
}

/// What must come of a metric.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Metric {
    /// The phase that it ends in.
    #[serde(default)]
    pub(crate) phase: Option<Phase>,
    /// All its measurements, in order.
    #[serde(default)]
    pub(crate) measurements: Option<Vec<Measurement>>,
    /// How many measurements are successful.
    #[serde(default)]
    pub(crate) successful: Option<u32>,
    /// How many measurements are failed.
    #[serde(default)]
    pub(crate) failed: Option<u32>,
    /// How many measurements are inconclusive.
    #[serde(default)]
    pub(crate) inconclusive: Option<u32>,
    /// How many measurements are errors.
    #[serde(default)]
    pub(crate) errors: Option<u32>,
}

/// What a measurement must be.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping")]
pub(crate) struct Measurement {
    /// When it is taken, counted from the first sample.
    #[serde(default)]
    pub(crate) at: Option<Duration>,
    /// What the query gives: a number, or a list of several; `[]` for none. Six digits are compared.
    #[serde(default)]
    pub(crate) value: Option<Numbers>,
    /// Its phase.
    #[serde(default)]
    pub(crate) phase: Option<Phase>,
    /// A part of its message.
    #[serde(default)]
    pub(crate) message: Option<String>,
}

/// A phase of a run, a metric or a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
pub(crate) enum Phase {
    Running,
    Successful,
    Failed,
    Error,
    Inconclusive,
}

impl From<Phase> for AnalysisPhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Running => Self::Running,
            Phase::Successful => Self::Successful,
            Phase::Failed => Self::Failed,
            Phase::Error => Self::Error,
            Phase::Inconclusive => Self::Inconclusive,
        }
    }
}

/// Samples in promtool's notation. They are read from their node, for `0x20` is a number in YAML.
#[derive(Debug)]
pub(crate) struct Samples;

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for Samples {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Samples".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

/// A name, or a list of names.
#[derive(Debug)]
pub(crate) struct Names(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a list of names")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Names, E> {
                Ok(Names(vec![name.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = access.next_element()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

impl JsonSchema for Names {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Names".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        ] })
    }
}

/// A number, or a list of numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Numbers(pub(crate) Vec<f64>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Numbers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, such as 0.5 or .nan, or a list of numbers")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Numbers, E> {
                Ok(Numbers(vec![number as f64]))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Numbers, E> {
                Ok(Numbers(vec![number]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Numbers, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = access.next_element()? {
                    numbers.push(number);
                }
                Ok(Numbers(numbers))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

impl JsonSchema for Numbers {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Numbers".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Editors read `.nan` and `.inf` as texts.
        let number =
            || json_schema!({ "anyOf": [{ "type": "number" }, { "enum": [".nan", ".inf", "-.inf"] }] });
        json_schema!({ "anyOf": [number(), { "type": "array", "items": number() }] })
    }
}
