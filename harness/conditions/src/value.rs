//! What a metric provider measures.

use strconv::{Format, format_float};

use crate::json;

/// The value of a measurement, that is, what a condition calls `result`.
///
/// The shape decides the static type of `result`: a Prometheus scalar is a `float64`, an instant or range
/// vector a `[]float64`, a JSON body of the web provider whatever it contains.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number, for instance a scalar query (`float64`).
    Float(f64),
    /// The samples of a vector or matrix in response order, without labels (`[]float64`).
    Floats(Vec<f64>),
    /// No value at all, for instance a Datadog query without data.
    Nil,
    /// A string.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// The part of a JSON body that the web provider selected; numbers are `float64`.
    Json(serde_json::Value),
}

/// The value as the Prometheus provider records it in the measurement: `0.1`, `[0.1,0.2]`, `NaN`, `+Inf`
/// (prometheus.go: processResponse, sampleValuesToResultStr). `None` for what Prometheus never gives.
pub fn prometheus_value(value: &Value) -> Option<String> {
    let plain = |sample: &f64| format_float(*sample, Format::Plain, None);
    match value {
        Value::Float(sample) => Some(plain(sample)),
        Value::Floats(samples) => {
            let samples: Vec<String> = samples.iter().map(plain).collect();
            Some(format!("[{}]", samples.join(",")))
        }
        Value::Nil | Value::Text(_) | Value::Bool(_) | Value::Json(_) => None,
    }
}

/// The value as the web provider records it in the measurement: as Go's `encoding/json` writes it
/// (webmetric.go: getValue).
pub fn web_value(value: &Value) -> String {
    match value {
        Value::Float(number) => json::number(*number),
        Value::Floats(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(|number| json::number(*number)).collect();
            format!("[{}]", numbers.join(","))
        }
        Value::Nil => "null".to_owned(),
        Value::Text(text) => json::string(text),
        Value::Bool(truth) => truth.to_string(),
        Value::Json(json) => json::text(json),
    }
}

impl Value {
    /// Whether upstream reports that the provider returned no data (evaluate.go: isNilOrEmpty).
    pub fn is_nil_or_empty(&self) -> bool {
        match self {
            Value::Nil | Value::Json(serde_json::Value::Null) => true,
            Value::Floats(samples) => samples.is_empty(),
            Value::Json(serde_json::Value::Array(items)) => items.is_empty(),
            Value::Float(_) | Value::Text(_) | Value::Bool(_) | Value::Json(_) => false,
        }
    }
}
