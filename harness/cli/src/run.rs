//! `rehearse run`: scenarios in, verdicts out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use manifests::tree::Tree;
use reports::{Detail, Style};
use scenario::Scenario;
use simulator::{Input, Render};
use timeline::{Judgement, Report, RunResult, SeedRun, Seeds, Summary, Timeline, Verdict};
use units::Duration;

use crate::args::{Arrivals, Engine, Format, Run};
use crate::failure::Failure;
use crate::{kustomize, output, progress, repository, scenarios};

/// The longest virtual time of a run that never settles.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 3600);

/// How many seeds a claim about a share of seeds is put to, unless the caller says.
const SEEDS_FOR_A_SHARE: u64 = 200;

/// What a report's text is wrapped at.
pub(crate) const WIDTH: usize = 100;

/// A scenario and one seed.
struct Job<'a> {
    scenario: &'a Scenario,
    repository: &'a Tree,
    seed: u64,
    /// Whether the seed tells it from other runs of the scenario.
    one_of_many: bool,
}

/// A job that is done.
struct Done {
    timeline: Timeline,
    judgement: Judgement,
    summary: Summary,
    result: RunResult,
}

pub(crate) fn run(arguments: &Run) -> Result<ExitCode, Failure> {
    only_sim(arguments.engine)?;
    let scenarios = scenarios::read_all(&arguments.paths)?;
    let repositories = read_repositories(&scenarios)?;
    let jobs = jobs(arguments, &scenarios, &repositories);
    let done = run_all(arguments, &jobs)?;
    if let Some(folder) = &arguments.report {
        write_reports(folder, &jobs, &done)?;
    }
    let verdict = match arguments.format {
        Format::Json => print_json(&jobs, &done)?,
        Format::Text => print_text(arguments, &jobs, &done)?,
    };
    Ok(exit_code(verdict))
}

/// The exit code that a verdict stands for.
pub(crate) fn exit_code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Failed => ExitCode::from(1),
        Verdict::Inconclusive => ExitCode::from(3),
    }
}

fn only_sim(engine: Engine) -> Result<(), Failure> {
    let name = match engine {
        Engine::Sim => return Ok(()),
        Engine::Kind => "kind",
        Engine::Live => "live",
    };
    Err(Failure::Environment(format!(
        "this version has no engine `{name}`; run without --engine to simulate"
    )))
}

/// The repositories that the scenarios name, each read once.
fn read_repositories(scenarios: &[Scenario]) -> Result<BTreeMap<PathBuf, Tree>, Failure> {
    let mut repositories = BTreeMap::new();
    for folder in scenarios.iter().map(scenarios::repository) {
        if !repositories.contains_key(&folder) {
            let tree = repository::read(&folder)?;
            repositories.insert(folder, tree);
        }
    }
    Ok(repositories)
}

fn jobs<'a>(
    arguments: &Run,
    scenarios: &'a [Scenario],
    repositories: &'a BTreeMap<PathBuf, Tree>,
) -> Vec<Job<'a>> {
    let mut jobs = Vec::new();
    for scenario in scenarios {
        let speaks_of_shares = scenario.expect.iter().any(|expectation| expectation.in_seeds.is_some());
        let seeds = arguments.seeds.unwrap_or(if speaks_of_shares { SEEDS_FOR_A_SHARE } else { 1 });
        let repository = &repositories[&scenarios::repository(scenario)];
        for seed in (0..seeds).map(|offset| arguments.seed.wrapping_add(offset)) {
            jobs.push(Job { scenario, repository, seed, one_of_many: seeds > 1 });
        }
    }
    jobs
}

/// Runs every job on `--jobs` threads; the results are in the order of the jobs whatever thread was
/// first. The first failure in that order is the one that is told.
fn run_all(arguments: &Run, jobs: &[Job<'_>]) -> Result<Vec<Done>, Failure> {
    let renderer = kustomize::renderer(arguments.kustomize)?;
    let threads = match arguments.jobs {
        Some(jobs) => usize::from(jobs),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let (next, bar) = (AtomicUsize::new(0), progress::bar(jobs.len()));
    let results: Vec<OnceLock<Result<Done, Failure>>> = jobs.iter().map(|_| OnceLock::new()).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { return };
                    // Each index is handed out once, so that its place is still empty.
                    let _ = results[index].set(run_one(arguments, job, renderer));
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    results.into_iter().filter_map(OnceLock::into_inner).collect()
}

fn run_one(arguments: &Run, job: &Job<'_>, render: Option<Render>) -> Result<Done, Failure> {
    let begun = Instant::now();
    let options = simulator::Options {
        seed: job.seed,
        arrivals: match arguments.arrivals {
            Arrivals::Drawn => behaviour::Arrivals::Drawn,
            Arrivals::Expected => behaviour::Arrivals::Expected,
        },
        limit: LONGEST_RUN,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        render,
    };
    let input = Input { scenario: job.scenario, repository: job.repository, options: &options };
    let timeline = simulator::simulate(&input)?.timeline;
    let judgement = timeline::judge(job.scenario, &timeline);
    let summary = Summary::of(&timeline);
    let wall_seconds = begun.elapsed().as_secs_f64();
    let result = RunResult::new(job.scenario, &timeline, &judgement, &summary, wall_seconds);
    Ok(Done { timeline, judgement, summary, result })
}

fn report(done: &[Done]) -> Report {
    let results = done.iter().map(|done| done.result.clone()).collect();
    Report { rehearse: env!("CARGO_PKG_VERSION").to_owned(), results }
}

fn print_json(jobs: &[Job<'_>], done: &[Done]) -> Result<Verdict, Failure> {
    output::print(&reports::json(&report(done)))?;
    Ok(Verdict::of(by_scenario(jobs, done).map(|(jobs, done)| verdict_of(jobs, done))))
}

/// One run is told whole. Of several, those are told that did not pass, and how many did.
fn print_text(arguments: &Run, jobs: &[Job<'_>], done: &[Done]) -> Result<Verdict, Failure> {
    let options = reports::Options {
        style: if output::is_coloured(arguments.color) { Style::Coloured } else { Style::Plain },
        detail: if arguments.verbose { Detail::Everything } else { Detail::Story },
        width: WIDTH,
    };
    let groups: Vec<_> = by_scenario(jobs, done).collect();
    for (jobs, done) in &groups {
        if let ([job], [it]) = (*jobs, *done) {
            if groups.len() == 1 || arguments.verbose || it.result.verdict != Verdict::Passed {
                output::print(&reports::terminal(&told(job, it), &options))?;
            }
        } else {
            output::print(&reports::seeds(&jobs[0].scenario.name, &seeds(jobs, done), &options))?;
        }
    }
    let verdicts: Vec<Verdict> = groups.iter().map(|(jobs, done)| verdict_of(jobs, done)).collect();
    if groups.len() > 1 {
        let results: Vec<RunResult> = groups
            .iter()
            .zip(&verdicts)
            .map(|((_, done), verdict)| RunResult { verdict: *verdict, ..done[0].result.clone() })
            .collect();
        output::print(&reports::totals(&results, &options))?;
    }
    Ok(Verdict::of(verdicts))
}

fn told<'a>(job: &'a Job<'_>, done: &'a Done) -> reports::Run<'a> {
    reports::Run {
        scenario: job.scenario,
        timeline: &done.timeline,
        judgement: &done.judgement,
        summary: &done.summary,
    }
}

/// The jobs of each scenario with what became of them.
fn by_scenario<'a, 'j>(
    jobs: &'a [Job<'j>],
    done: &'a [Done],
) -> impl Iterator<Item = (&'a [Job<'j>], &'a [Done])> {
    let mut start = 0;
    jobs.chunk_by(|a, b| std::ptr::eq(a.scenario, b.scenario)).map(move |jobs| {
        let range = start..start + jobs.len();
        start += jobs.len();
        (jobs, &done[range])
    })
}

fn verdict_of(jobs: &[Job<'_>], done: &[Done]) -> Verdict {
    match done {
        [one] => one.result.verdict,
        _ => seeds(jobs, done).verdict,
    }
}

fn seeds(jobs: &[Job<'_>], done: &[Done]) -> Seeds {
    let runs: Vec<SeedRun> = jobs
        .iter()
        .zip(done)
        .map(|(job, done)| SeedRun {
            seed: job.seed,
            judgement: done.judgement.clone(),
            summary: done.summary.clone(),
        })
        .collect();
    Seeds::of(&runs)
}

/// `DIR/<engine>/<scenario>[-<seed>]/{timeline.jsonl,report.json}` for every run, and `DIR/report.json`
/// for all of them.
fn write_reports(folder: &Path, jobs: &[Job<'_>], done: &[Done]) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::Environment(format!("the report `{}` cannot be written: {error}", path.display()))
    };
    let write = |path: PathBuf, text: String| fs::write(&path, text).map_err(|error| failed(&path, error));
    for (job, it) in jobs.iter().zip(done) {
        let mut name = file_name(&job.scenario.name);
        if !job.scenario.case.is_empty() {
            name += &format!("-{}", file_name(&job.scenario.case));
        }
        if job.one_of_many {
            name += &format!("-{}", job.seed);
        }
        let run_folder = folder.join("sim").join(name);
        fs::create_dir_all(&run_folder).map_err(|error| failed(&run_folder, error))?;
        write(run_folder.join("timeline.jsonl"), it.timeline.to_jsonl())?;
        write(run_folder.join("report.json"), reports::json(&report(std::slice::from_ref(it))))?;
    }
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    write(folder.join("report.json"), reports::json(&report(done)))
}

/// A scenario's name as a name of a folder: nothing in it leads elsewhere.
fn file_name(name: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '=' | '.') { c } else { '-' };
    let name: String = name.chars().map(kept).collect();
    name.trim_start_matches('.').to_owned()
}
