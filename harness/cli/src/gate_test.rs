//! `rehearse gate test`: unit tests of AnalysisTemplates.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use gates::{CaseResult, GateTests, Templates};
use reports::TestedGate;
use yaml::Problem;

use crate::args::{Format, Shown};
use crate::failure::Failure;
use crate::{files, output};

/// Analysis of Argo Rollouts: what a gate lets through and what it stops.
#[derive(Args)]
pub(crate) struct Gate {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run unit tests of AnalysisTemplates.
    ///
    /// A file names templates as they stand in Git, gives series in promtool's notation, and says what the
    /// AnalysisRun must make of them.
    #[command(after_help = "\
Examples:
  rehearse gate test fixtures/gates/model-quality-check.yaml
  rehearse gate test fixtures/gates/*.yaml --explain
  rehearse gate test fixtures/gates/*.yaml --format json | jq '.results[].cases[] | {name, verdict}'")]
    Test(Test),
}

#[derive(Args)]
struct Test {
    /// Files of gate tests.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Show every measurement: the query's result, the condition, and the counters afterwards.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    shown: Shown,
}

pub(crate) fn run(arguments: &Gate) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Command::Test(arguments) => test(arguments),
    }
}

fn test(arguments: &Test) -> Result<ExitCode, Failure> {
    let mut all_problems = Vec::new();
    let mut tested = Vec::new();
    for path in &arguments.files {
        let file = path.to_string_lossy().into_owned();
        match test_file(path) {
            Ok((name, cases)) => tested.push(TestedGate { file, name, outcome: Ok(cases) }),
            Err(problems) => {
                let told = problems.iter().map(Problem::to_string).collect();
                tested.push(TestedGate { file, name: String::new(), outcome: Err(told) });
                all_problems.extend(problems);
            }
        }
    }
    output::print(&match arguments.shown.format {
        Format::Text => {
            let options = output::options(arguments.shown.color, false);
            reports::gate_tests(&tested, arguments.explain, &options)
        }
        Format::Json => reports::gate_tests_json(&tested, env!("CARGO_PKG_VERSION")),
    })?;
    if !all_problems.is_empty() {
        return Err(Failure::Input(all_problems));
    }
    Ok(if tested.iter().all(TestedGate::passed) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn test_file(path: &Path) -> Result<(String, Vec<CaseResult>), Vec<Problem>> {
    let one = |problem| vec![problem];
    let bytes = files::read(path, yaml::MAX_BYTES).map_err(|why| {
        one(Problem::new(format!("the gate tests `{}` cannot be read: {why}", path.display())))
    })?;
    let tests = GateTests::read(&path.to_string_lossy(), &bytes)?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut templates = Templates::default();
    for (file, place) in &tests.templates {
        let path = folder.join(file);
        let bytes = files::read(&path, yaml::MAX_BYTES).map_err(|why| {
            one(Problem::at(place, format!("the templates `{file}` cannot be read: {why}")))
        })?;
        let documents = yaml::parse(&path.to_string_lossy(), &bytes).map_err(one)?;
        templates.add(&documents).map_err(one)?;
    }
    let analysis = templates.merge(&tests).map_err(one)?;
    let cases = tests.run(&analysis).map_err(one)?;
    Ok((tests.name, cases))
}
