//! Web and Job metrics of a Rollout's gate, and rollouts that they decide.

use timeline::Event;

use crate::World;
use crate::testing;

const ROLLOUT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: canary}
spec:
  replicas: 2
  selector: {matchLabels: {app: c}}
  strategy: {canary: {steps: [{setWeight: 50}, {analysis: {templates: [{templateName: gate}]}}]}}
  template:
    metadata: {labels: {app: c}}
    spec:
      containers:
      - name: server
        image: server:1
        env: [{name: MODEL_VERSION, value: '1'}]
        readinessProbe: {periodSeconds: 1}
";

const UPDATE: &str = "{spec: {template: {spec: {containers: [{name: server, image: 'server:1', env: [{name: MODEL_VERSION, \
                      value: '2'}], readinessProbe: {periodSeconds: 1}}]}}}}";

const WEB: &str = "provider: {web: {url: 'http://quality.evaluation/score', jsonPath: '{$.score}'}}";
const JOB: &str =
    "provider: {job: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a}]}}}}}";

/// A Rollout that is updated after a minute, with a gate of these metrics.
fn world(metrics: &[String], answers: &str) -> World<'static> {
    let metrics: String = metrics.iter().map(|metric| format!("  - {{{metric}}}\n")).collect();
    let template = format!(
        "\napiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {{name: gate}}\nspec:\n  metrics:\n{metrics}"
    );
    let mut world =
        testing::world(&format!("answers: {answers}"), &[("all.yaml", &[ROLLOUT, &template].join("---"))]);
    testing::run_until(&mut world, 60);
    testing::patch(&mut world, "Rollout", "canary", UPDATE);
    world
}

/// What the analysis controller tells of, each with its second since the run began.
fn story(world: &World<'_>) -> Vec<String> {
    let mut begun = None;
    let mut story = Vec::new();
    for entry in &world.entries {
        let text = match &entry.event {
            Event::Measurement(it) => {
                format!("{} {} {} {}{}", it.metric, it.number, it.phase, it.value, it.message)
            }
            Event::AnalysisRun(it) => format!("run {} {}", it.phase, it.message),
            _ => continue,
        };
        let begun = *begun.get_or_insert(entry.at);
        story.push(format!("{:.1} {}", entry.at.since(begun).as_secs_f64(), text.trim_end()));
    }
    story
}

fn metric(name: &str, rest: &str) -> String {
    format!("name: {name}, {rest}")
}

fn jobs(world: &World<'_>) -> usize {
    world.api.of_kind("batch", "Job").count()
}

#[test]
fn a_web_metric_is_measured_in_the_answer_for_the_model_under_test() {
    let gate = [metric("score", &format!("{WEB}, interval: 30s, count: 2, successCondition: result > 0.9"))];
    let answers = "[{url: 'http://quality.*', model: '1', body: {score: 0.97}}, {url: '*', model: '2', body: {score: 0.5}}]";
    let mut world = world(&gate, answers);
    testing::run_until(&mut world, 200);
    assert_eq!(
        story(&world),
        [
            "0.0 score 1 Failed 0.5",
            "0.0 run Failed Metric \"score\" assessed Failed due to failed (1) > failureLimit (0)",
        ]
    );
}

#[test]
fn an_answer_is_given_in_its_time_and_holds_the_whole_pass_up() {
    let gate = [
        metric(
            "slow",
            &format!("{WEB}, interval: 30s, count: 3, failureLimit: 1, successCondition: result > 0.9"),
        ),
        metric(
            "fast",
            "interval: 30s, count: 3, provider: {prometheus: {address: 'http://p.m:9090', query: 'vector(1)'}}",
        ),
    ];
    let answers = "[{url: '*', until: 90s, takes: 4s, body: {score: 0.5}}, {url: '*', body: {score: 0.95}}]";
    let mut world = world(&gate, answers);
    testing::run_until(&mut world, 300);
    assert_eq!(
        story(&world),
        [
            "0.0 slow 1 Failed 0.5",
            "0.0 fast 1 Successful [1]",
            "0.0 run Running",
            "26.0 fast 2 Successful [1]",
            "30.0 slow 2 Successful 0.95",
            "56.0 fast 3 Successful [1]",
            "60.0 slow 3 Successful 0.95",
            "60.0 run Successful",
        ]
    );
}

#[test]
fn a_request_that_takes_too_long_is_an_error_that_is_tried_again() {
    let web = WEB.replace("jsonPath", "timeoutSeconds: 5, jsonPath");
    let gate = [metric("score", &format!("{web}, consecutiveErrorLimit: 1, successCondition: result > 0.9"))];
    let mut world = world(&gate, "[{url: '*', takes: 5s, body: {score: 1}}]");
    testing::run_until(&mut world, 300);
    let timeout = "Get \"http://quality.evaluation/score\": context deadline exceeded (Client.Timeout exceeded while \
                   awaiting headers)";
    assert_eq!(
        story(&world),
        [
            format!("0.0 score 1 Error {timeout}"),
            "0.0 run Running".to_owned(),
            format!("15.0 score 2 Error {timeout}"),
            format!(
                "15.0 run Error Metric \"score\" assessed Error due to consecutiveErrors (2) > consecutiveErrorLimit (1): \
                 \"Error Message: {timeout}\""
            ),
        ]
    );
}

#[test]
fn a_host_is_resolved_in_the_namespace_of_argo_rollouts() {
    let web = WEB.replace("quality.evaluation", "quality");
    let mut world = world(&[metric("score", &web)], "[]");
    testing::run_until(&mut world, 80);
    let first = &story(&world)[0];
    let message = "Get \"http://quality/score\": dial tcp: lookup quality on 10.96.0.10:53: no such host";
    assert_eq!(*first, format!("0.0 score 1 Error {message}"));
}

#[test]
fn a_job_is_looked_at_ever_less_often_and_its_end_decides() {
    for (end, phase) in [("Complete", "Successful"), ("Failed", "Failed")] {
        let gate = [metric("suite", JOB)];
        let mut world = world(&gate, &format!("[{{job: suite, takes: 20s, ends: {end}}}]"));
        testing::run_until(&mut world, 80);
        assert_eq!(jobs(&world), 1);
        let job = world.api.of_kind("batch", "Job").next().unwrap();
        assert!(job.key.name.ends_with(".suite.1"), "{}", job.key.name);
        assert_eq!(job.annotations["analysisrun.argoproj.io/metric-name"], "suite");
        let run = world.api.of_kind("argoproj.io", "AnalysisRun").next().unwrap();
        assert_eq!(job.annotations["analysisrun.argoproj.io/name"], *run.key.name);
        assert_eq!((job.owner, job.labels.len()), (Some(run.id), 1));
        testing::run_until(&mut world, 300);
        let story = story(&world);
        assert_eq!((story.len(), story[0].as_str()), (3, "0.0 run Running"));
        // The end after 20 s is seen at the next look.
        assert!(story[1].ends_with(&format!("suite 1 {phase}")), "{story:?}");
        let seen: f64 = story[1].split(' ').next().unwrap().parse().unwrap();
        assert!((20.0..27.0).contains(&seen), "{story:?}");
    }
}

#[test]
fn a_job_without_time_is_seen_at_once() {
    let mut world = world(&[metric("suite", JOB)], "[{job: suite}]");
    testing::run_until(&mut world, 300);
    assert_eq!(story(&world), ["0.0 run Running", "0.0 suite 1 Successful", "0.0 run Successful"]);
}

#[test]
fn a_run_that_ends_deletes_the_job_that_it_waits_for() {
    let gate = [
        metric("suite", JOB),
        metric("score", &format!("{WEB}, initialDelay: 30s, successCondition: result > 0.9")),
    ];
    let mut world = world(&gate, "[{job: suite, takes: 10m}, {url: '*', body: {score: 0.1}}]");
    testing::run_until(&mut world, 85);
    assert_eq!(jobs(&world), 1);
    testing::run_until(&mut world, 200);
    assert_eq!(jobs(&world), 0);
    assert_eq!(
        story(&world),
        [
            "0.0 run Running",
            "30.0 score 1 Failed 0.1",
            "30.0 suite 1 Inconclusive Metric Terminated",
            "30.0 run Failed Metric \"score\" assessed Failed due to failed (1) > failureLimit (0)",
        ]
    );
}

#[test]
fn jobs_go_with_the_measurements_that_are_not_kept() {
    let gate = [metric("suite", &format!("{JOB}, interval: 10s, count: 14"))];
    let mut world = world(&gate, "[{job: suite}]");
    testing::run_until(&mut world, 400);
    assert!(story(&world).last().unwrap().ends_with("run Successful"));
    assert_eq!(jobs(&world), 10);
}

#[test]
fn a_job_that_was_deleted_by_hand_is_an_error_and_another_one_is_made() {
    let mut world = world(&[metric("suite", JOB)], "[{job: suite, takes: 40s}]");
    testing::run_until(&mut world, 85);
    let job = world.api.of_kind("batch", "Job").next().unwrap();
    let (id, name) = (job.id, job.key.name.to_string());
    testing::delete(&mut world, id);
    testing::run_until(&mut world, 300);
    let story = story(&world);
    assert!(story[1].ends_with(&format!("suite 1 Error job.batch \"{name}\" not found")), "{story:?}");
    assert!(story[2].ends_with("suite 2 Successful"), "{story:?}");
}

#[test]
fn what_nothing_answers_is_refused_with_its_line() {
    for (metric_, answers, said) in [
        (WEB, "[]", "http://quality.evaluation/score is asked, and nothing under `answers` is to it"),
        (WEB, "[{job: '*'}]", "nothing under `answers` is to it"),
        (WEB, "[{url: '*', model: '1'}]", "no answer under `answers` is given at"),
        (WEB, "[{url: '*', until: 30s}]", "with `2` under test"),
        (JOB, "[]", "the Job of the metric `m` runs, and nothing under `answers` is to it"),
        (
            "provider: {job: {spec: {template: {spec: {containers: [{name: a}]}}}}}",
            "[{job: '*'}]",
            "its pods have restartPolicy Always",
        ),
        (
            "provider: {datadog: {query: q}}",
            "[]",
            "not simulated: the metric provider `datadog` of the metric `m`",
        ),
    ] {
        let mut world = world(&[metric("m", metric_)], answers);
        let failure = testing::run_to_failure(&mut world, 300);
        assert!(failure.contains(said), "{failure}");
        assert!(failure.contains("all.yaml:"), "{failure}");
    }
    let mut world = world(&[metric("m", WEB)], "[]");
    let failure = testing::run_to_failure(&mut world, 300);
    assert!(
        failure.contains("script it with `answers:`, such as `- { url: http://quality.evaluation/score,"),
        "{failure}"
    );
}

#[test]
fn answers_that_are_never_given_are_told_with_the_reason() {
    let gate = [metric("score", WEB), metric("suite", JOB)];
    let answers = "[
        {url: 'http://quality.evaluation/score', until: 1h, body: {score: 0.97}},
        {url: 'http://quality.evaluation/scores', body: {}},
        {url: '*/score', model: '2', from: 5m, body: {}},
        {job: suite}, {job: suites}, {job: unlike-any-other}]";
    let mut world = world(&gate, answers);
    testing::run_until(&mut world, 200);
    let told = story(&world).join(", ");
    assert!(told.contains("score 1 Successful") && told.contains("suite 1 Successful"), "{told}");
    assert_eq!(
        world.questions.unused(&world.scenario.answers),
        [
            "the answer to url http://quality.evaluation/scores was never given: no web metric asks it; \
             did you mean `http://quality.evaluation/score`?",
            "the answer to url */score (model 2, from 5m) was never given: whenever it was asked for, an \
             earlier one was given, or its time or model was another",
            "the answer to job suites was never given: no Job of such a metric runs; did you mean `suite`?",
            "the answer to job unlike-any-other was never given: no Job of such a metric runs",
        ]
    );
}

#[test]
fn a_range_query_measures_every_point_of_every_series() {
    let range = "rangeQuery: {start: 'now() - duration(\"20s\")', end: 'now()', step: 10s}";
    let provider = |query: &str| {
        format!("provider: {{prometheus: {{address: 'http://p.m:9090', query: '{query}', {range}}}}}")
    };
    let gate = [metric("m", &format!("{}, successCondition: 'all(result, # < 5)'", provider("vector(2)")))];
    let mut world = world(&gate, "[]");
    testing::run_until(&mut world, 200);
    assert_eq!(story(&world)[0], "0.0 m 1 Successful [2,2,2]");
}
