//! The `fake-inference` program: arguments in, a server out; and the clients that load and check one.
//!
//! What it has to say goes to standard error, one line each; what a load or a check found, to standard
//! output. Exit codes: 0 after an orderly stop or a check that passed, 1 where one failed, 2 for arguments
//! or files that cannot be used, 4 for addresses that cannot be taken or reached; faults bring their own
//! (1, 137, 143).

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use load::command::{CheckCommand, LoadCommand};
use tokio::runtime::Runtime;

mod publish;
mod serve;
mod source;

/// A model server without a model: performs a behaviour profile, and fails the way real servers do.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a model of a behaviour file.
    Serve(serve::Serve),
    /// Publish a behaviour for servers that fetch theirs over HTTP.
    Publish(publish::Publish),
    Load(LoadCommand),
    Check(CheckCommand),
}

/// Why the program cannot do what it was asked for, and its exit code.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn input(message: impl ToString) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    fn environment(message: impl ToString) -> Self {
        Self { code: 4, message: message.to_string() }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Publish(publish) => with_runtime(publish.run()),
        Command::Load(load) => ask(load.run(&mut std::io::stdout(), &mut std::io::stderr())),
        Command::Check(check) => ask(check.run(&mut std::io::stdout(), &mut std::io::stderr())),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(Failure { code, message }) => {
            say(&format!("error: {message}"));
            ExitCode::from(code)
        }
    }
}

/// Runs a client of a server; its exit code.
fn ask(client: impl Future<Output = u8>) -> Result<u8, Failure> {
    with_runtime(async { Ok(client.await) })
}

fn with_runtime(work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    Runtime::new().map_err(Failure::environment)?.block_on(work)
}

/// One line on standard error. A reader that is gone is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
