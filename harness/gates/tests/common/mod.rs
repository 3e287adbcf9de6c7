//! Reads and runs gate tests with the templates that they name.
#![allow(clippy::disallowed_methods, reason = "the tests are files")]
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "what cannot be read fails the test; each test uses a part of this"
)]

use std::path::{Path, PathBuf};

use gates::{CaseResult, GateTests, Templates};
use yaml::Problem;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The results of a file, or what is wrong with it.
pub(crate) fn run_file(path: &Path) -> Result<Vec<CaseResult>, Vec<Problem>> {
    let tests = GateTests::read(&path.to_string_lossy(), &std::fs::read(path).unwrap())?;
    let mut templates = Templates::default();
    for (file, _) in &tests.templates {
        let path = path.parent().unwrap().join(file);
        let documents = yaml::parse(&path.to_string_lossy(), &std::fs::read(&path).unwrap()).unwrap();
        templates.add(&documents).map_err(|problem| vec![problem])?;
    }
    let analysis = templates.merge(&tests).map_err(|problem| vec![problem])?;
    tests.run(&analysis).map_err(|problem| vec![problem])
}

/// The results of tests over templates that are given as texts.
pub(crate) fn run(tests: &str, templates: &str) -> Result<Vec<CaseResult>, Vec<Problem>> {
    let tests = GateTests::read("tests.yaml", tests.as_bytes())?;
    let mut all = Templates::default();
    all.add(&yaml::parse("templates.yaml", templates.as_bytes()).unwrap())
        .map_err(|problem| vec![problem])?;
    let analysis = all.merge(&tests).map_err(|problem| vec![problem])?;
    tests.run(&analysis).map_err(|problem| vec![problem])
}

/// What stands against the claims of all cases.
pub(crate) fn against(results: &[CaseResult]) -> Vec<String> {
    let claims = results.iter().flat_map(|case| &case.claims);
    let failed = claims.filter_map(|(claim, against)| Some(format!("{}: {}", claim.what, against.as_ref()?)));
    failed.collect()
}
