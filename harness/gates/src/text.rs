//! Claims as lines for reports.

use std::fmt;

use crate::file::{ExpectedMeasurement, What};
use crate::run::listed;

/// The claim as it would be said: `metric error-rate is Failed`.
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(phase) => write!(f, "the run is {phase}"),
            Self::Message(part) => write!(f, "the run's message has `{part}`"),
            Self::Completed(at) => write!(f, "the run is over after {at}"),
            Self::Metric(name, phase) => write!(f, "metric {name} is {phase}"),
            Self::Count(name, phase, count) => {
                write!(f, "metric {name} has {count} measurements that are {phase}")
            }
            Self::Measurements(name, count) => write!(f, "metric {name} has {count} measurements"),
            Self::Measurement(name, number, expected) => {
                write!(f, "measurement {number} of {name}{expected}")
            }
        }
    }
}

/// Every part that is said.
impl fmt::Display for ExpectedMeasurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.at.map(|at| format!(" is taken at {at}")),
            self.value.as_ref().map(|value| format!(" has the value {}", listed(value))),
            self.phase.map(|phase| format!(" is {phase}")),
            self.message.as_ref().map(|part| format!(" has `{part}` in its message")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(" and"))
    }
}
