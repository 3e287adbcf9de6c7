//! How the errors of a build read, what is refused by name, and that no input escapes or panics.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::fmt::Write;

use manifests::kustomize::{Error, build, parse_program_output};
use manifests::tree::Tree;
use proptest::prelude::*;

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in files {
        tree.insert(path, text.as_bytes()).unwrap();
    }
    tree
}

/// A kustomization beside a ConfigMap `c`, a Deployment `d` and a component.
fn repository(kustomization: &str) -> Tree {
    tree(&[
        ("k/kustomization.yaml", kustomization),
        ("k/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n"),
        (
            "k/d.yaml",
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: d}\nspec: {replicas: 1}\n",
        ),
        ("k/bad.yaml", "kind: [\n"),
        ("k/text.yaml", "hello\n"),
        ("k/nameless.yaml", "apiVersion: v1\nkind: ConfigMap\n"),
        ("k/config.yaml", "nameRefrence: []\n"),
        ("component/kustomization.yaml", "kind: Component\nnamePrefix: x-\n"),
        ("plain/x.yaml", "kind: X\n"),
        ("secret/kustomization.yaml", "secretGenerator: [{name: s}]\n"),
        ("one/kustomization.yaml", "resources: [../secret]\nnamePrefix: one-\n"),
        ("two/kustomization.yaml", "resources: [../secret]\nnamePrefix: two-\n"),
        (
            "k/i.yaml",
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\nspec: {tls: [{secretName: s}]}\n",
        ),
        ("back/kustomization.yaml", "resources: [../k]\n"),
    ])
}

/// Each error once, with the kustomization that causes it.
const REFUSED: &[(&str, &str)] = &[
    ("a directory without kustomization", "resources: [../plain]"),
    ("a file of another directory", "resources: [../plain/x.yaml]"),
    ("a path out of the repository", "resources: [../../etc]"),
    ("an absolute path", "resources: [/etc/passwd]"),
    ("a missing file", "resources: [gone.yaml]"),
    ("an empty path", "resources: ['']"),
    ("malformed YAML", "resources: [bad.yaml]"),
    ("no object", "resources: [text.yaml]"),
    ("no name", "resources: [nameless.yaml]"),
    ("an object twice", "resources: [c.yaml, c.yaml]"),
    ("a cycle", "resources: [../back]"),
    ("a component as resource", "resources: [../component]"),
    ("a resource as component", "components: [../back]"),
    ("an unknown key", "resources: [c.yaml]\nconfigMapGenerators: []"),
    ("an unknown key further in", "images: [{name: x, newtag: y}]"),
    ("a value of another kind", "namespace: [a]"),
    ("an empty kustomization", "kind: Kustomization"),
    ("another kind", "kind: Foo\nresources: [c.yaml]"),
    ("another version", "apiVersion: v1\nresources: [c.yaml]"),
    ("an unknown key of a configuration", "configurations: [config.yaml]"),
    ("a generator that clashes", "resources: [c.yaml]\nconfigMapGenerator: [{name: c, literals: [a=b]}]"),
    ("a generator that merges into nothing", "configMapGenerator: [{name: c, behavior: merge}]"),
    ("a generator without name", "configMapGenerator: [{literals: [a=b]}]"),
    ("a literal without value", "configMapGenerator: [{name: c, literals: [ab]}]"),
    ("a key twice", "configMapGenerator: [{name: c, literals: [a=b, a=c]}]"),
    ("a missing data file", "configMapGenerator: [{name: c, files: [gone.txt]}]"),
    ("a data file outside", "secretGenerator: [{name: c, files: [x=../plain/x.yaml]}]"),
    ("a type of a ConfigMap", "configMapGenerator: [{name: c, type: Opaque}]"),
    ("replicas of a Rollout", "resources: [d.yaml]\nreplicas: [{name: d, count: 2}]"),
    (
        "a patch for nothing",
        "resources: [c.yaml]\npatches:\n  - patch: |\n      apiVersion: v1\n      kind: ConfigMap\n      metadata: {name: other}",
    ),
    (
        "operations that are YAML in brackets",
        "resources: [c.yaml]\npatches:\n  - target: {kind: ConfigMap}\n    patch: '[{op: remove, path: /data/a}]'",
    ),
    ("no patch", "resources: [c.yaml]\npatches: [{patch: hello}]"),
    ("a malformed patch", "resources: [c.yaml]\npatches:\n  - patch: |\n      kind: A\n      x: [\n"),
    ("neither patch nor path", "resources: [c.yaml]\npatches: [{target: {name: x}}]"),
    ("patch and path", "resources: [c.yaml]\npatches: [{patch: x, path: p.yaml}]"),
    ("a missing patch file", "resources: [c.yaml]\npatches: [{path: gone.yaml}]"),
    (
        "a JSON patch without target",
        "resources: [c.yaml]\npatches:\n  - patch: |\n      - {op: remove, path: /data}",
    ),
    (
        "a JSON patch that does not apply",
        "resources: [c.yaml]\npatches:\n  - target: {kind: ConfigMap}\n    patch: |\n      - {op: test, path: /data/a, value: b}\n      - {op: remove, path: /data/z}",
    ),
    (
        "a patch of another shape",
        "resources: [c.yaml]\npatches:\n  - patch: |\n      apiVersion: v1\n      kind: ConfigMap\n      metadata: {name: c}\n      data: [x]",
    ),
    (
        "an unknown directive",
        "resources: [c.yaml]\npatches:\n  - patch: |\n      apiVersion: v1\n      kind: ConfigMap\n      metadata: {name: c}\n      data: {$patch: remove}",
    ),
    ("a bad pattern", "resources: [c.yaml]\npatches: [{path: c.yaml, target: {name: '('}}]"),
    ("a bad selector", "resources: [c.yaml]\npatches: [{path: c.yaml, target: {labelSelector: 'a b'}}]"),
    (
        "a replacement without source",
        "resources: [c.yaml]\nreplacements: [{targets: [{select: {kind: ConfigMap}}]}]",
    ),
    (
        "a replacement from nothing",
        "resources: [c.yaml]\nreplacements: [{source: {kind: Secret}, targets: [{select: {kind: ConfigMap}}]}]",
    ),
    (
        "a replacement from a missing field",
        "resources: [c.yaml]\nreplacements: [{source: {kind: ConfigMap, fieldPath: data.z}, targets: [{select: {kind: ConfigMap}}]}]",
    ),
    (
        "a replacement of a missing field",
        "resources: [c.yaml]\nreplacements: [{sourceValue: x, targets: [{select: {kind: ConfigMap}, fieldPaths: [data.z]}]}]",
    ),
    ("a reference to one of two objects", "resources: [../two, ../one, i.yaml]\nnamePrefix: p-"),
    ("an unknown order", "resources: [c.yaml]\nsortOptions: {order: random}"),
];

#[test]
fn every_error_says_what_and_where() {
    let mut shown = String::new();
    for (what, kustomization) in REFUSED {
        match build(&repository(kustomization), "k") {
            Err(Error::Invalid(problem)) => write!(shown, "# {what}\n{problem}\n\n").unwrap(),
            other => panic!("{what}: {other:?}"),
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    let cases = [
        "resources: [c.yaml]\nreplacements:\n  - sourceValue: x\n    targets: [{select: {kind: ConfigMap}, fieldPaths: [data.z], options: {create: true}}]",
        "resources: [c.yaml]\nreplacements:\n  - sourceValue: x\n    targets: [{select: {kind: ConfigMap}, fieldPaths: [data.a.b]}]",
        "resources: [c.yaml]\nvars: [{name: X}]",
        "resources: [c.yaml]\nhelmCharts: [{name: x}]",
        "resources: [c.yaml]\ngenerators: [g.yaml]",
        "resources: [c.yaml]\ntransformers: [t.yaml]",
        "resources: [c.yaml]\nvalidators: [v.yaml]",
        "resources: [c.yaml]\ncrds: [crd.json]",
        "resources: [c.yaml]\nopenapi: {path: schema.json}",
        "resources: [c.yaml]\nbuildMetadata: [originAnnotations]",
        "resources: ['https://github.com/argoproj/argo-cd//manifests?ref=v3.2.6']",
        "resources: ['https://example.org/install.yaml']",
        "components: ['git@github.com:a/b.git']",
        "configMapGenerator: [{name: c, files: ['https://example.org/x']}]",
        "namePrefix: x\n---\nnamePrefix: y",
    ];
    let mut shown = String::new();
    for kustomization in cases {
        match build(&repository(kustomization), "k") {
            Err(error @ Error::NotImplemented { .. }) => writeln!(shown, "{error}").unwrap(),
            other => panic!("{kustomization}: {other:?}"),
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_patch_that_selects_nothing_is_warned_of() {
    let rendered = build(
        &repository("resources: [c.yaml]\npatches:\n  - {path: c.yaml, target: {kind: Deployment}}\n"),
        "k",
    );
    insta::assert_snapshot!(rendered.unwrap().warnings[0]);
}

#[test]
fn values_keep_the_place_that_set_them() {
    let kustomization = "\
resources: [c.yaml, d.yaml]
namePrefix: p-
labels:
  - pairs: {team: ml}
patches:
  - patch: |
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: c}
      data:
        a: patched
  - target: {kind: Rollout}
    patch: |
      - op: replace
        path: /spec/replicas
        value: 5
";
    let rendered = build(&repository(kustomization), "k").unwrap();
    let place = |object: usize, path: &[&str]| rendered.objects[object].at(path).unwrap().place.to_string();
    assert_eq!(place(0, &["data", "a"]), "k/kustomization.yaml:11:12");
    assert_eq!(place(0, &["kind"]), "k/c.yaml:2:7");
    assert_eq!(place(0, &["metadata", "name"]), "k/c.yaml:3:18");
    assert_eq!(place(0, &["metadata", "labels", "team"]), "k/kustomization.yaml:4:19");
    assert_eq!(place(1, &["spec", "replicas"]), "k/kustomization.yaml:16:16");
}

#[test]
fn a_chain_of_directories_is_bounded() {
    let mut deep = Tree::new();
    for index in 0..100 {
        let text = format!("resources: [../d{}]", index + 1);
        deep.insert(&format!("d{index}/kustomization.yaml"), text.as_bytes()).unwrap();
    }
    let message = build(&deep, "d0").unwrap_err().into_problem().message;
    assert_eq!(message, "more than 64 directories refer to each other in a row");
}

#[test]
fn a_build_that_doubles_at_every_step_is_bounded() {
    let mut wide = Tree::new();
    for index in 0..40 {
        for side in ["a", "b"] {
            let text = format!("resources: [../a{0}, ../b{0}]\nnamePrefix: {side}-", index + 1);
            wide.insert(&format!("{side}{index}/kustomization.yaml"), text.as_bytes()).unwrap();
        }
    }
    for side in ["a", "b"] {
        let text = format!("configMapGenerator: [{{name: {side}}}]");
        wide.insert(&format!("{side}40/kustomization.yaml"), text.as_bytes()).unwrap();
    }
    let message = build(&wide, "a0").unwrap_err().into_problem().message;
    assert_eq!(message, "the build enters more than 2000 directories");
}

#[test]
fn the_output_of_the_program_is_read() {
    let rendered = parse_program_output("k", b"kind: A\n---\nkind: B\n").unwrap();
    assert_eq!(rendered.objects.len(), 2);
    assert!(parse_program_output("k", b"- not\n- an object\n").is_err());
    assert!(parse_program_output("k", b"Error: [").is_err());
}

const FRAGMENTS: &[&str] = &[
    "resources: [c.yaml, d.yaml]\n",
    "resources: [../plain/x.yaml, ../../../etc/passwd]\n",
    "components: [../component]\n",
    "namePrefix: a-\n",
    "namespace: n\n",
    "labels: [{pairs: {a: b}, includeSelectors: true}]\n",
    "commonAnnotations: {a: b}\n",
    "images: [{name: x, newTag: '1'}]\n",
    "configMapGenerator: [{name: g, literals: [a=b]}]\n",
    "patches: [{path: c.yaml}]\n",
    "patches:\n  - target: {}\n    patch: |\n      - {op: add, path: /metadata/name, value: null}\n",
    "patches:\n  - target: {}\n    patch: |\n      - {op: replace, path: '', value: {}}\n",
    "patches:\n  - target: {}\n    patch: '{kind: x, metadata: {name: x}, spec: {$patch: delete}}'\n",
    "sortOptions: {order: legacy}\n",
    "kind: Component\n",
    "replicas: [{name: d}]\n",
    "garbage: [\n",
    "? x\n",
];

proptest! {
    // No kustomization makes a build panic, and none reads what lies outside its repository.
    #[test]
    fn no_text_panics(text in "[-a-zA-Z:{}\\[\\],&*!|$~./ \n'\"]{0,120}") {
        let _ = build(&repository(&text), "k");
    }

    #[test]
    fn no_combination_panics(picks in prop::collection::vec(0..FRAGMENTS.len(), 0..6)) {
        let mut picks = picks;
        picks.sort_unstable();
        picks.dedup();
        let text: String = picks.iter().map(|pick| FRAGMENTS[*pick]).collect();
        let _ = build(&repository(&text), "k");
    }

    #[test]
    fn no_path_escapes(path in "(\\.\\./|/|[a-z]{1,3}/|\\./){0,6}(x\\.yaml|passwd|\\.\\.)") {
        let tree = repository(&format!("resources: ['{path}']"));
        if let Ok(rendered) = build(&tree, "k") {
            for object in rendered.objects {
                prop_assert!(object.place.source.name.starts_with("k/") || object.place.source.name.starts_with("plain/"));
            }
        }
        let outside = tree.get(&path).is_none() || manifests::tree::normalise(&path).is_ok();
        prop_assert!(outside);
    }

    // Two builds of one tree are the same.
    #[test]
    fn a_build_repeats(pick in 0..FRAGMENTS.len()) {
        let tree = repository(&format!("resources: [c.yaml, d.yaml]\n{}", FRAGMENTS[pick]));
        let (first, second) = (build(&tree, "k"), build(&tree, "k"));
        prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}
