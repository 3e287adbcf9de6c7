//! Undoing a journal: ending what runs, then removing what was made, the newest first.

use crate::Failure;
use crate::host::docker::Docker;
use crate::host::kind::{self, Late};
use crate::host::{Journal, Made, RunId, objects, processes};
use crate::repository;

/// Undoes all that stands in a journal, and ends the journal if that went well. `tell` gets a line for each
/// thing that is removed. What could not be undone stays in the journal and is returned.
///
/// Undoing twice, or by two at a time, does no harm: what is gone already is no failure.
pub async fn undo(journal: &Journal, tell: &mut dyn FnMut(&str)) -> Vec<Failure> {
    let (programs, things): (Vec<_>, Vec<_>) =
        journal.left().into_iter().partition(|(_, made)| matches!(made, Made::Program { .. }));
    // What runs is ended before anything is removed: it may be making more. So may the docker engine, for a
    // program that was ended before its time.
    let late = if programs.is_empty() { Late::None } else { Late::Possible };
    let mut undoing = Undoing { docker: None, run: journal.run().clone(), late, tell };
    let mut failures = Vec::new();
    for (note, made) in programs.into_iter().chain(things.into_iter().rev()) {
        if let Err(failure) = undoing.remove(&made).await.and_then(|()| journal.done(note)) {
            failures.push(failure);
        }
    }
    failures.extend(journal.end().err());
    failures
}

struct Undoing<'a> {
    /// Asked for once, and only where there is something in it.
    docker: Option<Docker>,
    run: RunId,
    late: Late,
    tell: &'a mut dyn FnMut(&str),
}

impl Undoing<'_> {
    async fn remove(&mut self, made: &Made) -> Result<(), Failure> {
        let told = match made {
            Made::Program { arguments } => {
                let ended = processes::end(arguments);
                (ended > 0).then(|| format!("ended `{}`", arguments.join(" ")))
            }
            Made::Cluster { name } => {
                let late = self.late;
                let removed = kind::delete(self.docker().await?, name, late).await?;
                (removed > 0).then(|| format!("removed the cluster {name}"))
            }
            Made::Container { name } => {
                self.docker().await?.remove(&[name]).await?;
                Some(format!("removed the container {name}"))
            }
            Made::Objects { cluster, kubeconfig } => {
                // A cluster that is gone has taken its objects with it.
                let is_there = kind::clusters(self.docker().await?).await?.contains(cluster);
                let removed = if is_there { objects::remove_by(kubeconfig, &self.run).await? } else { 0 };
                (removed > 0).then(|| format!("removed {removed} objects of the run from {cluster}"))
            }
            Made::Repository { cluster, kubeconfig, name } => {
                if kind::clusters(self.docker().await?).await?.contains(cluster) {
                    repository::remove_by(kubeconfig, name).await?;
                }
                None
            }
        };
        if let Some(told) = told {
            (self.tell)(&told);
        }
        Ok(())
    }

    async fn docker(&mut self) -> Result<&Docker, Failure> {
        let docker = match self.docker.take() {
            Some(docker) => docker,
            None => Docker::find().await?,
        };
        Ok(self.docker.insert(docker))
    }
}
