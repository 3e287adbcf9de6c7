//! Rollouts with something wrong in them: the first problem that upstream's validation tells, which is the one in the
//! condition `InvalidSpec`, beside ours.

#![cfg(feature = "oracle")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

use fidelity::Oracle;
use manifests::objects::Rollout;
use serde::Deserialize;
use serde_json::{Value, json};

mod questions;

use questions::{Draw, typed};

const QUESTIONS: usize = 10_000;

impl Draw {
    fn list(&mut self, bound: usize, item: impl Fn(&mut Self) -> Value) -> Value {
        (0..self.below(bound)).map(|_| item(self)).collect()
    }

    /// Something that is right but once in `n` times.
    fn mostly(&mut self, right: Value, wrong: &[Value], n: usize) -> Value {
        if self.one_in(n) { wrong[self.below(wrong.len())].clone() } else { right }
    }

    fn question(&mut self) -> Value {
        let mut spec = json!({"template": self.template(), "strategy": self.strategy()});
        let selector = json!({"matchLabels": {"app": "model"}});
        let wrong = [
            Value::Null,
            json!({}),
            json!({"matchLabels": {}}),
            json!({"matchLabels": {"app": "else<"}}),
            json!({"matchLabels": {"a/b/c": "x"}}),
            json!({"matchLabels": {"app": "-"}}),
            json!({"matchExpressions": [{"key": "app", "operator": "In"}]}),
            json!({"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["x"]}]}),
            json!({"matchExpressions": [{"key": "app", "operator": "exists"}]}),
            json!({"matchExpressions": [{"key": "", "operator": "Exists"}]}),
            json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["model", "mo del"]}]}),
            json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["model"]}]}),
            json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["model"]}]}),
        ];
        spec["selector"] = self.mostly(selector, &wrong, 12);
        for (key, wrong) in [
            ("replicas", [json!(-1), json!(0)]),
            ("minReadySeconds", [json!(-5), json!(600)]),
            ("revisionHistoryLimit", [json!(-1), json!(0)]),
            ("progressDeadlineSeconds", [json!(-1), json!(0)]),
        ] {
            let right = if self.one_in(2) { Value::Null } else { json!(700) };
            spec[key] = self.mostly(right, &wrong, 40);
        }
        if spec["minReadySeconds"] == 700 {
            spec["minReadySeconds"] = json!(30);
        }
        // Where a workloadRef is used, its template and selector are in place already.
        if self.one_in(20) && spec["selector"]["matchLabels"]["app"] == "model" {
            spec["workloadRef"] = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "model"});
        }
        json!({"function": "validate", "rollout": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "model", "namespace": "default"}, "spec": spec}})
    }

    fn template(&mut self) -> Value {
        let wrong = [
            Value::Null,
            json!({"app": "else"}),
            json!({"app": "model", "a b": "x"}),
            json!({"app": "model", "good": "b<d"}),
            json!({"app": "model", "long": "v".repeat(64)}),
        ];
        let labels = self.mostly(json!({"app": "model", "team": "ml"}), &wrong, 30);
        let wrong = [json!({"a/b/c": "x"}), json!({"Good/UPPER": "x"}), json!({"": "x"})];
        let annotations = self.mostly(json!({"note": "anything"}), &wrong, 40);
        let mut spec = json!({"containers": [self.container("a"), self.container("b")]});
        if self.one_in(30) {
            spec["containers"] = json!([]);
        }
        if self.one_in(4) {
            let name = self.of(&["init", "init", "init", "a", ""]);
            spec["initContainers"] = json!([self.container(name)]);
            if self.one_in(4) {
                spec["initContainers"][0]["restartPolicy"] = json!("Always");
            }
        }
        if self.one_in(4) {
            spec["restartPolicy"] = self.mostly(json!("Always"), &[json!("Never"), json!("Sometimes")], 10);
        }
        json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": spec})
    }

    fn container(&mut self, name: &str) -> Value {
        let wrong = [json!(""), json!("UPPER"), json!("a.b"), json!("a"), json!("-"), json!("x".repeat(64))];
        let name = self.mostly(json!(name), &wrong, 60);
        let mut container = json!({"name": name, "image": self.mostly(json!("model:1"), &[json!("")], 80)});
        if self.one_in(3) {
            let wrong = [json!(0), json!(-1), json!(65536)];
            container["ports"] = json!([{"containerPort": self.mostly(json!(8080), &wrong, 20)}]);
        }
        if self.one_in(3) {
            let wrong = [json!(""), json!("1A"), json!("A B"), json!("..x"), json!("."), json!("..")];
            let mut variable =
                json!({"name": self.mostly(json!("MODEL"), &wrong, 20), "value": self.of(&["", "x"])});
            if self.one_in(8) {
                variable["valueFrom"] = json!({"secretKeyRef": {"name": "s", "key": "k"}});
            }
            container["env"] = json!([variable]);
        }
        if self.one_in(6) {
            container["readinessProbe"] = json!({"httpGet": {"path": "/", "port": 80}});
        }
        if self.one_in(200) {
            container["restartPolicy"] = json!("Always");
        }
        container
    }

    fn strategy(&mut self) -> Value {
        match self.below(40) {
            0 => json!({}),
            1 => json!({"canary": self.canary(), "blueGreen": self.blue_green()}),
            2..=9 => json!({"blueGreen": self.blue_green()}),
            _ => json!({"canary": self.canary()}),
        }
    }

    fn blue_green(&mut self) -> Value {
        let mut strategy = json!({"activeService": self.of(&["active", "active", ""]),
            "previewService": self.of(&["preview", "preview", "active", ""])});
        if self.one_in(4) {
            strategy["scaleDownDelayRevisionLimit"] = json!(self.of(&[0, 2, 10, 11, 701]));
        }
        strategy["antiAffinity"] = self.anti_affinity();
        strategy
    }

    fn anti_affinity(&mut self) -> Value {
        let (preferred, required) = (
            "preferredDuringSchedulingIgnoredDuringExecution",
            "requiredDuringSchedulingIgnoredDuringExecution",
        );
        match self.below(20) {
            0 => json!({}),
            1 => json!({preferred: {"weight": self.of(&[0, 1, 100, 101, -1])}}),
            2 => json!({required: {}}),
            3 => json!({required: {}, preferred: {"weight": 5}}),
            _ => Value::Null,
        }
    }

    fn canary(&mut self) -> Value {
        let mut canary = json!({"steps": self.list(4, Self::step)});
        if !self.one_in(3) {
            canary["trafficRouting"] = self.router();
        }
        for key in ["stableService", "canaryService"] {
            if !self.one_in(3) {
                let other = self.of(&["stable", "canary", ""]);
                canary[key] = self.mostly(json!(key), &[json!(other)], 4);
            }
        }
        if self.one_in(8) {
            let service =
                |draw: &mut Self, name: &str| draw.mostly(json!(name), &[json!(""), json!("ping")], 5);
            canary["pingPong"] =
                json!({"pingService": service(self, "ping"), "pongService": service(self, "pong")});
        }
        let sizes = ["0", "0%", "00%", "-5%", "5", "abc", "", "25%", "+0", "0.5%"];
        for key in ["maxSurge", "maxUnavailable"] {
            match self.below(8) {
                0 => canary[key] = json!(self.of(&sizes)),
                1 => canary[key] = json!(self.below(2)),
                _ => {}
            }
        }
        if self.one_in(30) {
            canary["scaleDownDelaySeconds"] = json!(30);
        }
        if self.one_in(30) {
            canary["dynamicStableScale"] = json!(self.one_in(2));
        }
        canary["antiAffinity"] = self.anti_affinity();
        canary
    }

    fn router(&mut self) -> Value {
        let mut router = match self.below(10) {
            0 => json!({"istio": {"virtualService": {"name": "v"}}}),
            1 => {
                json!({"istio": {"destinationRule": {"name": "d", "canarySubsetName": "c", "stableSubsetName": "s"}}})
            }
            2 => json!({"nginx": {"stableIngress": "i"}}),
            3 => json!({"alb": {"ingress": "i", "servicePort": 80, "rootService": self.of(&["", "root"])}}),
            4 => json!({"smi": {}}),
            5 => json!({"apisix": {"route": {"name": "r"}}}),
            6 => json!({"traefik": {"weightedTraefikServiceName": "t"}}),
            7 => json!({}),
            _ => json!({"plugins": {"mine": {}}}),
        };
        if self.one_in(4) {
            router["maxTrafficWeight"] = json!(self.of(&[100, 200, 1000]));
        }
        match self.below(6) {
            0 => router["managedRoutes"] = json!([]),
            1 => {}
            _ => router["managedRoutes"] = json!([{"name": "header"}, {"name": "mirror"}]),
        }
        router
    }

    /// A step, of which one in a few has several fields, or none.
    fn step(&mut self) -> Value {
        let mut step = json!({});
        for _ in 0..self.of(&[1, 1, 1, 1, 1, 1, 1, 1, 2, 0]) {
            let (name, value) = self.part();
            step[name] = value;
        }
        step
    }

    fn part(&mut self) -> (&'static str, Value) {
        match self.below(16) {
            0..=3 => {
                ("setWeight", self.mostly(json!(20), &[json!(-1), json!(101), json!(200), json!(201)], 6))
            }
            4..=6 => (
                "pause",
                self.mostly(
                    json!({}),
                    &[
                        json!({"duration": -1}),
                        json!({"duration": "-30s"}),
                        json!({"duration": "soon"}),
                        json!({"duration": "1h"}),
                        json!({"duration": 5}),
                        json!({"duration": "1d"}),
                        json!({"duration": ""}),
                    ],
                    3,
                ),
            ),
            7 => ("setCanaryScale", json!({"replicas": 1})),
            8 => ("setHeaderRoute", self.header_route()),
            9 => ("setMirrorRoute", self.mirror_route()),
            10 | 11 => ("experiment", self.experiment()),
            12 => ("plugin", json!({"name": "mine"})),
            _ => (
                "analysis",
                json!({"templates": [{"templateName": "t"}], "args": self.list(3, Self::argument)}),
            ),
        }
    }

    fn header_route(&mut self) -> Value {
        let mut route = json!({"name": self.of(&["header", "header", "other<"])});
        if !self.one_in(4) {
            route["match"] = self.list(3, |draw| match draw.below(8) {
                0 => json!({"headerName": "x"}),
                _ => json!({"headerName": "x", "headerValue": draw.match_of_text()}),
            });
        }
        route
    }

    fn mirror_route(&mut self) -> Value {
        let mut route = json!({"name": self.of(&["mirror", "mirror", "other"])});
        if !self.one_in(4) {
            route["match"] = self.list(3, |draw| {
                let mut part = json!({});
                for key in ["path", "method"] {
                    if !draw.one_in(3) {
                        part[key] = draw.match_of_text();
                    }
                }
                part
            });
        }
        if self.one_in(3) {
            route["percentage"] = json!(50);
        }
        route
    }

    fn match_of_text(&mut self) -> Value {
        self.mostly(
            json!({"exact": "a<b"}),
            &[
                json!({}),
                json!({"exact": ""}),
                json!({"prefix": "a&"}),
                json!({"regex": ".*", "exact": "x"}),
                json!({"prefix": "a", "regex": "b"}),
            ],
            4,
        )
    }

    fn experiment(&mut self) -> Value {
        let template = |draw: &mut Self| {
            let mut template = json!({"name": "t", "specRef": draw.of(&["canary", "stable"])});
            if draw.one_in(3) {
                template["weight"] = json!(5);
            }
            template
        };
        json!({"templates": self.list(3, template),
            "analyses": self.list(2, |draw| json!({"name": "a", "templateName": "t", "args": draw.list(2, Self::argument)}))})
    }

    fn argument(&mut self) -> Value {
        let paths = [
            "metadata.name",
            "metadata.labels['a/b']",
            "metadata.labels['a/b/c']",
            "metadata.x",
            "spec.nothing",
            "metadata.annotations['Up/UP']",
            "metadata.labels",
        ];
        match self.below(4) {
            0 => json!({"name": "a", "valueFrom": {"fieldRef": {"fieldPath": self.of(&paths)}}}),
            1 => json!({"name": "a", "valueFrom": {"podTemplateHashValue": "Latest"}}),
            _ => json!({"name": "a", "value": self.of(&["x<y", ""])}),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    refused: Option<String>,
    panic: Option<String>,
}

#[test]
fn rollouts_are_refused_with_upstreams_words() {
    let mut draw = Draw::seeded(71);
    let questions: Vec<Value> = (0..QUESTIONS).map(|_| draw.question()).collect();
    let theirs: Vec<Answer> = Oracle::build().ask("functions", &questions);
    let (mut refused, mut differing) = (0, Vec::new());
    for (question, theirs) in questions.iter().zip(theirs) {
        assert_eq!(theirs.panic, None, "{question}");
        let ours = typed::<Rollout>(&question["rollout"]).validate().err();
        let ours = ours.map(|invalid| invalid.message.replacen("The Rollout \"model\" is invalid: ", "", 1));
        refused += usize::from(theirs.refused.is_some());
        if ours != theirs.refused {
            differing.push(format!("{question}\n  upstream {:?}\n  ours     {ours:?}", theirs.refused));
        }
    }
    println!(
        "validation: {} of {QUESTIONS} agree, of which {refused} are refused",
        QUESTIONS - differing.len()
    );
    for difference in differing.iter().take(12) {
        println!("{difference}");
    }
    assert!(differing.is_empty(), "{} differ", differing.len());
    assert!(refused * 5 > QUESTIONS && refused * 6 < QUESTIONS * 5, "{refused} are refused");
}
