//! The reaper: a process that outlives a killed harness and undoes its journal.
//!
//! It waits for the lock of the journal. The kernel gives it the lock when the harness is gone, however
//! that died: a program that the harness was just starting holds the lock too, until it has become that
//! program, so that nothing which the harness started escapes between two looks. Of an orderly end it finds
//! no journal.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;
use crate::host::journal::Owner;
use crate::host::undo::undo;
use crate::host::{Journal, RunId, State};

/// What a reaper says once nothing but SIGKILL ends it.
const READY: &str = "ready";

/// What a reaper could not do, for people to read; in the run's folder.
const LOG: &str = "reaper.log";

/// A reaper that watches over a run.
#[derive(Debug)]
pub struct Reaper {
    process: u32,
}

impl Reaper {
    /// Starts `program reap <state folder> <run>`, which must call [`reap`], and waits until it watches.
    ///
    /// # Errors
    /// It cannot be started or does not get ready.
    pub async fn start(program: &Path, state: &State, journal: &Journal) -> Result<Self, Failure> {
        let started = async {
            let log = journal.folder().join(LOG);
            let log = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
            let mut child = Command::new(program)
                .arg("reap")
                .arg(state.root())
                .arg(journal.run().as_str())
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(log)
                .spawn()?;
            let stdout = child.stdout.take().ok_or_else(|| std::io::Error::other("no standard output"))?;
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).await?;
            if line.trim_end() != READY {
                return Err(std::io::Error::other(format!("it said `{}`", line.trim_end())));
            }
            Ok(child.id().unwrap_or_default())
        };
        let process = started.await.map_err(|error| {
            let what = "the process that would clean up after a killed run cannot be started";
            Failure::environment(what, error, "")
        })?;
        Ok(Self { process })
    }

    /// The id of its process.
    pub fn process(&self) -> u32 {
        self.process
    }
}

/// What the program does when it is called as a reaper: gets out of reach of whatever may end the harness,
/// waits until that is gone and undoes its journal.
///
/// # Errors
/// The journal cannot be read.
pub async fn reap(state: PathBuf, run: &str) -> Result<Vec<Failure>, Failure> {
    let run = RunId::parse(run).map_err(|why| Failure::environment(why, "", ""))?;
    let state = State::open(state)?;
    detach().map_err(|error| Failure::environment("the reaper cannot leave its session", error, ""))?;
    let owner = tokio::task::spawn_blocking(move || Journal::inherit(&state, &run, say_ready)).await;
    let owner = owner.map_err(|error| Failure::environment("the reaper stopped waiting", error, ""))?;
    match owner? {
        Owner::Us(journal) => Ok(undo(&journal, &mut |_| ()).await),
        Owner::Another | Owner::Nobody => Ok(Vec::new()),
    }
}

/// Leaves the terminal and the process group of the harness, and survives what ends those: a handler that
/// does nothing takes the place of the signals' own effect for as long as the process lives.
fn detach() -> std::io::Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()] {
        drop(signal(kind)?);
    }
    rustix::process::setsid()?;
    Ok(())
}

/// The harness may be gone already, and nobody reads this.
fn say_ready() {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{READY}").and_then(|()| stdout.flush());
}
