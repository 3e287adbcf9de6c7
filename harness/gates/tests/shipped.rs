//! The gate tests that ship hold, and are as the schema says.

#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, reason = "the tests are files")]

mod common;

fn files() -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(common::root().join("fixtures/gates")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    assert!(files.len() > 1, "{files:?}");
    files
}

#[test]
fn every_claim_of_the_shipped_tests_holds() {
    for file in files() {
        let results = common::run_file(&file).unwrap_or_else(|problems| panic!("{problems:?}"));
        let against = common::against(&results);
        assert!(against.is_empty(), "{}\n{}", file.display(), against.join("\n"));
    }
}

#[test]
fn the_schema_takes_the_shipped_tests_and_no_misspelt_key() {
    let schema = jsonschema::validator_for(&gates::schema()).unwrap();
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let json = |text: &str| {
            yaml::parse("t.yaml", text.replace(".nan", "'.nan'").as_bytes()).unwrap()[0].to_json()
        };
        let errors: Vec<String> = schema.iter_errors(&json(&text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", file.display());
        assert!(!schema.is_valid(&json(&text.replace("phase:", "fase:"))), "{}", file.display());
    }
}

#[test]
fn the_schema_that_ships_is_the_one_of_the_language() {
    let path = common::root().join("fixtures/gates/schema.json");
    let shipped: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(shipped, gates::schema(), "run `rehearse schema gate > fixtures/gates/schema.json`");
}
