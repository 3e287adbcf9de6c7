//! Whatever the bytes are, a file is read or refused, in bounded memory and with a clear reason.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use scenario::Scenario;

const VALID: [&str; 3] = [
    include_str!("files/bad-model.yaml"),
    include_str!("files/every-form.yaml"),
    include_str!("files/matrix.yaml"),
];

/// The one problem of a file.
fn one(bytes: &[u8]) -> String {
    let problems = Scenario::read("s.yaml", bytes).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

#[test]
fn a_file_beyond_every_bound_is_one_clear_problem() {
    assert!(one(&vec![b'a'; 10 << 20]).contains("s.yaml is too large"));
    assert!(one(b"name: \xff\xfe\n").contains("the file is not UTF-8 text"));
    assert!(one("[".repeat(10_000).as_bytes()).contains("s.yaml:"));
    assert!(one(format!("name: {}1{}", "[".repeat(100), "]".repeat(100)).as_bytes()).contains("s.yaml:1:"));
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(one(bomb.as_bytes()).contains("s.yaml:"));
}

#[test]
fn a_matrix_cannot_fill_memory() {
    let story = "${text}".repeat(20_000);
    let value = "x".repeat(1_000);
    let values = (0..200).map(|n| format!("{n}{}", &value[..900])).collect::<Vec<_>>().join(", ");
    let yaml =
        format!("name: s\nrepository: r\nexpect: []\nmatrix: {{ text: [{values}] }}\nstory: \"{story}\"\n");
    assert!(one(yaml.as_bytes()).contains("amount to more than 64 MiB"));
}

#[test]
fn an_endless_word_is_refused_without_looking_for_its_like() {
    let word = "x".repeat(1 << 20);
    let yaml = format!(
        "name: s\nrepository: r\nevents: [{{ id: a, at: 1m, sync: a }}]\nexpect: [{{ rollout: r, becomes: aborted, of: {word} }}]\n"
    );
    let problem = one(yaml.as_bytes());
    assert!(problem.contains("cannot be the `id`") && problem.len() < 1_000, "{}", problem.len());
}

#[test]
fn many_references_to_many_names_are_refused_without_comparing_them_all() {
    let ids: String = (0..10_000).map(|n| format!("  - {{ id: release-{n}, at: 1m, sync: a }}\n")).collect();
    let claims: String =
        (0..10_000).map(|n| format!("  - {{ rollout: r, becomes: aborted, of: relase-{n} }}\n")).collect();
    let yaml = format!("name: s\nrepository: r\nevents:\n{ids}expect:\n{claims}");
    let problems = Scenario::read("s.yaml", yaml.as_bytes()).unwrap_err();
    assert_eq!(problems.len(), 51);
    assert!(problems.iter().all(|problem| problem.to_string().len() < 2_000));
}

/// A valid file with lines dropped, doubled or swapped.
fn mutated() -> impl Strategy<Value = String> {
    let change = (0..3_u8, any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (0..VALID.len(), prop::collection::vec(change, 1..6)).prop_map(|(file, changes)| {
        let mut lines: Vec<&str> = VALID[file].lines().collect();
        for (what, one, other) in changes {
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            match what {
                0 => drop(lines.remove(one)),
                1 => lines.insert(other, lines[one]),
                _ => lines.swap(one, other),
            }
            if lines.is_empty() {
                lines.push("");
            }
        }
        lines.join("\n")
    })
}

/// A valid file with a few characters replaced.
fn scribbled() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), "[-a-z0-9:{}\\[\\],&*!|>%$ \n'\"#~.]{0,3}");
    (0..VALID.len(), prop::collection::vec(change, 1..4)).prop_map(|(file, changes)| {
        let mut text: Vec<char> = VALID[file].chars().collect();
        for (at, replacement) in changes {
            let at = at.index(text.len());
            text.splice(at..=at, replacement.chars());
            text.push('\n');
        }
        text.into_iter().collect()
    })
}

/// It is read, or refused with at least one problem that can be shown.
fn read_or_refused(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Err(problems) = Scenario::read("s.yaml", bytes) {
        prop_assert!(!problems.is_empty());
        prop_assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    // No bytes make the reader panic.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_or_refused(&bytes)?;
    }

    // No arrangement of a valid file's lines makes the reader panic.
    #[test]
    fn a_rearranged_file_is_read_or_refused(text in mutated()) {
        read_or_refused(text.as_bytes())?;
    }

    // No typing mistake makes the reader panic.
    #[test]
    fn a_scribbled_file_is_read_or_refused(text in scribbled()) {
        read_or_refused(text.as_bytes())?;
    }

    // The same file is read as the same scenarios.
    #[test]
    fn reading_twice_gives_the_same(text in mutated()) {
        let read = || format!("{:?}", Scenario::read("s.yaml", text.as_bytes()));
        prop_assert_eq!(read(), read());
    }
}
