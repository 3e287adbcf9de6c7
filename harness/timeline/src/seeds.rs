use std::collections::BTreeMap;

use units::{Duration, Ratio};

use crate::{Judged, Judgement, Summary, Verdict, words};

/// The 97.5 % quantile of the normal distribution: two-sided 95 % confidence.
const Z: f64 = 1.959_963_984_540_054;

/// What became of one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedRun {
    /// The seed.
    pub seed: u64,
    /// The run as the judge saw it.
    pub judgement: Judgement,
    /// What it came to and cost.
    pub summary: Summary,
}

/// The runs of one scenario with many seeds, gathered.
#[derive(Debug, Clone, PartialEq)]
pub struct Seeds {
    /// How many runs.
    pub runs: usize,
    /// The verdict on all of them.
    pub verdict: Verdict,
    /// The expectations, in the order of the scenario.
    pub expectations: Vec<SeedsJudged>,
    /// How the updates ended, by Rollout, the most frequent first.
    pub outcomes: BTreeMap<String, Vec<OutcomeShare>>,
    /// Requests hurt a run.
    pub hurt: Spread,
}

/// How often an expectation passed.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedsJudged {
    /// The claim as one line.
    pub text: String,
    /// What became of it over all seeds.
    pub verdict: Verdict,
    /// Runs in which it passed.
    pub passed: usize,
    /// Runs in which it failed.
    pub failed: usize,
    /// Runs without an answer.
    pub inconclusive: usize,
    /// With 95 % confidence the share of passes lies between these. A run without an answer might have
    /// passed or failed.
    pub interval: (f64, f64),
    /// Why, for people.
    pub message: String,
    /// The first seed in which it did not pass, to run again.
    pub counterexample: Option<u64>,
}

/// A way in which updates ended, and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeShare {
    /// The way, for people: `aborted at step 2 because of inference-latency`.
    pub text: String,
    /// How many runs.
    pub runs: usize,
    /// With 95 % confidence its share lies between these.
    pub interval: (f64, f64),
    /// Seconds from the first action to the end of the update; `None` where it did not end.
    pub seconds: Option<Spread>,
    /// The first seed that ended so, to run again.
    pub example: u64,
}

/// The spread of a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle one, or the mean of the two middle ones.
    pub median: f64,
    /// The greatest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

impl Spread {
    /// The spread of these values; all zero where there are none.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (values.first(), values.last()) else { return Self::default() };
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Self { min: *min, median, max: *max, mean: values.iter().sum::<f64>() / values.len() as f64 }
    }
}

impl Seeds {
    /// Gathers runs of the same scenario.
    ///
    /// An expectation with `in:` passes where the whole interval is at least that share, fails where the
    /// whole interval is below it, and is inconclusive in between. One without must pass in every run.
    pub fn of(runs: &[SeedRun]) -> Self {
        let count = runs.first().map_or(0, |run| run.judgement.expectations.len());
        let expectations: Vec<SeedsJudged> = (0..count).map(|index| judged(runs, index)).collect();
        Self {
            runs: runs.len(),
            verdict: Verdict::of(expectations.iter().map(|judged| judged.verdict)),
            expectations,
            outcomes: outcomes(runs),
            hurt: Spread::of(runs.iter().map(|run| run.summary.requests.hurt).collect()),
        }
    }
}

fn judged(runs: &[SeedRun], index: usize) -> SeedsJudged {
    let answers: Vec<(u64, &Judged)> =
        runs.iter().filter_map(|run| Some((run.seed, run.judgement.expectations.get(index)?))).collect();
    let of = |verdict: Verdict| answers.iter().filter(|(_, judged)| judged.verdict == verdict).count();
    let (passed, failed, inconclusive) =
        (of(Verdict::Passed), of(Verdict::Failed), of(Verdict::Inconclusive));
    let interval = (wilson(passed, answers.len()).0, wilson(passed + inconclusive, answers.len()).1);
    let first = |verdict: Verdict| answers.iter().find(|(_, judged)| judged.verdict == verdict);
    let not_passed = first(Verdict::Failed).or_else(|| first(Verdict::Inconclusive));
    let in_seeds = answers.first().and_then(|(_, judged)| judged.in_seeds);
    let verdict = match in_seeds {
        Some(wanted) if interval.0 >= wanted.as_f64() => Verdict::Passed,
        Some(wanted) if interval.1 < wanted.as_f64() => Verdict::Failed,
        Some(_) => Verdict::Inconclusive,
        None => Verdict::of(answers.iter().map(|(_, judged)| judged.verdict)),
    };
    let mut message = format!(
        "passed in {passed} of {} (with 95% confidence {} to {})",
        words::counted(answers.len(), "seed"),
        percent(interval.0),
        percent(interval.1)
    );
    if let (Some(wanted), Verdict::Inconclusive) = (in_seeds, verdict) {
        message += &format!("; {}", what_would_decide(wanted));
    }
    if let Some((seed, judged)) = not_passed {
        message += &format!("; seed {seed}: {}", judged.message);
    }
    SeedsJudged {
        text: answers.first().map_or(String::new(), |(_, judged)| judged.text.clone()),
        verdict,
        passed,
        failed,
        inconclusive,
        interval,
        message,
        counterexample: not_passed.map(|(seed, _)| *seed),
    }
}

/// The Wilson score interval of a share with 95 % confidence (Wilson 1927); everything for no runs.
fn wilson(hits: usize, runs: usize) -> (f64, f64) {
    if runs == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (runs as f64, hits as f64 / runs as f64);
    let z2 = Z * Z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let low = if hits == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if hits == runs { 1.0 } else { (middle + half).min(1.0) };
    (low, high)
}

/// How many seeds could prove a share: with all passing, the lower bound is n / (n + z²).
fn what_would_decide(wanted: Ratio) -> String {
    if wanted.as_f64() >= 1.0 {
        return "no number of seeds proves 100%: leave out `in:` to demand it of every seed that is run"
            .into();
    }
    let needed = (wanted.as_f64() * Z * Z / (1.0 - wanted.as_f64())).ceil().max(1.0);
    format!("to prove {wanted} takes at least {needed:.0} seeds")
}

fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The runs that ended in one way: the seeds, and how long it took from the first action.
type Hits = Vec<(u64, Option<Duration>)>;

fn outcomes(runs: &[SeedRun]) -> BTreeMap<String, Vec<OutcomeShare>> {
    let mut rollouts: BTreeMap<String, BTreeMap<String, Hits>> = BTreeMap::new();
    for run in runs {
        for (name, rollout) in &run.summary.rollouts {
            let (text, at) = (rollout.outcome.to_string(), rollout.outcome.at());
            let took = at.map(|at| at.since(run.summary.first_action));
            rollouts.entry(name.clone()).or_default().entry(text).or_default().push((run.seed, took));
        }
    }
    let shares = |outcomes: BTreeMap<String, Hits>| {
        let mut shares: Vec<OutcomeShare> =
            outcomes.into_iter().map(|(text, hits)| share(text, &hits, runs.len())).collect();
        shares.sort_by(|a, b| b.runs.cmp(&a.runs).then(a.text.cmp(&b.text)));
        shares
    };
    rollouts.into_iter().map(|(name, outcomes)| (name, shares(outcomes))).collect()
}

fn share(text: String, hits: &[(u64, Option<Duration>)], runs: usize) -> OutcomeShare {
    let seconds: Vec<f64> = hits.iter().filter_map(|(_, took)| Some((*took)?.as_secs_f64())).collect();
    OutcomeShare {
        text,
        runs: hits.len(),
        interval: wilson(hits.len(), runs),
        seconds: (!seconds.is_empty()).then(|| Spread::of(seconds)),
        example: hits.first().map_or(0, |(seed, _)| *seed),
    }
}
