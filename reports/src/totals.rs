use timeline::Verdict;
use units::Duration;

use crate::numbers::{counted, span as length};
use crate::page::{Options, Page, Tone, columns, padded, plain, span};
use crate::terminal::mark;

/// Names longer than this don't push the other columns further to the right.
const WIDEST_NAME: usize = 40;

/// What became of one scenario of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Total {
    /// The scenario's name, with its case.
    pub name: String,
    /// The verdict on it.
    pub verdict: Verdict,
    /// Why, in a few words.
    pub reason: String,
    /// The length of its run in its own time; `None` for many runs.
    pub length: Option<Duration>,
}

/// The scenarios of a call: a line for each, and how many there were of each verdict.
pub fn totals(scenarios: &[Total], options: &Options) -> String {
    let mut page = Page::new(options);
    let widest = scenarios.iter().map(|total| columns(&total.name)).max().unwrap_or(0).min(WIDEST_NAME);
    for total in scenarios {
        let mark = mark(total.verdict);
        let name = padded(&total.name, widest);
        let took = total.length.map_or(String::new(), |time| format!(" in {}", length(time)));
        let lead = [span(mark.tone(), format!("{} ", mark.sign())), plain(format!("{name}  "))];
        page.line(lead, [plain(total.reason.as_str()), span(Tone::Dim, took)]);
    }
    page.gap();
    let mut parts = vec![plain(format!("{}: ", counted(scenarios.len(), "scenario")))];
    let verdicts = [Verdict::Passed, Verdict::Failed, Verdict::Inconclusive];
    for (index, verdict) in verdicts.into_iter().enumerate() {
        let count = scenarios.iter().filter(|total| total.verdict == verdict).count();
        let text = format!("{count} {verdict}");
        parts.extend((index > 0).then(|| plain(", ")));
        parts.push(if count > 0 { span(mark(verdict).tone(), text) } else { plain(text) });
    }
    page.line([], parts);
    page.into_text()
}
