//! The scenarios that ship are read, and editors do not mark them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};

use scenario::Scenario;

fn scenario_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            scenario_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_shipped_scenario_is_read_and_accepted_by_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut files = Vec::new();
    scenario_files(&root, &mut files);
    assert!(files.len() >= 10, "only {} scenarios in {}", files.len(), root.display());

    let validator = jsonschema::draft7::new(&scenario::schema()).unwrap();
    let mut faults = Vec::new();
    for path in files {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        let bytes = fs::read(&path).unwrap();
        match Scenario::read(&name, &bytes) {
            Ok(scenarios) => {
                let stem = path.file_stem().unwrap().to_str().unwrap();
                faults.extend(
                    (scenarios[0].name != stem).then(|| format!("{name} is named {}", scenarios[0].name)),
                );
            }
            Err(problems) => faults.extend(problems.iter().map(ToString::to_string)),
        }
        if let Ok(node) = yaml::parse_one(&name, &bytes) {
            let json = node.to_json();
            faults.extend(
                validator.iter_errors(&json).map(|error| format!("{name}{}: {error}", error.instance_path())),
            );
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
