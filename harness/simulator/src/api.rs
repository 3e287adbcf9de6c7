//! The API server: objects with identity, generation and owners, and the changes that watches see.
//!
//! What a person or Argo CD writes comes in as a manifest ([`Api::apply`], [`Api::patch`]) and is
//! kept as the live manifest beside its typed view; what controllers create for themselves (replica
//! sets, pods, analysis runs) exists only typed. Status is part of the typed body and never of the
//! manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::objects::{self, ObjectKey};
use timeline::AnalysisPhase;
use units::Time;
use yaml::{Node, Problem};

use crate::analysis::AnalysisRun;
use crate::argocd::ApplicationStatus;
use crate::experiments::Experiment;
use crate::kubernetes::{Deployment, Job, Pod, ReplicaSet};
use crate::rollouts::RolloutState;

/// An object's place in the store; never used again after a deletion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(u32);

impl ObjectId {
    /// The position in the order of creation.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An object as the API server holds it.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its place in the store.
    pub id: ObjectId,
    /// Group, kind, namespace, name.
    pub key: ObjectKey,
    /// Labels as they are now.
    pub labels: BTreeMap<String, String>,
    /// Annotations as they are now.
    pub annotations: BTreeMap<String, String>,
    /// Counts the changes of its spec, from 1.
    pub generation: u64,
    /// Counts every change in the store.
    pub resource_version: u64,
    /// The controller that owns it.
    pub owner: Option<ObjectId>,
    /// When it was created.
    pub created: Time,
    /// Whether it is gone.
    pub deleted: bool,
    /// The live manifest, for objects that were applied.
    pub manifest: Option<Arc<Node>>,
    /// The manifest that was applied last (`kubectl.kubernetes.io/last-applied-configuration`).
    pub last_applied: Option<Arc<Node>>,
    /// The typed view and the status.
    pub body: Body,
}

impl Object {
    /// What is written of an object of which no controller of the model has a view of its own.
    pub(crate) fn plain(&self) -> Option<&objects::Object> {
        let Body::Plain(plain) = &self.body else { return None };
        Some(plain)
    }

    /// Its identity: in the form that Kubernetes draws, fixed by its name and the time it was made.
    pub(crate) fn uid(&self) -> String {
        const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        // FNV-1a of 128 bits.
        let text = format!("{} {}", self.key, self.created.as_nanos());
        let hash = text.bytes().fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
        let digits = format!("{hash:032x}");
        let groups = [&digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..]];
        format!("{}-{}-4{}-a{}-{}", groups[0], groups[1], groups[2], groups[3], groups[4])
    }
}

/// What an object is.
#[derive(Debug, Clone)]
pub enum Body {
    /// `apps/ReplicaSet`, of a Rollout or a Deployment.
    ReplicaSet(ReplicaSet),
    /// A pod.
    Pod(Pod),
    /// `argoproj.io/AnalysisRun`.
    AnalysisRun(AnalysisRun),
    /// `argoproj.io/Experiment`, of a Rollout's step.
    Experiment(Box<Experiment>),
    /// `argoproj.io/Rollout`.
    Rollout(Arc<objects::Rollout>, Box<RolloutState>),
    /// `apps/Deployment`.
    Deployment(Arc<objects::Deployment>, Deployment),
    /// `argoproj.io/Application`.
    Application(Arc<objects::Application>, Arc<ApplicationStatus>),
    /// `batch/Job`, of an AnalysisRun's metric.
    Job(Job),
    /// Any other kind: no controller of the model writes its status.
    Plain(Arc<objects::Object>),
}

/// What a watch sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub id: ObjectId,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created.
    Created,
    /// Its spec, labels or annotations changed.
    Updated,
    /// Its status changed.
    Status,
    /// The status of an AnalysisRun changed, and with it its phase.
    RunPhase,
    /// It was deleted.
    Deleted,
}

/// What an apply did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The object is new.
    Created(ObjectId),
    /// It changed.
    Configured(ObjectId),
    /// It was already so.
    Unchanged(ObjectId),
}

/// The objects of a kind that exist, in the order of namespace and name.
#[derive(Debug)]
struct Kind {
    group: Arc<str>,
    kind: Arc<str>,
    ids: Vec<ObjectId>,
}

/// The store.
#[derive(Debug, Default)]
pub struct Api {
    objects: Vec<Object>,
    /// Those that exist, in the order of their kinds.
    kinds: Vec<Kind>,
    children: BTreeMap<ObjectId, Vec<ObjectId>>,
    changes: Vec<Change>,
    resource_version: u64,
    /// Counts the manifests that were written and deleted.
    manifests: u64,
    not_modelled: Vec<objects::NotModelled>,
}

impl Api {
    /// An object, also one that is gone.
    pub fn get(&self, id: ObjectId) -> &Object {
        &self.objects[id.index()]
    }

    /// Whether an object still exists.
    pub fn exists(&self, id: ObjectId) -> bool {
        !self.get(id).deleted
    }

    /// The object of this name, if there is one.
    pub fn find(&self, key: &ObjectKey) -> Option<&Object> {
        self.named(&key.group, &key.kind, key.namespace.as_deref(), &key.name)
    }

    /// The object with this identity, if there is one.
    pub fn named(&self, group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<&Object> {
        let ids = self.ids(group, kind);
        ids.binary_search_by(|id| self.name(*id).cmp(&(namespace, name))).ok().map(|at| self.get(ids[at]))
    }

    /// Every object of a kind in the order of namespace and name.
    pub fn of_kind(&self, group: &str, kind: &str) -> impl Iterator<Item = &Object> {
        self.ids(group, kind).iter().map(|id| self.get(*id))
    }

    /// Every object, in the order of group, kind, namespace and name.
    pub fn all(&self) -> impl Iterator<Item = &Object> {
        self.kinds.iter().flat_map(|kind| &kind.ids).map(|id| self.get(*id))
    }

    /// The objects of a kind in the order of namespace and name. There are few kinds.
    fn ids(&self, group: &str, kind: &str) -> &[ObjectId] {
        let of = self.kinds.iter().find(|known| *known.kind == *kind && *known.group == *group);
        of.map_or(&[], |of| &of.ids)
    }

    /// What tells an object from others of its kind.
    fn name(&self, id: ObjectId) -> (Option<&str>, &str) {
        let key = &self.get(id).key;
        (key.namespace.as_deref(), &key.name)
    }

    /// Where an object of this name is among those of its kind, which is known from now on, or would be.
    fn position(&mut self, key: &ObjectKey) -> (usize, Result<usize, usize>) {
        let kinds = &self.kinds;
        let kind = kinds.binary_search_by(|known| (&known.group, &known.kind).cmp(&(&key.group, &key.kind)));
        let kind = kind.unwrap_or_else(|at| {
            let (group, kind) = (Arc::clone(&key.group), Arc::clone(&key.kind));
            self.kinds.insert(at, Kind { group, kind, ids: Vec::new() });
            at
        });
        let name = (key.namespace.as_deref(), &*key.name);
        (kind, self.kinds[kind].ids.binary_search_by(|id| self.name(*id).cmp(&name)))
    }

    /// What an object owns, in the order of creation.
    pub fn owned(&self, owner: ObjectId) -> impl Iterator<Item = &Object> {
        self.children.get(&owner).into_iter().flatten().map(|id| self.get(*id))
    }

    /// Creates an object that a controller makes for itself.
    ///
    /// A name that is taken is a defect of the calling controller.
    pub fn create(&mut self, key: ObjectKey, owner: Option<ObjectId>, body: Body, now: Time) -> ObjectId {
        let id = ObjectId(u32::try_from(self.objects.len()).expect("a run has fewer than 2^32 objects"));
        self.resource_version += 1;
        let (kind, Err(position)) = self.position(&key) else { panic!("{key} exists already") };
        self.kinds[kind].ids.insert(position, id);
        if let Some(owner) = owner {
            self.children.entry(owner).or_default().push(id);
        }
        self.objects.push(Object {
            id,
            key,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            generation: 1,
            resource_version: self.resource_version,
            owner,
            created: now,
            deleted: false,
            manifest: None,
            last_applied: None,
            body,
        });
        self.changes.push(Change { id, kind: ChangeKind::Created });
        id
    }

    /// Creates or changes an object from a manifest, as `kubectl apply` does. `namespace` is where a
    /// namespaced object goes whose manifest names none.
    ///
    /// # Errors
    /// A manifest that the API server's schema would reject.
    pub fn apply(&mut self, manifest: &Arc<Node>, namespace: &str, now: Time) -> Result<Applied, Problem> {
        let key = objects::object_key(manifest)?.defaulted_to(namespace);
        let Some(id) = self.find(&key).map(|object| object.id) else {
            let id = self.create_from(key, manifest, now)?;
            self.objects[id.index()].last_applied = Some(Arc::clone(manifest));
            return Ok(Applied::Created(id));
        };
        let object = self.get(id);
        let live = object.manifest.clone().unwrap_or_else(|| Arc::clone(manifest));
        let merged = three_way_merge(object.last_applied.as_deref(), manifest, &live);
        let changed = self.write_manifest(id, merged)?;
        self.objects[id.index()].last_applied = Some(Arc::clone(manifest));
        Ok(if changed { Applied::Configured(id) } else { Applied::Unchanged(id) })
    }

    /// Changes an object by a merge patch (RFC 7386), as `kubectl patch --type merge` does.
    ///
    /// # Errors
    /// A result that the API server's schema would reject.
    pub fn patch(&mut self, id: ObjectId, patch: &Node) -> Result<bool, Problem> {
        let Some(live) = self.get(id).manifest.clone() else {
            return Err(
                patch.problem(format!("{} is made by a controller and cannot be patched", self.get(id).key))
            );
        };
        let mut merged = (*live).clone();
        yaml::merge_patch(&mut merged, patch);
        self.write_manifest(id, merged)
    }

    /// Puts a value in the place of another in an object's live manifest, as a JSON patch (RFC 6902) with the one
    /// operation `replace` does; where there is no other, nothing changes.
    ///
    /// # Errors
    /// A result that the API server's schema would reject.
    pub fn replace(&mut self, id: ObjectId, path: &[&str], value: Node) -> Result<bool, Problem> {
        let Some(live) = &self.get(id).manifest else { return Ok(false) };
        let mut changed = (**live).clone();
        let Some(place) = changed.at_mut(path) else { return Ok(false) };
        *place = value;
        self.write_manifest(id, changed)
    }

    /// Deletes an object and everything that it owns.
    pub fn delete(&mut self, id: ObjectId) {
        if !self.exists(id) {
            return;
        }
        let key = self.get(id).key.clone();
        if let (kind, Ok(position)) = self.position(&key) {
            self.kinds[kind].ids.remove(position);
        }
        let object = &mut self.objects[id.index()];
        object.deleted = true;
        self.manifests += u64::from(object.manifest.is_some());
        if let Some(siblings) = object.owner.and_then(|owner| self.children.get_mut(&owner)) {
            siblings.retain(|child| *child != id);
        }
        self.changes.push(Change { id, kind: ChangeKind::Deleted });
        for child in self.children.remove(&id).unwrap_or_default() {
            self.delete(child);
        }
    }

    /// Changes the typed body of an object as a spec change: its generation goes up.
    pub fn update<R>(&mut self, id: ObjectId, change: impl FnOnce(&mut Object) -> R) -> R {
        let object = self.written(id, ChangeKind::Updated);
        object.generation += 1;
        change(object)
    }

    /// Changes labels, annotations or anything else of an object that is no spec.
    pub fn update_metadata<R>(&mut self, id: ObjectId, change: impl FnOnce(&mut Object) -> R) -> R {
        change(self.written(id, ChangeKind::Updated))
    }

    /// Changes the status part of an object's body.
    pub fn update_status<R>(&mut self, id: ObjectId, change: impl FnOnce(&mut Object) -> R) -> R {
        let before = self.get(id).body.run_phase();
        let result = change(self.written(id, ChangeKind::Status));
        if self.get(id).body.run_phase() != before
            && let Some(written) = self.changes.last_mut()
        {
            written.kind = ChangeKind::RunPhase;
        }
        result
    }

    /// Counts what was written and deleted by manifest: while it stands still, everything that people and
    /// Argo CD wrote is as it was.
    pub fn manifests(&self) -> u64 {
        self.manifests
    }

    /// Whether anything changed, or was found not to be modelled, since it was last taken.
    pub fn has_news(&self) -> bool {
        !self.changes.is_empty() || !self.not_modelled.is_empty()
    }

    /// Takes the changes since the last call, oldest first.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Takes the fields and kinds that manifests asked for since the last call and that are not modelled.
    pub fn take_not_modelled(&mut self) -> Vec<objects::NotModelled> {
        std::mem::take(&mut self.not_modelled)
    }

    fn written(&mut self, id: ObjectId, kind: ChangeKind) -> &mut Object {
        self.resource_version += 1;
        self.changes.push(Change { id, kind });
        let object = &mut self.objects[id.index()];
        object.resource_version = self.resource_version;
        object
    }

    fn create_from(&mut self, key: ObjectKey, manifest: &Arc<Node>, now: Time) -> Result<ObjectId, Problem> {
        let read = objects::Object::read(manifest)?;
        self.not_modelled.extend(read.not_modelled);
        let (labels, annotations) = metadata_of(manifest);
        self.manifests += 1;
        let id = self.create(key, None, Body::of(read.object), now);
        let object = &mut self.objects[id.index()];
        object.labels = labels;
        object.annotations = annotations;
        object.manifest = Some(Arc::clone(manifest));
        Ok(id)
    }

    /// Puts a new live manifest in place; tells whether anything differs.
    fn write_manifest(&mut self, id: ObjectId, manifest: Node) -> Result<bool, Problem> {
        let before = self.get(id).manifest.clone();
        if before.as_deref() == Some(&manifest) {
            return Ok(false);
        }
        let read = objects::Object::read(&manifest)?;
        self.not_modelled.extend(read.not_modelled);
        let (labels, annotations) = metadata_of(&manifest);
        self.manifests += 1;
        let object = self.written(id, ChangeKind::Updated);
        if before.is_none_or(|before| specs_differ(&before, &manifest)) {
            object.generation += 1;
        }
        object.body.replace_spec(read.object);
        object.labels = labels;
        object.annotations = annotations;
        object.manifest = Some(Arc::new(manifest));
        Ok(true)
    }
}

impl Body {
    /// A body without status for an object that was just read.
    fn of(object: objects::Object) -> Self {
        match object {
            objects::Object::Rollout(spec) => Self::Rollout(spec, Box::default()),
            objects::Object::Deployment(spec) => Self::Deployment(spec, Deployment::default()),
            objects::Object::Application(spec) => Self::Application(spec, Arc::default()),
            other => Self::Plain(Arc::new(other)),
        }
    }

    /// The phase of an AnalysisRun, once it has one.
    fn run_phase(&self) -> Option<AnalysisPhase> {
        match self {
            Self::AnalysisRun(run) => run.status.phase,
            Self::ReplicaSet(_)
            | Self::Pod(_)
            | Self::Experiment(_)
            | Self::Rollout(..)
            | Self::Deployment(..)
            | Self::Application(..)
            | Self::Job(_)
            | Self::Plain(_) => None,
        }
    }

    /// Takes over a new spec and keeps the status.
    fn replace_spec(&mut self, object: objects::Object) {
        match (self, object) {
            (Self::Rollout(spec, _), objects::Object::Rollout(new)) => *spec = new,
            (Self::Deployment(spec, _), objects::Object::Deployment(new)) => *spec = new,
            (Self::Application(spec, _), objects::Object::Application(new)) => *spec = new,
            (body, other) => *body = Self::of(other),
        }
    }
}

fn metadata_of(manifest: &Node) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let map = |key| {
        let entries = manifest.at(&["metadata", key]).and_then(Node::as_map).into_iter().flatten();
        entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    };
    (map("labels"), map("annotations"))
}

/// Whether a change counts as a new generation: neither metadata nor status does
/// (apiextensions-apiserver pkg/registry/customresource/strategy.go: PrepareForUpdate).
fn specs_differ(before: &Node, after: &Node) -> bool {
    spec_of(before) != spec_of(after)
}

fn spec_of(manifest: &Node) -> BTreeMap<&str, &Node> {
    let entries = manifest.as_map().into_iter().flatten().map(|(key, value)| (key.as_str(), value));
    entries.filter(|(key, _)| !matches!(*key, "metadata" | "status")).collect()
}

/// What `live` becomes when `target` is applied over what was applied last: fields that were applied
/// before and are not any more go away, as do those that `target` sets to null; other fields of `target`
/// win, all others stay. Lists are whole values, as in the JSON merge that Argo CD and kubectl use for
/// custom resources; the lists of built-in kinds, which upstream merges by their keys, are whole here too
/// (apimachinery pkg/util/jsonmergepatch: CreateThreeWayJSONMergePatch).
pub fn three_way_merge(last_applied: Option<&Node>, target: &Node, live: &Node) -> Node {
    let (Some(wanted), Some(present)) = (target.as_map(), live.as_map()) else {
        return target.clone();
    };
    let mut merged = present.clone();
    if let Some(before) = last_applied.and_then(Node::as_map) {
        for key in before.keys().filter(|key| !wanted.contains_key(*key)) {
            merged.shift_remove(key);
        }
    }
    for (key, value) in wanted {
        if value.is_null() {
            merged.shift_remove(key);
            continue;
        }
        let before = last_applied.and_then(|node| node.get(key));
        let value = match present.get(key) {
            Some(live) => three_way_merge(before, value, live),
            None => value.clone(),
        };
        merged.insert(key.clone(), value);
    }
    Node::new(yaml::Value::Map(merged), target.place.clone())
}

#[cfg(test)]
mod tests;
