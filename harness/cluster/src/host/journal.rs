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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn container(name: &str) -> Made {
        Made::Container { name: name.to_owned() }
    }

    fn room() -> (tempfile::TempDir, State) {
        let room = tempfile::tempdir().unwrap();
        let state = State::open(room.path()).unwrap();
        (room, state)
    }

    /// What a killed process leaves: its file, no longer locked.
    fn killed(journal: Journal) -> RunId {
        let run = journal.run().clone();
        drop(journal);
        run
    }

    fn taken(owner: Owner) -> Journal {
        match owner {
            Owner::Us(journal) => journal,
            Owner::Another | Owner::Nobody => panic!("{owner:?}"),
        }
    }

    #[test]
    fn what_a_killed_run_made_is_known_to_its_heir_until_that_has_removed_it() {
        let (_room, state) = room();
        let journal = Journal::begin(&state).unwrap();
        let first = journal.note(container("a")).unwrap();
        journal.note(container("b")).unwrap();
        journal.done(first).unwrap();
        journal.note(Made::Program { arguments: vec!["x\n\u{0}".to_owned()] }).unwrap();
        let run = killed(journal);

        let heir = taken(Journal::take_over(&state, &run).unwrap());
        let left = heir.left();
        let things: Vec<Made> = left.iter().map(|(_, made)| made.clone()).collect();
        assert_eq!(things, [container("b"), Made::Program { arguments: vec!["x\n\u{0}".to_owned()] }]);
        heir.end().unwrap();
        assert!(heir.folder().exists(), "something is left");
        for (note, _) in left {
            heir.done(note).unwrap();
        }
        heir.end().unwrap();
        heir.end().unwrap();
        assert_eq!(state.runs().unwrap(), []);
    }

    #[test]
    fn a_living_run_keeps_its_journal_to_itself() {
        let (_room, state) = room();
        let journal = Journal::begin(&state).unwrap();
        journal.note(container("a")).unwrap();
        assert!(matches!(Journal::take_over(&state, journal.run()).unwrap(), Owner::Another));
        assert_eq!(Journal::peek(&state, journal.run()).unwrap(), [container("a")]);
        let clone = journal.clone();
        let run = killed(journal);
        assert!(matches!(Journal::take_over(&state, &run).unwrap(), Owner::Another), "a clone is it too");
        drop(clone);
        taken(Journal::take_over(&state, &run).unwrap());
    }

    /// The heir waits with the file open while the run removes it.
    #[test]
    fn of_an_orderly_end_the_heir_inherits_nothing() {
        let (_room, state) = room();
        let journal = Journal::begin(&state).unwrap();
        let run = journal.run().clone();
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let heir = scope.spawn(|| Journal::inherit(&state, &run, || ready.send(()).unwrap()));
            is_ready.recv().unwrap();
            journal.end().unwrap();
            drop(journal);
            assert!(matches!(heir.join().unwrap().unwrap(), Owner::Nobody));
        });
        assert_eq!(Journal::peek(&state, &run).unwrap(), []);
        assert!(matches!(Journal::inherit(&state, &run, || ()).unwrap(), Owner::Nobody));
    }

    #[test]
    fn an_heir_goes_on_behind_a_torn_line() {
        let (_room, state) = room();
        let journal = Journal::begin(&state).unwrap();
        let note = journal.note(container("a")).unwrap();
        let file = journal.folder().join(FILE);
        let run = killed(journal);
        let whole = fs::read(&file).unwrap();
        fs::write(&file, [whole.as_slice(), br#"{"made":2,"what":{"contai"#].concat()).unwrap();

        let heir = taken(Journal::take_over(&state, &run).unwrap());
        assert_eq!(heir.left(), [(note, container("a"))]);
        heir.note(container("c")).unwrap();
        heir.done(note).unwrap();
        assert_eq!(Journal::peek(&state, &run).unwrap(), [container("c")]);
    }

    #[test]
    fn the_journal_of_a_newer_version_is_left_to_that() {
        let (_room, state) = room();
        let journal = Journal::begin(&state).unwrap();
        let file = journal.folder().join(FILE);
        let run = killed(journal);
        let head = fs::read_to_string(&file).unwrap().replace("\"journal\":1", "\"journal\":2");
        fs::write(&file, head.replace(env!("CARGO_PKG_VERSION"), "9.0.0")).unwrap();
        let failure = Journal::take_over(&state, &run).unwrap_err().to_string();
        assert!(failure.contains("rehearse 9.0.0 wrote it in a newer format"), "{failure}");
    }

    #[test]
    fn an_endless_file_is_not_read() {
        let (_room, state) = room();
        let journal = Journal::begin(&state).unwrap();
        let file = journal.folder().join(FILE);
        let run = killed(journal);
        File::options().write(true).open(&file).unwrap().set_len(LARGEST + 1).unwrap();
        let failure = Journal::take_over(&state, &run).unwrap_err().to_string();
        assert!(failure.contains("larger than 16 MiB"), "{failure}");
    }

    /// A journal that is written as in a run: some things made, some of them removed again.
    fn lines(made: &[(Made, bool)]) -> Vec<(String, BTreeMap<Note, Made>)> {
        let mut open = BTreeMap::new();
        let mut lines = Vec::new();
        let mut push = |line: &Line, open: &BTreeMap<Note, Made>| {
            lines.push((serde_json::to_string(line).unwrap() + "\n", open.clone()));
        };
        for (number, (what, is_gone)) in (1..).zip(made) {
            open.insert(Note(number), what.clone());
            push(&Line::Made { made: Note(number), what: what.clone() }, &open);
            if *is_gone {
                open.remove(&Note(number));
                push(&Line::Gone { gone: Note(number) }, &open);
            }
        }
        lines
    }

    fn anything() -> impl Strategy<Value = Made> {
        let arguments = prop::collection::vec(".{0,20}", 0..4);
        prop_oneof![
            ".{0,30}".prop_map(|name| Made::Container { name }),
            arguments.prop_map(|arguments| Made::Program { arguments }),
            "[a-z0-9]{1,20}"
                .prop_map(|run| { Made::Cluster { name: ClusterName::of(&RunId::parse(&run).unwrap()) } }),
            "[a-z0-9]{1,20}".prop_map(|run| Made::Objects {
                cluster: ClusterName::of(&RunId::parse(&run).unwrap()),
                kubeconfig: PathBuf::from("/some/where"),
            }),
        ]
    }

    proptest! {
        /// Wherever the machine stopped writing, what stands in whole lines is known and nothing else.
        #[test]
        fn a_journal_that_was_cut_anywhere_knows_what_was_made(
            made in prop::collection::vec((anything(), any::<bool>()), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let lines = lines(&made);
            let bytes: Vec<u8> = lines.iter().flat_map(|(line, _)| line.bytes()).collect();
            let cut = cut.index(bytes.len() + 1);
            let (mut end, mut expected) = (0, BTreeMap::new());
            for (line, open) in &lines {
                end += line.len();
                // A line counts from its last brace on; the line break adds nothing.
                if cut + 1 >= end {
                    expected = open.clone();
                }
            }
            prop_assert_eq!(entries(&bytes[..cut]).unwrap().0, expected);
        }

        /// A disk that fills up tears lines in the middle, and the run goes on behind them.
        #[test]
        fn torn_lines_in_the_middle_hide_no_whole_ones(
            made in prop::collection::vec((anything(), any::<bool>()), 1..8),
            torn in any::<prop::sample::Index>(),
        ) {
            let lines = lines(&made);
            let mut bytes = Vec::new();
            for (line, _) in &lines {
                bytes.extend_from_slice(&line.as_bytes()[..torn.index(line.len() - 1)]);
                bytes.push(b'\n');
                bytes.extend_from_slice(line.as_bytes());
            }
            prop_assert_eq!(entries(&bytes).unwrap().0, lines.last().unwrap().1.clone());
        }

        #[test]
        fn no_file_makes_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = entries(&bytes);
        }
    }
}
