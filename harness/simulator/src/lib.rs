//! The simulator crate.
