//! Rollouts with a bit of everything, and paths into them.

use serde_json::{Value, json};

use crate::questions::Draw;

const LABEL_KEYS: &[&str] = &["app", "example.com/team", "empty"];

const METADATA_PATHS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels",
    "metadata.annotations",
    "metadata.labels['app']",
    "metadata.labels['example.com/team']",
    "metadata.labels['missing']",
    "metadata.annotations['example.com/note']",
    "metadata.annotations['Example.com/UPPER']",
];

const BAD_METADATA_PATHS: &[&str] = &[
    "metadata",
    "metadata.",
    "metadata.generation",
    "metadata.labels[app]",
    "metadata.labels['']",
    "metadata.labels['a/b/c']",
    "metadata.labels['/b']",
    "metadata.labels['UPPER.com/b']",
    "metadata.labels['-a']",
    "metadata.labels['a b']",
    "metadata.labels['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']",
    "metadata.annotations['a/b/c']",
    "metadata.annotations['sp ace']",
    "metadata.name['x']",
    "metadatafoo.name",
    "metadata.labels['a'",
    "metadata.labels.app",
];

impl Draw {
    /// A Rollout as it may be stored, with fields that are empty, unknown, and in other forms than Go's.
    pub(crate) fn rollout(&mut self) -> Value {
        let mut rollout = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": self.metadata(), "spec": self.spec(),
        });
        if !self.one_in(4) {
            rollout["status"] = self.status();
        }
        rollout
    }

    fn metadata(&mut self) -> Value {
        let mut metadata = json!({"name": "model", "namespace": self.of(&["default", "ml"])});
        if !self.one_in(4) {
            metadata["uid"] = json!("9d1d4f7e-0c55-4a11-a3b5-1f2e3d4c5b6a");
            metadata["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
            metadata["generation"] = json!(self.below(9));
        }
        for key in LABEL_KEYS {
            if self.one_in(2) {
                metadata["labels"][key] = json!(self.of(&["v", "", "x.y"]));
            }
        }
        for key in ["example.com/note", "Example.com/UPPER"] {
            if self.one_in(2) {
                metadata["annotations"][key] =
                    json!(self.of(&["plain", "q\"uote", "line\nend", "\u{7f}ä\u{200b}"]));
            }
        }
        metadata
    }

    fn spec(&mut self) -> Value {
        let mut spec = json!({"template": self.template(), "strategy": self.strategy()});
        if !self.one_in(4) {
            spec["replicas"] = json!(self.of(&[0, 1, 5, 999_999, 1_000_000, 12_345_678]));
        }
        if !self.one_in(4) {
            spec["selector"] = json!({"matchLabels": {"app": "model"}});
        }
        for (key, choices) in [
            ("minReadySeconds", [json!(0), json!(30)]),
            ("paused", [json!(true), json!(false)]),
            ("progressDeadlineSeconds", [json!(600), json!(0)]),
            ("restartAt", [json!("2026-01-01T00:00:00Z"), json!("2026-01-01T00:00:00.25Z")]),
            ("unknownField", [json!("x"), json!({"y": 1})]),
            ("analysis", [json!({}), json!({"successfulRunHistoryLimit": 3})]),
            ("revisionHistoryLimit", [Value::Null, json!(2)]),
        ] {
            if self.one_in(3) {
                spec[key] = choices[self.below(2)].clone();
            }
        }
        spec
    }

    fn template(&mut self) -> Value {
        let mut container =
            json!({"name": "serve", "image": "fake:<1>&2", "ports": [{"containerPort": 8080}]});
        if self.one_in(2) {
            container["resources"] = json!({
                "requests": {"cpu": self.of(&["1000m", "0.5", "2", "1500m", "0"]), "nvidia.com/gpu": 1},
                "limits": {"memory": self.of(&["1024Mi", "16Gi", "1.5Gi", "100000000", "1e3", "512"])},
            });
        }
        if self.one_in(2) {
            container["env"] = json!([{"name": "A", "value": ""}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]);
            container["readinessProbe"] = json!({"httpGet": {"path": "/ready", "port": self.of(&["http", "8080"])},
                "periodSeconds": 5});
        }
        let mut template =
            json!({"metadata": {"labels": {"app": "model"}}, "spec": {"containers": [container]}});
        if self.one_in(3) {
            template["spec"]["volumes"] =
                json!([{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]);
            template["spec"]["nodeSelector"] = json!({"gpu": "yes"});
            template["spec"]["securityContext"] = json!({"runAsUser": 0});
        }
        template
    }

    fn strategy(&mut self) -> Value {
        if self.one_in(5) {
            return json!({"blueGreen": {"activeService": "active", "autoPromotionEnabled": self.one_in(2),
                "scaleDownDelaySeconds": 30}});
        }
        let mut canary = json!({"maxSurge": self.of(&["25%", "0"]), "steps": [
            {"setWeight": self.below(101)}, {"pause": {}}, {"pause": {"duration": self.of(&["1m", "30"])}},
        ]});
        if self.one_in(2) {
            canary["maxUnavailable"] = json!(self.below(3));
            canary["analysis"] = json!({"templates": [{"templateName": "t", "clusterScope": self.one_in(2)}],
                "startingStep": self.below(3)});
            canary["trafficRouting"] = json!({"plugins": {"router": {"b": 1, "a": [true, 0.25]}},
                "managedRoutes": [{"name": "r"}]});
        }
        json!({"canary": canary})
    }

    fn status(&mut self) -> Value {
        json!({
            "phase": self.of(&["Healthy", "Progressing"]), "currentPodHash": "new", "stableRS": "old",
            "currentStepIndex": self.below(3), "replicas": self.below(3), "abort": self.one_in(2),
            "observedGeneration": "7", "canary": {"weights": {"canary": {"weight": 20}, "stable": {"weight": 80}}},
            "conditions": [{"type": "Progressing", "status": "True", "reason": "why", "message": "m",
                "lastUpdateTime": "2026-01-01T00:00:00Z", "lastTransitionTime": null}],
        })
    }

    /// An argument that a Rollout hands to a run.
    pub(crate) fn run_argument(&mut self, rollout: &Value) -> Value {
        let mut argument = json!({"name": self.of(&["a", "b", "c"])});
        if self.one_in(3) {
            argument["value"] = json!(self.of(&["v", "", "{{x}}"]));
        }
        match self.below(10) {
            0 => {}
            1 => argument["valueFrom"] = json!({}),
            2 => {
                argument["valueFrom"] =
                    json!({"podTemplateHashValue": self.of(&["Latest", "Stable", "latest", ""])})
            }
            _ => {
                argument["valueFrom"] = json!({"fieldRef": {"fieldPath": self.path(rollout)}});
                if self.one_in(20) {
                    argument["valueFrom"]["podTemplateHashValue"] = json!("Latest");
                }
            }
        }
        argument
    }

    fn path(&mut self, rollout: &Value) -> String {
        match self.below(12) {
            0..=2 => self.of(METADATA_PATHS).to_owned(),
            3 if self.one_in(2) => self.of(BAD_METADATA_PATHS).to_owned(),
            4 => self
                .of(&[
                    "",
                    ".",
                    "[",
                    "Spec.replicas",
                    "spec",
                    "spec.nothing",
                    "kind",
                    "apiVersion",
                    "spec.replicas.x",
                ])
                .to_owned(),
            _ => {
                let part = self.of(&["spec", "spec", "status"]);
                let (mut path, mut at) = (part.to_owned(), &rollout[part]);
                while let Some(next) = self.step(at, &mut path) {
                    at = next;
                }
                if self.one_in(12) {
                    path.push_str(self.of(&[".", "]", "[0]", ".x", "[-1]", "..", "[x]"]));
                }
                path
            }
        }
    }

    /// Goes one key or index deeper; mostly one that exists.
    fn step<'a>(&mut self, at: &'a Value, path: &mut String) -> Option<&'a Value> {
        match at {
            Value::Object(map) if !map.is_empty() => {
                if self.one_in(30) {
                    path.push_str(self.of(&[".nothing", ".", "[0]"]));
                    return None;
                }
                let (key, value) = map.iter().nth(self.below(map.len()))?;
                path.push_str(&if self.one_in(6) { format!("[{key}]") } else { format!(".{key}") });
                Some(value)
            }
            Value::Array(items) if !items.is_empty() => {
                if self.one_in(12) {
                    path.push_str(self.of(&[
                        "[7]",
                        "[-1]",
                        "[x]",
                        ".1.",
                        "[+0]",
                        "[00]",
                        "[99999999999999999999]",
                    ]));
                    return None;
                }
                let index = self.below(items.len());
                path.push_str(&if self.one_in(6) { format!(".{index}") } else { format!("[{index}]") });
                items.get(index)
            }
            _ => None,
        }
    }
}
