//! Two runs of a scenario, side by side.

use timeline::{Agreement, Chapter, Comparison, Fact, Reached, Shown, Sides};
use units::{Duration, Time};

use crate::numbers::{clock, counted};
use crate::page::{Options, Page, Tone, columns, padded, plain, span};
use crate::sentence::Mark;

/// The columns of what a side says; longer texts have a line of their own.
const SIDE: usize = 18;
/// The columns before a line's text.
const LEAD: usize = 4;

/// Tells a comparison: what came of both runs, the states by the actions that they came after, what
/// analyses said, what clients experienced, and last whether the runs agree.
pub fn comparison(comparison: &Comparison, options: &Options) -> String {
    let mut page = Page::new(options);
    let sides = sides(comparison);
    let Sides { left, right } = &sides;
    let mut title = format!("{}: {left} and {right}", comparison.scenario);
    if comparison.speed > 1.0 {
        title += &format!(", every duration divided by {}", comparison.speed);
    }
    page.line([], [span(Tone::Strong, title)]);
    facts(&mut page, "outcome", &comparison.outcome, &sides);
    facts(&mut page, "expectations", &comparison.expectations, &sides);
    facts(&mut page, "analyses", &comparison.analyses, &sides);
    facts(&mut page, "alerts", &comparison.alerts, &sides);
    facts(&mut page, "what clients experienced, roughly", &comparison.requests, &sides);
    page.gap();
    let heading = row(&page, "states, by the time after the action before", left, right, 0);
    page.line([], [span(Tone::Strong, heading)]);
    comparison.chapters.iter().for_each(|it| chapter(&mut page, it));
    verdict(&mut page, comparison);
    page.into_text()
}

/// A comparison as one JSON object, indented, ending with a line feed; `agrees` and `in_time` say what
/// [`Comparison::agrees`] and [`Comparison::in_time`] do.
pub fn comparison_json(comparison: &Comparison) -> String {
    let mut json = serde_json::to_value(comparison).expect("a comparison holds only what JSON can say");
    json["outcome_agrees"] = comparison.outcome_agrees().into();
    json["agrees"] = comparison.agrees().into();
    json["in_time"] = comparison.in_time().into();
    let mut text = serde_json::to_string_pretty(&json).expect("what was JSON is JSON");
    text.push('\n');
    text
}

/// What the two runs are called: by their engines, or by their order where these are the same.
fn sides(comparison: &Comparison) -> Sides<String> {
    let Sides { left, right } = comparison.engines;
    let suffix = |number: &str| if left == right { format!(" {number}") } else { String::new() };
    Sides { left: format!("{left}{}", suffix("1")), right: format!("{right}{}", suffix("2")) }
}

fn facts(page: &mut Page, title: &str, facts: &[Fact], sides: &Sides<String>) {
    if facts.is_empty() {
        return;
    }
    page.gap();
    let heading = row(page, title, &sides.left, &sides.right, 0);
    page.line([], [span(Tone::Strong, heading)]);
    facts.iter().for_each(|it| fact(page, it, sides));
}

fn fact(page: &mut Page, fact: &Fact, sides: &Sides<String>) {
    let mark = if fact.agrees { Mark::Good } else { Mark::Bad };
    let lead = || [span(mark.tone(), format!("  {} ", mark.sign()))];
    let Sides { left, right } = &fact.said;
    let fits = [left, right].iter().all(|text| columns(text) < SIDE)
        && columns(&fact.what) <= page.width() - LEAD - 2 * SIDE;
    if fits {
        let text = row(page, &fact.what, left, right, LEAD);
        page.line(lead(), [plain(text)]);
    } else if left == right {
        page.line(lead(), [plain(format!("{}: {left}", fact.what))]);
    } else {
        page.line(lead(), [plain(fact.what.as_str())]);
        for (side, said) in [(&sides.left, left), (&sides.right, right)] {
            page.line([span(Tone::Dim, format!("      {} ", padded(side, 6)))], [plain(said.as_str())]);
        }
    }
}

fn chapter(page: &mut Page, chapter: &Chapter) {
    if chapter.states.is_empty() {
        return;
    }
    let began = |at: Option<Time>| at.map_or("–".to_owned(), clock);
    let text = row(page, &chapter.title, &began(chapter.began.left), &began(chapter.began.right), 2);
    page.line([plain("  ")], [span(Tone::Canary, text)]);
    chapter.states.iter().for_each(|it| state(page, it));
}

fn state(page: &mut Page, shown: &Shown) {
    let mark = match shown.agreement {
        Agreement::Same => Mark::Good,
        Agreement::OutOfTime => Mark::Open,
        Agreement::Passing => Mark::None,
        Agreement::Missing => Mark::Bad,
    };
    let alone = match (shown.reached.left, shown.reached.right) {
        (Some(it), None) | (None, Some(it)) => format!(" for {}", seconds(it.lasted)),
        _ => String::new(),
    };
    let what = format!("{}: {}{alone}", shown.subject, shown.state);
    let after = |it: Option<Reached>| it.map_or(String::new(), |it| format!("+{}", seconds(it.after)));
    let (left, right) = (after(shown.reached.left), after(shown.reached.right));
    let tone = if shown.agreement == Agreement::Passing { Tone::Dim } else { Tone::Plain };
    let lead = [span(mark.tone(), format!("  {} ", mark.sign()))];
    if columns(&what) <= page.width().saturating_sub(LEAD + 2 * SIDE) {
        let text = row(page, &what, &left, &right, LEAD);
        return page.line(lead, [span(tone, text)]);
    }
    page.line(lead, [span(tone, what)]);
    let times = row(page, "", &left, &right, LEAD);
    page.line([plain("    ")], [span(tone, times)]);
}

/// A text and two columns at the right of the page, after a lead of this width.
fn row(page: &Page, text: &str, left: &str, right: &str, lead: usize) -> String {
    let room = page.width().saturating_sub(lead + 2 * SIDE);
    let at_the_right = |text: &str| format!("{}{text}", " ".repeat(SIDE.saturating_sub(columns(text))));
    format!("{}{}{}", padded(text, room), at_the_right(left), at_the_right(right))
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

fn verdict(page: &mut Page, comparison: &Comparison) {
    page.gap();
    let counted_states = |wanted: Agreement| comparison.states().filter(|it| it.agreement == wanted).count();
    let of = |facts: &[Fact]| facts.iter().filter(|fact| !fact.agrees).count();
    let differences = [
        (of(&comparison.outcome), "difference of the outcome", "differences of the outcome"),
        (of(&comparison.expectations), "different verdict", "different verdicts"),
        (of(&comparison.analyses), "difference of analyses", "differences of analyses"),
        (counted_states(Agreement::Missing), "state that only one has", "states that only one has"),
    ];
    let differences: Vec<String> = differences
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    let (mark, word, why) = match differences.is_empty() {
        true => (Mark::Good, "AGREE", "outcome, expectations, analyses and the order of states".to_owned()),
        false => (Mark::Bad, "DISAGREE", differences.join(", ")),
    };
    page.line([span(mark.tone(), word)], [plain(format!(": {why}"))]);
    let tolerance = &comparison.tolerance;
    let late = counted_states(Agreement::OutOfTime);
    let times = format!(
        "{} out of time: more than {} and {:.0}% apart; {} that only one shows, each for no more than {}",
        counted(late, "state"),
        seconds(tolerance.absolute),
        tolerance.relative * 100.0,
        counted(counted_states(Agreement::Passing), "state"),
        seconds(tolerance.brief)
    );
    page.line([plain("  ")], [span(Tone::Dim, times)]);
}
