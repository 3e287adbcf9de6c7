use std::fmt;
use std::time::Duration;

use timeline::Entry;

/// Who is told of a run while it goes on.
pub trait Progress: Sync {
    /// A stage begins.
    fn begins(&self, stage: Stage);
    /// A stage is done, and took so long.
    fn ends(&self, stage: Stage, took: Duration);
    /// Something happened.
    fn entry(&self, entry: &Entry);
}

/// A part of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// A cluster is made.
    Cluster,
    /// Images that its node lacks are loaded.
    Images,
    /// Argo CD, Argo Rollouts and the Git server are installed.
    Components,
    /// The scenario's own Prometheus, repository and models are made ready.
    Setting,
    /// The scenario happens.
    Scenario,
    /// What was made is removed.
    CleanUp,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Images => "images",
            Self::Components => "components",
            Self::Setting => "setting",
            Self::Scenario => "scenario",
            Self::CleanUp => "clean-up",
        })
    }
}
