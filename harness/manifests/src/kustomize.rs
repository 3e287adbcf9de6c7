//! Kustomize without the program: a directory of a repository becomes objects.
//!
//! [`build()`] does what `kustomize build` 5.8 does, on a [`Tree`] in place of a file system, and keeps
//! for every value the place it comes from: the resource file, the patch, or the line of the
//! kustomization that set it. What it does not do it refuses by name ([`Error::NotImplemented`]), so
//! that the caller can run the program and hand its output to [`parse_program_output`].
//!
//! Functions name the upstream function that they follow, by its file in `kustomize/api` or
//! `kustomize/kyaml`.

mod build;
mod config;
mod defaults;
mod error;
mod fieldspec;
mod file;
mod generate;
mod hash;
mod jsonpatch;
mod loader;
mod merge;
mod namereference;
mod patch;
mod replacement;
mod resource;
mod schema;
mod selector;
mod shared;
mod sort;
mod transform;

use yaml::{Node, Problem};

pub use error::Error;
pub use file::FILE_NAMES;

use crate::tree::Tree;

/// What a directory renders to.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// The objects in the order of the output.
    pub objects: Vec<Node>,
    /// What kustomize passes over in silence and a person would want to know.
    pub warnings: Vec<Problem>,
}

/// Renders the kustomization of a directory, like `kustomize build`.
///
/// # Errors
/// The first thing that kustomize would refuse, or that is not implemented.
pub fn build(tree: &Tree, dir: &str) -> Result<Rendered, Error> {
    let (objects, warnings) = build::run(tree, dir)?;
    Ok(Rendered { objects, warnings })
}

/// Reads what the `kustomize` program printed for a directory.
///
/// # Errors
/// Text that is not YAML, or a document that is no object.
pub fn parse_program_output(dir: &str, output: &[u8]) -> Result<Rendered, Problem> {
    let name = format!("kustomize build {dir}");
    let objects = yaml::parse(&name, output)?;
    match objects.iter().find(|object| object.as_map().is_none()) {
        Some(other) => Err(other.problem(format!("an object belongs here, found {}", other.kind()))),
        None => Ok(Rendered { objects, warnings: Vec::new() }),
    }
}
