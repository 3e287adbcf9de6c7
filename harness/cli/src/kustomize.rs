//! The `kustomize` program, for what the renderer of this project does not implement.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use manifests::kustomize;
use manifests::tree::Tree;
use simulator::Render;
use yaml::{Node, Problem};

use crate::args::Kustomize;
use crate::failure::Failure;

const PROGRAM: &str = "kustomize";

/// Who renders, as `--kustomize` says.
///
/// # Errors
/// The program was asked for and is not on the PATH.
pub(crate) fn renderer(wanted: Kustomize) -> Result<Option<Render>, Failure> {
    match wanted {
        Kustomize::Builtin => Ok(None),
        Kustomize::Program if is_on_path() => Ok(Some(by_program)),
        Kustomize::Program => Err(Failure::Environment(format!(
            "--kustomize program was asked for, but `{PROGRAM}` is not on the PATH; install it or leave the option out"
        ))),
        Kustomize::Auto => Ok(is_on_path().then_some(by_either as Render)),
    }
}

/// The own renderer, or the program where that refuses by name.
fn by_either(tree: &Tree, folder: &str) -> Result<Vec<Node>, String> {
    match kustomize::build(tree, folder) {
        Ok(rendered) => Ok(rendered.objects),
        Err(kustomize::Error::NotImplemented { .. }) => by_program(tree, folder),
        Err(kustomize::Error::Invalid(problem)) => Err(told(&problem)),
    }
}

/// Writes the repository to a temporary folder and runs `kustomize build` in it.
fn by_program(tree: &Tree, folder: &str) -> Result<Vec<Node>, String> {
    let room = tempfile::tempdir().map_err(|error| format!("no temporary folder can be made: {error}"))?;
    write(tree, room.path()).map_err(|error| format!("the repository cannot be written out: {error}"))?;
    let output = Command::new(PROGRAM)
        .arg("build")
        .arg(room.path().join(folder))
        .current_dir(room.path())
        .output()
        .map_err(|error| format!("`{PROGRAM}` cannot be started: {error}"))?;
    if output.status.success() {
        let rendered = kustomize::parse_program_output(folder, &output.stdout);
        return rendered.map(|rendered| rendered.objects).map_err(|problem| told(&problem));
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint = complaint.trim().trim_start_matches("Error: ");
    Err(complaint.replace(&*room.path().to_string_lossy(), "<path to cached source>"))
}

fn write(tree: &Tree, room: &Path) -> std::io::Result<()> {
    for (path, content) in tree.files() {
        // A tree holds only relative paths without `..`, so that nothing is written elsewhere.
        let file = room.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, content)?;
    }
    Ok(())
}

fn told(problem: &Problem) -> String {
    match &problem.place {
        Some(place) => format!("{} ({place})", problem.message),
        None => problem.message.clone(),
    }
}

fn is_on_path() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder: PathBuf| folder.join(OsStr::new(PROGRAM)))
        .any(|file| file.is_file())
}
