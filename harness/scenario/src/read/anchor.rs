use std::collections::BTreeMap;

use yaml::{Node, Problem, Value, did_you_mean};

use super::{MAX_ENTRIES, check, state};
use crate::raw::event::ACTION_KEYS;
use crate::{Anchor, Reached};

/// The most names that a message lists.
const LISTED: usize = 20;

/// Words with a meaning of their own where an `id` could stand.
const RESERVED: [&str; 2] = ["start", "last"];

/// What `of:`, `before:`, `revert:` and the like can refer to.
pub(super) struct Names<'a> {
    /// The action of the event with each `id`.
    ids: BTreeMap<&'a str, &'static str>,
    /// The actions that occur.
    actions: Vec<&'static str>,
}

impl<'a> Names<'a> {
    /// Gathered from the events as written, so that a mistake in an event does not make everything
    /// that refers to it look wrong.
    pub(super) fn of(events: &'a [Node]) -> Self {
        let mut names = Self { ids: BTreeMap::new(), actions: Vec::new() };
        for event in events.iter().take(MAX_ENTRIES) {
            let Some(action) = ACTION_KEYS.into_iter().find(|key| event.get(key).is_some()) else { continue };
            names.actions.push(action);
            if let Some(id) = event.str_at(&["id"]).filter(|id| id.len() <= check::MAX_NAME_CHARS) {
                names.ids.entry(id).or_insert(action);
            }
        }
        names
    }

    /// The `id` or action that `node` names.
    fn action(&self, text: &str, node: &Node) -> Result<String, Problem> {
        if self.ids.contains_key(text) || self.actions.contains(&text) {
            return Ok(text.to_owned());
        }
        if ACTION_KEYS.contains(&text) {
            return Err(node.problem(format!("no event has the action `{text}`")).with_help(self.listed()));
        }
        check::name("the `id` of an event", text, node)?;
        let known = self.ids.keys().chain(&self.actions).copied().chain(["start"]);
        let help = did_you_mean(text, known).map(|known| format!("did you mean `{known}`?"));
        let problem = node.problem(format!("no event has the id `{text}`"));
        Err(problem.with_help(help.unwrap_or_else(|| self.listed())))
    }

    fn listed(&self) -> String {
        let mut known: Vec<&str> = self.ids.keys().copied().chain(self.actions.iter().copied()).collect();
        known.sort_unstable();
        known.dedup();
        let more = if known.len() > LISTED { ", …" } else { "" };
        known.truncate(LISTED);
        match known.is_empty() {
            true => "the scenario has no events".to_owned(),
            false => format!("there are `{}`{more}", known.join("`, `")),
        }
    }

    /// The `id` or action of an event that makes a commit.
    pub(super) fn commit(&self, text: &str, node: &Node) -> Result<String, Problem> {
        let name = self.action(text, node)?;
        let action = self.ids.get(text).copied().unwrap_or(text);
        match action {
            "merge" | "revert" => Ok(name),
            _ => Err(node.problem(format!("`{text}` makes no commit")).with_help("name a merge or a revert")),
        }
    }

    /// The `id` of a merge, to be reverted.
    pub(super) fn merge(&self, text: &str, node: &Node) -> Result<String, Problem> {
        match self.ids.get(text) {
            Some(&"merge") => Ok(text.to_owned()),
            Some(action) => Err(node
                .problem(format!("`{text}` is no merge but has the action `{action}`"))
                .with_help("only a merge can be reverted")),
            None => {
                check::name("the `id` of a merge", text, node)?;
                let merges = self.ids.iter().filter(|(_, action)| **action == "merge").map(|(id, _)| *id);
                let help = match did_you_mean(text, merges.chain(["last"])) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "write `last`, or the `id` of a merge".to_owned(),
                };
                Err(node.problem(format!("no merge has the id `{text}`")).with_help(help))
            }
        }
    }
}

/// A moment that times are counted from.
pub(super) fn read(node: &Node, names: &Names<'_>) -> Result<Anchor, Problem> {
    match &node.value {
        Value::String(text) if text == "start" => Ok(Anchor::Start),
        Value::String(text) => names.action(text, node).map(Anchor::Action),
        Value::Map(_) => Ok(Anchor::Reached(Reached(state::moment(node, names)?))),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Seq(_) => {
            let message =
                format!("a moment is `start`, an event's id or action, or a state; this is {}", node.kind());
            Err(node.problem(message))
        }
    }
}

pub(super) fn read_optional(node: Option<&Node>, names: &Names<'_>) -> Result<Option<Anchor>, Problem> {
    node.map(|node| read(node, names)).transpose()
}

/// A new `id`, which must not be taken for anything else that can stand in its place.
pub(super) fn id(text: &str, node: &Node) -> Result<(), Problem> {
    if RESERVED.contains(&text) || ACTION_KEYS.contains(&text) {
        let problem =
            node.problem(format!("`{text}` cannot be an id, because it means something else already"));
        return Err(problem.with_help(format!("choose another, such as `{text}-1`")));
    }
    check::name("an id", text, node)
}

/// Ids that several events have.
pub(super) fn contradictory_ids(events: &[Node]) -> Vec<Problem> {
    let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
    let mut problems = Vec::new();
    for id in events.iter().filter_map(|event| event.get("id")) {
        let Some(text) = id.as_str() else { continue };
        match first.get(text) {
            Some(earlier) => problems.push(
                id.problem(format!("`{text}` is the id of two events"))
                    .with_help(format!("the first is at {}", earlier.place)),
            ),
            None => {
                first.insert(text, id);
            }
        }
    }
    problems
}
