//! Counts and histograms of what clients saw.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use units::Duration;

use crate::exchange::{Arrival, Exchange, Outcome, UsageReported};
use crate::plan::Plan;
use crate::report::{FailureReport, Quantiles, Report, VersionReport};

/// The most versions or pods that are told apart; the others are counted under [`OTHERS`].
const MAX_ANSWERERS: usize = 256;

/// The name of the versions beyond [`MAX_ANSWERERS`].
pub(crate) const OTHERS: &str = "(others)";

/// A generator that is later than its interval lags, but its timer is no finer than this.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

/// The longest time that histograms tell apart: longer ones count as this.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// Requests by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Requests that were sent: completed, failed and truncated ones.
    pub sent: u64,
    /// Answers that came as a whole, right or wrong.
    pub completed: u64,
    /// Requests without an answer.
    pub failed: u64,
    /// Answers with a good status of which a part is missing.
    pub truncated: u64,
    /// Whole answers that are wrong.
    pub wrong: u64,
    /// Answers, whole or truncated, that took longer than the bound.
    pub slow: u64,
    /// Requests that are at least one of failed, truncated, wrong and slow.
    pub hurt: u64,
}

impl Counts {
    /// Adds one request.
    pub fn add(&mut self, exchange: &Exchange, slow: Option<Duration>) {
        let failed = matches!(exchange.outcome, Outcome::Failed(_));
        let truncated = matches!(exchange.outcome, Outcome::Truncated(_));
        let wrong = matches!(exchange.outcome, Outcome::Complete { right: false, .. });
        let slow = !failed && slow.is_some_and(|bound| exchange.latency() > bound);
        self.sent += 1;
        self.completed += u64::from(!failed && !truncated);
        self.failed += u64::from(failed);
        self.truncated += u64::from(truncated);
        self.wrong += u64::from(wrong);
        self.slow += u64::from(slow);
        self.hurt += u64::from(failed || truncated || wrong || slow);
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, it| Self {
            sent: sum.sent + it.sent,
            completed: sum.completed + it.completed,
            failed: sum.failed + it.failed,
            truncated: sum.truncated + it.truncated,
            wrong: sum.wrong + it.wrong,
            slow: sum.slow + it.slow,
            hurt: sum.hurt + it.hurt,
        })
    }
}

/// The entry of a key, or where there are too many keys, the entry of all others.
pub(crate) fn bounded<K: Ord, V: Default>(entries: &mut BTreeMap<K, V>, key: K, others: K) -> &mut V {
    let known = entries.contains_key(&key) || entries.len() < MAX_ANSWERERS;
    entries.entry(if known { key } else { others }).or_default()
}

/// Times as a histogram with three significant digits, in microseconds.
#[derive(Debug, Clone)]
struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new(3).expect("three digits are within the bounds of 0 to 5"))
    }
}

impl Times {
    fn add(&mut self, span: Duration) {
        let micros = span.as_nanos().div_ceil(1000).min(LONGEST_MICROS);
        self.0.record(micros).expect("the histogram grows up to the longest time");
    }

    fn quantiles(&self) -> Option<Quantiles> {
        let secs = |micros: u64| micros as f64 / 1e6;
        let at = |quantile| secs(self.0.value_at_quantile(quantile).min(self.0.max()));
        (!self.0.is_empty()).then(|| Quantiles {
            count: self.0.len(),
            mean: (self.0.mean() * 1e3).round() / 1e9,
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: secs(self.0.max()),
        })
    }
}

/// What is measured of one version, or of all.
#[derive(Debug, Clone, Default)]
struct Measured {
    counts: Counts,
    end_to_end: Times,
    first_token: Times,
    between_tokens: Times,
}

impl Measured {
    fn add(&mut self, exchange: &Exchange, slow: Option<Duration>) {
        self.counts.add(exchange, slow);
        self.end_to_end.add(exchange.latency());
        if let Some(first) = exchange.time_to_first_token() {
            self.first_token.add(first);
        }
        for gap in &exchange.gaps {
            self.between_tokens.add(*gap);
        }
    }

    fn report(&self) -> VersionReport {
        VersionReport {
            counts: self.counts,
            end_to_end: self.end_to_end.quantiles(),
            first_token: self.first_token.quantiles(),
            between_tokens: self.between_tokens.quantiles(),
        }
    }
}

/// Counts arrivals and sums them up in a [`Report`].
#[derive(Debug, Clone)]
pub struct Tally {
    plan: Plan,
    slow: Option<Duration>,
    dropped: u64,
    all: Measured,
    versions: BTreeMap<String, Measured>,
    failures: BTreeMap<String, FailureReport>,
    cuts: BTreeMap<String, u64>,
    usage_missing: u64,
    usage_unequal: u64,
    other_model: u64,
    lag: Times,
    late: u64,
}

impl Tally {
    /// Nothing yet, of this plan. Answers that take longer than `slow` are counted as slow.
    pub fn new(plan: Plan, slow: Option<Duration>) -> Self {
        Self {
            plan,
            slow,
            dropped: 0,
            all: Measured::default(),
            versions: BTreeMap::new(),
            failures: BTreeMap::new(),
            cuts: BTreeMap::new(),
            usage_missing: 0,
            usage_unequal: 0,
            other_model: 0,
            lag: Times::default(),
            late: 0,
        }
    }

    /// Adds what became of a request.
    pub fn add(&mut self, arrival: &Arrival) {
        let exchange = match arrival {
            Arrival::Dropped { .. } => {
                self.dropped += 1;
                return;
            }
            Arrival::Exchanged(exchange) => exchange,
        };
        self.all.add(exchange, self.slow);
        let others = OTHERS.to_owned();
        bounded(&mut self.versions, exchange.version.clone(), others).add(exchange, self.slow);
        self.other_model += u64::from(exchange.names_other_model);
        self.lag.add(exchange.lag());
        self.late += u64::from(exchange.lag() > self.plan.interval(exchange.planned).max(TIMER_GRAIN));
        match &exchange.outcome {
            Outcome::Failed(failure) => {
                let entry = self.failures.entry(failure.kind()).or_default();
                entry.count += 1;
                if entry.example.is_empty() {
                    entry.example = failure.to_string();
                }
            }
            Outcome::Truncated(cut) => *self.cuts.entry(cut.to_string()).or_default() += 1,
            Outcome::Complete { usage, .. } => match usage {
                UsageReported::Missing => self.usage_missing += 1,
                UsageReported::More | UsageReported::Fewer => self.usage_unequal += 1,
                UsageReported::Equal | UsageReported::Unchecked => {}
            },
        }
    }

    /// Sums up, `after` so much time.
    pub fn report(&self, after: Duration) -> Report {
        let all = self.all.report();
        Report {
            seconds: after.as_secs_f64(),
            offered: all.counts.sent + self.dropped,
            dropped: self.dropped,
            counts: all.counts,
            slow_bound: self.slow,
            end_to_end: all.end_to_end,
            first_token: all.first_token,
            between_tokens: all.between_tokens,
            lag: self.lag.quantiles(),
            late: self.late,
            usage_missing: self.usage_missing,
            usage_unequal: self.usage_unequal,
            other_model: self.other_model,
            failures: self.failures.clone(),
            cuts: self.cuts.clone(),
            versions: self.versions.iter().map(|(name, it)| (name.clone(), it.report())).collect(),
        }
    }
}
