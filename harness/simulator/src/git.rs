//! The Git host: a branch of commits with real object ids, so that `sim` and a real Git server show
//! the same ones for the same history.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use manifests::tree::Tree;
use sha1::{Digest, Sha1};
use units::Time;

/// A commit's id: 40 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(Arc<str>);

impl CommitId {
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
    /// The repository's content.
    pub tree: Tree,
    /// The commit that it undoes.
    pub reverts: Option<CommitId>,
}

/// One repository with one branch.
#[derive(Debug, Default)]
pub struct GitHost {
    commits: Vec<Commit>,
}

/// Seconds since 1970 that virtual time zero stands for in commits: 2026-01-01T00:00:00Z.
pub(crate) const EPOCH: u64 = 1_767_225_600;

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
        reverts: Option<CommitId>,
    ) -> &Commit {
        let parent = self.head();
        let files = changed_files(parent.map(|commit| &commit.tree), &tree);
        let parent = parent.map(|commit| commit.id.clone());
        let id = commit_id(&tree, parent.as_ref(), title, author, at);
        self.commits.push(Commit {
            id,
            parent,
            title: title.to_owned(),
            author: author.to_owned(),
            at,
            files,
            tree,
            reverts,
        });
        self.commits.last().expect("a commit was just pushed")
    }

    /// The content after undoing `id` on top of the branch, as `git revert` makes it for whole files:
    /// every file that the commit changed returns to what it was before. The error names a file that
    /// changed again since, where a real revert would stop with a conflict.
    pub fn reverted(&self, id: &CommitId) -> Result<Tree, String> {
        let position =
            self.commits.iter().position(|commit| commit.id == *id).ok_or_else(|| id.to_string())?;
        let undone = &self.commits[position];
        let empty = Tree::default();
        let before = position.checked_sub(1).map_or(&empty, |index| &self.commits[index].tree);
        let mut tree = self.head().map(|commit| commit.tree.clone()).unwrap_or_default();
        for path in &undone.files {
            if tree.get(path) != undone.tree.get(path) {
                return Err(path.clone());
            }
            match before.get(path) {
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

pub(crate) fn changed_files(before: Option<&Tree>, after: &Tree) -> Vec<String> {
    let empty = Tree::default();
    let before = before.unwrap_or(&empty);
    let mut paths: Vec<String> = before
        .files()
        .filter(|(path, content)| after.get(path) != Some(*content))
        .map(|(path, _)| path.to_owned())
        .collect();
    paths.extend(
        after.files().filter(|(path, _)| before.get(path).is_none()).map(|(path, _)| path.to_owned()),
    );
    paths.sort();
    paths
}

/// A folder while its Git tree object is being built.
#[derive(Default)]
struct Folder<'a> {
    files: BTreeMap<&'a str, &'a [u8]>,
    folders: BTreeMap<&'a str, Folder<'a>>,
}

fn commit_id(tree: &Tree, parent: Option<&CommitId>, title: &str, author: &str, at: Time) -> CommitId {
    let mut root = Folder::default();
    for (path, content) in tree.files() {
        let mut folder = &mut root;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                folder = folder.folders.entry(part).or_default();
            } else {
                folder.files.insert(part, content);
            }
        }
    }
    let tree_id = hex(&tree_object(&root));
    let seconds = EPOCH + at.as_nanos() / 1_000_000_000;
    let parent = parent.map_or(String::new(), |id| format!("parent {id}\n"));
    let body = format!(
        "tree {tree_id}\n{parent}author {author} {seconds} +0000\ncommitter {author} {seconds} +0000\n\n{title}\n"
    );
    CommitId(hex(&object_id("commit", body.as_bytes())).into())
}

fn tree_object(folder: &Folder<'_>) -> [u8; 20] {
    let files = folder
        .files
        .iter()
        .map(|(name, content)| (name.to_string(), format!("100644 {name}\0"), object_id("blob", content)));
    // Git sorts a folder as if its name ended in a slash.
    let folders = folder
        .folders
        .iter()
        .map(|(name, folder)| (format!("{name}/"), format!("40000 {name}\0"), tree_object(folder)));
    let mut entries: Vec<(String, String, [u8; 20])> = files.chain(folders).collect();
    entries.sort();
    let mut body = Vec::new();
    for (_, header, id) in entries {
        body.extend_from_slice(header.as_bytes());
        body.extend_from_slice(&id);
    }
    object_id("tree", &body)
}

fn object_id(kind: &str, body: &[u8]) -> [u8; 20] {
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {}\0", body.len()));
    hash.update(body);
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
