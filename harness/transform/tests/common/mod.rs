//! What the tests share: trees from texts and from the fixture, and a scenario to go with them.

#![allow(dead_code, reason = "no test file uses all of it")]
#![allow(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::path::{Path, PathBuf};

use manifests::tree::Tree;
use scenario::Scenario;
use transform::{Names, Plan, Speed, Transformed, transform};

pub(crate) const IDLE: &str = "{ name: idle, repository: ., expect: [{ requests: { failed: == 0 } }] }";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in files {
        tree.insert(path, text.as_bytes()).unwrap();
    }
    tree
}

pub(crate) fn scenario(yaml: &str) -> Scenario {
    Scenario::read("scenario.yaml", yaml.as_bytes()).unwrap_or_else(|p| panic!("{}", p[0])).remove(0)
}

pub(crate) fn plan(speed: f64, suffix: &str) -> Plan {
    Plan { speed: Speed::new(speed).unwrap(), names: Names::with_suffix(suffix).unwrap() }
}

pub(crate) fn text(tree: &Tree, path: &str) -> String {
    String::from_utf8(tree.get(path).unwrap().to_vec()).unwrap()
}

/// A repository and the idle scenario at this speed.
pub(crate) fn at_speed(speed: f64, files: &[(&str, &str)]) -> Transformed {
    transform(&tree(files), &scenario(IDLE), &plan(speed, "")).unwrap_or_else(|p| panic!("{}", p[0]))
}

#[expect(clippy::disallowed_methods, reason = "a test reads the fixture")]
pub(crate) fn fixture(name: &str) -> Tree {
    fn read(folder: &Path, prefix: &str, tree: &mut Tree) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            match path.is_dir() {
                true => read(&path, &format!("{name}/"), tree),
                false => tree.insert(&name, std::fs::read(&path).unwrap()).unwrap(),
            }
        }
    }
    let mut tree = Tree::new();
    read(&root().join("fixtures").join(name), "", &mut tree);
    tree
}

/// Every shipped scenario, by its path below `scenarios`, with its repository's tree.
#[expect(clippy::disallowed_methods, reason = "a test reads the shipped scenarios")]
pub(crate) fn shipped() -> Vec<(String, Scenario, Tree)> {
    let mut all = Vec::new();
    for folder in ["canary", "faults", "gitops"] {
        for entry in std::fs::read_dir(root().join("scenarios").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            let scenarios = Scenario::read(&name, &std::fs::read(&path).unwrap()).unwrap();
            for scenario in scenarios {
                let tree = fixture(scenario.repository.rsplit('/').next().unwrap());
                all.push((name.clone(), scenario, tree));
            }
        }
    }
    all.sort_by(|one, two| one.0.cmp(&two.0));
    all
}

/// The lines that differ, file by file.
pub(crate) fn difference(before: &Tree, after: &Tree) -> String {
    let mut text = String::new();
    for (path, content) in after.files() {
        let content = String::from_utf8_lossy(content);
        if before.get(path).is_some_and(|old| old.as_ref() == content.as_bytes()) {
            continue;
        }
        let old = before.get(path).map(|old| yaml_as_written(path, old)).unwrap_or_default();
        text += &format!("=== {path}\n");
        let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), content.lines().collect());
        text += &lines(&old, &new);
    }
    text
}

/// The old text in the layout of the new one, so that only what changed differs.
fn yaml_as_written(path: &str, content: &[u8]) -> String {
    let documents = yaml::parse(path, content).unwrap();
    documents.iter().map(yaml::Node::to_yaml).collect::<Vec<_>>().join("---\n")
}

/// A difference by the longest common subsequence of lines, for small texts.
fn lines(old: &[&str], new: &[&str]) -> String {
    let mut length = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            length[i][j] = match old[i] == new[j] {
                true => length[i + 1][j + 1] + 1,
                false => length[i + 1][j].max(length[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || length[i + 1][j] >= length[i][j + 1]) {
            text += &format!("- {}\n", old[i]);
            i += 1;
        } else {
            text += &format!("+ {}\n", new[j]);
            j += 1;
        }
    }
    text
}
