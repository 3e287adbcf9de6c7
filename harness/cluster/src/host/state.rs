use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Failure;

/// The longest id of a run: with it, names of clusters and nodes stay within 63 characters, as host names
/// and values of Kubernetes labels must.
const LONGEST: usize = 32;

/// The folder that remembers what runs have made and not yet removed.
///
/// ```text
/// lock                           held while a run begins or is judged dead
/// identity                       the first part of the ids of all runs of this folder
/// runs/<id>/journal.jsonl        what the run has made; locked while the run lives
/// runs/<id>/...                  the run's private files, such as its kubeconfig
/// kept/<cluster>/kubeconfig      a cluster that a run was told to keep
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    root: PathBuf,
    identity: String,
}

/// The id of a run: the identity of its state folder and what tells it from the folder's other runs, such
/// as `k3x9f2-7d01c55a`.
///
/// It is part of the names of all that the run makes, so that `rehearse clean` knows a cluster of this state
/// folder from one that another user or another machine makes on the same docker engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl State {
    /// Opens the folder, and makes it where there is none.
    ///
    /// # Errors
    /// It cannot be made, read or written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Failure> {
        let root = root.into();
        for folder in ["runs", "kept"] {
            private_folder(&root.join(folder)).map_err(|error| unusable(&root, &error))?;
        }
        let identity = identity(&root.join("identity")).map_err(|error| unusable(&root, &error))?;
        Ok(Self { root, identity })
    }

    /// Where it lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The first part of the ids of all runs of this folder.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// An id that no run of this folder has.
    pub(crate) fn new_run(&self) -> RunId {
        RunId(format!("{}-{}", self.identity, unlike_any_other(8)))
    }

    /// Keeps others from beginning or judging runs, until it is dropped.
    pub(crate) fn guard(&self) -> std::io::Result<fs::File> {
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(self.root.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// The folder of a run.
    pub(crate) fn run_folder(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(&run.0)
    }

    /// Removes the folder of a run that has no journal.
    pub(crate) fn forget_run(&self, run: &RunId) -> Result<(), Failure> {
        match fs::remove_dir_all(self.run_folder(run)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unusable(&self.root, &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The folder of a kept cluster.
    pub(crate) fn kept_folder(&self, name: &str) -> PathBuf {
        self.root.join("kept").join(name)
    }

    /// The runs that have a folder, in the order of their ids. What is not the folder of a run is left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn runs(&self) -> Result<Vec<RunId>, Failure> {
        let names = names_in(&self.root.join("runs")).map_err(|error| unusable(&self.root, &error))?;
        Ok(names.into_iter().filter_map(|name| RunId::parse(&name).ok()).collect())
    }

    /// The names of kept clusters.
    pub(crate) fn kept(&self) -> Result<Vec<String>, Failure> {
        names_in(&self.root.join("kept")).map_err(|error| unusable(&self.root, &error))
    }
}

impl RunId {
    /// Reads an id: lower-case letters, digits and hyphens, as in a host name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_bounded = !text.is_empty() && text.len() <= LONGEST;
        if !is_bounded || !text.chars().all(is_allowed) || text.starts_with('-') || text.ends_with('-') {
            return Err(format!(
                "`{text}` is not an id of a run: 1 to {LONGEST} lower-case letters, digits and inner hyphens"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a run of this state folder has it.
    pub fn is_of(&self, state: &State) -> bool {
        self.0.strip_prefix(&state.identity).is_some_and(|rest| rest.starts_with('-'))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> Self {
        run.0
    }
}

/// Makes a folder that only the user may enter, with what stands above it.
pub(crate) fn private_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes what was written into a folder last through a crash of the machine.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// The identity is drawn once. Of two programs that draw at a time, the first to name its file wins.
fn identity(path: &Path) -> std::io::Result<String> {
    if let Some(known) = read_identity(path)? {
        return Ok(known);
    }
    let drawn = path.with_extension(unlike_any_other(8));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&drawn)?;
    file.write_all(format!("{}\n", unlike_any_other(6)).as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&drawn, path);
    fs::remove_file(&drawn)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    read_identity(path)?.ok_or_else(|| std::io::Error::other("the file `identity` vanished"))
}

fn read_identity(path: &Path) -> std::io::Result<Option<String>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let identity = text.trim();
    let is_plain = identity.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if identity.is_empty() || identity.len() > 12 || !is_plain {
        let why = format!("{} does not hold 1 to 12 lower-case letters and digits", path.display());
        return Err(std::io::Error::other(why));
    }
    Ok(Some(identity.to_owned()))
}

/// Hexadecimal digits that no other process draws and this one draws once: a hash of when and who.
pub(crate) fn unlike_any_other(digits: usize) -> String {
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    let mut hash = Sha256::new();
    hash.update(format!("{:?}", SystemTime::now()));
    hash.update(std::process::id().to_le_bytes());
    hash.update(DRAWN.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..digits].to_owned()
}

fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let names = entries.into_iter().filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
    let mut names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn unusable(root: &Path, error: &std::io::Error) -> Failure {
    let what = format!("the folder that remembers what runs have made, {}, cannot be used", root.display());
    Failure::environment(what, error, "mend it, or name another with REHEARSE_STATE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_identity_and_its_runs_have_it() {
        let room = tempfile::tempdir().unwrap();
        let state = State::open(room.path()).unwrap();
        assert_eq!(State::open(room.path()).unwrap(), state);
        let (first, second) = (state.new_run(), state.new_run());
        assert_ne!(first, second);
        assert!(first.is_of(&state));
        assert_eq!(RunId::parse(first.as_str()), Ok(first.clone()));
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(!first.is_of(&State::open(elsewhere.path()).unwrap()));
    }

    #[test]
    fn all_that_open_a_new_folder_at_a_time_see_one_identity() {
        let room = tempfile::tempdir().unwrap();
        let open = || State::open(room.path()).unwrap().identity;
        let drawn: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(drawn.iter().all(|it| *it == drawn[0]), "{drawn:?}");
    }

    #[test]
    fn an_identity_that_could_be_an_option_or_a_path_is_refused() {
        let room = tempfile::tempdir().unwrap();
        for bad in ["", "-rf", "../x", "Ab", "a b", "aaaaaaaaaaaaa"] {
            fs::write(room.path().join("identity"), bad).unwrap();
            let failure = State::open(room.path()).unwrap_err().to_string();
            assert!(failure.contains("lower-case letters and digits"), "{failure}");
        }
    }

    #[test]
    fn an_id_is_a_label_of_a_host_name() {
        for bad in ["", "-a", "a-", "A", "a/b", "..", "a_b", "ä", &"a".repeat(33)] {
            assert!(RunId::parse(bad).is_err(), "{bad}");
            assert!(serde_json::from_value::<RunId>(bad.into()).is_err(), "{bad}");
        }
        assert!(RunId::parse("k3x9f2-7d01c55a").is_ok());
    }

    #[test]
    fn only_the_user_enters_the_folder() {
        use std::os::unix::fs::PermissionsExt;
        let room = tempfile::tempdir().unwrap();
        let root = room.path().join("a/b");
        State::open(&root).unwrap();
        for folder in [root.clone(), root.join("runs"), root.join("kept")] {
            assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{folder:?}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("file"), "").unwrap();
        let failure = State::open(room.path().join("file/state")).unwrap_err().to_string();
        assert!(failure.contains("REHEARSE_STATE"), "{failure}");
    }
}
