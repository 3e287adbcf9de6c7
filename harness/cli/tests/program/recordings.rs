//! Recordings: judged again, and the same whoever makes them.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::common::{Room, program, rehearse, root, run};

/// The digests of the timelines of all shipped scenarios with seed 1, as `sha256sum` writes them.
const DIGESTS: &str = "fixtures/recordings/timelines.sha256";

/// Writes them anew, after a change that is meant to change timelines.
const UPDATE: &str = "UPDATE_TIMELINES=1 cargo test -p rehearse --test program recorded_timeline";

/// The shipped scenarios with seed 1, recorded in a folder by so many threads.
fn record(room: &Room, jobs: &str) -> String {
    let folder = room.path(jobs);
    let arguments =
        ["run", "scenarios", "--seeds", "1", "--kustomize", "builtin", "--jobs", jobs, "--report"];
    let outcome = run(program(&root(), &arguments).arg(&folder));
    assert_ne!(outcome.stdout, "", "{}", outcome.stderr);
    let timelines = room.files(jobs).into_iter().filter(|file| file.ends_with("timeline.jsonl"));
    timelines.fold(String::new(), |mut digests, file| {
        let digest = Sha256::digest(fs::read(folder.join(&file)).unwrap());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(digests, "{hex}  {}", file.trim_start_matches("sim/"));
        digests
    })
}

/// However many threads there are, and whatever the build: `.ci/timelines` holds a release build to the
/// same digests.
#[test]
fn every_shipped_scenario_has_the_recorded_timeline() {
    let room = Room::empty();
    let one = record(&room, "1");
    for jobs in ["2", "8"] {
        assert_eq!(record(&room, jobs), one, "with --jobs {jobs}");
    }
    if std::env::var_os("UPDATE_TIMELINES").is_some() {
        fs::write(root().join(DIGESTS), &one).unwrap();
    }
    let recorded = fs::read_to_string(root().join(DIGESTS)).unwrap_or_default();
    let new: Vec<&str> = one.lines().filter(|line| !recorded.contains(line)).collect();
    assert!(one == recorded, "timelines differ from {DIGESTS}; if this was meant, run {UPDATE}\n{new:#?}");
}

fn recorded(room: &Room) -> PathBuf {
    assert_eq!(room.run_calm(&["--report", "out"]).code, 0);
    room.path("out/sim/calm/timeline.jsonl")
}

#[test]
fn a_recording_is_judged_as_its_run_was() {
    let room = Room::empty();
    let out = room.path("out");
    for scenario in ["scenarios/canary/bad-model.yaml", "scenarios/gitops/manual-change-is-reverted.yaml"] {
        let run = run(program(&root(), &["run", scenario, "--format", "json", "--report"]).arg(&out)).json();
        let name = run["results"][0]["scenario"].as_str().unwrap();
        let timeline = out.join("sim").join(name).join("timeline.jsonl");
        let judged = rehearse(&["judge", scenario, timeline.to_str().unwrap(), "--format", "json"]).json();
        let [mut run, judged] = [run, judged].map(|report| report["results"][0].clone());
        run["wall_seconds"] = Value::from(0.0);
        assert_eq!(run, judged);
    }
}

#[test]
fn the_exit_code_of_judge_is_the_verdict() {
    let room = Room::new();
    recorded(&room);
    let judge = || room.rehearse(&["judge", "calm.yaml", "out/sim/calm/timeline.jsonl"]);
    assert_eq!(judge().code, 0);
    room.replace("calm.yaml", "becomes: Synced", "never: Synced");
    assert_eq!(judge().code, 1);
    room.replace("calm.yaml", "of: start", "of: { rollout: model-serving, is: aborted }");
    assert_eq!(judge().code, 3);
}

#[test]
fn what_is_no_whole_recording_is_refused() {
    let room = Room::new();
    let timeline = fs::read_to_string(recorded(&room)).unwrap();
    let judged = |bytes: &[u8], needles: &[&str]| {
        room.write("bad.jsonl", bytes);
        room.rehearse(&["judge", "calm.yaml", "bad.jsonl"])
            .refused(2, &[&[&["`bad.jsonl`"], needles].concat()]);
    };
    let lines: Vec<&str> = timeline.lines().collect();
    judged(b"", &["does not begin with a `run_started` entry"]);
    judged(b"\xff", &["utf-8"]);
    judged(b"{}", &["line 1 is not an entry"]);
    judged(&timeline.as_bytes()[..timeline.len() / 2], &["is not an entry"]);
    judged(lines[..lines.len() - 1].join("\n").as_bytes(), &["cut short"]);
    judged(lines[1..].join("\n").as_bytes(), &["does not begin with"]);
    let newer = timeline.replacen("\"format\":1", "\"format\":99", 1);
    judged(newer.as_bytes(), &["format 99"]);
    let other = timeline.replacen("\"scenario\":\"calm\"", "\"scenario\":\"storm\"", 1);
    judged(other.as_bytes(), &["is of the scenario `storm`, not of `calm`"]);
    judged(["[".repeat(100_000)].concat().as_bytes(), &["line 1 is not an entry"]);
}

#[test]
fn of_a_scenario_with_cases_one_is_chosen() {
    let room = Room::new();
    recorded(&room);
    let judge = |case: &[&str]| {
        room.rehearse(&[&["judge", "calm.yaml", "out/sim/calm/timeline.jsonl"], case].concat())
    };
    judge(&["--case", "x"]).refused(2, &[&["`calm.yaml` has no matrix, and so no case `x`"]]);
    room.append("calm.yaml", "matrix: { rate: [1/s, 2/s] }\ntraffic: { rate: \"${rate}\" }\n");
    judge(&[]).refused(2, &[&["choose one with --case: `rate=1/s`, `rate=2/s`"]]);
    judge(&["--case", "rate=3/s"]).refused(2, &[&["has no case `rate=3/s`; it has `rate=1/s`, `rate=2/s`"]]);
    assert_eq!(judge(&["--case", "rate=2/s"]).code, 0);
}
