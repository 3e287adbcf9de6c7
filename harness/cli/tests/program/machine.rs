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
