use scenario::{Anchor, RolloutWord, State};
use units::Duration;

use crate::judge::Finding;
use crate::moment::{Moment, Run, Seen, Unanswered, Window, after};
use crate::{EndReason, Holds, gate, words};

/// `becomes`, with all that may be said about it.
pub(crate) struct Becomes<'a> {
    pub(crate) state: &'a State,
    pub(crate) within: Option<Duration>,
    pub(crate) of: &'a Anchor,
    pub(crate) because: Option<&'a str>,
    pub(crate) before: Option<&'a Anchor>,
}

/// The state is entered after its anchor: it did not hold just before, or was left and entered again.
pub(crate) fn becomes(run: Run, claim: &Becomes) -> Result<Finding, Unanswered> {
    let from = run.moment(claim.of)?;
    let window = run.window(claim.state, from)?;
    let bound = claim.before.and_then(|anchor| Some((anchor, run.moment(anchor).ok()?)));
    let Some(entered) = window.first_entered() else {
        return Ok(not_entered(run, claim.state, from, claim.of, claim.within, &window));
    };
    let when = format!("{}{}", entered.at, after(entered.at, from, claim.of));
    if claim.within.is_some_and(|within| entered.at > run.deadline(from, within)) {
        return Ok(decided(Finding::failed(format!("only at {when}")), entered));
    }
    if let Some((anchor, bound)) = bound.filter(|(_, bound)| entered.index > bound.index) {
        let message = format!("only at {when}; {} at {}", happened(anchor), bound.at);
        return Ok(decided(Finding::failed(message), entered).because_of([bound.index]));
    }
    if let Some(metric) = claim.because {
        return Ok(gate::because(run, entered, metric, &when));
    }
    Ok(with_evidence_of_the_gate(
        run,
        claim.state,
        entered,
        decided(Finding::passed(format!("at {when}")), entered),
    ))
}

/// A promotion that no measurement stood behind is no evidence.
fn with_evidence_of_the_gate(run: Run, state: &State, entered: Seen, passed: Finding) -> Finding {
    match state {
        State::Rollout(_, wanted) if wanted.is == Some(RolloutWord::Promoted) => {
            gate::without_samples(run, entered).unwrap_or(passed)
        }
        State::Rollout(..) | State::Application(..) | State::Resource(..) | State::Alert(..) => passed,
    }
}

/// The state holds wherever it is defined.
pub(crate) fn always(
    run: Run,
    state: &State,
    of: &Anchor,
    before: Option<&Anchor>,
) -> Result<Finding, Unanswered> {
    let (from, until) = (run.moment(of)?, until(run, before));
    let window = run.window(state, from)?;
    if window.is_empty() {
        return Err(Unanswered(run.unseen(state)));
    }
    let seen = || window.all().filter(|seen| seen.index < until.index);
    if let Some(unknown) = unknown_alert(run, state, seen()) {
        return Ok(unknown);
    }
    if let Some(broken) = seen().find(|seen| seen.holds == Holds::No) {
        let at = broken.at.max(from.at);
        let message = format!("at {at} it was {}", found(run, state, broken));
        return Ok(Finding::failed(message).at(at).because_of([broken.index]));
    }
    let Some(held) = seen().find(|seen| seen.holds == Holds::Yes) else {
        return Ok(Finding::inconclusive(format!(
            "it was never defined between {} and {}: nothing was exercised",
            from.at, until.at
        )));
    };
    unless_interrupted(run, before)?;
    let span = format!("from {} to {}", held.at.max(from.at), until.at);
    Ok(Finding::passed(format!("held {span}")).at(until.at).because_of([held.index]))
}

/// The state holds nowhere.
pub(crate) fn never(
    run: Run,
    state: &State,
    of: &Anchor,
    before: Option<&Anchor>,
) -> Result<Finding, Unanswered> {
    let (from, until) = (run.moment(of)?, until(run, before));
    let window = run.window(state, from)?;
    if window.is_empty() {
        return Err(Unanswered(run.unseen(state)));
    }
    let seen = || window.all().filter(|seen| seen.index < until.index);
    if let Some(held) = seen().find(|seen| seen.holds == Holds::Yes) {
        let at = held.at.max(from.at);
        let message = format!("at {at} it was {}", found(run, state, held));
        return Ok(Finding::failed(message).at(at).because_of([held.index]));
    }
    if let Some(unknown) = unknown_alert(run, state, seen()) {
        return Ok(unknown);
    }
    let Some(last) = seen().last() else {
        return Ok(Finding::inconclusive(format!(
            "it was not seen between {} and {}: nothing was exercised",
            from.at, until.at
        )));
    };
    unless_interrupted(run, before)?;
    let message = format!("it never was from {} to {}; last: {}", from.at, until.at, found(run, state, last));
    Ok(Finding::passed(message).at(until.at).because_of([last.index]))
}

/// A stretch of time in which a state held.
#[derive(Clone, Copy)]
struct Stretch {
    begin: Seen,
    /// The entry that broke it; `None` where it lasted to the end of the run.
    end: Option<Seen>,
}

/// There is a moment, in time, from which on the state holds long enough. A state that was left again
/// too early does not count, but may be entered anew.
pub(crate) fn stays(
    run: Run,
    state: &State,
    within: Option<Duration>,
    of: &Anchor,
    hold: Option<Duration>,
) -> Result<Finding, Unanswered> {
    let from = run.moment(of)?;
    let window = run.window(state, from)?;
    let deadline = within.map(|within| run.deadline(from, within));
    let in_time =
        |stretch: &Stretch| deadline.is_none_or(|deadline| stretch.begin.at.max(from.at) <= deadline);
    let stretches: Vec<Stretch> = stretches(&window).into_iter().filter(in_time).collect();
    let Some(last) = stretches.last().copied() else {
        return Ok(match window.first_entered() {
            Some(late) => {
                let when = after(late.at, from, of);
                decided(Finding::failed(format!("only at {}{when}", late.at)), late)
            }
            None => not_entered(run, state, from, of, within, &window),
        });
    };
    let length = |stretch: &Stretch| {
        stretch.end.map_or(run.end().at, |end| end.at).since(stretch.begin.at.max(from.at))
    };
    let long_enough = |stretch: &&Stretch| match hold {
        Some(hold) => length(stretch) >= hold,
        None => stretch.end.is_none(),
    };
    if let Some(good) = stretches.iter().find(long_enough) {
        if hold.is_none() {
            unless_interrupted(run, None)?;
        }
        let begin = good.begin.at.max(from.at);
        let message =
            format!("held for {} from {begin}{}", words::span(length(good)), after(begin, from, of));
        let passed = Finding::passed(message).at(begin).because_of([good.begin.index]);
        return Ok(with_evidence_of_the_gate(run, state, good.begin, passed));
    }
    Ok(match last.end {
        None => Finding::inconclusive(format!(
            "it held from {} on, but the run was over after {}: give the scenario a longer `duration`",
            last.begin.at.max(from.at),
            words::span(length(&last))
        )),
        Some(end) => {
            let lasted = words::span(length(&last));
            let message = format!("at {} it was {}, after {lasted}", end.at, found(run, state, end));
            decided(Finding::failed(message), end)
        }
    }
    .because_of([last.begin.index]))
}

fn stretches(window: &Window) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut open: Option<Seen> = None;
    for seen in window.all() {
        match (seen.holds, open) {
            (Holds::Yes, None) => open = Some(seen),
            (Holds::No, Some(begin)) => {
                stretches.push(Stretch { begin, end: Some(seen) });
                open = None;
            }
            (Holds::Yes, Some(_)) | (Holds::No, None) | (Holds::Undefined, _) => {}
        }
    }
    stretches.extend(open.map(|begin| Stretch { begin, end: None }));
    stretches
}

/// The answer where the state was not entered in the whole run.
fn not_entered(
    run: Run,
    state: &State,
    from: Moment,
    of: &Anchor,
    within: Option<Duration>,
    window: &Window,
) -> Finding {
    let held_before = window.before.filter(|seen| seen.holds == Holds::Yes);
    let left = window.after.iter().find(|seen| seen.holds != Holds::Yes);
    if let (Some(held), None) = (held_before, left) {
        let message = format!("it held before {of} and never changed: nothing was exercised");
        return Finding::inconclusive(message).because_of([held.index]);
    }
    if let Some(unknown) = unknown_alert(run, state, window.all()) {
        return unknown;
    }
    let last = window.all().last();
    let now = match last {
        Some(last) => format!("; since {} it is {}", last.at, found(run, state, last)),
        None => format!("; {}", run.unseen(state)),
    };
    if let Some(why) = cut_short(run, from, within) {
        return Finding::inconclusive(format!("{why}{now}")).because_of(last.map(|last| last.index));
    }
    let deadline = within.map_or(run.end().at, |within| run.deadline(from, within));
    let left = match (held_before, left) {
        (Some(_), Some(left)) => format!("; it was left at {}", left.at),
        (Some(_) | None, _) => String::new(),
    };
    let message = format!("not entered by {deadline}{}{left}{now}", after(deadline, from, of));
    Finding::failed(message).at(deadline.min(run.end().at)).because_of(last.map(|last| last.index))
}

/// That nothing was known of an alert whenever it was looked at: its rules failed, or had no series.
fn unknown_alert(run: Run, state: &State, mut seen: impl Iterator<Item = Seen>) -> Option<Finding> {
    if !matches!(state, State::Alert(..)) {
        return None;
    }
    let first = seen.next().filter(|first| first.holds == Holds::Undefined)?;
    let last = seen.try_fold(first, |_, next| (next.holds == Holds::Undefined).then_some(next))?;
    let message = format!("at {} it was {}: nothing was exercised", last.at, found(run, state, last));
    Some(Finding::inconclusive(message).because_of([last.index]))
}

/// Why the run was over too early to tell that something does not happen any more.
fn cut_short(run: Run, from: Moment, within: Option<Duration>) -> Option<String> {
    let end = run.end().at;
    match (run.end_reason(), within) {
        (EndReason::Settled, _) | (EndReason::DurationReached, None) => None,
        (_, Some(within)) if end >= run.deadline(from, within) => None,
        (EndReason::DurationReached, Some(within)) => Some(format!(
            "the run's `duration` was over at {end}, but the claim may come true until {}",
            run.deadline(from, within)
        )),
        (EndReason::TimeLimit, _) => {
            Some(format!("the run reached the longest time that it may take at {end} and had not settled"))
        }
        (EndReason::Interrupted, _) => Some(format!("the run was interrupted at {end}")),
    }
}

/// A claim about the whole run has no answer where the run was cut short.
fn unless_interrupted(run: Run, before: Option<&Anchor>) -> Result<(), Unanswered> {
    let bounded = before.is_some_and(|anchor| run.moment(anchor).is_ok());
    match run.end_reason() {
        EndReason::Interrupted if !bounded => {
            Err(Unanswered(format!("it held until the run was interrupted at {}", run.end().at)))
        }
        EndReason::Interrupted | EndReason::Settled | EndReason::DurationReached | EndReason::TimeLimit => {
            Ok(())
        }
    }
}

/// The end of a claim's time: a moment, or the end of the run where that never came.
fn until(run: Run, before: Option<&Anchor>) -> Moment {
    before.and_then(|anchor| run.moment(anchor).ok()).unwrap_or(run.end())
}

fn happened(anchor: &Anchor) -> String {
    match anchor {
        Anchor::Start | Anchor::FirstAction => format!("{anchor} was"),
        Anchor::Action(_) => format!("{anchor} was performed"),
        Anchor::Reached(_) => format!("{anchor} was reached"),
    }
}

fn decided(finding: Finding, by: Seen) -> Finding {
    finding.at(by.at).because_of([by.index])
}

fn found(run: Run, state: &State, seen: Seen) -> String {
    words::found(state, &run.timeline.entries[seen.index].event)
}
