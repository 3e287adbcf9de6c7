use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use yaml::Problem;

use crate::args::Colour;
use crate::output;

/// Why a command gave no verdict; decides the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The user's input is wrong.
    Input(Vec<Problem>),
    /// The machine lacks something or refused it.
    Environment(String),
    /// rehearse is wrong.
    Defect(String),
}

impl Failure {
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::Input(vec![Problem::new(message)])
    }

    pub(crate) fn defect(error: impl fmt::Display) -> Self {
        Self::Defect(error.to_string())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Input(_) => 2,
            Self::Environment(_) => 4,
            Self::Defect(_) => 70,
        }
    }

    /// Tells the user on standard error. Where that is closed there is no one to tell.
    pub(crate) fn print(&self) {
        let coloured = output::is_coloured(Colour::Auto, io::stderr().is_terminal());
        let word = if coloured { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
        let text: String =
            self.messages().iter().map(|message| format!("{word} {}\n", tame(message))).collect();
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn messages(&self) -> Vec<String> {
        match self {
            Self::Input(problems) => problems.iter().map(Problem::to_string).collect(),
            Self::Environment(message) => vec![message.clone()],
            Self::Defect(message) => vec![format!(
                "{message}\n  help: this is a defect in rehearse, not in your scenario; please report it with the \
                 scenario file"
            )],
        }
    }
}

/// The first of several failures, after the others were told; success where there is none.
pub(crate) fn first_of(failures: Vec<cluster::Failure>) -> Result<ExitCode, Failure> {
    let mut failures = failures.into_iter().map(Failure::from);
    let Some(first) = failures.next() else { return Ok(ExitCode::SUCCESS) };
    failures.for_each(|failure| failure.print());
    Err(first)
}

/// Nothing that a file says commands the terminal.
fn tame(message: &str) -> String {
    message.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

impl From<cluster::Failure> for Failure {
    fn from(failure: cluster::Failure) -> Self {
        match failure {
            cluster::Failure::Input(problems) => Self::Input(problems),
            cluster::Failure::Environment(lack) => Self::Environment(lack.to_string()),
            cluster::Failure::Interrupted => Self::Environment("interrupted".to_owned()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_exit_code() {
        assert_eq!(Failure::input("x").code(), 2);
        assert_eq!(Failure::Environment("x".into()).code(), 4);
        assert_eq!(Failure::defect("x").code(), 70);
    }

    #[test]
    fn a_defect_says_that_it_is_nobody_elses() {
        let messages = Failure::defect("a queue is empty").messages();
        assert!(
            messages[0].starts_with("a queue is empty\n  help: this is a defect in rehearse"),
            "{messages:?}"
        );
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        assert_eq!(tame("a\u{1b}[2Jb\n\tc"), "a\u{fffd}[2Jb\n\u{fffd}c");
    }
}
