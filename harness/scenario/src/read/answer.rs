//! An entry of `answers`.

use units::Duration;
use yaml::{Node, Problem, Value, decode, did_you_mean};

use super::check;
use crate::raw::answer::SUBJECTS;
use crate::raw::{self, Text};
use crate::{Answer, JobEnd, Pattern, PluginOperation, PluginPhase, PluginReply, Question, Reply};

const EXAMPLE: &str = "write `url: http://quality.evaluation.svc/score` for web metrics, `job: <metric>` for Jobs, or \
                       `plugin: <name>` for plugins of steps";

/// Reads an entry.
pub(super) fn read(node: &Node) -> Result<Answer, Problem> {
    let raw: raw::Answer = decode(node)?;
    let at = |key: &str| node.get(key).unwrap_or(node);
    let to = question(&raw, node)?;
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

/// What it is to, and what comes back.
fn question(raw: &raw::Answer, node: &Node) -> Result<Question, Problem> {
    let at = |key: &str| node.get(key).unwrap_or(node);
    let to = |subject: &str, Text(name): &Text| {
        foreign_keys(node, subject)?;
        check::not_empty(subject, name, at(subject))?;
        Ok::<_, Problem>(Pattern::new(name))
    };
    match (&raw.url, &raw.job, &raw.plugin) {
        (Some(url), None, None) => Ok(Question::Url(to("url", url)?, reply(raw, node)?)),
        (None, Some(job), None) => Ok(Question::Job(to("job", job)?, raw.ends.unwrap_or(JobEnd::Complete))),
        (None, None, Some(plugin)) => {
            let operation = raw.operation.unwrap_or(PluginOperation::Run);
            Ok(Question::Plugin(to("plugin", plugin)?, operation, said(raw, node)?))
        }
        (None, None, None) => Err(node.problem("an answer does not say what it is to").with_help(EXAMPLE)),
        (_, _, _) => {
            let subjects: Vec<&str> = SUBJECTS
                .map(|(subject, _)| subject)
                .into_iter()
                .filter(|key| node.get(key).is_some())
                .collect();
            let problem = at(subjects[1]).problem(format!("an answer has `{}`", subjects.join("` and `")));
            Err(problem.with_help("write one for each"))
        }
    }
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

/// A key that goes with other kinds of answers only.
fn foreign_keys(node: &Node, subject: &str) -> Result<(), Problem> {
    let keys = SUBJECTS.iter().flat_map(|(_, keys)| *keys);
    let mut foreign = keys.filter(|key| !subjects_with(key).contains(&subject));
    match foreign.find_map(|key| Some((key, node.get(key)?))) {
        Some((key, value)) => {
            Err(value.problem(format!("`{key}` goes with `{}`", subjects_with(key).join("` and `"))))
        }
        None => Ok(()),
    }
}

fn subjects_with(key: &str) -> Vec<&'static str> {
    SUBJECTS.iter().filter(|(_, keys)| keys.contains(&key)).map(|(subject, _)| *subject).collect()
}

/// What a plugin says.
fn said(raw: &raw::Answer, node: &Node) -> Result<PluginReply, Problem> {
    let at = |key: &str| node.get(key).unwrap_or(node);
    if raw.operation.is_some_and(|operation| operation != PluginOperation::Run) && raw.takes.is_some() {
        let problem = at("takes").problem("only the operation Run takes time");
        return Err(problem.with_help("Argo Rollouts waits for Terminate and Abort; leave `takes` out"));
    }
    if let Some(cause) = unreachable(raw, node, &["phase", "message", "requeue_after"])? {
        return Ok(PluginReply::Unreachable(cause));
    }
    let requeue_after = raw.requeue_after.unwrap_or(Duration::ZERO);
    check::time(requeue_after, at("requeue_after"))?;
    Ok(PluginReply::Result {
        phase: raw.phase.unwrap_or(PluginPhase::Successful),
        message: raw.message.as_ref().map(|Text(message)| message.clone()).unwrap_or_default(),
        requeue_after,
    })
}

/// Why nothing comes back; then there is nothing else to say.
fn unreachable(raw: &raw::Answer, node: &Node, others: &[&str]) -> Result<Option<String>, Problem> {
    let Some(Text(cause)) = &raw.unreachable else { return Ok(None) };
    check::not_empty("unreachable", cause, node.get("unreachable").unwrap_or(node))?;
    match others.iter().find_map(|key| Some((key, node.get(key)?))) {
        Some((key, value)) => Err(value.problem(format!("what is `unreachable` gives no `{key}`"))),
        None => Ok(Some(cause.clone())),
    }
}

fn reply(raw: &raw::Answer, node: &Node) -> Result<Reply, Problem> {
    let at = |key: &str| node.get(key).unwrap_or(node);
    if let Some(cause) = unreachable(raw, node, &["status", "body"])? {
        return Ok(Reply::Unreachable(cause));
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
