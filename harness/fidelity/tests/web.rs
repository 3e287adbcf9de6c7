//! Web metrics: what the real provider makes of answers, beside the simulator.

#![cfg(feature = "oracle")]
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

use std::collections::BTreeMap;

use fidelity::Oracle;
use manifests::objects::Metric;
use scenario::Reply;
use serde::Deserialize;
use serde_json::{Value, json};
use simulator::conformance::analysis::web_measurement;

mod questions;

use questions::Draw;

const QUESTIONS: usize = 4_000;

impl Draw {
    fn name(&mut self) -> &'static str {
        self.of(&["score", "a", "b", "c", "x.y", "null", "runs"])
    }

    fn scalar(&mut self) -> Value {
        match self.below(9) {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => json!(self.of(&["", "ok", "0.93", "7", "<b>&\u{2028}", "é\n\"\\", "true"])),
            3 => json!(self.below(5) as i64 - 2),
            4 => json!(1e21 * self.below(3) as f64),
            5 => json!(1.5e-7 * self.below(3) as f64),
            6 => json!(123_456_789_012_345_678_u64),
            _ => json!(self.below(100) as f64 / 100.0),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 1 } else { 4 }) {
            0 => self.scalar(),
            1 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            // Most objects have one field, so that chance does not decide what a wildcard finds.
            _ => {
                let fields = if self.one_in(2) { 1 } else { self.below(4) };
                let fields = (0..fields).map(|_| (self.name().to_owned(), self.value(depth - 1)));
                Value::Object(fields.collect())
            }
        }
    }

    fn body(&mut self) -> String {
        match self.below(12) {
            0 => self
                .of(&[
                    "",
                    "no JSON",
                    "{\"a\": 1",
                    "1 2",
                    "NaN",
                    "1e999",
                    "[1,]",
                    "\u{feff}1",
                    "'a'",
                    "-0",
                    " 3.0 ",
                ])
                .to_owned(),
            1 => {
                let (score, list) = (self.scalar(), self.value(1));
                format!("{{\"score\": 1, \"score\" : {score},\n\t\"runs\":[{list} , {{ \"a\": {score} }}]}}")
            }
            _ => self.value(3).to_string(),
        }
    }

    /// A step of a path, mostly one that fits what bodies have.
    fn step(&mut self) -> String {
        match self.below(16) {
            0..6 => format!(".{}", self.name().replace('.', "\\.")),
            6 => format!("['{}']", self.name()),
            7 => format!("[{}]", self.below(5) as i64 - 2),
            8 => format!("[{}:{}]", self.below(3), self.below(4)),
            9 => self.of(&["[*]", ".*", "[:]", "[::2]", "[-1:]", "[0,1]", "['a','b']", "[0:0]"]).to_owned(),
            10 => format!("..{}", self.name()),
            11 => {
                let operator = self.of(&["==", "!=", "<", ">", "<=", ">=", "=", "=="]);
                let right = self.of(&["0.93", "1", "1.0", "\"ok\"", "'ok'", "true", "@.b", "$.a"]);
                format!("[?(@.{} {operator} {right})]", self.name())
            }
            12 => format!("[?(@.{})]", self.name()),
            13 => format!("[?(@ > 0.{})]", self.below(10)),
            14 => " ".to_owned(),
            _ => self
                .of(&["", ".", "@", "$", "\"text\"", "'t'", "1.5", "true", "false", "word", "end"])
                .to_owned(),
        }
    }

    fn action(&mut self) -> String {
        let steps: String = (0..self.below(4) + 1).map(|_| self.step()).collect();
        format!("{{{}{steps}}}", self.of(&["$", "$", "", "@"]))
    }

    fn path(&mut self) -> String {
        match self.below(14) {
            0 => String::new(),
            1 => "{$}".to_owned(),
            2 => format!("{}{}", self.action(), self.action()),
            3 => format!("score: {}", self.action()),
            4 => format!("{{range $.runs[*]}}{}{{end}}", self.action()),
            5 => format!("{{range .{}}}{}{{end}}{}", self.name(), self.action(), self.action()),
            6 => {
                // A fault somewhere.
                let mut path = self.action();
                let at = self.below(path.len());
                if path.is_char_boundary(at) {
                    let fault = self
                        .of(&["", "{", "}", "[", "]", "'", "\"", "(", ")", "#", "..", ",", "\\", "-", "+"]);
                    path.replace_range(at..at + usize::from(self.one_in(2)), fault);
                }
                path
            }
            _ => self.action(),
        }
    }

    fn condition(&mut self) -> String {
        self.of(&[
            "result > 0.5",
            "result >= 0",
            "result == 'ok'",
            "asFloat(result) > 0.5",
            "asInt(result) == 7",
            "result.score > 0.5",
            "result.a.b == nil",
            "len(result) > 0",
            "result[0] == 0",
            "all(result, # > 0)",
            "isNil(result)",
            "default(result, 0) == 0",
            "'score' in result",
            "result",
            "result == true",
            "result != nil && result > 0",
        ])
        .to_owned()
    }

    fn question(&mut self) -> Value {
        if self.one_in(2) { self.usual_question() } else { self.unusual_question() }
    }

    /// A gate as people write them: a score where its path looks for it, and conditions on numbers.
    fn usual_question(&mut self) -> Value {
        let score = self.below(101) as f64 / 100.0;
        let (path, body) = match self.below(5) {
            0 => ("", json!(score)),
            1 => ("{$.score}", json!({"score": score, "runs": 20})),
            2 => ("{$.data.score}", json!({"data": {"score": score}})),
            3 => ("{.runs[0].score}", json!({"runs": [{"score": score}, {"score": 1}]})),
            _ => ("{$.runs[?(@.suite == 'qa')].score}", json!({"runs": [{"suite": "qa", "score": score}]})),
        };
        let web = json!({"url": "http://quality.evaluation.svc/score", "jsonPath": path});
        let mut metric = json!({"name": "m", "provider": {"web": web}});
        metric["successCondition"] =
            json!(self.of(&["result > 0.5", "result >= 0.5", "asFloat(result) > 0.5"]));
        if self.one_in(2) {
            metric["failureCondition"] = json!(self.of(&["result < 0.2", "result <= 0.5", "isNaN(result)"]));
        }
        json!({"metric": metric, "status": 200, "body": body.to_string(), "unreachable": ""})
    }

    /// Anything that the provider may meet; most of it measures nothing.
    fn unusual_question(&mut self) -> Value {
        let mut web =
            json!({"url": "http://quality.evaluation.svc/score?hash=a%20b", "jsonPath": self.path()});
        if self.one_in(12) {
            web["method"] = json!(self.of(&["GET", "POST", "PUT", "post", "DELETE", "P OST"]));
            if self.one_in(2) {
                web["body"] = json!("text");
            }
            if self.one_in(2) {
                web["jsonBody"] = json!({"a": "b"});
            }
        }
        if self.one_in(20) {
            web["url"] = json!(self.of(&[
                "",
                "quality/score",
                "quality:80/score",
                "ftp://a/b",
                "http://",
                "http:///x",
                "https:",
                "HTTP://a.b:80/c",
                "http://me:word@a.b/c?d={}|[]",
                "http://me@a.b",
                "http:/a",
                "http://a.b?c=d:e",
                "/a:b",
            ]));
        }
        if self.one_in(30) {
            web["authentication"] = json!({"oauth2": {"tokenUrl": "http://t/token", "clientId": "me"}});
        }
        let mut metric = json!({"name": "m", "provider": {"web": web}});
        if !self.one_in(5) {
            metric["successCondition"] = json!(self.condition());
        }
        if self.one_in(3) {
            metric["failureCondition"] = json!(self.condition());
        }
        let status =
            if self.one_in(12) { [201, 204, 299, 300, 302, 404, 500, 503][self.below(8)] } else { 200 };
        // Go sends no body beside such a status.
        let body = if status == 204 { String::new() } else { self.body() };
        let unreachable = if self.one_in(40) { "connection refused" } else { "" };
        json!({"metric": metric, "status": status, "body": body, "unreachable": unreachable})
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Answer {
    Measured { phase: String, value: String, message: String },
    Panic { panic: String },
}

fn ours(question: &Value) -> Result<Answer, String> {
    let metric: Metric = serde_json::from_value(question["metric"].clone()).unwrap();
    let text = |key: &str| question[key].as_str().unwrap().to_owned();
    let reply = match text("unreachable") {
        cause if !cause.is_empty() => Reply::Unreachable(cause),
        _ => Reply::Response {
            status: u16::try_from(question["status"].as_u64().unwrap()).unwrap(),
            body: text("body"),
        },
    };
    match web_measurement(&metric, &reply) {
        Ok((phase, value, message)) => Ok(Answer::Measured { phase: phase.to_string(), value, message }),
        Err(problem) => Err(problem.message),
    }
}

#[test]
fn web_metrics_measure_what_the_real_provider_measures() {
    let mut draw = Draw::seeded(20);
    let questions: Vec<Value> = (0..QUESTIONS).map(|_| draw.question()).collect();
    let theirs: Vec<Answer> = Oracle::build().ask("web", &questions);
    let (mut agree, mut refused, mut panics) = (0, Vec::new(), 0);
    let mut phases = BTreeMap::new();
    for (question, theirs) in questions.iter().zip(theirs) {
        match (ours(question), theirs) {
            // What is refused by name is no answer; of a panic it has to be.
            (Err(why), Answer::Panic { .. }) => {
                assert!(why.contains("panics"), "{why}: {question}");
                panics += 1;
            }
            (Err(why), Answer::Measured { .. }) => refused.push((why, question)),
            (Ok(ours), theirs) => {
                assert_eq!(ours, theirs, "{question}");
                let Answer::Measured { phase, .. } = ours else {
                    unreachable!("the simulator does not panic")
                };
                *phases.entry(phase).or_insert(0) += 1;
                agree += 1;
            }
        }
    }
    let mut reasons: Vec<&str> = refused.iter().map(|(why, _)| why.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    println!("phases: {phases:?}");
    println!(
        "web metrics: {agree} of {QUESTIONS} agree, {panics} panic upstream, {} are refused: {reasons:#?}",
        refused.len()
    );
    assert!(refused.len() * 10 < QUESTIONS, "too much is refused: {reasons:?}");
    assert!(phases.len() == 4 && phases.values().all(|count| count * 50 > QUESTIONS), "{phases:?}");
    assert!(panics > 0 && agree * 10 > QUESTIONS * 8, "{agree} agree, {panics} panic");
}
