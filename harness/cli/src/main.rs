//! The `rehearse` program: arguments in, exit code out.
//!
//! Everything here is wiring and IO; what is parsed, simulated, judged and rendered is done by the pure
//! crates. What a command prints on standard output is its result; progress and complaints go to
//! standard error.

use std::process::ExitCode;

use clap::Parser;

mod args;
mod failure;
mod judge;
mod kustomize;
mod output;
mod progress;
mod repository;
mod run;
mod scenarios;

use args::{Arguments, Command};
use failure::Failure;

fn main() -> ExitCode {
    exit_70_on_panic();
    let arguments = Arguments::parse();
    match dispatch(arguments) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Run(run) => run::run(&run),
        Command::Judge(judge) => judge::judge(&judge),
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&scenario::schema()).map_err(Failure::defect)?;
            output::print(&format!("{schema}\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = <Arguments as clap::CommandFactory>::command();
            clap_complete::generate(shell, &mut command, "rehearse", &mut script);
            output::print(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A defect shows as exit code 70 and asks for a report, instead of Rust's 101.
fn exit_70_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        failure::print_defect();
        std::process::exit(i32::from(failure::DEFECT));
    }));
}
