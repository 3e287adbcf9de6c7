use std::sync::Arc;

use indexmap::IndexMap;
use units::Duration;
use yaml::{Map, Node, Problem, decode};

use super::anchor::{self, Names};
use super::{check, state};
use crate::raw::event::{ACTION_KEYS, Merge as RawMerge, PodsOf};
use crate::raw::{self, Text, WordOr};
use crate::{
    Action, DeleteTarget, Merge, PlannedAction, Reached, ResourceRef, RevertTarget, RolloutCommand, Trigger,
};

const AUTHOR: &str = "dev";

pub(super) fn read(node: &Node, names: &Names<'_>) -> Result<PlannedAction, Problem> {
    let raw: raw::Event = decode(node)?;
    if let (Some(id), Some(place)) = (&raw.id, node.get("id")) {
        anchor::id(&id.0, place)?;
    }
    let id = raw.id.as_ref().map(|text| text.0.clone());
    let trigger = trigger(&raw, node, names)?;
    Ok(PlannedAction { id, trigger, action: action(raw, node, names)?, place: node.place.clone() })
}

fn trigger(raw: &raw::Event, node: &Node, names: &Names<'_>) -> Result<Trigger, Problem> {
    let times = "write `at: 2m`, or `after:` with a state such as `{ rollout: model-serving, is: aborted }`";
    let wait = node.get("wait");
    match (raw.at, node.get("after")) {
        (Some(at), None) => {
            check::time(at, node.get("at").unwrap_or(node))?;
            match wait {
                Some(wait) => Err(wait.problem("`wait` goes with `after`").with_help("add the time to `at`")),
                None => Ok(Trigger::At(at)),
            }
        }
        (None, Some(after)) => {
            if after.as_map().is_none() {
                let problem =
                    after.problem(format!("`after` is a state that is reached; this is {}", after.kind()));
                return Err(problem.with_help(times));
            }
            let span = raw.wait.unwrap_or(Duration::ZERO);
            check::time(span, wait.unwrap_or(node))?;
            Ok(Trigger::After { reached: Reached(state::moment(after, names)?), wait: span })
        }
        (Some(_), Some(after)) => {
            Err(after.problem("an event has `at` and `after`").with_help("keep one of them"))
        }
        (None, None) => Err(node.problem("an event does not say when it happens").with_help(times)),
    }
}

/// The one action of the event.
fn action(raw: raw::Event, node: &Node, names: &Names<'_>) -> Result<Action, Problem> {
    let at = |key: &str| node.get(key).unwrap_or(node);
    let operate = |rollout: Option<Text>, command: RolloutCommand| {
        rollout.map(|Text(rollout)| {
            check::rollout_name(&rollout, at(command.key()))?;
            Ok(Action::Operate { rollout, command })
        })
    };
    let candidates = [
        raw.merge.map(|raw| merge(raw, at("merge"))),
        raw.revert.map(|Text(of)| revert(&of, at("revert"), names)),
        raw.apply.map(|paths| apply(paths, at("apply"))),
        raw.patch.map(|raw| patch(raw, at("patch"))),
        raw.delete.map(|_| delete(at("delete"))),
        operate(raw.promote, RolloutCommand::Promote),
        operate(raw.promote_full, RolloutCommand::PromoteFull),
        operate(raw.abort, RolloutCommand::Abort),
        operate(raw.retry, RolloutCommand::Retry),
        operate(raw.pause, RolloutCommand::Pause),
        operate(raw.resume, RolloutCommand::Resume),
        operate(raw.restart, RolloutCommand::Restart),
        raw.undo.map(|raw| undo(raw, at("undo"))),
        raw.refresh.map(|raw| refresh(raw, at("refresh"))),
        raw.sync.map(|Text(application)| {
            check::resource_name("an Application", &application, at("sync"))?;
            Ok(Action::Sync { application })
        }),
        raw.traffic.map(|change| {
            check::rate(change.rate, at("traffic"))?;
            Ok(Action::Traffic(change.rate))
        }),
    ];
    let mut given = candidates.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(action), None) => action,
        (None, _) => Err(node
            .problem("an event does not say what is done")
            .with_help(format!("write one of {}", ACTION_KEYS.map(|key| format!("`{key}`")).join(", ")))),
        (Some(_), Some(_)) => {
            let keys: Vec<_> = ACTION_KEYS
                .iter()
                .filter(|key| node.get(key).is_some())
                .map(|key| format!("`{key}`"))
                .collect();
            Err(node
                .problem(format!("an event does one thing; this one has {}", keys.join(" and ")))
                .with_help("write an event for each"))
        }
    }
}

fn merge(raw: RawMerge, node: &Node) -> Result<Action, Problem> {
    let at = |key: &str| node.get(key).unwrap_or(node);
    let mut changed: IndexMap<&str, &str> = IndexMap::new();
    let deletions = at("delete").as_seq().unwrap_or_default();
    let of_map = |key: &'static str| {
        entries(node, key).into_iter().flatten().map(move |(path, value)| (key, path.as_str(), value))
    };
    let of_list = raw.delete.iter().zip(deletions).map(|(path, value)| ("delete", path.0.as_str(), value));
    for (key, path, value) in of_map("edit").chain(of_map("write")).chain(of_list) {
        check::path(path, value)?;
        if let Some(earlier) = changed.insert(path, key) {
            let problem = value.problem(format!("`{path}` is under `{earlier}` and under `{key}`"));
            return Err(problem.with_help("a merge changes a file in one way"));
        }
    }
    let Some((first, _)) = changed.first() else {
        return Err(node.problem("the merge changes nothing").with_help("add `edit`, `write` or `delete`"));
    };
    Ok(Action::Merge(Merge {
        title: one_line("title", raw.title, at("title"))?.unwrap_or_else(|| format!("Update {first}")),
        author: one_line("author", raw.author, at("author"))?.unwrap_or_else(|| AUTHOR.to_owned()),
        edit: entries(node, "edit").into_iter().flatten().map(edit).collect::<Result<_, _>>()?,
        write: entries(node, "write").into_iter().flatten().map(write).collect::<Result<_, _>>()?,
        delete: raw.delete.into_iter().map(|path| path.0).collect(),
    }))
}

fn entries<'a>(node: &'a Node, key: &str) -> Option<&'a Map> {
    node.get(key).and_then(Node::as_map)
}

fn edit((path, patch): (&String, &Node)) -> Result<(String, Arc<Node>), Problem> {
    check::mapping(path, patch)?;
    Ok((path.clone(), Arc::new(patch.clone())))
}

fn write((path, text): (&String, &Node)) -> Result<(String, String), Problem> {
    match text.as_str() {
        Some(content) => Ok((path.clone(), content.to_owned())),
        None => Err(text
            .problem(format!("`write` takes a file's whole text; this is {}", text.kind()))
            .with_help("put `|` after the path and indent the text below it; to change fields use `edit`")),
    }
}

fn one_line(key: &str, text: Option<Text>, node: &Node) -> Result<Option<String>, Problem> {
    let Some(Text(text)) = text else { return Ok(None) };
    match text.trim().is_empty() || text.trim_end().contains(char::is_control) {
        true => Err(node.problem(format!("`{key}` must be one line of text"))),
        false => Ok(Some(text.trim_end().to_owned())),
    }
}

fn revert(of: &str, node: &Node, names: &Names<'_>) -> Result<Action, Problem> {
    match of {
        "last" => Ok(Action::Revert(RevertTarget::Last)),
        id => names.merge(id, node).map(|id| Action::Revert(RevertTarget::Id(id))),
    }
}

fn apply(paths: Vec<Text>, node: &Node) -> Result<Action, Problem> {
    if paths.is_empty() {
        return Err(node.problem("nothing is applied").with_help("name at least one file of the repository"));
    }
    for (path, place) in paths.iter().zip(node.as_seq().unwrap_or_default()) {
        check::path(&path.0, place)?;
    }
    Ok(Action::Apply(paths.into_iter().map(|path| path.0).collect()))
}

fn patch(raw: raw::event::Patch, node: &Node) -> Result<Action, Problem> {
    let with = node.get("with").unwrap_or(node);
    check::mapping("with", with)?;
    let resource = state::checked_resource(raw.resource, node.get("resource").unwrap_or(node))?;
    Ok(Action::Patch { resource, with: Arc::new(with.clone()) })
}

fn delete(node: &Node) -> Result<Action, Problem> {
    if node.get("pods").is_none() {
        let shape = "write `{ kind, name }` for a resource, or `{ pods: <rollout>, role: canary }` for pods";
        let resource: ResourceRef = decode(node).map_err(|problem| match problem.help {
            Some(_) => problem,
            None => problem.with_help(shape),
        })?;
        return Ok(Action::Delete(DeleteTarget::Resource(state::checked_resource(resource, node)?)));
    }
    let raw: PodsOf = decode(node)?;
    let at = |key: &str| node.get(key).unwrap_or(node);
    check::rollout_name(&raw.pods.0, at("pods"))?;
    let count = raw.count.unwrap_or(1);
    check::count("count", count, 1..=10_000, at("count"))?;
    Ok(Action::Delete(DeleteTarget::Pods { of: raw.pods.0, role: raw.role, count }))
}

fn undo(raw: WordOr<Text, raw::event::Undo>, node: &Node) -> Result<Action, Problem> {
    let (Text(rollout), to_revision) = match raw {
        WordOr::Word(rollout) => (rollout, None),
        WordOr::Fields(undo) => (undo.rollout, undo.to_revision),
    };
    check::rollout_name(&rollout, node.get("rollout").unwrap_or(node))?;
    if let Some(revision) = to_revision {
        check::count("to_revision", revision, 1..=u32::MAX, node.get("to_revision").unwrap_or(node))?;
    }
    let command = RolloutCommand::Undo { to_revision: to_revision.map(u64::from) };
    Ok(Action::Operate { rollout, command })
}

fn refresh(raw: WordOr<Text, raw::event::Refresh>, node: &Node) -> Result<Action, Problem> {
    let (Text(application), hard) = match raw {
        WordOr::Word(application) => (application, false),
        WordOr::Fields(refresh) => (refresh.application, refresh.hard),
    };
    check::resource_name("an Application", &application, node.get("application").unwrap_or(node))?;
    Ok(Action::Refresh { application, hard })
}
