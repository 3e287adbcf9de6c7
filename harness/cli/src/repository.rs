//! A folder of the disk as the content of a repository.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use manifests::tree::Tree;

/// More files than a deployment repository has.
const MAX_FILES: usize = 20_000;
/// More bytes than a deployment repository has.
const MAX_TOTAL_BYTES: u64 = 256 << 20;

/// Reads a folder and everything below it but `.git`. A symbolic link counts as what it leads to, as
/// Git and Argo CD have it, as long as that lies inside the folder.
///
/// # Errors
/// Why it cannot be read, as one line.
pub(crate) fn read(root: &Path) -> Result<Tree, String> {
    let shown = root.display();
    let root = fs::canonicalize(root)
        .map_err(|error| format!("the scenario's repository `{shown}` cannot be read: {error}"))?;
    if !root.is_dir() {
        return Err(format!("the scenario's repository `{shown}` is not a folder"));
    }
    let mut above = vec![root.clone()];
    let mut reader = Reader { root, tree: Tree::default(), files: 0, bytes: 0 };
    reader.read_folder("", &mut above)?;
    Ok(reader.tree)
}

struct Reader {
    root: PathBuf,
    tree: Tree,
    files: usize,
    bytes: u64,
}

impl Reader {
    /// Reads one folder: the last of `above`, which are the real paths of the folders that lead to it.
    fn read_folder(&mut self, path: &str, above: &mut Vec<PathBuf>) -> Result<(), String> {
        let folder = above.last().unwrap_or(&self.root);
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>);
        let mut entries = entries.map_err(|error| unreadable(path, &error))?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(format!("`{}` has a name that is not UTF-8", entry.path().display()));
            };
            match path {
                "" if name == ".git" => {}
                "" => self.read_entry(&entry.path(), name, above)?,
                _ => self.read_entry(&entry.path(), &format!("{path}/{name}"), above)?,
            }
        }
        Ok(())
    }

    fn read_entry(&mut self, entry: &Path, path: &str, above: &mut Vec<PathBuf>) -> Result<(), String> {
        let real = fs::canonicalize(entry).map_err(|error| unreadable(path, &error))?;
        if !real.starts_with(&self.root) {
            return Err(format!("`{path}` is a symbolic link that leads out of the repository"));
        }
        if !real.is_dir() {
            return self.read_file(&real, path);
        }
        if above.contains(&real) {
            return Err(format!("`{path}` is a symbolic link that leads back to a folder above it"));
        }
        above.push(real);
        self.read_folder(path, above)?;
        above.pop();
        Ok(())
    }

    fn read_file(&mut self, real: &Path, path: &str) -> Result<(), String> {
        let metadata = fs::metadata(real).map_err(|error| unreadable(path, &error))?;
        if !metadata.is_file() {
            return Err(format!("`{path}` in the repository is neither a file nor a folder"));
        }
        self.files += 1;
        self.bytes += metadata.len();
        if self.files > MAX_FILES || self.bytes > MAX_TOTAL_BYTES {
            return Err(format!(
                "the repository is too large: with `{path}` it has more than {MAX_FILES} files or {} MiB",
                MAX_TOTAL_BYTES >> 20
            ));
        }
        let content = fs::read(real).map_err(|error| unreadable(path, &error))?;
        self.tree.insert(path, content).map_err(|error| error.to_string())
    }
}

fn unreadable(path: &str, error: &io::Error) -> String {
    format!("`{path}` in the repository cannot be read: {error}")
}
