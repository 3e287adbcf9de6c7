//! Job metrics: the Jobs that upstream's provider makes, looks at, ends and deletes, beside ours.

#![cfg(feature = "oracle")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

use std::collections::{BTreeMap, BTreeSet};

use fidelity::Oracle;
use manifests::objects::{Metric, go};
use scenario::JobEnd;
use serde::Deserialize;
use serde_json::{Value, json};
use simulator::conformance::analysis as ours;
use units::Duration;

mod questions;

use questions::{Draw, typed};

const QUESTIONS: usize = 4_000;

/// 2026-01-01T00:00:00Z, when every measurement began.
const START: u64 = 1_767_225_600;

const OWN: &str = "9d1d4f7e-0c55-4a11-a3b5-1f2e3d4c5b6a";
const OTHER: &str = "00000000-0c55-4a11-a3b5-1f2e3d4c5b6a";
const UID: &str = "analysisrun.argoproj.io/uid";

const METRICS: &[&str] = &["suite", "a.b-c", "a-metric-with-a-name-that-is-longer-than-a-label-may-be"];

impl Draw {
    fn metric(&mut self) -> Value {
        let mut spec = json!({"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "suite:1"}]}}});
        for (key, value) in [("backoffLimit", 0), ("parallelism", 2), ("activeDeadlineSeconds", 30)] {
            if self.one_in(3) {
                spec[key] = json!(value);
            }
        }
        if self.one_in(3) {
            spec["template"]["metadata"] = json!({"labels": {"app": "suite"}, "annotations": {"a": "b"}});
        }
        if self.one_in(6) {
            spec["template"]["metadata"]["labels"][UID] = json!("mine");
        }
        let mut job = json!({"spec": spec});
        if self.one_in(2) {
            job["metadata"] = json!({"labels": {"team": "ml"}, "annotations": {"note": "x"}});
        }
        if self.one_in(6) {
            job["metadata"] = json!({"name": "mine", "labels": {UID: "mine"},
                "annotations": {"analysisrun.argoproj.io/name": "mine"}});
        }
        json!({"name": self.of(METRICS), "provider": {"job": job}})
    }

    fn question(&mut self) -> Value {
        let metric = self.metric();
        let (count, error) = (self.below(120), self.below(4));
        let mut results = json!([{"name": "another", "count": 7}]);
        if !self.one_in(3) {
            results = json!([{"name": "another", "count": 7}, {"name": metric["name"], "count": count, "error": error}]);
        }
        let run = json!({"metadata": {"name": "run", "namespace": "ml", "uid": OWN},
            "status": {"metricResults": results}});
        let elapsed = self.elapsed();
        let mut question = json!({"run": run, "metric": metric, "now": START * 1_000_000_000 + elapsed,
            "measurement": self.measurement(), "limit": self.below(6), "jobs": []});
        question["do"] = json!(self.of(&["run", "run", "resume", "resume", "terminate", "collect"]));
        question["jobs"] = match question["do"].as_str() {
            Some("run") => self.existing(&question),
            Some("collect") => self.several(),
            _ => self.watched(),
        };
        question
    }

    /// Nanoseconds since the measurement began. Less than the 10 ms that a pass takes at least in the simulator is not
    /// compared.
    fn elapsed(&mut self) -> u64 {
        match self.below(3) {
            0 => 10_000_000 + self.below(2_000_000_000) as u64,
            1 => 1_000_000_000 * (1 + self.below(90) as u64),
            _ => self.below(900) as u64 * 1_000_000_007 + 10_000_000,
        }
    }

    fn measurement(&mut self) -> Value {
        let metadata = match self.below(12) {
            0 => Value::Null,
            1 => json!({"job-name": ""}),
            2 => json!({"other": "x"}),
            _ => json!({"job-name": "watched", "job-namespace": "ml"}),
        };
        json!({"phase": "Running", "startedAt": "2026-01-01T00:00:00Z", "metadata": metadata})
    }

    /// Mostly nothing; else a Job of the name that the next one would have, of this run, another, or nobody.
    fn existing(&mut self, question: &Value) -> Value {
        if !self.one_in(3) {
            return json!([]);
        }
        let name = expected(question).map(|made| made.0).unwrap_or_default();
        // Of a Job that no controller owns upstream panics.
        let owner = match self.below(40) {
            0 => json!([]),
            1 => json!([owner(OWN, "AnalysisRun", false)]),
            2..=12 => json!([owner(OTHER, "AnalysisRun", true)]),
            _ => json!([owner(OWN, "AnalysisRun", true)]),
        };
        json!([{"metadata": {"name": name, "namespace": "ml", "ownerReferences": owner}}])
    }

    /// The Job that a measurement waits for, unless it is gone.
    fn watched(&mut self) -> Value {
        let name = if self.one_in(8) { "another" } else { "watched" };
        let conditions: Value = (0..self.below(4))
            .map(|_| {
                let kind =
                    self.of(&["Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"]);
                json!({"type": kind, "status": self.of(&["True", "True", "False"])})
            })
            .collect();
        json!([{"metadata": {"name": name, "namespace": "ml"}, "status": {"conditions": conditions}}])
    }

    /// Jobs of this run and of others, made at different times. Of Jobs of the same second upstream deletes any.
    fn several(&mut self) -> Value {
        let made: BTreeSet<usize> = (0..self.below(9)).map(|_| self.below(100)).collect();
        let mut jobs: Vec<Value> = Vec::new();
        for second in made {
            let uid = if self.one_in(4) { OTHER } else { OWN };
            let time = format!("2026-01-01T00:{:02}:{:02}Z", second / 60, second % 60);
            let job = json!({"metadata": {"name": format!("job-{}", 97 * second % 100), "namespace": "ml",
                "labels": {UID: uid}, "creationTimestamp": time}});
            let at = self.below(jobs.len() + 1);
            jobs.insert(at, job);
        }
        json!(jobs)
    }
}

fn owner(uid: &str, kind: &str, controller: bool) -> Value {
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "name": "run", "uid": uid, "controller": controller})
}

/// What upstream's provider gives, and the Jobs that there are afterwards.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    job: String,
    resume: Option<i64>,
    jobs: Option<Vec<Value>>,
    panic: Option<String>,
}

impl Answer {
    fn jobs(&self) -> &[Value] {
        self.jobs.as_deref().unwrap_or_default()
    }
}

fn expected(question: &Value) -> Result<ours::JobMade, String> {
    let metric: Metric = typed(&question["metric"]);
    let mut results = question["run"]["status"]["metricResults"].as_array().into_iter().flatten();
    let result = results.rfind(|result| result["name"] == question["metric"]["name"]);
    let count = |key: &str| result.map_or(0, |result| result[key].as_u64().unwrap_or_default()) as u32;
    ours::job_made((OWN, "run", "ml"), &metric.resolve(&[])?, count("count") + count("error") + 1)
}

fn check_run(question: &Value, theirs: &Answer) {
    let (name, labels, annotations, spec) = expected(question).unwrap_or_else(|error| panic!("{error}"));
    let existing = &question["jobs"][0]["metadata"];
    if !existing.is_null() {
        let owner = &existing["ownerReferences"][0];
        if owner["uid"] != OWN || owner["controller"] != true {
            // Of a Job without an owner upstream panics, which we refuse.
            let (phase, message) = ours::job_exists(&name);
            let told = (theirs.phase.as_str(), theirs.message.as_str());
            assert!(
                theirs.panic.is_some() || told == (&*phase.to_string(), &*message),
                "{question}: {theirs:?}"
            );
            return;
        }
    }
    assert_eq!((theirs.phase.as_str(), theirs.message.as_str()), ("Running", ""), "{question}");
    assert_eq!((&theirs.job, theirs.resume), (&name, Some(0)), "{question}");
    let [made] = theirs.jobs() else { panic!("{question}: {theirs:?}") };
    if !existing.is_null() {
        return;
    }
    let of = |key: &str| typed::<BTreeMap<String, String>>(&made["metadata"][key]);
    assert_eq!((of("labels"), of("annotations")), (labels, annotations), "{question}");
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], OWN, "{question}");
    let encoded = |spec: &Value| go::encode("batch.JobSpec", spec);
    assert_eq!(encoded(&made["spec"]), encoded(&spec), "{question}");
}

fn job_of(question: &Value) -> Option<&str> {
    question["measurement"]["metadata"]["job-name"].as_str().filter(|name| !name.is_empty())
}

fn check_resume(question: &Value, theirs: &Answer) {
    let job = &question["jobs"][0];
    let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    // The simulator's Jobs have no other conditions than these; upstream does not look whether one is true.
    let ends = conditions.filter_map(|condition| match condition["type"].as_str() {
        Some("Complete") => Some(JobEnd::Complete),
        Some("Failed") => Some(JobEnd::Failed),
        _ => None,
    });
    let ends: Vec<JobEnd> = ends.collect();
    let found = (job["metadata"]["name"] == "watched").then_some(ends.as_slice());
    let elapsed = Duration::from_nanos(question["now"].as_u64().unwrap_or_default() - START * 1_000_000_000);
    let (phase, message, resume) = ours::job_looked_at(found, job_of(question), elapsed);
    let resume = resume.map(|wait| wait.as_nanos() as i64);
    let theirs = (theirs.phase.as_str(), theirs.message.as_str(), theirs.resume);
    assert_eq!((&*phase.to_string(), &*message, resume), theirs, "{question}");
}

fn check_terminated(question: &Value, theirs: &Answer) {
    let (phase, message) = ours::job_terminated(job_of(question));
    // The controller adds the message of a measurement that was terminated.
    let message = message.replace("Metric Terminated", "");
    assert_eq!(
        (theirs.phase.as_str(), theirs.message.as_str()),
        (&*phase.to_string(), &*message),
        "{question}"
    );
    let left = job_of(question).is_none() || question["jobs"][0]["metadata"]["name"] != "watched";
    assert_eq!(theirs.jobs().len(), usize::from(left), "{question}");
}

fn check_collected(question: &Value, theirs: &Answer) {
    let jobs: Vec<Value> = typed(&question["jobs"]);
    let mut own: Vec<&Value> = jobs.iter().filter(|job| job["metadata"]["labels"][UID] == OWN).collect();
    own.sort_by_key(|job| job["metadata"]["creationTimestamp"].as_str());
    let surplus = ours::job_surplus(&own, question["limit"].as_u64().unwrap_or_default() as usize);
    let name = |job: &Value| job["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let gone: BTreeSet<String> = surplus.iter().map(|job| name(job)).collect();
    let left: BTreeSet<String> = jobs.iter().map(name).filter(|name| !gone.contains(name)).collect();
    assert_eq!(theirs.jobs().iter().map(name).collect::<BTreeSet<_>>(), left, "{question}");
}

#[test]
fn jobs_are_made_and_looked_at_as_upstream_does() {
    let mut draw = Draw::seeded(51);
    let questions: Vec<Value> = (0..QUESTIONS).map(|_| draw.question()).collect();
    let theirs: Vec<Answer> = Oracle::build().ask("jobs", &questions);
    let (mut counts, mut panics) = (BTreeMap::<(&str, String), usize>::new(), 0);
    for (question, theirs) in questions.iter().zip(&theirs) {
        let what = question["do"].as_str().unwrap_or_default();
        match what {
            "run" => check_run(question, theirs),
            "resume" => check_resume(question, theirs),
            "terminate" => check_terminated(question, theirs),
            _ => check_collected(question, theirs),
        }
        panics += usize::from(theirs.panic.is_some());
        *counts.entry((what, theirs.phase.clone())).or_default() += 1;
    }
    println!("jobs: {} agree, {counts:?}; {panics} panic upstream", QUESTIONS - panics);
    assert!(counts.len() == 10, "{counts:?}");
}
