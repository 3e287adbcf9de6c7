//! Every query of `tests/tables` gives what the table says.

#![allow(missing_docs, reason = "a test")]

mod common;

use common::{Expected, cases, lines, same_line};

#[test]
fn queries_give_what_the_tables_say() {
    let cases = cases();
    assert!(cases.len() > 150, "only {} cases were found", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let found = case.evaluate();
        let right = match (&case.expected, &found) {
            (Expected::Lines(expected), Ok(value)) => {
                let found = lines(value);
                found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| same_line(f, e))
            }
            (Expected::Failure(message), Err(found)) => {
                !message.is_empty() && found.contains(message.as_str())
            }
            (Expected::Lines(_), Err(_)) | (Expected::Failure(_), Ok(_)) => false,
        };
        if !right {
            let found =
                found.map_or_else(|error| format!("  error: {error}"), |value| indented(&lines(&value)));
            let expected = match &case.expected {
                Expected::Lines(expected) => indented(expected),
                Expected::Failure(message) => format!("  error: {message}"),
            };
            wrong.push(format!("{}\nexpected\n{expected}\nfound\n{found}\n", case.place()));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n\n{}", wrong.len(), wrong.join("\n"));
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
