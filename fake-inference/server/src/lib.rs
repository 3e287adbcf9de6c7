//! A model server without a model: it performs a behaviour profile, speaks what clients and gates speak,
//! and fails the way real servers do.
//!
//! The profile is the one that the simulator samples: the same text configures both. A [`Server`] is made
//! from a [`BehaviourFile`]; [`start`] opens its ports. What becomes of a request follows from a published
//! hash of the seed, the request's identifier and the fault's ([`Chance`]), so the same requests get the
//! same faults in any order.
//!
//! From a request to its response: `connection` (bounds, resets) → `api` (routes, bodies) → `treatment`
//! (what the faults make of it) → [`Plan`] (what the profile makes of it) → `engine` (slots, queue, cache)
//! → `script` (what is sent when) → `metrics` (what is counted, and what is shown of it).

mod admin;
mod answer;
mod api;
mod chance;
mod clock;
mod connection;
mod engine;
pub mod fault;
mod file;
mod identity;
mod journal;
mod lifecycle;
mod metrics;
mod plan;
mod script;
mod server;
pub mod settings;
mod sockets;
mod treatment;

pub use admin::{Gate, NoGate};
pub use answer::{Quality, Question, answer, count_tokens, tokens};
pub use chance::{Chance, OfRequest};
pub use engine::{Engine, Full, Load, Seat};
pub use fault::{Definition, FaultSet, Origin, Rejected};
pub use file::{BehaviourFile, Run};
pub use identity::{BadEnvironment, Clocks, Identity};
pub use journal::Journal;
pub use lifecycle::{Lifecycle, Phase, Stage};
pub use metrics::{BucketChoice, MetricProfile};
pub use plan::Plan;
pub use server::{Server, Start};
pub(crate) use server::{fingerprint, with_hex};
pub use settings::Settings;
pub use sockets::{Running, connect_in_memory, start};
