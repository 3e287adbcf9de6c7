use std::fmt;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use yaml::Problem;

/// The exit code of a defect in rehearse.
pub(crate) const DEFECT: u8 = 70;

/// Why a command gave no verdict; decides the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The user's input is wrong.
    Input(Vec<Problem>),
    /// The machine lacks something or refused it.
    Environment(String),
    /// rehearse is wrong.
    Defect(String),
    /// The reader of standard output went away.
    BrokenPipe,
}

impl Failure {
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::Input(vec![Problem::new(message)])
    }

    pub(crate) fn defect(error: impl fmt::Display) -> Self {
        Self::Defect(error.to_string())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) => ExitCode::from(2),
            Self::Environment(_) => ExitCode::from(4),
            Self::Defect(_) => ExitCode::from(DEFECT),
            Self::BrokenPipe => ExitCode::SUCCESS,
        }
    }

    /// Tells the user on standard error. A standard error that is closed has no one to tell.
    pub(crate) fn print(&self) {
        let mut out = std::io::stderr().lock();
        let _ = match self {
            Self::Input(problems) => {
                problems.iter().try_for_each(|problem| writeln!(out, "{} {problem}", error_word()))
            }
            Self::Environment(message) => writeln!(out, "{} {message}", error_word()),
            Self::Defect(message) => {
                let _ = writeln!(out, "{} {message}", error_word());
                drop(out);
                print_defect();
                Ok(())
            }
            Self::BrokenPipe => Ok(()),
        };
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Input(vec![problem])
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Input(problems)
    }
}

fn error_word() -> &'static str {
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if coloured { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" }
}

/// Says that what happened is nobody's fault but ours.
pub(crate) fn print_defect() {
    let advice =
        "this is a defect in rehearse, not in your scenario; please report it with the scenario file";
    let _ = writeln!(std::io::stderr().lock(), "{} {advice}", error_word());
}
