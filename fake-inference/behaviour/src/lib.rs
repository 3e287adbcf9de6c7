//! The behaviour crate.
