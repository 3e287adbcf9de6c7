//! What a load found, as a person or a program reads it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use units::Duration;

use crate::tally::Counts;

/// What a load found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How long it took, from the first planned moment to the last answer.
    pub seconds: f64,
    /// Requests that were planned and came due.
    pub offered: u64,
    /// Requests of these that were not sent: too many were under way, or there were no more sockets.
    pub dropped: u64,
    /// What became of the others.
    #[serde(flatten)]
    pub counts: Counts,
    /// What counts as slow.
    pub slow_bound: Option<Duration>,
    /// From the planned moment to the end of every request that was sent, failed ones included.
    pub end_to_end: Option<Quantiles>,
    /// From the planned moment to the first token.
    pub first_token: Option<Quantiles>,
    /// From one token to the next.
    pub between_tokens: Option<Quantiles>,
    /// How late the generator was.
    pub lag: Option<Quantiles>,
    /// Requests that left more than one interval of their plan late.
    pub late: u64,
    /// Whole answers without a usage.
    pub usage_missing: u64,
    /// Whole streams whose usage differs from the number of their chunks.
    pub usage_unequal: u64,
    /// Answers that name another model than was asked: an alias, or an old version behind a new name.
    pub other_model: u64,
    /// The failures by their kind.
    pub failures: BTreeMap<String, FailureReport>,
    /// The truncated answers by what is missing of them.
    pub cuts: BTreeMap<String, u64>,
    /// The same by the version that answered; the empty name has those that nobody answered.
    pub versions: BTreeMap<String, VersionReport>,
}

/// What was found of one model version.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionReport {
    /// What became of its requests.
    #[serde(flatten)]
    pub counts: Counts,
    /// From the planned moment to the end.
    pub end_to_end: Option<Quantiles>,
    /// From the planned moment to the first token.
    pub first_token: Option<Quantiles>,
    /// From one token to the next.
    pub between_tokens: Option<Quantiles>,
}

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FailureReport {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub example: String,
}

/// A distribution of times in seconds, to three significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many times there are.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half of them are at most this.
    pub p50: f64,
    /// 90 % of them are at most this.
    pub p90: f64,
    /// 95 % of them are at most this.
    pub p95: f64,
    /// 99 % of them are at most this.
    pub p99: f64,
    /// 99.9 % of them are at most this.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Report {
    /// What limits the worth of these figures.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.dropped > 0 {
            warnings.push(format!(
                "{} of {} requests were not sent, because too many were under way (--max-in-flight) or open \
                 files were scarce (ulimit -n): the times leave them out",
                self.dropped, self.offered
            ));
        }
        if let (1.., Some(lag)) = (self.late, self.lag) {
            warnings.push(format!(
                "the generator lagged: {} requests left more than one interval late, at most {} s",
                self.late, lag.max
            ));
        }
        if self.usage_missing > 0 {
            warnings.push(format!("{} answers came without a usage", self.usage_missing));
        }
        if self.usage_unequal > 0 {
            warnings.push(format!(
                "the usage of {} answers differs from the number of their chunks",
                self.usage_unequal
            ));
        }
        if self.other_model > 0 {
            warnings.push(format!("{} answers name another model than was asked", self.other_model));
        }
        warnings
    }

    /// Why nobody was reached: the failure of all requests, where all failed for want of a connection.
    pub fn unreachable(&self) -> Option<&str> {
        let connections = self.failures.get("no connection")?;
        (connections.count == self.counts.sent).then_some(connections.example.as_str())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests offered in {:.1} s: ", self.offered, self.seconds)?;
        writeln!(f, "{}, {} dropped", told(&self.counts, self.slow_bound), self.dropped)?;
        writeln!(f)?;
        write_head(f, "seconds")?;
        write_times(f, "end to end", self.end_to_end)?;
        write_times(f, "first token", self.first_token)?;
        write_times(f, "between tokens", self.between_tokens)?;
        write_times(f, "generator's lag", self.lag)?;
        for (name, version) in &self.versions {
            let name = if name.is_empty() { "(nobody answered)" } else { name };
            writeln!(f, "\n{name}: {}", told(&version.counts, self.slow_bound))?;
            write_times(f, "end to end", version.end_to_end)?;
            write_times(f, "first token", version.first_token)?;
            write_times(f, "between tokens", version.between_tokens)?;
        }
        if !(self.failures.is_empty() && self.cuts.is_empty()) {
            writeln!(f)?;
        }
        for (kind, failure) in &self.failures {
            writeln!(f, "{} failed: {kind}; the first: {}", failure.count, failure.example)?;
        }
        for (cut, count) in &self.cuts {
            writeln!(f, "{count} truncated: {cut}")?;
        }
        for warning in self.warnings() {
            writeln!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}

fn told(counts: &Counts, slow: Option<Duration>) -> String {
    let Counts { sent, completed, failed, truncated, wrong, slow: slower, hurt } = counts;
    let slow = slow.map(|bound| format!(", {slower} slower than {bound}")).unwrap_or_default();
    format!(
        "{sent} sent, {completed} completed, {failed} failed, {truncated} truncated, {wrong} wrong{slow}, \
         {hurt} hurt"
    )
}

fn write_head(f: &mut fmt::Formatter<'_>, title: &str) -> fmt::Result {
    write!(f, "{title:<16}")?;
    for name in ["count", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"] {
        write!(f, "{name:>10}")?;
    }
    writeln!(f)
}

fn write_times(f: &mut fmt::Formatter<'_>, title: &str, times: Option<Quantiles>) -> fmt::Result {
    let Some(times) = times else { return Ok(()) };
    write!(f, "{title:<16}{:>10}", times.count)?;
    for time in [times.mean, times.p50, times.p90, times.p95, times.p99, times.p999, times.max] {
        write!(f, "{time:>10.4}")?;
    }
    writeln!(f)
}
