use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use yaml::Problem;

use crate::Failure;
use crate::components::{Component, Image, Lock, Manifest, download, folder, patch, sha256};
use crate::host::{Docker, Places};

/// The variable that names a folder of components, as `--components` does.
pub const FOLDER_VARIABLE: &str = "REHEARSE_COMPONENTS";

/// The variable that names the image of nodes, as `--node-image` does.
pub const NODE_IMAGE_VARIABLE: &str = "REHEARSE_NODE_IMAGE";

/// Where components come from: the docker engine, then folders, then the internet.
#[derive(Debug, Clone)]
pub struct Sources {
    docker: Docker,
    /// The user's, then what was unpacked from an archive, then what was downloaded before.
    folders: Vec<PathBuf>,
    downloads: PathBuf,
}

/// Where something was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the docker engine.
    Engine,
    /// In a file.
    File(PathBuf),
    /// On the internet.
    Internet,
    /// It was built here.
    Built,
}

impl Sources {
    /// The sources of a user, with a folder that was named, if one was.
    pub fn new(docker: &Docker, places: &Places, named: Option<PathBuf>) -> Self {
        let downloads = places.cache.join("manifests");
        let folders = named.into_iter().chain([places.components.clone(), downloads.clone()]).collect();
        Self { docker: docker.clone(), folders, downloads }
    }

    /// The objects that install a component, patched as [`patch()`] does. What has no manifests has no
    /// objects.
    ///
    /// # Errors
    /// A manifest is nowhere, or names an image that is not locked.
    pub async fn objects(&self, component: &Component) -> Result<Vec<Value>, Failure> {
        let mut objects = Vec::new();
        for manifest in &component.manifests {
            let (bytes, _) = self.manifest(component, manifest).await?;
            objects.extend(yaml::parse(&manifest.file, &bytes)?.iter().map(yaml::Node::to_json));
        }
        patch(objects, component).map_err(|why| {
            Failure::environment(
                format!("{} {} cannot be installed", component.name, component.version),
                why,
                "",
            )
        })
    }

    /// A manifest as upstream publishes it.
    ///
    /// # Errors
    /// It is in no folder and cannot be downloaded.
    pub async fn manifest(
        &self,
        component: &Component,
        manifest: &Manifest,
    ) -> Result<(Vec<u8>, Origin), Failure> {
        if let Some((path, bytes)) = self.find_manifest(manifest).await {
            return Ok((bytes, Origin::File(path)));
        }
        let fetched = download::get(&manifest.url).await.and_then(|bytes| {
            let sum = sha256(&bytes);
            let is_right = sum == manifest.sha256;
            if is_right {
                Ok(bytes)
            } else {
                Err(format!("it has the checksum {sum}, not {}", manifest.sha256))
            }
        });
        let bytes = fetched.map_err(|why| {
            let what = format!(
                "the manifest {} of {} {} is in no folder and cannot be fetched from {}",
                manifest.file, component.name, component.version, manifest.url
            );
            Failure::environment(what, why, WHERE_FROM)
        })?;
        self.remember(manifest, &bytes);
        Ok((bytes, Origin::Internet))
    }

    /// A manifest that is in a folder.
    pub async fn find_manifest(&self, manifest: &Manifest) -> Option<(PathBuf, Vec<u8>)> {
        let (folders, manifest) = (self.folders.clone(), manifest.clone());
        let search = move || folders.iter().find_map(|it| folder::manifest(it, &manifest));
        tokio::task::spawn_blocking(search).await.ok().flatten()
    }

    /// The next run has it without the internet. Where it cannot be written, that run downloads it again.
    fn remember(&self, manifest: &Manifest, bytes: &[u8]) {
        let folder = self.downloads.join(&manifest.sha256);
        let _ = write(&folder, &manifest.file, bytes);
    }

    /// The images of a component, each brought into the docker engine, and the name that it has there.
    ///
    /// # Errors
    /// An image is nowhere.
    pub async fn images(&self, component: &Component) -> Result<Vec<(String, Origin)>, Failure> {
        let mut found = Vec::new();
        for image in &component.images {
            found.push(self.image(image).await?);
        }
        Ok(found)
    }

    /// An image, brought into the docker engine, and the name that it has there.
    ///
    /// # Errors
    /// It is in no folder and can neither be pulled nor built.
    pub async fn image(&self, image: &Image) -> Result<(String, Origin), Failure> {
        if let Some(name) = self.loaded(image).await? {
            return Ok((name, Origin::Engine));
        }
        if let Some(archive) = self.find_archive(image).await {
            self.docker.load(&archive).await?;
            if let Some(name) = self.loaded(image).await? {
                return Ok((name, Origin::File(archive)));
            }
        }
        let brought = match &image.dockerfile {
            Some(dockerfile) => self.docker.build(&image.name, dockerfile).await.map(|()| Origin::Built),
            None => self.docker.pull(&image.name).await.map(|()| Origin::Internet),
        };
        let origin = brought.map_err(|failure| nowhere(image, &failure))?;
        // What is pulled by its digest has no name that an archive keeps.
        if let Some((name, _)) = image.name.split_once('@') {
            self.docker.tag(&image.name, name).await?;
        }
        Ok((image.name.clone(), origin))
    }

    /// The name under which an image is in the docker engine.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn loaded(&self, image: &Image) -> Result<Option<String>, Failure> {
        for name in image.names() {
            if self.docker.has_image(name).await? {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }

    /// An archive in a folder that holds an image.
    pub async fn find_archive(&self, image: &Image) -> Option<PathBuf> {
        let (folders, image) = (self.folders.clone(), image.clone());
        let search = move || {
            let names: Vec<&str> = image.names().collect();
            folders.iter().find_map(|it| folder::archive_with(it, &names))
        };
        tokio::task::spawn_blocking(search).await.ok().flatten()
    }

    /// The image of nodes: the one that was chosen; else one that `rehearse components bake` made of this
    /// lock; else the locked one. It is in the docker engine afterwards.
    ///
    /// # Errors
    /// It is nowhere, or what was chosen is no name of an image.
    pub async fn node_image(&self, lock: &Lock, chosen: Option<&str>) -> Result<String, Failure> {
        if let Some(name) = chosen.filter(|name| !name.is_empty()) {
            if name.starts_with('-') {
                return Err(Problem::new(format!("`{name}` is not the name of an image")).into());
            }
            return self.image(&Image::named(name)).await.map(|(name, _)| name);
        }
        let baked = super::bake::image(lock);
        if self.docker.has_image(&baked).await? {
            return Ok(baked);
        }
        self.image(lock.node()?).await.map(|(name, _)| name)
    }
}

impl Image {
    /// An image that is known by its name alone.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), or: Vec::new(), dockerfile: None, build: None }
    }

    /// Every name under which it does.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.or.iter().map(String::as_str))
    }
}

const WHERE_FROM: &str = "name a folder that has it with --components DIR, or bring everything from a machine \
                          with internet: `rehearse components save FILE` there, `rehearse components load FILE` here";

fn nowhere(image: &Image, failure: &Failure) -> Failure {
    let what = format!("the image {} is not in docker, in no folder, and cannot be brought", image.name);
    let Failure::Environment(lack) = failure else { return Failure::environment(what, failure, WHERE_FROM) };
    let is_room = lack.said.contains("no space left on device");
    let mend = match &image.build {
        _ if is_room => lack.mend.clone(),
        Some(build) => format!("`{build}` in the source of rehearse builds it; or {WHERE_FROM}"),
        None => WHERE_FROM.to_owned(),
    };
    Failure::environment(what, format!("{}\n{}", lack.what, lack.said), mend)
}

/// Writes a file at once or not at all.
pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(folder.join(name))?;
    Ok(())
}
