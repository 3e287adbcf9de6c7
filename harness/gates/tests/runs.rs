//! What a gate makes of series: counts, intervals, limits, arguments, and what is told of it.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot unwrap fails")]

mod common;

use common::{against, run};

/// A template with one metric.
fn template(metric: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{ name: gate }}
spec:
  args: [{{ name: bound, value: '5' }}, {{ name: token, valueFrom: {{ secretKeyRef: {{ name: s, key: k }} }} }}]
  metrics:
    - name: m
      provider: {{ prometheus: {{ address: 'http://p.m:9090', query: x }} }}
      {metric}
"
    )
}

/// The same with another provider.
fn of(provider: &str, metric: &str) -> String {
    template(metric).replace("prometheus: { address: 'http://p.m:9090', query: x }", provider)
}

const JOB: &str =
    "job: { spec: { template: { spec: { restartPolicy: Never, containers: [{ name: a }] } } } }";

fn tests(case: &str) -> String {
    format!("{{name: t, templates: [x], args: {{token: t}}, interval: 10s, cases: [{{name: c, {case}}}]}}")
}

#[test]
fn measurements_are_due_and_counted_as_the_controller_does() {
    let template = template(
        "interval: 30s
      count: 4
      failureLimit: 1
      initialDelay: 10s
      successCondition: 'result[0] < {{args.bound}}'",
    );
    let case = "input_series: [{series: x, values: '1x3 9x2 2x20'}], expect: {
        run: Successful, completed: 1m40s,
        metrics: {m: {successful: 3, failed: 1, measurements: [
            {at: 10s, value: 1, phase: Successful}, {at: 40s, value: 9, phase: Failed}, {at: 70s, value: 2}, {at: 100s, value: 2}]}}}";
    assert_eq!(against(&run(&tests(case), &template).unwrap()), [""; 0]);
}

#[test]
fn a_metric_without_a_count_ends_when_it_is_told_to_or_with_the_samples() {
    let template = template("interval: 20s\n      successCondition: result[0] < 5");
    let told = "input_series: [{series: x, values: 1x20}], terminate: 50s, expect: {
        run: Successful, message: Run Terminated, completed: 50s, metrics: {m: {successful: 3, phase: Successful}}}";
    assert_eq!(against(&run(&tests(told), &template).unwrap()), [""; 0]);
    let open = "input_series: [{series: x, values: 1x6}], expect: {run: Running, metrics: {m: {successful: 4, phase: Running}}}";
    assert_eq!(against(&run(&tests(open), &template).unwrap()), [""; 0]);
}

#[test]
fn a_claim_that_does_not_hold_says_what_is() {
    let template = template("successCondition: result[0] < 5");
    let case = "input_series: [{series: 'x{pod=\"a\"}', values: 7}], expect: {
        run: Successful, message: none, completed: 1m,
        metrics: {m: {phase: Successful, failed: 0, measurements: [{at: 1s, value: 7.1, phase: Error, message: x}, {}]}}}";
    let expected = [
        "the run is Successful: the run is Failed",
        "the run's message has `none`: the run's message is `Metric \"m\" assessed Failed due to failed (1) > failureLimit (0)`",
        "the run is over after 1m: the run is over after 0s",
        "metric m is Successful: it is Failed",
        "metric m has 0 measurements that are Failed: there are 1",
        "metric m has 2 measurements: there are 1",
        "measurement 1 of m is taken at 1s and has the value 7.1 and is Error and has `x` in its message: \
         it is taken at 0s, its value is 7, it is Failed, its message is ``",
        "measurement 2 of m: it was not taken",
    ];
    assert_eq!(against(&run(&tests(case), &template).unwrap()), expected);
}

#[test]
fn an_invalid_spec_ends_the_run_in_upstreams_words() {
    let template = template("count: 3");
    let case = "expect: {run: Error, message: 'Analysis spec invalid: metrics[0]: interval must be specified when count > 1'}";
    assert_eq!(against(&run(&tests(case), &template).unwrap()), [""; 0]);
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let template = template("successCondition: result[0] < 5");
    let cases = [
        ("{name: t, templates: [x], case: []}", "unknown key `case`"),
        ("{name: t, templates: [x], cases: []}", "there is no case"),
        ("{name: t, templates: [], cases: [{name: c, expect: {run: Failed}}]}", "no file of templates"),
        (
            "{name: t, templates: [x], gate: gat, args: {token: t}, cases: [{name: c, expect: {run: Failed}}]}",
            "did you mean `gate`?",
        ),
        (
            "{name: t, templates: [x], cases: [{name: c, expect: {run: Failed}}]}",
            "the argument `token` has its value from elsewhere",
        ),
        (
            "{name: t, templates: [x], args: {token: t, x: z}, cases: [{name: c, expect: {run: Failed}}]}",
            "declare no argument `x`",
        ),
        (
            "{name: t, templates: [x], args: {token: t}, cases: [{name: c, expect: {}}]}",
            "nothing is expected",
        ),
        (
            "{name: t, templates: [x], args: {token: t}, cases: [{name: c, expect: {run: Faild}}]}",
            "did you mean `Failed`?",
        ),
        (
            "{name: t, templates: [x], args: {token: t}, cases: [{name: c, expect: {metrics: {n: {failed: 1}}}}]}",
            "the gate has no metric `n`",
        ),
        (
            "{name: t, templates: [x], args: {token: t}, cases: [{name: c, input_series: [{series: x, values: 1y}], expect: {run: Failed}}]}",
            "`values`: `1y` is no sample",
        ),
        (
            "{name: t, templates: [x], args: {token: t}, cases: [{name: c, start: 1m, terminate: 1s, expect: {run: Failed}}]}",
            "told to end before it begins",
        ),
    ];
    for (tests, expected) in cases {
        let problems = run(tests, &template).expect_err(tests);
        let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(expected) && told.contains("tests.yaml"), "{tests}\n{told}");
    }
}

#[test]
fn what_is_not_simulated_is_refused_by_name() {
    let query = |query: &str| {
        template("successCondition: result[0] < 5").replace("query: x", &format!("query: '{query}'"))
    };
    let cases = [
        (query("histogram_count(x)"), "PromQL function `histogram_count`"),
        (of("datadog: { query: x }", "successCondition: x"), "the metric provider `datadog`"),
        (
            of("web: { url: 'http://q.e/s' }", "successCondition: x"),
            "http://q.e/s is asked, and nothing under `answers`",
        ),
        (of(JOB, "successCondition: x"), "the Job of the metric `m` runs, and nothing under `answers`"),
    ];
    for (template, expected) in cases {
        let problems = run(&tests("expect: {run: Failed}"), &template).unwrap_err();
        assert!(problems[0].to_string().contains(expected), "{}", problems[0]);
        assert!(problems[0].to_string().contains("templates.yaml:"), "{}", problems[0]);
    }
}

#[test]
fn a_web_metric_is_answered_by_the_case() {
    let template = of(
        "web: { url: 'http://q.e/s', jsonPath: '{$.score}' }",
        "interval: 30s\n      count: 3\n      failureLimit: 1\n      successCondition: result > 0.9",
    );
    let case = "answers: [{url: '*', until: 20s, body: {score: 0.95}}, {url: 'http://q.e/*', until: 50s, takes: 4s, body: {score: 0.5}},
        {url: '*', status: 500}], expect: {
        run: Running, metrics: {m: {successful: 1, failed: 1, errors: 1, measurements: [
            {at: 0s, value: 0.95, phase: Successful}, {at: 30s, value: 0.5, phase: Failed},
            {at: 64s, phase: Error, message: 'received non 2xx response code: 500'}]}}}, terminate: 70s";
    let against = against(&run(&tests(case), &template).unwrap());
    assert_eq!(against, ["the run is Running: the run is Successful"]);
}

#[test]
fn a_job_ends_as_the_case_says() {
    let template = of(JOB, "count: 1");
    let case = "answers: [{job: m, takes: 20s, ends: Failed}], expect: {
        run: Failed, metrics: {m: {failed: 1, measurements: [{phase: Failed}]}}}";
    let results = run(&tests(case), &template).unwrap();
    assert_eq!(against(&results), [""; 0]);
    // It is looked at ever less often.
    let seen = results[0].measured[0].at.as_secs_f64();
    assert!((20.0..27.0).contains(&seen), "{seen}");
    let told = "answers: [{job: m, takes: 10m}], terminate: 30s, expect: {
        run: Inconclusive, completed: 30s, metrics: {m: {inconclusive: 1, measurements: [{at: 30s, message: Metric Terminated}]}}}";
    assert_eq!(against(&run(&tests(told), &template).unwrap()), [""; 0]);
}

#[test]
fn an_answer_that_is_none_is_told_with_its_line() {
    for (answers, expected) in [
        ("[{url: x, ends: Failed}]", "`ends` goes with `job`"),
        ("[{url: x, model: a}]", "a test of a gate has no model"),
        ("[{url: x, boddy: a}]", "did you mean `body`?"),
        ("[{url: x, body: {a: .nan}}]", "JSON has neither"),
    ] {
        let case = format!("answers: {answers}, expect: {{run: Failed}}");
        let problems = run(&tests(&case), &template("count: 1")).unwrap_err();
        let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(expected) && told.contains("tests.yaml:1:"), "{told}");
    }
}

#[test]
fn answers_that_no_metric_is_given_are_told() {
    let template =
        of("web: { url: 'http://q.e/score', jsonPath: '{$.score}' }", "successCondition: result > 0.9");
    let case = "answers: [{url: 'http://q.e/score', body: {score: 0.95}}, {url: 'http://q.e/skore', body: {}}, {job: m}],
        expect: {run: Successful}";
    let results = run(&tests(case), &template).unwrap();
    assert_eq!(against(&results), [""; 0]);
    assert_eq!(
        results[0].never_exercised,
        [
            "the answer to url http://q.e/skore was never given: no web metric asks it; \
             did you mean `http://q.e/score`?",
            "the answer to job m was never given: no Job of such a metric runs",
        ]
    );
}
