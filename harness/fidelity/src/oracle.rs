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

    /// The calls of functions that Argo Rollouts' own tests make, a line each: what is given, and what came of it.
    ///
    /// # Panics
    /// As [`Self::build`], and where one of these tests fails.
    pub fn calls() -> Vec<String> {
        let module = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = vec![module.join("go.mod"), module.join("go.sum")];
        files.extend(
            ["tables", "tables/calls", "upstream"].iter().flat_map(|folder| sources(&module.join(folder))),
        );
        let programs = module.join("../../target/oracles");
        let kept = programs.join(format!("calls-{}.jsonl", digest(&files)));
        if !kept.is_file() {
            let folder = programs.join("calls");
            run_go(&["run", "./tables", path(&folder)], module);
            let moved = fs::rename(folder.join("calls.jsonl"), &kept);
            moved.unwrap_or_else(|error| panic!("{}: {error}", kept.display()));
            let _ = fs::remove_dir_all(folder);
        }
        let text = fs::read_to_string(&kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display()));
        text.lines().map(str::to_owned).collect()
    }

    /// The program of a folder. One of the same sources and lock is not built again, so that a machine
    /// that keeps `target/oracles` needs neither Go's cache nor its modules.
    fn of(folder: &str, name: &str) -> Self {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracles");
        let program = programs.join(format!("{name}-{}", digest(&parts(&folder))));
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

/// Go's files of a folder, and the versions and sums of its modules.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| {
        file.extension().is_some_and(|extension| ["go", "mod", "sum"].iter().any(|known| extension == *known))
    });
    files.sort();
    files
}

/// What a program is made of, and what it is built with.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let others = ["standin", "standin/client", "upstream"].map(|part| folder.join(part));
    let others = others.iter().filter(|part| part.is_dir()).flat_map(|part| sources(part));
    let mut files: Vec<PathBuf> = sources(folder).into_iter().chain(others).collect();
    files.sort();
    files
}

fn digest(files: &[PathBuf]) -> String {
    let mut digest = Sha256::new();
    for file in files {
        digest.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        digest.update(fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
