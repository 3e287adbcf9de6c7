//! The manifests crate.
