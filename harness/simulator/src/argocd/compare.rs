//! Desired against live state (argo-cd controller/state.go: CompareAppState).

use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::objects::ObjectKey;
use timeline::{HealthStatus, SyncStatus};

use super::app::App;
use super::diff::{self, Found};
use super::project::Project;
use super::source::{self, Loaded, Request};
use super::status::{ComparedTo, Condition, ConditionType, ResourceStatus};
use super::target::{Target, live};
use super::{health, settings};
use crate::World;
use crate::api::{Object, ObjectId};

/// The condition types that a comparison evaluates.
pub(super) const EVALUATED: &[ConditionType] = &[
    ConditionType::ComparisonError,
    ConditionType::RepeatedResourceWarning,
    ConditionType::SharedResourceWarning,
];

/// What a comparison found.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    pub(super) sync: SyncStatus,
    pub(super) health: HealthStatus,
    /// The commit; the revision as it was asked for where it could not be loaded.
    pub(super) revision: String,
    pub(super) compared_to: ComparedTo,
    pub(super) resources: Vec<Compared>,
    pub(super) conditions: Vec<Condition>,
    /// All desired objects, hooks included.
    pub(super) targets: Arc<Vec<Target>>,
    /// Whether the commit may change anything for the Application.
    pub(super) may_have_changed: bool,
}

/// A managed object: desired, live, or both.
#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub(super) key: ObjectKey,
    pub(super) target: Option<Target>,
    pub(super) live: Option<ObjectId>,
    pub(super) sync: SyncStatus,
    /// Whether applying the target would change the live object.
    pub(super) modified: bool,
    pub(super) health: Option<HealthStatus>,
}

impl Compared {
    pub(super) fn requires_pruning(&self) -> bool {
        self.target.is_none()
    }

    fn status(&self) -> ResourceStatus {
        let health = match self.live {
            Some(_) => self.health,
            None => Some(HealthStatus::Missing),
        };
        ResourceStatus {
            key: self.key.clone(),
            sync: self.sync,
            requires_pruning: self.requires_pruning(),
            health,
        }
    }
}

impl Comparison {
    /// What the Application's status keeps of every resource, in the order of their keys.
    pub(super) fn resource_statuses(&self) -> Vec<ResourceStatus> {
        let mut statuses: Vec<ResourceStatus> = self.resources.iter().map(Compared::status).collect();
        statuses.sort_by(|a, b| a.key.cmp(&b.key));
        statuses
    }
}

/// Compares an Application. `None` where the desired state could not be loaded and the error is
/// passed over for now.
pub(super) fn compare(
    world: &mut World<'_>,
    app: &App,
    project: &Project,
    request: &Request,
) -> Option<Comparison> {
    let settings = settings::of(world, app.namespace());
    let loaded = source::load(world, app, settings, request);
    if loaded.is_err() && is_passed_over(world, app, settings, request.fresh) {
        return None;
    }
    if loaded.is_ok() {
        world.argocd.queues.of(app.id).repo_error_since = None;
    }
    Some(compare_loaded(world, app, project, request, loaded))
}

/// An error of the repository counts only once it has lasted, unless the Git host had to be asked
/// (`repoErrorCache`, `repoErrorGracePeriod`).
fn is_passed_over(world: &mut World<'_>, app: &App, settings: settings::Settings, fresh: bool) -> bool {
    if fresh {
        return false;
    }
    let now = world.now();
    let since = &mut world.argocd.queues.of(app.id).repo_error_since;
    match *since {
        Some(first) => now.since(first) <= settings.repo_error_grace(),
        None => {
            *since = Some(now);
            true
        }
    }
}

fn compare_loaded(
    world: &mut World<'_>,
    app: &App,
    project: &Project,
    request: &Request,
    loaded: Result<Loaded, String>,
) -> Comparison {
    let spec = &app.spec.spec;
    let mut conditions = Vec::new();
    let is_loaded = loaded.is_ok();
    let (revision, targets, may_have_changed) = match loaded {
        Ok(loaded) => (loaded.commit.to_string(), loaded.targets, loaded.may_have_changed),
        Err(error) => {
            let message = format!("Failed to load target state: {error}");
            conditions.push(Condition::new(ConditionType::ComparisonError, message));
            (request.revision.clone(), Arc::default(), true)
        }
    };
    let wanted = deduplicated(&targets, &mut conditions);
    let mut resources = pairs(world, app, project, wanted);
    for resource in &mut resources {
        conditions.extend(shared_with_another(world, app, resource));
        judge(world, app, project, resource, is_loaded);
    }
    let out_of_sync = resources.iter().any(|resource| counts_as_out_of_sync(world, resource));
    let sync = match (is_loaded, out_of_sync) {
        (false, _) => SyncStatus::Unknown,
        (true, true) => SyncStatus::OutOfSync,
        (true, false) => SyncStatus::Synced,
    };
    Comparison {
        sync,
        health: health::aggregate(world, resources.iter()),
        revision,
        compared_to: ComparedTo {
            source: request.source.clone(),
            destination: spec.destination.clone(),
            ignore_differences: spec.ignore_differences.clone(),
        },
        resources,
        conditions,
        targets,
        may_have_changed,
    }
}

/// The desired objects without hooks; of several with one key the last counts
/// (`DeduplicateTargetObjects`).
fn deduplicated(targets: &[Target], conditions: &mut Vec<Condition>) -> Vec<Target> {
    let mut counts: BTreeMap<&ObjectKey, (usize, &Target)> = BTreeMap::new();
    let mut order = Vec::new();
    for target in targets.iter().filter(|target| target.hook().is_none()) {
        let entry = counts.entry(&target.key).or_insert_with(|| {
            order.push(&target.key);
            (0, target)
        });
        *entry = (entry.0 + 1, target);
    }
    for (key, (count, _)) in counts.iter().filter(|(_, (count, _))| *count > 1) {
        let (group, kind, name) = (&key.group, &key.kind, &key.name);
        let namespace = key.namespace.as_deref().unwrap_or_default();
        let message = format!(
            "Resource {group}/{kind}/{namespace}/{name} appeared {count} times among application resources."
        );
        conditions.push(Condition::new(ConditionType::RepeatedResourceWarning, message));
    }
    order.into_iter().map(|key| counts[key].1.clone()).collect()
}

/// Every desired object with its live one, then the live ones that are not desired
/// (gitops-engine pkg/sync/reconcile.go: Reconcile).
fn pairs(world: &World<'_>, app: &App, project: &Project, wanted: Vec<Target>) -> Vec<Compared> {
    let is_permitted = |object: &&Object| project.permits_live(&object.key);
    let compared = |key: ObjectKey, target: Option<Target>, live: Option<ObjectId>| Compared {
        key,
        target,
        live,
        sync: SyncStatus::Unknown,
        modified: false,
        health: live.and_then(|id| health::of(world, id)),
    };
    let mut resources: Vec<Compared> = Vec::with_capacity(wanted.len());
    for target in wanted {
        let live = world.api.find(&target.key).filter(is_permitted).map(|object| object.id);
        resources.push(compared(target.key.clone(), Some(target), live));
    }
    let known: std::collections::BTreeSet<ObjectKey> =
        resources.iter().map(|resource| resource.key.clone()).collect();
    let extra = managed(world, app.name()).filter(|object| !known.contains(&object.key)).filter(is_permitted);
    resources.extend(extra.map(|object| compared(object.key.clone(), None, Some(object.id))));
    resources
}

/// The live objects that belong to an Application.
pub(super) fn managed<'w>(world: &'w World<'_>, app: &str) -> impl Iterator<Item = &'w Object> {
    world.api.all().filter(move |object| object.owner.is_none() && live::application(object) == Some(app))
}

fn shared_with_another(world: &World<'_>, app: &App, resource: &Compared) -> Option<Condition> {
    let object = world.api.get(resource.live?);
    let other = live::application(object).filter(|other| *other != app.name())?;
    let message = format!(
        "{}/{} is part of applications {}/{} and {other}",
        resource.key.kind,
        resource.key.name,
        app.namespace(),
        app.name()
    );
    Some(Condition::new(ConditionType::SharedResourceWarning, message))
}

fn judge(world: &mut World<'_>, app: &App, project: &Project, resource: &mut Compared, is_loaded: bool) {
    resource.modified = match (&resource.target, resource.live) {
        (Some(target), Some(live)) => is_modified(&mut world.argocd.found, app, target, world.api.get(live)),
        (Some(_), None) | (None, _) => true,
    };
    resource.sync = if !is_loaded || !project.permits_kind(&resource.key) {
        SyncStatus::Unknown
    } else if resource.modified {
        SyncStatus::OutOfSync
    } else {
        SyncStatus::Synced
    };
}

fn is_modified(found: &mut Found, app: &App, target: &Target, object: &Object) -> bool {
    let Some(live) = &object.manifest else { return true };
    let ignored = diff::ignored_fields(&app.spec.spec.ignore_differences, &target.key);
    found.differs(&target.key, &target.manifest, live, object.last_applied.as_ref(), &ignored)
}

/// Whether a resource makes the Application OutOfSync: not if it is only to be pruned and carries
/// the compare option `IgnoreExtraneous`.
fn counts_as_out_of_sync(world: &World<'_>, resource: &Compared) -> bool {
    let is_extraneous = resource.requires_pruning()
        && resource.live.is_some_and(|id| live::has_compare_option(world.api.get(id), "IgnoreExtraneous"));
    // A kind that the project does not permit reads Unknown, and still counts.
    resource.modified && !is_extraneous
}
