//! What a run has made, written down before it is made.
//!
//! A journal is a file of JSON lines in the run's folder of the [`State`]:
//!
//! ```text
//! {"journal":1,"run":"k3x9f2-7d01c55a","rehearse":"0.1.0","pid":4711}
//! {"made":1,"what":{"cluster":{"name":"rehearse-k3x9f2-7d01c55a"}}}
//! {"gone":1}
//! ```
//!
//! A line reaches the disk before the thing is made, so that a line that is torn announces nothing that
//! exists. What is gone is crossed out afterwards; where that line is torn, the thing is removed a second
//! time, which does nothing. The harness holds a lock on the file (`flock`), which the kernel releases
//! when the process is gone, however it died: a journal that can be locked is nobody's.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::host::kind::ClusterName;
use crate::host::state::{RunId, State, private_folder, sync_folder};

/// The name of a journal in its run's folder.
const FILE: &str = "journal.jsonl";

/// The format that is written, and the newest that is read.
const FORMAT: u32 = 1;

/// The largest journal that is read. One of a run has some hundred bytes.
const LARGEST: u64 = 16 << 20;

/// What a run makes and must remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Made {
    /// A kind cluster.
    Cluster {
        /// Its name.
        name: ClusterName,
    },
    /// Every object with the label `rehearse.dev/run=<run>` in a cluster that stays.
    Objects {
        /// The cluster.
        cluster: ClusterName,
        /// How it is reached.
        kubeconfig: PathBuf,
    },
    /// A repository on the Git server of a cluster that stays.
    Repository {
        /// The cluster.
        cluster: ClusterName,
        /// How it is reached.
        kubeconfig: PathBuf,
        /// The repository's name.
        name: String,
    },
    /// A container of the docker engine that is not a cluster's node. Its name holds the run's id.
    Container {
        /// Its name.
        name: String,
    },
    /// A program that runs: whichever process was started with exactly these arguments. They hold the
    /// run's id, so that no other has them.
    Program {
        /// The arguments, without the program's own name.
        arguments: Vec<String>,
    },
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { name } => write!(f, "the cluster {name}"),
            Self::Objects { cluster, .. } => write!(f, "the run's objects in {cluster}"),
            Self::Repository { cluster, name, .. } => write!(f, "the repository {name} in {cluster}"),
            Self::Container { name } => write!(f, "the container {name}"),
            Self::Program { arguments } => write!(f, "the running program `{}`", arguments.join(" ")),
        }
    }
}

/// The number of an entry in its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Note(u64);

/// The journal of a run that this process owns. Clones are the same journal.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    run: RunId,
    folder: PathBuf,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    open: BTreeMap<Note, Made>,
    last: Note,
}

/// Whose a journal is.
#[derive(Debug)]
pub enum Owner {
    /// It is ours now: the process that wrote it is gone.
    Us(Journal),
    /// The process that writes it lives, or another is undoing it.
    Another,
    /// The journal is gone: its run has removed everything.
    Nobody,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Made { made: Note, what: Made },
    Gone { gone: Note },
    Head(Head),
}

/// The first line. What stands there for people to read is not needed to undo the journal.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    journal: u32,
    run: RunId,
    rehearse: String,
    pid: u32,
}

impl Journal {
    /// Begins the journal of a new run.
    ///
    /// # Errors
    /// The folder cannot be written or its file system knows no locks.
    pub fn begin(state: &State) -> Result<Self, Failure> {
        let run = state.new_run();
        let folder = state.run_folder(&run);
        let begun = (|| {
            let _guard = state.guard()?;
            private_folder(&folder)?;
            let mut options = OpenOptions::new();
            let mut file =
                options.read(true).append(true).create_new(true).mode(0o600).open(folder.join(FILE))?;
            file.lock()?;
            let rehearse = env!("CARGO_PKG_VERSION").to_owned();
            let head = Head { journal: FORMAT, run: run.clone(), rehearse, pid: std::process::id() };
            write_line(&mut file, &Line::Head(head))?;
            sync_folder(&folder)?;
            sync_folder(folder.parent().unwrap_or(&folder))?;
            Ok(file)
        })();
        let file = begun.map_err(|error| unwritable(&folder, &error))?;
        let written = Mutex::new(Written { file, open: BTreeMap::new(), last: Note(0) });
        Ok(Self(Arc::new(Inner { run, folder, written })))
    }

    /// Takes over the journal of a run whose process is gone. The journal is looked at once.
    ///
    /// # Errors
    /// The journal cannot be read, or a newer version wrote it.
    pub fn take_over(state: &State, run: &RunId) -> Result<Owner, Failure> {
        Self::open(run, &state.run_folder(run), |file| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// Takes over the journal of a run as soon as its process is gone: waits for that.
    ///
    /// # Errors
    /// As [`Journal::take_over`].
    pub fn inherit(state: &State, run: &RunId, ready: impl FnOnce()) -> Result<Owner, Failure> {
        Self::open(run, &state.run_folder(run), |file| {
            ready();
            file.lock().map(|()| true)
        })
    }

    fn open(
        run: &RunId,
        folder: &Path,
        lock: impl FnOnce(&File) -> std::io::Result<bool>,
    ) -> Result<Owner, Failure> {
        let path = folder.join(FILE);
        let opened = (|| {
            let file = OpenOptions::new().read(true).append(true).open(&path)?;
            let is_locked = lock(&file)?;
            // Whoever held the lock may have removed the file meanwhile.
            let (ours, there) = (file.metadata()?, path.metadata()?);
            let is_there = (ours.dev(), ours.ino()) == (there.dev(), there.ino());
            Ok((file, is_locked, is_there))
        })();
        let (file, is_locked, is_there) = match opened {
            Err(error) if is_missing(&error) => return Ok(Owner::Nobody),
            opened => opened.map_err(|error: std::io::Error| unreadable(&path, &error))?,
        };
        match (is_locked, is_there) {
            (false, _) => Ok(Owner::Another),
            (true, false) => Ok(Owner::Nobody),
            (true, true) => Self::resumed(run, folder, file).map(Owner::Us),
        }
    }

    fn resumed(run: &RunId, folder: &Path, mut file: File) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let bytes = read(&mut file).map_err(|error| unreadable(&path, &error))?;
        let (open, last) = entries(&bytes).map_err(|why| unreadable(&path, &why))?;
        if bytes.last().is_some_and(|byte| *byte != b'\n') {
            file.write_all(b"\n").map_err(|error| unwritable(folder, &error))?;
        }
        let written = Mutex::new(Written { file, open, last });
        Ok(Self(Arc::new(Inner { run: run.clone(), folder: folder.to_owned(), written })))
    }

    /// What a run has made and not yet removed, whether or not it lives. A run whose journal is gone has
    /// nothing left.
    ///
    /// # Errors
    /// The journal cannot be read, or a newer version wrote it.
    pub fn peek(state: &State, run: &RunId) -> Result<Vec<Made>, Failure> {
        let path = state.run_folder(run).join(FILE);
        let bytes = match File::open(&path).and_then(|mut file| read(&mut file)) {
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            read => read.map_err(|error| unreadable(&path, &error))?,
        };
        let (open, _) = entries(&bytes).map_err(|why| unreadable(&path, &why))?;
        Ok(open.into_values().collect())
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.0.run
    }

    /// The run's private folder, which goes with the journal: for its kubeconfig, its checkout, its logs.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Writes down what is about to be made. It is on the disk when this returns.
    ///
    /// # Errors
    /// The journal cannot be written: nothing must be made.
    pub fn note(&self, what: Made) -> Result<Note, Failure> {
        let mut written = self.written();
        let note = Note(written.last.0 + 1);
        // Also where the line is torn: its number may be in it.
        written.last = note;
        let line = Line::Made { made: note, what: what.clone() };
        write_line(&mut written.file, &line).map_err(|error| unwritable(&self.0.folder, &error))?;
        written.open.insert(note, what);
        Ok(note)
    }

    /// Crosses out what is gone.
    ///
    /// # Errors
    /// The journal cannot be written. It is then removed a second time, which does nothing.
    pub fn done(&self, note: Note) -> Result<(), Failure> {
        let mut written = self.written();
        write_line(&mut written.file, &Line::Gone { gone: note })
            .map_err(|error| unwritable(&self.0.folder, &error))?;
        written.open.remove(&note);
        Ok(())
    }

    /// What was made and is not gone, in the order of its making.
    pub fn left(&self) -> Vec<(Note, Made)> {
        self.written().open.iter().map(|(note, made)| (*note, made.clone())).collect()
    }

    /// Ends a journal in which everything is crossed out: removes it with the run's folder. One in which
    /// something is left stays, for whoever undoes it.
    ///
    /// # Errors
    /// The folder cannot be removed.
    pub fn end(&self) -> Result<(), Failure> {
        let written = self.written();
        if !written.open.is_empty() {
            return Ok(());
        }
        match fs::remove_dir_all(&self.0.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let what = format!("the folder of the run, {}, cannot be removed", self.0.folder.display());
                Err(Failure::environment(what, error, "remove it by hand"))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A panic while the lock was held left at worst a torn line.
    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_line(file: &mut File, line: &Line) -> std::io::Result<()> {
    let mut text = serde_json::to_string(line).map_err(std::io::Error::other)?;
    text.push('\n');
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
    if written.is_err() {
        // A full disk may have taken half of the line; the next one must not continue it.
        let _ = file.write_all(b"\n");
    }
    written
}

fn read(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(bytes)
}

/// The entries that are not crossed out and the last number that was given.
fn entries(bytes: &[u8]) -> Result<(BTreeMap<Note, Made>, Note), String> {
    let (mut open, mut last) = (BTreeMap::new(), Note(0));
    // A line that is not understood was torn.
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    for line in lines {
        match line {
            Line::Head(head) if head.journal > FORMAT => {
                return Err(format!("rehearse {} wrote it in a newer format", head.rehearse));
            }
            Line::Head(_) => {}
            Line::Made { made, what } => {
                open.insert(made, what);
                last = last.max(made);
            }
            Line::Gone { gone } => {
                open.remove(&gone);
            }
        }
    }
    Ok((open, last))
}

fn is_missing(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

fn unwritable(folder: &Path, error: &std::io::Error) -> Failure {
    let what = format!("what the run makes cannot be written down in {}", folder.display());
    Failure::environment(what, error, "make room or mend it, or name another folder with REHEARSE_STATE")
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    let what = format!("the journal {} cannot be read", path.display());
    Failure::environment(what, why, "run `rehearse clean` of the version that wrote it")
}

#[cfg(test)]
mod tests;
