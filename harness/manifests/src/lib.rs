//! The manifests crate.

pub mod objects;
