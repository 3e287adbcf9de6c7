//! Pull requests: what a merge or a revert makes of the branch.

use manifests::tree::Tree;
use scenario::{Merge, RevertTarget};
use timeline::{Commit, CommitReason, Event, Source};
use yaml::{Place, Problem, did_you_mean};

use super::MergeDone;
use crate::git::CommitId;
use crate::{World, api, argocd};

/// Merges a pull request.
///
/// # Errors
/// A change that cannot be made, or that changes nothing.
pub(super) fn merge(
    world: &mut World<'_>,
    id: Option<String>,
    change: &Merge,
    place: &Place,
) -> Result<(), Problem> {
    let head = world.git.head().map(|commit| commit.tree.clone()).unwrap_or_default();
    let tree = changed(&head, change, place)?;
    if tree == head {
        return Err(Problem::at(place, "this merge changes nothing: the files already say so"));
    }
    let commit = push(world, tree, &change.title, &change.author, CommitReason::Merge, None);
    world.actions.merges.push(MergeDone { id, commit });
    Ok(())
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
        let content = tree.get(path).ok_or_else(|| missing_file(tree, path, &patch.place))?;
        let before = yaml::parse_one(path, content)?;
        let mut after = before.clone();
        api::merge_patch(&mut after, patch);
        // A file that says it already keeps its bytes, comments included.
        if after != before {
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
pub(super) fn missing_file(tree: &Tree, path: &str, place: &Place) -> Problem {
    let problem = Problem::at(place, format!("the repository has no file `{path}`"));
    match did_you_mean(path, tree.files().map(|(path, _)| path)) {
        Some(similar) => problem.with_help(format!("did you mean `{similar}`?")),
        None => problem,
    }
}

/// Merges a pull request that undoes an earlier merge.
///
/// # Errors
/// No such merge, or one whose files were changed again since.
pub(super) fn revert(world: &mut World<'_>, target: &RevertTarget, place: &Place) -> Result<(), Problem> {
    let merges = &world.actions.merges;
    let position = match target {
        RevertTarget::Last => merges.len().checked_sub(1),
        RevertTarget::Id(id) => merges.iter().position(|merge| merge.id.as_ref() == Some(id)),
    };
    let position = position.ok_or_else(|| {
        Problem::at(
            place,
            match target {
                RevertTarget::Last => "there is no merge to revert by then".to_owned(),
                RevertTarget::Id(id) => format!("`{id}` was not merged by then, or was reverted already"),
            },
        )
    })?;
    let undone = merges[position].commit.clone();
    let tree = world.git.reverted(&undone).map_err(|error| {
        Problem::at(place, format!("the revert conflicts: {error}"))
            .with_help("revert the later change first, or write the wanted content with `merge:`")
    })?;
    if world.git.head().is_some_and(|head| head.tree == tree) {
        return Err(Problem::at(place, "this revert changes nothing: the files are back already"));
    }
    world.actions.merges.remove(position);
    let commit = world.git.commit(&undone);
    let (title, author) =
        commit.map(|commit| (commit.title.clone(), commit.author.clone())).unwrap_or_default();
    push(world, tree, &format!("Revert \"{title}\""), &author, CommitReason::Revert, Some(undone));
    Ok(())
}

/// Puts a commit on the branch; a webhook tells Argo CD of it.
pub(super) fn push(
    world: &mut World<'_>,
    tree: Tree,
    title: &str,
    author: &str,
    reason: CommitReason,
    reverts: Option<CommitId>,
) -> CommitId {
    let at = world.now();
    let commit = world.git.push(tree, title, author, at, reverts);
    let id = commit.id.clone();
    let event = Commit {
        repository: world.scenario.repository.clone(),
        commit: id.to_string(),
        reason,
        title: commit.title.clone(),
        author: commit.author.clone(),
        files: commit.files.clone(),
        reverts: commit.reverts.as_ref().map(ToString::to_string),
    };
    world.emit(Source::Git, Event::Commit(event));
    if world.scenario.cluster.webhook {
        argocd::on_push(world);
    }
    id
}
