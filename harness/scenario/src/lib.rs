//! The scenario crate.
