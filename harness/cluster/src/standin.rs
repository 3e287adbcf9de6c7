//! Kinds whose controllers are not installed: the API server knows them, nothing acts upon them, and
//! Argo CD takes them as healthy. The report says so.

use serde_json::{Value, json};
use timeline::NotSimulated;

/// A kind that has no controller in the cluster.
struct StandIn {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    scope: &'static str,
    /// Whether Argo CD has a health check for it, which waits for its controller (argo-cd `resource_customizations`).
    /// A kind without one has no part in an Application's health, and must not get one here: a missing object of a kind
    /// that has its check in the settings counts (controller/health.go: setApplicationHealth).
    is_checked: bool,
    /// What happens instead.
    instead: &'static str,
}

const IGNORED: &str = "it is stored, and nothing acts upon it";
const TRANSLATED: &str = "rehearse gives Prometheus what prometheus-operator would make of it";

/// The versions are those that the controllers serve today (External Secrets 0.17 and later,
/// prometheus-operator 0.85).
const STAND_INS: [StandIn; 6] = [
    StandIn {
        group: "external-secrets.io",
        version: "v1",
        kind: "ExternalSecret",
        plural: "externalsecrets",
        scope: "Namespaced",
        is_checked: true,
        instead: IGNORED,
    },
    StandIn {
        group: "external-secrets.io",
        version: "v1",
        kind: "SecretStore",
        plural: "secretstores",
        scope: "Namespaced",
        is_checked: true,
        instead: IGNORED,
    },
    StandIn {
        group: "external-secrets.io",
        version: "v1",
        kind: "ClusterSecretStore",
        plural: "clustersecretstores",
        scope: "Cluster",
        is_checked: true,
        instead: IGNORED,
    },
    StandIn {
        group: "monitoring.coreos.com",
        version: "v1",
        kind: "ServiceMonitor",
        plural: "servicemonitors",
        scope: "Namespaced",
        is_checked: false,
        instead: TRANSLATED,
    },
    StandIn {
        group: "monitoring.coreos.com",
        version: "v1",
        kind: "PodMonitor",
        plural: "podmonitors",
        scope: "Namespaced",
        is_checked: false,
        instead: IGNORED,
    },
    StandIn {
        group: "monitoring.coreos.com",
        version: "v1",
        kind: "PrometheusRule",
        plural: "prometheusrules",
        scope: "Namespaced",
        is_checked: false,
        instead: TRANSLATED,
    },
];

/// Built-in kinds that need what the cluster lacks, so that Argo CD would call them degraded.
const WITHOUT_EFFECT: [(&str, &str, &str); 1] = [(
    "autoscaling",
    "HorizontalPodAutoscaler",
    "the cluster has no metrics: it scales nothing and counts as healthy",
)];

/// The definitions of all kinds that may be stood in for.
pub(crate) fn definitions() -> Vec<Value> {
    STAND_INS.iter().map(definition).collect()
}

fn definition(stand_in: &StandIn) -> Value {
    let StandIn { group, version, kind, plural, scope, .. } = stand_in;
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{
                "name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": anything}, "subresources": {"status": {}},
            }],
        },
    })
}

/// What Argo CD's settings say of their health (argo-cd docs/operator-manual/health.md).
pub(crate) fn health() -> Vec<(String, String)> {
    let script = "hs = {}\nhs.status = \"Healthy\"\nreturn hs\n";
    let kinds = STAND_INS.iter().filter(|it| it.is_checked).map(|it| (it.group, it.kind));
    let kinds = kinds.chain(WITHOUT_EFFECT.iter().map(|(group, kind, _)| (*group, *kind)));
    kinds
        .map(|(group, kind)| (format!("resource.customizations.health.{group}_{kind}"), script.to_owned()))
        .collect()
}

/// What the report says of the kinds that a scenario needs.
pub(crate) fn told<'a>(needed: impl Iterator<Item = &'a (String, String)>) -> Vec<NotSimulated> {
    let note = |(group, kind): &(String, String)| {
        let of_ours = STAND_INS.iter().find(|it| it.group == group && it.kind == kind).map(|it| it.instead);
        let built_in = WITHOUT_EFFECT.iter().find(|it| it.0 == group && it.1 == kind).map(|it| it.2);
        let instead = of_ours.or(built_in)?;
        let what = format!("the controller of {kind}");
        Some(NotSimulated { what, place: String::new(), instead: instead.to_owned() })
    };
    needed.filter_map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_defined_so_that_it_takes_anything() {
        let definitions = definitions();
        let find = |name: &str| definitions.iter().find(|it| it["metadata"]["name"] == name).unwrap();
        let monitor = find("servicemonitors.monitoring.coreos.com");
        assert_eq!(monitor["spec"]["names"]["kind"], "ServiceMonitor");
        assert_eq!(monitor["spec"]["scope"], "Namespaced");
        let version = &monitor["spec"]["versions"][0];
        assert_eq!(
            (&version["name"], &version["served"], &version["storage"]),
            (&json!("v1"), &json!(true), &json!(true))
        );
        let schema = &version["schema"]["openAPIV3Schema"];
        assert_eq!(schema["x-kubernetes-preserve-unknown-fields"], true);
        assert_eq!(find("clustersecretstores.external-secrets.io")["spec"]["scope"], "Cluster");
    }

    #[test]
    fn argo_cd_takes_every_stand_in_as_healthy_that_it_would_check() {
        let health = health();
        let has = |kind: &str| {
            health.iter().any(|(key, _)| key == &format!("resource.customizations.health.{kind}"))
        };
        assert!(STAND_INS.iter().all(|it| has(&format!("{}_{}", it.group, it.kind)) == it.is_checked));
        assert!(has("external-secrets.io_ExternalSecret") && !has("monitoring.coreos.com_PrometheusRule"));
        assert!(has("autoscaling_HorizontalPodAutoscaler"));
        assert!(health.iter().all(|(_, script)| script.contains("\"Healthy\"")));
    }

    #[test]
    fn only_kinds_without_a_controller_are_told_of() {
        let kinds = [
            ("argoproj.io", "Rollout"),
            ("external-secrets.io", "ExternalSecret"),
            ("monitoring.coreos.com", "ServiceMonitor"),
            ("autoscaling", "HorizontalPodAutoscaler"),
            ("example.com", "ExternalSecret"),
        ];
        let kinds = kinds.map(|(group, kind)| (group.to_owned(), kind.to_owned()));
        let told: Vec<(String, String)> =
            told(kinds.iter()).into_iter().map(|it| (it.what, it.instead)).collect();
        let of = |kind: &str, instead: &str| (format!("the controller of {kind}"), instead.to_owned());
        let expected = [
            of("ExternalSecret", IGNORED),
            of("ServiceMonitor", TRANSLATED),
            of("HorizontalPodAutoscaler", WITHOUT_EFFECT[0].2),
        ];
        assert_eq!(told, expected);
    }
}
