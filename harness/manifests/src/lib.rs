//! The manifests crate.

pub mod directory;
pub mod kustomize;
pub mod objects;
pub mod tree;
