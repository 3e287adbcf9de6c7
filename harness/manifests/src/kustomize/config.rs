//! The transformer configuration: field specs of every transformer, built in and from
//! `configurations:` files.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use yaml::{Place, Problem};

use super::defaults;
use super::error::Result;
use super::fieldspec::FieldSpec;
use super::loader::Loader;
use super::resource::Gvk;
use super::sort::default_order;

/// Which fields each transformer changes (api internal/plugins/builtinconfig/transformerconfig.go).
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<NameReference>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
}

/// The fields that hold the name of an object of a kind.
#[derive(Debug, Clone)]
pub(crate) struct NameReference {
    /// The kind that is referred to.
    pub(crate) gvk: Gvk<'static>,
    /// The fields that refer.
    pub(crate) referrers: Vec<FieldSpec>,
}

impl Config {
    /// The built-in configuration with the files of one kustomization added.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub(crate) fn with_files(
        builtin: &Arc<Config>,
        loader: &Loader<'_>,
        files: &[(String, Place)],
    ) -> Result<Arc<Config>> {
        if files.is_empty() {
            return Ok(Arc::clone(builtin));
        }
        let mut config = Config::clone(builtin);
        for (path, place) in files {
            let (file, _) = loader.load(path, place)?;
            let Some(node) = loader.documents(&file)?.into_iter().next() else { continue };
            let read: ConfigFile = yaml::decode(&node).map_err(as_upstream)?;
            config.add(read.into_config(), place)?;
        }
        Ok(Arc::new(config))
    }

    /// Both configurations as one; what both hold is held once.
    ///
    /// # Errors
    /// Specs that differ in `create` alone.
    pub(crate) fn merged(first: &Arc<Config>, second: &Arc<Config>, place: &Place) -> Result<Arc<Config>> {
        if Arc::ptr_eq(first, second) {
            return Ok(Arc::clone(first));
        }
        let mut config = Config::clone(first);
        config.add(Config::clone(second), place)?;
        Ok(Arc::new(config))
    }

    fn add(&mut self, other: Config, place: &Place) -> Result<()> {
        add_all(&mut self.name_prefix, other.name_prefix, place)?;
        add_all(&mut self.name_suffix, other.name_suffix, place)?;
        add_all(&mut self.namespace, other.namespace, place)?;
        add_all(&mut self.common_labels, other.common_labels, place)?;
        add_all(&mut self.labels, other.labels, place)?;
        add_all(&mut self.template_labels, other.template_labels, place)?;
        add_all(&mut self.common_annotations, other.common_annotations, place)?;
        add_all(&mut self.images, other.images, place)?;
        add_all(&mut self.replicas, other.replicas, place)?;
        for reference in other.name_reference {
            match self.name_reference.iter_mut().find(|known| known.gvk == reference.gvk) {
                Some(known) => add_all(&mut known.referrers, reference.referrers, place)?,
                None => self.name_reference.push(reference),
            }
        }
        self.sort();
        Ok(())
    }

    /// The order in which transformers go through the specs: that of the kinds they select.
    pub(crate) fn sort(&mut self) {
        for specs in [
            &mut self.name_prefix,
            &mut self.name_suffix,
            &mut self.namespace,
            &mut self.common_labels,
            &mut self.labels,
            &mut self.template_labels,
            &mut self.common_annotations,
            &mut self.images,
            &mut self.replicas,
        ] {
            specs.sort_by_cached_key(|spec| default_order(&spec.gvk));
        }
        self.name_reference.sort_by_cached_key(|reference| default_order(&reference.gvk));
    }

    /// What kustomize knows about Kubernetes' own kinds.
    pub(crate) fn builtin() -> Arc<Config> {
        static BUILTIN: LazyLock<Arc<Config>> = LazyLock::new(|| {
            let mut config = defaults::config();
            config.sort();
            Arc::new(config)
        });
        Arc::clone(&BUILTIN)
    }
}

/// Adds the specs that are not covered yet (api types/fieldspec.go: MergeAll).
pub(crate) fn add_all(specs: &mut Vec<FieldSpec>, more: Vec<FieldSpec>, place: &Place) -> Result<()> {
    for spec in more {
        let covered = specs.iter().find(|known| known.path == spec.path && known.gvk.is_selected(&spec.gvk));
        match covered {
            Some(known) if known.create != spec.create => {
                let message =
                    format!("conflicting fieldspecs: `{}` both with and without `create`", spec.path);
                return Err(Problem::at(place, message).into());
            }
            Some(_) => {}
            None => specs.push(spec),
        }
    }
    Ok(())
}

/// An unknown key in the words of kustomize.
fn as_upstream(problem: Problem) -> Problem {
    match problem.message.strip_prefix("unknown key `").and_then(|rest| rest.strip_suffix('`')) {
        Some(key) => Problem {
            message: format!("error unmarshaling JSON: while decoding JSON: json: unknown field \"{key}\""),
            ..problem
        },
        None => problem,
    }
}

/// A file under `configurations:`.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ConfigFile {
    name_prefix: Vec<FieldSpecEntry>,
    name_suffix: Vec<FieldSpecEntry>,
    namespace: Vec<FieldSpecEntry>,
    common_labels: Vec<FieldSpecEntry>,
    labels: Vec<FieldSpecEntry>,
    template_labels: Vec<FieldSpecEntry>,
    common_annotations: Vec<FieldSpecEntry>,
    name_reference: Vec<NameReferenceEntry>,
    /// Where `$(VAR)` is replaced; without `vars`, which are refused, it means nothing.
    #[serde(rename = "varReference")]
    _var_reference: Vec<FieldSpecEntry>,
    images: Vec<FieldSpecEntry>,
    replicas: Vec<FieldSpecEntry>,
}

/// A field spec as written.
#[derive(Debug, Deserialize, Default, Clone)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FieldSpecEntry {
    group: String,
    version: String,
    kind: String,
    path: String,
    create: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct NameReferenceEntry {
    group: String,
    version: String,
    kind: String,
    field_specs: Vec<FieldSpecEntry>,
}

impl From<FieldSpecEntry> for FieldSpec {
    fn from(entry: FieldSpecEntry) -> Self {
        Self {
            gvk: gvk(entry.group, entry.version, entry.kind),
            path: Cow::Owned(entry.path),
            create: entry.create,
        }
    }
}

fn gvk(group: String, version: String, kind: String) -> Gvk<'static> {
    Gvk { group: Cow::Owned(group), version: Cow::Owned(version), kind: Cow::Owned(kind) }
}

fn specs(entries: Vec<FieldSpecEntry>) -> Vec<FieldSpec> {
    entries.into_iter().map(Into::into).collect()
}

impl ConfigFile {
    fn into_config(self) -> Config {
        let reference = |entry: NameReferenceEntry| NameReference {
            gvk: gvk(entry.group, entry.version, entry.kind),
            referrers: specs(entry.field_specs),
        };
        let mut config = Config {
            name_prefix: specs(self.name_prefix),
            name_suffix: specs(self.name_suffix),
            namespace: specs(self.namespace),
            common_labels: specs(self.common_labels),
            labels: specs(self.labels),
            template_labels: specs(self.template_labels),
            common_annotations: specs(self.common_annotations),
            name_reference: self.name_reference.into_iter().map(reference).collect(),
            images: specs(self.images),
            replicas: specs(self.replicas),
        };
        config.sort();
        config
    }
}
