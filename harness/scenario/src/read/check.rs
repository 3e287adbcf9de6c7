//! Bounds and forms of single values.

use std::ops::RangeInclusive;

use units::{Duration, Rate};
use yaml::{Node, Problem, Value};

const MAX_SPAN: Duration = Duration::from_secs(30 * 24 * 3600);
const MAX_RATE: f64 = 1_000_000.0;
pub(super) const MAX_NAME_CHARS: usize = 100;
/// What Kubernetes allows for a name.
pub(super) const MAX_RESOURCE_NAME_CHARS: usize = 253;

/// A key that was written without a value says nothing, and saying nothing is not taken for leaving
/// it out. Inside patches and fields to match, null has a meaning and stays.
pub(super) fn keys_without_value(node: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    collect_keys_without_value(node, &mut problems);
    problems
}

fn collect_keys_without_value(node: &Node, problems: &mut Vec<Problem>) {
    match &node.value {
        Value::Map(map) => {
            for (key, value) in
                map.iter().filter(|(key, _)| !matches!(key.as_str(), "edit" | "with" | "match" | "body"))
            {
                if value.is_null() {
                    let problem = value.problem(format!("`{key}` has no value"));
                    problems.push(problem.with_help("give it one, or remove the key"));
                }
                collect_keys_without_value(value, problems);
            }
        }
        Value::Seq(items) => items.iter().for_each(|item| collect_keys_without_value(item, problems)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
    }
}

/// A name of ours, which must be fit for a file name and for a line of a report.
pub(super) fn name(what: &str, text: &str, node: &Node) -> Result<(), Problem> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= MAX_NAME_CHARS
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if fits {
        return Ok(());
    }
    Err(node.problem(format!("`{}` cannot be {what}", shortened(text))).with_help(format!(
        "use letters, digits, `.`, `-` and `_`, begin with a letter or a digit, and stay within {MAX_NAME_CHARS} characters"
    )))
}

/// A model's version, which is whatever a container gets as `MODEL_VERSION`.
pub(super) fn model_version(text: &str, node: &Node) -> Result<(), Problem> {
    let fits =
        !text.is_empty() && text.len() <= MAX_RESOURCE_NAME_CHARS && !text.chars().any(char::is_control);
    match fits {
        true => Ok(()),
        false => Err(node.problem(format!("`{}` cannot be a model version", shortened(text)))),
    }
}

/// A text that is looked for; an empty one would be found everywhere.
pub(super) fn not_empty(key: &str, text: &str, node: &Node) -> Result<(), Problem> {
    match text.is_empty() {
        true => Err(node.problem(format!("`{key}` is empty and so says nothing"))),
        false => Ok(()),
    }
}

/// The name of a Kubernetes object.
pub(super) fn resource_name(what: &str, text: &str, node: &Node) -> Result<(), Problem> {
    let fits = !text.is_empty()
        && text.len() <= MAX_RESOURCE_NAME_CHARS
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/');
    if fits {
        return Ok(());
    }
    Err(node.problem(format!("`{}` cannot be the name of {what}", shortened(text))))
}

/// The name of a Rollout, with or without its namespace.
pub(super) fn rollout_name(text: &str, node: &Node) -> Result<(), Problem> {
    let parts: Vec<&str> = text.splitn(3, '/').collect();
    let fits = parts.len() <= 2 && parts.iter().all(|part| resource_name("", part, node).is_ok());
    if fits {
        return Ok(());
    }
    let message = format!("`{}` cannot be the name of a Rollout", shortened(text));
    Err(node.problem(message).with_help("write `name` or `namespace/name`"))
}

pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A path of a file inside the repository.
pub(super) fn path(text: &str, node: &Node) -> Result<(), Problem> {
    let wrong = |why: &str| Err(node.problem(format!("`{}` {why}", shortened(text))));
    if text.starts_with('/') {
        return wrong("is an absolute path; write it relative to the repository");
    }
    if text.contains('\\') || text.chars().any(char::is_control) {
        return wrong("is not a path of a repository; separate folders with `/`");
    }
    for part in text.split('/') {
        match part {
            ".." => return wrong("leads out of a folder; write the path from the repository's root"),
            ".git" => return wrong("is inside `.git`, which is Git's own"),
            "" | "." => return wrong("is not the path of a file; write it as `folder/file.yaml`"),
            _ => {}
        }
    }
    Ok(())
}

/// A time that may be zero.
pub(super) fn time(duration: Duration, node: &Node) -> Result<(), Problem> {
    match duration > MAX_SPAN {
        true => Err(node.problem(format!("{duration} is too long; at most 30d can be said"))),
        false => Ok(()),
    }
}

/// A time that may not be zero.
pub(super) fn span(duration: Duration, node: &Node) -> Result<(), Problem> {
    match duration == Duration::ZERO {
        true => Err(node.problem("no time at all does not make sense here").with_help("give more than 0s")),
        false => time(duration, node),
    }
}

pub(super) fn rate(rate: Rate, node: &Node) -> Result<(), Problem> {
    match rate.per_second() > MAX_RATE {
        true => Err(node.problem(format!("{rate} is too much; at most {MAX_RATE}/s can be said"))),
        false => Ok(()),
    }
}

pub(super) fn count(key: &str, value: u32, range: RangeInclusive<u32>, node: &Node) -> Result<(), Problem> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(node.problem(format!(
            "`{key}` is {value}; it must be from {} to {}",
            range.start(),
            range.end()
        ))),
    }
}

/// A mapping with something in it: a merge patch, or the fields of a `match:`.
pub(super) fn mapping(key: &str, node: &Node) -> Result<(), Problem> {
    match node.as_map() {
        Some(map) if map.is_empty() => {
            Err(node.problem(format!("`{}` is empty and so says nothing", shortened(key))))
        }
        Some(_) => Ok(()),
        None => {
            let message =
                format!("`{}` must be a mapping of the fields; this is {}", shortened(key), node.kind());
            Err(node.problem(message))
        }
    }
}
