//! What came of a run: the last states, how updates ended, and the verdicts.

use std::collections::{BTreeMap, BTreeSet};

use scenario::Scenario;

use super::{Fact, Sides};
use crate::{ApplicationStatus, Event, RolloutStatus, Summary, Timeline, judge};

/// What is said where a run says nothing.
pub(super) const NOTHING: &str = "–";

pub(super) fn outcome(runs: &Sides<&Timeline>) -> Vec<Fact> {
    let told = runs.map(|timeline| Told::of(timeline));
    let mut keys: Vec<&String> = told.left.order.iter().collect();
    keys.extend(told.right.order.iter().filter(|key| !told.left.facts.contains_key(*key)));
    let said = |told: &Told, key: &str| told.facts.get(key).cloned().unwrap_or_else(|| NOTHING.to_owned());
    keys.into_iter().map(|key| Fact::new(key, said(&told.left, key), said(&told.right, key))).collect()
}

pub(super) fn expectations(scenario: &Scenario, runs: &Sides<&Timeline>) -> Vec<Fact> {
    let judged = runs.map(|timeline| judge(scenario, timeline).expectations);
    let pairs = judged.left.iter().zip(&judged.right);
    pairs.map(|(one, two)| Fact::new(&one.text, one.verdict.to_string(), two.verdict.to_string())).collect()
}

/// What one run came to, in words.
#[derive(Default)]
struct Told {
    order: Vec<String>,
    facts: BTreeMap<String, String>,
}

impl Told {
    fn of(timeline: &Timeline) -> Self {
        let (summary, names) = (Summary::of(timeline), Names::of(timeline));
        let mut told = Self::default();
        for (name, rollout) in &summary.rollouts {
            let RolloutStatus { phase, aborted, message, stable, .. } = &rollout.last;
            let mark = if *aborted { ", aborted" } else { "" };
            told.say(format!("rollout {name}"), format!("{phase}{mark}"));
            told.say(format!("rollout {name}: its first update"), rollout.outcome.to_string());
            let models = stable.as_ref().map_or(String::new(), |version| version.models.join(", "));
            told.say(format!("rollout {name}: stable"), models);
            told.say(format!("rollout {name}: message"), names.neutral(message));
        }
        for (name, status) in &summary.applications {
            let ApplicationStatus { sync, health, revision, conditions, .. } = status;
            told.say(format!("application {name}"), format!("{sync}, {health}"));
            told.say(format!("application {name}: at"), names.commit(revision));
            let conditions = conditions.iter().map(|it| names.neutral(it)).collect::<BTreeSet<_>>();
            told.say(
                format!("application {name}: conditions"),
                conditions.into_iter().collect::<Vec<_>>().join("; "),
            );
        }
        told.say("actions performed".to_owned(), names.actions.join(", "));
        told
    }

    /// Says something, unless there is nothing to say.
    fn say(&mut self, what: String, said: String) {
        if !said.is_empty() {
            self.order.push(what.clone());
            self.facts.insert(what, said);
        }
    }
}

/// Names that differ from run to run: hashes of templates, ids of commits.
#[derive(Default)]
struct Names {
    hashes: BTreeSet<String>,
    commits: Vec<(String, String)>,
    actions: Vec<String>,
}

impl Names {
    fn of(timeline: &Timeline) -> Self {
        let mut names = Self::default();
        for entry in &timeline.entries {
            match &entry.event {
                Event::Rollout(status) => {
                    let versions = status.stable.iter().chain(&status.canary);
                    names.hashes.extend(versions.map(|version| version.hash.clone()));
                }
                Event::Commit(commit) => names.commits.push((commit.commit.clone(), commit.title.clone())),
                Event::ActionPerformed(action) => names.actions.push(action.action.clone()),
                _ => {}
            }
        }
        names.hashes.remove("");
        names
    }

    /// A commit by its title; the id itself if the run does not know it.
    fn commit(&self, id: &str) -> String {
        let known = self.commits.iter().find(|(known, _)| known == id);
        known.map_or_else(|| id.to_owned(), |(_, title)| format!("\"{title}\""))
    }

    /// A message without what differs from run to run.
    fn neutral(&self, message: &str) -> String {
        let mut text = message.to_owned();
        for hash in &self.hashes {
            text = without_hash(&text, hash);
        }
        for (commit, title) in &self.commits {
            text = text.replace(commit, title);
        }
        text
    }
}

/// The text with `-HASH` in place of this hash at the end of names.
fn without_hash(text: &str, hash: &str) -> String {
    let ended = format!("-{hash}");
    let mut parts = text.split(&ended).peekable();
    let mut neutral = String::with_capacity(text.len());
    while let Some(part) = parts.next() {
        neutral.push_str(part);
        let Some(next) = parts.peek() else { break };
        let is_whole = !next.starts_with(|c: char| c.is_ascii_alphanumeric());
        neutral.push_str(if is_whole { "-HASH" } else { &ended });
    }
    neutral
}
