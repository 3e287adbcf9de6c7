//! The conditions crate.
