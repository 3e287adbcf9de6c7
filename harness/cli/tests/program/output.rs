//! What stands on the terminal, and what does not.

use std::process::Stdio;

use crate::common::{Room, program, rehearse, root, run};

#[test]
fn the_help_says_what_there_is() {
    for command in [
        "",
        "run",
        "judge",
        "clean",
        "doctor",
        "components",
        "rules test",
        "gate test",
        "schema",
        "completions",
    ] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let outcome = rehearse(&arguments);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        insta::assert_snapshot!(format!("help {command}").trim(), outcome.stdout);
    }
}

#[test]
fn the_version_is_the_packages() {
    let outcome = rehearse(&["--version"]);
    assert_eq!(outcome.stdout, format!("rehearse {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_schema_is_the_committed_one_to_the_byte() {
    let committed = std::fs::read_to_string(root().join("scenarios/schema.json")).unwrap();
    assert_eq!(rehearse(&["schema"]).stdout, committed);
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let outcome = rehearse(&["completions", shell]);
        assert_eq!(outcome.code, 0);
        for word in ["run", "judge", "schema", "completions", "kustomize", "arrivals"] {
            assert!(outcome.stdout.contains(word), "{shell} does not complete {word}");
        }
    }
}

/// The story itself is held by the tests of `reports`, and by the one in README.md.
#[test]
fn one_scenario_is_told_from_its_name_to_its_verdict() {
    let outcome = Room::new().run_calm(&[]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let mut rest = outcome.stdout.as_str();
    for part in ["calm\n", "engine sim, seed 1", "\nwhat happened\n", "\nexpectations\n  ✓ application"] {
        let (_, after) = rest.split_once(part).unwrap_or_else(|| panic!("`{part}`: {}", outcome.stdout));
        rest = after;
    }
    assert!(rest.ends_with("\nPASSED  1 expectation passed\n"), "{rest}");
}

#[test]
fn several_scenarios_have_a_line_each() {
    let room = Room::new();
    let calm = room.read("calm.yaml");
    room.write("failed.yaml", calm.replace("name: calm", "name: failed").replace("becomes: S", "never: S"));
    room.append("calm.yaml", "matrix: { rate: [1/s, 2/s] }\ntraffic: { rate: \"${rate}\" }\n");
    let outcome = room.rehearse(&["run", "calm.yaml", "failed.yaml"]);
    let lines: Vec<&str> = outcome.stdout.lines().rev().take(5).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    // How long it takes to settle is the simulator's affair.
    insta::with_settings!({ filters => [(r" in \d\S*", " in [time]")] }, {
        insta::assert_snapshot!(lines.join("\n"));
    });
    let stories = outcome.stdout.matches("what happened").count();
    assert_eq!(stories, 1, "the one that failed is told whole");
}

#[test]
fn many_seeds_are_told_as_one() {
    let outcome = Room::new().run_calm(&["--seeds", "30", "--jobs", "2"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "no bar where there is no terminal");
    assert!(outcome.stdout.starts_with("calm, 30 seeds\n"), "{}", outcome.stdout);
    assert!(outcome.stdout.ends_with("PASSED over 30 seeds\n"), "{}", outcome.stdout);
}

#[test]
fn a_claim_about_shares_of_seeds_is_put_to_many() {
    let room = Room::new();
    room.replace("calm.yaml", "of: start }", "of: start, in: \">= 95% of seeds\" }");
    let outcome = room.run_calm(&[]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stdout.starts_with("calm, 200 seeds\n"), "{}", outcome.stdout);
    // One seed alone proves nothing about them.
    assert_eq!(room.run_calm(&["--seeds", "1"]).code, 3);
}

#[test]
fn no_line_is_wider_than_100_columns() {
    let outcome = rehearse(&["run", "scenarios/canary/bad-model.yaml", "--verbose"]);
    assert!(outcome.stdout.lines().count() > 50, "{outcome:#?}");
    for line in outcome.stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let room = Room::new();
    assert!(!room.run_calm(&[]).stdout.contains('\u{1b}'));
    assert!(!room.run_calm(&["--color", "never"]).stdout.contains('\u{1b}'));
    let coloured = ["run", "calm.yaml", "--color", "always"];
    let outcome = run(program(&room.path(""), &coloured).env("NO_COLOR", "1"));
    assert!(outcome.stdout.contains('\u{1b}'), "a flag of the command wins over the surroundings");
}

#[test]
fn a_reader_that_goes_away_changes_neither_the_verdict_nor_the_peace() {
    let room = Room::new();
    room.replace("calm.yaml", "becomes: Synced", "never: Synced");
    for (arguments, code) in [(vec!["run", "calm.yaml"], 1), (vec!["schema"], 0), (vec!["--help"], 0)] {
        let mut child = program(&room.path(""), &arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}
