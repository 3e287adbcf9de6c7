//! A folder of the disk as the content of a repository.

use std::fs;
use std::path::{Path, PathBuf};

use manifests::tree::Tree;

use crate::failure::Failure;

/// More files than a deployment repository has.
const MAX_FILES: usize = 20_000;
/// More bytes than a deployment repository has.
const MAX_TOTAL_BYTES: u64 = 256 << 20;

/// Reads a folder and everything below it but `.git`. A symbolic link counts as what it leads to, as
/// Git and Argo CD have it, as long as that lies inside the folder.
pub(crate) fn read(root: &Path) -> Result<Tree, Failure> {
    let canonical = fs::canonicalize(root).map_err(|error| {
        Failure::input(format!("the scenario's repository `{}` cannot be read: {error}", root.display()))
    })?;
    if !canonical.is_dir() {
        return Err(Failure::input(format!(
            "the scenario's repository `{}` is not a folder",
            root.display()
        )));
    }
    let mut reader = Reader { root: canonical.clone(), tree: Tree::default(), files: 0, bytes: 0 };
    reader.read_folder(&canonical, "", &mut vec![canonical.clone()])?;
    Ok(reader.tree)
}

struct Reader {
    root: PathBuf,
    tree: Tree,
    files: usize,
    bytes: u64,
}

impl Reader {
    /// Reads one folder; `above` are the real paths of the folders that lead to it.
    fn read_folder(&mut self, folder: &Path, prefix: &str, above: &mut Vec<PathBuf>) -> Result<(), Failure> {
        let failed =
            |error: std::io::Error| Failure::input(format!("`{}` cannot be read: {error}", folder.display()));
        let mut entries =
            fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(Failure::input(format!(
                    "`{}` has a name that is not UTF-8",
                    entry.path().display()
                )));
            };
            if prefix.is_empty() && name == ".git" {
                continue;
            }
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            self.read_entry(&entry.path(), &path, above)?;
        }
        Ok(())
    }

    fn read_entry(&mut self, entry: &Path, path: &str, above: &mut Vec<PathBuf>) -> Result<(), Failure> {
        let real = fs::canonicalize(entry)
            .map_err(|error| Failure::input(format!("`{path}` in the repository cannot be read: {error}")))?;
        if !real.starts_with(&self.root) {
            return Err(Failure::input(format!(
                "`{path}` is a symbolic link that leads out of the repository"
            )));
        }
        if !real.is_dir() {
            return self.read_file(&real, path);
        }
        if above.contains(&real) {
            return Err(Failure::input(format!(
                "`{path}` is a symbolic link that leads back to a folder above it"
            )));
        }
        above.push(real.clone());
        self.read_folder(&real, path, above)?;
        above.pop();
        Ok(())
    }

    fn read_file(&mut self, real: &Path, path: &str) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::input(format!("`{path}` in the repository cannot be read: {error}"))
        };
        let metadata = fs::metadata(real).map_err(failed)?;
        if !metadata.is_file() {
            return Err(Failure::input(format!("`{path}` in the repository is neither a file nor a folder")));
        }
        self.files += 1;
        self.bytes += metadata.len();
        if self.files > MAX_FILES || self.bytes > MAX_TOTAL_BYTES {
            return Err(Failure::input(format!(
                "the repository is too large: more than {MAX_FILES} files or {} MiB",
                MAX_TOTAL_BYTES >> 20
            )));
        }
        let content = fs::read(real).map_err(failed)?;
        self.tree.insert(path, content).map_err(|error| Failure::input(error.to_string()))
    }
}
