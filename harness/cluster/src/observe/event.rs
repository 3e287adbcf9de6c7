//! Kubernetes Events.

use std::collections::BTreeSet;

use serde_json::Value;
use timeline::{Recorded, ResourceName, Source};

/// An Event about a Rollout, an AnalysisRun or an Application; `None` for others and for one that was
/// told before.
pub(super) fn recorded(event: &Value, told: &mut BTreeSet<String>) -> Option<(Source, Recorded)> {
    let about = &event["involvedObject"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource = ResourceName {
        kind: text(&about["kind"]),
        namespace: text(&about["namespace"]),
        name: text(&about["name"]),
    };
    let source = match resource.kind.as_str() {
        "Rollout" => Source::Rollouts,
        "AnalysisRun" => Source::Analysis,
        _ => return None,
    };
    let times = event["count"].as_u64().unwrap_or(1);
    if !told.insert(format!("{} {times}", text(&event["metadata"]["uid"]))) {
        return None;
    }
    let recorded = Recorded {
        resource,
        warning: event["type"] == "Warning",
        reason: text(&event["reason"]),
        message: text(&event["message"]),
    };
    Some((source, recorded))
}
