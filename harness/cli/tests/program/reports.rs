//! `--format json` and `--report`: what other programs rely on.

use serde_json::Value;

use crate::common::{CALM, Room, rehearse};

/// Every key of a report and its type: `[]` stands for each entry of a list, which must have one where
/// the scenario gives it reason to, and `*` for each value of an object. Keys are added, never changed.
const CONTRACT: &str = "
    rehearse                              string
    results                               array
    results/[]/scenario                   string
    results/[]/case                       string
    results/[]/file                       string
    results/[]/engine                     string
    results/[]/seed                       number
    results/[]/speed                      number
    results/[]/verdict                    passed|failed|inconclusive
    results/[]/reason                     string
    results/[]/expectations/[]/text       string
    results/[]/expectations/[]/verdict    passed|failed|inconclusive
    results/[]/expectations/[]/at         number|null
    results/[]/expectations/[]/evidence/[]  number
    results/[]/expectations/[]/message    string
    results/[]/rollouts/*/phase           string
    results/[]/rollouts/*/aborted         boolean
    results/[]/rollouts/*/stable          string|null
    results/[]/rollouts/*/message         string
    results/[]/rollouts/*/revision        number|null
    results/[]/applications/*/sync        string
    results/[]/applications/*/health      string
    results/[]/applications/*/revision    string
    results/[]/requests/total             number
    results/[]/requests/failed            number
    results/[]/requests/slow              number
    results/[]/virtual_seconds            number
    results/[]/wall_seconds               number
    results/[]/not_simulated/[]           string
    results/[]/never_exercised            array
";

/// The values at a path, at least one.
fn at<'v>(value: &'v Value, path: &[&str]) -> Vec<&'v Value> {
    let Some((first, rest)) = path.split_first() else { return vec![value] };
    let below: Vec<&Value> = match (*first, value) {
        ("[]", Value::Array(items)) => items.iter().collect(),
        ("*", Value::Object(map)) => map.values().collect(),
        (key, Value::Object(map)) => map.get(key).into_iter().collect(),
        _ => Vec::new(),
    };
    below.into_iter().flat_map(|below| at(below, rest)).collect()
}

fn is(value: &Value, kind: &str) -> bool {
    match value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Number(_) => kind == "number",
        Value::String(text) => kind == "string" || kind == text,
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind == "object",
    }
}

fn keeps_the_contract(report: &Value) {
    for line in CONTRACT.lines().filter(|line| !line.trim().is_empty()) {
        let (path, kinds) = line.trim().split_once(' ').unwrap();
        let found = at(report, &path.split('/').collect::<Vec<_>>());
        assert!(!found.is_empty(), "{path} is missing");
        for value in found {
            assert!(kinds.trim().split('|').any(|kind| is(value, kind)), "{path} is {value}, not {kinds}");
        }
    }
}

#[test]
fn the_json_report_keeps_the_contract() {
    let outcome = rehearse(&["run", "scenarios/canary/bad-model.yaml", "--format", "json", "--seed", "7"]);
    let report = outcome.json();
    keeps_the_contract(&report);
    let result = &report["results"][0];
    assert_eq!(report["rehearse"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        [&result["scenario"], &result["engine"], &result["file"]],
        ["bad-model", "sim", "scenarios/canary/bad-model.yaml"]
    );
    assert_eq!((result["seed"].as_u64(), result["speed"].as_f64()), (Some(7), Some(1.0)));
    assert_eq!(outcome.stdout.matches("\"rehearse\"").count(), 1, "one object on standard output");
}

/// Evidence points into the timeline beside it.
#[test]
fn a_recording_has_an_entry_a_line_and_the_report_points_into_it() {
    let room = Room::new();
    room.run_calm(&["--report", "out"]);
    let timeline = room.read("out/sim/calm/timeline.jsonl");
    let entries: Vec<Value> = timeline.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for entry in &entries {
        assert!(entry["at"].is_number() && entry["source"].is_string(), "{entry}");
        assert!(entry["event"]["kind"].is_string(), "{entry}");
    }
    let report: Value = serde_json::from_str(&room.read("out/sim/calm/report.json")).unwrap();
    let evidence = at(&report, &["results", "[]", "expectations", "[]", "evidence", "[]"]);
    assert!(!evidence.is_empty());
    assert!(evidence.iter().all(|index| (index.as_u64().unwrap() as usize) < entries.len()));
}

/// Without the one figure that is not virtual.
fn timeless(report: &str) -> String {
    report.lines().filter(|line| !line.contains("\"wall_seconds\"")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_folder_holds_every_run_and_the_summary_is_what_is_printed() {
    let room = Room::new();
    let cases = CALM.replace("name: calm", "name: cases")
        + "matrix: { r: [1/s, \"2/s\"] }\ntraffic: { rate: \"${r}\" }\n";
    room.write("cases.yaml", cases);
    let outcome = room.rehearse(&["run", "calm.yaml", "cases.yaml", "--report", "a/b", "--format", "json"]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let expected = [
        "report.json",
        "sim/calm/report.json",
        "sim/calm/timeline.jsonl",
        "sim/cases-r=1-s/report.json",
        "sim/cases-r=1-s/timeline.jsonl",
        "sim/cases-r=2-s/report.json",
        "sim/cases-r=2-s/timeline.jsonl",
    ];
    assert_eq!(room.files("a/b"), expected);
    assert_eq!(room.read("a/b/report.json"), outcome.stdout);
    let seeds = room.run_calm(&["--seed", "5", "--seeds", "2", "--report", "seeds"]);
    assert_eq!(seeds.code, 0);
    let files = room.files("seeds").into_iter().filter(|file| file.ends_with("jsonl"));
    assert_eq!(files.collect::<Vec<_>>(), ["sim/calm-5/timeline.jsonl", "sim/calm-6/timeline.jsonl"]);
}

#[test]
fn nothing_is_written_outside_the_folder() {
    let room = Room::new();
    room.write(
        "odd.yaml",
        CALM.replace("name: calm", "name: x..") + "matrix: { r: [../../../x] }\nstory: ${r}\n",
    );
    let before = room.files("");
    let outcome = room.rehearse(&["run", "odd.yaml", "--report", "deep/out"]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let new: Vec<String> = room.files("").into_iter().filter(|file| !before.contains(file)).collect();
    assert_eq!(new.len(), 3, "{new:?}");
    assert!(new.iter().all(|file| file.starts_with("deep/out/")), "{new:?}");
}

#[test]
fn the_same_run_writes_the_same_bytes() {
    let room = Room::new();
    room.append("calm.yaml", "traffic: { rate: 20/s }\n");
    for folder in ["one", "two"] {
        assert_eq!(room.run_calm(&["--report", folder]).code, 0);
    }
    for file in room.files("one") {
        let [one, two] = ["one", "two"].map(|folder| room.read(&format!("{folder}/{file}")));
        assert_eq!(timeless(&one), timeless(&two), "{file}");
    }
    // And another seed writes others, or the seed would be for nothing.
    assert_eq!(room.run_calm(&["--report", "three", "--seed", "2"]).code, 0);
    let [one, three] = ["one", "three"].map(|folder| room.read(&format!("{folder}/sim/calm/timeline.jsonl")));
    assert_ne!(one, three);
}

/// A summary that an earlier call left would be taken for this one's.
#[test]
fn a_call_that_comes_to_no_verdict_leaves_no_summary() {
    let room = Room::new();
    room.run_calm(&["--report", "out"]);
    room.replace("calm.yaml", "3.1-70b", "3.0-70b");
    assert_eq!(room.run_calm(&["--report", "out"]).code, 2);
    assert!(!room.path("out/report.json").exists());
}
