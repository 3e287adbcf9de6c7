//! Every folder of `tests/kustomize/` is a repository. Its `overlay` directory, or the folder itself,
//! is built and compared with what the real kustomize 5.8.1 makes of it: `expected.yaml` holds its
//! output; `expected.error` a part of its message that ours must hold too.
//!
//! With `--features oracle` the program itself (`kustomize` on the path) is run over all folders and
//! must still say the same; `UPDATE_EXPECTED=1` then writes `expected.yaml` anew.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests read their cases and may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use manifests::kustomize::{Error, build};
use manifests::tree::Tree;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kustomize");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 25, "the cases are gone");
    cases
}

fn read_tree(root: &Path) -> Tree {
    fn add(tree: &mut Tree, root: &Path, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(tree, root, &path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                tree.insert(name, fs::read(&path).unwrap()).unwrap();
            }
        }
    }
    let mut tree = Tree::new();
    add(&mut tree, root, root);
    tree
}

fn target(case: &Path) -> &'static str {
    if case.join("overlay").is_dir() { "overlay" } else { "." }
}

/// Compares one folder; returns what differs.
fn check(case: &Path) -> Result<(), String> {
    let rendered = build(&read_tree(case), target(case));
    if let Ok(fragment) = fs::read_to_string(case.join("expected.error")) {
        let error = rendered.err().ok_or("kustomize refuses it and we do not")?;
        let message = match error {
            Error::Invalid(problem) => problem.message,
            Error::NotImplemented { what, place } => {
                return Err(format!("not implemented: {what} at {place}"));
            }
        };
        return if message.contains(fragment.trim()) {
            Ok(())
        } else {
            Err(format!("the message is: {message}"))
        };
    }
    let objects = rendered.map_err(|error| error.to_string())?.objects;
    let expected = fs::read(case.join("expected.yaml")).map_err(|error| error.to_string())?;
    let expected = yaml::parse("expected.yaml", &expected).map_err(|problem| problem.to_string())?;
    for (index, (ours, theirs)) in objects.iter().zip(&expected).enumerate() {
        if ours != theirs {
            return Err(format!("object {index} is\n{}and should be\n{}", ours.to_yaml(), theirs.to_yaml()));
        }
    }
    if objects.len() == expected.len() {
        Ok(())
    } else {
        Err(format!("{} objects, and there should be {}", objects.len(), expected.len()))
    }
}

#[test]
fn every_case_renders_as_kustomize_renders_it() {
    let failures: Vec<String> = cases()
        .iter()
        .filter_map(|case| check(case).err().map(|why| format!("{}: {why}", case.display())))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn every_value_of_a_rendered_object_has_a_place() {
    fn check(node: &yaml::Node, case: &Path) {
        assert!(node.place.line > 0, "{}: {:?} has no line", case.display(), node.value);
        let children: Vec<&yaml::Node> = match &node.value {
            yaml::Value::Map(map) => map.values().collect(),
            yaml::Value::Seq(items) => items.iter().collect(),
            _ => Vec::new(),
        };
        children.into_iter().for_each(|child| check(child, case));
    }
    for case in cases() {
        if let Ok(rendered) = build(&read_tree(&case), target(&case)) {
            rendered.objects.iter().for_each(|object| check(object, &case));
        }
    }
}

#[cfg(feature = "oracle")]
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the program is what this test is about"
)]
#[test]
fn the_program_still_says_what_the_cases_expect() {
    let mut failures = Vec::new();
    for case in cases() {
        let output = std::process::Command::new("kustomize")
            .arg("build")
            .arg(case.join(target(&case)))
            .output()
            .expect("kustomize is installed");
        let (text, error) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
        let root = format!("{}/", fs::canonicalize(&case).unwrap().display());
        let error = error.replace(&root, "").replace("\\\"", "\"");
        if let Ok(fragment) = fs::read_to_string(case.join("expected.error")) {
            if output.status.success() || !error.contains(fragment.trim()) {
                failures.push(format!("{}: kustomize says: {error}", case.display()));
            }
            continue;
        }
        if !output.status.success() {
            failures.push(format!("{}: kustomize refuses: {error}", case.display()));
        } else if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(case.join("expected.yaml"), text).unwrap();
        } else if fs::read_to_string(case.join("expected.yaml")).ok().as_deref() != Some(&text) {
            failures.push(format!("{}: kustomize renders something else now", case.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
