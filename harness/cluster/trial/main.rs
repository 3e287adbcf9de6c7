//! A run in miniature, for the tests to kill: it has a journal and a reaper, makes something and waits.
//!
//! The standard input is passed on to every process that it starts, so that whoever holds its other end sees
//! when all of them are gone.

use std::path::{Path, PathBuf};

use cluster::Failure;
use cluster::components::{Lock, Sources};
use cluster::host::program::Program;
use cluster::host::undo::undo;
use cluster::host::{ClusterSpec, Docker, Journal, Kind, Places, Reaper, State, reaper};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["reap", state, run] => {
            let failures = reaper::reap(PathBuf::from(state), run).await?;
            failures.into_iter().next().map_or(Ok(()), Err)
        }
        ["program", state] => Run::begin(Path::new(state)).await?.program().await,
        ["cluster", state] => Run::begin(Path::new(state)).await?.cluster().await,
        ["orderly", state] => Run::begin(Path::new(state)).await?.end().await,
        _ => Err(Failure::environment("trial reap|program|cluster|orderly STATE [RUN]", "", "")),
    }
}

struct Run {
    journal: Journal,
}

impl Run {
    async fn begin(state: &Path) -> Result<Self, Failure> {
        let broken = |error: std::io::Error| Failure::environment("the trial cannot begin", error, "");
        // The copy is not closed when another program is started.
        std::mem::forget(rustix::io::dup(std::io::stdin()).map_err(|error| broken(error.into()))?);
        let state = State::open(state)?;
        let journal = Journal::begin(&state)?;
        let reaper = Reaper::start(&std::env::current_exe().map_err(broken)?, &state, &journal).await?;
        say(&format!("{} {}", journal.run(), reaper.process()));
        Ok(Self { journal })
    }

    /// Starts a program that never ends, in a group of its own with another one.
    async fn program(self) -> Result<(), Failure> {
        let script = "sleep 100000 & sleep 100000";
        let arguments = ["-c", script, "sh", "--name", self.journal.run().as_str()];
        let program = Program::find("sh", "")?.call(arguments).within(std::time::Duration::MAX);
        program.journalled(&self.journal).run().await.map(drop)
    }

    async fn cluster(self) -> Result<(), Failure> {
        let docker = Docker::find().await?;
        let sources = Sources::new(&docker, &Places::of_user()?, None);
        let node_image = sources.node_image(&Lock::of_this_version()?, None).await?;
        let spec = ClusterSpec { node_image, workers: 0 };
        Kind::find(&docker).await?.create(&spec, &self.journal).await?;
        say("made");
        std::future::pending().await
    }

    async fn end(self) -> Result<(), Failure> {
        let failures = undo(&self.journal, &mut |_| ()).await;
        failures.into_iter().next().map_or(Ok(()), Err)
    }
}

#[allow(clippy::print_stdout, reason = "the test reads it")]
fn say(line: &str) {
    println!("{line}");
}
