//! The speed at which a scenario is run in real time where nobody asks for one: the highest at which it
//! keeps its meaning.
//!
//! A compressed scenario keeps its meaning where nothing of it falls below the [floors](transform::floor)
//! of real controllers, and where the simulator, run on the transformed scenario and manifests with
//! upstream's constants as they are, gives every expectation the verdict and every analysis the phase that
//! it has at speed 1. Two clusters are simulated: the one that the scenario states, and one where pods start
//! and merges arrive [`LATER`], since a busy machine must not decide a verdict.

use behaviour::Arrivals;
use manifests::tree::Tree;
use scenario::{Scenario, Trigger};
use simulator::{Input, Options, Render};
use timeline::{Judged, Timeline, Verdict};
use transform::{Names, Plan, Speed, transform};
use units::Duration;
use yaml::Problem;

/// The seeds that are simulated at every speed.
pub const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

/// How much later pods start, and actions are performed, in the slow one of the two clusters.
pub const LATER: Duration = Duration::from_secs(3);

/// The longest virtual time of a simulation.
const LONGEST_RUN: Duration = Duration::from_mins(24 * 60);

/// The highest speed, and why it is no higher.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// The speed.
    pub speed: Speed,
    /// The next higher candidates that were refused, each with the reason, from high to low.
    pub refused: Vec<(Speed, String)>,
}

/// A simulated run, judged.
struct Ran {
    timeline: Timeline,
    expectations: Vec<Judged>,
}

/// The highest of [`Speed::CANDIDATES`] at which the scenario keeps its meaning. Expectations about a
/// share of seeds are left out, and the analyses beside them: chance decides them in every single run.
///
/// # Errors
/// What the simulator finds wrong with the scenario at speed 1.
pub fn highest(repository: &Tree, scenario: &Scenario, render: Option<Render>) -> Result<Pace, Problem> {
    let allowed = transform::highest_speed(repository, scenario);
    let mut refused: Vec<(Speed, String)> = Speed::CANDIDATES
        .into_iter()
        .rev()
        .filter(|speed| *speed > allowed)
        .map(|speed| (speed, why_not_allowed(repository, scenario, speed)))
        .collect();
    let real = SEEDS.map(|seed| run(repository, scenario, Speed::REAL, seed, render));
    let real: Vec<Ran> = real.collect::<Result<_, _>>()?;
    for speed in Speed::CANDIDATES.into_iter().rev().filter(|speed| *speed <= allowed && !speed.is_real()) {
        match difference(repository, scenario, speed, &real, render) {
            None => return Ok(Pace { speed, refused }),
            Some(why) => refused.push((speed, why)),
        }
    }
    Ok(Pace { speed: Speed::REAL, refused })
}

/// The first sentence of what is wrong with the speed.
fn why_not_allowed(repository: &Tree, scenario: &Scenario, speed: Speed) -> String {
    let plan = Plan { speed, names: Names::unchanged() };
    match transform(repository, scenario, &plan) {
        Err(problems) => problems.into_iter().next().map_or_else(String::new, |problem| problem.message),
        Ok(_) => String::new(),
    }
}

/// How a verdict at this speed differs from that at speed 1.
fn difference(
    repository: &Tree,
    scenario: &Scenario,
    speed: Speed,
    real: &[Ran],
    render: Option<Render>,
) -> Option<String> {
    let plan = Plan { speed, names: Names::unchanged() };
    let transformed = match transform(repository, scenario, &plan) {
        Ok(transformed) => transformed,
        Err(problems) => return Some(problems.first().map_or_else(String::new, |it| it.message.clone())),
    };
    let slow = on_a_slow_machine(&transformed.scenario);
    for (seed, real) in SEEDS.zip(real) {
        for (scenario, which) in [(&transformed.scenario, ""), (&slow, " on a slow machine")] {
            let fast = match run(&transformed.repository, scenario, speed, seed, render) {
                Ok(fast) => fast,
                Err(problem) => return Some(problem.message),
            };
            if let Some((what, why)) = between(scenario, real, &fast) {
                return Some(format!("{what} (seed {seed}{which}){why}"));
            }
        }
    }
    None
}

fn on_a_slow_machine(scenario: &Scenario) -> Scenario {
    let mut slow = scenario.clone();
    slow.cluster.pod_start = slow.cluster.pod_start + LATER;
    for event in &mut slow.events {
        match &mut event.trigger {
            // What belongs to the setting happens before anything can be late.
            Trigger::At(Duration::ZERO) => {}
            Trigger::At(time) | Trigger::After { wait: time, .. } => *time = *time + LATER,
        }
    }
    slow
}

/// What differs between two runs, and what is to be said of it.
fn between(scenario: &Scenario, real: &Ran, fast: &Ran) -> Option<(String, String)> {
    let expectations = || real.expectations.iter().zip(&fast.expectations);
    if let Some((real, fast)) = expectations().find(|(real, fast)| verdict(real) != verdict(fast)) {
        let what = format!("`{}` would be {} in place of {}", real.text, fast.verdict, real.verdict);
        return Some((what, format!(": {}", fast.message)));
    }
    if real.expectations.iter().any(|judged| judged.in_seeds.is_some()) {
        return None;
    }
    let compared = timeline::compare(scenario, &real.timeline, &fast.timeline);
    let differs = compared.analyses.into_iter().find(|fact| !fact.agrees)?;
    let what =
        format!("the {} would be {} in place of {}", differs.what, differs.said.right, differs.said.left);
    Some((what, String::new()))
}

/// The verdict, where one run has one.
fn verdict(judged: &Judged) -> Option<Verdict> {
    judged.in_seeds.is_none().then_some(judged.verdict)
}

fn run(
    repository: &Tree,
    scenario: &Scenario,
    speed: Speed,
    seed: u64,
    render: Option<Render>,
) -> Result<Ran, Problem> {
    let options = Options {
        seed,
        arrivals: Arrivals::Drawn,
        limit: LONGEST_RUN,
        version: String::new(),
        speed: speed.factor(),
        render,
    };
    let run = simulator::simulate(&Input { scenario, repository, options: &options })?;
    let expectations = timeline::judge(scenario, &run.timeline).expectations;
    Ok(Ran { timeline: run.timeline, expectations })
}
