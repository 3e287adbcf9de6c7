//! The timeline as a person would tell it: what changed, with the many alike as one.

use std::collections::{BTreeMap, BTreeSet};

use timeline::{
    AlertState, AnalysisPhase, ApplicationStatus, Commit, CommitReason, Entry, Event, Measurement, PodPhase,
    PodStatus, Recorded, ResourceSynced, Role, RolloutStatus, Source, SyncOutcome, Timeline,
};
use units::{Duration, Time};

use crate::numbers::{clock, counted};
use crate::page::Detail;
use crate::sentence::{Mark, Sentence, alert_mark, alert_name, alert_verb, outcome, resource, with_message};

mod alerts;
mod changes;
mod traffic;

/// One line of the story.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) at: Time,
    pub(crate) source: Source,
    pub(crate) sentence: Sentence,
}

/// Things that are alike and happen this close together are told as one.
const TOGETHER: Duration = Duration::from_secs(30);

/// As many names are told; of more only their number.
const MAX_NAMES: usize = 4;

/// The lines of a timeline.
pub(crate) fn tell(timeline: &Timeline, detail: Detail) -> Vec<Line> {
    match detail {
        Detail::Everything => {
            timeline.entries.iter().map(|entry| line(entry, Sentence::of(&entry.event))).collect()
        }
        Detail::Story => {
            let (served, unheard) = (traffic::served(timeline), alerts::unheard(timeline));
            let mut narrator = Narrator { served, unheard, ..Narrator::default() };
            for (index, entry) in timeline.entries.iter().enumerate() {
                narrator.hear(index, entry);
            }
            narrator.close_all();
            narrator.lines
        }
    }
}

fn line(entry: &Entry, sentence: Sentence) -> Line {
    Line { at: entry.at, source: entry.source, sentence }
}

#[derive(Default)]
struct Narrator {
    lines: Vec<Line>,
    groups: Vec<Group>,
    rollouts: BTreeMap<(String, String), RolloutStatus>,
    applications: BTreeMap<String, ApplicationStatus>,
    /// Measurements of a run and metric that went as the ones told: how many, and the last value.
    as_before: BTreeMap<(String, String), (usize, String)>,
    warnings: BTreeMap<(String, String), ()>,
    /// What clients experienced, told at the entry at which it was complete.
    served: BTreeMap<usize, Sentence>,
    /// The entries of alerts that nobody was told of.
    unheard: BTreeSet<usize>,
}

/// What makes entries alike.
#[derive(Debug, Clone, PartialEq)]
enum Alike {
    Pods { role: Role, phase: PodPhase, model: Option<String>, reason: String },
    Synced { application: String, outcome: SyncOutcome },
    Alerts { alert: String, state: AlertState },
}

/// Entries that are told as one.
#[derive(Debug, Clone)]
struct Group {
    alike: Alike,
    source: Source,
    first: Time,
    last: Time,
    names: Vec<String>,
}

impl Narrator {
    fn hear(&mut self, index: usize, entry: &Entry) {
        match &entry.event {
            Event::ClockStarted(_) | Event::ActionPerformed(_) | Event::RunEnded(_) => {
                self.say(entry, Sentence::of(&entry.event))
            }
            Event::Commit(commit) => self.commit(entry, commit),
            Event::Application(status) => {
                let before = self.applications.insert(status.application.clone(), status.clone());
                if let Some(sentence) = changes::of_application(before.as_ref(), status) {
                    self.say(entry, sentence);
                }
            }
            Event::ResourceSynced(synced) => self.synced(entry, synced),
            Event::Rollout(status) => {
                let key = (status.namespace.clone(), status.name.clone());
                let before = self.rollouts.insert(key, status.clone());
                if let Some(sentence) = changes::of_rollout(before.as_ref(), status) {
                    self.say(entry, sentence);
                }
            }
            Event::Pod(pod) => self.pod(entry, pod),
            Event::AnalysisRun(run) => {
                self.finish_measurements(entry, &run.name, run.phase);
                if run.phase != AnalysisPhase::Pending {
                    self.say(entry, Sentence::of(&entry.event));
                }
            }
            Event::Measurement(measured) => self.measured(entry, measured),
            Event::Recorded(event) => self.recorded(entry, event),
            Event::Requests(_) => {
                if let Some(sentence) = self.served.remove(&index) {
                    self.say(entry, sentence);
                }
            }
            Event::Alert(_) if self.unheard.contains(&index) => {}
            Event::Alert(alert) => {
                let alike = Alike::Alerts { alert: alert.alert.clone(), state: alert.state };
                self.gather(entry, alike, alert_name(alert));
            }
            Event::Rules(status) if !status.failing.is_empty() => self.say(entry, Sentence::of(&entry.event)),
            // Told at the top and at the foot of the report, or the cause of what is told.
            Event::RunStarted(_)
            | Event::Scaled(_)
            | Event::Rules(_)
            | Event::Resource(_)
            | Event::NotSimulated(_) => {}
        }
    }

    fn say(&mut self, entry: &Entry, sentence: Sentence) {
        self.close_all();
        self.lines.push(line(entry, sentence));
    }

    fn commit(&mut self, entry: &Entry, commit: &Commit) {
        match commit.reason {
            CommitReason::Initial => {}
            CommitReason::Merge | CommitReason::Revert => self.say(entry, Sentence::of(&entry.event)),
        }
    }

    fn synced(&mut self, entry: &Entry, synced: &ResourceSynced) {
        match synced.outcome {
            SyncOutcome::Unchanged => {}
            SyncOutcome::Failed => self.say(entry, Sentence::of(&entry.event)),
            SyncOutcome::Created | SyncOutcome::Configured | SyncOutcome::Pruned => {
                let alike =
                    Alike::Synced { application: synced.application.clone(), outcome: synced.outcome };
                self.gather(entry, alike, resource(&synced.resource));
            }
        }
    }

    fn pod(&mut self, entry: &Entry, pod: &PodStatus) {
        let told = match pod.phase {
            PodPhase::Ready | PodPhase::NotReady => true,
            PodPhase::Pending | PodPhase::Waiting => is_trouble(&pod.reason),
            PodPhase::Started | PodPhase::Terminating | PodPhase::Deleted => false,
        };
        if told {
            let (role, phase) = (pod.role, pod.phase);
            let alike = Alike::Pods { role, phase, model: pod.model.clone(), reason: pod.reason.clone() };
            self.gather(entry, alike, pod.pod.clone());
        }
    }

    fn measured(&mut self, entry: &Entry, measured: &Measurement) {
        let key = (measured.run.clone(), measured.metric.clone());
        if measured.phase == AnalysisPhase::Successful
            && let Some((count, value)) = self.as_before.get_mut(&key)
        {
            *count += 1;
            value.clone_from(&measured.value);
            return;
        }
        self.tell_as_before(entry, &key);
        if measured.phase == AnalysisPhase::Successful {
            self.as_before.insert(key, (0, String::new()));
        }
        self.say(entry, Sentence::of(&entry.event));
    }

    /// Tells of the measurements that went as the one told before them.
    fn tell_as_before(&mut self, entry: &Entry, key: &(String, String)) {
        if let Some((count @ 1.., value)) = self.as_before.remove(key) {
            let times = if count == 1 { "once more".into() } else { format!("{count} times more") };
            let value = if value.is_empty() { String::new() } else { format!(", last {value}") };
            self.say(entry, Sentence::new(Mark::Good, format!("{} passed {times}{value}", key.1)));
        }
    }

    fn finish_measurements(&mut self, entry: &Entry, run: &str, phase: AnalysisPhase) {
        if matches!(phase, AnalysisPhase::Pending | AnalysisPhase::Running) {
            return;
        }
        let keys: Vec<_> = self.as_before.keys().filter(|(name, _)| name == run).cloned().collect();
        for key in keys {
            self.tell_as_before(entry, &key);
        }
    }

    /// A warning is told once; those of a Rollout and its analysis repeat what is told already.
    fn recorded(&mut self, entry: &Entry, event: &Recorded) {
        let told_already = matches!(event.resource.kind.as_str(), "Rollout" | "AnalysisRun");
        let key = (resource(&event.resource), event.reason.clone());
        if event.warning && !told_already && self.warnings.insert(key, ()).is_none() {
            self.say(entry, Sentence::of(&entry.event));
        }
    }

    fn gather(&mut self, entry: &Entry, alike: Alike, name: String) {
        let (at, source) = (entry.at, entry.source);
        if self.groups.iter().any(|group| at.since(group.last) > TOGETHER) {
            self.close_all();
        }
        match self.groups.iter_mut().find(|group| group.alike == alike) {
            Some(group) => {
                group.last = at;
                if !group.names.contains(&name) {
                    group.names.push(name);
                }
            }
            None => self.groups.push(Group { alike, source, first: at, last: at, names: vec![name] }),
        }
    }

    fn close_all(&mut self) {
        let mut groups = std::mem::take(&mut self.groups);
        groups.sort_by_key(|group| group.last);
        for group in groups {
            self.lines.push(Line { at: group.last, source: group.source, sentence: group.sentence() });
        }
    }
}

impl Group {
    fn sentence(&self) -> Sentence {
        let since = if clock(self.first) == clock(self.last) {
            String::new()
        } else {
            format!(", the first at {}", clock(self.first))
        };
        match &self.alike {
            Alike::Pods { role, phase, model, reason } => {
                let of = match role {
                    Role::Stable => "stable pod",
                    Role::Canary => "canary pod",
                    Role::Other => "pod",
                };
                let model = model.as_ref().map_or(String::new(), |model| format!(" ({model})"));
                let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                let mark = if *phase == PodPhase::Ready { Mark::None } else { Mark::Open };
                let text = format!("{} {phase}{model}{since}{reason}", counted(self.names.len(), of));
                Sentence::new(mark, text)
            }
            Alike::Synced { application, outcome: done } => {
                let names = match self.names.len() {
                    0..=MAX_NAMES => self.names.join(", "),
                    many => counted(many, "resource"),
                };
                Sentence::new(Mark::None, format!("{application}: {} {names}{since}", outcome(*done)))
            }
            Alike::Alerts { alert, state } => {
                let names = match self.names.len() {
                    0..=MAX_NAMES => self.names.join("; "),
                    many => format!("{many} of them"),
                };
                let text = format!("alert {alert} {}{since}", alert_verb(*state));
                Sentence::new(alert_mark(*state), with_message(text, &names))
            }
        }
    }
}

/// Whether a pod waits for another reason than the ordinary ones of a start.
fn is_trouble(reason: &str) -> bool {
    !matches!(reason, "" | "ContainerCreating" | "PodInitializing" | "Scheduled")
}

#[cfg(test)]
mod tests;
