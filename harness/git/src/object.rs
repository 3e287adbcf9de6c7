//! The ids of Git's objects, computed as Git does.

use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::tree::Tree;
use sha1::{Digest, Sha1};
use units::Time;

use crate::CommitId;

/// Seconds since 1970 that time zero of a run stands for in commits: 2026-01-01T00:00:00Z.
pub const EPOCH: u64 = 1_767_225_600;

/// An object's id.
type Id = [u8; 20];

/// The ids of the files of the last commit: most files stay as they are.
#[derive(Debug, Default)]
pub(crate) struct Blobs(BTreeMap<String, (Arc<[u8]>, Id)>);

impl Blobs {
    fn id(&mut self, path: &str, content: &Arc<[u8]>) -> Id {
        match self.0.get(path) {
            Some((known, id)) if Arc::ptr_eq(known, content) => *id,
            Some(_) | None => {
                let id = object_id("blob", content);
                self.0.insert(path.to_owned(), (Arc::clone(content), id));
                id
            }
        }
    }
}

/// A folder while its Git tree object is being built.
#[derive(Default)]
struct Folder<'a> {
    files: BTreeMap<&'a str, Id>,
    folders: BTreeMap<&'a str, Folder<'a>>,
}

/// A person as Git writes one: with an address, be it empty.
pub(crate) fn person(author: &str) -> String {
    if author.contains('<') { author.to_owned() } else { format!("{author} <>") }
}

/// The second since 1970 that a time of the run stands for.
pub(crate) fn seconds(at: Time) -> u64 {
    EPOCH + at.as_nanos() / 1_000_000_000
}

/// The id of a commit.
pub(crate) fn commit_id(
    tree: &Tree,
    blobs: &mut Blobs,
    parent: Option<&CommitId>,
    message: &str,
    author: &str,
    at: Time,
) -> CommitId {
    let mut root = Folder::default();
    for (path, content) in tree.files() {
        let mut folder = &mut root;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                folder = folder.folders.entry(part).or_default();
            } else {
                folder.files.insert(part, blobs.id(path, content));
            }
        }
    }
    let tree_id = hex(&tree_object(&root));
    let (author, seconds) = (person(author), seconds(at));
    let parent = parent.map_or(String::new(), |id| format!("parent {id}\n"));
    let body = format!(
        "tree {tree_id}\n{parent}author {author} {seconds} +0000\ncommitter {author} {seconds} +0000\n\n{message}"
    );
    CommitId::new(&hex(&object_id("commit", body.as_bytes())))
}

fn tree_object(folder: &Folder<'_>) -> Id {
    let files = folder.files.iter().map(|(name, id)| (name.to_string(), format!("100644 {name}\0"), *id));
    // Git sorts a folder as if its name ended in a slash.
    let folders = folder
        .folders
        .iter()
        .map(|(name, folder)| (format!("{name}/"), format!("40000 {name}\0"), tree_object(folder)));
    let mut entries: Vec<(String, String, Id)> = files.chain(folders).collect();
    entries.sort();
    let mut body = Vec::new();
    for (_, header, id) in entries {
        body.extend_from_slice(header.as_bytes());
        body.extend_from_slice(&id);
    }
    object_id("tree", &body)
}

fn object_id(kind: &str, body: &[u8]) -> Id {
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {}\0", body.len()));
    hash.update(body);
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
