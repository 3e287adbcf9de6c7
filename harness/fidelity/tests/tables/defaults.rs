//! How long pods stay (`utils/defaults`).

use manifests::objects::Rollout;
use serde_json::json;

use super::questions::read;
use super::{Answers, Call, Compared};

pub(super) fn scale_down_delay(call: &Call) -> Compared {
    let rollout: Rollout = read(&call.inputs[0])?;
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(rollout.scale_down_delay().as_nanos()) })
}

pub(super) fn abort_delay(call: &Call) -> Compared {
    let rollout: Rollout = read(&call.inputs[0])?;
    let ours = match rollout.abort_scale_down_delay() {
        None => json!([null, true]),
        Some(delay) => json!([delay.delay.as_nanos(), delay.is_set]),
    };
    Ok(Answers { upstream: json!([call.output(0)?, call.output(1)?]), ours })
}
