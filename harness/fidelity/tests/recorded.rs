//! What the real controllers did, as it was recorded: held against the simulator wherever there is no Go.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::fs;

use fidelity::{Answer, Case, Choice, differences};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The accounts, one a line.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/recorded.jsonl");

/// Records the real controllers anew.
const UPDATE: &str = "UPDATE_RECORDED=1 cargo test -p fidelity --features oracle --test recorded";

#[derive(Serialize, Deserialize)]
struct Recorded {
    /// The family and the seed.
    name: String,
    /// What the simulator chose for pods and upstream was told.
    pods: Vec<Vec<Choice>>,
    case: Case,
    /// The Go program's answer.
    answer: Value,
}

#[test]
fn the_simulator_does_what_the_real_controllers_did() {
    #[cfg(feature = "oracle")]
    if std::env::var_os("UPDATE_RECORDED").is_some() {
        record();
    }
    let text = fs::read_to_string(FILE).unwrap();
    let recorded: Vec<Recorded> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(recorded.len() >= 20, "only {} accounts are there", recorded.len());
    for Recorded { name, pods, case, answer } in recorded {
        let ours = case.simulate().unwrap();
        assert_eq!(ours.pods, pods, "{name}: pods or their scrapes changed; {UPDATE}");
        let answer: Answer = serde_json::from_value(answer).unwrap();
        let found = differences(&ours.account, &answer.account(&case).unwrap());
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

/// The cases in this folder in which the sides agree, by the names of their files; without those in which both refuse
/// an undo, which end no run.
#[cfg(feature = "oracle")]
fn kept() -> Vec<(String, Case)> {
    let folder = std::path::Path::new(FILE).parent().unwrap();
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|file| file.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    let read = |file: std::path::PathBuf| {
        let kept: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let agrees = kept["differs_in"].as_array().unwrap().is_empty();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        agrees.then(|| (name, serde_json::from_value(kept["case"].clone()).unwrap()))
    };
    files.into_iter().filter_map(read).filter(|(_, case): &(_, Case)| case.simulate().is_ok()).collect()
}

/// Records the first cases of each family, and the kept ones that differ in nothing.
#[cfg(feature = "oracle")]
fn record() {
    use fidelity::{Family, Oracle};
    let families =
        [(Family::Basic, 16), (Family::Routed, 8), (Family::BlueGreen, 8), (Family::Experiments, 4)];
    let cases = families.into_iter().flat_map(|(family, count)| {
        (1..=count).map(move |seed| (format!("{family:?} {seed}"), family.case(seed)))
    });
    let cases: Vec<(String, Case)> = cases.chain(kept()).collect();
    let pods: Vec<_> = cases.iter().map(|(_, case)| case.simulate().unwrap().pods).collect();
    let questions: Vec<Value> =
        cases.iter().zip(&pods).map(|((_, case), pods)| case.question(pods)).collect();
    let answers: Vec<Value> = Oracle::build().ask("timelines", &questions);
    let lines = cases.into_iter().zip(pods).zip(answers).map(|(((name, case), pods), answer)| {
        serde_json::to_string(&Recorded { name, pods, case, answer }).unwrap() + "\n"
    });
    fs::write(FILE, lines.collect::<String>()).unwrap();
}
