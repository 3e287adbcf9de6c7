//! The Git host's object ids are those of the real `git` program for the same history.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test drives the real program, in a folder of its own"
)]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use git::{EPOCH, GitHost, fast_import};
use manifests::tree::Tree;
use timeline::CommitReason;
use units::Time;

/// A repository of the real program.
struct RealGit {
    folder: tempfile::TempDir,
}

impl RealGit {
    fn new() -> Self {
        let real = Self { folder: tempfile::tempdir().unwrap() };
        real.git(&["init", "--quiet"], 0);
        real
    }

    fn run(&self, arguments: &[&str], second: u64) -> Output {
        let date = format!("{} +0000", EPOCH + second);
        Command::new("git")
            .args(arguments)
            .current_dir(self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.com")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.com")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .output()
            .unwrap_or_else(|error| panic!("this test needs the `git` program: {error}"))
    }

    fn git(&self, arguments: &[&str], second: u64) -> String {
        let output = self.run(arguments, second);
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes the files the content of the branch; gives the commit's id.
    fn commit(&self, files: &[(&str, &str)], title: &str, second: u64) -> String {
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            match () {
                () if path.ends_with(".git") => {}
                () if path.is_dir() => fs::remove_dir_all(path).unwrap(),
                () => fs::remove_file(path).unwrap(),
            }
        }
        for (path, text) in files {
            let path = self.folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
            File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
        }
        self.git(&["add", "--all", "--force"], second);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", title], second);
        self.head()
    }

    fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"], 0)
    }
}

fn tree_of<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.insert(path, text.as_bytes().to_vec()).unwrap();
    }
    tree
}

const AUTHOR: &str = "Ada <ada@example.com>";

/// Both hosts with the same history; every commit has the same id.
fn both(history: &[(&str, &[(&str, &str)])]) -> (GitHost, RealGit) {
    let (mut host, real) = (GitHost::default(), RealGit::new());
    for (second, (title, files)) in history.iter().enumerate() {
        let second = 60 * second as u64;
        let tree = tree_of(files.iter().copied());
        let ours =
            host.push(tree, title, AUTHOR, Time::from_secs(second), CommitReason::Merge, None).id.to_string();
        assert_eq!(ours, real.commit(files, title, second), "{title}");
    }
    (host, real)
}

#[test]
fn commits_have_the_ids_that_git_gives_them() {
    both(&[
        ("Initial commit", &[("README.md", "# Models\n"), ("base/a.yaml", "a: 1\n"), ("empty", "")]),
        // A folder sorts as if its name ended in a slash: after `base-2` and `base.yaml`, before `base0`.
        ("Order", &[("base/a", "1"), ("base-2/b", "2"), ("base.yaml", "3"), ("base0", "4")]),
        ("Deep folders and an umlaut: ä", &[("a/b/c/d/e.yaml", "deep"), ("a/b-c", "x"), ("ä.yaml", "ü\r\n")]),
        ("Nothing changes", &[("a/b/c/d/e.yaml", "deep"), ("a/b-c", "x"), ("ä.yaml", "ü\r\n")]),
        ("A file becomes a folder", &[("a/b-c/d", "x")]),
        ("The last file goes", &[]),
    ]);
}

#[test]
fn a_revert_is_the_commit_that_git_revert_makes() {
    let (mut host, real) = both(&[
        ("One", &[("model.yaml", "version: 1\n"), ("old.yaml", "x: 1\n")]),
        ("Two: \"better\"", &[("model.yaml", "version: 2\n"), ("new.yaml", "y: 1\n")]),
        ("Three", &[("model.yaml", "version: 2\n"), ("new.yaml", "y: 1\n"), ("other.yaml", "z: 1\n")]),
    ]);
    let undone = host.log()[1].id.clone();
    let tree = host.reverted(&undone).unwrap();
    let title = "Revert \"Two: \"better\"\"";
    let (at, reason) = (Time::from_secs(600), CommitReason::Revert);
    let ours = host.push(tree, title, AUTHOR, at, reason, Some(undone.clone())).id.to_string();
    real.git(&["revert", "--no-edit", undone.as_str()], 600);
    assert_eq!(ours, real.head());
}

#[test]
fn what_git_cannot_revert_is_refused_here_too() {
    let (host, real) = both(&[
        ("One", &[("model.yaml", "version: 1\n")]),
        ("Two", &[("model.yaml", "version: 2\n")]),
        ("Three", &[("model.yaml", "version: 3\n")]),
    ]);
    let undone = &host.log()[1].id;
    assert!(host.reverted(undone).is_err());
    assert!(!real.run(&["revert", "--no-edit", undone.as_str()], 600).status.success());
}

#[test]
fn an_author_without_an_address_has_an_empty_one() {
    let (mut host, real) = (GitHost::default(), RealGit::new());
    let ours = host.push(tree_of([("a", "1")]), "One", "dev", Time::ZERO, CommitReason::Initial, None);
    let ours = ours.id.to_string();
    File::create(real.folder.path().join("a")).unwrap().write_all(b"1").unwrap();
    real.git(&["add", "a"], 0);
    let tree = real.git(&["write-tree"], 0);
    let commit = real.git(&["commit-tree", &tree, "-m", "One"], 0);
    let text =
        real.git(&["cat-file", "commit", &commit], 0).replace("Ada <ada@example.com>", "dev <>") + "\n";
    File::create(real.folder.path().join("commit")).unwrap().write_all(text.as_bytes()).unwrap();
    assert_eq!(ours, real.git(&["hash-object", "-t", "commit", "-w", "commit"], 0));
}

#[test]
fn fast_import_makes_the_same_commits_in_an_empty_repository() {
    let (mut host, _) = both(&[
        ("One", &[("a", "1\n"), ("b c/\"d\"", "no end of line"), ("e/f/g", "")]),
        ("Two", &[("a", "2\n"), ("e/f/g", "\\ \0")]),
    ]);
    let (undone, tree) = (host.log()[1].id.clone(), host.log()[0].tree.clone());
    host.push(tree, "Back", "dev", Time::from_secs(90), CommitReason::Revert, Some(undone));
    let real = RealGit::new();
    for commit in host.log() {
        File::create(real.folder.path().join("stream"))
            .unwrap()
            .write_all(&fast_import(commit, "main"))
            .unwrap();
        let script = "git fast-import --quiet --done < stream";
        let done = Command::new("sh").args(["-c", script]).current_dir(real.folder.path()).status().unwrap();
        assert!(done.success());
        assert_eq!(real.git(&["rev-parse", "main"], 0), commit.id.as_str());
    }
}
