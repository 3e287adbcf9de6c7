//! The branch and its history.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use manifests::tree::Tree;
use timeline::CommitReason;
use units::Time;

use crate::object::{Blobs, commit_id};

/// A commit's id: 40 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(Arc<str>);

impl CommitId {
    pub(crate) fn new(hexadecimal: &str) -> Self {
        Self(hexadecimal.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A commit: the whole content of the repository and how it came to be.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Its id.
    pub id: CommitId,
    /// The commit before it.
    pub parent: Option<CommitId>,
    /// The message's first line.
    pub title: String,
    /// Who made it, as `Name <mail>`.
    pub author: String,
    /// When it was made.
    pub at: Time,
    /// The paths that differ from its parent.
    pub files: Vec<String>,
    /// Why it was made.
    pub reason: CommitReason,
    /// The repository's content.
    pub tree: Tree,
    /// The commit that it undoes.
    pub reverts: Option<CommitId>,
}

impl Commit {
    /// The whole message, as `git revert` writes it for a commit that undoes another.
    pub fn message(&self) -> String {
        message(&self.title, self.reverts.as_ref())
    }

    /// What the timeline says of it.
    pub fn told(&self, repository: &str) -> timeline::Commit {
        timeline::Commit {
            repository: repository.to_owned(),
            commit: self.id.to_string(),
            reason: self.reason,
            title: self.title.clone(),
            author: self.author.clone(),
            files: self.files.clone(),
            reverts: self.reverts.as_ref().map(ToString::to_string),
        }
    }
}

/// One repository with one branch.
#[derive(Debug, Default)]
pub struct GitHost {
    commits: Vec<Commit>,
    blobs: Blobs,
    /// The merges that were not reverted, oldest first.
    pub(crate) merges: Vec<Merged>,
}

/// A pull request that was merged.
#[derive(Debug)]
pub(crate) struct Merged {
    /// What the scenario calls it.
    pub(crate) id: Option<String>,
    /// The commit that it became.
    pub(crate) commit: CommitId,
}

impl GitHost {
    /// The newest commit; `None` in an empty repository.
    pub fn head(&self) -> Option<&Commit> {
        self.commits.last()
    }

    /// The history, oldest first.
    pub fn log(&self) -> &[Commit] {
        &self.commits
    }

    /// The commit with this id.
    pub fn commit(&self, id: &CommitId) -> Option<&Commit> {
        self.commits.iter().find(|commit| commit.id == *id)
    }

    /// Adds a commit with the given content on top of the branch.
    pub fn push(
        &mut self,
        tree: Tree,
        title: &str,
        author: &str,
        at: Time,
        reason: CommitReason,
        reverts: Option<CommitId>,
    ) -> &Commit {
        let parent = self.head();
        let files = changed_files(parent.map(|commit| &commit.tree), &tree);
        let parent = parent.map(|commit| commit.id.clone());
        let id =
            commit_id(&tree, &mut self.blobs, parent.as_ref(), &message(title, reverts.as_ref()), author, at);
        self.commits.push(Commit {
            id,
            parent,
            title: title.to_owned(),
            author: author.to_owned(),
            at,
            files,
            reason,
            tree,
            reverts,
        });
        self.commits.last().expect("a commit was just pushed")
    }

    /// The content after undoing `id` on top of the branch: every file that the commit changed returns
    /// to what it was before. Whole files are compared, where `git revert` merges line by line.
    ///
    /// # Errors
    /// A commit that is not in the history, or a file of it that changed again since.
    pub fn reverted(&self, id: &CommitId) -> Result<Tree, RevertError> {
        let position = self.commits.iter().position(|commit| commit.id == *id);
        let position = position.ok_or_else(|| RevertError::Unknown(id.clone()))?;
        let undone = &self.commits[position];
        let empty = Tree::default();
        let before = position.checked_sub(1).map_or(&empty, |index| &self.commits[index].tree);
        let mut tree = self.head().map(|commit| commit.tree.clone()).unwrap_or_default();
        for path in &undone.files {
            let (present, wanted) = (tree.get(path), before.get(path));
            if present == wanted {
                continue;
            }
            if present != undone.tree.get(path) {
                return Err(RevertError::ChangedSince(path.clone()));
            }
            match wanted {
                Some(content) => {
                    tree.insert(path, Arc::clone(content)).expect("the path was in a tree before")
                }
                None => {
                    tree.remove(path);
                }
            }
        }
        Ok(tree)
    }
}

/// Why a commit cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevertError {
    /// It is not in the history.
    Unknown(CommitId),
    /// This file of it was changed again by a later commit.
    ChangedSince(String),
}

impl fmt::Display for RevertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "there is no commit {id}"),
            Self::ChangedSince(path) => write!(f, "`{path}` was changed again since"),
        }
    }
}

/// The whole message, as `git revert` writes it for a commit that undoes another.
fn message(title: &str, reverts: Option<&CommitId>) -> String {
    match reverts {
        Some(undone) => format!("{title}\n\nThis reverts commit {undone}.\n"),
        None => format!("{title}\n"),
    }
}

fn changed_files(before: Option<&Tree>, after: &Tree) -> Vec<String> {
    let empty = Tree::default();
    let before = before.unwrap_or(&empty);
    let paths = before.files().chain(after.files()).map(|(path, _)| path);
    let changed: BTreeSet<&str> = paths.filter(|path| before.get(path) != after.get(path)).collect();
    changed.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree_of<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(path, text.as_bytes().to_vec()).unwrap();
        }
        tree
    }

    fn host(trees: &[&[(&str, &str)]]) -> GitHost {
        let mut host = GitHost::default();
        for (second, files) in trees.iter().enumerate() {
            let at = Time::from_secs(second as u64);
            let (tree, author) = (tree_of(files.iter().copied()), "A <a@example.com>");
            host.push(tree, "change", author, at, CommitReason::Merge, None);
        }
        host
    }

    fn revert(host: &GitHost, index: usize) -> Result<Tree, RevertError> {
        host.reverted(&host.log()[index].id)
    }

    #[test]
    fn a_commit_names_the_files_that_it_adds_changes_and_deletes() {
        let host = host(&[&[("a", "1"), ("b", "1"), ("c", "1")], &[("a", "1"), ("b", "2"), ("d/e", "1")]]);
        assert_eq!(host.log()[0].files, ["a", "b", "c"]);
        assert_eq!(host.log()[1].files, ["b", "c", "d/e"]);
    }

    #[test]
    fn a_revert_gives_back_what_was_changed_added_and_deleted() {
        let host = host(&[&[("a", "1"), ("b", "1")], &[("a", "2"), ("c", "1")]]);
        assert_eq!(revert(&host, 1).unwrap(), tree_of([("a", "1"), ("b", "1")]));
        assert_eq!(revert(&host, 0), Err(RevertError::ChangedSince("a".to_owned())));
    }

    #[test]
    fn a_revert_leaves_later_changes_of_other_files() {
        let host = host(&[&[("a", "1"), ("b", "1")], &[("a", "2"), ("b", "1")], &[("a", "2"), ("b", "2")]]);
        assert_eq!(revert(&host, 1).unwrap(), tree_of([("a", "1"), ("b", "2")]));
    }

    #[test]
    fn a_file_that_was_changed_again_is_in_the_way_of_a_revert_unless_it_is_back_already() {
        let conflicts: [(&[(&str, &str)], &str); 3] =
            [(&[("a", "3")], "a"), (&[("b", "2")], "a"), (&[("a", "2"), ("b", "3")], "b")];
        for (later, path) in conflicts {
            let host = host(&[&[("a", "1")], &[("a", "2"), ("b", "2")], later]);
            assert_eq!(revert(&host, 1), Err(RevertError::ChangedSince(path.to_owned())), "{later:?}");
        }
        let back = host(&[&[("a", "1")], &[("a", "2"), ("b", "2")], &[("a", "1")]]);
        assert_eq!(revert(&back, 1).unwrap(), tree_of([("a", "1")]));
    }

    #[test]
    fn a_commit_of_another_repository_cannot_be_reverted() {
        let other = host(&[&[("x", "x")]]).log()[0].id.clone();
        assert_eq!(host(&[&[("a", "1")]]).reverted(&other), Err(RevertError::Unknown(other)));
    }
}
