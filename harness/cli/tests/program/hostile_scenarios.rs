use crate::common::{CALM, Outcome, Room};

/// What the program says to a scenario file of these bytes.
fn told(bytes: impl AsRef<[u8]>) -> Outcome {
    let room = Room::new();
    room.write("bad.yaml", bytes);
    room.rehearse(&["run", "bad.yaml"])
}

#[test]
fn what_is_no_yaml_is_refused_at_its_place() {
    told("").refused(2, &[&["bad.yaml is empty"]]);
    told("# nothing\n").refused(2, &[&["bad.yaml is empty"]]);
    told("name: s\n  repository: [").refused(2, &[&["bad.yaml:2:13"]]);
    told(&CALM[..CALM.find("} } }").unwrap()]).refused(2, &[&["unclosed bracket '{'", "bad.yaml:4:"]]);
    told("name: calm\n---\nname: calm\n").refused(2, &[&["has 2 documents", "bad.yaml:3:1"]]);
    told(b"name: s\xff\xfe\n").refused(2, &[&["not UTF-8", "bad.yaml:1:8", "help: save it as UTF-8"]]);
    told(b"\0\0\0\0").refused(2, &[&["bad.yaml"]]);
    told("name: a\nname: b\n").refused(2, &[&["duplicate", "bad.yaml:2:1"]]);
}

#[test]
fn what_is_too_much_is_refused_by_its_bound() {
    told(vec![b'a'; 10 << 20]).refused(2, &[&["`bad.yaml` cannot be read: it is larger than 4 MiB"]]);
    let brackets = "[".repeat(100_000) + &"]".repeat(100_000);
    told(format!("story: {brackets}")).refused(2, &[&["nests deeper than 64 levels", "bad.yaml:1:"]]);
    let nested: String = (0..500).map(|level| " ".repeat(level) + "a:\n").collect();
    told(nested).refused(2, &[&["nests deeper than 64 levels", "bad.yaml:65:"]]);
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    told(bomb).refused(2, &[&["more than 250000 values", "bad.yaml:6:"]]);
    let cases: Vec<String> = (0..300).map(|case| case.to_string()).collect();
    let matrix = format!("{CALM}matrix: {{ a: [{}] }}\n", cases.join(", "));
    told(matrix).refused(2, &[&["more than 256 values", "bad.yaml:7:"]]);
}

#[test]
fn every_mistake_in_a_scenario_is_told_at_once() {
    let text = CALM.replace("models:", "modles:").replace("becomes:", "becoms:");
    told(text).refused(
        2,
        &[
            &["unknown key `modles`", "bad.yaml:4:1", "help: did you mean `models`?"],
            &["unknown key `becoms`", "bad.yaml:6:39", "help: did you mean `becomes`?"],
        ],
    );
}

#[test]
fn the_mistakes_of_several_files_are_told_together() {
    let room = Room::new();
    room.write("folder/a.yaml", CALM.replace("name:", "nmae:"));
    room.write("folder/b/c.yml", CALM.replace("expect:", "expects:"));
    room.write("folder/notes.txt", "not a scenario");
    let outcome = room.rehearse(&["run", "folder"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""));
    for needle in ["folder/a.yaml:1:1", "folder/b/c.yml:5:1"] {
        assert!(outcome.stderr.contains(needle), "{}", outcome.stderr);
    }
}

#[test]
fn a_scenario_that_is_not_there_is_named() {
    let room = Room::new();
    room.write("empty/notes.txt", "");
    room.rehearse(&["run", "none.yaml"]).refused(2, &[&["`none.yaml` cannot be read: No such file"]]);
    room.rehearse(&["run", "empty"]).refused(2, &[&["`empty` holds no scenario"]]);
    room.rehearse(&["judge", "none.yaml", "none.jsonl"]).refused(2, &[&["`none.yaml` cannot be read"]]);
}

#[cfg(unix)]
#[test]
fn a_device_is_read_no_further_than_a_file() {
    Room::empty().rehearse(&["run", "/dev/zero"]).refused(2, &[&["`/dev/zero`", "larger than 4 MiB"]]);
}

#[cfg(unix)]
#[test]
fn a_loop_of_folders_is_walked_once() {
    let room = Room::new();
    room.write("folder/calm.yaml", CALM.replace("repository: r", "repository: ../r"));
    std::os::unix::fs::symlink(".", room.path("folder/again")).unwrap();
    let outcome = room.rehearse(&["run", "folder", "--format", "json"]);
    assert_eq!(outcome.json()["results"].as_array().unwrap().len(), 1);
}

#[test]
fn what_a_file_says_cannot_command_the_terminal() {
    let outcome = told(CALM.replace("models:", "\"mo\\e[2Jdels\":"));
    assert_eq!(outcome.code, 2);
    assert!(!outcome.stderr.contains('\u{1b}'), "{}", outcome.stderr);
}

#[test]
fn events_that_contradict_each_other_are_refused() {
    let events = |events: &str| told(format!("{CALM}events: [{events}]\n"));
    let merge = "{ id: m, at: 1m, merge: { write: { a.txt: a } } }";
    events("{ at: 1m, revert: last }").refused(2, &[&["no merge to revert", "bad.yaml:7:"]]);
    events(&format!("{merge}, {{ at: 2m, revert: m }}, {{ at: 3m, revert: m }}"))
        .refused(2, &[&["bad.yaml:7:"]]);
    events(&format!("{merge}, {merge}")).refused(2, &[&["`m`", "bad.yaml:7:"]]);
    told(format!("{CALM}duration: 30s\nevents: [{merge}]\n")).refused(2, &[&["bad.yaml:8:"]]);
}

#[test]
fn what_the_repository_lacks_is_refused_with_a_suggestion() {
    let events = |events: &str| told(format!("{CALM}events: [{events}]\n"));
    told(CALM.replace("argocd/llama3", "argocd/llama4"))
        .refused(2, &[&["argocd/llama4-production.yaml", "did you mean `argocd/llama3-production.yaml`?"]]);
    let missing = "the repository has no file `overlays/prod/model-config.yaml`";
    events("{ at: 1m, merge: { edit: { overlays/prod/model-config.yaml: { a: b } } } }")
        .refused(2, &[&[missing, "bad.yaml:7:", "did you mean `overlays/production/model-config.yaml`?"]]);
    events("{ at: 1m, merge: { delete: [overlays/prod/model-config.yaml] } }")
        .refused(2, &[&[missing, "bad.yaml:7:"]]);
    events("{ at: 1m, merge: { edit: { ../secret: { a: b } } } }")
        .refused(2, &[&["../secret", "bad.yaml:7:"]]);
    events("{ at: 1m, apply: [/etc/passwd] }").refused(2, &[&["/etc/passwd", "bad.yaml:7:"]]);
    // A page of prose is no mapping that could be edited.
    events("{ at: 1m, merge: { edit: { CORRECTIONS.md: { a: b } } } }").refused(2, &[&["CORRECTIONS.md:"]]);
}

#[test]
fn a_version_without_behaviour_is_refused_when_a_pod_starts_it() {
    let missing = "starts model version `3.1-70b-instruct`, for which the scenario states no behaviour";
    told(CALM.replace("3.1-70b", "3.0-70b")).refused(2, &[&[missing, "bad.yaml", "`3.0-70b-instruct`?"]]);
    // However many seeds meet it, it is told once.
    let room = Room::new();
    room.replace("calm.yaml", "3.1-70b", "3.0-70b");
    let outcome = room.run_calm(&["--seeds", "3"]);
    assert!(outcome.stderr.contains(missing), "{}", outcome.stderr);
    assert_eq!(outcome.code, 2);
}
