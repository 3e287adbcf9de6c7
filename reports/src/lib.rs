//! Sinks: a timeline and what the judge made of it become text or bytes for people and programs.
//!
//! Each sink is a module and a pure function: [`terminal()`] tells one run, [`seeds()`] many seeds of one
//! scenario, [`totals()`] the scenarios of one call, [`stages()`] how long a run took,
//! [`comparison()`] two runs side by side, [`json()`] is `report.json`. A sink renders what any engine wrote;
//! it knows none of them.

mod comparison;
mod cost;
mod gate_tests;
mod json;
mod numbers;
mod page;
mod rule_tests;
mod seeds;
mod sentence;
mod stages;
mod story;
mod strip;
mod terminal;
mod totals;

pub use comparison::{comparison, comparison_json};
pub use gate_tests::{TestedGate, gate_tests, gate_tests_json};
pub use json::json;
pub use page::{Detail, Options, Style};
pub use rule_tests::{Tested, TestedFile, rule_tests, rule_tests_json};
pub use seeds::seeds;
pub use stages::stages;
pub use terminal::{Run, terminal};
pub use totals::{Total, totals};
