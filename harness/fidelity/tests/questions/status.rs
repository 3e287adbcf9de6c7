//! The status of a Rollout as upstream writes it, and as the simulator keeps it.

use serde_json::Value;
use simulator::rollouts::{
    BlueGreenState, Condition, ConditionKind, ConditionStatus, PauseCondition, PauseReason, Reason,
    RolloutState, RunReference, TrafficWeights, WeightDestination,
};
use timeline::AnalysisPhase;
use units::Time;

/// The state that the simulator keeps for what upstream keeps in the status.
///
/// # Errors
/// What the simulator has nothing for.
pub(crate) fn state(status: &Value) -> Result<RolloutState, String> {
    let list = |key: &str| status[key].as_array().cloned().unwrap_or_default();
    Ok(RolloutState {
        observed_generation: text(status, "observedGeneration").map_or(Ok(0), number)?,
        conditions: list("conditions").iter().map(condition).collect::<Result<_, _>>()?,
        pause_conditions: list("pauseConditions").iter().map(pause).collect::<Result<_, _>>()?,
        abort: status["abort"].as_bool().unwrap_or(false),
        promote_full: status["promoteFull"].as_bool().unwrap_or(false),
        current_pod_hash: text(status, "currentPodHash").map(Into::into),
        stable_rs: text(status, "stableRS").map(Into::into),
        current_step_index: status["currentStepIndex"].as_u64().map(|index| index as u32),
        current_step_hash: text(status, "currentStepHash").map(str::to_owned),
        restarted_at: text(status, "restartedAt").map(str::to_owned),
        weights: weights(&status["canary"]["weights"]),
        blue_green: blue_green(&status["blueGreen"])?,
        replicas: count(status, "replicas")?,
        updated: count(status, "updatedReplicas")?,
        ready: count(status, "readyReplicas")?,
        available: count(status, "availableReplicas")?,
        ..RolloutState::default()
    })
}

/// A text; an empty one is none.
fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value[key].as_str().filter(|text| !text.is_empty())
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("an observedGeneration {text:?}"))
}

fn count(status: &Value, key: &str) -> Result<u32, String> {
    let count = status[key].as_i64().unwrap_or(0);
    u32::try_from(count).map_err(|_| format!("{count} {key}"))
}

fn pause(written: &Value) -> Result<PauseCondition, String> {
    use PauseReason::{BlueGreenPause, CanaryPauseStep, InconclusiveAnalysisRun, InconclusiveExperiment};
    let known = [CanaryPauseStep, InconclusiveAnalysisRun, InconclusiveExperiment, BlueGreenPause];
    let found = known.into_iter().find(|reason| written["reason"] == reason.name());
    let reason = found.ok_or_else(|| format!("a pause with the reason {}", written["reason"]))?;
    Ok(PauseCondition { reason, start: time(&written["startTime"]) })
}

/// The weights of a router.
pub(crate) fn weights(written: &Value) -> Option<TrafficWeights> {
    let destination = |written: &Value| WeightDestination {
        weight: written["weight"].as_i64().unwrap_or(0) as i32,
        service: String::new(),
        hash: text(written, "podTemplateHash").unwrap_or_default().into(),
    };
    (!written.is_null()).then(|| TrafficWeights {
        canary: destination(&written["canary"]),
        stable: destination(&written["stable"]),
        additional: Vec::new(),
    })
}

fn blue_green(written: &Value) -> Result<BlueGreenState, String> {
    let hash = |key: &str| text(written, key).map(Into::into);
    let run = &written["postPromotionAnalysisRunStatus"];
    let reference = |name: &str| {
        let phase = text(run, "status").map(phase).transpose()?;
        Ok::<_, String>(RunReference { name: name.into(), phase, message: String::new() })
    };
    let post_run =
        (!run.is_null()).then(|| reference(run["name"].as_str().unwrap_or_default())).transpose()?;
    let (active, preview) = (hash("activeSelector"), hash("previewSelector"));
    Ok(BlueGreenState { active, preview, post_run, ..BlueGreenState::default() })
}

/// The phase of a run, a metric or a measurement.
pub(crate) fn phase(name: &str) -> Result<AnalysisPhase, String> {
    use AnalysisPhase::{Error, Failed, Inconclusive, Pending, Running, Successful};
    let known = [Successful, Failed, Error, Inconclusive, Pending, Running];
    known.into_iter().find(|phase| phase.to_string() == name).ok_or_else(|| format!("a phase {name:?}"))
}

const KINDS: &[(&str, ConditionKind)] = &[
    ("Progressing", ConditionKind::Progressing),
    ("Paused", ConditionKind::Paused),
    ("Available", ConditionKind::Available),
    ("Healthy", ConditionKind::Healthy),
    ("Completed", ConditionKind::Completed),
    ("InvalidSpec", ConditionKind::InvalidSpec),
];

const REASONS: &[(&str, Reason)] = &[
    ("NewReplicaSetCreated", Reason::NewReplicaSetCreated),
    ("ReplicaSetUpdated", Reason::ReplicaSetUpdated),
    ("ReplicaSetNotAvailable", Reason::ReplicaSetNotAvailable),
    ("NewReplicaSetAvailable", Reason::NewReplicaSetAvailable),
    ("RolloutPaused", Reason::RolloutPaused),
    ("RolloutResumed", Reason::RolloutResumed),
    ("RolloutRetry", Reason::RolloutRetry),
    ("RolloutAborted", Reason::RolloutAborted),
    ("ProgressDeadlineExceeded", Reason::ProgressDeadlineExceeded),
    ("AvailableReason", Reason::AvailableReason),
    ("RolloutHealthy", Reason::RolloutHealthy),
    ("RolloutCompleted", Reason::RolloutCompleted),
    ("InvalidSpec", Reason::InvalidSpec),
];

fn condition(written: &Value) -> Result<Condition, String> {
    let kind = KINDS.iter().find(|(name, _)| written["type"] == *name);
    let reason = REASONS.iter().find(|(name, _)| written["reason"] == *name);
    let (Some((_, kind)), Some((_, reason))) = (kind, reason) else {
        return Err(format!("a condition {} with the reason {}", written["type"], written["reason"]));
    };
    Ok(Condition {
        kind: *kind,
        status: match written["status"].as_str() {
            Some("True") => ConditionStatus::True,
            Some("False") => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        },
        reason: *reason,
        message: written["message"].as_str().unwrap_or_default().to_owned(),
        updated: time(&written["lastUpdateTime"]),
        transitioned: time(&written["lastTransitionTime"]),
    })
}

/// A time in UTC, counted from 1970; the start for none.
pub(crate) fn time(written: &Value) -> Time {
    let Some(text) = written.as_str() else { return Time::ZERO };
    let part = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap_or_else(|_| panic!("{text}"));
    // Years from March on, so that the leap day is the last of a year.
    let (month, year) = ((part(5, 7) + 9) % 12, part(0, 4) - i64::from(part(5, 7) <= 2));
    let days =
        year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + part(8, 10) - 719_469;
    let seconds = days * 86_400 + part(11, 13) * 3_600 + part(14, 16) * 60 + part(17, 19);
    let fraction = text[19..].trim_start_matches('.').trim_end_matches('Z');
    let nanos: u64 = format!("{fraction:0<9}").parse().unwrap_or_else(|_| panic!("{text}"));
    Time::from_nanos(u64::try_from(seconds).unwrap_or(0) * 1_000_000_000 + nanos)
}
