//! The controllers' decisions as functions of plain values, for the comparison with upstream's own
//! functions (`harness/fidelity`). Nothing else uses them from outside.

pub use crate::analysis::conformance as analysis;
pub use crate::rollouts::conformance as rollouts;
