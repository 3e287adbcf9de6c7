//! The Go programs: built once for what their source is, asked in lines of JSON.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A Go program.
#[derive(Debug)]
pub struct Oracle {
    program: PathBuf,
}

impl Oracle {
    /// Builds the controllers and the functions of Argo Rollouts, which takes minutes the first time.
    ///
    /// # Panics
    /// Without Go, or where the program does not compile: asked for, the comparison must not be skipped.
    pub fn build() -> Self {
        Self::of("", "fidelity")
    }

    /// Builds kustomize.
    ///
    /// # Panics
    /// As [`Self::build`].
    pub fn kustomize() -> Self {
        Self::of("kustomize", "kustomize")
    }

    /// The program of a folder. One of the same sources and lock is not built again, so that a machine
    /// that keeps `target/oracles` needs neither Go's cache nor its modules.
    fn of(folder: &str, name: &str) -> Self {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracles");
        let program = programs.join(format!("{name}-{}", digest(&folder)));
        if program.is_file() {
            return Self { program };
        }
        let _ = fs::remove_dir_all(programs.join(name));
        let fresh = programs.join(name).join("program");
        if folder.join("standin").is_dir() {
            run_go(&["run", "./standin", path(&programs.join(name))], &folder);
            let modules = programs.join(name).join("go.mod");
            run_go(&["build", "-modfile", path(&modules), "-mod=mod", "-o", path(&fresh), "."], &folder);
        } else {
            run_go(&["build", "-o", path(&fresh), "."], &folder);
        }
        fs::rename(&fresh, &program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
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

fn path(path: &Path) -> &str {
    path.to_str().expect("the checkout's path is Unicode")
}

/// Runs Go in a folder.
fn run_go(arguments: &[&str], folder: &Path) {
    let ended = Command::new("go").args(arguments).current_dir(folder).status().unwrap_or_else(|error| {
        panic!("the feature `oracle` needs Go 1.26: `go` cannot be started: {error}")
    });
    assert!(ended.success(), "`go {}` in {} failed: {ended}", arguments.join(" "), folder.display());
}

fn read<A: DeserializeOwned>(line: &str, question: &Value) -> A {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\nfor the question {question}"))
}

/// What a program is made of: its sources, what it is built with, and the versions and sums of its modules.
fn digest(folder: &Path) -> String {
    let files_of = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<PathBuf>>()
    };
    let mut files = files_of(folder);
    for parts in ["standin", "standin/client", "upstream"].map(|parts| folder.join(parts)) {
        if parts.is_dir() {
            files.extend(files_of(&parts));
        }
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in files.iter().filter(|file| {
        file.extension().is_some_and(|extension| ["go", "mod", "sum"].iter().any(|known| extension == *known))
    }) {
        digest.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        digest.update(fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
