//! What a measurement makes of a value (`utils/evaluate`, `metricproviders`).

use conditions::{Condition, Dialect, Outcome, judge_measurement};
use manifests::objects::Metric;
use scenario::Reply;
use serde_json::{Map, Value, json};
use simulator::conformance::analysis::{prometheus_measurement, web_measurement};

use super::questions::queried::given;
use super::questions::read;
use super::templates::complete;
use super::{Answers, Call, Compared};

pub(super) fn condition(call: &Call) -> Compared {
    let value = value(&call.inputs[0])?;
    let text = call.inputs[1].as_str().unwrap();
    let found = Condition::parse(text, Dialect::default()).and_then(|condition| condition.evaluate(&value));
    let ours = match found {
        Ok(holds) => json!([holds, null]),
        Err(error) => json!([false, error.message()]),
    };
    Ok(Answers { upstream: json!([call.output(0)?, call.output(1)?]), ours })
}

pub(super) fn result(call: &Call) -> Compared {
    let value = value(&call.inputs[0])?;
    let metric: Metric = read(&call.inputs[1])?;
    let parsed = |text: &str| {
        let parsed = (!text.is_empty()).then(|| Condition::parse(text, Dialect::default())).transpose();
        parsed.map_err(|error| format!("the condition is refused before anything is measured: {error}"))
    };
    let (success, failure) = (parsed(&metric.success_condition)?, parsed(&metric.failure_condition)?);
    let ours = match judge_measurement(success.as_ref(), failure.as_ref(), &value) {
        Outcome::Error(message) => json!(["Error", message]),
        outcome => json!([outcome.to_string(), null]),
    };
    Ok(Answers { upstream: json!([call.output(0)?, call.output(1)?]), ours })
}

pub(super) fn queried(call: &Call) -> Compared {
    let [metric, response] = &call.inputs[..] else { unreachable!("the function has two inputs") };
    if response.is_null() {
        return Err("the query gives no result, not even an empty one".to_owned());
    }
    let found =
        prometheus_measurement(&complete(metric)?, given(response)).map_err(|problem| problem.message)?;
    let (phase, value, message) = found;
    // With an error the caller forgets the value.
    let failed = !call.output(2)?.is_null();
    let upstream = json!([
        if failed { &Value::Null } else { call.output(0)? },
        call.output(1)?,
        call.output(2)?.as_str().unwrap_or_default(),
    ]);
    let value = if failed { Value::Null } else { json!(value) };
    Ok(Answers { upstream, ours: json!([value, phase.to_string(), message]) })
}

pub(super) fn web(call: &Call) -> Compared {
    let metric: Metric = read(&call.inputs[1])?;
    let reply = call.output(1)?;
    let text = |key: &str| reply[key].as_str().unwrap().to_owned();
    let reply = match text("unreachable") {
        cause if !cause.is_empty() => Reply::Unreachable(cause),
        _ => Reply::Response { status: reply["status"].as_u64().unwrap() as u16, body: text("body") },
    };
    let (phase, value, message) = web_measurement(&metric, &reply).map_err(|problem| problem.message)?;
    let measured = call.output(0)?;
    let told = |key: &str| measured[key].as_str().unwrap_or_default();
    Ok(Answers {
        upstream: json!([told("phase"), told("value"), told("message")]),
        ours: json!([phase.to_string(), value, message]),
    })
}

/// A value of a provider, which upstream's tests give as Go's.
fn value(written: &Value) -> Result<conditions::Value, String> {
    let number = |text: &Value| text.as_str().unwrap().parse::<f64>().unwrap();
    if written["nil"] == true {
        return Ok(conditions::Value::Nil);
    }
    let (kind, content) =
        written.as_object().unwrap().iter().find(|(key, _)| *key != "of" && *key != "nil").unwrap();
    match kind.as_str() {
        "float" => Ok(conditions::Value::Float(number(content))),
        "string" => Ok(conditions::Value::Text(content.as_str().unwrap().to_owned())),
        "bool" => Ok(conditions::Value::Bool(*content == true)),
        "list" if written["of"] == "float64" => {
            let numbers = content.as_array().unwrap().iter().map(|item| number(&item["float"]));
            Ok(conditions::Value::Floats(numbers.collect()))
        }
        _ => Ok(conditions::Value::Json(parsed(written)?)),
    }
}

/// The part of a JSON body, as Go reads JSON.
fn parsed(written: &Value) -> Result<Value, String> {
    if written["nil"] == true {
        return Ok(Value::Null);
    }
    if let Some(items) = written["list"].as_array() {
        return items.iter().map(parsed).collect();
    }
    if let Some(fields) = written["map"].as_object() {
        let fields = fields.iter().map(|(key, value)| Ok((key.clone(), parsed(value)?)));
        return Ok(Value::Object(fields.collect::<Result<Map<_, _>, String>>()?));
    }
    if let Some(text) = written["float"].as_str() {
        return Ok(json!(text.parse::<f64>().unwrap()));
    }
    for key in ["string", "bool"] {
        if !written[key].is_null() {
            return Ok(written[key].clone());
        }
    }
    Err(format!("a value of Go's type {}, which no provider of ours gives", written["type"]))
}
