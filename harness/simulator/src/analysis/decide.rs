//! From a value to the phase of a measurement (argo-rollouts v1.10.1 `utils/evaluate/evaluate.go`).

use conditions::{Condition, ErrorKind, Outcome, Value, judge_measurement};
use timeline::AnalysisPhase;
use yaml::{Place, Problem};

use super::measure::problem;
use super::plan::{ParsedCondition, PlannedMetric};

/// What the conditions of a metric make of a value.
pub(super) struct Judged {
    pub(super) phase: AnalysisPhase,
    /// Why it is an error; empty otherwise.
    pub(super) message: String,
    /// The condition that decided; empty where there is none.
    pub(super) condition: String,
}

/// Judges a value.
///
/// # Errors
/// A condition that is not simulated.
pub(super) fn judge(planned: &PlannedMetric, value: &Value) -> Result<Judged, Problem> {
    let (outcome, condition) = decide(planned, value)?;
    let (phase, message) = match outcome {
        Outcome::Successful => (AnalysisPhase::Successful, String::new()),
        Outcome::Failed => (AnalysisPhase::Failed, String::new()),
        Outcome::Inconclusive => (AnalysisPhase::Inconclusive, String::new()),
        Outcome::Error(message) => (AnalysisPhase::Error, message),
    };
    Ok(Judged { phase, message, condition })
}

/// The outcome, and the condition that it is due to.
fn decide(planned: &PlannedMetric, value: &Value) -> Result<(Outcome, String), Problem> {
    let places = &planned.checked.places;
    let success = usable(planned.success.as_ref(), places.success_condition.as_ref(), value)?;
    let failure = usable(planned.failure.as_ref(), places.failure_condition.as_ref(), value)?;
    // The first condition that cannot be evaluated is told, and the other not looked at.
    let success_fails = success.condition().is_some_and(|condition| condition.evaluate(value).is_err());
    let unread = if success_fails { None } else { Some((&failure, "failureCondition")) };
    for (condition, name) in [(&success, "successCondition")].into_iter().chain(unread) {
        if let Usable::Unreadable { text, message } = condition {
            // An empty value hides every other cause (`formatEvalError`).
            let cause = match value.is_nil_or_empty() {
                true => "metric result is nil or empty: no data returned from the metric provider",
                false => message,
            };
            let message = format!("could not evaluate {name} \"{text}\": {cause}");
            return Ok((Outcome::Error(message), text.clone()));
        }
    }
    let (success, failure) = (success.condition(), failure.condition());
    let outcome = judge_measurement(success, failure, value);
    let failure_holds = failure.is_some_and(|condition| condition.evaluate(value).unwrap_or(false));
    let deciding = if failure_holds { failure } else { success.or(failure) };
    Ok((outcome, deciding.map(|condition| condition.text().to_owned()).unwrap_or_default()))
}

/// A condition as far as it can be used.
enum Usable<'a> {
    Absent,
    Condition(&'a Condition),
    Unreadable { text: String, message: String },
}

impl<'a> Usable<'a> {
    fn condition(&self) -> Option<&'a Condition> {
        match self {
            Self::Condition(condition) => Some(condition),
            Self::Absent | Self::Unreadable { .. } => None,
        }
    }
}

/// # Errors
/// A condition that upstream would evaluate and this engine does not.
fn usable<'a>(
    parsed: Option<&'a ParsedCondition>,
    place: Option<&Place>,
    value: &Value,
) -> Result<Usable<'a>, Problem> {
    let beyond = |kind: ErrorKind| match kind {
        ErrorKind::NotSimulated | ErrorKind::Limit => true,
        ErrorKind::Syntax | ErrorKind::Type | ErrorKind::Run | ErrorKind::NotBool => false,
    };
    match parsed {
        None => Ok(Usable::Absent),
        Some(Err((_, error))) if beyond(error.kind()) => Err(problem(place, error.to_string())),
        Some(Err((text, error))) => {
            Ok(Usable::Unreadable { text: text.clone(), message: error.message().to_owned() })
        }
        Some(Ok(condition)) => match condition.evaluate(value) {
            Err(error) if beyond(error.kind()) => Err(problem(place, error.to_string())),
            Ok(_) | Err(_) => Ok(Usable::Condition(condition)),
        },
    }
}

#[cfg(test)]
mod tests {
    use manifests::objects::Metric;
    use manifests::objects::analysis::{Prometheus, Provider};

    use super::*;

    fn planned(success: &str, failure: &str) -> PlannedMetric {
        let provider = Provider { prometheus: Some(Prometheus::default()), ..Provider::default() };
        let metric = Metric {
            name: "m".to_owned(),
            success_condition: success.to_owned(),
            failure_condition: failure.to_owned(),
            provider,
            ..Metric::default()
        };
        PlannedMetric::new(metric.check().unwrap(), false, 10)
    }

    #[test]
    fn both_conditions_decide_and_the_one_that_did_is_told() {
        let vector = |values: &[f64]| Value::Floats(values.to_vec());
        let cases = [
            ("result[0] < 0.5", "", vector(&[0.1]), Outcome::Successful, "result[0] < 0.5"),
            ("result[0] < 0.5", "", vector(&[0.7]), Outcome::Failed, "result[0] < 0.5"),
            ("", "result[0] >= 0.5", vector(&[f64::NAN]), Outcome::Successful, "result[0] >= 0.5"),
            (
                "result[0] < 0.5",
                "result[0] >= 0.5",
                vector(&[f64::NAN]),
                Outcome::Inconclusive,
                "result[0] < 0.5",
            ),
            ("result[0] < 0.5", "result[0] > 0", vector(&[0.1]), Outcome::Failed, "result[0] > 0"),
            ("", "", vector(&[]), Outcome::Successful, ""),
        ];
        for (success, failure, value, outcome, condition) in cases {
            let decided = decide(&planned(success, failure), &value).unwrap();
            assert_eq!(decided, (outcome, condition.to_owned()), "{success} / {failure}");
        }
    }

    #[test]
    fn a_condition_that_is_no_expression_makes_every_measurement_an_error() {
        let (outcome, _) = decide(&planned("result[0] <", ""), &Value::Floats(vec![0.1])).unwrap();
        let Outcome::Error(message) = outcome else { panic!("{outcome}") };
        assert!(message.starts_with("could not evaluate successCondition \"result[0] <\": "), "{message}");
    }
}
