//! A temporary folder with a scenario and a repository, and the program run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A scenario on the fixture repository that passes in five minutes of virtual time.
pub(crate) const CALM: &str = "\
name: calm
repository: repository
apply: [argocd/project.yaml, argocd/llama3-production.yaml]
models: { 3.1-70b-instruct: { latency: { p50: 180ms, p99: 350ms } } }
expect:
  - { application: llama3-production, becomes: Synced, of: start }
";

/// Where the project lies.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The one object of `--format json`.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Asserts that the input was refused with these messages, one an error, each with its place, and
    /// that nothing else was said.
    pub(crate) fn refused(&self, code: i32, errors: &[&[&str]]) {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:#?}");
        let told: Vec<&str> = self.stderr.split("error: ").skip(1).collect();
        assert_eq!(told.len(), errors.len(), "{}", self.stderr);
        for (told, needles) in told.iter().zip(errors) {
            for needle in *needles {
                assert!(told.contains(needle), "`{needle}` is missing:\n{told}");
            }
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// Runs a prepared command with nothing of the surroundings that could change what it prints.
pub(crate) fn run(command: &mut Command) -> Outcome {
    for variable in ["NO_COLOR", "CLICOLOR_FORCE", "COLUMNS", "RUST_BACKTRACE"] {
        command.env_remove(variable);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    Outcome {
        code: output.status.code().expect("nothing kills the program"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The program, to be run in a folder.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
    command.args(arguments).current_dir(folder);
    command
}

/// Runs the program at the root of the project, where the shipped scenarios are.
pub(crate) fn rehearse(arguments: &[&str]) -> Outcome {
    run(&mut program(&root(), arguments))
}

/// A temporary folder to run in.
pub(crate) struct Room(TempDir);

impl Room {
    /// An empty one.
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with [`CALM`] as `calm.yaml`, and the fixture repository.
    pub(crate) fn new() -> Self {
        let room = Self::empty();
        copy(&root().join("fixtures/ai-deployments"), &room.path("repository"));
        room.write("calm.yaml", CALM);
        room
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Replaces a text that stands once in a file.
    pub(crate) fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {path}");
        self.write(path, text.replace(from, to));
    }

    pub(crate) fn append(&self, path: &str, text: &str) {
        self.write(path, self.read(path) + text);
    }

    pub(crate) fn rehearse(&self, arguments: &[&str]) -> Outcome {
        run(&mut program(self.0.path(), arguments))
    }

    /// Runs the scenario `calm.yaml`.
    pub(crate) fn run_calm(&self, arguments: &[&str]) -> Outcome {
        self.rehearse(&[&["run", "calm.yaml"], arguments].concat())
    }

    /// Every file below a folder, by its path from there.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let mut files = Vec::new();
        list(&self.path(folder), "", &mut files);
        files.sort();
        files
    }
}

fn list(folder: &Path, prefix: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &format!("{name}/"), files);
        } else {
            files.push(name);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
