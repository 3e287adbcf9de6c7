//! What the analysis had to do with the end of an update.

use std::collections::BTreeSet;

use crate::judge::Finding;
use crate::moment::{Run, Seen};
use crate::{AnalysisPhase, AnalysisRunStatus, Entry, Event, Measurement, RolloutStatus, words};

/// The entries of one update of a Rollout that ends with the entry at `end`.
///
/// An update is recognised by the number of its pod template and ends early at an abort, so that a
/// retry is an update of its own.
pub(crate) struct Update<'a> {
    status: &'a RolloutStatus,
    entries: &'a [Entry],
    begin: usize,
}

impl<'a> Update<'a> {
    /// The update that ends at this entry; `None` where the entry is not about a Rollout.
    pub(crate) fn ending_at(entries: &'a [Entry], end: usize) -> Option<Self> {
        let Event::Rollout(status) = &entries[end].event else { return None };
        let earlier =
            entries[..end].iter().enumerate().rev().filter_map(|(index, entry)| match &entry.event {
                Event::Rollout(other) if same_rollout(other, status) => Some((index, other)),
                _ => None,
            });
        let within = earlier.take_while(|(_, other)| revision(other) == revision(status) && !other.aborted);
        let begin = within.last().map_or(end, |(index, _)| index);
        Some(Self { status, entries: &entries[..end], begin })
    }

    /// The state of the Rollout just before the end.
    pub(crate) fn before_its_end(&self) -> Option<&'a RolloutStatus> {
        self.entries[self.begin..].iter().rev().find_map(|entry| match &entry.event {
            Event::Rollout(status) if same_rollout(status, self.status) => Some(status),
            _ => None,
        })
    }

    fn positions(&self) -> impl DoubleEndedIterator<Item = (usize, &'a Event)> + use<'a> {
        self.entries.iter().enumerate().skip(self.begin).map(|(index, entry)| (index, &entry.event))
    }

    fn measurements(&self) -> impl DoubleEndedIterator<Item = (usize, &'a Measurement)> + use<'a> {
        let status = self.status;
        self.positions().filter_map(move |(index, event)| match event {
            Event::Measurement(measured)
                if measured.namespace == status.namespace && measured.rollout == status.name =>
            {
                Some((index, measured))
            }
            _ => None,
        })
    }

    fn runs(&self) -> impl DoubleEndedIterator<Item = (usize, &'a AnalysisRunStatus)> + use<'a> {
        let status = self.status;
        self.positions().filter_map(move |(index, event)| match event {
            Event::AnalysisRun(run) if run.namespace == status.namespace && run.rollout == status.name => {
                Some((index, run))
            }
            _ => None,
        })
    }

    /// The failed measurements that ended the analysis, all of the same run and instant, first the one that
    /// the run's message names, and the entry in which the run failed.
    pub(crate) fn cause(&self) -> Cause<'a> {
        let run = self.runs().rev().find(|(_, run)| is_bad(run.phase));
        let of_run = |measured: &Measurement| run.is_none_or(|(_, run)| run.name == measured.run);
        let mut failed =
            self.measurements().rev().filter(|(_, measured)| is_bad(measured.phase) && of_run(measured));
        let last = failed.next();
        let together = failed.filter(|(index, measured)| {
            last.is_some_and(|(last, latest)| {
                self.entries[*index].at == self.entries[last].at && measured.run == latest.run
            })
        });
        let mut measurements: Vec<_> = last.into_iter().chain(together.collect::<Vec<_>>()).collect();
        let named = |metric: &str| run.is_some_and(|(_, run)| run.message.contains(&format!("\"{metric}\"")));
        measurements.sort_by_key(|(_, measured)| !named(&measured.metric));
        Cause { measurements, run: run.map(|(index, _)| index) }
    }
}

/// What made an analysis fail.
pub(crate) struct Cause<'a> {
    pub(crate) measurements: Vec<(usize, &'a Measurement)>,
    pub(crate) run: Option<usize>,
}

fn is_bad(phase: AnalysisPhase) -> bool {
    match phase {
        AnalysisPhase::Failed | AnalysisPhase::Error => true,
        AnalysisPhase::Pending
        | AnalysisPhase::Running
        | AnalysisPhase::Successful
        | AnalysisPhase::Inconclusive => false,
    }
}

fn same_rollout(a: &RolloutStatus, b: &RolloutStatus) -> bool {
    a.name == b.name && a.namespace == b.namespace
}

/// The number of the pod template that the Rollout is on its way to, or at.
fn revision(status: &RolloutStatus) -> Option<u64> {
    status.canary.as_ref().or(status.stable.as_ref()).map(|version| version.revision)
}

/// The answer to `because: metric`: the abort must have been caused by a measurement of this metric.
pub(crate) fn because(run: Run, aborted: Seen, metric: &str, when: &str) -> Finding {
    let entries = &run.timeline.entries;
    let Some(update) = Update::ending_at(entries, aborted.index) else {
        return Finding::inconclusive("`because` speaks of a Rollout's analysis, and this is not a Rollout");
    };
    let cause = update.cause();
    let of_metric = cause.measurements.iter().find(|(_, measured)| measured.metric == metric);
    let finding = match (of_metric, cause.measurements.first()) {
        (Some((_, measured)), _) => Finding::passed(format!("at {when}: {}", measured_words(measured))),
        (None, Some((_, other))) => {
            Finding::failed(format!("at {when}, but not because of {metric}: {}", measured_words(other)))
        }
        (None, None) => {
            let said = &update.status.message;
            let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
            Finding::failed(format!("at {when}, but no measurement had failed before{said}"))
        }
    };
    let deciding = of_metric.or(cause.measurements.first()).map(|(index, _)| *index);
    finding.at(aborted.at).because_of(deciding).because_of(cause.run).because_of([aborted.index])
}

/// Why a promotion is no evidence that the version is good: its gate passed without samples.
///
/// A gate that an operator skipped (`promote_full`) was not leaned on.
pub(crate) fn without_samples(run: Run, promoted: Seen) -> Option<Finding> {
    let update = Update::ending_at(&run.timeline.entries, promoted.index)?;
    let skipped = update
        .positions()
        .any(|(_, event)| matches!(event, Event::ActionPerformed(action) if action.action == "promote_full"));
    let measurements: Vec<_> = update.measurements().collect();
    let saw_nothing = measurements.iter().all(|(_, measured)| {
        measured.phase == AnalysisPhase::Successful
            && measured.evidence.as_ref().is_some_and(|seen| seen.series == 0 || seen.requests <= 0.0)
    });
    let last_run = update.runs().last();
    if skipped || !saw_nothing || (measurements.is_empty() && last_run.is_none()) {
        return None;
    }
    let message = if measurements.is_empty() {
        format!("promoted at {}, but its analysis measured nothing", promoted.at)
    } else {
        let metrics: BTreeSet<&str> =
            measurements.iter().map(|(_, measured)| measured.metric.as_str()).collect();
        let metrics: Vec<_> = metrics.into_iter().collect();
        format!(
            "promoted at {}, but the gate saw no samples: {} of {} passed without a series or a request to look at",
            promoted.at,
            words::counted(measurements.len(), "measurement"),
            metrics.join(", ")
        )
    };
    Some(
        Finding::inconclusive(message)
            .at(promoted.at)
            .because_of(measurements.iter().map(|(index, _)| *index))
            .because_of(last_run.map(|(index, _)| index))
            .because_of([promoted.index]),
    )
}

/// "inference-latency measured [0.87] (wanted: result < 0.5), 412 requests".
fn measured_words(measured: &Measurement) -> String {
    let Measurement { metric, value, condition, message, evidence, phase, .. } = measured;
    let outcome = match (value.is_empty(), message.is_empty()) {
        (false, _) => format!("measured {value}"),
        (true, false) => format!("could not be measured: {message}"),
        (true, true) => format!("was {phase}"),
    };
    let condition = if condition.is_empty() { String::new() } else { format!(" ({condition})") };
    let requests =
        evidence.as_ref().map_or(String::new(), |seen| format!(", over {:.0} requests", seen.requests));
    format!("{metric} {outcome}{condition}{requests}")
}
