//! A turn in the refresh queue: whether to compare, and what a comparison leads to
//! (argo-cd controller/appcontroller.go: processAppRefreshQueueItem).

use std::sync::Arc;

use manifests::objects::application::{ApplicationSource, ApplicationSpec};
use timeline::{HealthStatus, SyncStatus};
use units::{Duration, Time};
use yaml::Node;

use super::app::{self, App};
use super::autosync::{self, Decision, Situation};
use super::compare::{self, Comparison, EVALUATED};
use super::queue::{self, Level};
use super::settings;
use super::source::{self, Request};
use super::status::{ApplicationStatus, Condition, ConditionType, Operation};
use super::{paths, project};
use crate::World;
use crate::api::ObjectId;

const REFRESH: &str = "argocd.argoproj.io/refresh";

/// One turn.
pub(super) fn visit(world: &mut World<'_>, id: ObjectId) {
    let app = App::of(world, id);
    let settings = settings::of(world, app.namespace());
    let annotation = world.api.get(id).annotations.get(REFRESH).cloned();
    let hard = annotation.as_deref() == Some("hard");
    let source = app.source();
    let moment = Moment { annotated: annotation.is_some(), resync: settings.resync, now: world.now() };
    let reason = reason(&app.spec.spec, &source, &app.status, moment);
    let Some(level) = reason.or_else(|| world.argocd.queues.of(id).take_request()) else { return };
    if level == Level::Nothing {
        return;
    }
    let project = match project::permitted(world, &app) {
        Ok(project) => project,
        Err(conditions) => return persist_invalid(world, &app, conditions),
    };
    let revision = match level {
        Level::Recent if !app.status.revision.is_empty() => app.status.revision.clone(),
        Level::Nothing | Level::Recent | Level::Latest | Level::LatestForceResolve => {
            source.target_revision.clone()
        }
    };
    let request = Request { source, revision, hard, fresh: level == Level::LatestForceResolve };
    let Some(comparison) = compare::compare(world, &app, &project, &request) else { return };
    let sync_error = sync_if_needed(world, &app, &comparison);
    let reconciled = app.status.reconciled_at.is_none() || level >= Level::Latest;
    persist(world, &app, comparison, sync_error, reconciled);
}

/// The circumstances of a turn.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// Whether a refresh is asked for by annotation.
    annotated: bool,
    /// How long a comparison stays fresh.
    resync: Duration,
    now: Time,
}

/// Why an Application has to be compared, but for requests: the first reason counts
/// (`needRefreshAppStatus`).
fn reason(
    spec: &ApplicationSpec,
    source: &ApplicationSource,
    status: &ApplicationStatus,
    moment: Moment,
) -> Option<Level> {
    let compared = status.compared_to.as_ref();
    if moment.annotated || compared.is_none_or(|compared| compared.source != *source) {
        return Some(Level::LatestForceResolve);
    }
    let expired = status.reconciled_at.is_none_or(|at| at + moment.resync < moment.now);
    let changed = compared.is_some_and(|compared| {
        compared.destination != spec.destination || compared.ignore_differences != spec.ignore_differences
    });
    (expired || changed).then_some(Level::Latest)
}

/// Starts a sync if the comparison asks for one; the error is for the condition SyncError.
fn sync_if_needed(world: &mut World<'_>, app: &App, comparison: &Comparison) -> Option<Condition> {
    let resources = comparison.resource_statuses();
    let source = app.source();
    let decision = autosync::decide(&Situation {
        spec: &app.spec.spec,
        status: &app.status,
        source: &source,
        sync: comparison.sync,
        revision: &comparison.revision,
        may_have_changed: comparison.may_have_changed,
        resources: &resources,
        now: world.now(),
    });
    match decision {
        Decision::Nothing => None,
        Decision::Refused(message) => Some(Condition::new(ConditionType::SyncError, message)),
        Decision::HealAfter(wait) => {
            queue::request_after(world, app.id, Level::Latest, wait);
            None
        }
        Decision::Start(operation) => {
            start(world, app.id, *operation);
            let message = format!("Initiated automated sync to [{}]", comparison.revision);
            app::record(world, app.id, false, "OperationStarted", message);
            None
        }
    }
}

/// Asks for an operation; what is known of the one before goes away (argo-cd util/argo: SetAppOperation).
pub(super) fn start(world: &mut World<'_>, id: ObjectId, operation: Operation) {
    app::write(world, id, |status| {
        status.operation = Some(operation);
        status.operation_state = None;
    });
}

fn persist_invalid(world: &mut World<'_>, app: &App, conditions: Vec<Condition>) {
    persist_with(world, app, |status| {
        status.set_conditions(conditions, &[ConditionType::InvalidSpecError]);
        status.sync = Some(SyncStatus::Unknown);
        status.health = Some(HealthStatus::Unknown);
    });
}

fn persist(
    world: &mut World<'_>,
    app: &App,
    comparison: Comparison,
    sync_error: Option<Condition>,
    reconciled: bool,
) {
    let resources = comparison.resource_statuses();
    let now = world.now().truncated_to_secs();
    persist_with(world, app, |status| {
        status.set_conditions(Vec::new(), &[ConditionType::InvalidSpecError]);
        status.set_conditions(comparison.conditions, EVALUATED);
        status.set_conditions(sync_error.into_iter().collect(), &[ConditionType::SyncError]);
        if reconciled {
            status.reconciled_at = Some(now);
        }
        status.sync = Some(comparison.sync);
        status.health = Some(comparison.health);
        status.revision = comparison.revision;
        status.compared_to = Some(comparison.compared_to);
        status.resources = resources;
    });
}

/// Writes the status and takes the refresh annotation away (`persistAppStatus`).
fn persist_with(world: &mut World<'_>, app: &App, change: impl FnOnce(&mut ApplicationStatus)) {
    app::write(world, app.id, change);
    let after = App::of(world, app.id).status;
    let word = |status: Option<String>| status.unwrap_or_default();
    if after.sync != app.status.sync {
        let (from, to) = (app.status.sync.map(|s| format!("{s:?}")), after.sync.map(|s| format!("{s:?}")));
        app::record(
            world,
            app.id,
            false,
            "ResourceUpdated",
            format!("Updated sync status: {} -> {}", word(from), word(to)),
        );
    }
    if after.health != app.status.health {
        let (from, to) =
            (app.status.health.map(|h| format!("{h:?}")), after.health.map(|h| format!("{h:?}")));
        app::record(
            world,
            app.id,
            false,
            "ResourceUpdated",
            format!("Updated health status: {} -> {}", word(from), word(to)),
        );
    }
    if world.api.get(app.id).annotations.contains_key(REFRESH) {
        world.api.update_metadata(app.id, |object| {
            object.annotations.remove(REFRESH);
            // A person may have written the annotation into the manifest.
            if let Some(manifest) = object
                .manifest
                .as_mut()
                .filter(|manifest| manifest.at(&["metadata", "annotations", REFRESH]).is_some())
                && let Some(annotations) =
                    Arc::make_mut(manifest).at_mut(&["metadata", "annotations"]).and_then(Node::as_map_mut)
            {
                annotations.shift_remove(REFRESH);
            }
        });
    }
}

/// Asks for a comparison with the newest commit, as people and webhooks do.
pub(super) fn annotate(world: &mut World<'_>, id: ObjectId, hard: bool) {
    let value = if hard { "hard" } else { "normal" };
    world.api.update_metadata(id, |object| object.annotations.insert(REFRESH.to_owned(), value.to_owned()));
}

/// A push refreshes every Application that follows the branch and that it concerns; for the others
/// the manifests stay what they are (argo-cd util/webhook: HandleEvent).
pub(super) fn on_push(world: &mut World<'_>) {
    let Some(head) = world.git.head() else { return };
    let (new, old, files) = (head.id.clone(), head.parent.clone(), head.files.clone());
    let apps: Vec<ObjectId> = world.api.of_kind("argoproj.io", "Application").map(|app| app.id).collect();
    for id in apps {
        let app = App::of(world, id);
        if !source::is_branch(&app.source().target_revision) {
            continue;
        }
        if paths::concern(&paths::of(world, &app), &files) {
            annotate(world, id, false);
        } else if let Some(old) = &old {
            source::take_over(world, &app, old, &new);
        }
    }
}

/// Whether the newest commit of the target revision was looked at, or the spec is still invalid for
/// the same reason.
pub(super) fn is_up_to_date(world: &World<'_>, app: &App) -> bool {
    if let Err(conditions) = project::permitted(world, app) {
        return conditions.iter().all(|condition| app.status.conditions.contains(condition));
    }
    if app.status.sync.is_none() || app.status.has_condition(ConditionType::InvalidSpecError) {
        return false;
    }
    let head = world.git.head().map(|commit| &commit.id);
    let revision = app.source().target_revision;
    let looked_at = world.argocd.queues.looked_at(app.id);
    let grace = world.argocd.queues.waits_for_grace(app.id)
        && !app.status.has_condition(ConditionType::ComparisonError);
    !grace && (!source::is_branch(&revision) || looked_at == head)
}

#[cfg(test)]
mod tests {
    use manifests::objects::application::{Destination, IgnoreDifference};

    use super::super::status::ComparedTo;
    use super::*;

    /// An Application that was compared at 100 s, and what is different now.
    #[test]
    fn an_application_is_compared_for_the_first_reason_that_holds() {
        let compared = ComparedTo {
            source: ApplicationSource { path: "app".to_owned(), ..ApplicationSource::default() },
            destination: Destination::default(),
            ignore_differences: vec![],
        };
        let spec = ApplicationSpec::default();
        let moved = ApplicationSpec {
            destination: Destination { namespace: "ai".to_owned(), ..Destination::default() },
            ..spec.clone()
        };
        let ignoring =
            ApplicationSpec { ignore_differences: vec![IgnoreDifference::default()], ..spec.clone() };
        let status = ApplicationStatus {
            reconciled_at: Some(Time::from_secs(100)),
            compared_to: Some(compared.clone()),
            ..ApplicationStatus::default()
        };
        let new = ApplicationStatus::default();
        let other = ApplicationSource { path: "other".to_owned(), ..ApplicationSource::default() };
        let (latest, forced) = (Some(Level::Latest), Some(Level::LatestForceResolve));
        let table = [
            ("nothing is different", &spec, &compared.source, &status, false, 220, None),
            ("it expired", &spec, &compared.source, &status, false, 221, latest),
            ("another destination", &moved, &compared.source, &status, false, 110, latest),
            ("other ignored differences", &ignoring, &compared.source, &status, false, 110, latest),
            ("another source", &spec, &other, &status, false, 110, forced),
            ("it is new", &spec, &compared.source, &new, false, 110, forced),
            ("it is asked for", &spec, &compared.source, &status, true, 110, forced),
            ("it is asked for and expired", &spec, &compared.source, &status, true, 500, forced),
        ];
        for (name, spec, source, status, annotated, now, expected) in table {
            let moment = Moment { annotated, resync: Duration::from_secs(120), now: Time::from_secs(now) };
            assert_eq!(reason(spec, source, status, moment), expected, "{name}");
        }
    }
}
