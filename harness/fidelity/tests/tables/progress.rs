//! Where a Rollout is (`utils/rollout`, `utils/conditions`).

use manifests::objects::{Rollout, Step};
use serde_json::{Value, json};
use simulator::conformance::rollouts::{self as ours, Progress};

use super::questions::read;
use super::questions::status::{state, time};
use super::{Answers, Call, Compared};

pub(super) fn phase(call: &Call) -> Compared {
    let rollout: Rollout = read(&json!({"metadata": {}, "spec": call.inputs[0]}))?;
    // Which generation was seen plays no part, and was a hash in old versions.
    let mut status = call.inputs[1].clone();
    status["observedGeneration"] = Value::Null;
    let (phase, message) = ours::phase(&rollout, &state(&status)?);
    Ok(Answers {
        upstream: json!([call.output(0)?, call.output(1)?]),
        ours: json!([phase.to_string(), message]),
    })
}

pub(super) fn current_step(call: &Call) -> Compared {
    let rollout: Rollout = read(&call.inputs[0])?;
    let (step, index) = ours::current_step(&rollout, &state(&call.inputs[0]["status"])?);
    let upstream: Option<Step> = read(call.output(0)?)?;
    Ok(Answers {
        upstream: json!([format!("{:?}", upstream.as_ref()), call.output(1)?]),
        ours: json!([format!("{step:?}"), index]),
    })
}

pub(super) fn waiting_indefinitely(call: &Call) -> Compared {
    let rollout: Rollout = read(&call.inputs[0])?;
    answers(call, ours::is_waiting_indefinitely(&rollout, &state(&call.inputs[0]["status"])?))
}

pub(super) fn step(call: &Call) -> Compared {
    let step: Step = read(&call.inputs[0])?;
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(ours::step_text(&step)) })
}

pub(super) fn progressing(call: &Call) -> Compared {
    answers(call, progress(call)?.progressing)
}

pub(super) fn healthy(call: &Call) -> Compared {
    if call.inputs[0]["metadata"]["generation"].is_null() {
        return Err("the Rollout has no generation, which every object of an API server has".to_owned());
    }
    answers(call, progress(call)?.healthy)
}

pub(super) fn timed_out(call: &Call) -> Compared {
    answers(call, progress(call)?.timed_out)
}

pub(super) fn completed(call: &Call) -> Compared {
    answers(call, state(&call.inputs[0])?.is_completed())
}

fn answers(call: &Call, ours: bool) -> Compared {
    Ok(Answers { upstream: call.output(0)?.clone(), ours: Value::Bool(ours) })
}

fn progress(call: &Call) -> Result<Progress, String> {
    let [rollout, after] = &call.inputs[..] else { unreachable!("the function has two inputs") };
    let generation = rollout["metadata"]["generation"].as_u64().unwrap_or(0);
    let (before, after) = (state(&rollout["status"])?, state(after)?);
    Ok(ours::progress(&read::<Rollout>(rollout)?, generation, &before, &after, time(&call.now)))
}
