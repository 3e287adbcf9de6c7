//! What clients experienced, roughly: shares, since the numbers depend on how long a run took.

use super::{Fact, Sides};
use crate::{RequestTotals, Summary, Timeline};

/// Shares that are no further apart than this are alike.
const APART: f64 = 0.01;
/// Shares of which one is no more than this many times the other are alike, too.
const TIMES: f64 = 2.0;

pub(super) fn of(runs: &Sides<&Timeline>) -> Vec<Fact> {
    let totals = runs.map(|timeline| Summary::of(timeline).requests);
    if totals.left.total <= 0.0 && totals.right.total <= 0.0 {
        return Vec::new();
    }
    vec![
        share("failed", &totals, |it| it.failed),
        share("slow", &totals, |it| it.slow),
        share("hurt", &totals, |it| it.hurt),
    ]
}

fn share(kind: &str, totals: &Sides<RequestTotals>, of: fn(&RequestTotals) -> f64) -> Fact {
    let shares = totals.map(|it| if it.total > 0.0 { of(it) / it.total } else { 0.0 });
    let said = totals.map(|it| format!("{:.0} of {:.0}", of(it), it.total));
    let (more, less) = (shares.left.max(shares.right), shares.left.min(shares.right));
    let agrees = more - less <= APART || more <= TIMES * less;
    Fact { what: format!("requests {kind}"), said, agrees }
}
