use scenario::Scenario;
use timeline::{Event, Judged, Judgement, RunStarted, Summary, Timeline, Verdict};

use crate::numbers::{clock, counted, span as length};
use crate::page::{Detail, Options, Page, Tone, padded, plain, span};
use crate::sentence::{Mark, Sentence};
use crate::{cost, story, strip};

/// One run with all that is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// What happened.
    pub timeline: &'a Timeline,
    /// What the judge made of it.
    pub judgement: &'a Judgement,
    /// What it came to and cost.
    pub summary: &'a Summary,
}

/// As many entries of the evidence are shown.
const MAX_EVIDENCE: usize = 5;

/// Tells one run: what it was about, what happened, what was expected, what it cost, what is not known
/// and the verdict, last, where the eye is.
pub fn terminal(run: &Run, options: &Options) -> String {
    let mut page = Page::new(options);
    header(&mut page, run);
    happened(&mut page, run, options.detail);
    strip::draw(&mut page, run.timeline, run.summary);
    expectations(&mut page, run, options.detail);
    cost::write(&mut page, run.summary);
    list(&mut page, "not simulated", run.summary.not_simulated.iter().map(ToString::to_string));
    list(&mut page, "never exercised", run.judgement.never_exercised.iter().cloned());
    list(&mut page, "hints", hints(run.timeline).into_iter());
    verdict(&mut page, run.judgement);
    page.into_text()
}

fn header(page: &mut Page, run: &Run) {
    let Scenario { name, case, story, .. } = run.scenario;
    let case = if case.is_empty() { String::new() } else { format!(" [{case}]") };
    page.line([], [span(Tone::Strong, format!("{name}{case}"))]);
    if !story.is_empty() {
        page.line([plain("  ")], [plain(story.trim())]);
    }
    if let Some(Event::RunStarted(started)) = run.timeline.entries.first().map(|entry| &entry.event) {
        page.line([plain("  ")], [span(Tone::Dim, engine(started))]);
    }
}

fn engine(started: &RunStarted) -> String {
    let mut text = format!("engine {}, seed {}", started.engine, started.seed);
    if (started.speed - 1.0).abs() > f64::EPSILON {
        text += &format!(", every duration divided by {}", started.speed);
    }
    if let Some(slow) = &started.slow {
        let above = length(units::Duration::from_secs_f64(slow.seconds));
        text += &format!("; a request above {above} is slow (from {})", slow.from);
    }
    text
}

fn happened(page: &mut Page, run: &Run, detail: Detail) {
    page.heading("what happened");
    let widest = clock(run.timeline.end()).len();
    for line in story::tell(run.timeline, detail) {
        let Sentence { mark, text } = line.sentence;
        let lead = [
            span(Tone::Dim, format!("  {:>widest$}  {:<11}", clock(line.at), line.source)),
            span(mark.tone(), format!("{} ", mark.sign())),
        ];
        let tone = match mark {
            Mark::Bad => Tone::Bad,
            Mark::Deed => Tone::Strong,
            Mark::None | Mark::Good | Mark::Open => Tone::Plain,
        };
        page.line(lead, [span(tone, text)]);
    }
}

fn expectations(page: &mut Page, run: &Run, detail: Detail) {
    page.heading("expectations");
    for judged in &run.judgement.expectations {
        let mark = mark(judged.verdict);
        page.line([span(mark.tone(), format!("  {} ", mark.sign()))], [plain(claim(judged))]);
        page.line([plain("      ")], [span(Tone::Dim, judged.message.as_str())]);
        if detail == Detail::Everything || judged.verdict != Verdict::Passed {
            evidence(page, run, judged);
        }
    }
    if run.judgement.expectations.is_empty() {
        page.line([plain("  ")], [plain("none")]);
    }
}

fn claim(judged: &Judged) -> String {
    match judged.in_seeds {
        Some(share) => format!("{} in >= {share} of seeds", judged.text),
        None => judged.text.clone(),
    }
}

fn evidence(page: &mut Page, run: &Run, judged: &Judged) {
    let widest = clock(run.timeline.end()).len();
    let entries = judged.evidence.iter().filter_map(|index| Some((index, run.timeline.entries.get(*index)?)));
    for (index, entry) in entries.take(MAX_EVIDENCE) {
        let lead = format!("        {:>widest$}  {:<11}", clock(entry.at), entry.source);
        let text = format!("{} (entry {index})", Sentence::of(&entry.event).text);
        page.line([span(Tone::Dim, lead)], [span(Tone::Dim, text)]);
    }
    if judged.evidence.len() > MAX_EVIDENCE {
        let rest: Vec<String> = judged.evidence[MAX_EVIDENCE..].iter().map(ToString::to_string).collect();
        page.line(
            [plain("        ")],
            [span(
                Tone::Dim,
                format!("and {} {}", if rest.len() == 1 { "entry" } else { "entries" }, rest.join(", ")),
            )],
        );
    }
}

fn list(page: &mut Page, title: &str, items: impl Iterator<Item = String>) {
    for (index, item) in items.enumerate() {
        if index == 0 {
            page.heading(title);
        }
        page.line([span(Tone::Open, "  - ")], [plain(item)]);
    }
}

/// The advice of the measurements, each once.
fn hints(timeline: &Timeline) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for entry in &timeline.entries {
        if let Event::Measurement(measured) = &entry.event
            && !measured.help.is_empty()
        {
            let hint = format!("{}: {}", measured.metric, measured.help);
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    }
    hints
}

fn verdict(page: &mut Page, judgement: &Judgement) {
    page.gap();
    let mark = mark(judgement.verdict);
    let word = judgement.verdict.to_string().to_uppercase();
    page.line([span(mark.tone(), padded(&word, word.len() + 2))], [plain(judgement.reason.as_str())]);
    let failed = judgement.expectations.iter().filter(|judged| judged.verdict == Verdict::Failed);
    for judged in failed {
        page.line([span(Tone::Bad, "  ✗ ")], [plain(format!("{}: {}", judged.text, judged.message))]);
    }
    let open = judgement.never_exercised.len();
    if judgement.verdict == Verdict::Passed && open > 0 {
        page.line([plain("  ")], [span(Tone::Open, format!("{} never exercised", counted(open, "thing")))]);
    }
}

/// The sign of a verdict.
pub(crate) fn mark(verdict: Verdict) -> Mark {
    match verdict {
        Verdict::Passed => Mark::Good,
        Verdict::Failed => Mark::Bad,
        Verdict::Inconclusive => Mark::Open,
    }
}
