use units::Time;

use crate::{Entry, Event};

/// The version of the recorded form that this build writes. Kinds of events and keys that may be left out come
/// without a new version: what an earlier build wrote is read, and an earlier build refuses a kind that it does not
/// know by its name.
pub const FORMAT: u32 = 1;

/// The most entries that a recording may have.
pub const MAX_ENTRIES: usize = 5_000_000;

/// The entries of one run in order of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// The entries; the first is [`Event::RunStarted`], the last [`Event::RunEnded`].
    pub entries: Vec<Entry>,
}

/// Why a recording cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// A line is not an entry.
    #[error("line {line} is not an entry of a timeline: {why}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What the reader stumbled over.
        why: String,
    },
    /// The recording does not begin with the start of a run.
    #[error("the recording does not begin with a `run_started` entry")]
    NoStart,
    /// The recording does not end with the end of the run.
    #[error("the recording does not end with a `run_ended` entry: it was cut short")]
    NoEnd,
    /// Another version of the format.
    #[error("the recording has format {found}; this version reads {FORMAT}")]
    Format {
        /// The version found.
        found: u32,
    },
    /// It has too many entries.
    #[error("the recording has more than {MAX_ENTRIES} entries")]
    TooLong,
    /// An entry is earlier than the one before it.
    #[error("line {line} goes back in time")]
    Disorder {
        /// The line, from 1.
        line: usize,
    },
}

impl Timeline {
    /// The end of the run.
    pub fn end(&self) -> Time {
        self.entries.last().map_or(Time::ZERO, |entry| entry.at)
    }

    /// The recorded form: one JSON object a line.
    pub fn to_jsonl(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            text += &serde_json::to_string(entry).expect("an entry holds only what JSON can say");
            text.push('\n');
        }
        text
    }

    /// Reads a recording back.
    ///
    /// ```
    /// use timeline::Timeline;
    /// let cut_short = r#"{"at":0,"source":"rehearse","event":{"kind":"run_started","rehearse":"0.1.0","format":1,
    ///   "scenario":"idle","engine":"sim","seed":1,"speed":1.0,"slow":null}}"#.replace('\n', "");
    /// assert!(Timeline::from_jsonl(&cut_short).unwrap_err().to_string().contains("cut short"));
    /// let whole = cut_short + "\n" + r#"{"at":60,"source":"rehearse","event":{"kind":"run_ended","reason":"settled"}}"#;
    /// assert_eq!(Timeline::from_jsonl(&whole).unwrap().end(), units::Time::from_secs(60));
    /// ```
    ///
    /// # Errors
    /// See [`RecordingError`].
    pub fn from_jsonl(text: &str) -> Result<Self, RecordingError> {
        let mut entries: Vec<Entry> = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let malformed = |error: serde_json::Error| RecordingError::Malformed {
                line: index + 1,
                why: error.to_string(),
            };
            let entry: Entry = serde_json::from_str(line).map_err(malformed)?;
            if entries.last().is_some_and(|last| entry.at < last.at) {
                return Err(RecordingError::Disorder { line: index + 1 });
            }
            if entries.len() == MAX_ENTRIES {
                return Err(RecordingError::TooLong);
            }
            entries.push(entry);
        }
        match entries.first().map(|entry| &entry.event) {
            Some(Event::RunStarted(start)) if start.format == FORMAT => {}
            Some(Event::RunStarted(start)) => return Err(RecordingError::Format { found: start.format }),
            Some(_) | None => return Err(RecordingError::NoStart),
        }
        match entries.last().map(|entry| &entry.event) {
            Some(Event::RunEnded(_)) => Ok(Self { entries }),
            Some(_) | None => Err(RecordingError::NoEnd),
        }
    }
}
