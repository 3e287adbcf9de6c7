//! Unit tests of AnalysisTemplates.
//!
//! [`GateTests::read`] reads a file of them: series in promtool's notation, and what the AnalysisRun must
//! make of them. [`Templates`] takes the templates as they stand in Git, and [`GateTests::run`] runs every
//! case: measurements are due, judged and counted as the `sim` engine does it, which is as Argo Rollouts'
//! analysis controller does. [`schema()`] gives the JSON schema for editors.
//!
//! What a test does not have is a cluster: whether the address of Prometheus can be reached is not
//! looked at.

mod file;
mod gate;
mod raw;
mod run;
mod text;

use schemars::generate::SchemaSettings;

pub use file::{Case, Claim, ExpectedMeasurement, GateTests, What};
pub use gate::Templates;
pub use run::CaseResult;
pub use simulator::gate::{Measured, Question};

/// The JSON schema of a file of gate tests, for editors. In draft 7, which the YAML language server reads.
pub fn schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<raw::File>();
    scenario::drop_null(&mut schema);
    schema.to_value()
}
