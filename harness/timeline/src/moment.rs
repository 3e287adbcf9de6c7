use std::collections::BTreeSet;

use scenario::{Anchor, Reached, Scenario, State};
use units::{Duration, Time};

use crate::watch::{is_named, refers_to};
use crate::{EndReason, Event, Holds, Timeline, Watch, words};

/// A scenario and what happened when it ran.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) timeline: &'a Timeline,
}

/// Why a claim has no answer; a fragment for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unanswered(pub(crate) String);

/// A point between two entries: entries up to `index` are before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    pub(crate) index: usize,
    pub(crate) at: Time,
}

/// What an entry said about a state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seen {
    pub(crate) index: usize,
    pub(crate) at: Time,
    pub(crate) holds: Holds,
}

/// All that was seen of a state from a moment on.
pub(crate) struct Window {
    /// The state at that moment: the latest entry before it.
    pub(crate) before: Option<Seen>,
    /// What came after it, in order.
    pub(crate) after: Vec<Seen>,
}

impl Window {
    /// Whether the run says nothing about the subject from the beginning on, nor just before.
    pub(crate) fn is_empty(&self) -> bool {
        self.before.is_none() && self.after.is_empty()
    }

    /// The state at the beginning and everything after it.
    pub(crate) fn all(&self) -> impl Iterator<Item = Seen> {
        self.before.iter().chain(&self.after).copied()
    }

    /// The first entry after the beginning that enters the state.
    pub(crate) fn first_entered(&self) -> Option<Seen> {
        let mut held = self.before.is_some_and(|seen| seen.holds == Holds::Yes);
        self.after.iter().copied().find(|seen| {
            let holds = seen.holds == Holds::Yes;
            !std::mem::replace(&mut held, holds) && holds
        })
    }
}

impl Run<'_> {
    pub(crate) fn end(&self) -> Moment {
        Moment { index: self.timeline.entries.len(), at: self.timeline.end() }
    }

    /// When a span of the scenario's clock that begins at `from` is over. That clock may have stood at
    /// zero for a while.
    pub(crate) fn deadline(&self, from: Moment, within: Duration) -> Time {
        let started =
            self.timeline.entries.iter().find(|entry| matches!(entry.event, Event::ClockStarted(_)));
        from.at.max(started.map_or(Time::ZERO, |entry| entry.at)) + within
    }

    /// Why the run ended; a timeline without an end was cut short.
    pub(crate) fn end_reason(&self) -> EndReason {
        match self.timeline.entries.last().map(|entry| &entry.event) {
            Some(Event::RunEnded(ended)) => ended.reason,
            Some(_) | None => EndReason::Interrupted,
        }
    }

    /// When `anchor` happened, or why that cannot be said.
    pub(crate) fn moment(&self, anchor: &Anchor) -> Result<Moment, Unanswered> {
        let found = match anchor {
            Anchor::Start => return Ok(Moment { index: 0, at: Time::ZERO }),
            Anchor::FirstAction if self.scenario.events.is_empty() => {
                return Ok(Moment { index: 0, at: Time::ZERO });
            }
            Anchor::FirstAction => self.find(|event| matches!(event, Event::ActionPerformed(_))),
            Anchor::Action(name) => self.action(name),
            Anchor::Reached(Reached(state)) => {
                self.refuse_ambiguous(state)?;
                let mut watch = Watch::new(state);
                let entries = self.timeline.entries.iter().enumerate();
                let entered = entries.into_iter().find(|(_, entry)| watch.entered(entry));
                entered.map(|(index, entry)| Moment { index, at: entry.at })
            }
        };
        found.ok_or_else(|| Unanswered(never_happened(anchor)))
    }

    /// The first action with this `id`, or else the first of this kind.
    fn action(&self, name: &str) -> Option<Moment> {
        let by_id = |event: &Event| matches!(event, Event::ActionPerformed(action) if action.id.as_deref() == Some(name));
        let by_kind =
            |event: &Event| matches!(event, Event::ActionPerformed(action) if action.action == name);
        self.find(by_id).or_else(|| self.find(by_kind))
    }

    fn find(&self, wanted: impl Fn(&Event) -> bool) -> Option<Moment> {
        let index = self.timeline.entries.iter().position(|entry| wanted(&entry.event))?;
        Some(Moment { index, at: self.timeline.entries[index].at })
    }

    /// All that is said about `state` from `from` on.
    pub(crate) fn window(&self, state: &State, from: Moment) -> Result<Window, Unanswered> {
        self.refuse_ambiguous(state)?;
        if let State::Application(_, wanted) = state
            && let Some(action) = &wanted.revision
            && self.action(action).is_none()
        {
            return Err(Unanswered(never_happened(&Anchor::Action(action.clone()))));
        }
        let mut window = Window { before: None, after: Vec::new() };
        let mut watch = Watch::new(state);
        for (index, entry) in self.timeline.entries.iter().enumerate() {
            let seen = watch.observe(entry).map(|holds| Seen { index, at: entry.at, holds });
            if index <= from.index {
                window.before = seen.or(window.before);
            } else {
                window.after.extend(seen);
            }
            if index == from.index {
                watch.count_from_here();
                if let Some(before) = &mut window.before {
                    let now = watch.observe(&self.timeline.entries[before.index]);
                    before.holds = now.unwrap_or(before.holds);
                }
            }
        }
        Ok(window)
    }

    /// Says that nothing is known of the subject of `state`, and of what something is.
    pub(crate) fn unseen(&self, state: &State) -> String {
        format!("the run says nothing about {}: {}", words::subject(state), self.known(state))
    }

    /// Refuses a name that stands for objects in several namespaces.
    fn refuse_ambiguous(&self, state: &State) -> Result<(), Unanswered> {
        let events = self.timeline.entries.iter().map(|entry| &entry.event);
        let namespaces: BTreeSet<&str> = match state {
            State::Rollout(name, _) => events
                .filter_map(|event| match event {
                    Event::Rollout(status) if is_named(name, &status.namespace, &status.name) => {
                        Some(status.namespace.as_str())
                    }
                    _ => None,
                })
                .collect(),
            State::Resource(reference, _) => events
                .filter_map(|event| match event {
                    Event::Resource(written) if refers_to(reference, &written.resource) => {
                        Some(written.resource.namespace.as_str())
                    }
                    _ => None,
                })
                .collect(),
            // An alert of one name may be defined several times: it fires where any of them does.
            State::Application(..) | State::Alert(..) => return Ok(()),
        };
        if namespaces.len() < 2 {
            return Ok(());
        }
        let namespaces: Vec<_> = namespaces.into_iter().collect();
        let subject = words::subject(state);
        Err(Unanswered(format!(
            "{subject} exists in several namespaces ({}): name one",
            namespaces.join(", ")
        )))
    }

    /// What of the kind of `state`'s subject the run does speak of.
    fn known(&self, state: &State) -> String {
        let events = self.timeline.entries.iter().map(|entry| &entry.event);
        let names: BTreeSet<String> = match state {
            State::Rollout(..) => events
                .filter_map(|event| match event {
                    Event::Rollout(status) => Some(format!("{}/{}", status.namespace, status.name)),
                    _ => None,
                })
                .collect(),
            State::Application(..) => events
                .filter_map(|event| match event {
                    Event::Application(status) => Some(status.application.clone()),
                    _ => None,
                })
                .collect(),
            State::Resource(reference, _) => events
                .filter_map(|event| match event {
                    Event::Resource(written) if written.resource.kind == reference.kind => {
                        Some(format!("{}/{}", written.resource.namespace, written.resource.name))
                    }
                    _ => None,
                })
                .collect(),
            State::Alert(..) => events
                .filter_map(|event| match event {
                    Event::Rules(status) => Some(&status.alerts),
                    _ => None,
                })
                .flatten()
                .cloned()
                .collect(),
        };
        match names.len() {
            0 => "nothing of its kind ever existed".into(),
            _ => format!("it knows {}", names.into_iter().collect::<Vec<_>>().join(", ")),
        }
    }
}

fn never_happened(anchor: &Anchor) -> String {
    match anchor {
        Anchor::Start | Anchor::FirstAction => "no action was performed".into(),
        Anchor::Action(name) => format!("the action `{name}` was never performed"),
        Anchor::Reached(Reached(state)) => format!("\"{state}\" was never reached"),
    }
}

/// "5m30s after the first action", or nothing where that is the start.
pub(crate) fn after(at: Time, from: Moment, anchor: &Anchor) -> String {
    let span: Duration = words::span(at.since(from.at));
    match anchor {
        Anchor::Start => String::new(),
        Anchor::FirstAction | Anchor::Action(_) | Anchor::Reached(_) => {
            format!(", {span} after {anchor}")
        }
    }
}
