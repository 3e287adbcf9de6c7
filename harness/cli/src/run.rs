//! `rehearse run`: scenarios in, verdicts out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use manifests::tree::Tree;
use scenario::Scenario;
use simulator::{Input, Render};
use timeline::{Report, RunResult, SeedRun, Seeds, StageTime, Summary, Timeline, Verdict};
use units::Duration;
use yaml::Problem;

use crate::args::{Arrivals, Engine, Format, Run};
use crate::failure::Failure;
use crate::report_folder::{Names, ReportFolder};
use crate::{batch, kind, kustomize, output, repository, scenarios};

/// The longest virtual time of a run that never settles.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 3600);

/// How many scenarios run side by side in a cluster, unless the caller says.
pub(crate) const KIND_JOBS: usize = 2;

/// What is said of the engine that is not there yet.
const NO_LIVE: &str = "this version has no engine `live`; run without --engine to simulate";

/// How many seeds a claim about a share of seeds is put to, unless the caller says.
const SEEDS_FOR_A_SHARE: u64 = 200;

/// A scenario and one seed.
struct Job<'a> {
    scenario: &'a Scenario,
    repository: &'a Tree,
    seed: u64,
    /// How many seeds the scenario is run with.
    seeds: u64,
    /// The name of its folder in a report.
    folder: String,
}

/// What all runs have in common.
struct Setting<'a> {
    arguments: &'a Run,
    render: Option<Render>,
    report: Option<ReportFolder>,
    /// Whether there is only one run, which is told whatever its verdict.
    alone: bool,
}

/// A job that is done. Its timeline is told and written, and let go: it is the largest part of a run.
struct Done {
    run: SeedRun,
    result: RunResult,
    told: String,
}

/// The runs of one scenario.
struct Rehearsed {
    results: Vec<RunResult>,
    told: String,
    verdict: Verdict,
}

pub(crate) fn run(arguments: &Run) -> Result<ExitCode, Failure> {
    let scenarios = scenarios::read_all(&arguments.paths)?;
    let repositories = read_repositories(&scenarios)?;
    let jobs = jobs(arguments, &scenarios, &repositories);
    let setting = Setting {
        arguments,
        render: kustomize::renderer(arguments.kustomize)?,
        report: arguments.report.as_deref().map(ReportFolder::create).transpose()?,
        alone: jobs.len() == 1,
    };
    let done = match arguments.engine {
        Engine::Sim => simulate_all(&setting, &jobs)?,
        Engine::Kind => on_kind(&setting, &jobs)?,
        Engine::Live => return Err(Failure::Environment(NO_LIVE.to_owned())),
    };
    let rehearsed = by_scenario(&jobs, done, &output::options(arguments.shown.color, arguments.verbose));
    let report = report_of(rehearsed.iter().flat_map(|it| it.results.iter().cloned()).collect());
    if let Some(folder) = &setting.report {
        folder.write_summary(&reports::json(&report))?;
    }
    match arguments.shown.format {
        Format::Json => output::print(&reports::json(&report))?,
        Format::Text => print_text(arguments, &rehearsed)?,
    }
    Ok(exit_code(Verdict::of(rehearsed.iter().map(|it| it.verdict))))
}

/// The exit code that a verdict stands for.
pub(crate) fn exit_code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Failed => ExitCode::from(1),
        Verdict::Inconclusive => ExitCode::from(3),
    }
}

fn threads(arguments: &Run) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    arguments.jobs.map_or_else(processors, usize::from)
}

/// The repositories that the scenarios name, each read once.
pub(crate) fn read_repositories(scenarios: &[Scenario]) -> Result<BTreeMap<PathBuf, Tree>, Failure> {
    let mut repositories = BTreeMap::new();
    for scenario in scenarios {
        if let Entry::Vacant(entry) = repositories.entry(scenarios::repository(scenario)) {
            let tree = repository::read(entry.key());
            entry.insert(tree.map_err(|why| Problem::at(&scenario.place_of("repository"), why))?);
        }
    }
    Ok(repositories)
}

fn jobs<'a>(
    arguments: &Run,
    scenarios: &'a [Scenario],
    repositories: &'a BTreeMap<PathBuf, Tree>,
) -> Vec<Job<'a>> {
    let (mut jobs, mut names) = (Vec::new(), Names::default());
    for scenario in scenarios {
        let speaks_of_shares = scenario.expect.iter().any(|expectation| expectation.in_seeds.is_some());
        let simulated = arguments.engine == Engine::Sim;
        let seeds =
            arguments.seeds.unwrap_or(if speaks_of_shares && simulated { SEEDS_FOR_A_SHARE } else { 1 });
        let repository = &repositories[&scenarios::repository(scenario)];
        for seed in (0..seeds).map(|offset| arguments.seed.wrapping_add(offset)) {
            let folder = names.name(&scenario.name, &scenario.case, (seeds > 1).then_some(seed));
            jobs.push(Job { scenario, repository, seed, seeds, folder });
        }
    }
    jobs
}

fn simulate_all(setting: &Setting<'_>, jobs: &[Job<'_>]) -> Result<Vec<Done>, Failure> {
    let describe = |job: &Job<'_>| format!("`{}` with seed {}", job.scenario.source.name, job.seed);
    batch::run(jobs, threads(setting.arguments), |job| simulate(setting, job), describe)
}

fn simulate(setting: &Setting<'_>, job: &Job<'_>) -> Result<Done, Failure> {
    let begun = Instant::now();
    let options = simulator::Options {
        seed: job.seed,
        arrivals: match setting.arguments.arrivals {
            Arrivals::Drawn => behaviour::Arrivals::Drawn,
            Arrivals::Expected => behaviour::Arrivals::Expected,
        },
        limit: LONGEST_RUN,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        speed: 1.0,
        render: setting.render,
    };
    let input = Input { scenario: job.scenario, repository: job.repository, options: &options };
    let timeline = simulator::simulate(&input)?.timeline;
    done(setting, job, job.scenario, &timeline, &|| Took::only(begun.elapsed().as_secs_f64()))
}

fn on_kind(setting: &Setting<'_>, jobs: &[Job<'_>]) -> Result<Vec<Done>, Failure> {
    let arguments = setting.arguments;
    let wanted: Vec<kind::Wanted<'_>> = jobs
        .iter()
        .map(|job| kind::Wanted { scenario: job.scenario, repository: job.repository, seed: job.seed })
        .collect();
    let at_a_time = arguments.jobs.map_or(KIND_JOBS, usize::from);
    let ran = kind::run_all(&arguments.on_cluster, setting.render, at_a_time, &wanted)?;
    let done = jobs.iter().zip(ran).map(|(job, ran)| {
        let took = || Took { wall_seconds: ran.wall_seconds, stages: ran.stages.clone() };
        done(setting, job, &ran.scenario, &ran.timeline, &took)
    });
    done.collect()
}

/// How long a run took.
struct Took {
    wall_seconds: f64,
    stages: Vec<StageTime>,
}

impl Took {
    fn only(wall_seconds: f64) -> Self {
        Self { wall_seconds, stages: Vec::new() }
    }
}

/// Judges a timeline, writes it where it is asked for, and tells it. `took` is asked once it is judged.
fn done(
    setting: &Setting<'_>,
    job: &Job<'_>,
    scenario: &Scenario,
    timeline: &Timeline,
    took: &dyn Fn() -> Took,
) -> Result<Done, Failure> {
    let judgement = timeline::judge(scenario, timeline);
    let summary = Summary::of(timeline);
    let Took { wall_seconds, stages } = took();
    let mut result = RunResult::new(scenario, timeline, &judgement, &summary, wall_seconds);
    result.stages = stages;
    if let Some(folder) = &setting.report {
        let report = reports::json(&report_of(vec![result.clone()]));
        let engine = setting.arguments.engine.name();
        folder.write_run(engine, &job.folder, &timeline.to_jsonl(), &report)?;
    }
    let told = if is_told(setting, job, result.verdict) {
        let options = output::options(setting.arguments.shown.color, setting.arguments.verbose);
        let run = reports::Run { scenario, timeline, judgement: &judgement, summary: &summary };
        format!("{}{}", reports::terminal(&run, &options), reports::stages(&result.stages))
    } else {
        String::new()
    };
    Ok(Done { run: SeedRun { seed: job.seed, judgement, summary }, result, told })
}

/// Many seeds are told as their distribution; of several scenarios, those are told that did not pass.
fn is_told(setting: &Setting<'_>, job: &Job<'_>, verdict: Verdict) -> bool {
    let is_wanted = setting.alone || setting.arguments.verbose || verdict != Verdict::Passed;
    setting.arguments.shown.format == Format::Text && job.seeds == 1 && is_wanted
}

fn report_of(results: Vec<RunResult>) -> Report {
    Report { rehearse: env!("CARGO_PKG_VERSION").to_owned(), results }
}

fn by_scenario(jobs: &[Job<'_>], done: Vec<Done>, options: &reports::Options) -> Vec<Rehearsed> {
    let mut done = done.into_iter();
    let scenarios = jobs.chunk_by(|a, b| std::ptr::eq(a.scenario, b.scenario));
    scenarios.map(|jobs| rehearsed(jobs, done.by_ref().take(jobs.len()), options)).collect()
}

fn rehearsed(jobs: &[Job<'_>], done: impl Iterator<Item = Done>, options: &reports::Options) -> Rehearsed {
    let (mut runs, mut results, mut told) = (Vec::new(), Vec::new(), String::new());
    for done in done {
        runs.push(done.run);
        results.push(done.result);
        told += &done.told;
    }
    let verdict = if let [result] = results.as_slice() {
        result.verdict
    } else {
        let seeds = Seeds::of(&runs);
        told += &reports::seeds(&jobs[0].scenario.name, &seeds, options);
        seeds.verdict
    };
    Rehearsed { results, told, verdict }
}

/// The stories that are told, and of several scenarios a line for each.
fn print_text(arguments: &Run, rehearsed: &[Rehearsed]) -> Result<(), Failure> {
    let stories = rehearsed.iter().map(|it| it.told.as_str()).filter(|told| !told.is_empty());
    let mut parts: Vec<String> = stories.map(str::to_owned).collect();
    if rehearsed.len() > 1 {
        let totals: Vec<reports::Total> = rehearsed.iter().map(total).collect();
        parts.push(reports::totals(&totals, &output::options(arguments.shown.color, arguments.verbose)));
    }
    output::print(&parts.join("\n"))
}

fn total(rehearsed: &Rehearsed) -> reports::Total {
    let first = &rehearsed.results[0];
    let case = if first.case.is_empty() { String::new() } else { format!(" [{}]", first.case) };
    let (reason, length) = match rehearsed.results.as_slice() {
        [result] => (result.reason.clone(), Some(Duration::from_secs_f64(result.virtual_seconds))),
        many => (format!("over {} seeds", many.len()), None),
    };
    reports::Total { name: format!("{}{case}", first.scenario), verdict: rehearsed.verdict, reason, length }
}
