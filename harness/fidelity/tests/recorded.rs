//! What the real controllers did, as it was recorded: held against the simulator wherever there is no Go.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::fs;

use fidelity::{Answer, Case, differences};
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
    /// When pods are scraped, which the simulator chose and upstream was told.
    scrape_offsets: Vec<Vec<u64>>,
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
    for Recorded { name, scrape_offsets, case, answer } in recorded {
        let ours = case.simulate().unwrap();
        assert_eq!(ours.scrape_offsets, scrape_offsets, "{name}: pods or their scrapes changed; {UPDATE}");
        let answer: Answer = serde_json::from_value(answer).unwrap();
        let found = differences(&ours.account, &answer.account(&case).unwrap());
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

/// Records the first cases of each family.
#[cfg(feature = "oracle")]
fn record() {
    use fidelity::{Family, Oracle};
    let families =
        [(Family::Basic, 16), (Family::Routed, 8), (Family::BlueGreen, 8), (Family::Experiments, 4)];
    let cases = families.into_iter().flat_map(|(family, count)| {
        (1..=count).map(move |seed| (format!("{family:?} {seed}"), family.case(seed)))
    });
    let cases: Vec<(String, Case)> = cases.collect();
    let offsets: Vec<_> = cases.iter().map(|(_, case)| case.simulate().unwrap().scrape_offsets).collect();
    let questions: Vec<Value> =
        cases.iter().zip(&offsets).map(|((_, case), offsets)| case.question(offsets)).collect();
    let answers: Vec<Value> = Oracle::build().ask("timelines", &questions);
    let lines =
        cases.into_iter().zip(offsets).zip(answers).map(|(((name, case), scrape_offsets), answer)| {
            serde_json::to_string(&Recorded { name, scrape_offsets, case, answer }).unwrap() + "\n"
        });
    fs::write(FILE, lines.collect::<String>()).unwrap();
}
