//! Which files a kustomization may read, and how its directories refer to each other.

use std::sync::Arc;

use yaml::{Node, Place, Problem};

use super::error::{Error, Result};
use crate::tree::{PathError, Tree, normalise};

/// How many directories may refer to each other in a row.
pub(crate) const MAX_DEPTH: usize = 64;

/// Reads on behalf of one directory: files in and below it, other directories of the repository.
pub(crate) struct Loader<'a> {
    pub(crate) tree: &'a Tree,
    /// The directory, normalised.
    pub(crate) root: String,
    referrer: Option<&'a Loader<'a>>,
    depth: usize,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(tree: &'a Tree, dir: &str) -> Result<Self> {
        let root = normalise(dir).map_err(|error| Problem::new(error.to_string()))?;
        let loader = Self { tree, root, referrer: None, depth: 0 };
        if tree.is_dir(&loader.root) {
            Ok(loader)
        } else if tree.get(&loader.root).is_some() {
            Err(Problem::new(format!("must build at directory: '{dir}': file is not directory")).into())
        } else {
            Err(Problem::new(format!("must build at directory: '{dir}': no such file or directory")).into())
        }
    }

    /// The directory as messages show it.
    pub(crate) fn shown(&self) -> &str {
        shown(&self.root)
    }

    /// Where a path written in this directory leads.
    fn resolve(&self, path: &str) -> std::result::Result<String, PathError> {
        if path.starts_with('/') {
            return Err(PathError::Absolute(path.to_owned()));
        }
        normalise(format!("{}/{path}", self.root).trim_start_matches('/'))
    }

    /// Reads a file in or below the directory (api internal/loader/loadrestrictions.go:
    /// RestrictionRootOnly).
    ///
    /// # Errors
    /// A URL, a file that does not exist or lies elsewhere.
    pub(crate) fn load(&self, path: &str, place: &Place) -> Result<(String, Arc<[u8]>)> {
        if is_url(path) {
            return Err(Error::not_implemented(format!("the remote file `{path}`"), place));
        }
        let outside = |file: &str| {
            Problem::at(place, format!("security; file '{file}' is not in or below '{}'", self.shown()))
                .with_help("a kustomization reads files of its own directory; share others through a directory with a kustomization of its own")
        };
        let file = match self.resolve(path) {
            Ok(file) => file,
            Err(_) => return Err(outside(path).into()),
        };
        let Some(content) = self.tree.get(&file) else {
            let message = if self.tree.is_dir(&file) {
                format!("'{}' must resolve to a file", shown(&file))
            } else {
                format!("'{file}': no such file or directory")
            };
            return Err(Problem::at(place, message).into());
        };
        let inside =
            self.root.is_empty() || file.strip_prefix(&self.root).is_some_and(|rest| rest.starts_with('/'));
        if !inside {
            return Err(outside(&file).into());
        }
        Ok((file, Arc::clone(content)))
    }

    /// The YAML documents of a file that [`Loader::load`] named.
    ///
    /// # Errors
    /// Text that is not YAML.
    pub(crate) fn documents(&self, file: &str) -> std::result::Result<Vec<Node>, Problem> {
        let documents = self.tree.documents(file).expect("the file was found in the tree");
        documents.map(<[Node]>::to_vec).map_err(Problem::clone)
    }

    /// Whether `path` leads to a directory.
    pub(crate) fn is_dir(&self, path: &str) -> bool {
        self.resolve(path).is_ok_and(|dir| self.tree.get(&dir).is_none() && self.tree.is_dir(&dir))
    }

    /// The loader of another directory (api internal/loader/fileloader.go: New).
    ///
    /// # Errors
    /// A URL, something that is no directory of the repository, a cycle, too long a chain.
    pub(crate) fn descend(&'a self, path: &str, place: &Place) -> Result<Loader<'a>> {
        if path.is_empty() {
            return Err(Problem::at(place, "new root cannot be empty").into());
        }
        let dir = match self.resolve(path) {
            Ok(dir) if self.tree.is_dir(&dir) || self.tree.get(&dir).is_some() => dir,
            _ if is_remote(path) => {
                return Err(Error::not_implemented(format!("the remote base `{path}`"), place));
            }
            Ok(dir) => {
                let message = format!("must build at directory: '{dir}': no such file or directory");
                return Err(Problem::at(place, message).into());
            }
            Err(PathError::Absolute(_)) => {
                return Err(Problem::at(place, format!("new root '{path}' cannot be absolute")).into());
            }
            Err(error) => return Err(Problem::at(place, error.to_string()).into()),
        };
        if self.tree.get(&dir).is_some() {
            let message = format!("must build at directory: '{dir}': file is not directory");
            return Err(Problem::at(place, message).into());
        }
        self.refuse_cycle(&dir, place)?;
        if self.depth >= MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} directories refer to each other in a row");
            return Err(Problem::at(place, message).into());
        }
        Ok(Loader { tree: self.tree, root: dir, referrer: Some(self), depth: self.depth + 1 })
    }

    fn refuse_cycle(&self, candidate: &str, place: &Place) -> Result<()> {
        let mut visited = Some(self);
        while let Some(loader) = visited {
            let contains = candidate.is_empty()
                || loader.root == candidate
                || loader.root.strip_prefix(candidate).is_some_and(|rest| rest.starts_with('/'));
            if contains {
                let message = format!(
                    "cycle detected: candidate root '{}' contains visited root '{}'",
                    shown(candidate),
                    loader.shown()
                );
                return Err(Problem::at(place, message).into());
            }
            visited = loader.referrer;
        }
        Ok(())
    }
}

fn shown(dir: &str) -> &str {
    if dir.is_empty() { "." } else { dir }
}

fn is_url(path: &str) -> bool {
    path.starts_with("http://") || path.starts_with("https://")
}

/// Whether kustomize would take the path for a Git repository (api internal/git/repospec.go).
fn is_remote(path: &str) -> bool {
    path.contains("://")
        || ["git@", "git::", "gh:", "github.com/", "github.com:"].iter().any(|start| path.starts_with(start))
        || path.contains("?ref=")
        || path.contains(".git/")
        || path.ends_with(".git")
}
