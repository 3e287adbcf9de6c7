//! Reads a file of unit tests with the rule files that it names.
#![allow(clippy::disallowed_methods, reason = "the tests are files")]
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "what cannot be read fails the test; each test uses a part of this"
)]

use std::path::{Path, PathBuf};
use std::rc::Rc;

use rules::Group;
use rules::unit_test::{GroupResult, TestFile};
use yaml::Problem;

/// The results of a file, or what is wrong with it.
pub(crate) fn run(path: &Path) -> Result<Vec<GroupResult>, Vec<Problem>> {
    let file = TestFile::read(&documents(path)).map_err(|problems| problems.clone())?;
    let folder = path.parent().unwrap();
    let mut groups: Vec<Rc<Group>> = Vec::new();
    let mut paths: Vec<PathBuf> =
        file.rule_files.iter().flat_map(|(pattern, _)| matching(folder, pattern)).collect();
    paths.dedup();
    for path in paths {
        groups.extend(rules::read_rules(&documents(&path))?.into_iter().map(Rc::new));
    }
    file.run(&groups).map_err(|problem| vec![problem])
}

/// Whether all tests of a file pass.
pub(crate) fn passes(path: &Path) -> bool {
    let results = run(path).unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()));
    results.iter().all(|result| result.failures.is_empty())
}

pub(crate) fn documents(path: &Path) -> Vec<yaml::Node> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    yaml::parse_with_non_finite(&path.to_string_lossy(), &bytes).unwrap()
}

/// The test files of a folder of `tests/files`.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    files
}

/// The files that begin with the letters before a pattern's first special one, which is enough here.
fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let Some(special) = pattern.find(['*', '[', '?']) else { return vec![folder.join(pattern)] };
    let start = folder.join(&pattern[..special]);
    let name = start.file_name().unwrap().to_string_lossy().into_owned();
    let entries = std::fs::read_dir(start.parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&name)).collect()
}
