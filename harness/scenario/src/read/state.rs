use std::collections::BTreeMap;
use std::sync::Arc;

use yaml::{Node, Problem, decode, did_you_mean};

use super::anchor::Names;
use super::check;
use crate::raw::{
    AlertFields, ApplicationFields, ApplicationWord, ResourceFields, RolloutFields, Text, WordOr,
};
use crate::{
    AlertRef, ApplicationState, HealthWord, ResourceRef, ResourceState, RolloutState, RolloutWord, State,
    SyncWord,
};

/// Whom a state or a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Rollout,
    Application,
    Resource,
    Requests,
    Alert,
}

impl Subject {
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Rollout => "rollout",
            Self::Application => "application",
            Self::Resource => "resource",
            Self::Requests => "requests",
            Self::Alert => "alert",
        }
    }

    /// The one of `choices` that `node` has.
    pub(super) fn of(node: &Node, what: &str, choices: &[Self]) -> Result<Self, Problem> {
        let listed =
            || choices.iter().map(|choice| format!("`{}`", choice.key())).collect::<Vec<_>>().join(", ");
        let Some(map) = node.as_map() else {
            return Err(node.problem(format!(
                "{what} is a mapping with one of {}; this is {}",
                listed(),
                node.kind()
            )));
        };
        let mut found = choices.iter().filter(|choice| map.contains_key(choice.key()));
        match (found.next(), found.next()) {
            (Some(subject), None) => Ok(*subject),
            (Some(one), Some(other)) => Err(node
                .problem(format!("{what} is about `{}` and about `{}`", one.key(), other.key()))
                .with_help("write one of them, and another entry for the other")),
            (None, _) => {
                let problem = node.problem(format!("{what} needs one of {}", listed()));
                let known = || choices.iter().map(|choice| choice.key());
                let near = map.keys().take(20).find_map(|key| Some((key, did_you_mean(key, known())?)));
                Err(match near {
                    Some((key, known)) => problem.with_help(format!("did you mean `{known}` by `{key}`?")),
                    None => problem,
                })
            }
        }
    }
}

/// The mapping without one of its keys.
pub(super) fn without(node: &Node, key: &str) -> Node {
    let mut rest = node.clone();
    rest.as_map_mut().and_then(|map| map.shift_remove(key));
    rest
}

/// A state with its subject beside its fields: `{ rollout: model-serving, is: aborted }`.
pub(super) fn moment(node: &Node, names: &Names<'_>) -> Result<State, Problem> {
    let subjects = [Subject::Rollout, Subject::Application, Subject::Resource, Subject::Alert];
    let subject = Subject::of(node, "a state", &subjects)?;
    let rest = without(node, subject.key());
    match subject {
        Subject::Rollout => Ok(State::Rollout(rollout(node)?, rollout_fields(decode(&rest)?, &rest)?)),
        Subject::Application => {
            Ok(State::Application(application(node)?, application_fields(decode(&rest)?, &rest, names)?))
        }
        Subject::Resource => Ok(State::Resource(resource(node)?, resource_fields(decode(&rest)?, &rest)?)),
        Subject::Alert => {
            let fields: AlertFields = decode(&rest)?;
            Ok(State::Alert(alert(node)?, fields.is))
        }
        Subject::Requests => Err(node.problem("requests have no state")),
    }
}

/// The Rollout that a mapping with the key `rollout` is about.
pub(super) fn rollout(node: &Node) -> Result<String, Problem> {
    let name = node.get("rollout").unwrap_or(node);
    let Text(text) = decode(name)?;
    check::rollout_name(&text, name)?;
    Ok(text)
}

/// The Application that a mapping with the key `application` is about.
pub(super) fn application(node: &Node) -> Result<String, Problem> {
    let name = node.get("application").unwrap_or(node);
    let Text(text) = decode(name)?;
    check::resource_name("an Application", &text, name)?;
    Ok(text)
}

/// The alerts that a mapping with the keys `alert` and `labels` is about.
pub(super) fn alert(node: &Node) -> Result<AlertRef, Problem> {
    let name = node.get("alert").unwrap_or(node);
    let Text(text) = decode(name)?;
    check::resource_name("an alert", &text, name)?;
    let mut labels = BTreeMap::new();
    if let Some(written) = node.get("labels") {
        let read: BTreeMap<String, Text> = decode(written)?;
        if read.is_empty() {
            return Err(written
                .problem("`labels` says nothing")
                .with_help("write for example `{ role: canary }`"));
        }
        if let Some(name) = written.get("alertname") {
            return Err(name.problem("the name of an alert stands under `alert`"));
        }
        labels.extend(read.into_iter().map(|(label, Text(value))| (label, value)));
    }
    Ok(AlertRef { name: text, labels })
}

/// The resource that a mapping with the key `resource` is about.
pub(super) fn resource(node: &Node) -> Result<ResourceRef, Problem> {
    let reference = node.get("resource").unwrap_or(node);
    let resource: ResourceRef = decode(reference)?;
    checked_resource(resource, reference)
}

pub(super) fn checked_resource(resource: ResourceRef, node: &Node) -> Result<ResourceRef, Problem> {
    let at = |key: &str| node.get(key).unwrap_or(node);
    check::resource_name("a kind", &resource.kind, at("kind"))?;
    check::resource_name("a resource", &resource.name, at("name"))?;
    if let Some(namespace) = &resource.namespace {
        check::resource_name("a namespace", namespace, at("namespace"))?;
    }
    Ok(resource)
}

pub(super) fn rollout_state(
    written: WordOr<RolloutWord, RolloutFields>,
    node: &Node,
) -> Result<RolloutState, Problem> {
    match written {
        WordOr::Word(word) => Ok(RolloutState { is: Some(word), ..RolloutState::default() }),
        WordOr::Fields(fields) => rollout_fields(fields, node),
    }
}

fn rollout_fields(fields: RolloutFields, node: &Node) -> Result<RolloutState, Problem> {
    ask_something(node, "a Rollout", "is: aborted")?;
    let at = |key: &str| node.get(key).unwrap_or(node);
    if let Some(weight) = fields.weight {
        check::count("weight", weight, 0..=100, at("weight"))?;
    }
    for (key, text) in [("stable", &fields.stable), ("canary", &fields.canary), ("message", &fields.message)]
    {
        if let Some(text) = text {
            check::not_empty(key, &text.0, at(key))?;
        }
    }
    Ok(RolloutState {
        is: fields.is,
        step: fields.step,
        weight: fields.weight,
        stable: fields.stable.map(|text| text.0),
        canary: fields.canary.map(|text| text.0),
        canary_pods: fields.canary_pods,
        stable_pods: fields.stable_pods,
        message: fields.message.map(|text| text.0),
    })
}

pub(super) fn application_state(
    written: WordOr<ApplicationWord, ApplicationFields>,
    node: &Node,
    names: &Names<'_>,
) -> Result<ApplicationState, Problem> {
    let sync = |word| Ok(ApplicationState { sync: Some(word), ..ApplicationState::default() });
    let health = |word| Ok(ApplicationState { health: Some(word), ..ApplicationState::default() });
    match written {
        WordOr::Fields(fields) => application_fields(fields, node, names),
        WordOr::Word(ApplicationWord::Synced) => sync(SyncWord::Synced),
        WordOr::Word(ApplicationWord::OutOfSync) => sync(SyncWord::OutOfSync),
        WordOr::Word(ApplicationWord::Healthy) => health(HealthWord::Healthy),
        WordOr::Word(ApplicationWord::Suspended) => health(HealthWord::Suspended),
        WordOr::Word(ApplicationWord::Progressing) => health(HealthWord::Progressing),
        WordOr::Word(ApplicationWord::Missing) => health(HealthWord::Missing),
        WordOr::Word(ApplicationWord::Degraded) => health(HealthWord::Degraded),
        WordOr::Word(ApplicationWord::Unknown) => Err(node
            .problem("`Unknown` is a sync status and a health status")
            .with_help("write `{ sync: Unknown }` or `{ health: Unknown }`")),
    }
}

fn application_fields(
    fields: ApplicationFields,
    node: &Node,
    names: &Names<'_>,
) -> Result<ApplicationState, Problem> {
    ask_something(node, "an Application", "sync: Synced")?;
    let at = |key: &str| node.get(key).unwrap_or(node);
    if let Some(text) = &fields.message {
        check::not_empty("message", &text.0, at("message"))?;
    }
    let revision = fields.revision.map(|text| names.commit(&text.0, at("revision"))).transpose()?;
    Ok(ApplicationState {
        sync: fields.sync,
        health: fields.health,
        operation: fields.operation,
        message: fields.message.map(|text| text.0),
        revision,
    })
}

/// What a resource is claimed to be: `{ match: … }`, `{ exists: … }`, or the fields themselves.
pub(super) fn resource_claim(node: &Node) -> Result<ResourceState, Problem> {
    let keys = ["match", "exists"];
    if keys.iter().any(|key| node.get(key).is_some()) {
        return resource_fields(decode(node)?, node);
    }
    // No kind of resource has a field that is spelt nearly so.
    let misspelt = |key: &String| did_you_mean(key, keys).map(|known| (key.clone(), known));
    if let Some((key, known)) = node.as_map().and_then(|map| map.keys().take(1).find_map(misspelt)) {
        return Err(node
            .problem(format!("unknown key `{key}`"))
            .with_help(format!("did you mean `{known}`?")));
    }
    ask_something(node, "a resource", "exists: true")?;
    match node.as_map() {
        Some(_) => Ok(ResourceState::Matches(Arc::new(node.clone()))),
        None => Err(node
            .problem(format!("a resource's state is a mapping; this is {}", node.kind()))
            .with_help("write the fields that it must contain, or `{ exists: true }`")),
    }
}

fn resource_fields(fields: ResourceFields, node: &Node) -> Result<ResourceState, Problem> {
    ask_something(node, "a resource", "exists: true")?;
    match (node.get("match"), fields.exists) {
        (Some(wanted), None) => {
            check::mapping("match", wanted)?;
            Ok(ResourceState::Matches(Arc::new(wanted.clone())))
        }
        (None, Some(true)) => Ok(ResourceState::Exists),
        (None, Some(false)) => Ok(ResourceState::Absent),
        (Some(wanted), Some(_)) => Err(wanted
            .problem("`match` and `exists` are given together")
            .with_help("what matches exists; keep one of them")),
        (None, None) => Err(node.problem("a resource's state needs `match` or `exists`")),
    }
}

fn ask_something(node: &Node, what: &str, example: &str) -> Result<(), Problem> {
    match node.as_map().is_some_and(|map| map.is_empty()) {
        true => Err(node
            .problem(format!("nothing is asked of {what}"))
            .with_help(format!("write for example `{example}`"))),
        false => Ok(()),
    }
}
