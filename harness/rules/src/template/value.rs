//! What a template computes with.

use std::collections::BTreeMap;
use std::rc::Rc;

use promql::{Labels, Sample};

/// A value, of one of the types that a rule's template can meet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// No value at all.
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Texts by name.
    Labels(Labels),
    /// What `args` makes.
    Arguments(BTreeMap<String, Value>),
    /// One element of what `query` gives.
    Sample(Rc<Sample>),
    /// What `query` gives.
    Samples(Rc<Vec<Sample>>),
    /// What `.` is at first: labels, external labels and URL, value.
    Root,
}

impl Value {
    /// Whether `if` takes it for true (go text/template/exec.go: isTrue).
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Labels(labels) => !labels.is_empty(),
            Self::Arguments(arguments) => !arguments.is_empty(),
            Self::Samples(samples) => !samples.is_empty(),
            Self::Sample(_) | Self::Root => true,
        }
    }

    /// The name of its Go type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Labels(_) => "map[string]string",
            Self::Arguments(_) => "map[string]interface {}",
            Self::Sample(_) => "*template.sample",
            Self::Samples(_) => "template.queryResult",
            Self::Root => {
                "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; \
                 Value interface {} }"
            }
        }
    }
}
