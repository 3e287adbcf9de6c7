//! References by name follow the objects that a build has renamed.

use std::collections::{BTreeMap, BTreeSet};

use yaml::{Node, Place, Problem, Value};

use super::config::NameReference;
use super::error::{Error, Result};
use super::fieldspec::{Create, visit_path};
use super::resource::{Gvk, Id, PreviousId, Resource, set_text, text, text_at};

/// Writes the present names of renamed objects into the fields that refer to them
/// (api internal/accumulator/namereferencetransformer.go, filters/nameref/nameref.go).
///
/// # Errors
/// A reference that several objects answer to.
pub(crate) fn fix(resources: &mut [Resource], references: &[NameReference]) -> Result<()> {
    let renamed = Renamed::new(resources);
    if renamed.all.is_empty() {
        return Ok(());
    }
    for resource in resources {
        let original = owned(&resource.original_id().gvk);
        let referrer = Referrer::new(resource);
        for reference in references {
            for spec in &reference.referrers {
                if original.is_selected(&spec.gvk) {
                    let role = referrer.role.as_ref().filter(|_| spec.path.ends_with("roleRef/name"));
                    let search =
                        Search { renamed: &renamed, referrer: &referrer, target: &reference.gvk, role };
                    let outcome =
                        visit_path(resource, &spec.path, Create::Never, &mut |node| search.set(node));
                    outcome.map_err(|error| updating(&spec.path, resource, error))?;
                }
            }
        }
    }
    Ok(())
}

fn updating(path: &str, referrer: &Resource, error: Error) -> Error {
    match error {
        Error::Invalid(problem) => {
            let id = referrer.id();
            let message = format!("updating name reference in '{path}' field of '{id}': {}", problem.message);
            Problem { message, ..problem }.into()
        }
        other @ Error::NotImplemented { .. } => other,
    }
}

/// An object that some reference may mean.
struct Candidate {
    name: String,
    namespace: String,
    effective_namespace: String,
    original_namespace: String,
    gvk: Gvk<'static>,
    cluster_scoped: bool,
    previous: Vec<PreviousId>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    place: Place,
}

/// The objects that had another id before, found by their former names.
struct Renamed {
    all: Vec<Candidate>,
    by_name: BTreeMap<String, Vec<usize>>,
}

impl Renamed {
    fn new(resources: &[Resource]) -> Self {
        let all: Vec<Candidate> = resources
            .iter()
            .filter(|resource| !resource.history.previous.is_empty())
            .map(Candidate::new)
            .collect();
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, candidate) in all.iter().enumerate() {
            let names: BTreeSet<&String> = candidate.previous.iter().map(|previous| &previous.name).collect();
            for name in names {
                by_name.entry(name.clone()).or_default().push(index);
            }
        }
        Self { all, by_name }
    }
}

impl Candidate {
    fn new(resource: &Resource) -> Self {
        let id = resource.id();
        Self {
            name: id.name.to_string(),
            namespace: id.namespace.to_string(),
            effective_namespace: id.effective_namespace().to_owned(),
            original_namespace: resource.original_id().effective_namespace().to_owned(),
            gvk: owned(&id.gvk),
            cluster_scoped: id.cluster_scoped,
            previous: resource.history.previous.clone(),
            prefixes: resource.history.prefixes.clone(),
            suffixes: resource.history.suffixes.clone(),
            place: resource.place().clone(),
        }
    }

    fn was(&self, selector: &Gvk<'_>) -> bool {
        self.previous.iter().any(|previous| {
            let gvk = Gvk { kind: previous.kind.as_str().into(), ..self.gvk.clone() };
            gvk.is_selected(selector)
        })
    }

    fn id(&self) -> Id<'_> {
        Id {
            gvk: self.gvk.clone(),
            name: self.name.as_str().into(),
            namespace: self.namespace.as_str().into(),
            cluster_scoped: self.cluster_scoped,
        }
    }
}

fn owned(gvk: &Gvk<'_>) -> Gvk<'static> {
    let own = |text: &str| text.to_owned().into();
    Gvk { group: own(&gvk.group), version: own(&gvk.version), kind: own(&gvk.kind) }
}

/// What of a referring object decides whom it may mean.
struct Referrer {
    namespace: String,
    cluster_scoped: bool,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    /// The namespaces of the service accounts that a role binding names.
    subject_namespaces: BTreeSet<String>,
    /// What a role binding binds.
    role: Option<Gvk<'static>>,
}

impl Referrer {
    fn new(resource: &Resource) -> Self {
        let id = resource.id();
        let mut subject_namespaces = BTreeSet::new();
        if id.gvk.kind == "RoleBinding" {
            let subjects = resource.node.get("subjects").and_then(Node::as_seq).unwrap_or(&[]);
            let accounts = subjects.iter().filter(|subject| text_at(subject, &["kind"]) == "ServiceAccount");
            let namespaces = accounts.filter_map(|account| account.get("namespace"));
            subject_namespaces.extend(namespaces.map(|namespace| text(namespace).into_owned()));
        }
        let role = resource
            .node
            .get("roleRef")
            .filter(|role| role.get("apiGroup").is_some() && role.get("kind").is_some());
        Self {
            namespace: id.effective_namespace().to_owned(),
            cluster_scoped: id.cluster_scoped,
            prefixes: resource.history.prefixes.clone(),
            suffixes: resource.history.suffixes.clone(),
            subject_namespaces,
            role: role.map(|role| Gvk {
                group: text_at(role, &["apiGroup"]).into_owned().into(),
                version: "".into(),
                kind: text_at(role, &["kind"]).into_owned().into(),
            }),
        }
    }

    /// Whether the referrer can see the candidate at all
    /// (api resmap/reswrangler.go: SubsetThatCouldBeReferencedByResource).
    fn sees(&self, candidate: &Candidate) -> bool {
        self.cluster_scoped
            || candidate.cluster_scoped
            || candidate.effective_namespace == self.namespace
            || self.subject_namespaces.contains(&candidate.namespace)
    }

    /// Whether a name alone can mean the candidate.
    fn shares_namespace(&self, candidate: &Candidate) -> bool {
        self.cluster_scoped
            || candidate.cluster_scoped
            || candidate.gvk.kind == "ServiceAccount"
            || candidate.effective_namespace == self.namespace
    }

    fn shares_affixes(&self, candidate: &Candidate, allow_empty: bool) -> bool {
        let same = |own: &[String], other: &[String]| {
            (allow_empty && (own.is_empty() || other.is_empty())) || same_ending(own, other)
        };
        same(&self.prefixes, &candidate.prefixes) && same(&self.suffixes, &candidate.suffixes)
    }
}

/// Whether the shorter list ends the longer one; an empty list ends only an empty one.
fn same_ending(first: &[String], second: &[String]) -> bool {
    let (short, long) = if first.len() <= second.len() { (first, second) } else { (second, first) };
    if short.is_empty() { long.is_empty() } else { long.ends_with(short) }
}

/// The search for what one reference means.
struct Search<'a> {
    renamed: &'a Renamed,
    referrer: &'a Referrer,
    target: &'a Gvk<'static>,
    role: Option<&'a Gvk<'static>>,
}

impl Search<'_> {
    fn set(&self, node: &mut Node) -> Result<()> {
        match &mut node.value {
            Value::Null => Ok(()),
            Value::Map(_) => self.set_mapping(node),
            Value::Seq(items) => items.iter_mut().try_for_each(|item| match &item.value {
                Value::Null => Ok(()),
                Value::Map(_) => self.set_mapping(item),
                Value::Seq(_) => Err(item.problem("a name belongs here, and this is a list").into()),
                Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => self.set_scalar(item),
            }),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => self.set_scalar(node),
        }
    }

    fn set_scalar(&self, node: &mut Node) -> Result<()> {
        let same = |a: &Candidate, b: &Candidate| a.name == b.name;
        let Some(found) = self.select(node, &text(node), |_| true, same)? else { return Ok(()) };
        if text(node) != found.name {
            node.value = Value::String(found.name.clone());
        }
        Ok(())
    }

    /// A mapping with `name` and perhaps `namespace`, such as a subject of a role binding.
    fn set_mapping(&self, node: &mut Node) -> Result<()> {
        let Some(name) = node.get("name") else {
            return Err(node.problem("path config error; no 'name' field in node").into());
        };
        let (name, name_place) = (text(name).into_owned(), name.place.clone());
        let namespace = node.get("namespace").map(|namespace| text(namespace).into_owned());
        let known = |part: fn(&Candidate) -> &String| {
            self.renamed.all.iter().any(|candidate| Some(part(candidate)) == namespace.as_ref())
        };
        let by_original = known(|candidate| &candidate.original_namespace);
        let fits = |candidate: &Candidate| match &namespace {
            None => true,
            Some(namespace) if by_original => &candidate.original_namespace == namespace,
            Some(namespace) => &candidate.effective_namespace == namespace,
        };
        let same = |a: &Candidate, b: &Candidate| a.name == b.name && a.namespace == b.namespace;
        let Some(found) = self.select(node, &name, fits, same)? else { return Ok(()) };
        let (new_name, new_namespace) = (found.name.clone(), found.namespace.clone());
        let map = node.as_map_mut().expect("only mappings are set as mappings");
        if name != new_name {
            map.insert("name".to_owned(), Node::new(Value::String(new_name), name_place.clone()));
        }
        if !new_namespace.is_empty() {
            set_text(map, "namespace", &new_namespace, &name_place);
        }
        Ok(())
    }

    /// The one object that was once called so (api filters/nameref/nameref.go: selectReferral).
    fn select(
        &self,
        node: &Node,
        name: &str,
        fits: impl Fn(&Candidate) -> bool,
        same: impl Fn(&Candidate, &Candidate) -> bool,
    ) -> Result<Option<&Candidate>> {
        let named = self.renamed.by_name.get(name).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<&Candidate> = named
            .iter()
            .map(|index| &self.renamed.all[*index])
            .filter(|candidate| self.referrer.sees(candidate) && fits(candidate))
            .filter(|candidate| {
                candidate.was(self.target) && self.role.is_none_or(|role| candidate.was(role))
            })
            .filter(|candidate| self.referrer.shares_namespace(candidate))
            .collect();
        if found.len() > 1 {
            found.retain(|candidate| self.referrer.shares_affixes(candidate, true));
        }
        if found.len() > 1 {
            found.retain(|candidate| self.referrer.shares_affixes(candidate, false));
        }
        let [first, rest @ ..] = found.as_slice() else { return Ok(None) };
        if rest.iter().all(|other| same(first, other)) {
            return Ok(Some(first));
        }
        let ids: Vec<String> = found.iter().map(|candidate| candidate.id().to_string()).collect();
        let places: Vec<String> = found.iter().map(|candidate| candidate.place.to_string()).collect();
        Err(Problem::at(&node.place, format!("found multiple possible referrals: {}", ids.join(", ")))
            .with_help(format!("they come from {}", places.join(" and ")))
            .into())
    }
}
