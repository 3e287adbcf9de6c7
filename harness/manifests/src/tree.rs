//! A repository as data: paths and bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use yaml::{Node, Problem};

/// The content of a repository at one commit: files by path, nothing else.
///
/// Paths are relative, with `/` between their parts, without `.` and `..`. Contents are shared, so
/// that a clone costs a map and no bytes. Symbolic links are not representable; who reads a
/// directory into a tree decides what to do about them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tree {
    files: BTreeMap<String, File>,
}

/// A file. What it says as YAML is read when it is asked for, and once for all clones.
#[derive(Clone)]
struct File {
    content: Arc<[u8]>,
    documents: Arc<OnceLock<Result<Vec<Node>, Problem>>>,
}

impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

impl Eq for File {}

/// Why a text is not a path inside a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path starts at the root of a file system.
    #[error("the path `{0}` is absolute, and only paths inside the repository can be read")]
    Absolute(String),
    /// The path climbs above the root of the repository.
    #[error("the path `{0}` leaves the repository")]
    Escapes(String),
    /// The path holds a byte that no file name holds.
    #[error("the path `{0}` holds a NUL character")]
    Nul(String),
}

impl Tree {
    /// A tree without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// The content of a file.
    pub fn get(&self, path: &str) -> Option<&Arc<[u8]>> {
        self.find(path).map(|(_, file)| &file.content)
    }

    /// The YAML documents of a file; `None` where there is no such file.
    pub fn documents(&self, path: &str) -> Option<Result<&[Node], &Problem>> {
        let (path, file) = self.find(path)?;
        let documents = file.documents.get_or_init(|| yaml::parse(path, &file.content));
        Some(documents.as_deref())
    }

    /// The YAML document of a file that has exactly one; `None` where there is no such file.
    pub fn document(&self, path: &str) -> Option<Result<&Node, Problem>> {
        Some(self.documents(path)?.map_err(Problem::clone).and_then(|documents| yaml::only(path, documents)))
    }

    fn find(&self, path: &str) -> Option<(&String, &File)> {
        self.files.get_key_value(path).or_else(|| self.files.get_key_value(&normalise(path).ok()?))
    }

    /// Adds or replaces a file.
    ///
    /// # Errors
    /// A path that is absolute or leaves the repository.
    pub fn insert(&mut self, path: &str, content: impl Into<Arc<[u8]>>) -> Result<(), PathError> {
        let file = File { content: content.into(), documents: Arc::default() };
        self.files.insert(normalise(path)?, file);
        Ok(())
    }

    /// Takes a file away and returns what it held.
    pub fn remove(&mut self, path: &str) -> Option<Arc<[u8]>> {
        self.files.remove(&normalise(path).ok()?).map(|file| file.content)
    }

    /// Every file, in order of paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        self.files.iter().map(|(path, file)| (path.as_str(), &file.content))
    }

    /// The files directly in a directory, without those of its subdirectories.
    pub fn files_in(&self, dir: &str) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        let start = self.prefix(dir);
        let length = start.len();
        self.below(start).filter(move |(path, _)| !path[length..].contains('/'))
    }

    /// Whether some file lies in or below the directory; the root always exists.
    pub fn is_dir(&self, dir: &str) -> bool {
        let start = self.prefix(dir);
        start.is_empty() || self.below(start).next().is_some()
    }

    fn below(&self, start: String) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        self.files
            .range(start.clone()..)
            .take_while(move |(path, _)| path.starts_with(&start))
            .map(|(path, file)| (path.as_str(), &file.content))
    }

    /// What every path below `dir` starts with; for a path outside the tree, what none starts with.
    fn prefix(&self, dir: &str) -> String {
        match normalise(dir) {
            Ok(dir) if dir.is_empty() => dir,
            Ok(dir) => dir + "/",
            Err(_) => "/".to_owned(),
        }
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files.keys()).finish()
    }
}

/// A path without `.`, `..`, doubled and trailing slashes; the root is the empty path.
///
/// # Errors
/// A path that is absolute or leaves the repository.
pub fn normalise(path: &str) -> Result<String, PathError> {
    if path.starts_with('/') {
        return Err(PathError::Absolute(path.to_owned()));
    }
    if path.contains('\0') {
        return Err(PathError::Nul(path.to_owned()));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| PathError::Escapes(path.to_owned()))?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        let mut tree = Tree::new();
        for path in paths {
            tree.insert(path, path.as_bytes()).unwrap();
        }
        tree
    }

    #[test]
    fn paths_are_normalised_and_cannot_leave_the_repository() {
        assert_eq!(normalise("./a//b/../c/").unwrap(), "a/c");
        assert_eq!(normalise(".").unwrap(), "");
        assert_eq!(normalise("a/..").unwrap(), "");
        assert_eq!(normalise("/etc/passwd"), Err(PathError::Absolute("/etc/passwd".into())));
        assert_eq!(normalise("a/../../b"), Err(PathError::Escapes("a/../../b".into())));
        assert!(Tree::new().insert("../x", *b"").is_err());
    }

    #[test]
    fn a_directory_lists_its_own_files_only() {
        let tree = tree(&["a.yaml", "base/x.yaml", "base/deep/y.yaml", "base-2/z.yaml"]);
        let names = |dir| tree.files_in(dir).map(|(path, _)| path).collect::<Vec<_>>();
        assert_eq!(names("base"), ["base/x.yaml"]);
        assert_eq!(names("./"), ["a.yaml"]);
        assert_eq!(names("../base"), Vec::<&str>::new());
        assert!(tree.is_dir("base/deep") && tree.is_dir("") && !tree.is_dir("bas") && !tree.is_dir("/"));
    }

    #[test]
    fn a_clone_changes_alone() {
        let first = tree(&["a", "b"]);
        let mut second = first.clone();
        second.insert("./a", *b"new").unwrap();
        assert_eq!(second.remove("b").as_deref(), Some(b"b".as_slice()));
        assert_eq!(first.get("a").unwrap().as_ref(), b"a");
        assert_eq!(second.get("a").unwrap().as_ref(), b"new");
        assert_eq!(second.get("b"), None);
    }

    #[test]
    fn the_documents_of_a_file_are_those_of_its_present_content() {
        let mut tree = tree(&["a.yaml"]);
        let old = tree.clone();
        let count = |tree: &Tree| tree.documents("./a.yaml").unwrap().unwrap().len();
        assert_eq!(count(&tree), 1);
        tree.insert("a.yaml", *b"b: 1\n---\nc: 2\n").unwrap();
        assert_eq!((count(&old), count(&tree)), (1, 2));
        tree.insert("a.yaml", *b"b: [").unwrap();
        let problem = tree.documents("a.yaml").unwrap().unwrap_err();
        assert!(problem.to_string().contains("a.yaml:"), "{problem}");
        assert_eq!(tree.documents("b.yaml"), None);
    }
}
