//! The `kustomize` program, for what the renderer of this project does not implement.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use manifests::kustomize;
use manifests::tree::Tree;
use simulator::Render;
use yaml::{Node, Problem};

use crate::args::Kustomize;
use crate::failure::Failure;
use crate::files;

const PROGRAM: &str = "kustomize";

/// How long the program may take: as long as Argo CD lets it (argo-cd util/exec: ARGOCD_EXEC_TIMEOUT).
const TIMEOUT: Duration = Duration::from_secs(90);

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(5);

/// Who renders, as `--kustomize` says; `None` for the renderer of this project alone.
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
    let repository = room.path().join("repository");
    write(tree, &repository).map_err(|error| format!("the repository cannot be written out: {error}"))?;
    let (output, complaint) = (room.path().join("output"), room.path().join("complaint"));
    let status = build(&repository, folder, &output, &complaint)
        .map_err(|error| format!("`{PROGRAM}` cannot be run: {error}"))?;
    let printed = |path| {
        files::read(path, yaml::MAX_BYTES).map_err(|why| format!("`{PROGRAM}` printed too much: {why}"))
    };
    match status {
        None => Err(format!("`{PROGRAM}` was stopped after {} s", TIMEOUT.as_secs())),
        Some(status) if status.success() => {
            let rendered = kustomize::parse_program_output(folder, &printed(&output)?);
            rendered.map(|rendered| rendered.objects).map_err(|problem| told(&problem))
        }
        Some(_) => {
            let complaint = String::from_utf8_lossy(&printed(&complaint)?).into_owned();
            let complaint = complaint.trim().trim_start_matches("Error: ");
            // Where the folder lies differs from run to run; Argo CD hides it likewise.
            Err(complaint.replace(&*repository.to_string_lossy(), "<path to cached source>"))
        }
    }
}

/// Runs `kustomize build` with its streams in files, which take any amount; `None` where it was stopped.
fn build(
    repository: &Path,
    folder: &str,
    output: &Path,
    complaint: &Path,
) -> std::io::Result<Option<ExitStatus>> {
    let child = Command::new(PROGRAM)
        .arg("build")
        .arg(repository.join(folder))
        .current_dir(repository)
        .stdin(Stdio::null())
        .stdout(File::create(output)?)
        .stderr(File::create(complaint)?)
        .spawn()?;
    wait(child)
}

fn wait(mut child: Child) -> std::io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    while begun.elapsed() < TIMEOUT {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(POLL);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

fn write(tree: &Tree, room: &Path) -> std::io::Result<()> {
    fs::create_dir_all(room)?;
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
    std::env::split_paths(&path).any(|folder| folder.join(PROGRAM).is_file())
}
