//! Removing what killed runs have left, from their journals and from the names of clusters and containers.
//!
//! Only what a run of this state folder made is touched, unless a cluster is named. What living runs own
//! stays, and so do kept clusters until they are named or all are asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::Failure;
use crate::components::bake::baking_run;
use crate::host::docker::Docker;
use crate::host::journal::Owner;
use crate::host::kind::{self, ClusterName, Late};
use crate::host::undo::undo;
use crate::host::{Journal, Kept, Made, RunId, State};

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Say what would be removed and leave it.
    pub dry_run: bool,
    /// Kept clusters too.
    pub all: bool,
    /// These clusters too, whoever made them, unless a living run owns them.
    pub clusters: Vec<ClusterName>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// What was removed, or would be, a line each.
    pub removed: Vec<String>,
    /// What was left for a reason that is no failure, a line each.
    pub left: Vec<String>,
    /// What could not be removed.
    pub failures: Vec<Failure>,
}

/// What runs have left on this machine, and what still belongs to somebody.
#[derive(Debug, Default)]
struct Found {
    clusters: BTreeSet<ClusterName>,
    /// Containers in which images of nodes are baked, by their runs.
    baking: BTreeMap<RunId, String>,
    dead: Vec<Journal>,
    living: BTreeSet<RunId>,
    /// Clusters in which living runs have objects.
    in_use: BTreeSet<ClusterName>,
    kept: Vec<Kept>,
    /// Why the journal of a run cannot be read. That counts as living.
    failures: Vec<Failure>,
}

impl Found {
    fn look_at(&mut self, state: &State, run: RunId, dry_run: bool) {
        let looked = match Journal::take_over(state, &run) {
            Ok(Owner::Us(journal)) => {
                self.dead.push(journal);
                return;
            }
            // A folder without a journal is of a run that ended between two steps of ending.
            Ok(Owner::Nobody) if dry_run => return,
            Ok(Owner::Nobody) => {
                self.failures.extend(state.forget_run(&run).err());
                return;
            }
            Ok(Owner::Another) => Journal::peek(state, &run),
            Err(failure) => Err(failure),
        };
        match looked {
            Ok(made) => self.in_use.extend(made.into_iter().filter_map(|made| match made {
                Made::Objects { cluster, .. } | Made::Repository { cluster, .. } => Some(cluster),
                Made::Cluster { .. } | Made::Container { .. } | Made::Program { .. } => None,
            })),
            Err(failure) => self.failures.push(failure),
        }
        self.living.insert(run);
    }
}

/// Removes what is left and says what it does, a line each, as it does it.
///
/// # Errors
/// The state folder cannot be read. What cannot be removed is in the result.
pub async fn clean(
    state: &State,
    docker: &Docker,
    wanted: &Wanted,
    tell: &mut dyn FnMut(&str),
) -> Result<Cleaned, Failure> {
    let mut found = find(state, docker, wanted.dry_run).await?;
    let failures = std::mem::take(&mut found.failures);
    let cleaned = Cleaned { failures, ..Cleaned::default() };
    let mut cleaning = Cleaning { state, docker, wanted, tell, cleaned };
    for journal in &found.dead {
        cleaning.undo(journal).await;
    }
    cleaning.clusters(&found).await;
    cleaning.containers(&found).await;
    Ok(cleaning.cleaned)
}

/// Clusters are looked at first and journals afterwards: a cluster whose run is not found living then has
/// none.
async fn find(state: &State, docker: &Docker, dry_run: bool) -> Result<Found, Failure> {
    let names = docker.container_names().await?.into_iter();
    let mut found = Found {
        clusters: kind::clusters(docker).await?,
        baking: names.filter_map(|name| Some((baking_run(&name)?, name))).collect(),
        ..Found::default()
    };
    let guard = state.guard().map_err(|error| {
        Failure::environment(format!("{} cannot be locked", state.root().display()), error, "")
    })?;
    for run in state.runs()? {
        found.look_at(state, run, dry_run);
    }
    drop(guard);
    found.kept = Kept::all(state)?;
    Ok(found)
}

struct Cleaning<'a> {
    state: &'a State,
    docker: &'a Docker,
    wanted: &'a Wanted,
    tell: &'a mut dyn FnMut(&str),
    cleaned: Cleaned,
}

impl Cleaning<'_> {
    async fn undo(&mut self, journal: &Journal) {
        if self.wanted.dry_run {
            for (_, made) in journal.left() {
                self.removed(format!("would remove {made}"));
            }
            return;
        }
        let (tell, removed) = (&mut *self.tell, &mut self.cleaned.removed);
        let mut note = |line: &str| {
            tell(line);
            removed.push(line.to_owned());
        };
        let failures = undo(journal, &mut note).await;
        self.cleaned.failures.extend(failures);
    }

    async fn clusters(&mut self, found: &Found) {
        self.forget_gone(found);
        let undone: BTreeSet<&RunId> = found.dead.iter().map(Journal::run).collect();
        for name in found.clusters.iter().filter(|name| !undone.contains(name.run())) {
            let is_named = self.wanted.clusters.contains(name);
            let is_kept = found.kept.iter().any(|kept| kept.name == *name);
            if found.living.contains(name.run()) || found.in_use.contains(name) {
                self.cleaned.left.push(format!("{name} belongs to a run that is alive"));
            } else if is_kept && !is_named && !self.wanted.all {
                self.cleaned.left.push(format!("{name} is kept; `rehearse clean {name}` removes it"));
            } else if !is_kept && !is_named && !name.run().is_of(self.state) {
                let why = "was made with another state folder (REHEARSE_STATE), by another user or machine";
                self.cleaned.left.push(format!("{name} {why}; `rehearse clean {name}` removes it"));
            } else {
                self.cluster(name).await;
            }
        }
        for name in self.wanted.clusters.iter().filter(|name| !found.clusters.contains(name)) {
            self.cleaned.left.push(format!("there is no cluster {name}"));
        }
    }

    async fn cluster(&mut self, name: &ClusterName) {
        if self.wanted.dry_run {
            return self.removed(format!("would remove the cluster {name}"));
        }
        match kind::delete(self.docker, name, Late::None).await {
            Ok(_) => {
                self.removed(format!("removed the cluster {name}"));
                self.cleaned.failures.extend(Kept::forget(self.state, name).err());
            }
            Err(failure) => self.cleaned.failures.push(failure),
        }
    }

    /// Records of kept clusters that are gone, and of those that their run had not finished to keep.
    fn forget_gone(&mut self, found: &Found) {
        let names = match self.state.kept() {
            Ok(names) => names,
            Err(failure) => return self.cleaned.failures.push(failure),
        };
        for name in names.iter().filter_map(|name| ClusterName::parse(name).ok()) {
            let is_recorded = found.kept.iter().any(|kept| kept.name == name);
            let is_there = is_recorded && found.clusters.contains(&name);
            if !is_there && !found.living.contains(name.run()) {
                self.forget(&name);
            }
        }
    }

    fn forget(&mut self, name: &ClusterName) {
        if self.wanted.dry_run {
            return self.removed(format!("would forget the kept cluster {name}, which is gone"));
        }
        match Kept::forget(self.state, name) {
            Ok(()) => self.removed(format!("forgot the kept cluster {name}, which is gone")),
            Err(failure) => self.cleaned.failures.push(failure),
        }
    }

    /// Containers of this state folder's runs whose journal is lost.
    async fn containers(&mut self, found: &Found) {
        for (run, name) in &found.baking {
            let has_journal = found.living.contains(run) || found.dead.iter().any(|it| it.run() == run);
            if has_journal || !run.is_of(self.state) {
                continue;
            }
            if self.wanted.dry_run {
                self.removed(format!("would remove the container {name}"));
                continue;
            }
            match self.docker.remove(&[name]).await {
                Ok(()) => self.removed(format!("removed the container {name}")),
                Err(failure) => self.cleaned.failures.push(failure),
            }
        }
    }

    fn removed(&mut self, line: String) {
        (self.tell)(&line);
        self.cleaned.removed.push(line);
    }
}
