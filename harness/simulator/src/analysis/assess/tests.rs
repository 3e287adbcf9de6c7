use manifests::objects::analysis::{CheckedProvider, MetricPlaces};
use units::{Duration, Time};

use super::*;
use crate::analysis::metric::due;
use crate::analysis::run::Measurement;

/// One measurement, as upstream's defaults have it.
fn metric() -> CheckedMetric {
    CheckedMetric {
        name: "m".to_owned(),
        interval: None,
        initial_delay: Duration::ZERO,
        count: Some(1),
        success_condition: None,
        failure_condition: None,
        failure_limit: Some(0),
        inconclusive_limit: 0,
        consecutive_error_limit: 4,
        consecutive_success_limit: None,
        provider: CheckedProvider::Other("test".to_owned()),
        places: MetricPlaces::default(),
    }
}

/// `S`, `F`, `I` and `E` are measurements that were successful, failed, inconclusive and errors, ten
/// seconds apart.
fn result(measurements: &str) -> MetricResult {
    let mut result = MetricResult::new("m", false);
    for (index, letter) in measurements.chars().enumerate() {
        let phase = match letter {
            'S' => AnalysisPhase::Successful,
            'F' => AnalysisPhase::Failed,
            'I' => AnalysisPhase::Inconclusive,
            _ => AnalysisPhase::Error,
        };
        let at = Time::from_secs(10 * index as u64);
        let (value, message) = (String::new(), String::new());
        result.add(Measurement {
            phase,
            value,
            message,
            started: at,
            finished: Some(at),
            job: None,
            resume: None,
        });
    }
    result
}

#[test]
fn the_phase_of_a_metric_follows_from_its_counts_and_limits() {
    use AnalysisPhase::{Error, Failed, Inconclusive, Running, Successful};
    let many = |count| CheckedMetric { count, interval: Some(Duration::from_secs(10)), ..metric() };
    let tolerant = |failures| CheckedMetric { failure_limit: Some(failures), ..many(Some(5)) };
    let in_a_row =
        |failure_limit| CheckedMetric { consecutive_success_limit: Some(3), failure_limit, ..many(Some(5)) };
    let cases = [
        ("one success", metric(), "S", false, Successful),
        ("one failure", metric(), "F", false, Failed),
        ("one of neither", metric(), "I", false, Inconclusive),
        ("one error is retried", metric(), "E", false, Running),
        ("four errors in a row are", metric(), "EEEE", false, Running),
        ("the fifth is not", metric(), "EEEEE", false, Error),
        ("a success between errors starts the count anew", many(None), "EEEESEEEE", false, Running),
        ("errors do not count as measurements", many(Some(2)), "ESE", false, Running),
        ("the count is reached", many(Some(2)), "ESES", false, Successful),
        ("failures within the limit", tolerant(2), "FSFSS", false, Successful),
        ("failures beyond it, not in a row", tolerant(2), "FSFF", false, Failed),
        ("without end", many(None), "SSSSSSSS", false, Running),
        ("without end, ended", many(None), "SSSS", true, Successful),
        ("ended before the count", many(Some(5)), "SS", true, Successful),
        ("ended with the limit exceeded", many(Some(5)), "SF", true, Failed),
        ("errors win over failures", tolerant(1), "FFEEEEE", false, Error),
        ("inconclusive wins over failures", many(None), "FI", false, Inconclusive),
        ("successes in a row", in_a_row(Some(1)), "SFSSS", false, Successful),
        ("too few in a row", in_a_row(Some(2)), "SSFSS", false, Inconclusive),
        ("too few in a row, any failures allowed", in_a_row(None), "FFFSS", false, Failed),
        ("any failures allowed", in_a_row(None), "FFFF", false, Running),
    ];
    for (name, metric, measurements, terminating, expected) in cases {
        assert_eq!(metric_phase(&metric, &result(measurements), terminating), expected, "{name}");
    }
}

#[test]
fn a_metric_without_measurement_waits_or_is_let_off() {
    assert_eq!(metric_phase(&metric(), &result(""), false), AnalysisPhase::Pending);
    assert_eq!(metric_phase(&metric(), &result(""), true), AnalysisPhase::Successful);
    let done = MetricResult { phase: AnalysisPhase::Failed, ..result("S") };
    assert_eq!(metric_phase(&metric(), &done, false), AnalysisPhase::Failed);
}

#[test]
fn the_phase_of_a_run_is_the_worst_of_its_metrics_once_all_are_done() {
    use AnalysisPhase::{Error, Failed, Inconclusive, Running, Successful};
    // Letters are phases of metrics: successful, failed, inconclusive, error, running; `-` was not
    // measured yet; small letters are dry runs.
    let cases = [
        ("S", false, Successful),
        ("SF", false, Failed),
        ("EIF", false, Failed),
        ("IE", false, Error),
        ("SI", false, Inconclusive),
        ("FR", false, Running),
        ("S-", false, Running),
        ("Sf", false, Successful),
        ("Sr", false, Running),
        ("f", false, Successful),
        ("FR", true, Failed),
        ("R", true, Successful),
        ("-", true, Successful),
        ("ESI", true, Error),
    ];
    let metric = metric();
    for (letters, terminating, expected) in cases {
        let results: Vec<Option<MetricResult>> = letters
            .chars()
            .map(|letter| {
                let phase = match letter.to_ascii_uppercase() {
                    'S' => Successful,
                    'F' => Failed,
                    'I' => Inconclusive,
                    'E' => Error,
                    'R' => Running,
                    _ => return None,
                };
                Some(MetricResult { phase, ..result("S") })
            })
            .collect();
        let metrics: Vec<_> = letters
            .chars()
            .zip(&results)
            .map(|(letter, result)| (&metric, letter.is_ascii_lowercase(), result.as_ref()))
            .collect();
        let (phase, _) = run_phase(&metrics, false, terminating);
        assert_eq!(phase, expected, "{letters}, terminating: {terminating}");
    }
}

#[test]
fn the_message_of_a_run_names_the_metric_the_limit_and_the_last_error() {
    let metric = metric();
    let failed = MetricResult { phase: AnalysisPhase::Failed, ..result("F") };
    let (_, message) = run_phase(&[(&metric, false, Some(&failed))], false, false);
    assert_eq!(message, "Metric \"m\" assessed Failed due to failed (1) > failureLimit (0)");
    let error =
        MetricResult { phase: AnalysisPhase::Error, message: "no data".to_owned(), ..result("EEEEE") };
    let (_, message) = run_phase(&[(&metric, false, Some(&error))], false, true);
    assert_eq!(
        message,
        "Metric \"m\" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): \
         \"Error Message: no data\""
    );
    let (phase, message) = run_phase(&[(&metric, false, None)], true, true);
    assert_eq!((phase, message.as_str()), (AnalysisPhase::Successful, "Run Terminated"));
}

#[test]
fn only_metrics_that_decide_end_a_run_early() {
    let of = |phase, dry_run| MetricResult { phase, dry_run, ..result("S") };
    assert!(is_terminating(true, &[]));
    assert!(is_terminating(false, &[of(AnalysisPhase::Failed, false)]));
    assert!(is_terminating(false, &[of(AnalysisPhase::Inconclusive, false)]));
    assert!(!is_terminating(false, &[of(AnalysisPhase::Failed, true)]));
    assert!(!is_terminating(
        false,
        &[of(AnalysisPhase::Successful, false), of(AnalysisPhase::Running, false)]
    ));
}

#[test]
fn a_metric_is_due_after_its_delay_its_interval_and_ten_seconds_after_an_error() {
    let every_minute = CheckedMetric {
        interval: Some(Duration::from_mins(1)),
        initial_delay: Duration::from_secs(30),
        count: Some(3),
        ..metric()
    };
    let started = Time::from_secs(100);
    let at = |metric: &CheckedMetric, measurements: &str| {
        let result = Some(result(measurements)).filter(|result| !result.measurements.is_empty());
        due(metric, result.as_ref(), started).map(|at| at.as_millis() / 1000)
    };
    assert_eq!(at(&every_minute, ""), Some(130));
    assert_eq!(at(&every_minute, "S"), Some(60));
    assert_eq!(at(&every_minute, "SE"), Some(20));
    assert_eq!(at(&every_minute, "SES"), Some(80));
    assert_eq!(at(&every_minute, "SESS"), None);
    assert_eq!(at(&metric(), "E"), Some(10));
    assert_eq!(at(&metric(), "S"), None);
    let over = MetricResult { phase: AnalysisPhase::Failed, ..result("S") };
    assert_eq!(due(&every_minute, Some(&over), started), None);
}
