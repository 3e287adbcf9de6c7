use timeline::{RunResult, Verdict};

use crate::numbers::counted;
use crate::page::{Options, Page, plain, span};
use crate::terminal::mark;

/// The runs of one call: a line for each that did not pass, and how many there were of each verdict.
pub fn totals(results: &[RunResult], options: &Options) -> String {
    let mut page = Page::new(options);
    for result in results.iter().filter(|result| result.verdict != Verdict::Passed) {
        let mark = mark(result.verdict);
        let case = if result.case.is_empty() { String::new() } else { format!(" [{}]", result.case) };
        let text =
            format!("{}{case} ({}, seed {}): {}", result.scenario, result.file, result.seed, result.reason);
        page.line([span(mark.tone(), format!("{} ", mark.sign()))], [plain(text)]);
    }
    let mut parts = vec![plain(format!("{}: ", counted(results.len(), "run")))];
    let verdicts = [Verdict::Passed, Verdict::Failed, Verdict::Inconclusive];
    for (index, verdict) in verdicts.into_iter().enumerate() {
        let count = results.iter().filter(|result| result.verdict == verdict).count();
        let text = format!("{count} {verdict}");
        parts.extend((index > 0).then(|| plain(", ")));
        parts.push(if count > 0 { span(mark(verdict).tone(), text) } else { plain(text) });
    }
    page.line([], parts);
    page.into_text()
}
