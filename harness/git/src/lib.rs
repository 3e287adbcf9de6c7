//! A Git branch and its pull requests, with the object ids that Git itself gives, so that every engine
//! shows the same ones for the same history.
//!
//! [`GitHost`] holds the history. [`GitHost::merge`] and [`GitHost::revert`] are what a scenario's pull
//! requests make of the branch; [`fast_import`] writes a commit for a real Git server.

mod host;
mod object;
mod pull_request;
mod stream;

pub use host::{Commit, CommitId, GitHost, RevertError};
pub use object::EPOCH;
pub use pull_request::missing_file;
pub use stream::fast_import;
