//! A picture of a canary over time.

use std::collections::BTreeMap;

use timeline::{Event, Outcome, RolloutStatus, RolloutVersion, Summary, Timeline};
use units::Time;

use crate::numbers::{clock, percent, span as length};
use crate::page::{Page, Tone, columns, padded, plain, span};
use crate::sentence::Mark;

/// The columns before a row.
const LABEL: usize = 14;

/// The most columns of a picture.
const MAX_COLUMNS: usize = 72;

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A strip for each Rollout that had a canary.
pub(crate) fn draw(page: &mut Page, timeline: &Timeline, summary: &Summary) {
    let mut rollouts: BTreeMap<(&str, &str), Vec<(Time, &RolloutStatus)>> = BTreeMap::new();
    for entry in &timeline.entries {
        if let Event::Rollout(status) = &entry.event {
            rollouts.entry((&status.namespace, &status.name)).or_default().push((entry.at, status));
        }
    }
    for ((namespace, name), states) in rollouts {
        if let Some(strip) = Strip::of(&states, timeline, page.width()) {
            let name = format!("{namespace}/{name}");
            page.heading(&format!("canary of {name}"));
            if let Some(rollout) = summary.rollouts.get(&name) {
                page.line([plain("  ")], [plain(ended(&rollout.outcome, summary))]);
            }
            strip.draw(page, timeline, &states);
        }
    }
}

/// "aborted at step 2 because of inference-latency, 6m40s after the first action".
fn ended(outcome: &Outcome, summary: &Summary) -> String {
    match outcome.at() {
        Some(at) => format!("{outcome}, {} after the first action", length(at.since(summary.first_action))),
        None => outcome.to_string(),
    }
}

/// The time of a picture, cut into columns.
struct Strip {
    begin: Time,
    end: Time,
    columns: usize,
}

impl Strip {
    /// From a little before the first update to a little after the last change; `None` without an update.
    fn of(states: &[(Time, &RolloutStatus)], timeline: &Timeline, width: usize) -> Option<Self> {
        let updating =
            |(_, status): &&(Time, &RolloutStatus)| status.stable.is_some() && status.canary.is_some();
        let first = states.iter().find(updating)?.0;
        let last = states.last()?.0;
        let margin = units::Duration::from_nanos(last.since(first).as_nanos() / 12);
        let (begin, end) = (first - margin, (last + margin).min(timeline.end()));
        (begin < end).then(|| Self { begin, end, columns: (width - LABEL - 2).min(MAX_COLUMNS) })
    }

    /// The column of a time; times outside are in the first or last one.
    fn column(&self, at: Time) -> usize {
        let whole = u128::from(self.end.since(self.begin).as_nanos());
        let part = u128::from(at.since(self.begin).as_nanos());
        ((part * self.columns as u128 / whole.max(1)) as usize).min(self.columns - 1)
    }

    fn draw(&self, page: &mut Page, timeline: &Timeline, states: &[(Time, &RolloutStatus)]) {
        let most =
            states.iter().map(|(_, status)| ready(&status.stable) + ready(&status.canary)).max().unwrap_or(0);
        let pods = |of: fn(&RolloutStatus) -> u32| self.levels(states, most, of);
        self.row(page, "stable pods", Tone::Plain, &pods(|status| ready(&status.stable)));
        self.row(page, "canary pods", Tone::Canary, &pods(|status| ready(&status.canary)));
        let (hurt, worst) = self.hurt(timeline);
        if worst > 0.0 {
            self.row(page, "hurt", Tone::Bad, &hurt);
        }
        self.row(page, "actions", Tone::Strong, &self.actions(timeline));
        self.row(page, "step", Tone::Dim, &self.steps(states));
        let gate = self.gate(timeline, states[0].1);
        if gate.iter().any(|mark| *mark != Mark::None) {
            let marks = gate.iter().map(|mark| span(mark.tone(), mark.sign()));
            page.line([span(Tone::Dim, padded("  gate", LABEL))].into_iter().chain(marks), []);
        }
        self.row(page, "", Tone::Dim, &self.axis());
        let mut legend = format!("full height: {most} pods");
        if worst > 0.0 {
            legend += &format!("; hurt: up to {} of all requests at a time", percent(worst, 1.0));
        }
        page.line([plain(" ".repeat(LABEL))], [span(Tone::Dim, legend)]);
    }

    fn row(&self, page: &mut Page, label: &str, tone: Tone, cells: &str) {
        page.line([span(Tone::Dim, padded(&format!("  {label}"), LABEL)), span(tone, cells)], []);
    }

    /// The most pods in each column, as bars.
    fn levels(&self, states: &[(Time, &RolloutStatus)], most: u32, of: fn(&RolloutStatus) -> u32) -> String {
        let mut heights = vec![0_u32; self.columns];
        for (index, (from, status)) in states.iter().enumerate() {
            let until = states.get(index + 1).map_or(self.end, |(next, _)| *next);
            if until < self.begin || *from > self.end {
                continue;
            }
            let (first, last) = (self.column(*from), self.column(until));
            // The next state begins in the last column; it is left to that, unless this one is all there is.
            for height in
                &mut heights[first..=last.saturating_sub(usize::from(last > first && until < self.end))]
            {
                *height = (*height).max(of(status));
            }
        }
        heights.into_iter().map(|height| bar(f64::from(height), f64::from(most))).collect()
    }

    /// The share of requests hurt in each column, as bars, and the greatest share.
    fn hurt(&self, timeline: &Timeline) -> (String, f64) {
        let mut sums = vec![(0.0, 0.0); self.columns];
        for entry in &timeline.entries {
            let Event::Requests(requests) = &entry.event else { continue };
            if entry.at < self.begin || requests.since > self.end {
                continue;
            }
            let covered = self.column(requests.since)..=self.column(entry.at);
            let parts = covered.clone().count() as f64;
            for (hurt, total) in &mut sums[covered] {
                *hurt += requests.hurt / parts;
                *total += requests.total / parts;
            }
        }
        let shares: Vec<f64> =
            sums.iter().map(|(hurt, total)| if *total > 0.0 { hurt / total } else { 0.0 }).collect();
        let worst = shares.iter().copied().fold(0.0, f64::max);
        (shares.iter().map(|share| bar(*share, worst)).collect(), worst)
    }

    /// The number of each step, where it begins, and how the update ended.
    fn steps(&self, states: &[(Time, &RolloutStatus)]) -> String {
        let mut words = Words::new(self.columns);
        let mut before = None;
        for (at, status) in states {
            let word = match (&status.canary, status.aborted) {
                (_, true) => Some("abort".to_owned()),
                (Some(_), false) => status.step.map(|step| step.to_string()),
                (None, false) if before.is_some() => Some("done".to_owned()),
                (None, false) => None,
            };
            if let Some(word) = word.as_ref().filter(|word| Some(*word) != before.as_ref()) {
                words.place(self.column(*at), word);
            }
            before = word;
        }
        words.cells.into_iter().collect()
    }

    /// The keys of the actions, where they were performed.
    fn actions(&self, timeline: &Timeline) -> String {
        let mut words = Words::new(self.columns);
        for entry in &timeline.entries {
            if let Event::ActionPerformed(action) = &entry.event {
                words.place(self.column(entry.at), &action.action);
            }
        }
        words.cells.into_iter().collect()
    }

    /// How the measurements of the Rollout in each column went; the worst counts.
    fn gate(&self, timeline: &Timeline, rollout: &RolloutStatus) -> Vec<Mark> {
        let mut marks = vec![Mark::None; self.columns];
        for entry in &timeline.entries {
            let Event::Measurement(measured) = &entry.event else { continue };
            if measured.rollout != rollout.name || measured.namespace != rollout.namespace {
                continue;
            }
            let cell = &mut marks[self.column(entry.at)];
            if severity(measured.phase.into()) >= severity(*cell) {
                *cell = measured.phase.into();
            }
        }
        marks
    }

    fn axis(&self) -> String {
        let (begin, end) = (clock(self.begin), clock(self.end));
        let gap = self.columns.saturating_sub(columns(&begin) + columns(&end));
        format!("{begin}{}{end}", " ".repeat(gap))
    }
}

/// A row of words. One that finds its place taken stands right of it; a number gives way to a word and
/// a row that is full takes no more.
struct Words {
    cells: Vec<char>,
    /// The first free column, and where the word before it begins.
    free: usize,
    last: usize,
}

impl Words {
    fn new(columns: usize) -> Self {
        Self { cells: vec![' '; columns], free: 0, last: 0 }
    }

    fn place(&mut self, column: usize, word: &str) {
        let is_number = |c: &char| c.is_ascii_digit();
        if column < self.free && self.cells[self.last..self.free].iter().all(is_number) {
            self.cells[self.last..self.free].fill(' ');
            self.free = self.last;
        }
        let start = if self.free == 0 { column } else { column.max(self.free + 1) };
        let letters: Vec<char> = word.chars().collect();
        let start = start.min(self.cells.len().saturating_sub(letters.len()));
        if start < self.free || start + letters.len() > self.cells.len() {
            return;
        }
        self.cells[start..start + letters.len()].copy_from_slice(&letters);
        (self.last, self.free) = (start, start + letters.len());
    }
}

/// The later of two marks in a column wins unless the earlier one is worse.
fn severity(mark: Mark) -> u8 {
    match mark {
        Mark::None => 0,
        Mark::Deed | Mark::Good => 1,
        Mark::Open => 2,
        Mark::Bad => 3,
    }
}

fn ready(version: &Option<RolloutVersion>) -> u32 {
    version.as_ref().map_or(0, |version| version.ready)
}

fn bar(part: f64, whole: f64) -> char {
    if part <= 0.0 || whole <= 0.0 {
        return ' ';
    }
    let level = (part / whole * LEVELS.len() as f64).ceil() as usize;
    LEVELS[level.clamp(1, LEVELS.len()) - 1]
}
