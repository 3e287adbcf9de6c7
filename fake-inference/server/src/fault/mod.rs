//! Faults: what they do, whom they hit, when, and which of them are in force.

mod definition;
mod effect;
mod scope;
mod set;

pub use definition::Definition;
pub use effect::*;
pub use scope::{Facts, Scope};
pub use set::{FaultSet, Hit, InForce, Origin, Rejected};
