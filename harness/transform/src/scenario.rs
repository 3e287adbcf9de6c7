//! The scenario, changed as its manifests are: its times, its rates, and the manifests in its events.

use std::sync::Arc;

use scenario::{
    Action, Anchor, Bound, Claim, Expectation, Limit as BoundLimit, Merge, PlannedAction, Reached,
    ResourceRef, ResourceState, Scenario, State, Trigger,
};
use units::{Duration, Rate};
use yaml::Node;

use crate::documents::{Documents, Role, rewrite_document, text_of};
use crate::fields::{Change, Extent, Subject, rewrite};
use crate::floor::{HIGHEST_RATE, Limit, SCRAPE_INTERVAL};
use crate::{Note, Noted, Speed, UNSCALED};

/// What in a scenario bounds the speed, apart from manifests.
pub(crate) fn limits(scenario: &Scenario) -> Vec<Limit> {
    vec![Limit {
        place: scenario.place_of("cluster"),
        written: format!("scrape_interval: {}", scenario.cluster.scrape_interval),
        bound: scenario.cluster.scrape_interval,
        floor: SCRAPE_INTERVAL,
    }]
}

/// The scenario with every time divided. What `within` and `duration` give is shortened as
/// deadlines are, see [`Speed::deadline`].
pub(crate) fn at_speed(scenario: Scenario, speed: Speed, notes: &mut Vec<Note>) -> Scenario {
    if speed.is_real() {
        return scenario;
    }
    notes.extend(notes_on(&scenario, speed));
    let mut faster = scenario;
    faster.models.values_mut().for_each(|model| *model = model.at_speed(speed.factor()));
    let more = more_requests(&faster, speed);
    faster.traffic.rate = faster.traffic.rate * more;
    faster.cluster.scrape_interval = speed.scale(faster.cluster.scrape_interval);
    faster.duration = faster.duration.map(|duration| speed.deadline(duration));
    faster.settle = speed.scale(faster.settle);
    // What is outside of the pipeline takes as long at any speed.
    for answer in &mut faster.answers {
        answer.from = speed.scale(answer.from);
        answer.until = answer.until.map(|until| speed.scale(until));
    }
    for event in &mut faster.events {
        match &mut event.trigger {
            Trigger::At(at) => *at = speed.scale(*at),
            Trigger::After { wait, .. } => *wait = speed.scale(*wait),
        }
        if let Action::Traffic(rate) = &mut event.action {
            *rate = *rate * more;
        }
    }
    for expectation in &mut faster.expect {
        claim_at_speed(&mut expectation.claim, speed, more);
        expectation.text = expectation.claim.to_string();
    }
    faster
}

/// By how much the rate of requests is multiplied, so that as many fall into a window as before: by the
/// speed, but for what brings the highest rate above [`HIGHEST_RATE`], and never below 1.
fn more_requests(scenario: &Scenario, speed: Speed) -> f64 {
    let later = scenario.events.iter().filter_map(|event| match event.action {
        Action::Traffic(rate) => Some(rate.per_second()),
        _ => None,
    });
    let highest = later.fold(scenario.traffic.rate.per_second(), f64::max);
    speed.factor().min((HIGHEST_RATE / highest).max(1.0))
}

fn claim_at_speed(claim: &mut Claim, speed: Speed, more: f64) {
    let deadline = |within: &mut Option<Duration>| *within = within.map(|span| speed.deadline(span));
    match claim {
        Claim::Becomes { within, .. } => deadline(within),
        Claim::Stays { within, hold, .. } => {
            deadline(within);
            *hold = hold.map(|hold| speed.scale(hold));
        }
        Claim::Requests { bounds, .. } => {
            for (_, Bound { limit, .. }) in bounds {
                if let BoundLimit::Rate(rate) = limit {
                    *rate = *rate * more;
                }
            }
        }
        Claim::Always { .. } | Claim::Never { .. } => {}
    }
}

fn notes_on(scenario: &Scenario, speed: Speed) -> Vec<Note> {
    let note =
        |key: &str, text: String| Note { place: Some(scenario.place_of(key)), what: Noted::Scenario(text) };
    let mut notes = vec![note(
        "expect",
        format!(
            "of every deadline (`within`, `duration`) up to {UNSCALED} are not scaled: pods, syncs, retries of \
             an analysis and whole-second times take as long at any speed"
        ),
    )];
    let rate = scenario.traffic.rate;
    if rate > Rate::ZERO {
        let more = more_requests(scenario, speed);
        let new = rate * more;
        let fewer = if more < speed.factor() { ", as nearly as the machine bears it" } else { "" };
        let text = format!(
            "clients send {new} in place of {rate}, so that as many requests fall into a window{fewer}; \
             absolute rates in queries are {more} times as high"
        );
        notes.push(note("traffic", text));
    }
    notes
}

/// What to do with the states that a scenario names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum States {
    /// They are compared with manifests and change with them.
    Change,
    /// They are the user's.
    Keep,
}

/// The scenario with the manifests in it changed: those of merges and patches, and what states are
/// compared with.
pub(crate) fn rewrite_manifests(
    mut scenario: Scenario,
    documents: &Documents,
    states: States,
    change: &mut impl Change,
) -> Scenario {
    let documents = with_roles_of_events(&scenario, documents);
    for PlannedAction { trigger, action, .. } in &mut scenario.events {
        match action {
            Action::Merge(merge) => rewrite_merge(merge, &documents, change),
            Action::Patch { resource, with } => {
                let subject = subject_of(resource);
                rewrite_shared(with, |node| rewrite(change, node, &subject, Extent::MergePatch));
            }
            _ => {}
        }
        if let (States::Change, Trigger::After { reached: Reached(state), .. }) = (states, trigger) {
            rewrite_state(state, change);
        }
    }
    if states == States::Change {
        for Expectation { claim, text, .. } in &mut scenario.expect {
            rewrite_claim(claim, change);
            *text = claim.to_string();
        }
    }
    scenario
}

/// A merge can make a file a patch.
fn with_roles_of_events(scenario: &Scenario, documents: &Documents) -> Documents {
    let mut documents = documents.clone();
    for event in &scenario.events {
        let Action::Merge(Merge { edit, write, .. }) = &event.action else { continue };
        let kustomizations = edit.iter().filter(|(path, _)| documents.role(path) == Role::Kustomization);
        let kustomizations: Vec<_> =
            kustomizations.map(|(path, node)| (path.clone(), (**node).clone())).collect();
        let written = write.iter().filter(|(path, _)| documents.role(path) == Role::Kustomization);
        let written = written.flat_map(|(path, text)| {
            let nodes = yaml::parse(path, text.as_bytes()).unwrap_or_default();
            nodes.into_iter().map(move |node| (path.clone(), node))
        });
        let all: Vec<_> = kustomizations.into_iter().chain(written).collect();
        all.iter().for_each(|(path, node)| documents.learn_roles(path, node));
    }
    documents
}

fn rewrite_merge(merge: &mut Merge, documents: &Documents, change: &mut impl Change) {
    for (path, patch) in &mut merge.edit {
        let role = documents.role(path);
        let of_file = documents.get(path).first().and_then(Subject::of);
        rewrite_shared(patch, |node| match (&role, Subject::of(node).or(of_file)) {
            (Role::Manifests, Some(subject)) => rewrite(change, node, &subject, Extent::MergePatch),
            (Role::Patch(_), Some(subject)) => rewrite(change, node, &subject, Extent::Part),
            (role, _) => rewrite_document(change, node, role),
        });
    }
    for (path, text) in &mut merge.write {
        let Ok(before) = yaml::parse(path, text.as_bytes()) else { continue };
        let role = documents.role(path);
        let mut after = before.clone();
        after.iter_mut().for_each(|node| rewrite_document(change, node, &role));
        if after != before {
            *text = text_of(&after);
        }
    }
}

fn rewrite_claim(claim: &mut Claim, change: &mut impl Change) {
    let anchor = |anchor: &mut Anchor, change: &mut _| {
        if let Anchor::Reached(Reached(state)) = anchor {
            rewrite_state(state, change);
        }
    };
    match claim {
        Claim::Becomes { state, of, before, .. }
        | Claim::Always { state, of, before }
        | Claim::Never { state, of, before } => {
            rewrite_state(state, change);
            anchor(of, change);
            before.iter_mut().for_each(|before| anchor(before, change));
        }
        Claim::Stays { state, of, .. } => {
            rewrite_state(state, change);
            anchor(of, change);
        }
        Claim::Requests { which, .. } => {
            which.after.iter_mut().chain(&mut which.before).for_each(|moment| anchor(moment, change));
        }
    }
}

fn rewrite_state(state: &mut State, change: &mut impl Change) {
    if let State::Resource(resource, ResourceState::Matches(node)) = state {
        let subject = subject_of(resource);
        rewrite_shared(node, |node| rewrite(change, node, &subject, Extent::Part));
    }
}

fn subject_of(resource: &ResourceRef) -> Subject {
    Subject { group: None, kind: resource.kind.clone(), name: Some(resource.name.clone()) }
}

fn rewrite_shared(node: &mut Arc<Node>, act: impl FnOnce(&mut Node)) {
    act(Arc::make_mut(node));
}
