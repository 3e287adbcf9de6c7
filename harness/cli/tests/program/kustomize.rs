//! Who renders: the renderer of this project, or the `kustomize` program.

use std::path::Path;

use crate::common::{Outcome, Room, program, run};

const OVERLAY: &str = "repository/overlays/production/kustomization.yaml";

/// Something that the program renders and the renderer of this project refuses.
fn with_helm() -> Room {
    let room = Room::new();
    room.append(OVERLAY, "helmCharts: [{ name: chart }]\n");
    room
}

/// Runs `calm.yaml` with nothing on the PATH but this folder.
fn run_with_path(room: &Room, path: &Path, arguments: &[&str]) -> Outcome {
    run(program(&room.path(""), &[&["run", "calm.yaml"], arguments].concat()).env("PATH", path))
}

#[test]
fn what_is_not_rendered_is_refused_by_name_with_the_way_out() {
    let room = with_helm();
    let expected: &[&str] =
        &["`helmCharts`", "overlays/production/kustomization.yaml:29:13", "--kustomize program"];
    room.run_calm(&["--kustomize", "builtin"]).refused(2, &[expected]);
    // Left to itself the program is missed just the same where it is not installed.
    run_with_path(&room, &room.path("repository"), &[]).refused(2, &[expected]);
}

#[test]
fn the_program_that_is_asked_for_must_be_there() {
    let room = Room::new();
    run_with_path(&room, &room.path("repository"), &["--kustomize", "program"])
        .refused(4, &[&["`kustomize` is not on the PATH"]]);
}

#[cfg(unix)]
mod a_program_on_the_path {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A stand-in for the program.
    fn install(room: &Room, script: &str) {
        room.write("bin/kustomize", format!("#!/bin/sh\n{script}"));
        fs::set_permissions(room.path("bin/kustomize"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Its output is what Argo CD syncs, and it is run in a copy of the repository.
    #[test]
    fn renders_what_it_prints() {
        let room = with_helm();
        install(
            &room,
            "test \"$1\" = build && test -f \"$2/kustomization.yaml\" || exit 1\nwhile read -r line; do echo \"$line\"; done < base/service.out\n",
        );
        let service = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: from-the-program }\n";
        room.write("repository/base/service.out", service);
        for kustomize in ["program", "auto"] {
            let outcome = run_with_path(&room, &room.path("bin"), &["--kustomize", kustomize]);
            assert_eq!(outcome.code, 0, "{outcome:#?}");
            assert!(outcome.stdout.contains("ConfigMap from-the-program"), "{}", outcome.stdout);
        }
    }

    #[test]
    fn fails_the_comparison_with_its_complaint() {
        let room = Room::new();
        install(&room, "echo \"Error: no such thing in $PWD\" >&2\nexit 1\n");
        let outcome = run_with_path(&room, &room.path("bin"), &["--kustomize", "program"]);
        assert_eq!(outcome.code, 1, "{outcome:#?}");
        let words = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        // Where the copy lies differs from run to run, so that it is never told.
        assert!(words.contains("Error: no such thing in <path to cached source>"), "{}", outcome.stdout);
    }

    #[test]
    fn is_held_to_the_size_of_yaml() {
        let room = Room::new();
        install(
            &room,
            "while :; do echo '# nothing but a comment, again and again, without an end'; done | /usr/bin/head -c 5000000\n",
        );
        let outcome = run_with_path(&room, &room.path("bin"), &["--kustomize", "program"]);
        assert_eq!(outcome.code, 1, "{outcome:#?}");
        assert!(outcome.stdout.contains("larger than 4 MiB"), "{}", outcome.stdout);
    }

    #[test]
    fn is_left_alone_where_the_renderer_can() {
        let room = Room::new();
        install(&room, "exit 1\n");
        assert_eq!(run_with_path(&room, &room.path("bin"), &[]).code, 0);
    }
}

/// Needs the real program: `cargo test -p rehearse --features oracle`.
#[cfg(feature = "oracle")]
#[test]
fn the_real_program_renders_the_fixtures_as_the_renderer_does() {
    let room = Room::new();
    for kustomize in ["builtin", "program"] {
        let outcome = room.run_calm(&["--kustomize", kustomize, "--report", kustomize]);
        assert_eq!(outcome.code, 0, "{outcome:#?}");
    }
    let states = |folder: &str| {
        let timeline = room.read(&format!("{folder}/sim/calm/timeline.jsonl"));
        // Where a value was written is not known of what the program prints.
        timeline.lines().filter(|line| !line.contains("not_simulated")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(states("builtin"), states("program"));
}
