//! What a Rollout refers to: Services, and templates that name templates; the rollout controller's own methods
//! beside ours.

#![cfg(feature = "oracle")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

use std::sync::Arc;

use fidelity::Oracle;
use manifests::objects::analysis::Argument;
use manifests::objects::rollout::{Analyses, Analysis, ReferencedResources};
use manifests::objects::{AnalysisTemplate, Object, Rollout, Service};
use serde::Deserialize;
use serde_json::{Value, json};

mod questions;

use questions::{Draw, typed};

const QUESTIONS: usize = 6_000;

impl Draw {
    fn list(&mut self, bound: usize, item: impl Fn(&mut Self) -> Value) -> Value {
        (0..self.below(bound)).map(|_| item(self)).collect()
    }

    /// A template that mostly exists. Each names only later ones, but once in a while any.
    fn reference(&mut self, from: usize) -> Value {
        let bound = if self.one_in(50) { 9 } else { 7 };
        let first = if self.one_in(9) { 0 } else { from };
        let name = format!("t-{}", first + self.below(bound - first.min(bound - 1)));
        match self.below(4) {
            0 => json!({"templateName": name, "clusterScope": true}),
            1 => json!({"templateName": name, "clusterScope": false}),
            _ => json!({"templateName": name}),
        }
    }

    fn argument(&mut self) -> Value {
        let mut argument = json!({"name": format!("arg-{}", self.below(5))});
        match self.below(8) {
            0 => {}
            1 => argument["valueFrom"] = json!({"secretKeyRef": {"name": "s", "key": "k"}}),
            2 if self.one_in(8) => {
                argument["value"] = json!("both");
                argument["valueFrom"] = json!({"secretKeyRef": {"name": "s", "key": "k"}});
            }
            _ => argument["value"] = json!(self.of(&["main", "main", "main", "main", "main", "other"])),
        }
        argument
    }

    fn metric(&mut self) -> Value {
        let bound = if self.one_in(12) { 3 } else { 300 };
        let mut metric = json!({"name": format!("metric-{}", self.below(bound)),
            "provider": {"prometheus": {"address": "http://p", "query": self.of(&["up", "up", "up{a='{{args.arg-0}}'}"])}}});
        match self.below(12) {
            0 => metric["interval"] = json!("1m"),
            1 => metric["count"] = json!(self.of(&["{{args.arg-1}}", "0", "2"])),
            2 | 3 => {
                metric["interval"] = json!("1m");
                metric["count"] = json!(1 + self.below(3));
            }
            4 => {
                metric["interval"] = json!("1m");
                metric["count"] = json!(self.of(&["{{args.arg-1}}", "0", "2"]));
            }
            _ => {}
        }
        metric
    }

    fn template(&mut self, kind: &str, index: usize) -> Value {
        let mut spec = json!({"metrics": self.list(3, Self::metric), "args": self.list(3, Self::argument)});
        if self.one_in(2) {
            spec["templates"] = self.list(3, |draw| draw.reference(index + 1));
        }
        if self.one_in(8) {
            spec["dryRun"] = json!([{"metricName": self.of(&["a", "b"])}]);
        }
        if self.one_in(8) {
            spec["measurementRetention"] = json!([{"metricName": self.of(&["a", "b"]), "limit": 3}]);
        }
        let mut template = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": kind,
            "metadata": {"name": format!("t-{index}")}, "spec": spec});
        if kind == "AnalysisTemplate" {
            template["metadata"]["namespace"] = json!("default");
        }
        template
    }

    fn analysis(&mut self) -> Value {
        let mut analysis = json!({"templates": self.list(4, |draw| draw.reference(0))});
        // An empty list of arguments, as one that is none, is written as none: we do not tell them apart.
        let args = self.list(4, Self::run_argument);
        if args != json!([]) {
            analysis["args"] = args;
        }
        if self.one_in(6) {
            analysis["dryRun"] = self.list(3, |draw| json!({"metricName": draw.of(&["a", "b", "c"])}));
        }
        if self.one_in(6) {
            analysis["measurementRetention"] =
                self.list(3, |draw| json!({"metricName": draw.of(&["a", "c"]), "limit": 2}));
        }
        analysis
    }

    fn run_argument(&mut self) -> Value {
        let name = format!("arg-{}", self.below(5));
        match self.below(8) {
            0 => json!({"name": name, "valueFrom": {"podTemplateHashValue": "Latest"}}),
            1 => {
                json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": self.of(&["spec.replicas", "spec.nothing",
                "metadata.labels['app']", "metadata.name"])}}})
            }
            _ => json!({"name": name, "value": "given"}),
        }
    }

    fn service(&mut self) -> Value {
        json!(self.of(&["", "one", "two", "three", "four"]))
    }

    fn strategy(&mut self) -> Value {
        if self.one_in(4) {
            let mut strategy =
                json!({"activeService": "one", "previewService": self.of(&["", "two", "three"])});
            for key in ["prePromotionAnalysis", "postPromotionAnalysis"] {
                if self.one_in(2) {
                    strategy[key] = self.analysis();
                }
            }
            return json!({"blueGreen": strategy});
        }
        let steps = self.list(4, |draw| match draw.below(3) {
            0 => json!({"setWeight": 20}),
            _ => json!({"analysis": draw.analysis()}),
        });
        let mut strategy = json!({"steps": steps});
        if self.one_in(3) {
            strategy["analysis"] = self.analysis();
        }
        for key in ["stableService", "canaryService"] {
            if self.one_in(4) {
                strategy[key] = self.service();
            }
        }
        json!({"canary": strategy})
    }

    /// Of several labels that do not match upstream tells of any: at most one does not.
    fn services(&mut self) -> Value {
        let mut services = Vec::new();
        for name in ["one", "two", "three"] {
            let mut service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
                "spec": {"selector": {"app": self.of(&["model", "model", "model", "model", "else"])}}});
            if self.one_in(4) {
                service["spec"]["selector"]["rollouts-pod-template-hash"] = json!("x");
            }
            if self.one_in(8) {
                let owner = self.of(&["model", "another"]);
                service["metadata"]["annotations"] =
                    json!({"argo-rollouts.argoproj.io/managed-by-rollouts": owner});
            }
            services.push(service);
        }
        json!(services)
    }

    fn question(&mut self) -> Value {
        let rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "model", "namespace": "default", "labels": {"app": "model"}},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "model"}}, "strategy": self.strategy(),
                "template": {"metadata": {"labels": {"app": "model"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
        let present = |draw: &mut Self, kind: &str| -> Vec<Value> {
            let indices: Vec<usize> = (0..7).filter(|_| !draw.one_in(30)).collect();
            indices.into_iter().map(|index| draw.template(kind, index)).collect()
        };
        json!({
            "rollout": rollout, "services": self.services(),
            "templates": present(self, "AnalysisTemplate"),
            "clusterTemplates": present(self, "ClusterAnalysisTemplate"),
            "analysis": self.analysis(),
            "args": (0..5).filter(|_| !self.one_in(20)).map(|index| json!({"name": format!("arg-{index}"), "value": "x"}))
                .collect::<Vec<_>>(),
        })
    }
}

/// What there is.
fn resources(question: &Value) -> ReferencedResources {
    let templates = |key: &str| typed::<Vec<AnalysisTemplate>>(&question[key]).into_iter().map(Arc::new);
    let services = typed::<Vec<Service>>(&question["services"]).into_iter().map(Arc::new);
    templates("templates")
        .map(Object::AnalysisTemplate)
        .chain(templates("clusterTemplates").map(Object::ClusterAnalysisTemplate))
        .chain(services.map(Object::Service))
        .collect()
}

/// What becomes of a Rollout, and of an analysis where the Rollout is valid.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Invalid(String),
    Refused(String),
    Spec(Value),
    /// Upstream looks for templates for ever.
    Endless(bool),
}

/// The controller's words for a template that is not there, where it makes a run.
fn is_missing(message: &str) -> bool {
    message.ends_with("not found")
}

fn check_run(question: &Value, resources: &ReferencedResources, theirs: &Answer) {
    let analysis: Analysis = typed(&question["analysis"]);
    let args: Vec<Argument> = typed(&question["args"]);
    let found =
        Analyses::find(&analysis.templates, resources, "templates").map_err(|error| error.to_string());
    let ours = found.and_then(|found| found.merge(&args, &analysis.dry_run, &analysis.measurement_retention));
    match (ours, theirs) {
        (Err(ours), Answer::Refused(theirs)) if is_missing(theirs) => {
            assert!(is_missing(&ours), "{question}")
        }
        (Err(ours), Answer::Refused(theirs)) => assert_eq!(&ours, theirs, "{question}"),
        (Err(ours), Answer::Endless(true)) => assert!(ours.contains("in a circle"), "{ours}: {question}"),
        (Ok(ours), Answer::Spec(theirs)) => {
            let list = |key: &str| theirs.get(key).filter(|it| !it.is_null()).cloned().unwrap_or(json!([]));
            assert_eq!(ours.metrics, typed::<Vec<_>>(&list("metrics")), "{question}");
            assert_eq!(ours.args, typed::<Vec<_>>(&list("args")), "{question}");
            assert_eq!(ours.dry_run, typed::<Vec<_>>(&list("dryRun")), "{question}");
            let retention: Vec<_> = typed(&list("measurementRetention"));
            assert_eq!(ours.measurement_retention, retention, "{question}");
        }
        (ours, _) => panic!("{ours:?}: {question}"),
    }
}

#[test]
fn references_are_followed_as_upstream_follows_them() {
    let mut draw = Draw::seeded(61);
    let questions: Vec<Value> = (0..QUESTIONS).map(|_| draw.question()).collect();
    let theirs: Vec<Answer> = Oracle::build().ask("references", &questions);
    let (mut invalid, mut refused, mut made, mut endless) = (0, 0, 0, 0);
    for (question, theirs) in questions.iter().zip(theirs) {
        let resources = resources(question);
        let rollout: Rollout = typed(&question["rollout"]);
        let ours = rollout.validate().and_then(|()| rollout.validate_references(&resources));
        let ours =
            ours.map_err(|invalid| invalid.message.replacen("The Rollout \"model\" is invalid: ", "", 1));
        match (&ours, &theirs) {
            (Err(ours), Answer::Invalid(theirs)) => {
                assert_eq!(ours, theirs, "{question}");
                invalid += 1;
            }
            (Err(ours), Answer::Endless(true)) if ours.contains("in a circle") => endless += 1,
            (Ok(()), Answer::Refused(_) | Answer::Spec(_) | Answer::Endless(true)) => {
                check_run(question, &resources, &theirs);
                refused += usize::from(matches!(theirs, Answer::Refused(_)));
                endless += usize::from(matches!(theirs, Answer::Endless(_)));
                made += usize::from(matches!(theirs, Answer::Spec(_)));
            }
            (ours, _) => panic!("{ours:?}: {question}"),
        }
    }
    println!(
        "references: {QUESTIONS} agree: {invalid} Rollouts invalid, {refused} runs refused, {made} made; of {endless} \
         upstream looks for templates for ever, which ours refuses"
    );
    assert!(
        invalid.min(made) * 8 > QUESTIONS && refused.min(endless) > 40,
        "{invalid} {refused} {made} {endless}"
    );
}
