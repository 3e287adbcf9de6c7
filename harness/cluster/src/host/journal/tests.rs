use proptest::prelude::*;

use super::*;

fn container(name: &str) -> Made {
    Made::Container { name: name.to_owned() }
}

fn room() -> (tempfile::TempDir, State) {
    let room = tempfile::tempdir().unwrap();
    let state = State::open(room.path()).unwrap();
    (room, state)
}

/// What a killed process leaves: its file, no longer locked.
fn killed(journal: Journal) -> RunId {
    let run = journal.run().clone();
    drop(journal);
    run
}

fn taken(owner: Owner) -> Journal {
    match owner {
        Owner::Us(journal) => journal,
        Owner::Another | Owner::Nobody => panic!("{owner:?}"),
    }
}

#[test]
fn what_a_killed_run_made_is_known_to_its_heir_until_that_has_removed_it() {
    let (_room, state) = room();
    let journal = Journal::begin(&state).unwrap();
    let first = journal.note(container("a")).unwrap();
    journal.note(container("b")).unwrap();
    journal.done(first).unwrap();
    journal.note(Made::Program { arguments: vec!["x\n\u{0}".to_owned()] }).unwrap();
    let run = killed(journal);

    let heir = taken(Journal::take_over(&state, &run).unwrap());
    let left = heir.left();
    let things: Vec<Made> = left.iter().map(|(_, made)| made.clone()).collect();
    assert_eq!(things, [container("b"), Made::Program { arguments: vec!["x\n\u{0}".to_owned()] }]);
    heir.end().unwrap();
    assert!(heir.folder().exists(), "something is left");
    for (note, _) in left {
        heir.done(note).unwrap();
    }
    heir.end().unwrap();
    heir.end().unwrap();
    assert_eq!(state.runs().unwrap(), []);
}

#[test]
fn a_living_run_keeps_its_journal_to_itself() {
    let (_room, state) = room();
    let journal = Journal::begin(&state).unwrap();
    journal.note(container("a")).unwrap();
    assert!(matches!(Journal::take_over(&state, journal.run()).unwrap(), Owner::Another));
    assert_eq!(Journal::peek(&state, journal.run()).unwrap(), [container("a")]);
    let clone = journal.clone();
    let run = killed(journal);
    assert!(matches!(Journal::take_over(&state, &run).unwrap(), Owner::Another), "a clone is it too");
    drop(clone);
    taken(Journal::take_over(&state, &run).unwrap());
}

/// The heir waits with the file open while the run removes it.
#[test]
fn of_an_orderly_end_the_heir_inherits_nothing() {
    let (_room, state) = room();
    let journal = Journal::begin(&state).unwrap();
    let run = journal.run().clone();
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let heir = scope.spawn(|| Journal::inherit(&state, &run, || ready.send(()).unwrap()));
        is_ready.recv().unwrap();
        journal.end().unwrap();
        drop(journal);
        assert!(matches!(heir.join().unwrap().unwrap(), Owner::Nobody));
    });
    assert_eq!(Journal::peek(&state, &run).unwrap(), []);
    assert!(matches!(Journal::inherit(&state, &run, || ()).unwrap(), Owner::Nobody));
}

#[test]
fn an_heir_goes_on_behind_a_torn_line() {
    let (_room, state) = room();
    let journal = Journal::begin(&state).unwrap();
    let note = journal.note(container("a")).unwrap();
    let file = journal.folder().join(FILE);
    let run = killed(journal);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, [whole.as_slice(), br#"{"made":2,"what":{"contai"#].concat()).unwrap();

    let heir = taken(Journal::take_over(&state, &run).unwrap());
    assert_eq!(heir.left(), [(note, container("a"))]);
    heir.note(container("c")).unwrap();
    heir.done(note).unwrap();
    assert_eq!(Journal::peek(&state, &run).unwrap(), [container("c")]);
}

#[test]
fn the_journal_of_a_newer_version_is_left_to_that() {
    let (_room, state) = room();
    let journal = Journal::begin(&state).unwrap();
    let file = journal.folder().join(FILE);
    let run = killed(journal);
    let head = fs::read_to_string(&file).unwrap().replace("\"journal\":1", "\"journal\":2");
    fs::write(&file, head.replace(env!("CARGO_PKG_VERSION"), "9.0.0")).unwrap();
    let failure = Journal::take_over(&state, &run).unwrap_err().to_string();
    assert!(failure.contains("rehearse 9.0.0 wrote it in a newer format"), "{failure}");
}

#[test]
fn an_endless_file_is_not_read() {
    let (_room, state) = room();
    let journal = Journal::begin(&state).unwrap();
    let file = journal.folder().join(FILE);
    let run = killed(journal);
    File::options().write(true).open(&file).unwrap().set_len(LARGEST + 1).unwrap();
    let failure = Journal::take_over(&state, &run).unwrap_err().to_string();
    assert!(failure.contains("larger than 16 MiB"), "{failure}");
}

/// A journal that is written as in a run: some things made, some of them removed again.
fn lines(made: &[(Made, bool)]) -> Vec<(String, BTreeMap<Note, Made>)> {
    let mut open = BTreeMap::new();
    let mut lines = Vec::new();
    let mut push = |line: &Line, open: &BTreeMap<Note, Made>| {
        lines.push((serde_json::to_string(line).unwrap() + "\n", open.clone()));
    };
    for (number, (what, is_gone)) in (1..).zip(made) {
        open.insert(Note(number), what.clone());
        push(&Line::Made { made: Note(number), what: what.clone() }, &open);
        if *is_gone {
            open.remove(&Note(number));
            push(&Line::Gone { gone: Note(number) }, &open);
        }
    }
    lines
}

fn anything() -> impl Strategy<Value = Made> {
    let arguments = prop::collection::vec(".{0,20}", 0..4);
    prop_oneof![
        ".{0,30}".prop_map(|name| Made::Container { name }),
        arguments.prop_map(|arguments| Made::Program { arguments }),
        "[a-z0-9]{1,20}"
            .prop_map(|run| { Made::Cluster { name: ClusterName::of(&RunId::parse(&run).unwrap()) } }),
        "[a-z0-9]{1,20}".prop_map(|run| Made::Objects {
            cluster: ClusterName::of(&RunId::parse(&run).unwrap()),
            kubeconfig: PathBuf::from("/some/where"),
        }),
        ("[a-z0-9]{1,20}", ".{0,30}").prop_map(|(run, name)| Made::Repository {
            cluster: ClusterName::of(&RunId::parse(&run).unwrap()),
            kubeconfig: PathBuf::from("/some/where"),
            name,
        }),
    ]
}

proptest! {
    /// Wherever the machine stopped writing, what stands in whole lines is known and nothing else.
    #[test]
    fn a_journal_that_was_cut_anywhere_knows_what_was_made(
        made in prop::collection::vec((anything(), any::<bool>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let lines = lines(&made);
        let bytes: Vec<u8> = lines.iter().flat_map(|(line, _)| line.bytes()).collect();
        let cut = cut.index(bytes.len() + 1);
        let (mut end, mut expected) = (0, BTreeMap::new());
        for (line, open) in &lines {
            end += line.len();
            // A line counts from its last brace on; the line break adds nothing.
            if cut + 1 >= end {
                expected = open.clone();
            }
        }
        prop_assert_eq!(entries(&bytes[..cut]).unwrap().0, expected);
    }

    /// A disk that fills up tears lines in the middle, and the run goes on behind them.
    #[test]
    fn torn_lines_in_the_middle_hide_no_whole_ones(
        made in prop::collection::vec((anything(), any::<bool>()), 1..8),
        torn in any::<prop::sample::Index>(),
    ) {
        let lines = lines(&made);
        let mut bytes = Vec::new();
        for (line, _) in &lines {
            bytes.extend_from_slice(&line.as_bytes()[..torn.index(line.len() - 1)]);
            bytes.push(b'\n');
            bytes.extend_from_slice(line.as_bytes());
        }
        prop_assert_eq!(entries(&bytes).unwrap().0, lines.last().unwrap().1.clone());
    }

    #[test]
    fn no_file_makes_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = entries(&bytes);
    }
}
