//! Which Rollouts are refused, and with what words (`pkg/apis/rollouts/validation`).

use manifests::objects::Rollout;
use serde_json::{Value, json};

use super::questions::read;
use super::{Answers, Call, Compared};

pub(super) fn spec(call: &Call) -> Compared {
    let rollout: Rollout = read(&call.inputs[0])?;
    let prefix = format!("The Rollout {:?} is invalid: ", rollout.metadata.name);
    if rollout.spec.workload_ref.is_some() && rollout.spec.template.spec.containers.is_empty() {
        return Err(
            "the template is still to be taken from the workload, which is done before here".to_owned()
        );
    }
    let containers = call.inputs[0]["spec"]["template"]["spec"]["containers"].as_array();
    let mut mounts =
        containers.into_iter().flatten().filter_map(|it| it["volumeMounts"].as_array()).flatten();
    if mounts.any(|mount| !mount["mountPropagation"].is_null()) {
        return Err("the mountPropagation of a container is not read".to_owned());
    }
    let refused = rollout.validate().err().map(|invalid| invalid.message);
    let ours = refused.map(|message| message.strip_prefix(&prefix).unwrap_or(&message).to_owned());
    Ok(Answers { upstream: first(call)?, ours: json!(ours) })
}

pub(super) fn strategy(call: &Call) -> Compared {
    let mut written = call.inputs[0].clone();
    let steps = written.pointer_mut("/spec/strategy/canary/steps").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten() {
        let templates = step.pointer_mut("/experiment/templates").and_then(Value::as_array_mut);
        // A test of their weights leaves out whose template they use, which no check looks at.
        for template in templates.into_iter().flatten().filter(|template| template["specRef"] == "") {
            template["specRef"] = json!("canary");
        }
    }
    let rollout: Rollout = read(&written)?;
    let refused = rollout.validate_strategy().err();
    let below = call.inputs[1].as_str().unwrap();
    let ours = refused.map(|error| error.to_string().replacen("spec.strategy", below, 1));
    Ok(Answers { upstream: first(call)?, ours: json!(ours) })
}

/// Upstream collects all that is wrong, and a Rollout's condition tells the first.
fn first(call: &Call) -> Result<Value, String> {
    Ok(call.output(0)?.get(0).cloned().unwrap_or(Value::Null))
}

pub(super) fn anti_affinity(call: &Call) -> Compared {
    let strategy = json!({"canary": {"antiAffinity": call.inputs[0]}});
    let rollout: Rollout = read(&json!({"metadata": {}, "spec": {"strategy": strategy}}))?;
    let below = call.inputs[1].as_str().unwrap();
    let refused = rollout.validate_strategy().err();
    let ours = refused.map(|error| error.to_string().replacen("spec.strategy.antiAffinity", below, 1));
    Ok(Answers { upstream: first(call)?, ours: json!(ours) })
}
