//! Events that contradict each other.

use units::Duration;
use yaml::Problem;

use crate::{Action, PlannedAction, RevertTarget, Trigger};

/// What cannot happen as written. Whether a revert has a merge is only asked where every event could
/// be read (`complete`).
pub(super) fn contradictions(
    events: &[PlannedAction],
    complete: bool,
    duration: Option<Duration>,
) -> Vec<Problem> {
    let late = events.iter().filter_map(|event| after_the_end(event, duration?));
    let reverts = events.iter().enumerate().filter(|_| complete).filter_map(|(index, event)| {
        let Action::Revert(target) = &event.action else { return None };
        match target {
            RevertTarget::Last => without_merge(events, index),
            RevertTarget::Id(id) => {
                before_its_merge(events, index, id).or_else(|| reverted_twice(events, index, id))
            }
        }
    });
    late.chain(reverts).collect()
}

fn after_the_end(event: &PlannedAction, duration: Duration) -> Option<Problem> {
    let Trigger::At(at) = event.trigger else { return None };
    let problem =
        || Problem::at(&event.place, format!("the event is at {at}, but the run ends at {duration}"));
    (at >= duration)
        .then(|| problem().with_help("raise `duration`, or leave it out to run until all has settled"))
}

/// Whether `earlier` may happen before `later`. What waits for a state may happen at any time.
fn may_precede(events: &[PlannedAction], earlier: usize, later: usize) -> bool {
    match (&events[earlier].trigger, &events[later].trigger) {
        (Trigger::At(first), Trigger::At(second)) => (first, earlier) < (second, later),
        (Trigger::After { .. }, _) | (_, Trigger::After { .. }) => true,
    }
}

fn indices<'a>(events: &'a [PlannedAction], key: &'a str) -> impl Iterator<Item = usize> + 'a {
    events.iter().enumerate().filter(move |(_, event)| event.action.key() == key).map(|(index, _)| index)
}

/// A `revert: last` that finds no merge which is not reverted yet.
fn without_merge(events: &[PlannedAction], revert: usize) -> Option<Problem> {
    let place = &events[revert].place;
    if indices(events, "merge").next().is_none() {
        let problem = Problem::at(place, "there is no merge to revert");
        return Some(problem.with_help("add an event with `merge` before it"));
    }
    let merges = indices(events, "merge").filter(|merge| may_precede(events, *merge, revert)).count();
    if merges == 0 {
        let problem = Problem::at(place, "the revert comes before every merge");
        return Some(problem.with_help("move its `at` behind a merge's"));
    }
    let certainly_before = |other: &usize| *other != revert && !may_precede(events, revert, *other);
    let reverts = indices(events, "revert").filter(certainly_before).count();
    (reverts >= merges).then(|| {
        Problem::at(place, "every merge before this revert is reverted already")
            .with_help("remove this revert, or add a merge")
    })
}

fn before_its_merge(events: &[PlannedAction], revert: usize, id: &str) -> Option<Problem> {
    let merge = events.iter().position(|event| event.id.as_deref() == Some(id))?;
    (!may_precede(events, merge, revert)).then(|| {
        Problem::at(&events[revert].place, format!("the revert of `{id}` comes before its merge"))
            .with_help("move its `at` behind the merge's")
    })
}

fn reverted_twice(events: &[PlannedAction], revert: usize, id: &str) -> Option<Problem> {
    let target = RevertTarget::Id(id.to_owned());
    let same = |event: &PlannedAction| matches!(&event.action, Action::Revert(other) if *other == target);
    events[..revert]
        .iter()
        .any(same)
        .then(|| Problem::at(&events[revert].place, format!("`{id}` is reverted twice")))
}
