use scenario::{Bound, Comparison, Limit, PodRole, RequestFilter, RequestKind};
use units::Time;

use crate::judge::Finding;
use crate::moment::{Run, Unanswered};
use crate::{Event, Requests, Role, RunStarted, Verdict};

/// How many entries are shown as evidence: those that contributed most.
const MAX_EVIDENCE: usize = 8;

/// The requests that a filter lets through.
///
/// An entry covers a span of time; where only a part of the span lies in the filter's time, the same
/// part of its requests is counted.
struct Counted<'a> {
    /// Entries by position, with the part of each that is counted.
    parts: Vec<(usize, &'a Requests, f64)>,
    /// The length of time that they cover together, in seconds.
    seconds: f64,
}

impl Counted<'_> {
    fn of(&self, kind: RequestKind) -> f64 {
        crate::cost::sum(self.parts.iter().map(|(_, requests, part)| quantity(requests, kind) * part))
    }

    /// The entries that contributed most of `kind`.
    fn largest(&self, kind: RequestKind) -> Vec<usize> {
        let mut by_size: Vec<(f64, usize)> = self
            .parts
            .iter()
            .map(|(index, requests, part)| (quantity(requests, kind) * part, *index))
            .filter(|(size, _)| *size > 0.0)
            .collect();
        by_size.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        by_size.into_iter().take(MAX_EVIDENCE).map(|(_, index)| index).collect()
    }
}

fn quantity(requests: &Requests, kind: RequestKind) -> f64 {
    match kind {
        RequestKind::Total => requests.total,
        RequestKind::Failed => requests.failed,
        RequestKind::Slow => requests.slow,
        RequestKind::Wrong => requests.wrong,
        RequestKind::Truncated => requests.truncated,
        RequestKind::Hurt => requests.hurt,
    }
}

/// Bounds on what clients experienced; all must hold.
///
/// Without any request there is no answer, except to a bound on the number of all requests that the
/// filter lets through, where the run had requests at all.
pub(crate) fn judge(
    run: Run,
    which: &RequestFilter,
    bounds: &[(RequestKind, Bound)],
) -> Result<Finding, Unanswered> {
    let asks_slow = bounds.iter().any(|(kind, _)| matches!(kind, RequestKind::Slow | RequestKind::Hurt));
    if asks_slow && slow_bound_is_missing(run) {
        return Err(Unanswered(
            "no latency is set above which a request counts as slow: write `traffic: { slow: 500ms }`, or let \
             the gate's condition compare a latency with a number"
                .into(),
        ));
    }
    let counted = count(run, which)?;
    let only_counts_all = bounds
        .iter()
        .all(|(kind, bound)| *kind == RequestKind::Total && matches!(bound.limit, Limit::Count(_)));
    let any_in_run = count(run, &RequestFilter::default())?.of(RequestKind::Total) > 0.0;
    if counted.of(RequestKind::Total) <= 0.0 && !(only_counts_all && any_in_run) {
        return Err(Unanswered(match any_in_run {
            true => "no request matched: nothing was exercised".into(),
            false => "the run had no requests: nothing was exercised".into(),
        }));
    }
    let answers: Vec<(Verdict, String)> =
        bounds.iter().map(|(kind, bound)| answer(&counted, *kind, *bound)).collect();
    let verdict = Verdict::of(answers.iter().map(|(verdict, _)| *verdict));
    let message = answers.into_iter().map(|(_, words)| words).collect::<Vec<_>>().join("; ");
    let evidence = bounds.iter().flat_map(|(kind, _)| counted.largest(*kind));
    Ok(Finding { verdict, ..Finding::passed(message) }.because_of(evidence))
}

fn slow_bound_is_missing(run: Run) -> bool {
    let started = run.timeline.entries.first().map(|entry| &entry.event);
    !matches!(started, Some(Event::RunStarted(RunStarted { slow: Some(_), .. })))
}

fn count<'a>(run: Run<'a>, which: &RequestFilter) -> Result<Counted<'a>, Unanswered> {
    let after = which.after.as_ref().map(|anchor| run.moment(anchor)).transpose()?;
    let before = which.before.as_ref().and_then(|anchor| run.moment(anchor).ok());
    let (from, until) = (after.map_or(Time::ZERO, |m| m.at), before.map_or(Time::MAX, |m| m.at));
    let mut parts = Vec::new();
    let mut spans = Vec::new();
    for (index, entry) in run.timeline.entries.iter().enumerate() {
        let Event::Requests(requests) = &entry.event else { continue };
        if !lets_through(which, requests) {
            continue;
        }
        let span = (requests.since.max(from), entry.at.min(until));
        if let Some(part) = part_of(requests.span(entry.at).as_secs_f64(), span) {
            parts.push((index, requests, part));
            spans.push(span);
        }
    }
    Ok(Counted { parts, seconds: crate::cost::covered(spans).as_secs_f64() })
}

/// The part of an entry of this length that `span` makes; `None` where they do not meet.
fn part_of(seconds: f64, (from, until): (Time, Time)) -> Option<f64> {
    if from > until || (from == until && seconds > 0.0) {
        None
    } else if seconds > 0.0 {
        Some(until.since(from).as_secs_f64() / seconds)
    } else {
        Some(1.0)
    }
}

fn lets_through(which: &RequestFilter, requests: &Requests) -> bool {
    let role = which.role.map(|role| match role {
        PodRole::Stable => Role::Stable,
        PodRole::Canary => Role::Canary,
    });
    which.model.as_ref().is_none_or(|model| *model == requests.model)
        && role.is_none_or(|role| role == requests.role)
        && which.step.is_none_or(|step| requests.step == Some(step))
}

fn answer(counted: &Counted, kind: RequestKind, bound: Bound) -> (Verdict, String) {
    let (found, total) = (counted.of(kind), counted.of(RequestKind::Total));
    let (value, limit, shown) = match bound.limit {
        Limit::Count(limit) => (found, limit, format!("{found:.0} {kind}, wanted {bound}")),
        Limit::Share(limit) => {
            let share = if total > 0.0 { found / total } else { 0.0 };
            let shown = format!("{} {kind} ({found:.0} of {total:.0}), wanted {bound}", percent(share));
            (share, limit.as_f64(), shown)
        }
        Limit::Rate(limit) if counted.seconds > 0.0 => {
            let rate = found / counted.seconds;
            let shown = format!("{rate:.3}/s {kind} over {:.0} s, wanted {bound}", counted.seconds);
            (rate, limit.per_second(), shown)
        }
        Limit::Rate(_) => {
            return (
                Verdict::Inconclusive,
                format!("{kind}: the requests cover no time, so they have no rate"),
            );
        }
    };
    (if holds(value, bound.comparison, limit) { Verdict::Passed } else { Verdict::Failed }, shown)
}

/// Compares up to the rounding of sums of parts.
fn holds(value: f64, comparison: Comparison, limit: f64) -> bool {
    let equal = (value - limit).abs() <= 1e-9 * limit.abs().max(1.0);
    match comparison {
        Comparison::Less => value < limit && !equal,
        Comparison::LessOrEqual => value < limit || equal,
        Comparison::Greater => value > limit && !equal,
        Comparison::GreaterOrEqual => value > limit || equal,
        Comparison::Equal => equal,
    }
}

/// A share with as many digits as a small one needs.
fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
