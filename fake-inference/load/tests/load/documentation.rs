//! What the guide says, held against the program.

use clap::Args;
use load::Evaluation;
use load::command::{CheckCommand, LoadCommand};

const GUIDE: &str = include_str!("../../../../docs/load-and-checks.md");

/// The long names of all arguments.
fn arguments(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned);
    own.chain(command.get_subcommands().flat_map(arguments)).collect()
}

#[test]
fn the_guide_names_every_argument_and_no_other() {
    let mut known = arguments(&LoadCommand::augment_args(clap::Command::new("load")));
    known.extend(arguments(&CheckCommand::augment_args(clap::Command::new("check"))));
    let word =
        |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap().to_owned();
    let named: Vec<String> = GUIDE.split("--").skip(1).map(word).filter(|it| !it.starts_with('-')).collect();
    for argument in &known {
        assert!(named.contains(argument), "the guide does not name --{argument}");
    }
    for argument in named.iter().filter(|it| !it.is_empty()) {
        assert!(known.contains(argument), "the guide names --{argument}");
    }
}

#[test]
fn the_questions_of_the_guide_are_read() {
    let (_, rest) = GUIDE.split_once("```json\n").unwrap();
    let (questions, _) = rest.split_once("```").unwrap();
    assert_eq!(Evaluation::parse("the guide", questions.as_bytes()).unwrap().questions().len(), 3);
}
