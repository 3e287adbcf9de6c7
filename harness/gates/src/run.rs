//! Running a case: the series are stored, the AnalysisRun is measured when it is due, and the claims are
//! held against what came of it.

use manifests::objects::rollout::MergedAnalysis;
use promql::Storage;
use simulator::analysis::{MetricResult, RunStatus};
use simulator::gate::{GateRun, Measured};
use timeline::AnalysisPhase;
use units::Time;
use yaml::{Place, Problem, did_you_mean};

use crate::file::{Case, Claim, ExpectedMeasurement, GateTests, What};

/// How many measurements a run may take.
const MAX_MEASUREMENTS: usize = 10_000;

/// Numbers are the same whose difference is at most this part of them.
const TOLERANCE: f64 = 1e-6;

/// What came of a case.
#[derive(Debug, Clone)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// The claims, with what stands against each; nothing where it holds.
    pub claims: Vec<(Claim, Option<String>)>,
    /// The run as it ended.
    pub status: RunStatus,
    /// Every measurement, in order.
    pub measured: Vec<Measured>,
    /// The answers that no metric was given, and why, for people.
    pub never_exercised: Vec<String>,
    /// Where it stands.
    pub place: Place,
}

impl CaseResult {
    /// Whether all claims hold.
    pub fn passed(&self) -> bool {
        self.claims.iter().all(|(_, against)| against.is_none())
    }
}

impl GateTests {
    /// Runs every case over the AnalysisRun that the templates make.
    ///
    /// # Errors
    /// A claim about a metric that the gate has not, and what is not simulated, so that there is no verdict.
    pub fn run(&self, analysis: &MergedAnalysis) -> Result<Vec<CaseResult>, Problem> {
        self.cases.iter().map(|case| run(self, case, analysis)).collect()
    }
}

fn run(tests: &GateTests, case: &Case, analysis: &MergedAnalysis) -> Result<CaseResult, Problem> {
    let mut run =
        GateRun::new(analysis, storage(tests, case)?, case.answers.clone(), Time::ZERO + case.start);
    check_names(case, &run)?;
    let longest = case.series.iter().map(|(_, values)| values.len()).max().unwrap_or(0) as u64;
    let end = Time::ZERO + (tests.interval * longest.saturating_sub(1)).max(case.start);
    let terminate = case.terminate.map(|terminate| Time::ZERO + terminate);
    let mut measured = Vec::new();
    let mut now = Time::ZERO + case.start;
    loop {
        if terminate.is_some_and(|terminate| terminate <= now) {
            run.terminate();
        }
        measured.extend(run.pass(now)?);
        if measured.len() > MAX_MEASUREMENTS {
            let message = format!("the run takes more than {MAX_MEASUREMENTS} measurements");
            return Err(Problem::at(&case.place, message).with_help("say when it is to `terminate`"));
        }
        let due = run.next_due(now).filter(|_| !run.status().is_completed());
        // A metric without an end is measured for as long as there are samples.
        let due = due.filter(|due| *due <= end || !run.is_endless());
        now = match (due, terminate.filter(|terminate| *terminate > now)) {
            (Some(due), Some(terminate)) => due.min(terminate),
            (Some(due), None) => due,
            (None, Some(terminate)) if !run.status().is_completed() => terminate,
            (None, _) => break,
        };
    }
    let status = run.status().clone();
    let claims = case.claims.iter().map(|claim| {
        let against = against(&claim.what, &status, &measured);
        (claim.clone(), against)
    });
    let claims = claims.collect();
    let never_exercised = run.unused_answers();
    let (name, place) = (case.name.clone(), case.place.clone());
    Ok(CaseResult { name, claims, status, measured, never_exercised, place })
}

fn storage(tests: &GateTests, case: &Case) -> Result<Storage, Problem> {
    let mut storage = Storage::new();
    for (labels, values) in &case.series {
        let series = storage.series(labels);
        for (index, value) in values.iter().enumerate() {
            let at_ms = (tests.interval * index as u64).as_millis();
            if let Some(value) = value {
                let appended = storage.append(series, i64::try_from(at_ms).unwrap_or(i64::MAX), *value);
                appended.map_err(|error| Problem::at(&case.place, error.to_string()))?;
            }
        }
    }
    Ok(storage)
}

/// Every metric that is spoken of is one of the gate's.
fn check_names(case: &Case, run: &GateRun) -> Result<(), Problem> {
    let known: Vec<&str> = run.metrics().map(|metric| metric.name.as_str()).collect();
    for claim in &case.claims {
        let name = match &claim.what {
            What::Metric(name, _)
            | What::Count(name, _, _)
            | What::Measurements(name, _)
            | What::Measurement(name, _, _) => name,
            What::Run(_) | What::Message(_) | What::Completed(_) => continue,
        };
        if !known.is_empty() && !known.contains(&name.as_str()) {
            let problem = Problem::at(&claim.place, format!("the gate has no metric `{name}`"));
            return Err(problem.with_help(match did_you_mean(name, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("its metrics are {}", known.join(", ")),
            }));
        }
    }
    Ok(())
}

/// What stands against a claim, if something does.
fn against(what: &What, status: &RunStatus, measured: &[Measured]) -> Option<String> {
    let result = |name: &str| status.results.iter().find(|result| result.name == *name);
    match what {
        What::Run(expected) => different("the run is", *expected, status.phase),
        What::Message(part) if status.message.contains(part) => None,
        What::Message(_) => Some(format!("the run's message is `{}`", status.message)),
        What::Completed(expected) => {
            let completed = status.completed.map(|at| at.since(Time::ZERO));
            (completed != Some(*expected)).then(|| match completed {
                Some(at) => format!("the run is over after {at}"),
                None => "the run is not over".to_owned(),
            })
        }
        What::Metric(name, expected) => {
            different("it is", *expected, result(name).map(|result| result.phase))
        }
        What::Count(name, phase, expected) => {
            let found = result(name).map_or(0, |result| count(result, *phase));
            (found != *expected).then(|| format!("there are {found}"))
        }
        What::Measurements(name, expected) => {
            let found = measured.iter().filter(|it| it.metric == *name).count();
            (found != *expected).then(|| format!("there are {found}"))
        }
        What::Measurement(name, number, expected) => {
            match measured.iter().filter(|it| it.metric == *name).nth(number - 1) {
                Some(measured) => against_measurement(expected, measured),
                None => Some("it was not taken".to_owned()),
            }
        }
    }
}

fn different(what: &str, expected: AnalysisPhase, found: Option<AnalysisPhase>) -> Option<String> {
    match found {
        Some(found) if found == expected => None,
        Some(found) => Some(format!("{what} {found}")),
        None => Some("it was never measured".to_owned()),
    }
}

fn count(result: &MetricResult, phase: AnalysisPhase) -> u32 {
    match phase {
        AnalysisPhase::Successful => result.successful,
        AnalysisPhase::Failed => result.failed,
        AnalysisPhase::Inconclusive => result.inconclusive,
        AnalysisPhase::Error => result.error,
        AnalysisPhase::Pending | AnalysisPhase::Running => 0,
    }
}

fn against_measurement(expected: &ExpectedMeasurement, measured: &Measured) -> Option<String> {
    let mut against = Vec::new();
    let at = measured.at.since(Time::ZERO);
    if expected.at.is_some_and(|expected| expected != at) {
        against.push(format!("it is taken at {at}"));
    }
    if let Some(numbers) = &expected.value {
        match &measured.numbers {
            Some(found) if same_numbers(numbers, found) => {}
            Some(found) => against.push(format!("its value is {}", listed(found))),
            None => against.push("it has no value".to_owned()),
        }
    }
    if expected.phase.is_some_and(|phase| phase != measured.phase) {
        against.push(format!("it is {}", measured.phase));
    }
    if expected.message.as_ref().is_some_and(|part| !measured.message.contains(part)) {
        against.push(format!("its message is `{}`", measured.message));
    }
    (!against.is_empty()).then(|| against.join(", "))
}

fn same_numbers(expected: &[f64], found: &[f64]) -> bool {
    let same = |one: f64, other: f64| {
        one == other
            || one.is_nan() && other.is_nan()
            || (one - other).abs() <= TOLERANCE * one.abs().max(other.abs()) && (one - other).is_finite()
    };
    // Elements of a vector have no order of their own.
    let sorted = |numbers: &[f64]| {
        let mut numbers = numbers.to_vec();
        numbers.sort_by(f64::total_cmp);
        numbers
    };
    expected.len() == found.len()
        && sorted(expected).iter().zip(sorted(found)).all(|(one, other)| same(*one, other))
}

/// Numbers as they are written in a file of tests.
pub(crate) fn listed(numbers: &[f64]) -> String {
    let written: Vec<String> = numbers
        .iter()
        .map(|number| match number {
            number if number.is_nan() => ".nan".to_owned(),
            &f64::INFINITY => ".inf".to_owned(),
            &f64::NEG_INFINITY => "-.inf".to_owned(),
            number => number.to_string(),
        })
        .collect();
    match written.as_slice() {
        [only] => only.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
