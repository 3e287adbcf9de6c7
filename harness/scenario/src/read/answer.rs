//! An entry of `answers`.

use units::Duration;
use yaml::{Node, Problem, Value, decode, did_you_mean};

use super::check;
use crate::raw::answer::{OF_JOB, OF_URL};
use crate::raw::{self, Text};
use crate::{Answer, JobEnd, Pattern, Question, Reply};

const EXAMPLE: &str =
    "write `url: http://quality.evaluation.svc/score` for web metrics, or `job: <metric>` for Jobs";

/// Reads an entry.
pub(super) fn read(node: &Node) -> Result<Answer, Problem> {
    let raw: raw::Answer = decode(node)?;
    let at = |key: &str| node.get(key).unwrap_or(node);
    let to = match (&raw.url, &raw.job) {
        (Some(Text(url)), None) => {
            foreign_keys(node, &OF_JOB, "job")?;
            check::not_empty("url", url, at("url"))?;
            Question::Url(Pattern::new(url), reply(&raw, node)?)
        }
        (None, Some(Text(job))) => {
            foreign_keys(node, &OF_URL, "url")?;
            check::not_empty("job", job, at("job"))?;
            Question::Job(Pattern::new(job), raw.ends.unwrap_or(JobEnd::Complete))
        }
        (Some(_), Some(_)) => {
            return Err(at("job").problem("an answer has `url` and `job`").with_help("write one for each"));
        }
        (None, None) => {
            return Err(node.problem("an answer does not say what it is to").with_help(EXAMPLE));
        }
    };
    let from = raw.from.unwrap_or(Duration::ZERO);
    check::time(from, at("from"))?;
    if let Some(until) = raw.until {
        check::span(until, at("until"))?;
        if until <= from {
            return Err(at("until").problem(format!("the answer ends at {until} and begins at {from}")));
        }
    }
    let takes = raw.takes.unwrap_or(Duration::ZERO);
    check::time(takes, at("takes"))?;
    let model = raw.model.map(|Text(model)| model);
    Ok(Answer { to, model, from, until: raw.until, takes, place: node.place.clone() })
}

/// An answer about a model version that has no entry in `models`.
pub(super) fn unknown_model(answer: &Answer, models: Option<&Node>) -> Option<Problem> {
    let wanted = answer.model.as_deref()?;
    let known = models.and_then(Node::as_map);
    if known.is_some_and(|known| known.contains_key(wanted)) {
        return None;
    }
    let known = known.into_iter().flat_map(|known| known.keys()).map(String::as_str);
    let problem =
        Problem::at(&answer.place, format!("`model`: there is no model `{}`", check::shortened(wanted)));
    Some(match did_you_mean(wanted, known) {
        Some(meant) => problem.with_help(format!("did you mean `{meant}`?")),
        None => problem.with_help("write a version that has an entry in `models`"),
    })
}

/// A key that goes with the other kind of answer.
fn foreign_keys(node: &Node, keys: &[&str], subject: &str) -> Result<(), Problem> {
    match keys.iter().find_map(|key| Some((key, node.get(key)?))) {
        Some((key, value)) => Err(value.problem(format!("`{key}` goes with `{subject}`"))),
        None => Ok(()),
    }
}

fn reply(raw: &raw::Answer, node: &Node) -> Result<Reply, Problem> {
    let at = |key: &str| node.get(key).unwrap_or(node);
    if let Some(Text(cause)) = &raw.unreachable {
        check::not_empty("unreachable", cause, at("unreachable"))?;
        return match ["status", "body"].iter().find_map(|key| Some((key, node.get(key)?))) {
            Some((key, value)) => Err(value.problem(format!("what is `unreachable` gives no `{key}`"))),
            None => Ok(Reply::Unreachable(cause.clone())),
        };
    }
    let status = raw.status.unwrap_or(200);
    if !(200..600).contains(&status) {
        return Err(at("status").problem(format!("{status} is no status of a response; write 200 to 599")));
    }
    let body = node.get("body").map(body).transpose()?.unwrap_or_default();
    if matches!(status, 204 | 304) && !body.is_empty() {
        return Err(at("body").problem(format!("a response with the status {status} has no body")));
    }
    Ok(Reply::Response { status, body })
}

fn body(node: &Node) -> Result<String, Problem> {
    match &node.value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Err(node
            .problem("`body` has no value")
            .with_help("give it one, or remove the key; write `\"null\"` for the null of JSON")),
        _ if has_non_finite(node) => {
            Err(node.problem("JSON has neither `.nan` nor `.inf`").with_help("put it in quotes for a text"))
        }
        _ => Ok(node.to_json().to_string()),
    }
}

fn has_non_finite(node: &Node) -> bool {
    match &node.value {
        Value::Float(number) => !number.is_finite(),
        Value::Seq(items) => items.iter().any(has_non_finite),
        Value::Map(map) => map.values().any(has_non_finite),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::String(_) => false,
    }
}
