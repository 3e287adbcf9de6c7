//! The built-in renderer beside kustomize 5.8.1 itself, on the cases that ship with the renderer, on the
//! fixtures and on generated overlays: the same objects in the same order, the same hashes in their names,
//! and the same refusals.

#![cfg(feature = "oracle")]
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![expect(clippy::print_stdout, reason = "the counts are the point")]

mod generate;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fidelity::Oracle;
use manifests::kustomize::{Error, build};
use manifests::tree::Tree;
use serde::Deserialize;
use serde_json::{Value, json};

/// The first seed and the number of overlays; `KUSTOMIZE_SEED` and `KUSTOMIZE_CASES` choose others.
const GENERATED: (u64, u64) = (1, 4000);

/// A repository, and the directory of it that is built.
struct Case {
    name: String,
    files: BTreeMap<String, Vec<u8>>,
    target: String,
}

#[derive(Deserialize)]
struct Answer {
    output: String,
    error: String,
}

/// What came of a comparison.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Same,
    BothRefuse,
    /// Refused by name: the program would be asked.
    NotImplemented(String),
    Differ(String),
}

impl Case {
    fn question(&self) -> Value {
        let text = |content: &Vec<u8>| content.iter().map(|byte| char::from(*byte)).collect::<String>();
        let files: BTreeMap<&String, String> =
            self.files.iter().map(|(path, content)| (path, text(content))).collect();
        json!({"files": files, "target": self.target})
    }

    fn compare(&self, theirs: &Answer) -> Verdict {
        let mut tree = Tree::new();
        for (path, content) in &self.files {
            tree.insert(path, content.clone()).unwrap();
        }
        match build(&tree, &self.target) {
            Err(Error::NotImplemented { what, .. }) => Verdict::NotImplemented(what),
            Err(_) if !theirs.error.is_empty() => Verdict::BothRefuse,
            Err(Error::Invalid(problem)) => Verdict::Differ(format!("only we refuse: {problem}")),
            Ok(_) if !theirs.error.is_empty() => {
                Verdict::Differ(format!("only kustomize refuses: {}", theirs.error))
            }
            Ok(ours) => {
                let theirs = yaml::parse("theirs.yaml", theirs.output.as_bytes()).unwrap();
                let first = (0..ours.objects.len().max(theirs.len()))
                    .find(|&index| ours.objects.get(index) != theirs.get(index));
                first.map_or(Verdict::Same, |index| {
                    let shown =
                        |node: Option<&yaml::Node>| node.map_or("nothing\n".to_owned(), yaml::Node::to_yaml);
                    let (ours, theirs) = (shown(ours.objects.get(index)), shown(theirs.get(index)));
                    Verdict::Differ(format!("object {index} is\n{ours}and kustomize's\n{theirs}"))
                })
            }
        }
    }
}

/// Compares all, prints how many agree, and fails for the first that do not.
fn agree(name: &str, cases: &[Case]) -> BTreeMap<String, usize> {
    let questions: Vec<Value> = cases.iter().map(Case::question).collect();
    let answers: Vec<Answer> = Oracle::kustomize().ask("build", &questions);
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    let mut differing = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        let verdict = match case.compare(answer) {
            Verdict::Differ(why) => {
                differing.push(format!("{}: {why}", case.name));
                "differ".to_owned()
            }
            Verdict::NotImplemented(what) => format!("not implemented: {what}"),
            same => format!("{same:?}"),
        };
        *verdicts.entry(verdict).or_default() += 1;
    }
    println!("kustomize, {name}: of {} {verdicts:?}", cases.len());
    let shown = differing.iter().take(3).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(differing.is_empty(), "{} differ, such as\n{shown}", differing.len());
    verdicts
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The files of a folder by their paths in it.
fn read(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn add(files: &mut BTreeMap<String, Vec<u8>>, root: &Path, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(files, root, &path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    add(&mut files, folder, folder);
    files
}

fn folders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_renderers_own_cases_agree() {
    let folder = root().join("harness/manifests/tests/kustomize");
    let cases = folders(&folder).into_iter().map(|name| {
        let files = read(&folder.join(&name));
        let overlay = files.keys().any(|path| path.starts_with("overlay/"));
        Case { name, files, target: if overlay { "overlay" } else { "" }.to_owned() }
    });
    let verdicts = agree("the renderer's cases", &cases.collect::<Vec<_>>());
    assert!(verdicts["Same"] > 30 && verdicts["BothRefuse"] > 20, "{verdicts:?}");
}

#[test]
fn the_fixtures_agree() {
    let mut cases = Vec::new();
    for fixture in ["fixtures/ai-deployments", "fixtures/ai-deployments-as-written"] {
        let files = read(&root().join(fixture));
        let built = files.keys().filter_map(|path| path.strip_suffix("/kustomization.yaml"));
        for target in built.map(str::to_owned).collect::<Vec<_>>() {
            cases.push(Case { name: format!("{fixture}/{target}"), files: files.clone(), target });
        }
    }
    let verdicts = agree("the fixtures", &cases);
    assert!(verdicts["Same"] >= 6, "{verdicts:?}");
}

fn chosen(variable: &str, default: u64) -> u64 {
    let parse = |text: String| text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}"));
    std::env::var(variable).ok().map_or(default, parse)
}

#[test]
fn generated_overlays_agree() {
    let (first, count) = (chosen("KUSTOMIZE_SEED", GENERATED.0), chosen("KUSTOMIZE_CASES", GENERATED.1));
    let cases: Vec<Case> = (first..first + count)
        .map(|seed| Case {
            name: format!("KUSTOMIZE_SEED={seed}"),
            files: generate::repository(seed),
            target: generate::TARGET.to_owned(),
        })
        .collect();
    let verdicts = agree("generated overlays", &cases);
    let of = |verdict: &str| verdicts.get(verdict).copied().unwrap_or(0) as u64;
    assert!(of("Same") * 2 > count, "most generated overlays are to be rendered: {verdicts:?}");
}
