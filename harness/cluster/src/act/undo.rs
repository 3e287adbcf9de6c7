//! `kubectl argo rollouts undo` (argo-rollouts v1.10.1 pkg/kubectl-argo-rollouts/cmd/undo/undo.go): the template of
//! an earlier ReplicaSet, written back.

use manifests::objects::rollout::{HASH_LABEL, REVISION};
use manifests::objects::undo::{is_derivative, set_to_restore};
use serde_json::{Value, json};
use yaml::{Node, Place};

/// What an undo writes, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Undo<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    /// The JSON patch (RFC 6902).
    pub(super) patch: Value,
}

/// An undo to the template of the revision `to`, or of the last but one, of the ReplicaSets of a namespace. `None`
/// where the Rollout has that template already.
///
/// # Errors
/// There is no such revision, or the Rollout refers to a workload of another kind than upstream writes.
pub(super) fn undo<'a>(
    rollout: &'a Value,
    sets: &[Value],
    to: Option<u64>,
) -> Result<Option<Undo<'a>>, String> {
    let name = rollout["metadata"]["name"].as_str().unwrap_or_default();
    let owned = sets.iter().filter(|set| is_controlled_by(set, &rollout["metadata"]["uid"]));
    let set = set_to_restore(name, owned.filter_map(|set| Some((revision(set)?, set))), to)?;
    let template = without_hash(&set["spec"]["template"]);
    let spec = &rollout["spec"];
    if spec.get("template").is_some_and(|live| is_equal(&without_hash(live), &template)) {
        return Ok(None);
    }
    let (api_version, kind, name) = match spec.get("workloadRef") {
        Some(workload) => referred(workload)?,
        None => ("argoproj.io/v1alpha1", "Rollout", name),
    };
    let patch = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
    Ok(Some(Undo { api_version, kind, name, patch }))
}

/// The workload that a Rollout takes its template from (undo.go: undoWorkloadRef).
fn referred(workload: &Value) -> Result<(&'static str, &'static str, &str), String> {
    let (api_version, kind) = match workload["kind"].as_str().unwrap_or_default() {
        "Deployment" => ("apps/v1", "Deployment"),
        "ReplicaSet" => ("apps/v1", "ReplicaSet"),
        "PodTemplate" => ("v1", "PodTemplate"),
        other => return Err(format!("workload of type {other} is not supported")),
    };
    Ok((api_version, kind, workload["name"].as_str().unwrap_or_default()))
}

/// Whether all that a template says stands in the other one, too (undo.go: equalIgnoreHash).
fn is_equal(live: &Value, template: &Value) -> bool {
    let place = Place::whole(&yaml::Source::new("the cluster", ""));
    is_derivative(&Node::from_json(live, &place), &Node::from_json(template, &place))
}

fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH_LABEL);
    }
    template
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
        let mut expected = template("v2");
        expected["spec"]["restartPolicy"] = json!("Always");
        let expected = Undo {
            api_version: "argoproj.io/v1alpha1",
            kind: "Rollout",
            name: "model",
            patch: json!([{"op": "replace", "path": "/spec/template", "value": expected}]),
        };
        assert_eq!(undo(&rollout, &sets, None), Ok(Some(expected)));
        let named = undo(&rollout, &sets, Some(1)).unwrap().unwrap();
        assert_eq!(named.patch[0]["value"]["spec"]["containers"][0]["image"], "v1");
    }

    #[test]
    fn a_template_that_is_there_already_is_not_written() {
        let sets = [set("1", "u", "v1"), set("2", "u", "v2")];
        assert_eq!(undo(&rollout(&template("v2")), &sets, Some(2)), Ok(None));
        let mut with_hash = template("v2");
        with_hash["metadata"]["labels"][HASH_LABEL] = json!("another");
        assert_eq!(undo(&rollout(&with_hash), &sets, Some(2)), Ok(None));
    }

    #[test]
    fn a_revision_that_is_not_there_is_an_error() {
        let rollout = rollout(&template("v1"));
        let none = undo(&rollout, &[set("1", "u", "v1")], None);
        assert_eq!(none, Err("no revision found for rollout \"model\"".to_owned()));
        let none = undo(&rollout, &[set("1", "other", "v1")], Some(1));
        assert_eq!(none, Err("unable to find specified revision 1 in history".to_owned()));
    }

    #[test]
    fn of_a_rollout_that_refers_to_a_workload_the_workload_is_written() {
        let sets = [set("1", "u", "v1"), set("2", "u", "v2")];
        let referring = |kind: &str| {
            let mut rollout = rollout(&Value::Null);
            rollout["spec"] = json!({"workloadRef": {"apiVersion": "x/v1", "kind": kind, "name": "web"}});
            rollout
        };
        for (kind, api_version) in
            [("Deployment", "apps/v1"), ("ReplicaSet", "apps/v1"), ("PodTemplate", "v1")]
        {
            let rollout = referring(kind);
            let written = undo(&rollout, &sets, None).unwrap().unwrap();
            assert_eq!((written.api_version, written.kind, written.name), (api_version, kind, "web"));
        }
        let refused = undo(&referring("StatefulSet"), &sets, None).unwrap_err();
        assert_eq!(refused, "workload of type StatefulSet is not supported");
    }
}
