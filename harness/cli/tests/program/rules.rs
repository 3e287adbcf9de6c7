//! `rehearse rules test`.

use crate::common::{Room, rehearse, root};

const FILES: &str = "harness/rules/tests/files";

#[test]
fn the_verdict_decides_the_exit_code() {
    let passing = format!("{FILES}/passing/small.yaml");
    let failing = format!("{FILES}/failing/wrong_value.yaml");
    assert_eq!(rehearse(&["rules", "test", &passing]).code, 0);
    let outcome = rehearse(&["rules", "test", &passing, &failing]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (1, ""), "{outcome:#?}");
    for line in [
        "at 1m another result of copied",
        "expected  copied 3",
        "found     copied 2",
        "--> harness/rules/tests/files/failing/wrong_value.yaml:5:9",
        "2 files: 1 passed",
    ] {
        assert!(outcome.stdout.contains(line), "`{line}` is missing:\n{}", outcome.stdout);
    }
}

#[test]
fn json_tells_every_test_and_failure() {
    let failing = format!("{FILES}/failing/unexpected_alert.yaml");
    let outcome = rehearse(&["rules", "test", &failing, "--format", "json"]);
    let result = &outcome.json()["results"][0];
    assert_eq!((outcome.code, result["verdict"].as_str()), (1, Some("failed")));
    let failure = &result["tests"][0]["failures"][0];
    assert_eq!(failure["at"], 60.0);
    assert_eq!(failure["found"][0]["labels"]["alertname"], "Flapping");
    assert_eq!(failure["expected"].as_array().map(Vec::len), Some(0));
}

#[test]
fn rules_are_found_by_patterns_and_in_manifests() {
    let manifest = format!("{FILES}/manifests/test.yaml");
    assert_eq!(rehearse(&["rules", "test", &manifest]).code, 0);
    let room = Room::empty();
    room.write("rules/a/x.yaml", "groups: [{name: g, rules: [{record: x, expr: '1'}]}]");
    room.write("rules/b/x.yaml", "groups: [{name: g, rules: [{record: y, expr: x + 1}]}]");
    let test = "{ expr: y, exp_samples: [{ labels: y, value: 2 }] }";
    room.write(
        "tests/t.yaml",
        format!("rule_files: [../rules/*/x.yaml, none*]\ntests: [{{ promql_expr_test: [{test}] }}]"),
    );
    let outcome = room.rehearse(&["rules", "test", "tests/t.yaml"]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stdout.contains("no rule file matches `none*`"), "{}", outcome.stdout);
}

#[test]
fn what_is_invalid_is_told_with_its_place_and_the_others_still_run() {
    let room = Room::empty();
    room.write("rules.yaml", "groups:\n- name: g\n  rules:\n  - { alert: A, expr: histogram_count(x) }\n");
    room.write("bad.yaml", "rule_files: [rules.yaml]\ntests: [{}]");
    room.write("typo.yaml", "test: []");
    room.write("good.yaml", "tests: [{ promql_expr_test: [{ expr: '1', exp_samples: [{ value: 1 }] }] }]");
    let outcome = room.rehearse(&["rules", "test", "bad.yaml", "typo.yaml", "good.yaml", "missing.yaml"]);
    assert_eq!(outcome.code, 2, "{outcome:#?}");
    for text in [
        "not simulated: PromQL function `histogram_count`",
        "--> rules.yaml:4:23",
        "unknown key `test` in a file of unit tests",
        "did you mean `tests`?",
        "the file of unit tests `missing.yaml` cannot be read",
    ] {
        assert!(outcome.stderr.contains(text), "`{text}` is missing:\n{}", outcome.stderr);
    }
    assert!(outcome.stdout.contains("4 files: 1 passed"), "{}", outcome.stdout);
    assert!(root().join(FILES).is_dir());
}
