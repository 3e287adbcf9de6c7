//! A commit as `git fast-import` reads it.

use crate::object::{person, seconds};
use crate::{Commit, CommitId};

/// What `git fast-import` makes this commit of, on top of its parent, which the repository must have.
/// Git gives it the id that it has here.
pub fn fast_import(commit: &Commit, branch: &str) -> Vec<u8> {
    let (author, seconds) = (person(&commit.author), seconds(commit.at));
    let message = commit.message();
    let mut stream = format!(
        "commit refs/heads/{branch}\nauthor {author} {seconds} +0000\ncommitter {author} {seconds} +0000\n\
         data {}\n{message}\n",
        message.len()
    )
    .into_bytes();
    if let Some(parent) = commit.parent.as_ref().map(CommitId::as_str) {
        stream.extend(format!("from {parent}\n").bytes());
    }
    stream.extend(b"deleteall\n");
    for (path, content) in commit.tree.files() {
        stream.extend(format!("M 100644 inline {}\ndata {}\n", quoted(path), content.len()).bytes());
        stream.extend_from_slice(content);
        stream.push(b'\n');
    }
    stream.extend(b"\ndone\n");
    stream
}

/// A path in quotes, as C writes text.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
