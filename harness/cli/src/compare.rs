//! `rehearse compare`: scenarios on a real cluster and in the simulator, and where the two differ.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use manifests::tree::Tree;
use scenario::Scenario;
use serde_json::json;
use simulator::{Input, Render};
use timeline::{Comparison, Report, RunResult, Summary, Timeline, Verdict};
use units::Duration;

use crate::args::{Compare, Engine, Format};
use crate::failure::Failure;
use crate::kind::{self, Ran, Wanted};
use crate::report_folder::{Names, ReportFolder};
use crate::run::{KIND_JOBS, read_repositories};
use crate::{kustomize, output, scenarios};

/// The longest virtual time of a simulation.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 3600);

/// A scenario on both engines.
struct Compared {
    scenario: Scenario,
    comparison: Comparison,
    results: [RunResult; 2],
}

/// Compares every scenario; exit code 1 where an outcome differs.
pub(crate) fn compare(arguments: &Compare) -> Result<ExitCode, Failure> {
    if arguments.engines != [Engine::Sim, Engine::Kind] {
        return Err(Failure::input("only `--engines sim,kind` can be compared in this version"));
    }
    let scenarios = scenarios::read_all(&arguments.paths)?;
    let repositories = read_repositories(&scenarios)?;
    let render = kustomize::renderer(arguments.kustomize)?;
    let report = arguments.report.as_deref().map(ReportFolder::create).transpose()?;
    let wanted = wanted(&scenarios, &repositories, arguments.seed);
    let jobs = arguments.jobs.map_or(KIND_JOBS, usize::from);
    let ran = kind::run_all(&arguments.on_cluster, render, jobs, &wanted)?;
    let mut names = Names::default();
    let mut compared = Vec::new();
    for ran in ran {
        let folder = names.name(&ran.scenario.name, &ran.scenario.case, None);
        compared.push(compare_one(ran, arguments.seed, render, report.as_ref(), &folder)?);
    }
    let results = compared.iter().flat_map(|it| it.results.iter().cloned()).collect();
    let summary = reports::json(&Report { rehearse: env!("CARGO_PKG_VERSION").to_owned(), results });
    if let Some(folder) = &report {
        folder.write_summary(&summary)?;
    }
    tell(arguments, &compared)?;
    let agree = compared.iter().all(|it| it.comparison.outcome_agrees());
    Ok(if agree { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn wanted<'a>(
    scenarios: &'a [Scenario],
    repositories: &'a BTreeMap<PathBuf, Tree>,
    seed: u64,
) -> Vec<Wanted<'a>> {
    let repository = |scenario: &Scenario| &repositories[&scenarios::repository(scenario)];
    scenarios.iter().map(|scenario| Wanted { scenario, repository: repository(scenario), seed }).collect()
}

fn compare_one(
    ran: Ran,
    seed: u64,
    render: Option<Render>,
    report: Option<&ReportFolder>,
    folder: &str,
) -> Result<Compared, Failure> {
    let simulated = simulate(&ran, seed, render)?;
    let comparison = timeline::compare(&ran.scenario, &simulated, &ran.timeline);
    let results =
        [told(&ran.scenario, &simulated, 0.0), told(&ran.scenario, &ran.timeline, ran.wall_seconds)];
    if let Some(report) = report {
        for (engine, timeline, result) in
            [("sim", &simulated, &results[0]), ("kind", &ran.timeline, &results[1])]
        {
            let result =
                Report { rehearse: env!("CARGO_PKG_VERSION").to_owned(), results: vec![result.clone()] };
            report.write_run(engine, folder, &timeline.to_jsonl(), &reports::json(&result))?;
        }
    }
    Ok(Compared { scenario: ran.scenario, comparison, results })
}

/// The same transformed scenario and manifests in the simulator.
fn simulate(ran: &Ran, seed: u64, render: Option<Render>) -> Result<Timeline, Failure> {
    let options = simulator::Options {
        seed,
        arrivals: behaviour::Arrivals::Drawn,
        limit: LONGEST_RUN,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        speed: ran.speed.factor(),
        render,
    };
    let input = Input { scenario: &ran.scenario, repository: &ran.repository, options: &options };
    Ok(simulator::simulate(&input)?.timeline)
}

fn told(scenario: &Scenario, timeline: &Timeline, wall_seconds: f64) -> RunResult {
    let (judgement, summary) = (timeline::judge(scenario, timeline), Summary::of(timeline));
    RunResult::new(scenario, timeline, &judgement, &summary, wall_seconds)
}

fn tell(arguments: &Compare, compared: &[Compared]) -> Result<(), Failure> {
    let options = output::options(arguments.shown.color, arguments.verbose);
    match arguments.shown.format {
        Format::Json => {
            let comparisons: Vec<&Comparison> = compared.iter().map(|it| &it.comparison).collect();
            let all = json!({"rehearse": env!("CARGO_PKG_VERSION"), "comparisons": comparisons});
            output::print(&format!("{all:#}\n"))
        }
        Format::Text => {
            let mut text = String::new();
            for it in compared {
                text += &reports::comparison(&it.comparison, &options);
                text.push('\n');
            }
            for it in compared {
                text += &line(it);
            }
            output::print(&text)
        }
    }
}

/// One scenario in a line.
fn line(compared: &Compared) -> String {
    let mark = if compared.comparison.agrees() { "✓" } else { "✗" };
    let verdict = |result: &RunResult| match result.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Inconclusive => "inconclusive",
    };
    let [sim, kind] = &compared.results;
    format!(
        "{mark} {}: sim {} in {:.0} s, kind {} in {:.0} s\n",
        compared.scenario.name,
        verdict(sim),
        sim.virtual_seconds,
        verdict(kind),
        kind.virtual_seconds
    )
}
