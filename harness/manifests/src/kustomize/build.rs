//! The build of a directory: what it consists of, then what is done to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use yaml::{Node, Place, Problem, Value};

use super::config::Config;
use super::error::{Error, Result};
use super::file::{self, File};
use super::generate::{self, Kind};
use super::loader::Loader;
use super::resource::{Resource, size, text_at};
use super::transform::{self, Affix, ImageChange};
use super::{hash, namereference, patch, replacement, sort};
use crate::tree::Tree;

/// How many directories one build may enter, counted each time.
pub(crate) const MAX_DIRECTORIES: usize = 2_000;

/// How many objects one build may hold.
pub(crate) const MAX_OBJECTS: usize = 20_000;

/// How many values one build may read or write by patches and labels.
pub(crate) const MAX_VALUES: usize = 20_000_000;

/// What belongs to a whole build and not to one of its directories.
pub(crate) struct Build {
    builtin: Arc<Config>,
    directories: usize,
    values: usize,
    pub(crate) warnings: Vec<Problem>,
}

/// The objects of a directory and the configuration that they are still subject to.
struct Accumulated {
    resources: Vec<Resource>,
    config: Arc<Config>,
}

/// Renders a directory (api krusty/kustomizer.go: Run).
pub(crate) fn run(tree: &Tree, dir: &str) -> Result<(Vec<Node>, Vec<Problem>)> {
    let loader = Loader::new(tree, dir)?;
    let file = file::load(&loader, None)?;
    let builtin = Config::builtin();
    let mut build = Build { builtin: Arc::clone(&builtin), directories: 0, values: 0, warnings: Vec::new() };
    let empty = Accumulated { resources: Vec::new(), config: builtin };
    let Accumulated { mut resources, config } = build.accumulate(&loader, &file, empty)?;
    hash::add_hashes(&mut resources);
    namereference::fix(&mut resources, &config.name_reference)?;
    demand_identity(&resources)?;
    resources.retain(|resource| !is_local(resource));
    let options = file.content.sort_options.as_ref();
    let place = options.map(|options| file.place_of(options));
    sort::sort(&mut resources, options.map(|options| &options.value).zip(place.as_ref()))?;
    let mut objects = Vec::with_capacity(resources.len());
    for mut resource in resources {
        super::resource::normalise_metadata_map(&mut resource.node, "annotations");
        objects.push(resource.node);
    }
    Ok((objects, build.warnings))
}

/// Whether the object is meant for tools that read the repository and not for the cluster.
fn is_local(resource: &Resource) -> bool {
    let annotation = resource.node.at(&["metadata", "annotations", "config.kubernetes.io/local-config"]);
    annotation.is_some_and(|value| super::resource::text(value) != "false")
}

impl Build {
    /// Counts values against the bound.
    ///
    /// # Errors
    /// The bound is reached.
    pub(crate) fn charge(&mut self, values: usize, place: &Place) -> Result<()> {
        self.values = self.values.saturating_add(values);
        if self.values <= MAX_VALUES {
            return Ok(());
        }
        Err(Problem::at(place, format!("the build reads or writes more than {MAX_VALUES} values")).into())
    }

    /// What a directory adds to what was there, and does to it
    /// (api internal/target/kusttarget.go: accumulateTarget).
    fn accumulate(&mut self, loader: &Loader<'_>, file: &File, mut all: Accumulated) -> Result<Accumulated> {
        self.directories += 1;
        if self.directories > MAX_DIRECTORIES {
            let message = format!("the build enters more than {MAX_DIRECTORIES} directories");
            return Err(Problem::at(&file.place, message).into());
        }
        for entry in file.content.resources.iter().chain(&file.content.bases) {
            self.add_resource(loader, &entry.value, &file.place_of(entry), &mut all)?;
        }
        let configurations: Vec<(String, Place)> = file
            .content
            .configurations
            .iter()
            .map(|path| (path.value.clone(), file.place_of(path)))
            .collect();
        let own = Config::with_files(&self.builtin, loader, &configurations)?;
        all.config = Config::merged(&all.config, &own, &file.place)?;
        run_generators(loader, file, &mut all.resources)?;
        for entry in &file.content.components {
            all = self.add_component(loader, &entry.value, &file.place_of(entry), all)?;
        }
        self.transform(loader, file, &mut all)?;
        Ok(all)
    }

    fn add_resource(
        &mut self,
        loader: &Loader<'_>,
        path: &str,
        place: &Place,
        all: &mut Accumulated,
    ) -> Result<()> {
        let is_file = !loader.is_dir(path) && !path.is_empty();
        if is_file {
            return match loader.load(path, place) {
                Ok((name, _)) => self.add_file(loader, &name, place, all),
                // kustomize tries the path as a directory then, and tells both errors.
                Err(error) => match (error, loader.descend(path, place)) {
                    (_, Err(not_implemented @ Error::NotImplemented { .. })) => Err(not_implemented),
                    (Error::Invalid(as_file), Err(Error::Invalid(as_directory))) => {
                        let message = format!(
                            "accumulating resources: accumulation err='accumulating resources from '{path}': {}': {}",
                            as_file.message, as_directory.message
                        );
                        Err(Problem { message, ..as_file }.into())
                    }
                    (error, _) => Err(error),
                },
            };
        }
        let sub = loader.descend(path, place)?;
        let file = file::load(&sub, Some(place))?;
        if file.component {
            let message = format!("expected kind != 'Component' for path '{}'", sub.shown());
            return Err(Problem::at(place, message).with_help("name it under `components:`").into());
        }
        let empty = Accumulated { resources: Vec::new(), config: Arc::clone(&self.builtin) };
        let base = self.accumulate(&sub, &file, empty)?;
        append_all(&mut all.resources, base.resources, place)?;
        all.config = Config::merged(&all.config, &base.config, place)?;
        Ok(())
    }

    fn add_file(
        &mut self,
        loader: &Loader<'_>,
        name: &str,
        place: &Place,
        all: &mut Accumulated,
    ) -> Result<()> {
        let resources = objects(loader.documents(name)?).map_err(|error| accumulating(name, error))?;
        self.charge(resources.iter().map(|resource| size(&resource.node)).sum(), place)?;
        append_all(&mut all.resources, resources, place)
    }

    fn add_component(
        &mut self,
        loader: &Loader<'_>,
        path: &str,
        place: &Place,
        all: Accumulated,
    ) -> Result<Accumulated> {
        let sub = loader.descend(path, place)?;
        let file = file::load(&sub, Some(place))?;
        if !file.component {
            let message = format!(
                "accumulating components: expected kind 'Component' for path '{}' but got 'Kustomization'",
                sub.shown()
            );
            return Err(Problem::at(place, message).with_help("name it under `resources:`").into());
        }
        self.accumulate(&sub, &file, all)
    }

    /// The transformers in their fixed order
    /// (api internal/target/kusttarget_configplugin.go: configureBuiltinTransformers).
    fn transform(&mut self, loader: &Loader<'_>, file: &File, all: &mut Accumulated) -> Result<()> {
        let (content, resources, config) = (&file.content, &mut all.resources, &all.config);
        for entry in &content.patches_strategic_merge {
            patch::apply_strategic_merge(self, resources, entry, file, loader)?;
        }
        for entry in &content.patches {
            patch::apply(self, resources, entry, file, loader)?;
        }
        let given = |text: &&yaml::Located<String>| !text.value.is_empty();
        if let Some(namespace) = content.namespace.as_ref().filter(given) {
            transform::set_namespace(resources, &namespace.value, config, &file.place_of(namespace))?;
        }
        if let Some(prefix) = content.name_prefix.as_ref().filter(given) {
            let affix = Affix::Prefix(&prefix.value);
            transform::add_affix(resources, affix, &config.name_prefix, &file.place_of(prefix))?;
        }
        if let Some(suffix) = content.name_suffix.as_ref().filter(given) {
            let affix = Affix::Suffix(&suffix.value);
            transform::add_affix(resources, affix, &config.name_suffix, &file.place_of(suffix))?;
        }
        self.add_labels_and_annotations(file, resources, config)?;
        for entry in &content.patches_json6902 {
            patch::apply_json6902(self, resources, entry, file, loader)?;
        }
        for entry in &content.replicas {
            transform::set_replicas(resources, &entry.value, &config.replicas, &file.place_of(entry))?;
        }
        for entry in content.images.iter().chain(&content.image_tags) {
            ImageChange::new(&entry.value, file.place_of(entry))?.apply(resources, &config.images)?;
        }
        for entry in &content.replacements {
            replacement::apply_entry(resources, entry, file, loader)?;
        }
        Ok(())
    }

    fn add_labels_and_annotations(
        &mut self,
        file: &File,
        resources: &mut [Resource],
        config: &Config,
    ) -> Result<()> {
        let content = &file.content;
        let pairs = content.labels.iter().map(|entry| entry.value.pairs.len()).sum::<usize>();
        let texts = pairs + content.common_labels.len() + content.common_annotations.len();
        self.charge(texts.saturating_mul(resources.len()), &file.place)?;
        for entry in &content.labels {
            transform::add_labels(resources, &entry.value, config, file, &file.place_of(entry))?;
        }
        transform::add_texts(resources, &content.common_labels, &config.common_labels, file)?;
        transform::add_texts(resources, &content.common_annotations, &config.common_annotations, file)
    }
}

fn run_generators(loader: &Loader<'_>, file: &File, resources: &mut Vec<Resource>) -> Result<()> {
    let content = &file.content;
    let config_maps = content.config_map_generator.iter().map(|entry| (Kind::ConfigMap, entry));
    let secrets = content.secret_generator.iter().map(|entry| (Kind::Secret, entry));
    // All are made before the first is added.
    let mut made = Vec::new();
    for (kind, entry) in config_maps.chain(secrets) {
        let place = file.place_of(entry);
        made.push((generate::generate(kind, &entry.value, &place, file, loader)?, place));
    }
    for (resource, place) in made {
        generate::absorb(resources, resource, &place)?;
    }
    Ok(())
}

fn accumulating(path: &str, error: Error) -> Error {
    match error {
        Error::Invalid(problem) => {
            let message = format!("accumulating resources from '{path}': {}", problem.message);
            Problem { message, ..problem }.into()
        }
        other @ Error::NotImplemented { .. } => other,
    }
}

/// Adds objects, none of which may have the id of another (api resmap/reswrangler.go: Append).
///
/// # Errors
/// An id twice, too many objects.
pub(crate) fn append_all(resources: &mut Vec<Resource>, more: Vec<Resource>, place: &Place) -> Result<()> {
    let key = |resource: &Resource| {
        let id = resource.id();
        (id.gvk.to_string(), id.name.to_string(), id.effective_namespace().to_owned())
    };
    let mut ids: BTreeSet<(String, String, String)> = resources.iter().map(key).collect();
    for resource in more {
        if !ids.insert(key(&resource)) {
            let message = format!("may not add resource with an already registered id: {}", resource.id());
            let mut problem = Problem::at(place, message);
            let wanted = key(&resource);
            if let Some(first) = resources.iter().find(|first| key(first) == wanted) {
                problem = problem.with_help(format!(
                    "one comes from {}, the other from {}",
                    first.place(),
                    resource.place()
                ));
            }
            return Err(problem.into());
        }
        if resources.len() >= MAX_OBJECTS {
            return Err(Problem::at(place, format!("the build holds more than {MAX_OBJECTS} objects")).into());
        }
        resources.push(resource);
    }
    Ok(())
}

/// The objects of a file: every document is one, and what a `List` holds comes after them
/// (api resource/factory.go: SliceFromBytes).
///
/// # Errors
/// A document that is no object, or has no kind or name.
pub(crate) fn objects(documents: Vec<Node>) -> Result<Vec<Resource>> {
    let mut queue: std::collections::VecDeque<Node> = documents.into();
    let mut resources = Vec::with_capacity(queue.len());
    while let Some(node) = queue.pop_front() {
        if is_nothing(&node) {
            continue;
        }
        demand_metadata(&node)?;
        let is_list = text_at(&node, &["kind"]).ends_with("List");
        match node.get("items").filter(|_| is_list).map(|items| &items.value) {
            None => resources.push(Resource::new(node)),
            Some(Value::Null) => {}
            Some(Value::Seq(items)) => queue.extend(items.iter().cloned()),
            Some(_) => {
                let message = format!("expected array in {}/items", text_at(&node, &["kind"]));
                return Err(node.problem(message).into());
            }
        }
    }
    Ok(resources)
}

fn is_nothing(node: &Node) -> bool {
    node.is_null() || node.as_map().is_some_and(yaml::Map::is_empty)
}

/// Every object has a kind and, unless it is a list, a name
/// (kyaml yaml/rnode.go: GetValidatedMetadata).
fn demand_metadata(node: &Node) -> Result<()> {
    if node.as_map().is_none() {
        return Err(node.problem("missing Resource metadata").with_help("an object is a mapping").into());
    }
    let kind = text_at(node, &["kind"]);
    if kind.is_empty() {
        return Err(node.problem("missing kind in object").into());
    }
    if !kind.ends_with("List") && text_at(node, &["metadata", "name"]).is_empty() {
        return Err(node.problem(format!("missing metadata.name in object of kind {kind}")).into());
    }
    Ok(())
}

/// Patches may have taken away what identifies an object.
fn demand_identity(resources: &[Resource]) -> Result<()> {
    resources.iter().try_for_each(|resource| demand_metadata(&resource.node))
}
