//! A run in miniature, to be killed.

use std::io::{BufRead, BufReader, PipeReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use cluster::host::{RunId, State};
use rustix::process::Pid;

/// The program `trial`, and the pipe that ends when it and everything that it started are gone.
pub(crate) struct Trial {
    pub(crate) child: Child,
    pub(crate) run: RunId,
    pub(crate) reaper: Pid,
    stdout: BufReader<ChildStdout>,
    all: PipeReader,
}

impl Trial {
    /// Starts it and waits until its reaper watches.
    pub(crate) fn start(what: &str, state: &Path) -> Self {
        let (all, held) = std::io::pipe().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_trial"));
        command.arg(what).arg(state).stdin(held).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It holds the pipe's other end.
        drop(command);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        let (run, reaper) = first.trim().split_once(' ').unwrap();
        let (run, reaper) = (RunId::parse(run).unwrap(), pid(reaper.parse().unwrap()));
        Self { child, run, reaper, stdout, all }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Kills it, and nothing that it started.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until no process of it is left: not even the reaper.
    pub(crate) fn wait_for_all(&mut self) {
        self.all.read_to_end(&mut Vec::new()).unwrap();
    }
}

pub(crate) fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

/// A state folder whose runs, and what they make, are told from those of others by their names.
pub(crate) fn state(identity: &str) -> (tempfile::TempDir, State) {
    let room = tempfile::tempdir().unwrap();
    std::fs::write(room.path().join("identity"), identity).unwrap();
    let state = State::open(room.path()).unwrap();
    (room, state)
}
