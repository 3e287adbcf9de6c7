use std::fmt;

use yaml::Place;

/// Something that a person should know of how the manifests or the scenario were changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where it stands in what the user wrote.
    pub place: Option<Place>,
    /// What was done, or was not.
    pub what: Noted,
}

/// What was done to a field, or could not be. Texts are as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// A duration was divided.
    Scaled {
        /// The field.
        field: String,
        /// What it said.
        from: String,
        /// What it says now.
        to: String,
    },
    /// A duration was divided, and rounding to what the field can say changed the ratio.
    Rounded {
        /// The field.
        field: String,
        /// What it said.
        from: String,
        /// What it says now.
        to: String,
    },
    /// A field that was left to its default was written, since the default does not scale by itself.
    DefaultWritten {
        /// The field.
        field: String,
        /// What it says now.
        to: String,
    },
    /// A request for a resource was made small.
    Small {
        /// The field.
        field: String,
        /// What it said.
        from: String,
        /// What it says now.
        to: String,
    },
    /// Something keeps its time.
    NotScaled {
        /// The field, with its value.
        field: String,
        /// Why.
        why: String,
    },
    /// Rates and deadlines of the scenario.
    Scenario(String),
    /// A probe asks where the real inference server answers.
    Probe {
        /// The field.
        field: String,
        /// What it said.
        from: String,
        /// What it says now.
        to: String,
    },
    /// A name was changed, to keep scenarios apart.
    Renamed {
        /// What it was.
        from: String,
        /// What it is now.
        to: String,
    },
}

impl Note {
    /// Whether the ratio of times is not what was asked for.
    pub fn is_deviation(&self) -> bool {
        matches!(self.what, Noted::Rounded { .. } | Noted::NotScaled { .. })
    }
}

/// One line: the place, the field and what became of it.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        match &self.what {
            Noted::Scaled { field, from, to } => write!(f, "{field} {from} is {to}"),
            Noted::Rounded { field, from, to } => write!(f, "{field} {from} is {to}, rounded up"),
            Noted::DefaultWritten { field, to } => write!(f, "{field} is not given and is now {to}"),
            Noted::Small { field, from, to } => {
                write!(f, "{field} {from} is {to}, since a stand-in needs no more")
            }
            Noted::NotScaled { field, why } => write!(f, "{field} is not scaled: {why}"),
            Noted::Scenario(text) => f.write_str(text),
            Noted::Probe { field, from, to } => {
                write!(f, "{field} {from} is {to}, where the real server answers")
            }
            Noted::Renamed { from, to } => write!(f, "{from} is {to}"),
        }
    }
}
