//! How many pods the ReplicaSets have (`utils/replicaset`).

use manifests::objects::Rollout;
use serde_json::{Value, json};
use simulator::conformance::rollouts::{self as ours, Pods, Sizing};

use super::questions::read;
use super::questions::status::{state, weights};
use super::{Answers, Call, Compared};

const NONE: Pods = Pods { spec: 0, created: 0, available: 0 };

pub(super) fn basic(call: &Call) -> Compared {
    let [rollout, new, stable, others] = &call.inputs[..] else {
        unreachable!("the function has four inputs")
    };
    let sized = sizing(rollout, new, stable, others, &Value::Null)?;
    if new.is_null() {
        return Err("there is no ReplicaSet of the wanted template".to_owned());
    }
    Ok(Answers {
        upstream: json!([call.output(0)?, call.output(1)?]),
        ours: json!([sized.canary, sized.stable]),
    })
}

pub(super) fn routed(call: &Call) -> Compared {
    let [rollout, new, stable, weights] = &call.inputs[..] else {
        unreachable!("the function has four inputs")
    };
    let sized = sizing(rollout, new, stable, &Value::Null, weights)?;
    Ok(Answers {
        upstream: json!([call.output(0)?, call.output(1)?]),
        ours: json!([sized.canary, sized.stable]),
    })
}

pub(super) fn scale(call: &Call) -> Compared {
    let [rollout, new, stable] = &call.inputs[..] else { unreachable!("the function has three inputs") };
    let sized = sizing(rollout, new, stable, &Value::Null, &Value::Null)?;
    Ok(Answers {
        upstream: json!([call.output(0)?, call.output(1)?]),
        ours: json!([sized.pods, sized.weight]),
    })
}

pub(super) fn reached(call: &Call) -> Compared {
    let [rollout, new, stable, others, weights] = &call.inputs[..] else {
        unreachable!("the function has five inputs")
    };
    let sized = sizing(rollout, new, stable, others, weights)?;
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(sized.reached) })
}

pub(super) fn weight(call: &Call) -> Compared {
    let [rollout, new, stable] = &call.inputs[..] else { unreachable!("the function has three inputs") };
    let state = state(&rollout["status"])?;
    let (rollout, new) = (read::<Rollout>(rollout)?, pods(new).unwrap_or(NONE));
    let ours = ours::desired_weight(&rollout, &state, new, pods(stable));
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(ours) })
}

pub(super) fn enough_available(call: &Call) -> Compared {
    let [threshold, set, wanted] = &call.inputs[..] else { unreachable!("the function has three inputs") };
    let set = pods(set).ok_or("there is no ReplicaSet of the wanted template")?;
    let ours = ours::enough_available(read(threshold)?, set, wanted.as_i64().unwrap());
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(ours) })
}

pub(super) fn surge(call: &Call) -> Compared {
    let rollout: Rollout = read(&call.inputs[0])?;
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(rollout.max_surge(rollout.spec.replicas())) })
}

pub(super) fn unavailable(call: &Call) -> Compared {
    let rollout: Rollout = read(&call.inputs[0])?;
    let ours = rollout.max_unavailable(rollout.spec.replicas());
    Ok(Answers { upstream: call.output(0)?.clone(), ours: json!(ours) })
}

fn sizing(
    rollout: &Value,
    new: &Value,
    stable: &Value,
    others: &Value,
    split: &Value,
) -> Result<Sizing, String> {
    let mut state = state(&rollout["status"])?;
    state.weights = weights(split);
    // Upstream takes them for one by their names, the simulator by the hashes of the status.
    let one = !new.is_null() && new["metadata"]["name"] == stable["metadata"]["name"];
    if !new.is_null() && !stable.is_null() && one != state.is_fully_promoted() {
        return Err("the status says otherwise than the ReplicaSets whether the canary is stable".to_owned());
    }
    let others: Vec<Pods> = others.as_array().into_iter().flatten().filter_map(pods).collect();
    let new = pods(new).unwrap_or(NONE);
    Ok(ours::sizing(&read::<Rollout>(rollout)?, &state, new, pods(stable), &others))
}

/// The pods of a ReplicaSet, of which one is asked for where nothing is said.
fn pods(set: &Value) -> Option<Pods> {
    let of = |value: &Value, default: i64| value.as_i64().unwrap_or(default);
    (!set.is_null()).then(|| Pods {
        spec: of(&set["spec"]["replicas"], 1),
        created: of(&set["status"]["replicas"], 0),
        available: of(&set["status"]["availableReplicas"], 0),
    })
}
