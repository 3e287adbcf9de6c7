//! What the kind engine installs into a cluster, and where that comes from.
//!
//! [`Lock`] is the list, `components.lock.yaml`: versions, images by tag, manifests by checksum. [`Sources`]
//! finds what it names: in the docker engine, in a folder, on the internet, in this order. [`archive`] carries
//! all of it to a machine without internet, and [`bake`] puts the images into the image of the nodes.

pub mod archive;
pub mod bake;
mod download;
mod folder;
mod patch;
mod sources;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use yaml::Problem;

pub use patch::patch;
pub use sources::{FOLDER_VARIABLE, NODE_IMAGE_VARIABLE, Origin, Sources};

use crate::Failure;

/// The list that this version installs.
const LOCK: &str = include_str!("../components.lock.yaml");

/// The component whose image a cluster's nodes are made of.
pub const NODE: &str = "node";

/// What stands for the version of this program in the list.
const OWN_VERSION: &str = "{rehearse}";

/// What can be installed, each thing by its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    components: Vec<Component>,
    hash: String,
}

/// Something that is installed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its name in the list: `argo-cd`.
    pub name: String,
    /// Its version, as it is told.
    pub version: String,
    /// The namespace of its manifests, unless they name one themselves.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The images that it runs.
    #[serde(default)]
    pub images: Vec<Image>,
    /// The manifests that install it. What has none is installed by the engine's own.
    #[serde(default)]
    pub manifests: Vec<Manifest>,
    /// What has to be available before it is used.
    #[serde(default)]
    pub ready: Vec<Ready>,
}

/// An image of a component.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its name, as manifests and the docker engine know it.
    pub name: String,
    /// Names under which another build of it does as well, if it is loaded.
    #[serde(default)]
    pub or: Vec<String>,
    /// The Dockerfile that builds it where it is in no registry.
    #[serde(default)]
    pub dockerfile: Option<String>,
    /// The command that builds it from the source of this program.
    #[serde(default)]
    pub build: Option<String>,
}

/// A file of manifests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name in a folder.
    pub file: String,
    /// Where upstream publishes it.
    pub url: String,
    /// The checksum of the file as it is published, in hexadecimal.
    pub sha256: String,
}

/// What has to be available.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// A Deployment, by its name.
    Deployment(String),
    /// A StatefulSet, by its name.
    StatefulSet(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    components: Vec<Component>,
}

impl Lock {
    /// The list of this version of rehearse.
    ///
    /// # Errors
    /// It cannot be read, which is a defect that a test finds.
    pub fn of_this_version() -> Result<Self, Problem> {
        Self::parse("components.lock.yaml", LOCK)
    }

    /// Reads a list.
    ///
    /// # Errors
    /// The first thing that does not fit, at its place.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        let text = text.replace(OWN_VERSION, env!("CARGO_PKG_VERSION"));
        let File { components } = yaml::decode(&yaml::parse_one(name, text.as_bytes())?)?;
        for (at, component) in components.iter().enumerate() {
            if components[..at].iter().any(|other| other.name == component.name) {
                return Err(Problem::new(format!("{name} has two components `{}`", component.name)));
            }
            for manifest in &component.manifests {
                let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                if manifest.sha256.len() != 64 || !manifest.sha256.chars().all(is_digit) {
                    let what = format!("{name}: `{}` is no SHA-256 of {}", manifest.sha256, manifest.file);
                    return Err(Problem::new(what));
                }
                if manifest.file.is_empty() || manifest.file.contains(['/', '\\']) {
                    return Err(Problem::new(format!("{name}: `{}` is not a file's name", manifest.file)));
                }
            }
        }
        Ok(Self { components, hash: sha256(text.as_bytes()) })
    }

    /// All components, in their order.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// A component by its name.
    ///
    /// # Errors
    /// There is none; those that there are are named.
    pub fn component(&self, name: &str) -> Result<&Component, Failure> {
        self.components.iter().find(|component| component.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.components.iter().map(|it| it.name.as_str()).collect();
            let what = format!("there is no component `{name}`");
            Failure::environment(what, "", format!("there is {}", names.join(", ")))
        })
    }

    /// The image of a cluster's nodes, unless the user names another.
    ///
    /// # Errors
    /// The list names none, which a test finds.
    pub fn node(&self) -> Result<&Image, Failure> {
        let node = self.component(NODE)?;
        node.images.first().ok_or_else(|| Failure::environment("the component `node` has no image", "", ""))
    }

    /// What tells this list from any other: the start of its checksum.
    pub fn hash(&self) -> &str {
        &self.hash[..12]
    }
}

/// The SHA-256 of bytes in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_this_version_can_be_read_and_has_what_the_engine_installs() {
        let lock = Lock::of_this_version().unwrap();
        for name in ["node", "argo-cd", "argo-rollouts", "prometheus", "git", "fake-inference"] {
            assert!(!lock.component(name).unwrap().images.is_empty(), "{name}");
        }
        let fake = &lock.component("fake-inference").unwrap().images[0].name;
        assert_eq!(*fake, format!("ghcr.io/rehearse-dev/fake-inference:{}", env!("CARGO_PKG_VERSION")));
        assert_eq!(lock.hash().len(), 12);
    }

    /// An image without a tag, or with one that moves, is another tomorrow.
    #[test]
    fn every_image_is_locked_and_every_manifest_is_fetched_by_https() {
        for component in Lock::of_this_version().unwrap().components() {
            for image in &component.images {
                let tag = image.name.rsplit('/').next().and_then(|last| last.split_once(':'));
                assert!(tag.is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest"), "{}", image.name);
            }
            for manifest in &component.manifests {
                assert!(manifest.url.starts_with("https://"), "{}", manifest.url);
                assert!(manifest.url.ends_with(&format!("/{}", manifest.file)), "{}", manifest.url);
                assert!(manifest.url.contains(&component.version), "{}", manifest.url);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let cases = [
            ("components:\n  - { name: a, version: v1, image: x }\n", "unknown"),
            (
                "components:\n  - { name: a, version: v1 }\n  - { name: a, version: v2 }\n",
                "two components `a`",
            ),
            (
                "components:\n  - { name: a, version: v1, manifests: [{ file: ../a, url: u, sha256: abc }] }\n",
                "no SHA-256",
            ),
            ("components:\n  - { name: a, version: v1, ready: [{ pod: x }] }\n", "pod"),
        ];
        for (text, needle) in cases {
            let problem = Lock::parse("test.yaml", text).unwrap_err().to_string();
            assert!(problem.contains(needle), "{problem}");
        }
    }

    #[test]
    fn a_name_that_is_not_there_is_answered_with_those_that_are() {
        let failure = Lock::of_this_version().unwrap().component("argocd").unwrap_err().to_string();
        assert!(failure.contains("argo-cd, argo-rollouts"), "{failure}");
    }
}
