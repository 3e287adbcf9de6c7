//! The promql crate.
