//! The machine that clusters run on: programs, docker, kind, what a run has made, and how all of it goes away.
//!
//! Whatever a run makes on the machine or in a cluster that outlives it is written into its [`Journal`]
//! first. The run undoes its journal itself, however it ends; where it is killed, a [`reaper`] does, and where
//! that is lost too, `rehearse clean`.

pub mod clean;
pub mod docker;
pub mod doctor;
mod freezer;
pub mod journal;
mod kept;
pub mod kind;
mod mend;
pub mod objects;
mod places;
mod processes;
pub mod program;
pub mod reaper;
mod state;
pub mod undo;
mod version;

pub use docker::Docker;
pub use journal::{Journal, Made, Note};
pub use kept::{About, Kept};
pub use kind::{Cluster, ClusterName, ClusterSpec, Kind};
pub use places::Places;
pub use reaper::Reaper;
pub use state::{RunId, State};
pub use version::Version;
