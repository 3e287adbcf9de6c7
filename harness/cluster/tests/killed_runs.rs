//! Nothing is left of a run, however it ends.

#![allow(clippy::unwrap_used, reason = "what cannot be read or run fails the test")]

use std::io::{BufRead, BufReader, PipeReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use cluster::host::{Journal, Made, RunId, State};
use rustix::process::{Pid, Signal, getpgid, getsid, kill_process};

/// A run in miniature, and the pipe that ends when it and everything that it started are gone.
struct Trial {
    child: Child,
    stdout: BufReader<ChildStdout>,
    all: PipeReader,
    run: RunId,
    reaper: Pid,
}

impl Trial {
    fn start(what: &str, state: &Path) -> Self {
        let (all, held) = std::io::pipe().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_trial"));
        command.arg(what).arg(state).stdin(held).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It holds the pipe's other end.
        drop(command);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let first = line(&mut stdout);
        let (run, reaper) = first.trim().split_once(' ').unwrap();
        let (run, reaper) = (RunId::parse(run).unwrap(), pid(reaper.parse().unwrap()));
        Self { child, stdout, all, run, reaper }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until no process of it is left: not even the reaper.
    fn wait_for_all(&mut self) {
        self.all.read_to_end(&mut Vec::new()).unwrap();
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

fn line(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line
}

/// A state folder whose runs, and clusters, are told from those of others by their names.
fn state(identity: &str) -> (tempfile::TempDir, State) {
    let room = tempfile::tempdir().unwrap();
    std::fs::write(room.path().join("identity"), identity).unwrap();
    let state = State::open(room.path()).unwrap();
    (room, state)
}

/// Waits until the run has started its program: until its journal says so.
fn wait_for_program(state: &State, trial: &Trial) -> Vec<String> {
    loop {
        let made = Journal::peek(state, &trial.run).unwrap().into_iter().next();
        if let Some(Made::Program { arguments }) = made {
            return arguments;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_run_leaves_no_program_and_no_folder() {
    let (room, state) = state("host");
    let mut trial = Trial::start("program", room.path());
    let arguments = wait_for_program(&state, &trial);
    assert!(arguments.iter().any(|it| it == trial.run.as_str()), "{arguments:?}");
    assert_eq!(state.runs().unwrap(), [trial.run.clone()]);
    trial.kill();
    trial.wait_for_all();
    assert_eq!(state.runs().unwrap(), []);
}

#[test]
fn what_ends_a_run_does_not_end_its_reaper() {
    let (room, state) = state("host");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut trial = Trial::start("program", room.path());
        wait_for_program(&state, &trial);
        let (reaper, harness) = (trial.reaper, pid(trial.child.id()));
        assert_ne!(getsid(Some(reaper)).unwrap(), getsid(Some(harness)).unwrap());
        assert_ne!(getpgid(Some(reaper)).unwrap(), getpgid(Some(harness)).unwrap());
        kill_process(reaper, signal).unwrap();
        trial.kill();
        trial.wait_for_all();
        assert_eq!(state.runs().unwrap(), [], "{signal:?}");
    }
}

#[test]
fn a_run_that_ends_in_order_leaves_its_reaper_nothing() {
    let (room, state) = state("host");
    let mut trial = Trial::start("orderly", room.path());
    assert!(trial.child.wait().unwrap().success());
    trial.wait_for_all();
    assert_eq!(state.runs().unwrap(), []);
    assert_eq!(line(&mut trial.stdout), "");
}

#[test]
fn a_reaper_of_a_run_that_is_gone_has_nothing_to_do() {
    let (room, _state) = state("host");
    let mut command = Command::new(env!("CARGO_BIN_EXE_trial"));
    assert!(command.arg("reap").arg(room.path()).arg("host-00000000").status().unwrap().success());
}
