//! Faults: what they do, whom they hit, when, and which of them are in force.

mod definition;
mod effect;
mod parameters;
mod scope;
mod set;

pub use definition::Definition;
pub use effect::{Acts, Effect, KINDS};
pub use parameters::*;
pub use scope::{Facts, Scope};
pub use set::{FaultSet, Hit, InForce, Origin, Rejected};
