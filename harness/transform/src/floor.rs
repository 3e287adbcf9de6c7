//! Below what real controllers cannot go. The floors are those of the machinery, which no manifest can
//! lower; that a scenario keeps its meaning above them is for the simulator to say.

use units::Duration;
use yaml::{Place, Problem};

use crate::Speed;

/// The least that a kind of duration can be in a real cluster, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// What it is of, as the subject of a sentence.
    pub of: &'static str,
    /// The least.
    pub least: Duration,
    /// Why it cannot be less.
    pub reason: &'static str,
}

/// Of `interval` and `initialDelay` of a metric.
pub const ANALYSIS_INTERVAL: Floor = Floor {
    of: "the interval of an analysis",
    least: Duration::from_secs(1),
    reason: "the times of measurements are stored in whole seconds, and an analysis is due by them",
};

/// Of a `pause` step.
pub const PAUSE: Floor = Floor {
    of: "a pause",
    least: Duration::from_secs(2),
    reason: "its start is stored in whole seconds, so that it can last up to one second less than it says",
};

/// Of the interval between scrapes.
pub const SCRAPE_INTERVAL: Floor = Floor {
    of: "the interval between scrapes",
    least: Duration::from_millis(500),
    reason: "a scrape of a busy machine takes up to some 100 ms, which would be most of the interval",
};

/// Of the range of a query: four scrapes at the least interval between them.
pub const QUERY_RANGE: Floor = Floor {
    of: "the range of a query",
    least: Duration::from_secs(2),
    reason: "a rate needs four scrapes in its range to bear one that comes late, and scrapes are at least \
             500 ms apart",
};

/// Of the interval between evaluations of rules.
pub const RULE_INTERVAL: Floor = Floor {
    of: "the interval between evaluations of rules",
    least: Duration::from_millis(500),
    reason: "rules look at what scrapes brought, which are at least 500 ms apart",
};

/// Of `timeout.reconciliation`.
pub const RECONCILIATION: Floor = Floor {
    of: "the time between comparisons of an Application",
    least: Duration::from_secs(2),
    reason: "a comparison takes about a second, and its time is stored in whole seconds",
};

/// The most requests a second that clients send for the sake of speed: more would measure the machine, since
/// the clients, the model's pods and the controllers share it.
pub const HIGHEST_RATE: f64 = 200.0;

/// A duration that bounds the speed.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Where it stands.
    pub place: Place,
    /// The field and its value, as written.
    pub written: String,
    /// How long it is.
    pub bound: Duration,
    /// How short it can become.
    pub floor: Floor,
}

impl Limit {
    /// The highest speed at which it holds, at least 1: a value that is below its floor as it is written
    /// is the user's business.
    pub fn highest(&self) -> f64 {
        (self.bound.as_secs_f64() / self.floor.least.as_secs_f64()).max(1.0)
    }

    /// What is wrong with it at a speed that is too high; `advised` is one at which everything holds.
    pub(crate) fn problem(&self, speed: Speed, advised: Speed) -> Problem {
        let (written, highest) = (&self.written, self.highest());
        let Floor { of, least, reason } = self.floor;
        let message = format!(
            "`{written}` would be {} at speed {speed}, and {of} can be no less than {least}: {reason}",
            speed.scale(self.bound)
        );
        let allows = (highest * 100.0).floor() / 100.0;
        Problem::at(&self.place, message)
            .with_help(format!("this allows at most speed {allows}; at speed {advised} everything holds"))
    }
}

/// The highest candidate within all limits.
pub(crate) fn highest_speed(limits: &[Limit]) -> Speed {
    let holds = |speed: &&Speed| limits.iter().all(|limit| speed.factor() <= limit.highest());
    Speed::CANDIDATES.iter().rev().find(holds).copied().unwrap_or(Speed::REAL)
}
