//! YAML whose every value knows its file, line and column.
//!
//! [`parse()`] turns a file into [`Node`] trees, one a document; [`decode()`] turns a node into a typed
//! value through serde and, where that fails, tells the place, shows the line and suggests a key.
//! Scenarios and manifests are both read this way, so every complaint in the product looks alike:
//! a [`Problem`].
//!
//! Numbers, booleans and nulls are read as Kubernetes reads them (YAML 1.1 booleans, `0644` octal).
//! Size, depth, node count and alias expansion are bounded; reaching a bound is a problem by name.

mod decode;
mod node;
mod parse;
mod patch;
mod problem;

pub use decode::{Located, decode, decode_noting_unknown};
pub use node::{Map, Node, Value};
pub use parse::{MAX_BYTES, only, parse, parse_one, parse_with_non_finite};
pub use patch::merge_patch;
pub use problem::{Place, Problem, Source, did_you_mean};
