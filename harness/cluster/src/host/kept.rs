use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::host::Journal;
use crate::host::kind::{Cluster, ClusterName};
use crate::host::state::{State, private_folder, sync_folder};

const RECORD: &str = "kept.json";
const KUBECONFIG: &str = "kubeconfig";

/// A cluster that a run was told to keep. It belongs to no run and stays until it is removed by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub name: ClusterName,
    /// How it is reached.
    pub kubeconfig: PathBuf,
    /// What is in it.
    pub about: About,
}

/// What is in a kept cluster, for those who want to use it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The version of rehearse that made it.
    pub rehearse: String,
    /// The image of its nodes.
    pub node_image: String,
    /// The components that were installed, each with its version.
    pub components: Vec<(String, String)>,
}

impl Kept {
    /// Takes a cluster out of its run's hands. It is recorded as kept before its run forgets it, so that at
    /// no moment it is nobody's.
    ///
    /// # Errors
    /// The state folder cannot be written; the cluster then stays the run's.
    pub fn keep(state: &State, journal: &Journal, cluster: &Cluster, about: About) -> Result<Self, Failure> {
        let folder = state.kept_folder(cluster.name.as_str());
        let kubeconfig = folder.join(KUBECONFIG);
        let written = (|| {
            private_folder(&folder)?;
            fs::copy(&cluster.kubeconfig, &kubeconfig)?;
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(serde_json::to_string_pretty(&about)?.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(folder.join(RECORD))?;
            sync_folder(&folder)
        })();
        written.map_err(|error| {
            let what = format!("{} cannot be kept: {} cannot be written", cluster.name, folder.display());
            Failure::environment(what, error, "")
        })?;
        journal.done(cluster.note)?;
        Ok(Self { name: cluster.name.clone(), kubeconfig, about })
    }

    /// All kept clusters by name. Whether their containers still exist only docker knows.
    ///
    /// # Errors
    /// The state folder cannot be read.
    pub fn all(state: &State) -> Result<Vec<Self>, Failure> {
        let names = state.kept()?;
        names.iter().filter_map(|name| Self::read(&state.kept_folder(name), name).transpose()).collect()
    }

    /// The kept cluster of a name.
    ///
    /// # Errors
    /// There is none; those that there are are named.
    pub fn find(state: &State, name: &str) -> Result<Self, Failure> {
        let all = Self::all(state)?;
        let names: Vec<String> = all.iter().map(|kept| kept.name.to_string()).collect();
        all.into_iter().find(|kept| kept.name.as_str() == name).ok_or_else(|| {
            let known = if names.is_empty() {
                "there is none; `--keep` leaves one".to_owned()
            } else {
                format!("there is {}", names.join(", "))
            };
            Failure::environment(format!("no cluster `{name}` was kept"), "", known)
        })
    }

    /// Forgets a cluster, which is gone.
    ///
    /// # Errors
    /// Its folder cannot be removed.
    pub fn forget(state: &State, name: &ClusterName) -> Result<(), Failure> {
        let folder = state.kept_folder(name.as_str());
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Failure::environment(format!("{} cannot be removed", folder.display()), error, ""))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A folder without a record is of a cluster whose keeping was interrupted: it is its run's.
    fn read(folder: &Path, name: &str) -> Result<Option<Self>, Failure> {
        let Ok(name) = ClusterName::parse(name) else { return Ok(None) };
        let unreadable = |error: &dyn std::fmt::Display| {
            let what = format!("the record of the kept cluster {name} cannot be read");
            Failure::environment(what, error, format!("`rehearse clean {name}` removes the cluster"))
        };
        match fs::read(folder.join(RECORD)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&error)),
            Ok(bytes) => {
                let about = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
                Ok(Some(Self { kubeconfig: folder.join(KUBECONFIG), about, name }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Made;

    fn about() -> About {
        About {
            rehearse: "0.1.0".to_owned(),
            node_image: "kindest/node:v1.34.4".to_owned(),
            components: vec![("argo-cd".to_owned(), "v3.2.6".to_owned())],
        }
    }

    #[test]
    fn a_kept_cluster_outlives_its_run() {
        let room = tempfile::tempdir().unwrap();
        let state = State::open(room.path()).unwrap();
        let journal = Journal::begin(&state).unwrap();
        let name = ClusterName::of(journal.run());
        let note = journal.note(Made::Cluster { name: name.clone() }).unwrap();
        let kubeconfig = journal.folder().join("kubeconfig");
        fs::write(&kubeconfig, "how").unwrap();
        let cluster = Cluster { name: name.clone(), kubeconfig, note };

        let kept = Kept::keep(&state, &journal, &cluster, about()).unwrap();
        assert_eq!(journal.left(), []);
        journal.end().unwrap();
        assert_eq!(Kept::all(&state).unwrap(), std::slice::from_ref(&kept));
        assert_eq!(Kept::find(&state, name.as_str()).unwrap(), kept);
        assert_eq!(fs::read_to_string(&kept.kubeconfig).unwrap(), "how");

        Kept::forget(&state, &name).unwrap();
        Kept::forget(&state, &name).unwrap();
        assert_eq!(Kept::all(&state).unwrap(), []);
    }

    #[test]
    fn a_cluster_that_cannot_be_kept_stays_its_runs() {
        let room = tempfile::tempdir().unwrap();
        let state = State::open(room.path()).unwrap();
        let journal = Journal::begin(&state).unwrap();
        let name = ClusterName::of(journal.run());
        let note = journal.note(Made::Cluster { name: name.clone() }).unwrap();
        let kubeconfig = room.path().join("missing");
        let failure = Kept::keep(&state, &journal, &Cluster { name, kubeconfig, note }, about()).unwrap_err();
        assert!(failure.to_string().contains("cannot be kept"), "{failure}");
        assert_eq!(journal.left().len(), 1);
        assert_eq!(Kept::all(&state).unwrap(), []);
    }

    #[test]
    fn a_name_that_was_not_kept_is_answered_with_those_that_were() {
        let room = tempfile::tempdir().unwrap();
        let state = State::open(room.path()).unwrap();
        let failure = Kept::find(&state, "rehearse-x").unwrap_err().to_string();
        assert!(failure.contains("`--keep` leaves one"), "{failure}");
    }
}
