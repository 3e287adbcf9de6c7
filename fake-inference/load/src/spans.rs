//! What clients saw in spans of time, by model version.

use std::collections::BTreeMap;

use serde::Serialize;
use units::Duration;

use crate::exchange::Arrival;
use crate::tally::{Counts, by_version};

/// What clients saw from `since` to `until`, both counted from the start of the run: the requests whose end
/// fell into the span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its beginning.
    pub since: Duration,
    /// Its end.
    pub until: Duration,
    /// The requests by the model version that answered; the empty name has those that nobody answered.
    pub versions: BTreeMap<String, Counts>,
    /// Planned requests that were not sent.
    pub dropped: u64,
}

/// Collects arrivals until the span is cut.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    slow: Option<Duration>,
    since: Duration,
    versions: BTreeMap<String, Counts>,
    dropped: u64,
}

impl Spans {
    /// No span yet. Answers that take longer than `slow` are counted as slow.
    pub fn new(slow: Option<Duration>) -> Self {
        Self { slow, ..Self::default() }
    }

    /// Adds a request to the span under way.
    pub fn add(&mut self, arrival: &Arrival) {
        match arrival {
            Arrival::Dropped { .. } => self.dropped += 1,
            Arrival::Exchanged(exchange) => {
                by_version(&mut self.versions, &exchange.version).add(exchange, self.slow);
            }
        }
    }

    /// Ends the span and begins the next.
    pub fn cut(&mut self, at: Duration) -> Span {
        Span {
            since: std::mem::replace(&mut self.since, at),
            until: at,
            versions: std::mem::take(&mut self.versions),
            dropped: std::mem::take(&mut self.dropped),
        }
    }
}
