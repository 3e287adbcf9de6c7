//! What runs make on a machine, and that nothing of it is left.

#![allow(clippy::unwrap_used, reason = "what cannot be read or run fails the test")]

#[cfg(feature = "kind")]
mod clusters;
mod killed_runs;
mod trial;
