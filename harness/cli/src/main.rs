//! The `rehearse` program: arguments in, exit code out.
//!
//! Everything here is wiring and IO; what is parsed, simulated, judged and rendered is done by the pure
//! crates. What a command prints on standard output is its result; progress and complaints go to
//! standard error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

mod args;
mod batch;
mod clean;
mod compare;
mod components;
mod doctor;
mod failure;
mod files;
mod gate_test;
mod globs;
mod judge;
mod kind;
mod kustomize;
mod output;
mod progress;
mod reap;
mod report_folder;
mod repository;
mod rules_test;
mod run;
mod runtime;
mod scenarios;
mod server;
mod stages;

use args::{Arguments, Command, Language};
use failure::Failure;

/// A run makes and drops many small objects: with this allocator it takes less time (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Rust tells of the panic itself; what is added is whose fault it is, and the exit code.
    let outcome = catch_unwind(AssertUnwindSafe(|| dispatch(&arguments)))
        .unwrap_or_else(|_| Err(Failure::Defect("rehearse stopped unexpectedly".to_owned())));
    outcome.unwrap_or_else(|failure| {
        failure.print();
        failure.exit_code()
    })
}

fn dispatch(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Compare(arguments) => compare::compare(arguments),
        Command::Judge(arguments) => judge::judge(arguments),
        Command::Clean(arguments) => clean::clean(arguments),
        Command::Components(arguments) => components::components(arguments),
        Command::Doctor(arguments) => doctor::doctor(arguments),
        Command::Reap(arguments) => reap::reap(arguments),
        Command::Rules(arguments) => rules_test::run(arguments),
        Command::Gate(arguments) => gate_test::run(arguments),
        Command::Schema { of } => {
            let schema = match of {
                Language::Scenario => scenario::schema(),
                Language::Gate => gates::schema(),
            };
            let schema = serde_json::to_string_pretty(&schema).map_err(Failure::defect)?;
            output::print(&format!("{schema}\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "rehearse", &mut script);
            output::print(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
