//! The Go program: built once, asked in lines of JSON.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The Go program.
#[derive(Debug)]
pub struct Oracle {
    program: PathBuf,
}

impl Oracle {
    /// Builds the program, which takes minutes the first time.
    ///
    /// # Panics
    /// Without Go, or where the program does not compile: asked for, the comparison must not be skipped.
    pub fn build() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = folder.join("../../target/fidelity-oracle");
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(&program).arg(".").current_dir(folder);
        let built = go.status().unwrap_or_else(|error| {
            panic!("the feature `oracle` needs Go 1.26: `go` cannot be started: {error}")
        });
        assert!(built.success(), "`go build` in {} failed: {built}", folder.display());
        Self { program }
    }

    /// Asks every question and gives the answers in their order.
    ///
    /// # Panics
    /// When the program fails, or an answer is not what was expected; the text tells which question.
    pub fn ask<A: DeserializeOwned>(&self, mode: &str, questions: &[Value]) -> Vec<A> {
        let mut child = Command::new(&self.program)
            .arg(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", self.program.display()));
        let mut stdin = child.stdin.take().expect("it was asked for");
        let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
        // A program that is not read from while it is written to would stop both.
        let writer = thread::spawn(move || stdin.write_all(lines.as_bytes()));
        let output = child.wait_with_output().unwrap_or_else(|error| panic!("no answers: {error}"));
        let written = writer.join().is_ok_and(|written| written.is_ok());
        assert!(output.status.success() && written, "the Go program ended with {}", output.status);
        let text = String::from_utf8_lossy(&output.stdout);
        let answers: Vec<A> =
            text.lines().zip(questions).map(|(line, question)| read(line, question)).collect();
        assert_eq!(answers.len(), questions.len(), "each question has an answer");
        answers
    }
}

fn read<A: DeserializeOwned>(line: &str, question: &Value) -> A {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\nfor the question {question}"))
}
