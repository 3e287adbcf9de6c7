//! `kubectl argo rollouts undo` (argo-rollouts v1.10 pkg/kubectl-argo-rollouts/cmd/undo): the template of an earlier
//! ReplicaSet, written back.

use manifests::objects::undo::{is_derivative, set_to_restore};
use serde_json::{Map, Value};
use yaml::{Node, Place};

/// The label that tells a Rollout's ReplicaSets and pods by their template.
const HASH_LABEL: &str = "rollouts-pod-template-hash";

/// The annotation with a ReplicaSet's revision.
const REVISION: &str = "rollout.argoproj.io/revision";

/// The object whose template an undo writes.
#[derive(Debug, PartialEq)]
pub(super) struct Target<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
}

/// What an undo writes, and where: the template of the revision `to`, or of the last but one, of the ReplicaSets of a
/// namespace. `None` where the Rollout has that template already.
///
/// # Errors
/// There is no such revision.
pub(super) fn restored<'a>(
    rollout: &'a Value,
    sets: &[Value],
    to: Option<u64>,
) -> Result<Option<(Target<'a>, Value)>, String> {
    let name = rollout["metadata"]["name"].as_str().unwrap_or_default();
    let owned = sets.iter().filter(|set| is_controlled_by(set, &rollout["metadata"]["uid"]));
    let set = set_to_restore(name, owned.filter_map(|set| Some((revision(set)?, set))), to)?;
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH_LABEL);
    }
    let place = Place::whole(&yaml::Source::new("the cluster", ""));
    let node = |value: &Value| Node::from_json(value, &place);
    let spec = &rollout["spec"];
    if spec.get("template").is_some_and(|live| is_derivative(&node(live), &node(&template))) {
        return Ok(None);
    }
    let text = |value: &'a Value| value.as_str().unwrap_or_default();
    let target = match spec.get("workloadRef") {
        Some(workload) => Target {
            api_version: text(&workload["apiVersion"]),
            kind: text(&workload["kind"]),
            name: text(&workload["name"]),
        },
        None => Target { api_version: text(&rollout["apiVersion"]), kind: text(&rollout["kind"]), name },
    };
    Ok(Some((target, template)))
}

fn is_controlled_by(set: &Value, uid: &Value) -> bool {
    let owners = set["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.into_iter().any(|owner| owner["controller"] == true && owner["uid"] == *uid)
}

/// A ReplicaSet's revision, 0 without one; `None` for one that is no number.
fn revision(set: &Value) -> Option<u64> {
    match &set["metadata"]["annotations"][REVISION] {
        Value::String(text) => text.parse().ok(),
        _ => Some(0),
    }
}

/// The merge patch (RFC 7386) that makes one value of another, without a trace of what only the first one has.
pub(super) fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (from, to) else { return to.clone() };
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let mut patch: Map<String, Value> = gone.collect();
    for (key, value) in after {
        match before.get(key) {
            Some(present) if present == value => {}
            Some(present) => drop(patch.insert(key.clone(), difference(present, value))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(template: &Value) -> Value {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "model", "uid": "u"}, "spec": {"template": template},
        })
    }

    fn template(version: &str) -> Value {
        json!({"metadata": {"labels": {"app": "model"}}, "spec": {"containers": [{"name": "a", "image": version}]}})
    }

    fn set(revision: &str, owner: &str, version: &str) -> Value {
        let mut template = template(version);
        template["metadata"]["labels"][HASH_LABEL] = json!(version);
        template["spec"]["restartPolicy"] = json!("Always");
        json!({
            "metadata": {
                "annotations": {REVISION: revision},
                "ownerReferences": [{"uid": owner, "controller": true}],
            },
            "spec": {"template": template},
        })
    }

    #[test]
    fn an_undo_writes_the_template_of_the_last_revision_but_one_without_the_hash() {
        let sets = [set("1", "u", "v1"), set("3", "u", "v3"), set("2", "u", "v2"), set("9", "other", "v9")];
        let rollout = rollout(&template("v3"));
        let (target, written) = restored(&rollout, &sets, None).unwrap().unwrap();
        assert_eq!(target, Target { api_version: "argoproj.io/v1alpha1", kind: "Rollout", name: "model" });
        let mut expected = template("v2");
        expected["spec"]["restartPolicy"] = json!("Always");
        assert_eq!(written, expected);
        let (_, written) = restored(&rollout, &sets, Some(1)).unwrap().unwrap();
        assert_eq!(written["spec"]["containers"][0]["image"], "v1");
    }

    #[test]
    fn a_template_that_is_there_already_is_not_written() {
        let sets = [set("1", "u", "v1"), set("2", "u", "v2")];
        assert_eq!(restored(&rollout(&template("v2")), &sets, Some(2)), Ok(None));
    }

    #[test]
    fn a_revision_that_is_not_there_is_an_error() {
        let rollout = rollout(&template("v1"));
        let none = restored(&rollout, &[set("1", "u", "v1")], None);
        assert_eq!(none, Err("no revision found for rollout \"model\"".to_owned()));
        let none = restored(&rollout, &[set("1", "other", "v1")], Some(1));
        assert_eq!(none, Err("unable to find specified revision 1 in history".to_owned()));
    }

    #[test]
    fn of_a_rollout_that_refers_to_a_workload_the_workload_is_written() {
        let mut rollout = rollout(&Value::Null);
        let workload = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
        rollout["spec"] = json!({"workloadRef": workload});
        let sets = [set("1", "u", "v1"), set("2", "u", "v2")];
        let (target, _) = restored(&rollout, &sets, None).unwrap().unwrap();
        assert_eq!(target, Target { api_version: "apps/v1", kind: "Deployment", name: "web" });
    }

    #[test]
    fn a_difference_makes_one_template_of_another() {
        let from = json!({"metadata": {"labels": {"app": "model", "old": "1"}}, "spec": {"containers": [1, 2], "x": 1}});
        let to = json!({"metadata": {"labels": {"app": "model", "new": "1"}}, "spec": {"containers": [1]}});
        let expected = json!({
            "metadata": {"labels": {"old": null, "new": "1"}}, "spec": {"containers": [1], "x": null},
        });
        assert_eq!(difference(&from, &to), expected);
    }
}
