//! What is sent when: a stream as a list of events and the moments at which they are due.

use units::Duration;

use crate::fault::UsageFault;

/// One thing that a stream sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The chunk that opens a choice.
    Role { choice: u32 },
    /// A token of a choice.
    Text { choice: u32, token: u32 },
    /// The chunk with the reason why a choice ends.
    Finish { choice: u32 },
    /// The chunk with the usage.
    Usage,
    /// `[DONE]`.
    Done,
    /// An error event.
    Error,
    /// Nothing: the stream stays open until then.
    Silence,
}

/// An event and when it is due, from the moment at which the engine began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) due: Duration,
    pub(crate) event: Event,
}

/// The times that make up an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// From the engine's beginning to the first token.
    pub(crate) first: Duration,
    /// Between tokens.
    pub(crate) between: Duration,
    /// The whole.
    pub(crate) total: Duration,
}

impl Pace {
    /// The pace that spreads `tokens` tokens over `total`, the first after `first`.
    pub(crate) fn spread(total: Duration, first: Duration, tokens: u64) -> Self {
        let first = first.min(total);
        let rest = total.saturating_sub(first).as_nanos();
        let between = Duration::from_nanos(rest / tokens.saturating_sub(1).max(1));
        Self { first, between, total }
    }

    fn token(&self, number: u64) -> Duration {
        (self.first + self.between * number).min(self.total)
    }
}

/// What goes wrong in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StreamFaults {
    /// A pause after so many tokens; `None` for ever.
    pub(crate) stall: Option<(u32, Option<Duration>)>,
    /// The end after so many tokens, at once.
    pub(crate) truncate: Option<u32>,
    /// The end in the middle, when the answer would have ended.
    pub(crate) cut_short: bool,
    pub(crate) no_done: bool,
    pub(crate) late_error: Option<u32>,
    pub(crate) duplicate: Option<u32>,
    pub(crate) reorder: Option<u32>,
    pub(crate) usage: Option<UsageFault>,
    /// How many events go into one write.
    pub(crate) coalesce: Option<u32>,
    /// Events are cut in two.
    pub(crate) split: bool,
}

/// A pause that lasts until the client leaves is bounded by this.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(3600);

/// The events of a stream of choices with these numbers of tokens, in the order in which they are sent.
pub(crate) fn script(
    choices: &[u32],
    roles: bool,
    usage: bool,
    pace: Pace,
    faults: &StreamFaults,
) -> Vec<Step> {
    let mut steps = Vec::with_capacity(choices.iter().map(|tokens| *tokens as usize + 2).sum());
    if roles {
        steps.extend(
            (0..choices.len() as u32).map(|choice| Step { due: pace.first, event: Event::Role { choice } }),
        );
    }
    steps.extend(texts(choices, pace));
    let last = |event| Step { due: pace.total, event };
    steps.extend((0..choices.len() as u32).map(|choice| last(Event::Finish { choice })));
    if usage && faults.usage != Some(UsageFault::Missing) {
        steps.push(last(Event::Usage));
    }
    steps.push(last(Event::Done));
    spoil(steps, pace, faults)
}

/// The tokens of all choices in turns, as a batch produces them.
fn texts(choices: &[u32], pace: Pace) -> impl Iterator<Item = Step> {
    let longest = choices.iter().copied().max().unwrap_or(0);
    (0..longest).flat_map(move |token| {
        let due = pace.token(u64::from(token));
        let of = choices.iter().enumerate().filter(move |(_, tokens)| token < **tokens);
        of.map(move |(choice, _)| Step { due, event: Event::Text { choice: choice as u32, token } })
    })
}

fn spoil(mut steps: Vec<Step>, pace: Pace, faults: &StreamFaults) -> Vec<Step> {
    // The place just behind so many tokens.
    let behind = |steps: &[Step], tokens: u32| {
        let mut texts = steps.iter().enumerate().filter(|(_, step)| matches!(step.event, Event::Text { .. }));
        let place = texts.nth((tokens as usize).wrapping_sub(1)).map(|(index, _)| index + 1);
        match tokens {
            0 => steps.iter().take_while(|step| matches!(step.event, Event::Role { .. })).count(),
            _ => place.unwrap_or_else(|| last_text(steps)),
        }
    };
    if let Some(tokens) = faults.duplicate {
        let place = behind(&steps, tokens);
        if let Some(step) = steps.get(place).copied() {
            steps.insert(place, step);
        }
    }
    if let Some(tokens) = faults.reorder {
        let place = behind(&steps, tokens).min(steps.len().saturating_sub(2));
        let (first, second) = (steps[place].event, steps[place + 1].event);
        (steps[place].event, steps[place + 1].event) = (second, first);
    }
    if faults.cut_short {
        let tokens = steps.iter().filter(|step| matches!(step.event, Event::Text { .. })).count();
        steps.truncate(behind(&steps, tokens as u32 / 2));
        steps.push(Step { due: pace.total, event: Event::Silence });
    }
    if let Some(tokens) = faults.truncate {
        steps.truncate(behind(&steps, tokens));
    }
    if let Some(tokens) = faults.late_error {
        let place = behind(&steps, tokens);
        let due = steps.get(place).map_or(pace.total, |step| step.due);
        steps.truncate(place);
        steps.extend([Event::Error, Event::Done].map(|event| Step { due, event }));
    }
    if faults.no_done {
        steps.retain(|step| step.event != Event::Done);
    }
    if let Some((tokens, lasts)) = faults.stall {
        let place = behind(&steps, tokens);
        let lasts = lasts.unwrap_or(FOR_EVER);
        steps[place..].iter_mut().for_each(|step| step.due = step.due + lasts);
    }
    steps
}

/// The place behind the last token.
fn last_text(steps: &[Step]) -> usize {
    steps.iter().rposition(|step| matches!(step.event, Event::Text { .. })).map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        first: Duration::from_millis(40),
        between: Duration::from_millis(20),
        total: Duration::from_millis(100),
    };

    /// The stream as text: `r` role, digits tokens, `f` finish, `u` usage, `d` done, `e` error, `-` silence.
    fn shown(faults: StreamFaults) -> String {
        let steps = script(&[4], true, true, PACE, &faults);
        let letter = |step: &Step| match step.event {
            Event::Role { .. } => 'r',
            Event::Text { token, .. } => char::from_digit(token, 10).unwrap(),
            Event::Finish { .. } => 'f',
            Event::Usage => 'u',
            Event::Done => 'd',
            Event::Error => 'e',
            Event::Silence => '-',
        };
        steps.iter().map(letter).collect()
    }

    #[test]
    fn faults_change_the_order_of_events_where_they_say() {
        let none = StreamFaults::default();
        let table = [
            (none, "r0123fud"),
            (StreamFaults { truncate: Some(2), ..none }, "r01"),
            (StreamFaults { truncate: Some(0), ..none }, "r"),
            (StreamFaults { truncate: Some(9), ..none }, "r0123"),
            (StreamFaults { cut_short: true, ..none }, "r01-"),
            (StreamFaults { no_done: true, ..none }, "r0123fu"),
            (StreamFaults { late_error: Some(1), ..none }, "r0ed"),
            (StreamFaults { duplicate: Some(1), ..none }, "r01123fud"),
            (StreamFaults { reorder: Some(1), ..none }, "r0213fud"),
            (StreamFaults { usage: Some(UsageFault::Missing), ..none }, "r0123fd"),
        ];
        for (faults, expected) in table {
            assert_eq!(shown(faults), expected, "{faults:?}");
        }
    }

    #[test]
    fn tokens_are_spread_evenly_and_the_last_event_is_due_at_the_end() {
        let steps = script(&[4], true, false, PACE, &StreamFaults::default());
        let due: Vec<_> = steps.iter().map(|step| step.due.as_millis()).collect();
        assert_eq!(due, [40, 40, 60, 80, 100, 100, 100]);
        assert_eq!(Pace::spread(PACE.total, PACE.first, 4), PACE);
    }

    #[test]
    fn a_stall_delays_everything_after_it() {
        let stall = Some((2, Some(Duration::from_secs(1))));
        let steps = script(&[4], false, false, PACE, &StreamFaults { stall, ..StreamFaults::default() });
        let due: Vec<_> = steps.iter().map(|step| step.due.as_millis()).collect();
        assert_eq!(due, [40, 60, 1080, 1100, 1100, 1100]);
    }

    #[test]
    fn choices_take_turns() {
        let steps = script(&[1, 2], true, false, PACE, &StreamFaults::default());
        let texts: Vec<_> = steps
            .iter()
            .filter_map(|step| match step.event {
                Event::Text { choice, token } => Some((choice, token)),
                _ => None,
            })
            .collect();
        assert_eq!(texts, [(0, 0), (1, 0), (1, 1)]);
    }
}
