//! The files of unit tests in `tests/files` pass or fail as their folder says.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot unwrap fails")]

mod common;

use rules::unit_test::{Found, Wrong};

#[test]
fn files_have_the_verdict_of_their_folder() {
    for (folder, expected) in [("passing", true), ("failing", false)] {
        let files = common::files(folder);
        assert!(files.len() > 2, "{folder}");
        for file in files {
            let results = common::run(&file).unwrap_or_else(|problems| panic!("{problems:?}"));
            let failures: Vec<_> = results.iter().flat_map(|result| &result.failures).collect();
            assert_eq!(failures.is_empty(), expected, "{}: {failures:#?}", file.display());
        }
    }
}

#[test]
fn rules_are_also_read_from_manifests() {
    let file = common::files("manifests").into_iter().find(|file| file.ends_with("test.yaml")).unwrap();
    assert!(common::passes(&file));
}

#[test]
fn a_failure_tells_what_was_expected_and_what_was_found() {
    let file = |name: &str| common::files("failing").into_iter().find(|file| file.ends_with(name)).unwrap();
    let results = common::run(&file("wrong_value.yaml")).unwrap();
    let failure = &results[0].failures[0];
    assert!(failure.place.to_string().ends_with("wrong_value.yaml:5:9"), "{}", failure.place);
    let Wrong::Query { expected, found: Found::Samples(found), .. } = &failure.wrong else {
        panic!("{failure:?}")
    };
    assert_eq!((expected[0].value, found[0].value), (3.0, 2.0));

    let results = common::run(&file("same_series.yaml")).unwrap();
    let Wrong::Rule { name, why } = &results[0].failures[0].wrong else { panic!("{results:?}") };
    assert_eq!(
        (name.as_str(), why.to_string().as_str()),
        ("copied", "copied: duplicate sample for timestamp")
    );
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    let rules = |text: &str| {
        let documents = yaml::parse("rules.yaml", text.as_bytes()).unwrap();
        rules::read_rules(&documents)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let cases = [
        ("groups: [{name: g, rules: [{alert: A, expr: 'sum('}]}]", "`(` is not closed"),
        (
            "groups: [{name: g, rules: [{alert: A, expr: histogram_count(x)}]}]",
            "not simulated: PromQL function",
        ),
        ("groups: [{name: g, rules: [{alert: A, exp: up}]}]", "did you mean `expr`?"),
        ("groups: [{name: g, rules: [{expr: up}]}]", "one of `record` or `alert` must be set"),
        ("groups: [{name: g, rules: [{record: a, alert: a, expr: up}]}]", "only one of"),
        ("groups: [{name: g, rules: [{record: a, expr: up, for: 1m}]}]", "a recording rule has no `for`"),
        ("groups: [{name: g, rules: [{record: 'a{b=\"c\"}', expr: up}]}]", "braces in the name"),
        ("groups: [{name: g, rules: [{alert: A, expr: up, for: 5}]}]", "not a valid duration string: \"5\""),
        ("groups: [{name: g}, {name: g}]", "repeated in the same file"),
        ("groups: [{rules: []}]", "must not be empty"),
        (
            "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {s: '{{ $x }}'}}]}]",
            "the template of the annotation `s`: undefined variable \"$x\"",
        ),
        (
            "groups: [{name: g, rules: [{alert: A, expr: up, labels: {s: '{{ toTime 1 }}'}}]}]",
            "not simulated: the template function `toTime`",
        ),
        ("groups: []\n---\ngroups: []", "several documents"),
        ("{apiVersion: v1, kind: Service}", "no document of this file is a PrometheusRule"),
    ];
    for (text, expected) in cases {
        let told = rules(text);
        assert!(told.contains(expected) && told.contains("rules.yaml:"), "{text}\n{told}");
    }
}
