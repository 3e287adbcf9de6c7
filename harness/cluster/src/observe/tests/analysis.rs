use timeline::{AnalysisPhase, Measurement};

use super::*;

/// An AnalysisRun of the Rollout's step 1, with results of its metric.
fn run(phase: &str, result: &Value) -> Value {
    json!({
        "kind": "AnalysisRun",
        "metadata": {
            "name": "web-b-2-1", "namespace": "ai", "labels": {"step-index": "1"},
            "ownerReferences": [{"kind": "Rollout", "name": "web"}],
        },
        "spec": {"metrics": [{"name": "latency", "successCondition": "result[0] < 0.5"}]},
        "status": {"phase": phase, "message": "", "metricResults": [result]},
    })
}

fn measurement(phase: &str, value: &str) -> Value {
    json!({"phase": phase, "value": value, "startedAt": "t", "finishedAt": "t"})
}

fn measurements(events: &[Event]) -> Vec<&Measurement> {
    let of = events.iter().filter_map(|event| {
        if let Event::Measurement(measurement) = event { Some(measurement) } else { None }
    });
    of.collect()
}

#[test]
fn a_finished_measurement_is_told_once() {
    let mut scene = Scene::default();
    let under_way = json!({"name": "latency", "measurements": [{"phase": "Running", "startedAt": "t"}]});
    assert!(measurements(&scene.sees(&run("Running", &under_way))).is_empty());
    let first =
        json!({"name": "latency", "successful": 1, "measurements": [measurement("Successful", "[0.2]")]});
    let told = scene.sees(&run("Running", &first));
    let [measured] = measurements(&told)[..] else { panic!("one measurement, not {told:?}") };
    assert_eq!((measured.number, measured.step, measured.metric.as_str()), (1, Some(1), "latency"));
    assert_eq!((measured.phase, measured.value.as_str()), (AnalysisPhase::Successful, "[0.2]"));
    assert_eq!((measured.rollout.as_str(), measured.condition.as_str()), ("web", "result[0] < 0.5"));
    assert_eq!(scene.sees(&run("Running", &first)), []);
    let second = json!({
        "name": "latency", "successful": 1, "failed": 1,
        "measurements": [measurement("Successful", "[0.2]"), measurement("Failed", "[0.9]")],
    });
    let told = scene.sees(&run("Failed", &second));
    let [measured] = measurements(&told)[..] else { panic!("one measurement, not {told:?}") };
    assert_eq!((measured.number, measured.phase), (2, AnalysisPhase::Failed));
    assert!(matches!(told.last(), Some(Event::AnalysisRun(status)) if status.phase == AnalysisPhase::Failed));
}

#[test]
fn several_new_measurements_are_told_in_their_order() {
    let result = json!({
        "name": "latency", "successful": 1, "error": 1, "inconclusive": 1,
        "measurements": [
            measurement("Successful", "[0.2]"), measurement("Error", ""), measurement("Inconclusive", "[]"),
            {"phase": "Running", "startedAt": "t"},
        ],
    });
    let told = Scene::default().sees(&run("Running", &result));
    let order: Vec<_> = measurements(&told).iter().map(|it| (it.number, it.phase)).collect();
    use AnalysisPhase::{Error, Inconclusive, Successful};
    assert_eq!(order, [(1, Successful), (2, Error), (3, Inconclusive)]);
}

/// The controller keeps the last ten of a metric (argo-rollouts analysis/controller.go).
#[test]
fn measurements_are_numbered_by_the_count_where_old_ones_are_dropped() {
    let mut scene = Scene::default();
    let kept = |taken: usize| {
        let values: Vec<Value> =
            (1..=taken).map(|number| measurement("Successful", &format!("[{number}]"))).collect();
        json!({"name": "latency", "successful": taken, "measurements": values[taken.saturating_sub(10)..]})
    };
    scene.sees(&run("Running", &kept(10)));
    let told = scene.sees(&run("Running", &kept(12)));
    let new: Vec<_> = measurements(&told).iter().map(|it| (it.number, it.value.as_str())).collect();
    assert_eq!(new, [(11, "[11]"), (12, "[12]")]);
}

#[test]
fn a_condition_of_failure_is_told_where_there_is_none_of_success() {
    let mut object = run(
        "Running",
        &json!({"name": "latency", "failed": 1, "measurements": [measurement("Failed", "[1]")]}),
    );
    object["spec"]["metrics"][0] =
        json!({"name": "latency", "successCondition": "", "failureCondition": "result[0] > 1"});
    let told = Scene::default().sees(&object);
    assert_eq!(measurements(&told)[0].condition, "result[0] > 1");
}

#[test]
fn a_run_s_phase_is_told_when_it_changes() {
    let mut scene = Scene::default();
    let none = json!({"name": "latency"});
    let phase = |events: Vec<Event>| {
        let of = |event| if let Event::AnalysisRun(status) = event { Some(status.phase) } else { None };
        events.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(phase(scene.sees(&run("Pending", &none))), [AnalysisPhase::Pending]);
    assert_eq!(phase(scene.sees(&run("Running", &none))), [AnalysisPhase::Running]);
    assert_eq!(phase(scene.sees(&run("Running", &none))), []);
    assert_eq!(scene.loses(&run("Failed", &none)), []);
    let mut foreign = run("Running", &none);
    foreign["metadata"]["ownerReferences"] = json!([]);
    assert_eq!(scene.sees(&foreign), [], "a run of an Experiment is not looked at");
}
