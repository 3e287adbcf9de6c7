use std::fmt;

use yaml::{Place, Problem};

/// Why a directory could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// What kustomize refuses too: it says so in its words, and adds the place.
    Invalid(Problem),
    /// What kustomize renders and this implementation does not. The `kustomize` program can.
    NotImplemented {
        /// The feature, as a person calls it: "`helmCharts`".
        what: String,
        /// Where it is asked for.
        place: Place,
    },
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The error as a problem to show.
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Invalid(problem) => problem,
            Self::NotImplemented { what, place } => {
                Problem::at(&place, format!("{what} is not rendered by the built-in kustomize"))
                    .with_help("let the `kustomize` program render this directory")
            }
        }
    }

    pub(crate) fn not_implemented(what: impl Into<String>, place: &Place) -> Self {
        Self::NotImplemented { what: what.into(), place: place.clone() }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Invalid(problem)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clone().into_problem().fmt(f)
    }
}

impl std::error::Error for Error {}
