//! `rehearse judge`: a recording is judged again.

use std::path::Path;
use std::process::ExitCode;

use scenario::Scenario;
use timeline::{Event, Report, RunResult, Summary, Timeline};

use crate::args::{Format, Judge};
use crate::failure::Failure;
use crate::{files, output, run, scenarios};

/// More bytes than a recording has.
const MAX_RECORDING: usize = 1 << 30;

pub(crate) fn judge(arguments: &Judge) -> Result<ExitCode, Failure> {
    let scenario = &one_case(arguments)?;
    let timeline = &recording(&arguments.timeline, &scenario.name)?;
    let (judgement, summary) = (&timeline::judge(scenario, timeline), &Summary::of(timeline));
    let text = match arguments.shown.format {
        Format::Json => {
            // Nothing was run, so nothing took any time.
            let result = RunResult::new(scenario, timeline, judgement, summary, 0.0);
            reports::json(&Report { rehearse: env!("CARGO_PKG_VERSION").to_owned(), results: vec![result] })
        }
        Format::Text => {
            let run = reports::Run { scenario, timeline, judgement, summary };
            reports::terminal(&run, &output::options(arguments.shown.color, arguments.verbose))
        }
    };
    output::print(&text)?;
    Ok(run::exit_code(judgement.verdict))
}

fn one_case(arguments: &Judge) -> Result<Scenario, Failure> {
    let mut cases = scenarios::read(&arguments.scenario)??;
    let names: Vec<String> = cases.iter().map(|scenario| format!("`{}`", scenario.case)).collect();
    let (names, file) = (names.join(", "), arguments.scenario.display());
    match &arguments.case {
        None if cases.len() == 1 => Ok(cases.remove(0)),
        None => Err(Failure::input(format!("`{file}` has several cases; choose one with --case: {names}"))),
        Some(case) => match cases.iter().position(|scenario| scenario.case == *case) {
            Some(index) => Ok(cases.swap_remove(index)),
            None if cases[0].case.is_empty() => {
                Err(Failure::input(format!("`{file}` has no matrix, and so no case `{case}`")))
            }
            None => Err(Failure::input(format!("`{file}` has no case `{case}`; it has {names}"))),
        },
    }
}

fn recording(path: &Path, scenario: &str) -> Result<Timeline, Failure> {
    let failed =
        |why: String| Failure::input(format!("the recording `{}` cannot be read: {why}", path.display()));
    let bytes = files::read(path, MAX_RECORDING).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
    let timeline = Timeline::from_jsonl(&text).map_err(|error| failed(error.to_string()))?;
    match timeline.entries.first().map(|entry| &entry.event) {
        Some(Event::RunStarted(started)) if started.scenario != scenario => Err(Failure::input(format!(
            "the recording `{}` is of the scenario `{}`, not of `{scenario}`",
            path.display(),
            started.scenario
        ))),
        Some(_) | None => Ok(timeline),
    }
}
