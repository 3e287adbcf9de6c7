//! Templates merged into the spec of an AnalysisRun: upstream's functions beside ours.

#![cfg(feature = "oracle")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

use std::sync::Arc;

use fidelity::Oracle;
use manifests::objects::AnalysisTemplate;
use manifests::objects::rollout::Analyses;
use serde::Deserialize;
use serde_json::{Value, json};

mod questions;

use questions::{Draw, typed};

const QUESTIONS: usize = 4_000;

impl Draw {
    /// A list of 0 up to a bound, exclusive, of what is drawn.
    fn list(&mut self, bound: usize, item: impl Fn(&mut Self) -> Value) -> Value {
        (0..self.below(bound)).map(|_| item(self)).collect()
    }

    /// Mostly one of its own, so that conflicts do not decide every case.
    fn name(&mut self, kind: &str) -> String {
        let bound = if self.one_in(3) { 4 } else { 60 };
        format!("{kind}-{}", self.below(bound))
    }

    fn argument(&mut self) -> Value {
        let mut argument = json!({"name": format!("arg-{}", self.below(8))});
        if !self.one_in(4) {
            argument["value"] = json!(self.of(&["main", "main", "main", "main", "other", ""]));
        }
        if self.one_in(8) {
            argument["valueFrom"] = json!({"secretKeyRef": {"name": "secret", "key": self.of(&["a", "b"])}});
        }
        argument
    }

    fn metric(&mut self) -> Value {
        json!({"name": self.name("metric"), "count": self.below(5),
            "provider": {"prometheus": {"address": "http://p", "query": "up{hash='{{args.hash}}'}"}}})
    }

    fn dry_run(&mut self) -> Value {
        json!({"metricName": self.name("metric")})
    }

    fn retention(&mut self) -> Value {
        json!({"metricName": self.name("metric"), "limit": self.below(9)})
    }

    fn template(&mut self, kind: &str, index: usize) -> Value {
        let spec = json!({
            "metrics": self.list(4, Self::metric),
            "args": self.list(4, Self::argument),
            "dryRun": self.list(3, Self::dry_run),
            "measurementRetention": self.list(3, Self::retention),
        });
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": format!("t-{index}")},
            "spec": spec})
    }

    fn question(&mut self) -> Value {
        let templates: Vec<Value> =
            (0..self.below(3)).map(|index| self.template("AnalysisTemplate", index)).collect();
        let cluster: Vec<Value> =
            (0..self.below(3)).map(|index| self.template("ClusterAnalysisTemplate", index)).collect();
        json!({
            "templates": templates, "clusterTemplates": cluster,
            "args": self.list(10, Self::argument),
            "dryRun": self.list(3, Self::dry_run),
            "measurementRetention": self.list(3, Self::retention),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Refused(String),
    Spec(Value),
}

#[test]
fn templates_are_merged_as_upstream_merges_them() {
    let mut draw = Draw::seeded(22);
    let questions: Vec<Value> = (0..QUESTIONS).map(|_| draw.question()).collect();
    let theirs: Vec<Answer> = Oracle::build().ask("templates", &questions);
    let mut merged = 0;
    for (question, theirs) in questions.iter().zip(theirs) {
        let of =
            |key: &str| typed::<Vec<AnalysisTemplate>>(&question[key]).into_iter().map(Arc::new).collect();
        let (templates, cluster_templates) = (of("templates"), of("clusterTemplates"));
        let ours = Analyses { templates, cluster_templates }.merge(
            &typed::<Vec<_>>(&question["args"]),
            &typed::<Vec<_>>(&question["dryRun"]),
            &typed::<Vec<_>>(&question["measurementRetention"]),
        );
        match theirs {
            Answer::Refused(message) => assert_eq!(ours, Err(message), "{question}"),
            Answer::Spec(theirs) => {
                let ours = ours.unwrap_or_else(|error| panic!("{error}: {question}"));
                // Go writes a list that was never filled as null, or not at all.
                let list =
                    |key: &str| theirs.get(key).filter(|it| !it.is_null()).cloned().unwrap_or(json!([]));
                assert_eq!(ours.metrics, typed::<Vec<_>>(&list("metrics")), "{question}");
                assert_eq!(ours.args, typed::<Vec<_>>(&list("args")), "{question}");
                assert_eq!(ours.dry_run, typed::<Vec<_>>(&list("dryRun")), "{question}");
                let retention: Vec<_> = typed(&list("measurementRetention"));
                assert_eq!(ours.measurement_retention, retention, "{question}");
                merged += 1;
            }
        }
    }
    println!("templates: {QUESTIONS} agree, of which {merged} are merged and the others refused");
    assert!(merged * 5 > QUESTIONS && merged * 5 < QUESTIONS * 4, "{merged} are merged");
}
