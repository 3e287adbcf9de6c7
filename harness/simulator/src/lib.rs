//! The `sim` engine: a deterministic model of Git, Argo CD, Kubernetes, Argo Rollouts, Prometheus and
//! the traffic, fed with the user's own manifests.
//!
//! [`simulate`] runs a scenario to its end and returns its timeline. Inside there is one [`World`]:
//! a [`kernel`] that holds the clock and the queue, an [`api`] server with typed objects and watches,
//! a [`git`] host, and one module a component whose controllers are woken by watches and timers.
//! The World offers time, randomness, objects and scheduling; controllers borrow it.
//!
//! Invariants: no wall clock, no entropy, no iteration over hash maps. The same scenario, options and
//! version give the same timeline, to the byte.

pub mod analysis;
pub mod api;
pub mod argocd;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod experiments;
pub mod kernel;
pub mod kubernetes;
pub mod prometheus;
pub mod rollouts;
pub mod traffic;

mod actions;
mod alerts;
mod answers;
mod observe;
mod run;
#[cfg(test)]
mod testing;
mod watch;
mod world;

pub use alerts::ensure_alerts_are_defined;
pub use analysis::gate;
pub use run::{Input, Options, Render, Run, simulate, tree_of};
pub use world::{Index, Task, World};
