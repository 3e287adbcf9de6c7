//! Scenario files on the disk.

use std::fs;
use std::path::{Path, PathBuf};

use scenario::Scenario;
use yaml::Problem;

use crate::failure::Failure;

/// Folders below a scenario folder nest no deeper than this.
const MAX_DEPTH: usize = 16;

/// Reads every scenario that the paths name; a folder stands for all `.yaml` files below it, in order
/// of their paths. Everything that is wrong with any of them is told at once.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<Scenario>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            collect(path, MAX_DEPTH, &mut files)?;
            if files.len() == before {
                return Err(Failure::input(format!(
                    "`{}` holds no scenario: no .yaml file is below it",
                    path.display()
                )));
            }
        } else {
            files.push(path.clone());
        }
    }
    let (mut scenarios, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        match read(&file)? {
            Ok(cases) => scenarios.extend(cases),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(scenarios) } else { Err(Failure::Input(problems)) }
}

/// Reads one scenario file: its cases, or what is wrong with it.
pub(crate) fn read(file: &Path) -> Result<Result<Vec<Scenario>, Vec<Problem>>, Failure> {
    let too_large = fs::metadata(file).is_ok_and(|metadata| metadata.len() > yaml::MAX_BYTES as u64);
    if too_large {
        return Err(Failure::input(format!("`{}` is too large for a scenario", file.display())));
    }
    let bytes = fs::read(file)
        .map_err(|error| Failure::input(format!("`{}` cannot be read: {error}", file.display())))?;
    Ok(Scenario::read(&file.to_string_lossy(), &bytes))
}

/// The folder that a scenario's `repository:` leads to.
pub(crate) fn repository(scenario: &Scenario) -> PathBuf {
    let folder = Path::new(&scenario.source.name).parent().unwrap_or_else(|| Path::new(""));
    folder.join(&scenario.repository)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::input(format!("`{}` cannot be read: {error}", folder.display()));
    let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            if depth == 0 {
                return Err(Failure::input(format!("`{}` nests too deep for scenarios", path.display())));
            }
            collect(&path, depth - 1, files)?;
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            files.push(path);
        }
    }
    Ok(())
}
