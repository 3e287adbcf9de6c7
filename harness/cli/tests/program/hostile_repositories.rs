use std::fs;

use crate::common::Room;

#[test]
fn a_repository_that_is_no_folder_is_named_with_its_scenario() {
    let room = Room::new();
    room.replace("calm.yaml", "repository: repository", "repository: nowhere");
    room.run_calm(&[]).refused(2, &[&["repository `nowhere` cannot be read: No such file", "calm.yaml"]]);
    room.replace("calm.yaml", "repository: nowhere", "repository: calm.yaml");
    room.run_calm(&[]).refused(2, &[&["repository `calm.yaml` is not a folder", "calm.yaml"]]);
}

#[test]
fn what_is_too_large_for_a_repository_is_refused_unread() {
    let room = Room::new();
    let weights = fs::File::create(room.path("repository/weights.bin")).unwrap();
    weights.set_len(1 << 40).unwrap();
    room.run_calm(&[]).refused(2, &[&["more than 20000 files or 256 MiB", "`weights.bin`"]]);
}

#[test]
fn the_repositorys_own_git_folder_is_no_part_of_it() {
    let room = Room::new();
    fs::create_dir(room.path("repository/.git")).unwrap();
    let objects = fs::File::create(room.path("repository/.git/objects.pack")).unwrap();
    objects.set_len(1 << 40).unwrap();
    assert_eq!(room.run_calm(&[]).code, 0);
}

/// Argo CD shows it as a condition of the Application; nothing is applied.
#[test]
fn a_manifest_that_is_no_yaml_fails_the_comparison_as_on_a_cluster() {
    let room = Room::new();
    room.write("repository/base/model-serving/rollout.yaml", "{ [");
    let outcome = room.run_calm(&[]);
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    assert!(outcome.stdout.contains("ComparisonError"), "{}", outcome.stdout);
    let words: String = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("(base/model-serving/rollout.yaml:1:3)"), "{}", outcome.stdout);
}

#[test]
fn a_cycle_of_kustomizations_ends() {
    let room = Room::new();
    room.replace("repository/overlays/production/kustomization.yaml", "../../base/secrets", "../production");
    let outcome = room.run_calm(&["--kustomize", "builtin"]);
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    assert!(outcome.stdout.contains("cycle detected"), "{}", outcome.stdout);
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    /// What is said to a repository with this link in it.
    fn refused(target: &str, link: &str, needles: &[&str]) {
        let room = Room::new();
        symlink(target, room.path(&format!("repository/{link}"))).unwrap();
        room.run_calm(&[]).refused(2, &[needles]);
    }

    #[test]
    fn a_link_leads_neither_out_nor_around() {
        refused("/etc", "etc", &["`etc` is a symbolic link that leads out of the repository"]);
        refused("../../calm.yaml", "base/x", &["`base/x` is a symbolic link that leads out"]);
        refused(".", "again", &["`again` is a symbolic link that leads back to a folder above it"]);
        refused("../..", "base/secrets/up", &["`base/secrets/up` is a symbolic link that leads back"]);
        refused("nothing", "x", &["`x` in the repository cannot be read: No such file"]);
        refused("x", "x", &["`x` in the repository cannot be read"]);
    }

    #[test]
    fn a_link_inside_counts_as_what_it_leads_to() {
        let room = Room::new();
        fs::rename(room.path("repository/base"), room.path("repository/real")).unwrap();
        symlink("real", room.path("repository/base")).unwrap();
        assert_eq!(room.run_calm(&[]).code, 0);
    }

    /// It would keep a reader waiting for ever.
    #[test]
    fn a_pipe_is_refused_unread() {
        let room = Room::new();
        assert!(Command::new("mkfifo").arg(room.path("repository/pipe")).status().unwrap().success());
        room.run_calm(&[]).refused(2, &[&["`pipe` in the repository is neither a file nor a folder"]]);
    }
}
