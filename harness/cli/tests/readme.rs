//! What the README shows is what the program prints and what the scenario file says.
//!
//! `UPDATE_README=1 cargo test -p rehearse --test readme` writes both anew.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

const SCENARIO: &str = "scenarios/canary/bad-model.yaml";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The README with the content of its first block of this language replaced.
fn with_block(readme: &str, language: &str, content: &str) -> String {
    let fence = format!("```{language}\n");
    let start = readme.find(&fence).unwrap() + fence.len();
    let end = start + readme[start..].find("\n```\n").unwrap();
    format!("{}{}{}", &readme[..start], content.trim_end(), &readme[end..])
}

#[test]
fn the_readme_shows_the_main_scenario_and_its_output() {
    let output = Command::new(env!("CARGO_BIN_EXE_rehearse"))
        .args(["run", SCENARIO])
        .current_dir(root())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let scenario = fs::read_to_string(root().join(SCENARIO)).unwrap();
    let told = with_block(&readme, "text", std::str::from_utf8(&output.stdout).unwrap());
    let expected = with_block(&told, "yaml", &scenario);
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(
        readme == expected,
        "README.md is out of date; write it anew with UPDATE_README=1 cargo test -p rehearse --test readme"
    );
}
