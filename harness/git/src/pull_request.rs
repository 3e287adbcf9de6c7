//! Pull requests: what a merge or a revert makes of the branch.

use manifests::tree::Tree;
use scenario::{Merge, RevertTarget};
use timeline::CommitReason;
use units::Time;
use yaml::{Place, Problem, did_you_mean};

use crate::host::Merged;
use crate::{Commit, CommitId, GitHost};

impl GitHost {
    /// Merges a pull request, which the scenario may call `id`. `place` is where it is written.
    ///
    /// # Errors
    /// A change that cannot be made, or that changes nothing.
    pub fn merge(
        &mut self,
        id: Option<String>,
        change: &Merge,
        at: Time,
        place: &Place,
    ) -> Result<&Commit, Problem> {
        let head = self.head().map(|commit| commit.tree.clone()).unwrap_or_default();
        let tree = changed(&head, change, place)?;
        if tree == head {
            return Err(Problem::at(place, "this merge changes nothing: the files already say so"));
        }
        let commit = self.push(tree, &change.title, &change.author, at, CommitReason::Merge, None).id.clone();
        self.merges.push(Merged { id, commit });
        Ok(self.head().expect("a commit was just pushed"))
    }

    /// Merges a pull request that undoes an earlier merge.
    ///
    /// # Errors
    /// No such merge, or one whose files were changed again since.
    pub fn revert(&mut self, target: &RevertTarget, at: Time, place: &Place) -> Result<&Commit, Problem> {
        let position = self.position(target).ok_or_else(|| Problem::at(place, no_such_merge(target)))?;
        let undone = self.merges[position].commit.clone();
        let tree = self.reverted(&undone).map_err(|error| {
            Problem::at(place, format!("the revert conflicts: {error}"))
                .with_help("revert the later change first, or write the wanted content with `merge:`")
        })?;
        if self.head().is_some_and(|head| head.tree == tree) {
            return Err(Problem::at(place, "this revert changes nothing: the files are back already"));
        }
        self.merges.remove(position);
        Ok(self.push_revert(tree, undone, at))
    }

    fn position(&self, target: &RevertTarget) -> Option<usize> {
        match target {
            RevertTarget::Last => self.merges.len().checked_sub(1),
            RevertTarget::Id(id) => self.merges.iter().position(|merge| merge.id.as_ref() == Some(id)),
        }
    }

    fn push_revert(&mut self, tree: Tree, undone: CommitId, at: Time) -> &Commit {
        let commit = self.commit(&undone);
        let (title, author) =
            commit.map(|commit| (commit.title.clone(), commit.author.clone())).unwrap_or_default();
        let title = format!("Revert \"{title}\"");
        self.push(tree, &title, &author, at, CommitReason::Revert, Some(undone))
    }
}

fn no_such_merge(target: &RevertTarget) -> String {
    match target {
        RevertTarget::Last => "there is no merge to revert by then".to_owned(),
        RevertTarget::Id(id) => format!("`{id}` was not merged by then, or was reverted already"),
    }
}

/// The repository's content with a pull request's changes.
///
/// # Errors
/// An edit or a deletion of a file that is not there, an edit of one that is not one YAML document, or a
/// path that is a file and a folder at once.
fn changed(tree: &Tree, change: &Merge, place: &Place) -> Result<Tree, Problem> {
    let outside = |error: manifests::tree::PathError, place: &Place| Problem::at(place, error.to_string());
    let mut changed = tree.clone();
    for (path, patch) in &change.edit {
        let before = tree.document(path).ok_or_else(|| missing_file(tree, path, &patch.place))??;
        let mut after = before.clone();
        yaml::merge_patch(&mut after, patch);
        // A file that says it already keeps its bytes, comments included.
        if after != *before {
            let text = after.to_yaml().into_bytes();
            changed.insert(path, text).map_err(|error| outside(error, &patch.place))?;
        }
    }
    for (path, text) in &change.write {
        changed.insert(path, text.clone().into_bytes()).map_err(|error| outside(error, place))?;
    }
    for path in &change.delete {
        changed.remove(path).ok_or_else(|| missing_file(tree, path, place))?;
    }
    let both = changed.files().map(|(path, _)| path).find(|path| changed.is_dir(path));
    let problem =
        both.map(|path| Problem::at(place, format!("`{path}` would be a file and a folder at once")));
    problem.map_or(Ok(changed), Err)
}

/// What is said of a path that the repository does not have.
pub fn missing_file(tree: &Tree, path: &str, place: &Place) -> Problem {
    let problem = Problem::at(place, format!("the repository has no file `{path}`"));
    match did_you_mean(path, tree.files().map(|(path, _)| path)) {
        Some(similar) => problem.with_help(format!("did you mean `{similar}`?")),
        None => problem,
    }
}
