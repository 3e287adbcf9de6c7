//! What clients of a model see: an open-loop load generator for any OpenAI-compatible server, and the checks
//! that a pull request's tests run.
//!
//! A [`Load`] says whom to ask ([`Target`]), what ([`Evaluation`]) and when ([`Plan`]). Requests leave when the
//! plan says so, whether earlier ones were answered or not, and latency counts from the *planned* moment: a
//! server that stalls is seen by every request that fell into the stall (no coordinated omission).
//! [`generate`] gives each [`Arrival`] to its caller as it ends; [`Tally`] makes a [`Report`] of them, [`Spans`]
//! the counts for each span of time, model version and pod, which an engine turns into entries of its timeline.
//!
//! From a plan to a report: `plan` (when) → `generator` (the open loop) → `exchange` (one request) →
//! `connections` (HTTP over TCP, TLS or memory, at the `addresses` of a name) → `sse`, `reply` (what came back, and whether it is whole) →
//! `tally`, `spans` → `report`. `checks` are loads whose reports are held against bounds; `command` is the
//! command line of it all.

mod addresses;
mod checks;
mod clock;
pub mod command;
mod connections;
mod evaluation;
mod exchange;
mod generator;
mod plan;
mod reply;
mod report;
mod spans;
mod sse;
mod tally;
mod target;
mod tls;

pub use checks::{Check, Finding, LatencyBounds, Unreachable, latency, quality, smoke};
pub use connections::Reuse;
pub use evaluation::{Evaluation, Expected, Question};
pub use exchange::{Arrival, Cut, Exchange, Failure, Outcome, UsageReported};
pub use generator::{Load, generate, generate_in_spans};
pub use plan::{BadPlan, Plan, Spacing};
pub use report::{Quantiles, Report, VersionReport};
pub use spans::{Answered, Span, Spans};
pub use tally::{Counts, Tally};
pub use target::{BadTarget, Target};
pub use tls::Roots;
