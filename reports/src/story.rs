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
mod tests {
    use timeline::testing::{Recorder, healthy, measurement, saw, updating, version};
    use timeline::{AnalysisPhase, Requests, ResourceName};

    use super::*;

    /// The story as lines of clock and text.
    #[track_caller]
    fn check(recorder: Recorder, expected: &[&str]) {
        let lines = tell(&recorder.settled(999_000), Detail::Story);
        let told: Vec<String> = lines
            .iter()
            .map(|line| format!("{} {} {}", clock(line.at), line.sentence.mark.sign(), line.sentence.text))
            .collect();
        assert_eq!(told[..told.len() - 1], *expected);
    }

    fn pod(name: &str, phase: PodPhase, reason: &str) -> Event {
        Event::Pod(PodStatus {
            namespace: "ai".into(),
            pod: name.into(),
            replica_set: "rs".into(),
            role: Role::Canary,
            phase,
            model: Some("3.2".into()),
            reason: reason.into(),
        })
    }

    #[test]
    fn pods_that_are_alike_are_told_as_one() {
        let kubernetes = Source::Kubernetes;
        let recorder = Recorder::new()
            .at(1_000, kubernetes, pod("a", PodPhase::Pending, ""))
            .at(2_000, kubernetes, pod("a", PodPhase::Waiting, "ContainerCreating"))
            .at(3_000, kubernetes, pod("a", PodPhase::Ready, ""))
            .at(5_000, kubernetes, pod("b", PodPhase::Ready, ""))
            .at(5_000, kubernetes, pod("b", PodPhase::Ready, ""))
            .at(90_000, kubernetes, pod("a", PodPhase::NotReady, "readiness probe failed"))
            .at(
                91_000,
                kubernetes,
                pod("c", PodPhase::Pending, "0/4 nodes are available: 4 Insufficient nvidia.com/gpu"),
            );
        check(
            recorder,
            &[
                "00:05   2 canary pods ready (3.2), the first at 00:03",
                "01:30 ? 1 canary pod not ready (3.2): readiness probe failed",
                "01:31 ? 1 canary pod pending (3.2): 0/4 nodes are available: 4 Insufficient nvidia.com/gpu",
            ],
        );
    }

    fn alert(pod: &str, state: AlertState) -> Event {
        Event::Alert(timeline::AlertStatus {
            namespace: "ai".into(),
            rules: "serving".into(),
            group: "g".into(),
            alert: "Unreachable".into(),
            state,
            labels: BTreeMap::from([("pod".to_owned(), pod.to_owned())]),
            annotations: BTreeMap::from([("summary".to_owned(), format!("{pod} does not answer"))]),
            value: "0".into(),
            active_at: Time::ZERO,
        })
    }

    #[test]
    fn an_alert_is_told_from_pending_to_its_end_and_not_where_it_never_fired() {
        let states = |recorder: Recorder, list: &[(u64, &str, AlertState)]| {
            list.iter().fold(recorder, |recorder, (at, pod, state)| {
                recorder.at(*at, Source::Prometheus, alert(pod, *state))
            })
        };
        let (pending, firing, over) = (AlertState::Pending, AlertState::Firing, AlertState::Inactive);
        let recorder = states(
            Recorder::new(),
            &[
                (10_000, "a", pending),
                (20_000, "b", pending),
                (60_000, "a", over),
                (140_000, "b", firing),
                (200_000, "b", over),
                (300_000, "a", pending),
            ],
        );
        check(
            recorder,
            &[
                "00:20 ? alert Unreachable is pending: b does not answer",
                "02:20 ✗ alert Unreachable fires: b does not answer",
                "03:20   alert Unreachable is over: pod=b",
                "05:00 ? alert Unreachable is pending: a does not answer",
            ],
        );
        let pods = ["a", "b", "c", "d", "e"];
        let many = states(Recorder::new(), &pods.map(|pod| (10_000, pod, firing)));
        check(many, &["00:10 ✗ alert Unreachable fires: 5 of them"]);
    }

    #[test]
    fn rules_are_told_where_they_fail() {
        let rules = |failing: &[&str]| {
            Event::Rules(timeline::RulesStatus {
                namespace: "ai".into(),
                name: "serving".into(),
                alerts: vec!["Slow".into()],
                records: Vec::new(),
                failing: failing.iter().map(ToString::to_string).collect(),
            })
        };
        let recorder = Recorder::new().at(10_000, Source::Prometheus, rules(&[])).at(
            40_000,
            Source::Prometheus,
            rules(&["Slow: many-to-many matching not allowed"]),
        );
        check(recorder, &["00:40 ? rules of serving fail: Slow: many-to-many matching not allowed"]);
    }

    #[test]
    fn measurements_that_go_as_before_are_counted() {
        let passed = |recorder: Recorder, at| {
            recorder.measured(at, "latency", AnalysisPhase::Successful, Some(saw(2, 1_500.0)))
        };
        let recorder = (1..=5).fold(Recorder::new(), |recorder, minute| passed(recorder, minute * 60_000));
        let recorder = recorder.measured(360_000, "latency", AnalysisPhase::Inconclusive, None);
        let recorder =
            passed(passed(recorder, 420_000), 480_000).analysis(490_000, AnalysisPhase::Successful);
        let first = "✓ latency = [0.87] (condition result < 0.5; 1,500 requests in 2 series)";
        check(
            recorder,
            &[
                &format!("01:00 {first}"),
                "06:00 ✓ latency passed 4 times more, last [0.87]",
                "06:00 ? latency = [0.87] Inconclusive (condition result < 0.5)",
                &format!("07:00 {first}"),
                "08:10 ✓ latency passed once more, last [0.87]",
                "08:10 ✓ analysis of step 2 passed",
            ],
        );
    }

    #[test]
    fn a_measurement_that_could_not_be_made_says_why() {
        let mut broken = measurement("latency", AnalysisPhase::Error, None);
        (broken.value, broken.message) = (String::new(), "connection refused".into());
        let recorder = Recorder::new().at(1_000, Source::Analysis, Event::Measurement(broken));
        check(recorder, &["00:01 ✗ latency Error (condition result < 0.5): connection refused"]);
    }

    #[test]
    fn a_warning_is_told_once_and_what_a_rollout_says_anyway_is_not() {
        let warning = |kind: &str, reason: &str| {
            let resource = ResourceName { kind: kind.into(), namespace: "ai".into(), name: "x".into() };
            Event::Recorded(Recorded {
                resource,
                warning: true,
                reason: reason.into(),
                message: "it fails".into(),
            })
        };
        let recorder = Recorder::new()
            .at(1_000, Source::Kubernetes, warning("Pod", "BackOff"))
            .at(2_000, Source::Kubernetes, warning("Pod", "BackOff"))
            .at(3_000, Source::Rollouts, warning("Rollout", "RolloutAborted"));
        check(recorder, &["00:01 ? Pod x: BackOff: it fails"]);
    }

    #[test]
    fn an_update_is_told_by_its_steps_and_its_end() {
        let (old, new) = (|| version(1, "3.1"), || version(2, "3.2"));
        let mut more_pods = updating(old(), new(), 1);
        more_pods.stable.as_mut().unwrap().ready = 9;
        let recorder = Recorder::new()
            .rollout(1_000, healthy(old()))
            .rollout(2_000, updating(old(), new(), 0))
            .rollout(3_000, updating(old(), new(), 1))
            .rollout(4_000, more_pods)
            .rollout(5_000, healthy(new()));
        check(
            recorder,
            &[
                "00:01   serving: Healthy",
                "00:02   serving: update to revision 2, step 0/4 (step text 0)",
                "00:03   serving: step 1/4 (step text 1), weight 10",
                "00:05 ✓ serving: Healthy, revision 2 is stable",
            ],
        );
    }

    #[test]
    fn requests_are_told_by_step_and_where_no_pod_was_ready() {
        let nobody = Event::Requests(Requests {
            service: "serving".into(),
            owner: String::new(),
            role: Role::Other,
            model: String::new(),
            step: None,
            since: Time::ZERO,
            total: 40.0,
            failed: 40.0,
            slow: 0.0,
            wrong: 0.0,
            truncated: 0.0,
            hurt: 40.0,
        });
        let recorder = Recorder::new()
            .at(10_000, Source::Clients, nobody)
            .requests(10_000, 20_000, Role::Canary, "3.2", 100.0, 1.0)
            .requests(10_000, 20_000, Role::Stable, "3.1", 900.0, 0.0)
            .requests(20_000, 30_000, Role::Canary, "3.2", 100.0, 2.0);
        check(
            recorder,
            &[
                "00:10 ✗ 40 requests to serving found no ready pod",
                "00:30   the canary 3.2 answered 200 requests at step 1: 3 hurt (1.5%)",
            ],
        );
    }

    #[test]
    fn an_application_is_told_by_what_changed() {
        use timeline::{HealthStatus, Operation, OperationPhase, SyncStatus};
        let status =
            |sync, health, revision: &str, operation: Option<(OperationPhase, u64, u64)>, said: &[&str]| {
                Event::Application(ApplicationStatus {
                    application: "llama3".into(),
                    sync,
                    health,
                    revision: revision.into(),
                    operation: operation.map(|(phase, retries, self_heal_attempts)| Operation {
                        phase,
                        message: "one object failed".into(),
                        revision: revision.into(),
                        retries,
                        self_heal_attempts,
                    }),
                    conditions: said.iter().map(ToString::to_string).collect(),
                    resources: vec!["ConfigMap x: OutOfSync".into()],
                })
            };
        use HealthStatus::{Degraded, Healthy};
        use OperationPhase::{Failed, Running, Succeeded};
        use SyncStatus::{OutOfSync, Synced};
        let recorder = [
            status(Synced, Healthy, "aaa", None, &[]),
            status(Synced, Healthy, "aaa", None, &[]),
            status(OutOfSync, Healthy, "bbb", Some((Running, 0, 0)), &[]),
            status(OutOfSync, Healthy, "bbb", Some((Running, 1, 0)), &[]),
            status(OutOfSync, Degraded, "bbb", Some((Failed, 1, 0)), &["SyncError: no such kind"]),
            status(Synced, Degraded, "bbb", Some((Succeeded, 0, 1)), &["SyncError: no such kind"]),
        ]
        .into_iter()
        .fold(Recorder::new(), |recorder, event| recorder.at(1_000, Source::ArgoCd, event));
        check(
            recorder,
            &[
                "00:01   llama3: Synced at aaa, Healthy",
                "00:01   llama3: OutOfSync at bbb, sync starts",
                "00:01   llama3: sync retry 1",
                "00:01 ✗ llama3: Degraded, sync failed: one object failed, SyncError: no such kind",
                "00:01   llama3: Synced at bbb, sync succeeded (self-heal)",
            ],
        );
    }
}
