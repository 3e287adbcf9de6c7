use std::fmt;
use std::sync::Arc;

/// A text and the name a person knows it by.
#[derive(PartialEq, Eq)]
pub struct Source {
    /// The path as the user wrote it or as it stands in the repository.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A source ready to be shared by the nodes read from it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.name)
    }
}

/// A place in a source. Lines and columns count from 1; line 0 stands for the source as a whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// The source as a whole.
    pub fn whole(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), line: 0, column: 0 }
    }

    /// The text of the line, without its end; `None` for the source as a whole.
    pub fn line_text(&self) -> Option<&str> {
        self.source.text.lines().nth((self.line as usize).checked_sub(1)?)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.source.name),
            _ => write!(f, "{}:{}:{}", self.source.name, self.line, self.column),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Something wrong with what the user wrote: what, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong and why, one sentence without a full stop.
    pub message: String,
    /// Where, if the problem has a place.
    pub place: Option<Place>,
    /// What would mend it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, help: None }
    }

    /// A problem at `place`.
    pub fn at(place: &Place, message: impl Into<String>) -> Self {
        Self { message: message.into(), place: Some(place.clone()), help: None }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Several lines: the message, the place, the offending line with a mark under it, the advice.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n  --> {place}")?;
            if let Some(line) = place.line_text() {
                write_line_with_mark(f, line, place)?;
            }
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// The widest part of an offending line that is shown.
const SHOWN: usize = 100;

fn write_line_with_mark(f: &mut fmt::Formatter<'_>, line: &str, place: &Place) -> fmt::Result {
    let column = (place.column as usize).saturating_sub(1);
    // A long line is cut so that the mark stays in view.
    let start = column.saturating_sub(SHOWN / 2);
    let shown: String =
        line.chars().skip(start).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let margin = place.line.to_string().len();
    write!(f, "\n  {:margin$} |\n  {} | {shown}\n  {:margin$} | ", "", place.line, "")?;
    write!(f, "{:width$}^", "", width = column - start)
}

/// The known word closest to `word`, if it is close enough that the writer probably meant it.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
