//! Scenario files on the disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use scenario::Scenario;
use yaml::Problem;

use crate::failure::Failure;
use crate::files;

/// Folders below a scenario folder nest no deeper than this.
const MAX_DEPTH: usize = 16;
/// More files than a scenario folder has.
const MAX_FILES: usize = 10_000;

/// Reads every scenario that the paths name; a folder stands for all `.yaml` files below it, in order
/// of their paths. Everything that is wrong with any of them is told at once.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<Scenario>, Failure> {
    let (mut scenarios, mut problems) = (Vec::new(), Vec::new());
    for file in all_files(paths)? {
        match read(&file)? {
            Ok(cases) => scenarios.extend(cases),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(scenarios) } else { Err(Failure::Input(problems)) }
}

/// Reads one scenario file: its cases, or what is wrong with it.
pub(crate) fn read(file: &Path) -> Result<Result<Vec<Scenario>, Vec<Problem>>, Failure> {
    let bytes = files::read(file, yaml::MAX_BYTES)
        .map_err(|why| Failure::input(format!("the scenario `{}` cannot be read: {why}", file.display())))?;
    Ok(Scenario::read(&file.to_string_lossy(), &bytes))
}

/// The folder that a scenario's `repository:` leads to.
pub(crate) fn repository(scenario: &Scenario) -> PathBuf {
    let folder = Path::new(&scenario.source.name).parent().unwrap_or_else(|| Path::new(""));
    folder.join(&scenario.repository)
}

/// The files that the paths stand for, each once.
fn all_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        collect(path, MAX_DEPTH, &mut files)?;
        if files.len() == before {
            return Err(Failure::input(format!(
                "`{}` holds no scenario: no .yaml file is below it",
                path.display()
            )));
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(files)
}

/// Symbolic links to folders are not followed, so that no file is met twice and no loop has to end.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::input(format!("`{}` cannot be read: {error}", folder.display()));
    let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(Failure::input(format!("`{}` nests too deep for scenarios", path.display())));
            };
            collect(&path, depth, files)?;
        } else if is_scenario(&path) {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(Failure::input(format!(
                "`{}` holds more than {MAX_FILES} scenarios",
                folder.display()
            )));
        }
    }
    Ok(())
}

fn is_scenario(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") && path.is_file()
}
