//! What Argo CD takes a path of a repository for, and plain directories of manifests.

use yaml::{Node, Problem};

use crate::kustomize::{self, Rendered};
use crate::tree::Tree;

/// The tool that Argo CD renders a path with (argo-cd util/app/discovery/discovery.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceType {
    /// A kustomization file is there.
    Kustomize,
    /// A file whose name ends with `Chart.yaml` is there.
    Helm,
    /// Neither: the manifests of the directory are applied as they stand.
    Directory,
}

/// What Argo CD would take the path for. Where a directory holds both, the name that sorts last
/// decides: `kustomization.yaml` after `Chart.yaml`.
pub fn source_type(tree: &Tree, dir: &str) -> SourceType {
    let of_file = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name.ends_with("Chart.yaml") {
            Some(SourceType::Helm)
        } else {
            kustomize::FILE_NAMES.contains(&name).then_some(SourceType::Kustomize)
        }
    };
    tree.files_in(dir).filter_map(|(path, _)| of_file(path)).last().unwrap_or(SourceType::Directory)
}

/// A file with this text anywhere in it is not read
/// (argo-cd reposerver/repository/repository.go: skipFileRenderingMarker).
const SKIPPED: &[u8] = b"+argocd:skip-file-rendering";

/// Reads every `*.yaml`, `*.yml` and `*.json` file of a directory, without its subdirectories, in
/// the order of their names, save those marked to be skipped; lists are taken apart
/// (argo-cd reposerver/repository/repository.go: findManifests, without `directory.recurse`).
///
/// # Errors
/// Every file that cannot be read, every document that is no object, and Jsonnet, which is not
/// evaluated.
pub fn load(tree: &Tree, dir: &str) -> Result<Rendered, Vec<Problem>> {
    if !tree.is_dir(dir) {
        return Err(vec![Problem::new(format!("{dir}: app path does not exist"))]);
    }
    let mut rendered = Rendered::default();
    let mut problems = Vec::new();
    for (path, content) in tree.files_in(dir) {
        let readable = [".yaml", ".yml", ".json"].iter().any(|extension| path.ends_with(extension));
        if content.windows(SKIPPED.len()).any(|window| window == SKIPPED) {
            continue;
        }
        if path.ends_with(".jsonnet") {
            problems.push(Problem::new(format!("{path}: Jsonnet is not evaluated")));
        }
        if !readable {
            continue;
        }
        let outcome = tree.documents(path).unwrap_or(Ok(&[])).map_err(Problem::clone).and_then(|documents| {
            documents.iter().cloned().try_for_each(|document| add_object(document, &mut rendered.objects))
        });
        if let Err(problem) = outcome {
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(rendered) } else { Err(problems) }
}

fn add_object(node: Node, objects: &mut Vec<Node>) -> Result<(), Problem> {
    if node.as_map().is_some_and(yaml::Map::is_empty) {
        return Ok(());
    }
    let Some(kind) = node.str_at(&["kind"]).filter(|kind| !kind.is_empty()) else {
        return Err(node.problem("this document is no object: it has no kind"));
    };
    match node.get("items").and_then(Node::as_seq).filter(|_| kind.ends_with("List")) {
        Some(items) => items.iter().cloned().try_for_each(|item| add_object(item, objects)),
        None => {
            objects.push(node);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            tree.insert(path, text.as_bytes()).unwrap();
        }
        tree
    }

    #[test]
    fn a_path_is_taken_for_what_it_holds() {
        let tree = tree(&[
            ("k/kustomization.yml", ""),
            ("h/Chart.yaml", ""),
            ("d/x.yaml", ""),
            ("Kustomization", ""),
            ("both/Chart.yaml", ""),
            ("both/kustomization.yaml", ""),
        ]);
        assert_eq!(source_type(&tree, "k"), SourceType::Kustomize);
        assert_eq!(source_type(&tree, "./h/"), SourceType::Helm);
        assert_eq!(source_type(&tree, "d"), SourceType::Directory);
        assert_eq!(source_type(&tree, ""), SourceType::Kustomize);
        assert_eq!(source_type(&tree, "both"), SourceType::Kustomize);
    }

    #[test]
    fn a_directory_is_its_manifests_and_nothing_below() {
        let tree = tree(&[
            ("d/b.yaml", "kind: B\n---\nkind: C\n"),
            ("d/a.json", "{\"kind\": \"A\"}"),
            ("d/list.yml", "kind: List\nitems: [{kind: D}]\n"),
            ("d/readme.md", "kind: no"),
            ("d/values.yaml", "# +argocd:skip-file-rendering\nreplicas: 1\n"),
            ("d/deep/x.yaml", "kind: X\n"),
        ]);
        let kinds = |rendered: Rendered| {
            rendered
                .objects
                .iter()
                .filter_map(|node| node.str_at(&["kind"]).map(str::to_owned))
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(load(&tree, "d").unwrap()), ["A", "B", "C", "D"]);
        assert!(load(&tree, "none").is_err());
    }

    #[test]
    fn every_bad_file_of_a_directory_is_told() {
        let tree = tree(&[
            ("a.yaml", "x: ["),
            ("b.yaml", "name: no kind"),
            ("c.yaml", "kind: C"),
            ("d.jsonnet", "{}"),
        ]);
        let problems = load(&tree, "").unwrap_err();
        assert_eq!(problems.len(), 3);
        assert!(problems[1].to_string().contains("b.yaml:1:1"), "{}", problems[1]);
    }
}
