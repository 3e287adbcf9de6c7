//! `rehearse judge`: a recording is judged again.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use reports::{Detail, Style};
use scenario::Scenario;
use timeline::{Report, RunResult, Summary, Timeline};

use crate::args::{Format, Judge};
use crate::failure::Failure;
use crate::{output, run, scenarios};

pub(crate) fn judge(arguments: &Judge) -> Result<ExitCode, Failure> {
    let scenario = one_case(arguments)?;
    let timeline = recording(&arguments.timeline)?;
    let judgement = timeline::judge(&scenario, &timeline);
    let summary = Summary::of(&timeline);
    match arguments.format {
        Format::Json => {
            // Nothing was run, so nothing took any time.
            let result = RunResult::new(&scenario, &timeline, &judgement, &summary, 0.0);
            let report = Report { rehearse: env!("CARGO_PKG_VERSION").to_owned(), results: vec![result] };
            output::print(&reports::json(&report))?;
        }
        Format::Text => {
            let options = reports::Options {
                style: if output::is_coloured(arguments.color) { Style::Coloured } else { Style::Plain },
                detail: if arguments.verbose { Detail::Everything } else { Detail::Story },
                width: run::WIDTH,
            };
            let told = reports::Run {
                scenario: &scenario,
                timeline: &timeline,
                judgement: &judgement,
                summary: &summary,
            };
            output::print(&reports::terminal(&told, &options))?;
        }
    }
    Ok(run::exit_code(judgement.verdict))
}

fn one_case(arguments: &Judge) -> Result<Scenario, Failure> {
    let cases = scenarios::read(&arguments.scenario)??;
    let names: Vec<String> = cases.iter().map(|scenario| scenario.case.clone()).collect();
    let wanted = cases
        .into_iter()
        .filter(|scenario| arguments.case.as_ref().is_none_or(|case| *case == scenario.case));
    match wanted.collect::<Vec<_>>().as_mut_slice() {
        [scenario] => Ok(scenario.clone()),
        [] => Err(Failure::input(format!("the scenario has no such case; it has {}", names.join("; ")))),
        _ => Err(Failure::input(format!(
            "the scenario has several cases; choose one with --case: {}",
            names.join("; ")
        ))),
    }
}

fn recording(path: &Path) -> Result<Timeline, Failure> {
    let failed =
        |why: String| Failure::input(format!("the recording `{}` cannot be read: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Timeline::from_jsonl(&text).map_err(|error| failed(error.to_string()))
}
