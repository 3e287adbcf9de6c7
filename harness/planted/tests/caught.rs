//! The suite catches every planted bug: the tests of the crates that have the rules are built once with
//! the bugs in them, and run once without any and once with each.

#![expect(clippy::print_stdout, reason = "what catches which bug is the point")]
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "this test runs those of others")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use planted::{Bug, VARIABLE};
use serde_json::Value;

/// The crates whose tests are the suite, those that catch most first.
const SUITE: [&str; 7] = ["simulator", "promql", "rules", "manifests", "conditions", "gates", "fidelity"];

/// How long one program of tests may take: a bug may make it run for ever, and that is caught, too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program of tests.
struct Tests {
    name: String,
    program: PathBuf,
    folder: PathBuf,
}

impl Tests {
    /// Builds those of the suite.
    fn build() -> Vec<Self> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--no-run", "--features", "planted/on", "--message-format", "json"]);
        cargo.args(["-p", "planted"]).args(SUITE.iter().flat_map(|package| ["-p", package]));
        let built = cargo.stderr(Stdio::inherit()).output().unwrap();
        assert!(built.status.success(), "the tests with planted bugs do not build");
        let messages = String::from_utf8(built.stdout).unwrap();
        let mut tests: Vec<Self> = messages.lines().filter_map(Self::of_message).collect();
        tests.sort_by_key(|tests| {
            (SUITE.iter().position(|package| tests.name.starts_with(package)), tests.name.clone())
        });
        for package in SUITE {
            assert!(tests.iter().any(|tests| tests.name.starts_with(package)), "{package} has no tests");
        }
        tests
    }

    fn of_message(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        let program = PathBuf::from(message["executable"].as_str()?);
        let folder = PathBuf::from(message["manifest_path"].as_str()?).parent()?.to_owned();
        let package = folder.file_name()?.to_str()?;
        let name = format!("{package}/{}", message["target"]["name"].as_str()?);
        (message["profile"]["test"] == true && SUITE.contains(&package)).then_some(Self {
            name,
            program,
            folder,
        })
    }

    /// The names of the tests that fail.
    fn failures(&self, bug: Option<Bug>) -> Vec<String> {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).stdout(Stdio::piped()).stderr(Stdio::null()).env_remove(VARIABLE);
        command.envs([("INSTA_UPDATE", "no"), ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")]);
        command.env("PROPTEST_MAX_SHRINK_ITERS", "0");
        command.envs(bug.map(|bug| (VARIABLE, format!("{bug:?}"))));
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (done, result) = mpsc::channel();
        thread::spawn(move || done.send(std::io::read_to_string(&mut stdout)));
        let Ok(output) = result.recv_timeout(PATIENCE) else {
            child.kill().unwrap();
            child.wait().unwrap();
            return vec![format!("{} does not end", self.name)];
        };
        let failed = output.unwrap();
        let failed =
            failed.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
        let failed: Vec<String> = failed.map(|test| format!("{} {test}", self.name)).collect();
        match child.wait().unwrap().success() {
            false if failed.is_empty() => vec![format!("{} ends with an error", self.name)],
            _ => failed,
        }
    }
}

#[test]
fn every_planted_bug_fails_the_suite_and_none_passes_it() {
    let suite = Tests::build();
    for tests in &suite {
        assert_eq!(tests.failures(None), [""; 0], "nothing is planted, and {} fails", tests.name);
    }
    let mut missed = Vec::new();
    for &bug in Bug::ALL {
        match suite.iter().map(|tests| tests.failures(Some(bug))).find(|failures| !failures.is_empty()) {
            Some(failures) => match failures.len() - 1 {
                0 => println!("{bug:?}: {}", failures[0]),
                others => println!("{bug:?}: {}, and {others} more", failures[0]),
            },
            None => missed.push(format!("{bug:?}: {}", bug.what())),
        }
    }
    println!("{} of {} planted bugs are caught", Bug::ALL.len() - missed.len(), Bug::ALL.len());
    assert!(missed.is_empty(), "not caught:\n{}", missed.join("\n"));
}
