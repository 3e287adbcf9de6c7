//! The transformers that change fields by field specs: namespace, names, labels, annotations,
//! replicas, images.

use regex::Regex;
use yaml::{Map, Node, Place, Problem, Value};

use super::config::{Config, add_all};
use super::error::Result;
use super::fieldspec::{Create, FieldSpec, visit};
use super::file::{File, Image, Label, Replica, Texts};
use super::resource::{Gvk, Resource, set_text, text};
use super::shared;

/// Moves every object into a namespace (api filters/namespace/namespace.go).
///
/// # Errors
/// Two objects that become one.
pub(crate) fn set_namespace(
    resources: &mut [Resource],
    namespace: &str,
    config: &Config,
    place: &Place,
) -> Result<()> {
    for resource in resources.iter_mut() {
        resource.store_previous_id();
        let id = resource.id();
        let (cluster_scoped, core) =
            (id.cluster_scoped, text(resource.node.get("apiVersion").unwrap_or(&resource.node)) == "v1");
        let binding = matches!(resource.kind().as_ref(), "RoleBinding" | "ClusterRoleBinding");
        let mut set = |node: &mut Node| set_scalar(node, namespace, place);
        if !cluster_scoped {
            visit(resource, &FieldSpec::new("metadata/namespace", true), Create::Scalar(place), &mut set)?;
        }
        if binding {
            set_default_subjects(&mut resource.node, namespace, place);
        }
        for spec in &config.namespace {
            let handled = spec.path == "metadata/namespace"
                || (spec.path == "metadata/name" && !core)
                || (binding && spec.path == "subjects/namespace" && is_binding(&spec.gvk.kind));
            if !handled {
                visit(resource, spec, Create::Scalar(place), &mut set)?;
            }
        }
    }
    refuse_conflicts(resources, place)
}

fn is_binding(kind: &str) -> bool {
    matches!(kind, "RoleBinding" | "ClusterRoleBinding")
}

/// Of the subjects of a role binding, only those named `default` follow.
fn set_default_subjects(node: &mut Node, namespace: &str, place: &Place) {
    let Some(Value::Seq(subjects)) = node.at_mut(&["subjects"]).map(|node| &mut node.value) else { return };
    for subject in subjects.iter_mut().filter_map(Node::as_map_mut) {
        if subject.get("name").is_some_and(|name| text(name) == "default") {
            set_text(subject, "namespace", namespace, place);
        }
    }
}

fn refuse_conflicts(resources: &[Resource], place: &Place) -> Result<()> {
    let mut seen = std::collections::BTreeMap::new();
    for resource in resources {
        let id = resource.id();
        let key = (id.gvk.clone(), id.name.to_string(), id.effective_namespace().to_owned());
        if let Some(first) = seen.insert(key, resource) {
            let message = format!("namespace transformation produces ID conflict: {}", resource.id());
            let help = format!("one comes from {}, the other from {}", first.place(), resource.place());
            return Err(Problem::at(place, message).with_help(help).into());
        }
    }
    Ok(())
}

fn set_scalar(node: &mut Node, value: &str, place: &Place) -> Result<()> {
    demand_scalar(node)?;
    *node = Node::new(Value::String(value.to_owned()), place.clone());
    Ok(())
}

fn demand_scalar(node: &Node) -> Result<()> {
    let found = match &node.value {
        Value::Map(_) => "MappingNode",
        Value::Seq(_) => "SequenceNode",
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => return Ok(()),
    };
    Err(node.problem(format!("wrong node kind: expected ScalarNode but got {found}")).into())
}

/// What is put around names.
#[derive(Clone, Copy)]
pub(crate) enum Affix<'a> {
    Prefix(&'a str),
    Suffix(&'a str),
}

/// Puts a prefix or a suffix to the name of every object, save definitions, API services and
/// namespaces (api internal/builtins/PrefixTransformer.go, SuffixTransformer.go).
///
/// # Errors
/// A name field that is no scalar.
pub(crate) fn add_affix(
    resources: &mut [Resource],
    affix: Affix<'_>,
    specs: &[FieldSpec],
    place: &Place,
) -> Result<()> {
    for resource in resources {
        let original = resource.original_id().gvk;
        let skipped = matches!(original.kind.as_ref(), "CustomResourceDefinition" | "Namespace")
            || (original.kind == "APIService" && original.group == "apiregistration.k8s.io");
        if skipped {
            continue;
        }
        for spec in specs {
            if !resource.original_id().gvk.is_selected(&spec.gvk) {
                continue;
            }
            if spec.path == "metadata/name" {
                match affix {
                    Affix::Prefix(prefix) => resource.history.prefixes.push(prefix.to_owned()),
                    Affix::Suffix(suffix) => resource.history.suffixes.push(suffix.to_owned()),
                }
                resource.store_previous_id();
            }
            visit(resource, spec, Create::Scalar(place), &mut |node| {
                let name = match affix {
                    Affix::Prefix(prefix) => format!("{prefix}{}", text(node)),
                    Affix::Suffix(suffix) => format!("{}{suffix}", text(node)),
                };
                let place = node.place.clone();
                set_scalar(node, &name, &place)
            })?;
        }
    }
    Ok(())
}

/// Adds labels (api filters/labels/labels.go).
///
/// # Errors
/// A label field that is no mapping.
pub(crate) fn add_labels(
    resources: &mut [Resource],
    entry: &Label,
    config: &Config,
    file: &File,
    place: &Place,
) -> Result<()> {
    let mut specs: Vec<FieldSpec> = Vec::new();
    add_all(&mut specs, entry.fields.iter().cloned().map(Into::into).collect(), place)?;
    add_all(&mut specs, config.labels.clone(), place)?;
    if entry.include_selectors {
        add_all(&mut specs, config.common_labels.clone(), place)?;
    } else {
        if entry.include_templates {
            add_all(&mut specs, config.template_labels.clone(), place)?;
        }
        add_all(&mut specs, vec![FieldSpec::new("metadata/labels", true)], place)?;
    }
    add_texts(resources, &entry.pairs, &specs, file)
}

/// Adds texts to every mapping that the specs lead to: labels or annotations.
///
/// # Errors
/// A field that is no mapping.
pub(crate) fn add_texts(
    resources: &mut [Resource],
    texts: &Texts,
    specs: &[FieldSpec],
    file: &File,
) -> Result<()> {
    for resource in resources {
        for (key, value) in texts {
            let place = file.place_of(value);
            let before = resource.history.shared.before(&resource.node);
            let present = shared::fields_of(&resource.node, key);
            for spec in specs {
                visit(resource, spec, Create::Mapping(&place), &mut |node| {
                    add_text(node, key, &value.value, &place)
                })?;
            }
            let mut created = shared::fields_of(&resource.node, key);
            created.retain(|field| !present.contains(field));
            resource.history.shared.follow(&mut resource.node, before);
            resource.history.shared.add(created);
        }
    }
    Ok(())
}

fn add_text(node: &mut Node, key: &str, value: &str, place: &Place) -> Result<()> {
    if node.is_null() {
        node.value = Value::Map(Map::new());
    }
    match &mut node.value {
        Value::Map(map) => {
            set_text(map, key, value, place);
            Ok(())
        }
        _ => {
            Err(node.problem(format!("wrong node kind: expected MappingNode but got {}", node.kind())).into())
        }
    }
}

/// Sets the number of replicas of the workloads of a name
/// (api internal/builtins/ReplicaCountTransformer.go).
///
/// # Errors
/// No workload of a known kind has that name.
pub(crate) fn set_replicas(
    resources: &mut [Resource],
    replica: &Replica,
    specs: &[FieldSpec],
    place: &Place,
) -> Result<()> {
    let mut found = false;
    for spec in specs {
        for resource in resources.iter_mut() {
            if !resource.any_id(|id| id.name == replica.name.as_str() && id.gvk.is_selected(&spec.gvk)) {
                continue;
            }
            found = true;
            visit(resource, spec, Create::Scalar(place), &mut |node| {
                demand_scalar(node)?;
                *node = Node::new(Value::Int(replica.count), place.clone());
                Ok(())
            })?;
        }
    }
    if found {
        return Ok(());
    }
    let kinds: Vec<String> = specs.iter().map(|spec| spec.gvk.to_string()).collect();
    let message = format!(
        "resource with name {} does not match a config with the following GVK [{}]",
        replica.name,
        kinds.join(" ")
    );
    let mut problem = Problem::at(place, message);
    if let Some(other) = resources.iter().find(|resource| resource.name() == replica.name.as_str()) {
        problem = problem.with_help(format!(
            "{} has that name; a file under `configurations:` can teach `replicas` its kind",
            Gvk::to_string(&other.gvk())
        ));
    }
    Err(problem.into())
}

/// An entry of `images:` ready to be matched.
pub(crate) struct ImageChange<'a> {
    image: &'a Image,
    pattern: Regex,
    place: Place,
}

impl<'a> ImageChange<'a> {
    /// # Errors
    /// A name that is no regular expression; names are patterns upstream too.
    pub(crate) fn new(image: &'a Image, place: Place) -> Result<Self> {
        let pattern = format!("^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$", image.name);
        let pattern = Regex::new(&pattern).map_err(|error| {
            Problem::at(&place, format!("`{}` is not an image name: {error}", image.name))
        })?;
        Ok(Self { image, pattern, place })
    }

    /// Changes the images of containers wherever they stand, and those that the specs lead to
    /// (api filters/imagetag).
    ///
    /// # Errors
    /// An image field that is no scalar.
    pub(crate) fn apply(&self, resources: &mut [Resource], specs: &[FieldSpec]) -> Result<()> {
        for resource in resources.iter_mut().filter(|resource| resource.kind() != "CustomResourceDefinition")
        {
            self.walk(&mut resource.node)?;
            for spec in specs {
                visit(resource, spec, Create::Never, &mut |node| self.set(node))?;
            }
        }
        Ok(())
    }

    fn walk(&self, node: &mut Node) -> Result<()> {
        match &mut node.value {
            Value::Seq(items) => items.iter_mut().try_for_each(|item| self.walk(item)),
            Value::Map(map) => map.iter_mut().try_for_each(|(key, value)| {
                self.walk(value)?;
                match &mut value.value {
                    Value::Seq(items) if matches!(key.as_str(), "containers" | "initContainers") => {
                        let mut images = items.iter_mut().filter_map(|item| item.at_mut(&["image"]));
                        images.try_for_each(|image| if image.is_null() { Ok(()) } else { self.set(image) })
                    }
                    _ => Ok(()),
                }
            }),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => Ok(()),
        }
    }

    fn set(&self, node: &mut Node) -> Result<()> {
        demand_scalar(node)?;
        let old = text(node);
        if !self.pattern.is_match(&old) {
            return Ok(());
        }
        let (name, mut tag, mut digest) = split_image(&old);
        let new = self.image;
        let tag_with_suffix;
        match (new.new_tag.as_str(), new.digest.as_str(), new.tag_suffix.as_str()) {
            ("", "", "") => {}
            ("", "", suffix) => {
                tag_with_suffix = format!("{tag}{suffix}");
                (tag, digest) = (&tag_with_suffix, "");
            }
            (new_tag, new_digest, _) => (tag, digest) = (new_tag, new_digest),
        }
        let mut image = if new.new_name.is_empty() { name } else { &new.new_name }.to_owned();
        if !tag.is_empty() {
            image = format!("{image}:{tag}");
        }
        if !digest.is_empty() {
            image = format!("{image}@{digest}");
        }
        if image != old {
            *node = Node::new(Value::String(image), self.place.clone());
        }
        Ok(())
    }
}

/// Name, tag and digest (api internal/image/image.go: Split).
fn split_image(image: &str) -> (&str, &str, &str) {
    // A colon before the first slash belongs to the registry's port.
    let start = image.find('/').unwrap_or(0);
    let at = image[start..].find('@').map(|index| start + index);
    let colon = image[start..].find(':').map(|index| start + index);
    match (colon, at) {
        (None, None) => (image, "", ""),
        (Some(colon), Some(at)) if colon < at => (&image[..colon], &image[colon + 1..at], &image[at + 1..]),
        (_, Some(at)) => (&image[..at], "", &image[at + 1..]),
        (Some(colon), None) => (&image[..colon], &image[colon + 1..], ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_splits_into_name_tag_and_digest() {
        assert_eq!(split_image("nginx"), ("nginx", "", ""));
        assert_eq!(split_image("nginx:1"), ("nginx", "1", ""));
        assert_eq!(split_image("host:5000/a/b:1@sha256:ff"), ("host:5000/a/b", "1", "sha256:ff"));
        assert_eq!(split_image("host:5000/a/b@sha256:ff"), ("host:5000/a/b", "", "sha256:ff"));
    }
}
