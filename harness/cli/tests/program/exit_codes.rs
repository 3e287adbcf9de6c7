use crate::common::{Outcome, Room, rehearse, root};

/// `calm.yaml` with another claim.
fn claiming(claim: &str) -> Outcome {
    let room = Room::new();
    room.replace("calm.yaml", "becomes: Synced, of: start", claim);
    room.run_calm(&[])
}

#[test]
fn the_exit_code_is_the_verdict() {
    assert_eq!(claiming("becomes: Synced, of: start").code, 0);
    assert_eq!(claiming("never: Synced, of: start").code, 1);
    assert_eq!(claiming("becomes: Synced, of: revert").code, 2, "there is no revert");
    assert_eq!(claiming("becomes: Synced, of: { rollout: model-serving, is: aborted }").code, 3);
}

/// One that failed decides over one without an answer, and that over one that passed.
#[test]
fn of_several_scenarios_the_worst_verdict_counts() {
    let room = Room::new();
    let calm = room.read("calm.yaml");
    room.write("failed.yaml", calm.replace("becomes: Synced", "never: Synced"));
    let unanswered = calm.replace("of: start", "of: { rollout: model-serving, is: aborted }");
    room.write("open.yaml", unanswered);
    assert_eq!(room.rehearse(&["run", "calm.yaml", "open.yaml"]).code, 3);
    assert_eq!(room.rehearse(&["run", "failed.yaml", "open.yaml", "calm.yaml"]).code, 1);
    assert_eq!(room.rehearse(&["run", "calm.yaml", "calm.yaml"]).code, 0);
}

#[test]
fn arguments_that_make_no_sense_are_told_with_exit_code_2() {
    let cases: [(&[&str], &str); 11] = [
        (&[], "Usage: rehearse <COMMAND>"),
        (&["schem"], "a similar subcommand exists: 'schema'"),
        (&["run"], "<PATH>..."),
        (&["run", "x.yaml", "--sed", "1"], "a similar argument exists: '--seed'"),
        (&["run", "x.yaml", "--seed", "-1"], "'-1'"),
        (&["run", "x.yaml", "--seeds", "0"], "0 is not in 1..=100000"),
        (&["run", "x.yaml", "--seeds", "100001"], "100001 is not in 1..=100000"),
        (&["run", "x.yaml", "--jobs", "0"], "0 is not in 1..=1024"),
        (&["run", "x.yaml", "--engine", "docker"], "[possible values: sim, kind, live]"),
        (&["judge", "x.yaml"], "<TIMELINE>"),
        (&["completions", "tcsh"], "[possible values: bash"),
    ];
    for (arguments, needle) in cases {
        let outcome = rehearse(arguments);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""), "{arguments:?}: {outcome:#?}");
        assert!(outcome.stderr.contains(needle), "{arguments:?}: {}", outcome.stderr);
    }
}

#[test]
fn an_engine_that_does_not_exist_yet_is_a_missing_environment() {
    let needle = "this version has no engine `live`";
    Room::new().run_calm(&["--engine", "live"]).refused(4, &[&[needle]]);
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure_of_the_environment() {
    let room = Room::new();
    room.write("taken", "a file");
    room.run_calm(&["--report", "taken"]).refused(4, &[&["the report `taken` cannot be written"]]);
}

/// Before anything is made, with docker or without.
#[test]
fn an_alert_that_nothing_defines_is_refused_by_the_engine_kind_at_its_place() {
    let scenario = std::fs::read_to_string(root().join("scenarios/canary/bad-window-between-gates.yaml"));
    let scenario = scenario.unwrap().replace("InferenceErrorRateHigh", "InferenceErrorsHigh");
    let room = Room::new();
    room.write("scenario.yaml", scenario.replace("../../fixtures/ai-deployments", "repository"));
    for arguments in [&["run", "scenario.yaml", "--engine", "kind"][..], &["compare", "scenario.yaml"]] {
        let expected =
            &["no rule in the repository defines the alert `InferenceErrorsHigh`", "scenario.yaml:"];
        room.rehearse(arguments).refused(2, &[expected]);
    }
}

#[test]
fn an_alert_that_looks_at_no_series_is_no_evidence() {
    let room = Room::new();
    room.append("calm.yaml", "  - { alert: ModelServerUnreachable, never: firing, of: start }\n");
    assert_eq!(room.run_calm(&[]).code, 0);
    room.replace("repository/base/monitoring/alerts.yaml", "up{service=", "ups{service=");
    let outcome = room.run_calm(&["--color", "never"]);
    assert_eq!(outcome.code, 3, "{outcome:#?}");
    let words = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "it was inactive, but its rule never had a series to look at: nothing was exercised",
        "- alert ModelServerUnreachable of ai-inference/model-serving: its rule never had a series to look at",
    ] {
        assert!(words.contains(text), "`{text}` is missing:\n{}", outcome.stdout);
    }
}
