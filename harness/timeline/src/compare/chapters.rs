//! The states that Rollouts, Applications and the alerts that the scenario speaks of went through, from one action to
//! the next.

use std::collections::{BTreeMap, BTreeSet};

use scenario::{AlertRef, Scenario};
use units::{Duration, Time};

use super::align::{Pair, align};
use super::{Agreement, Chapter, Reached, Shown, Sides, Tolerance};
use crate::alerts::Alerts;
use crate::{Event, Timeline};

/// What a chapter begins with: the position of an action under `events:`, or nothing for the start.
type Begin = Option<usize>;

/// The chapters of one run.
#[derive(Default)]
struct Story {
    titles: BTreeMap<Begin, String>,
    began: BTreeMap<Begin, Time>,
    states: BTreeMap<(Begin, String), Vec<(String, Reached)>>,
}

impl Story {
    fn of(scenario: &Scenario, timeline: &Timeline) -> Self {
        let mut followed = Followed::of(scenario);
        let mut story = Self::default();
        story.began.insert(None, Time::ZERO);
        let (mut chapter, mut begin): (Begin, Time) = (None, Time::ZERO);
        // The present state of each subject and where it is noted.
        let mut present: BTreeMap<String, (String, Begin, usize, Time)> = BTreeMap::new();
        for entry in &timeline.entries {
            if let Event::ActionPerformed(action) = &entry.event {
                (chapter, begin) = (Some(action.index), entry.at);
                story.began.insert(chapter, begin);
                story.titles.insert(chapter, action.text.clone());
            }
            for (subject, state) in state_of(&entry.event).into_iter().chain(followed.states(&entry.event)) {
                if present.get(&subject).is_some_and(|(before, ..)| *before == state) {
                    continue;
                }
                story.close(&present, &subject, entry.at);
                let states = story.states.entry((chapter, subject.clone())).or_default();
                let reached = Reached { after: entry.at.since(begin), lasted: Duration::ZERO };
                states.push((state.clone(), reached));
                present.insert(subject, (state, chapter, states.len() - 1, entry.at));
            }
        }
        let subjects: Vec<String> = present.keys().cloned().collect();
        subjects.iter().for_each(|subject| story.close(&present, subject, timeline.end()));
        story
    }

    /// Notes how long the present state of a subject has lasted.
    fn close(&mut self, present: &BTreeMap<String, (String, Begin, usize, Time)>, subject: &str, at: Time) {
        let Some((_, chapter, index, since)) = present.get(subject) else { return };
        let states = self.states.get_mut(&(*chapter, subject.to_owned()));
        if let Some((_, reached)) = states.and_then(|states| states.get_mut(*index)) {
            reached.lasted = at.since(*since);
        }
    }

    fn states(&self, chapter: Begin, subject: &str) -> &[(String, Reached)] {
        self.states.get(&(chapter, subject.to_owned())).map_or(&[], Vec::as_slice)
    }
}

/// Whose state an event tells, and the state in words: what a person would ask first.
fn state_of(event: &Event) -> Option<(String, String)> {
    match event {
        Event::Rollout(status) => {
            let step = status.step.map_or(String::new(), |step| format!(", step {step}/{}", status.steps));
            let mark = match (status.invalid, status.aborted) {
                (true, _) => ", invalid",
                (false, true) => ", aborted",
                (false, false) => "",
            };
            Some((format!("rollout {}", status.name), format!("{}{mark}{step}", status.phase)))
        }
        Event::Application(status) => Some((
            format!("application {}", status.application),
            format!("{}, {}", status.sync, status.health),
        )),
        _ => None,
    }
}

/// The alerts that a scenario speaks of.
struct Followed<'a>(Vec<(&'a AlertRef, Alerts)>);

impl<'a> Followed<'a> {
    fn of(scenario: &'a Scenario) -> Self {
        let mut followed: Vec<(&AlertRef, Alerts)> = Vec::new();
        for (alert, _) in scenario.alerts() {
            if !followed.iter().any(|(known, _)| *known == alert) {
                followed.push((alert, Alerts::default()));
            }
        }
        Self(followed)
    }

    /// The states of those that an event is about.
    fn states(&mut self, event: &Event) -> Vec<(String, String)> {
        let seen = |(alert, alerts): &mut (&AlertRef, Alerts)| {
            let changed = match event {
                Event::Rules(status) => alerts.load(alert, status),
                Event::Alert(status) => alerts.change(alert, status),
                _ => false,
            };
            let state = alerts.state().map_or("undefined".to_owned(), |state| state.to_string());
            changed.then(|| (format!("alert {alert}"), state))
        };
        self.0.iter_mut().filter_map(seen).collect()
    }
}

pub(super) fn of(scenario: &Scenario, runs: &Sides<&Timeline>, tolerance: &Tolerance) -> Vec<Chapter> {
    let stories = runs.map(|timeline| Story::of(scenario, timeline));
    let both = || [&stories.left, &stories.right].into_iter();
    let begins: BTreeSet<Begin> = both().flat_map(|story| story.began.keys().copied()).collect();
    let subjects: BTreeSet<&str> =
        both().flat_map(|story| story.states.keys().map(|(_, subject)| subject.as_str())).collect();
    let mut chapters: Vec<Chapter> = Vec::new();
    for begin in begins {
        let title = both().find_map(|story| story.titles.get(&begin)).map_or("the start", String::as_str);
        let of_subject = |subject: &&str| in_order(aligned(&stories, begin, subject, tolerance));
        let mut states: Vec<(Duration, Shown)> = subjects.iter().flat_map(of_subject).collect();
        states.sort_by_key(|(place, _)| *place);
        let states = states.into_iter().map(|(_, shown)| shown).collect();
        let began = stories.map(|story| story.began.get(&begin).copied());
        chapters.push(Chapter { title: title.to_owned(), began, states });
    }
    chapters.sort_by_key(|chapter| chapter.began.left.or(chapter.began.right));
    chapters
}

/// The states of a subject with their places in the chapter: the times of the first run. What only the
/// second shows comes after what came before it there.
fn in_order(states: Vec<Shown>) -> Vec<(Duration, Shown)> {
    let both: Vec<(Duration, Duration)> = states
        .iter()
        .filter_map(|shown| Some((shown.reached.left?.after, shown.reached.right?.after)))
        .collect();
    let place = |shown: &Shown| match (shown.reached.left, shown.reached.right) {
        (Some(left), _) => left.after,
        (None, Some(right)) => {
            let before = both.iter().filter(|(_, at)| *at <= right.after).map(|(left, _)| *left).max();
            before.unwrap_or(Duration::ZERO)
        }
        (None, None) => Duration::ZERO,
    };
    states.into_iter().map(|shown| (place(&shown), shown)).collect()
}

fn aligned(stories: &Sides<Story>, chapter: Begin, subject: &str, tolerance: &Tolerance) -> Vec<Shown> {
    let shown = |state: &str, one: Option<Reached>, two: Option<Reached>| Shown {
        subject: subject.to_owned(),
        state: state.to_owned(),
        reached: Sides { left: one, right: two },
        agreement: agreement(one, two, tolerance),
    };
    let (one, two) = (stories.left.states(chapter, subject), stories.right.states(chapter, subject));
    let (left, left_alone) = without_excursions(one, two, tolerance);
    let (right, right_alone) = without_excursions(two, one, tolerance);
    let names =
        |states: &[(String, Reached)]| states.iter().map(|(state, _)| state.clone()).collect::<Vec<_>>();
    let weight = |pair: Pair| match pair {
        Pair::Left(i) => left[i].1.lasted.as_millis(),
        Pair::Right(j) => right[j].1.lasted.as_millis(),
        Pair::Both(..) => 0,
    };
    let pairs = align(&names(&left), &names(&right), weight);
    let pairs = pairs.into_iter().map(|pair| match pair {
        Pair::Both(i, j) => shown(&left[i].0, Some(left[i].1), Some(right[j].1)),
        Pair::Left(i) => shown(&left[i].0, Some(left[i].1), None),
        Pair::Right(j) => shown(&right[j].0, None, Some(right[j].1)),
    });
    let left_alone = left_alone.iter().map(|(state, reached)| shown(state, Some(*reached), None));
    let right_alone = right_alone.iter().map(|(state, reached)| shown(state, None, Some(*reached)));
    pairs.chain(left_alone).chain(right_alone).collect()
}

type States = Vec<(String, Reached)>;

/// The states without the brief ones that the other run never shows, and these. What was only
/// interrupted by them is one state.
fn without_excursions(
    states: &[(String, Reached)],
    others: &[(String, Reached)],
    tolerance: &Tolerance,
) -> (States, States) {
    let is_known = |state: &str| others.iter().any(|(other, _)| other == state);
    let (excursions, lasting): (States, States) = states
        .iter()
        .cloned()
        .partition(|(state, reached)| !is_known(state) && reached.lasted <= tolerance.brief);
    let mut joined: States = Vec::with_capacity(lasting.len());
    for (state, reached) in lasting {
        match joined.last_mut().filter(|(before, _)| *before == state) {
            Some((_, before)) => {
                before.lasted = (reached.after + reached.lasted).saturating_sub(before.after);
            }
            None => joined.push((state, reached)),
        }
    }
    (joined, excursions)
}

fn agreement(left: Option<Reached>, right: Option<Reached>, tolerance: &Tolerance) -> Agreement {
    match (left, right) {
        (Some(one), Some(two)) if tolerance.allows(one.after, two.after) => Agreement::Same,
        (Some(_), Some(_)) => Agreement::OutOfTime,
        (Some(alone), None) | (None, Some(alone)) if alone.lasted <= tolerance.brief => Agreement::Passing,
        _ => Agreement::Missing,
    }
}
