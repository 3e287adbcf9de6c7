use std::fmt;

use yaml::Problem;

/// Why a run on a cluster gave no verdict.
#[derive(Debug)]
pub enum Failure {
    /// The user's input is wrong, as only running can find.
    Input(Vec<Problem>),
    /// The machine or the cluster lacks something, or refused it.
    Environment(Lack),
    /// The run was interrupted: Ctrl-C, SIGTERM.
    Interrupted,
}

/// What an environment lacks, why that matters, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What is missing or failed, in one line.
    pub what: String,
    /// What the program or the server said; empty where there is nothing to quote.
    pub said: String,
    /// What to do about it, a command where there is one.
    pub mend: String,
}

impl Failure {
    /// Something is missing or failed.
    pub fn environment(what: impl Into<String>, said: impl fmt::Display, mend: impl Into<String>) -> Self {
        Self::Environment(Lack {
            what: what.into(),
            said: said.to_string().trim().to_owned(),
            mend: mend.into(),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(problems) => {
                let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
                f.write_str(&told.join("\n"))
            }
            Self::Environment(lack) => lack.fmt(f),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for line in self.said.lines() {
            write!(f, "\n  {line}")?;
        }
        if !self.mend.is_empty() {
            write!(f, "\n  help: {}", self.mend)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

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
