//! `rehearse components`: what the kind engine installs, and how it gets onto a machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cluster::components::archive::{self, Index};
use cluster::components::{Component, FOLDER_VARIABLE, Lock, Origin, Sources, bake};
use cluster::host::undo::undo;
use cluster::host::{Docker, Journal, Places, Reaper, State};

use crate::args::{Components, ComponentsCommand};
use crate::failure::{Failure, first_of};
use crate::output;
use crate::runtime::{block_on, unless_interrupted};

/// The folder of components that the user named, by the option or by the variable.
pub(crate) fn named_folder(option: Option<&Path>) -> Option<PathBuf> {
    let variable = || std::env::var_os(FOLDER_VARIABLE).filter(|it| !it.is_empty()).map(PathBuf::from);
    option.map(Path::to_owned).or_else(variable)
}

pub(crate) fn components(arguments: &Components) -> Result<ExitCode, Failure> {
    let lock = Lock::of_this_version()?;
    let folder = named_folder(arguments.components.as_deref());
    block_on(async {
        let places = Places::of_user()?;
        let sources = async || {
            let docker = Docker::find().await?;
            Ok::<_, Failure>((Sources::new(&docker, &places, folder.clone()), docker))
        };
        match &arguments.command {
            ComponentsCommand::List => output::print(&list(&lock)).map(|()| ExitCode::SUCCESS),
            ComponentsCommand::Fetch { names } => {
                let (sources, _) = sources().await?;
                fetch(&chosen(&lock, names)?, &sources).await
            }
            ComponentsCommand::Save { file, names } => {
                let (sources, docker) = sources().await?;
                let chosen = chosen(&lock, names)?;
                let saved = archive::save(&lock, &chosen, &sources, &docker, file);
                let index = unless_interrupted(saved).await?;
                output::print(&contents("saved", &index)).map(|()| ExitCode::SUCCESS)
            }
            ComponentsCommand::Load { file } => {
                let docker = Docker::find().await?;
                let index = unless_interrupted(archive::load(&lock, &docker, &places, file)).await?;
                output::print(&contents("loaded", &index)).map(|()| ExitCode::SUCCESS)
            }
            ComponentsCommand::Bake => {
                let (sources, docker) = sources().await?;
                bake(&lock, &sources, &docker, &State::open(&places.state)?).await
            }
        }
    })
}

fn chosen<'a>(lock: &'a Lock, names: &[String]) -> Result<Vec<&'a Component>, Failure> {
    if names.is_empty() {
        return Ok(lock.components().iter().collect());
    }
    names
        .iter()
        .map(|name| lock.component(name).map_err(|failure| Failure::input(failure.to_string())))
        .collect()
}

fn list(lock: &Lock) -> String {
    let mut text = String::new();
    for component in lock.components() {
        text += &format!("{} {}\n", component.name, component.version);
        for image in &component.images {
            let (others, build) =
                (image.or.join(" or "), if image.dockerfile.is_some() { ", built" } else { "" });
            let others = if others.is_empty() { others } else { format!(", or {others}") };
            text += &format!("  image     {}{others}{build}\n", image.name);
        }
        for manifest in &component.manifests {
            text += &format!("  manifest  {}\n", manifest.url);
        }
    }
    text
}

async fn fetch(components: &[&Component], sources: &Sources) -> Result<ExitCode, Failure> {
    for component in components {
        for (image, origin) in sources.images(component).await? {
            output::print(&format!("{image}: {}\n", told(&origin)))?;
        }
        for manifest in &component.manifests {
            let (_, origin) = sources.manifest(component, manifest).await?;
            output::print(&format!("{} of {}: {}\n", manifest.file, component.name, told(&origin)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(origin: &Origin) -> String {
    match origin {
        Origin::Engine => "in docker".to_owned(),
        Origin::File(path) => format!("in {}", path.display()),
        Origin::Internet => "fetched".to_owned(),
        Origin::Built => "built".to_owned(),
    }
}

fn contents(done: &str, index: &Index) -> String {
    let megabytes = index.files.values().map(|file| file.size).sum::<u64>() / 1_000_000;
    let mut text: String = index.images.iter().map(|image| format!("{image}\n")).collect();
    index.files.keys().filter(|path| path.contains('/')).for_each(|path| text += &format!("{path}\n"));
    text + &format!("{done}: {} images, {megabytes} MB unpacked\n", index.images.len())
}

/// The container that an image is baked in goes as everything that a run makes.
async fn bake(lock: &Lock, sources: &Sources, docker: &Docker, state: &State) -> Result<ExitCode, Failure> {
    let journal = Journal::begin(state)?;
    let program = std::env::current_exe().map_err(Failure::defect)?;
    Reaper::start(&program, state, &journal).await?;
    let baked = bake::bake(lock, sources, docker, &journal).await;
    let failures = undo(&journal, &mut |_| ()).await;
    let image = baked?;
    output::print(&format!("{image}: new clusters are made of it\n"))?;
    first_of(failures)
}
