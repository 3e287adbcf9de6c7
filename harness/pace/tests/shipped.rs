//! The default speeds of the scenarios that ship.

#![allow(clippy::unwrap_used, reason = "what cannot be read fails the test")]
#![expect(clippy::disallowed_methods, reason = "a test reads the shipped scenarios")]

use std::fs;
use std::path::{Path, PathBuf};

use manifests::tree::Tree;
use scenario::Scenario;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read_into(tree: &mut Tree, folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            read_into(tree, &entry.path(), &format!("{path}/"));
        } else {
            tree.insert(&path, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

fn scenarios() -> Vec<(String, Scenario)> {
    let mut all = Vec::new();
    for folder in ["canary", "faults", "gitops"] {
        for entry in fs::read_dir(root().join("scenarios").join(folder)).unwrap().map(Result::unwrap) {
            let name = format!("{folder}/{}", entry.file_name().into_string().unwrap());
            let read = Scenario::read(&name, &fs::read(entry.path()).unwrap()).unwrap();
            all.extend(read.into_iter().map(|scenario| (name.clone(), scenario)));
        }
    }
    all.sort_by(|one, two| one.0.cmp(&two.0));
    all
}

#[test]
fn every_scenario_has_a_speed_and_a_reason_why_it_is_no_higher() {
    let mut lines = String::new();
    for (name, scenario) in scenarios() {
        let mut tree = Tree::new();
        let repository = scenario.repository.rsplit('/').next().unwrap();
        read_into(&mut tree, &root().join("fixtures").join(repository), "");
        let pace = pace::highest(&tree, &scenario, None).unwrap();
        assert!(pace.speed.factor() >= 1.0 && !pace.refused.is_empty(), "{name}");
        lines += &format!("{name}: {}\n", pace.speed);
        for (speed, why) in pace.refused {
            lines += &format!("  not {speed}: {why}\n");
        }
    }
    insta::assert_snapshot!("speeds", lines);
}
