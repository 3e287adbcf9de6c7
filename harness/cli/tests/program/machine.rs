//! The commands that look after the machine, without one that has docker.

use crate::common::{Room, program, run};

/// The program where nothing is installed and nothing was run.
fn bare(arguments: &[&str]) -> crate::common::Outcome {
    let room = Room::empty();
    let mut command = program(&room.path(""), arguments);
    let home = room.path("home");
    run(command.env("HOME", home).env("PATH", room.path("bin")).env_remove("XDG_STATE_HOME"))
}

#[test]
fn without_docker_there_is_nothing_to_clean_with() {
    let outcome = bare(&["clean"]);
    outcome.refused(4, &[&["`docker` is not on the PATH", "help: install Docker"]]);
}

#[test]
fn only_clusters_of_rehearse_can_be_named() {
    for name in ["kind", "rehearse-", "--", "rehearse-../x"] {
        let outcome = bare(&["clean", "--", name]);
        assert_eq!(outcome.code, 2, "{outcome:#?}");
        assert!(outcome.stderr.contains("is not the name of a cluster of rehearse"), "{outcome:#?}");
    }
}

#[test]
fn a_reaper_of_a_run_that_never_was_has_nothing_to_do() {
    let outcome = bare(&["reap", "state", "host-00000000"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let outcome = bare(&["reap", "state", "../elsewhere"]);
    outcome.refused(4, &[&["`../elsewhere` is not an id of a run"]]);
}

#[test]
fn the_doctor_names_what_is_missing_and_what_mends_it() {
    let outcome = bare(&["doctor"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (4, ""));
    assert!(outcome.stdout.contains("✗ docker"), "{outcome:#?}");
    assert!(outcome.stdout.contains("what mends it:\n  install Docker: https://"), "{outcome:#?}");
    assert!(outcome.stdout.ends_with("not ready for --engine kind\n"), "{outcome:#?}");
    let report = bare(&["doctor", "--format", "json"]).json();
    assert_eq!(report["ready"], false);
    let findings = report["findings"].as_array().unwrap();
    let docker = findings.iter().find(|finding| finding["what"] == "docker").unwrap();
    assert_eq!(docker["health"], "missing");
}

#[test]
fn the_components_are_told_without_a_machine_to_install_them_on() {
    let outcome = bare(&["components", "list"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    for text in ["argo-cd v3.2.6\n", "  image     quay.io/argoproj/argocd:v3.2.6\n", "  manifest  https://"] {
        assert!(outcome.stdout.contains(text), "{outcome:#?}");
    }
    bare(&["components", "load", "nowhere.tar.gz"]).refused(4, &[&["`docker` is not on the PATH"]]);
}
