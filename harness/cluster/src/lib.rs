//! The engines that run a scenario on a real cluster.
mod failure;

pub use failure::Failure;
