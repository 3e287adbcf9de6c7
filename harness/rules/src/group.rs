//! Groups of rules as they are written.

use std::collections::BTreeMap;
use std::fmt;

use promql::Query;
use units::Duration;
use yaml::Place;

use crate::template::Template;

/// Rules that are evaluated one after the other at the same moments.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name, unique in its file.
    pub name: String,
    /// How often it is evaluated; as often as the server says if left out.
    pub interval: Option<Duration>,
    /// How far before each moment it evaluates and writes.
    pub query_offset: Duration,
    /// The most series or alerts that each of its rules may make; any number if left out.
    pub limit: Option<usize>,
    /// Its rules, in their order.
    pub rules: Vec<Rule>,
    /// Where it stands.
    pub place: Place,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it does with what its expression gives.
    pub kind: Kind,
    /// Its expression.
    pub expr: Query,
    /// Where it stands.
    pub place: Place,
}

/// The kinds of rules.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Stores the result as new series.
    Recording {
        /// The name of the series.
        record: String,
        /// Labels that are set; an empty one is removed.
        labels: BTreeMap<String, String>,
    },
    /// Makes an alert of each element.
    Alerting(Alerting),
}

/// What an alerting rule says beside its expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Alerting {
    /// The alert's name.
    pub alert: String,
    /// How long an element must be there before its alert fires (`for`).
    pub hold: Duration,
    /// How long an alert fires on after its element is gone (`keep_firing_for`).
    pub keep_firing_for: Duration,
    /// Labels that are set.
    pub labels: BTreeMap<String, Template>,
    /// What the alert tells.
    pub annotations: BTreeMap<String, Template>,
}

impl Rule {
    /// The name of its series, or of its alert.
    pub fn name(&self) -> &str {
        match &self.kind {
            Kind::Recording { record, .. } => record,
            Kind::Alerting(alerting) => &alerting.alert,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Recording { record, .. } => write!(f, "record {record}"),
            Kind::Alerting(alerting) => write!(f, "alert {}", alerting.alert),
        }
    }
}
