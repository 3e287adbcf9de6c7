//! Random cases.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};

use crate::account::ROLE;
use crate::case::{Act, Action, Case, Fault, Model, Template};

mod blue_green;
mod experiments;
mod plugins;
mod routed;

/// The gates that steps and background analysis refer to.
const GATES: [&str; 2] = ["gate", "guard"];

/// Kinds of rollouts, each with random cases of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A canary whose share follows from the number of its pods.
    Basic,
    /// A canary behind a traffic router.
    Routed,
    /// All pods at once, and a Service is switched.
    BlueGreen,
    /// A canary, with or without a router, with experiments among its steps.
    Experiments,
    /// A canary, with or without a router, with plugins among its steps.
    Plugins,
}

impl Family {
    /// The case of a seed.
    pub fn case(self, seed: u64) -> Case {
        match self {
            Self::Basic => basic(seed),
            Self::Routed => routed::case(seed),
            Self::BlueGreen => blue_green::case(seed),
            Self::Experiments => experiments::case(seed),
            Self::Plugins => plugins::case(seed),
        }
    }
}

fn basic(seed: u64) -> Case {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
    let replicas = draw.between(1, 10);
    let mut templates = BTreeMap::new();
    for gate in GATES {
        templates.insert(gate.to_owned(), draw.template());
    }
    let steps = draw.steps();
    let background = draw.one_in(3).then(|| draw.background(steps.len()));
    let mut case = Case {
        replicas,
        spec: draw.spec(),
        canary: draw.canary(replicas),
        blue_green: None,
        steps,
        background,
        templates,
        models: draw.models(),
        rate: draw.of(&[0, 5, 20, 20, 50]),
        scrape_interval: draw.of(&[5, 10, 15, 30]),
        pod_start: draw.between(1, 3),
        actions: Vec::new(),
        plugins: Vec::new(),
        duration: draw.of(&[1200, 1800, 2700]),
    };
    case.actions = draw.actions(&case);
    case
}

struct Draw(ChaCha8Rng);

impl Draw {
    fn between(&mut self, low: u32, high: u32) -> u32 {
        self.0.random_range(low..=high)
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.between(1, n) == 1
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.random_range(0..choices.len())].clone()
    }

    fn spec(&mut self) -> BTreeMap<String, Value> {
        let mut spec = BTreeMap::new();
        if self.one_in(4) {
            spec.insert("minReadySeconds".to_owned(), json!(self.of(&[5, 10, 20])));
        }
        if self.one_in(3) {
            spec.insert("progressDeadlineSeconds".to_owned(), json!(self.of(&[30, 60, 120])));
            spec.insert("progressDeadlineAbort".to_owned(), json!(self.one_in(2)));
        }
        if self.one_in(8) {
            spec.insert("revisionHistoryLimit".to_owned(), json!(self.between(0, 2)));
        }
        if self.one_in(8) {
            spec.insert("rollbackWindow".to_owned(), json!({"revisions": self.between(1, 2)}));
        }
        spec
    }

    fn canary(&mut self, replicas: u32) -> BTreeMap<String, Value> {
        let mut canary = BTreeMap::new();
        if self.one_in(2) {
            canary.insert("maxSurge".to_owned(), self.fencepost(replicas));
        }
        if self.one_in(2) {
            canary.insert("maxUnavailable".to_owned(), self.fencepost(replicas));
        }
        let zero =
            |value: Option<&Value>| value.is_some_and(|value| *value == json!(0) || *value == json!("0%"));
        if zero(canary.get("maxSurge")) && zero(canary.get("maxUnavailable")) {
            canary.remove("maxSurge");
        }
        canary.extend(self.by_role(["canaryMetadata", "stableMetadata"], ["canary", "stable"]));
        canary
    }

    /// Metadata that pods have while they are of a role.
    fn by_role(&mut self, fields: [&str; 2], roles: [&str; 2]) -> BTreeMap<String, Value> {
        let mut metadata = BTreeMap::new();
        if self.one_in(4) {
            for (field, role) in fields.into_iter().zip(roles) {
                if !self.one_in(4) {
                    metadata.insert(field.to_owned(), json!({"labels": {ROLE: role}}));
                }
            }
        }
        metadata
    }

    fn fencepost(&mut self, replicas: u32) -> Value {
        match self.between(0, 2) {
            0 => json!(self.between(0, replicas.min(4))),
            _ => json!(self.of(&["0%", "10%", "25%", "34%", "50%", "100%"])),
        }
    }

    fn steps(&mut self) -> Vec<Value> {
        let mut steps = Vec::new();
        let mut weight = 0;
        for _ in 0..self.between(0, 6) {
            steps.push(match self.between(0, 9) {
                0..=3 => {
                    weight = if self.one_in(6) { self.between(0, 100) } else { (weight + self.between(5, 50)).min(100) };
                    json!({"setWeight": weight})
                }
                4 | 5 => json!({"pause": {"duration": self.of(&["10s", "30s", "60s", "2m", "95s"])}}),
                6 if self.one_in(2) => json!({"pause": {}}),
                6 => json!({"pause": {"duration": self.between(0, 45)}}),
                _ => json!({"analysis": {
                    "templates": [{"templateName": "gate"}],
                    "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": self.of(&["Latest", "Latest", "Stable"])}}],
                }}),
            });
        }
        steps
    }

    fn background(&mut self, steps: usize) -> Value {
        let mut background = json!({
            "templates": [{"templateName": "guard"}],
            "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}],
        });
        if steps > 0 && self.one_in(2) {
            background["startingStep"] = json!(self.between(0, steps as u32));
        }
        background
    }

    fn template(&mut self) -> Template {
        let names = ["errors", "latency", "traffic"];
        let count = self.of(&[1, 1, 2, 3]);
        let metrics: Vec<Value> = names[..count].iter().map(|name| self.metric(name)).collect();
        let dry_run = if count > 1 && self.one_in(5) { vec![names[0].to_owned()] } else { Vec::new() };
        Template { metrics, dry_run }
    }

    fn metric(&mut self, name: &str) -> Value {
        let query = self.query(name);
        let mut metric = json!({
            "name": name,
            "provider": {"prometheus": {"address": "http://prometheus.monitoring.svc:9090", "query": query}},
        });
        self.conditions(name, &mut metric);
        if !self.one_in(4) {
            metric["interval"] = json!(self.of(&["10s", "15s", "20s", "30s", "1m"]));
            // Without a count a metric has no end, which only background analysis may have.
            if !self.one_in(12) {
                metric["count"] = json!(self.between(1, 6));
            }
        }
        for (limit, highest) in [("failureLimit", 3), ("inconclusiveLimit", 2), ("consecutiveErrorLimit", 3)]
        {
            if self.one_in(3) {
                metric[limit] = json!(self.between(0, highest));
            }
        }
        if self.one_in(8) {
            metric["consecutiveSuccessLimit"] = json!(self.between(1, 3));
        }
        if self.one_in(4) {
            metric["initialDelay"] = json!(self.of(&["10s", "30s", "1m"]));
        }
        metric
    }

    fn query(&mut self, name: &str) -> String {
        let window = self.of(&["30s", "1m", "2m"]);
        let own = r#"rollouts_pod_template_hash="{{args.hash}}""#;
        let selector = if self.one_in(4) { "" } else { own };
        let total = format!("sum(rate(inference_requests_total{{{selector}}}[{window}]))");
        let errors = format!("sum(rate(inference_errors_total{{{selector}}}[{window}]))");
        let buckets =
            format!("sum by (le) (rate(inference_duration_seconds_bucket{{{selector}}}[{window}]))");
        match (name, self.between(0, 5)) {
            ("errors", 0) => format!("scalar({errors} / {total})"),
            ("errors", 1) => format!("sum(increase(inference_errors_total{{{selector}}}[{window}])) / 100"),
            ("errors", _) => format!("{errors} / {total}"),
            ("latency", 0) => format!("histogram_quantile(0.5, {buckets})"),
            ("latency", 1) => format!("avg_over_time((histogram_quantile(0.95, {buckets}))[{window}:10s])"),
            ("latency", _) => format!("histogram_quantile(0.99, {buckets})"),
            (_, 0) => format!("count(up{{{selector}}} == 1)"),
            (_, 1) => format!("sum(missing{{{selector}}})"),
            (_, 2) => format!("max_over_time(({total})[{window}:15s])"),
            (_, _) => total,
        }
    }

    fn conditions(&mut self, name: &str, metric: &mut Value) {
        let scalar = metric["provider"]["prometheus"]["query"]
            .as_str()
            .is_some_and(|query| query.starts_with("scalar"));
        let result = if scalar != self.one_in(15) { "result" } else { "result[0]" };
        let (low, high) = match name {
            "errors" => self.of(&[("0.0153", "0.0377"), ("0.0377", "0.113"), ("0.0041", "0.0153")]),
            "latency" => self.of(&[("0.413", "0.723"), ("0.233", "0.413"), ("0.723", "1.37")]),
            _ => self.of(&[("0.77", "3.3"), ("3.3", "17.7"), ("-1", "0.77")]),
        };
        let success =
            if name == "traffic" { format!("{result} > {low}") } else { format!("{result} < {low}") };
        let failure =
            if name == "traffic" { format!("{result} < {low}") } else { format!("{result} >= {high}") };
        match self.between(0, 7) {
            0 => metric["failureCondition"] = json!(failure),
            1 | 2 => {
                metric["successCondition"] = json!(success);
                metric["failureCondition"] = json!(failure);
            }
            3 if !scalar => {
                metric["successCondition"] =
                    json!(format!("len(result) == 0 || isNaN(result[0]) || {success}"))
            }
            4 if self.one_in(6) => {}
            _ => metric["successCondition"] = json!(success),
        }
    }

    fn models(&mut self) -> BTreeMap<String, Model> {
        let mut models = BTreeMap::new();
        for version in ["v1", "v2", "v3"] {
            let (p50, p99) = self.of(&[(180, 350), (180, 350), (250, 600), (420, 900)]);
            let mut model = Model {
                p50,
                p99,
                errors: self.of(&[0, 1, 10, 10, 20, 60, 250]),
                load: self.between(0, 40),
                never_ready: version != "v1" && self.one_in(8),
                faults: Vec::new(),
            };
            if self.one_in(3) {
                let from = self.between(60, 900);
                let errors = self.one_in(2).then(|| self.of(&[30, 80, 300]));
                let latency = if errors.is_none() { Some(self.of(&[(500, 1100), (300, 700)])) } else { None };
                model.faults.push(Fault { from, until: from + self.between(20, 300), errors, latency });
            }
            models.insert(version.to_owned(), model);
        }
        models
    }

    fn actions(&mut self, case: &Case) -> Vec<Action> {
        let mut at = u64::from(self.between(60, 150)) * 1000;
        let mut actions = vec![Action { at, act: Act::Release("v2".to_owned()) }];
        let end = u64::from(case.duration) * 1000;
        for _ in 0..self.of(&[0, 0, 1, 1, 2, 3, 4]) {
            at += u64::from(self.between(1, 400)) * 1000
                + if self.one_in(3) { u64::from(self.between(1, 999)) } else { 0 };
            if at + 300_000 > end {
                break;
            }
            let act = self.act(case);
            actions.push(Action { at, act });
        }
        actions
    }

    fn act(&mut self, case: &Case) -> Act {
        match self.between(0, 18) {
            0..=2 => Act::Release(self.of(&["v3", "v3", "v1", "v2"]).to_owned()),
            3 | 4 => Act::Abort,
            5 | 6 => Act::Retry,
            7 | 8 => Act::Promote,
            9 => Act::PromoteFull,
            10 | 11 => {
                Act::Scale(self.between(case.replicas.saturating_sub(3).max(1), (case.replicas + 3).min(10)))
            }
            12 => Act::Steps(self.steps()),
            13 => Act::Paused(true),
            14 => Act::Paused(false),
            15 => Act::Undo(if self.one_in(3) { Some(self.between(1, 2)) } else { None }),
            16 => Act::Restart,
            _ => Act::Traffic(self.of(&[0, 5, 40])),
        }
    }
}
