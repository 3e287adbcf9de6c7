use timeline::{OutcomeShare, Seeds, SeedsJudged, Spread};
use units::Duration;

use crate::numbers::{count, counted, percent, span as length};
use crate::page::{Options, Page, Tone, plain, span};
use crate::terminal::mark;

/// The columns of the longest bar.
const BAR: usize = 20;

/// Many seeds of one scenario: how the updates ended and how often, what it cost, and what became of the
/// expectations. `name` is the scenario's, with its case.
pub fn seeds(name: &str, seeds: &Seeds, options: &Options) -> String {
    let mut page = Page::new(options);
    page.line([], [span(Tone::Strong, format!("{name}, {}", counted(seeds.runs, "seed")))]);
    for (rollout, shares) in &seeds.outcomes {
        page.heading(&format!("how the update of {rollout} ended"));
        outcomes(&mut page, shares, seeds.runs);
    }
    page.heading("requests hurt a run");
    let Spread { min, median, max, mean } = seeds.hurt;
    let text =
        format!("median {}, mean {}, from {} to {}", count(median), count(mean), count(min), count(max));
    page.line([plain("  ")], [plain(text)]);
    page.heading("expectations");
    for judged in &seeds.expectations {
        expectation(&mut page, judged);
    }
    page.gap();
    let mark = mark(seeds.verdict);
    let word = seeds.verdict.to_string().to_uppercase();
    page.line([span(mark.tone(), word)], [plain(format!(" over {}", counted(seeds.runs, "seed")))]);
    page.into_text()
}

fn outcomes(page: &mut Page, shares: &[OutcomeShare], runs: usize) {
    for share in shares {
        page.line([plain("  ")], [plain(share.text.as_str())]);
        let filled = (share.runs * BAR).div_ceil(runs.max(1)).min(BAR);
        let bar = format!("{}{}", "█".repeat(filled), "·".repeat(BAR - filled));
        let (low, high) = share.interval;
        let text = format!(
            "{} of {runs}, {} (with 95% confidence {} to {})",
            share.runs,
            percent(share.runs as f64, runs as f64),
            percent(low, 1.0),
            percent(high, 1.0)
        );
        page.line([plain("      "), span(Tone::Canary, bar), plain("  ")], [plain(text)]);
        let took = share.seconds.map_or(String::new(), |Spread { min, median, max, .. }| {
            let [min, median, max] = [min, median, max].map(|secs| length(Duration::from_secs_f64(secs)));
            format!("median {median} after the first action, {min} to {max}; ")
        });
        page.line(
            [plain("      ")],
            [span(Tone::Dim, format!("{took}for one of them run --seed {}", share.example))],
        );
    }
}

fn expectation(page: &mut Page, judged: &SeedsJudged) {
    let mark = mark(judged.verdict);
    page.line([span(mark.tone(), format!("  {} ", mark.sign()))], [plain(judged.text.as_str())]);
    page.line([plain("      ")], [span(Tone::Dim, judged.message.as_str())]);
}
