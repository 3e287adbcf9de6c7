//! The scenario language: which model is merged, how it behaves, what breaks and what must happen.
//!
//! [`Scenario::read`] turns a file's text into one scenario, or several where it has a `matrix:`.
//! Everything that is wrong is told with its file, line, column, the line itself and, for a
//! misspelt key, the one that was probably meant. [`schema()`] gives the JSON schema for editors.
//!
//! The way from text to scenario: `matrix` expands the tree of nodes into cases, `raw` is what serde
//! decodes and the schema describes, `read` checks that and makes the types below of it. Every type
//! of a claim prints as it would be said: see [`Claim`].

mod action;
mod answer;
mod bound;
mod expectation;
mod matrix;
#[expect(dead_code, reason = "what is read from its node is described here and never read from its field")]
mod raw;
mod read;
mod scenario;
mod schema;
mod server;
mod text;

pub use action::*;
pub use answer::*;
pub use expectation::*;
pub use scenario::*;
pub use schema::{drop_null, schema};
pub use server::*;
