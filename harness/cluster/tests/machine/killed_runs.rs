//! Nothing is left of a run, however it ends.

use std::process::Command;

use crate::trial::{Trial, state};
use cluster::host::{Journal, Made, State};
use rustix::process::{Signal, getpgid, getsid, kill_process};

/// Waits until the run is about to start its program, as its journal says.
fn wait_for_program(state: &State, trial: &Trial) -> Vec<String> {
    loop {
        let made = Journal::peek(state, &trial.run).unwrap().into_iter().next();
        if let Some(Made::Program { arguments }) = made {
            return arguments;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_run_leaves_no_program_and_no_folder() {
    let (room, state) = state("host");
    let mut trial = Trial::start("program", room.path());
    let arguments = wait_for_program(&state, &trial);
    assert!(arguments.iter().any(|it| it == trial.run.as_str()), "{arguments:?}");
    assert_eq!(state.runs().unwrap(), [trial.run.clone()]);
    trial.kill();
    trial.wait_for_all();
    assert_eq!(state.runs().unwrap(), []);
}

#[test]
fn what_ends_a_run_does_not_end_its_reaper() {
    let (room, state) = state("host");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut trial = Trial::start("program", room.path());
        wait_for_program(&state, &trial);
        // The run's own session may be led from outside a container, where it has no number.
        let reaper = trial.reaper;
        assert_eq!(getsid(Some(reaper)).unwrap(), reaper, "leads a session of its own");
        assert_eq!(getpgid(Some(reaper)).unwrap(), reaper);
        kill_process(reaper, signal).unwrap();
        trial.kill();
        trial.wait_for_all();
        assert_eq!(state.runs().unwrap(), [], "{signal:?}");
    }
}

#[test]
fn a_run_that_ends_in_order_leaves_its_reaper_nothing() {
    let (room, state) = state("host");
    let mut trial = Trial::start("orderly", room.path());
    assert!(trial.child.wait().unwrap().success());
    trial.wait_for_all();
    assert_eq!(state.runs().unwrap(), []);
    assert_eq!(trial.line(), "");
}

#[test]
fn a_reaper_of_a_run_that_is_gone_has_nothing_to_do() {
    let (room, _state) = state("host");
    let mut command = Command::new(env!("CARGO_BIN_EXE_trial"));
    assert!(command.arg("reap").arg(room.path()).arg("host-00000000").status().unwrap().success());
}
