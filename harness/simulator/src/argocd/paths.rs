//! Which commits concern an Application: the annotation `manifest-generate-paths`
//! (argo-cd util/app/path/path.go).

use manifests::objects::path_glob;
use manifests::tree::normalise;

use super::app::App;
use crate::World;
use git::CommitId;

const ANNOTATION: &str = "argocd.argoproj.io/manifest-generate-paths";

/// The paths whose changes concern an Application; empty where every change does.
pub(super) fn of(world: &World<'_>, app: &App) -> Vec<String> {
    let annotation = world.api.get(app.id).annotations.get(ANNOTATION).map(String::as_str);
    refresh_paths(annotation.unwrap_or_default(), &app.source().path)
}

/// The annotation's paths, absolute or relative to the source's path (`GetSourceRefreshPaths`).
fn refresh_paths(annotation: &str, source: &str) -> Vec<String> {
    let items = annotation.split(';').filter(|item| !item.is_empty());
    items
        .map(|item| match item.strip_prefix('/') {
            Some(from_root) => from_root.to_owned(),
            None => {
                let joined = format!("{source}/{item}");
                normalise(&joined).unwrap_or(joined)
            }
        })
        .collect()
}

/// Whether one of the files lies at or below one of the paths, or matches one as a pattern; without
/// paths or files the answer is yes (`AppFilesHaveChanged`).
pub(super) fn concern(paths: &[String], files: &[String]) -> bool {
    let hits = |path: &String, file: &String| {
        let path = path.trim_end_matches('/');
        path.is_empty()
            || file == path
            || file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
            || path_glob(path, file)
    };
    paths.is_empty() || files.is_empty() || files.iter().any(|file| paths.iter().any(|path| hits(path, file)))
}

/// Whether what changed between two commits concerns an Application (`UpdateRevisionForPaths`).
pub(super) fn concern_between(world: &World<'_>, paths: &[String], old: &CommitId, new: &CommitId) -> bool {
    let (Some(old), Some(new)) = (world.git.commit(old), world.git.commit(new)) else { return true };
    let all = old.tree.files().chain(new.tree.files()).map(|(path, _)| path);
    let changed: Vec<String> =
        all.filter(|path| old.tree.get(path) != new.tree.get(path)).map(str::to_owned).collect();
    !changed.is_empty() && concern(paths, &changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_source_unless_absolute() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            (".", &["source/path"]),
            (".;;", &["source/path"]),
            (".;dev/deploy;../shared", &["source/path", "source/path/dev/deploy", "source/shared"]),
            ("/base;/overlays/*", &["base", "overlays/*"]),
        ];
        for (annotation, expected) in table {
            assert_eq!(refresh_paths(annotation, "source/path"), *expected, "{annotation}");
        }
    }

    #[test]
    fn a_file_concerns_an_application_at_or_below_its_paths() {
        let table: &[(&[&str], &[&str], bool)] = &[
            (&["base"], &["base/x.yaml"], true),
            (&["base"], &["base-2/x.yaml"], false),
            (&["base/x.yaml"], &["readme.md", "base/x.yaml"], true),
            (&["over*/x.yaml"], &["overlays/x.yaml"], true),
            (&["over*/x.yaml"], &["overlays/a/x.yaml"], false),
            (&[""], &["anything"], true),
            (&[], &["anything"], true),
            (&["base"], &[], true),
        ];
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (paths, files, expected) in table {
            assert_eq!(concern(&owned(paths), &owned(files)), *expected, "{paths:?} {files:?}");
        }
    }
}
