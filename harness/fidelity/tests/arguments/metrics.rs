//! Metrics with placeholders, and what goes into them.

use serde_json::{Value, json};

use crate::questions::Draw;

pub(crate) const ARGUMENT_NAMES: &[&str] = &["a", "b", "service-name", "a<b", "q\"q", "ä"];

const VALUES: &[&str] = &[
    "",
    "model",
    "5",
    "30s",
    "0.5",
    "a\"b\\c",
    "<&>",
    "two\nlines\tand\rmore",
    "{{args.b}}",
    "}}",
    "grüße",
    "🎉",
    "line\u{2028}end",
    "no\u{a0}break",
    "zero\u{200b}width",
];

/// What Go escapes as JSON does not.
const STRANGE: &[&str] = &["bell\u{7}", "\u{1}", "\u{7f}", "tab\u{b}", "tag\u{e0001}", "bad\u{8}\u{c}fine"];

const LITERALS: &[&str] =
    &["up", " ", "rate(x[5m])", "\"", "\\", "<", "&", "}}", "{", "}", "é", "\n", "result[0] < ", "🎉", "/"];

/// Placeholders that name nothing, or that are none.
const BAD: &[&str] = &[
    "{{args.unknown}}",
    "{{args.a",
    "{{ args.a }",
    "{{args.{{args.b}}}}",
    "{{}}",
    "{{args. a}}",
    "{{ARGS.a}}",
    "{{args.a<b}}",
    "{{args.q\"q}}",
    "{{\targs.a}}",
    "{{inputs.x}}",
    "{{args.a}",
    "{ {args.a} }",
    "{{{args.a}}}",
    "{{\u{a0}args.ä\u{85}}}",
];

impl Draw {
    /// A text in which some placeholders may be wrong.
    pub(crate) fn text(&mut self) -> String {
        let parts = self.below(4);
        (0..parts).map(|_| self.part(6)).collect()
    }

    fn part(&mut self, bad: usize) -> String {
        match self.below(3) {
            0 => self.of(LITERALS).to_owned(),
            _ if self.one_in(bad) => self.of(BAD).to_owned(),
            _ => {
                let name = self.of(&["a", "b", "service-name", "ä"]);
                match self.one_in(4) {
                    true => format!("{{{{ args.{name}  }}}}"),
                    false => format!("{{{{args.{name}}}}}"),
                }
            }
        }
    }

    /// As [`Self::text`], with what an experiment knows.
    pub(crate) fn experiment_text(&mut self) -> String {
        let parts = 1 + self.below(3);
        let one = |draw: &mut Self| match draw.below(8) {
            0 => draw.of(LITERALS).to_owned(),
            1 => "{{experiment.availableAt}}".to_owned(),
            2 => "{{ experiment.finishedAt }}".to_owned(),
            3 => draw.part(3),
            4 => "plain".to_owned(),
            _ => {
                let name = draw.of(&ARGUMENT_NAMES[..3]);
                let what = draw.of(&["podTemplateHash", "replicaset.name", "podTemplateHash", "name"]);
                format!("{{{{templates.{name}.{what}}}}}")
            }
        };
        (0..parts).map(|_| one(self)).collect()
    }

    /// The text of a field of a metric, wrong in few of them, since a metric has many.
    fn field(&mut self) -> String {
        let parts = 1 + self.below(2);
        (0..parts).map(|_| self.part(60)).collect()
    }

    /// Arguments, of which one may have no value, and one name may be there twice.
    pub(crate) fn arguments(&mut self) -> Vec<Value> {
        let mut args: Vec<Value> = Vec::new();
        for name in ARGUMENT_NAMES {
            if !self.one_in(25) {
                args.push(self.argument(name));
            }
        }
        if self.one_in(4) {
            let name = self.of(ARGUMENT_NAMES);
            args.push(self.argument(name));
        }
        args
    }

    fn argument(&mut self, name: &str) -> Value {
        match self.below(120) {
            0 => json!({"name": name}),
            1 => json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "secret", "key": "key"}}}),
            2..=4 => json!({"name": name, "value": self.of(STRANGE)}),
            _ => json!({"name": name, "value": self.of(VALUES)}),
        }
    }

    /// A metric with placeholders in every field that can have one.
    pub(crate) fn metric(&mut self) -> Value {
        let mut metric = json!({"name": self.field(), "provider": self.provider()});
        for key in ["interval", "initialDelay", "successCondition", "failureCondition"] {
            if self.one_in(2) {
                metric[key] = json!(self.field());
            }
        }
        for key in
            ["count", "failureLimit", "inconclusiveLimit", "consecutiveErrorLimit", "consecutiveSuccessLimit"]
        {
            match self.below(4) {
                0 => metric[key] = json!(self.field()),
                1 => metric[key] = json!(self.below(5)),
                _ => {}
            }
        }
        metric
    }

    fn provider(&mut self) -> Value {
        match self.below(8) {
            0..=2 => json!({"prometheus": self.prometheus()}),
            3 | 4 => json!({"web": self.web()}),
            5 | 6 => json!({"job": self.job()}),
            _ => self.other_provider(),
        }
    }

    fn headers(&mut self) -> Value {
        (0..self.below(3)).map(|_| json!({"key": self.field(), "value": self.field()})).collect()
    }

    fn authentication(&mut self) -> Value {
        match self.below(3) {
            0 => {
                json!({"oauth2": {"tokenUrl": self.field(), "clientId": self.field(), "scopes": [self.field()]}})
            }
            1 => json!({"sigv4": {"region": self.field(), "roleArn": self.field()}}),
            _ => Value::Null,
        }
    }

    fn prometheus(&mut self) -> Value {
        let mut prometheus = json!({"query": self.field(), "address": self.field()});
        if self.one_in(3) {
            prometheus["headers"] = self.headers();
            prometheus["authentication"] = self.authentication();
        }
        if self.one_in(4) {
            prometheus["rangeQuery"] = json!({"start": self.field(), "end": "now()", "step": self.field()});
            prometheus["timeout"] = json!(self.below(3));
        }
        prometheus
    }

    fn web(&mut self) -> Value {
        let mut web = json!({"url": self.field(), "jsonPath": self.field(), "headers": self.headers()});
        match self.below(3) {
            0 => {
                web["jsonBody"] =
                    json!({self.field(): [1, 0.5, null, self.field()], "deep": {"b": self.field()}})
            }
            1 => web["body"] = json!(self.field()),
            _ => {}
        }
        if self.one_in(4) {
            web["method"] = json!(self.field());
            web["timeoutSeconds"] = json!(self.below(3));
            web["insecure"] = json!(self.one_in(2));
            web["authentication"] = self.authentication();
        }
        web
    }

    /// A Job, with a field of every kind that Go writes in its own way.
    pub(crate) fn job(&mut self) -> Value {
        let container = json!({
            "name": "check", "image": self.field(), "args": [self.field(), self.field()],
            "env": [{"name": "TARGET", "value": self.field()}],
            "resources": {"limits": {"cpu": self.of(&["1000m", "0.5", "2"]), "memory": self.of(&["1024Mi", "1.5Gi"])}},
        });
        let mut spec = json!({"template": {"spec": {"containers": [container], "restartPolicy": "Never"}}});
        if self.one_in(2) {
            spec["backoffLimit"] = json!(self.below(3));
            spec["template"]["metadata"] =
                json!({"labels": {"for": self.field()}, "annotations": {self.field(): "x"}});
        }
        if self.one_in(3) {
            spec["template"]["spec"]["volumes"] = json!([{"name": "v", "configMap": {"name": self.field(), "items": [{"key": self.field(), "path": "p"}]}}]);
            spec["template"]["spec"]["serviceAccountName"] = json!(self.field());
            spec["activeDeadlineSeconds"] = json!(30);
        }
        let mut job = json!({"spec": spec});
        if self.one_in(2) {
            job["metadata"] =
                json!({"labels": {"team": self.field()}, "annotations": {"note": self.field()}});
        }
        job
    }

    fn other_provider(&mut self) -> Value {
        match self.below(4) {
            0 => json!({"datadog": {"query": self.field(), "queries": {"b": self.field(), "a": self.field()},
                "interval": "5m", "formula": self.field()}}),
            1 => json!({"newRelic": {"profile": self.field(), "query": self.field()}}),
            2 => json!({"graphite": {"query": self.field(), "address": self.field()}}),
            _ => json!({"plugin": {"mine": {"z": self.field(), "a": self.field()}}}),
        }
    }
}
