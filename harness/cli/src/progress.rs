use indicatif::{ProgressBar, ProgressStyle};

/// Runs fewer than this are over before a bar could be read.
const WORTH_SHOWING: usize = 20;

/// A bar on standard error for long work; hidden where that is no terminal.
pub(crate) fn bar(runs: usize) -> ProgressBar {
    if runs < WORTH_SHOWING {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(runs as u64).with_style(style)
}
