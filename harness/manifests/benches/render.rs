//! How long it takes to read a repository: parse its files, render an overlay and read every object. The
//! floor, with the rules of lint, is 50 ms.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark reads files and may stop")]

use std::path::Path;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use manifests::kustomize;
use manifests::objects::Object;
use manifests::tree::Tree;

const OVERLAY: &str = "overlays/production";

/// The fixture repository, none of whose files was read as YAML yet.
fn repository() -> Tree {
    let mut tree = Tree::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/ai-deployments");
    read_into(&mut tree, &root, "");
    tree
}

fn read_into(tree: &mut Tree, folder: &Path, prefix: &str) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            read_into(tree, &entry.path(), &format!("{path}/"));
        } else {
            tree.insert(&path, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

fn render(tree: &Tree) -> usize {
    let rendered = kustomize::build(tree, OVERLAY).unwrap();
    rendered.objects.iter().map(|object| Object::read(object).unwrap().not_modelled.len()).sum()
}

fn renders(criterion: &mut Criterion) {
    criterion.bench_function("parse, render and read an overlay", |bencher| {
        bencher.iter_batched_ref(repository, |tree| render(tree), BatchSize::SmallInput);
    });
    let tree = repository();
    criterion.bench_function("render and read an overlay again", |bencher| {
        bencher.iter(|| render(&tree));
    });
}

criterion_group!(benches, renders);
criterion_main!(benches);
