//! The speed at which a scenario is run in real time where nobody asks for one: the highest at which it
//! keeps its meaning.
//!
//! A compressed scenario keeps its meaning where nothing of it falls below the [floors](transform::floor)
//! of real controllers, and where the simulator, run on the transformed scenario and manifests with
//! upstream's constants as they are, gives every expectation the verdict that it has at speed 1. Two
//! clusters are simulated: the one that the scenario states, and one whose pods start [`LATER`], since a
//! busy machine must not decide a verdict.

use behaviour::Arrivals;
use manifests::tree::Tree;
use scenario::Scenario;
use simulator::{Input, Options, Render};
use timeline::{Judged, Verdict};
use transform::{Names, Plan, Speed, transform};
use units::Duration;
use yaml::Problem;

/// The seeds that are simulated at every speed.
pub const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

/// How much later pods start in the slow one of the two clusters.
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

/// The highest of [`Speed::CANDIDATES`] at which the scenario keeps its meaning. Expectations about a
/// share of seeds are left out: chance decides them in every single run.
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
    let real = SEEDS.map(|seed| judged(repository, scenario, Speed::REAL, seed, render));
    let real: Vec<Vec<Judged>> = real.collect::<Result<_, _>>()?;
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
    real: &[Vec<Judged>],
    render: Option<Render>,
) -> Option<String> {
    let plan = Plan { speed, names: Names::unchanged() };
    let transformed = match transform(repository, scenario, &plan) {
        Ok(transformed) => transformed,
        Err(problems) => return Some(problems.first().map_or_else(String::new, |it| it.message.clone())),
    };
    let mut slow = transformed.scenario.clone();
    slow.cluster.pod_start = slow.cluster.pod_start + LATER;
    for (seed, real) in SEEDS.zip(real) {
        for scenario in [&transformed.scenario, &slow] {
            let fast = match judged(&transformed.repository, scenario, speed, seed, render) {
                Ok(fast) => fast,
                Err(problem) => return Some(problem.message),
            };
            let differs = real.iter().zip(&fast).find(|(real, fast)| verdict(real) != verdict(fast));
            if let Some((real, fast)) = differs {
                let which =
                    if scenario.cluster.pod_start == slow.cluster.pod_start { " with slow pods" } else { "" };
                return Some(format!(
                    "`{}` would be {} in place of {} (seed {seed}{which}): {}",
                    real.text, fast.verdict, real.verdict, fast.message
                ));
            }
        }
    }
    None
}

/// The verdict, where one run has one.
fn verdict(judged: &Judged) -> Option<Verdict> {
    judged.in_seeds.is_none().then_some(judged.verdict)
}

fn judged(
    repository: &Tree,
    scenario: &Scenario,
    speed: Speed,
    seed: u64,
    render: Option<Render>,
) -> Result<Vec<Judged>, Problem> {
    let options = Options {
        seed,
        arrivals: Arrivals::Drawn,
        limit: LONGEST_RUN,
        version: String::new(),
        speed: speed.factor(),
        render,
    };
    let run = simulator::simulate(&Input { scenario, repository, options: &options })?;
    Ok(timeline::judge(scenario, &run.timeline).expectations)
}
