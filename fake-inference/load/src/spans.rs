//! What clients saw in spans of time, by who answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use units::{Duration, Time};

use crate::exchange::Arrival;
use crate::tally::{Counts, OTHERS, bounded};

/// What clients saw from `since` to `until`, both counted from the start of the load: the requests whose end
/// fell into the span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its beginning.
    pub since: Time,
    /// Its end.
    pub until: Time,
    /// The requests by who answered, in the order of versions and pods.
    pub answered: Vec<Answered>,
    /// Planned requests that were not sent.
    pub dropped: u64,
}

/// The requests that one pod answered. From its name an engine knows the pod's role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The model version, as in [`Exchange::version`](crate::Exchange::version); empty where nobody answered.
    pub version: String,
    /// The pod; empty where the server does not tell.
    pub pod: String,
    /// What became of the requests.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Collects arrivals until the span is cut.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    slow: Option<Duration>,
    since: Time,
    answered: BTreeMap<(String, String), Counts>,
    dropped: u64,
}

impl Span {
    /// What became of the requests that pods of this version answered.
    pub fn of(&self, version: &str) -> Counts {
        let of_version = self.answered.iter().filter(|answered| answered.version == version);
        of_version.map(|answered| answered.counts).sum()
    }
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
                let who = (exchange.version.clone(), exchange.pod.clone());
                let others = (OTHERS.to_owned(), String::new());
                bounded(&mut self.answered, who, others).add(exchange, self.slow);
            }
        }
    }

    /// Ends the span and begins the next.
    pub fn cut(&mut self, at: Time) -> Span {
        let answered = std::mem::take(&mut self.answered).into_iter();
        Span {
            since: std::mem::replace(&mut self.since, at),
            until: at,
            answered: answered.map(|((version, pod), counts)| Answered { version, pod, counts }).collect(),
            dropped: std::mem::take(&mut self.dropped),
        }
    }
}
