//! What ARCHITECTURE.md says of the crates, held against what cargo says.

#![allow(clippy::unwrap_used, reason = "what cannot be read or run fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates that do no IO, and the crates of this workspace that each may use.
const PURE: [(&str, &[&str]); 17] = [
    ("units", &[]),
    ("yaml", &[]),
    ("planted", &[]),
    ("strconv", &[]),
    ("behaviour", &["units"]),
    ("scenario", &["behaviour", "units", "yaml"]),
    ("timeline", &["scenario", "units", "yaml"]),
    ("manifests", &["planted", "strconv", "units", "yaml"]),
    ("git", &["manifests", "scenario", "timeline", "units", "yaml"]),
    ("transform", &["manifests", "scenario", "units", "yaml"]),
    ("promql", &["planted", "strconv"]),
    ("rules", &["planted", "promql", "strconv", "units", "yaml"]),
    ("conditions", &["planted", "strconv"]),
    (
        "simulator",
        &[
            "behaviour",
            "conditions",
            "git",
            "manifests",
            "planted",
            "promql",
            "rules",
            "scenario",
            "strconv",
            "timeline",
            "units",
            "yaml",
        ],
    ),
    ("pace", &["behaviour", "manifests", "scenario", "simulator", "timeline", "transform", "units", "yaml"]),
    ("gates", &["manifests", "promql", "scenario", "simulator", "timeline", "units", "yaml"]),
    ("reports", &["gates", "promql", "rules", "scenario", "timeline", "units"]),
];

/// The crates that do IO.
const RIM: [&str; 5] = ["rehearse", "cluster", "fidelity", "load", "fake-inference"];

/// What no pure crate reaches, through however many others: IO, async, arguments, the system's entropy.
const NEVER_PURE: [&str; 8] = ["clap", "getrandom", "hyper", "kube", "mio", "reqwest", "tempfile", "tokio"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).arg("--offline").current_dir(root()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A crate of this workspace.
struct Package {
    /// Its folder, from the root.
    folder: String,
    /// The crates of this workspace that it uses, in tests too, but for itself.
    uses: BTreeSet<String>,
}

fn packages() -> BTreeMap<String, Package> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    let package = |it: &Value| {
        let name = it["name"].as_str().unwrap().to_owned();
        let manifest = Path::new(it["manifest_path"].as_str().unwrap()).canonicalize().unwrap();
        let folder = manifest.parent().unwrap().strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let internal = it["dependencies"].as_array().unwrap().iter().filter(|it| it["path"].is_string());
        let uses = internal.map(|it| it["name"].as_str().unwrap().to_owned()).filter(|used| *used != name);
        (name.clone(), Package { folder, uses: uses.collect() })
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

#[test]
fn every_crate_is_known_here_and_in_the_table_of_rooms() {
    let known: BTreeSet<&str> = PURE.iter().map(|(name, _)| *name).chain(RIM).collect();
    let architecture = text("ARCHITECTURE.md");
    for (name, package) in packages() {
        assert!(known.contains(name.as_str()), "{name} is new: is it pure, and what may it use?");
        let row = format!("| `{}` |", package.folder);
        assert!(architecture.contains(&row), "ARCHITECTURE.md has no row for {}", package.folder);
    }
}

#[test]
fn a_crate_uses_what_it_may_use_and_nothing_it_does_not_need() {
    let packages = packages();
    for (name, allowed) in PURE {
        let allowed: BTreeSet<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(packages[name].uses, allowed, "the crates that {name} uses");
    }
}

#[test]
fn a_crate_uses_only_what_stands_above_it_in_the_table() {
    let architecture = text("ARCHITECTURE.md");
    let row = |package: &Package| architecture.find(&format!("| `{}` |", package.folder)).unwrap();
    let packages = packages();
    for (name, package) in &packages {
        for used in &package.uses {
            assert!(row(&packages[used]) < row(package), "{name} uses {used}, which stands below it");
        }
    }
}

#[test]
fn no_pure_crate_reaches_io_or_entropy() {
    for (name, _) in PURE {
        let tree = cargo(&["tree", "--edges", "normal", "--prefix", "none", "--package", name]);
        let reached: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(reached.contains(name), "{tree}");
        let banned: Vec<&str> = NEVER_PURE.into_iter().filter(|banned| reached.contains(banned)).collect();
        assert!(banned.is_empty(), "{name} reaches {banned:?}");
    }
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    for package in packages().values() {
        let manifest = text(&format!("{}/Cargo.toml", package.folder));
        assert!(manifest.contains("[lints]\nworkspace = true\n"), "{}", package.folder);
    }
}

#[test]
fn all_pure_crates_have_the_same_bans() {
    let packages = packages();
    let bans = text("harness/units/clippy.toml");
    for (name, _) in PURE {
        let folder = &packages[name].folder;
        assert_eq!(
            text(&format!("{folder}/clippy.toml")),
            bans,
            "copy harness/units/clippy.toml to {folder}"
        );
    }
}

/// The first two commands of a newcomer.
#[test]
fn the_readme_says_how_to_test_and_how_to_run() {
    let readme = text("README.md");
    for command in ["cargo test --workspace", "cargo run --release -- run scenarios/"] {
        assert!(readme.contains(command), "README.md does not mention `{command}`");
    }
}
