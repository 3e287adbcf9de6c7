//! What changed between two states, in words; nothing where only numbers of pods did.

use timeline::{ApplicationStatus, OperationPhase, RolloutStatus, RolloutVersion};

use crate::numbers::short_commit;
use crate::sentence::{Mark, Sentence, phase_mark, step_text, with_message};

pub(super) fn of_application(
    before: Option<&ApplicationStatus>,
    now: &ApplicationStatus,
) -> Option<Sentence> {
    let mut parts: Vec<String> = Vec::new();
    let mut mark = Mark::None;
    if before.is_none_or(|before| before.sync != now.sync || before.revision != now.revision) {
        let at = if now.revision.is_empty() {
            String::new()
        } else {
            format!(" at {}", short_commit(&now.revision))
        };
        parts.push(format!("{}{at}", now.sync));
    }
    if before.is_none_or(|before| before.health != now.health) {
        parts.push(now.health.to_string());
    }
    let phase = |status: &ApplicationStatus| {
        status
            .operation
            .as_ref()
            .map(|operation| (operation.phase, operation.retries, operation.self_heal_attempts))
    };
    if let Some(operation) = &now.operation
        && before.and_then(phase) != phase(now)
    {
        let heals = if operation.self_heal_attempts > 0 { " (self-heal)" } else { "" };
        let text = match operation.phase {
            OperationPhase::Running if operation.retries > 0 => {
                format!("sync retry {}{heals}", operation.retries)
            }
            OperationPhase::Running => format!("sync starts{heals}"),
            OperationPhase::Succeeded => format!("sync succeeded{heals}"),
            OperationPhase::Failed => with_message(format!("sync failed{heals}"), &operation.message),
            OperationPhase::Error => with_message(format!("sync error{heals}"), &operation.message),
        };
        if matches!(operation.phase, OperationPhase::Failed | OperationPhase::Error) {
            mark = Mark::Bad;
        }
        parts.push(text);
    }
    let known = |condition: &String| before.is_some_and(|before| before.conditions.contains(condition));
    parts.extend(now.conditions.iter().filter(|condition| !known(condition)).cloned());
    let text = parts.join(", ");
    (!text.is_empty()).then(|| Sentence::new(mark, format!("{}: {text}", now.application)))
}

pub(super) fn of_rollout(before: Option<&RolloutStatus>, now: &RolloutStatus) -> Option<Sentence> {
    let said = |before: &RolloutStatus| before.message == now.message;
    let name = &now.name;
    let revision = |version: &Option<RolloutVersion>| version.as_ref().map(|version| version.revision);
    let Some(before) = before else {
        return Some(Sentence::new(Mark::None, with_message(format!("{name}: {}", now.phase), &now.message)));
    };
    if now.aborted && !before.aborted {
        let at = before.step.map_or(String::new(), |step| format!(" at step {step}"));
        return Some(Sentence::new(Mark::Bad, with_message(format!("{name}: ABORTED{at}"), &now.message)));
    }
    if now.invalid && !before.invalid {
        return Some(Sentence::new(Mark::Bad, with_message(format!("{name}: INVALID"), &now.message)));
    }
    if revision(&now.canary) != revision(&before.canary)
        && let Some(canary) = &now.canary
    {
        let step = step_text(now).map_or(String::new(), |step| format!(", {step}"));
        return Some(Sentence::new(
            Mark::None,
            format!("{name}: update to revision {}{step}", canary.revision),
        ));
    }
    if now.promoted() && !before.promoted() {
        return Some(Sentence::new(Mark::Good, format!("{name}: {}", arrival(before, now))));
    }
    if now.canary.is_some() && !now.aborted && (now.step, before.aborted) != (before.step, false) {
        let step = step_text(now).unwrap_or_else(|| "no steps".into());
        return Some(Sentence::new(Mark::None, format!("{name}: {step}, weight {}", now.weight)));
    }
    let speaks = now.phase != before.phase || (!said(before) && phase_mark(now.phase) == Mark::Bad);
    speaks.then(|| {
        Sentence::new(phase_mark(now.phase), with_message(format!("{name}: {}", now.phase), &now.message))
    })
}

/// How a Rollout came to run nothing but its stable version.
fn arrival(before: &RolloutStatus, now: &RolloutStatus) -> String {
    let revision = now.stable.as_ref().map_or(0, |stable| stable.revision);
    let hash = |version: &Option<RolloutVersion>| version.as_ref().map(|version| version.hash.clone());
    if before.stable.as_ref().is_none_or(|stable| stable.models.is_empty()) {
        format!("deployed, revision {revision} is stable")
    } else if hash(&before.stable) == hash(&now.stable) && before.canary.is_some() {
        format!("back at the stable version, as revision {revision}")
    } else {
        format!("Healthy, revision {revision} is stable")
    }
}
