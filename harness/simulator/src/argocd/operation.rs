//! A turn in the operation queue: operations begin, go on, end and are retried
//! (argo-cd controller/appcontroller.go: processRequestedAppOperation).

use manifests::objects::application::Retry;
use timeline::OperationPhase;
use units::{Duration, Time};

use super::app::{self, App};
use super::queue::{self, Level};
use super::status::{Operation, OperationState};
use super::{project, refresh, settings, source, syncing};
use crate::api::ObjectId;
use crate::{Task, World};

/// One turn.
pub(super) fn visit(world: &mut World<'_>, id: ObjectId) {
    let app = App::of(world, id);
    let Some(operation) = app.status.operation.clone() else { return };
    let now = world.now();
    let state = match app.status.operation_state.clone().filter(|state| !state.is_complete()) {
        None => {
            report_options(world, &app, &operation);
            OperationState::new(operation, now)
        }
        Some(state) => match resume(state, now) {
            Resumed::Now(state) => *state,
            Resumed::RetryIn(wait) => return queue::request_after(world, id, Level::Latest, wait),
            Resumed::WaveIn(wait) => return world.kernel.wake_at(now + wait, Task::Application(id)),
        },
    };
    let state = advance(world, &app, state);
    finish(world, &app, state);
}

/// How an operation that began before goes on.
#[derive(Debug, PartialEq)]
enum Resumed {
    Now(Box<OperationState>),
    /// It failed and has to wait for its retry.
    RetryIn(Duration),
    /// It pauses between two waves.
    WaveIn(Duration),
}

fn resume(mut state: OperationState, now: Time) -> Resumed {
    if let Some(until) = state.wave_pause_until.take()
        && until > now
    {
        return Resumed::WaveIn(until.since(now));
    }
    // Phase Running with a time of completion: it failed and is to be retried.
    let Some(finished_at) = state.finished_at else { return Resumed::Now(Box::new(state)) };
    match state.operation.retry.delay(state.retry_count) {
        Err(message) => {
            state.phase = OperationPhase::Error;
            state.message = message;
        }
        Ok(delay) if finished_at + delay > now => return Resumed::RetryIn((finished_at + delay).since(now)),
        Ok(_) => {
            let with = if state.operation.retry.refresh { " with latest revisions" } else { "" };
            state.message = format!("Retrying operation{with}. Attempt #{}", state.retry_count);
            if state.operation.retry.refresh {
                state.operation.revision.clear();
            }
            state.finished_at = None;
            state.sync_result = None;
        }
    }
    Resumed::Now(Box::new(state))
}

fn advance(world: &mut World<'_>, app: &App, mut state: OperationState) -> OperationState {
    if state.is_complete() {
        return state;
    }
    match project::of(world, app) {
        Some(project) => syncing::advance(world, app, &project, &mut state),
        None => {
            state.phase = OperationPhase::Error;
            let name = &app.spec.spec.project;
            state.message = format!(
                "Failed to load application project: error getting app project \"{name}\": appproject.argoproj.io \"{name}\" not found"
            );
        }
    }
    if matches!(state.phase, OperationPhase::Failed | OperationPhase::Error) {
        plan_retry(&mut state, world.now());
    }
    state
}

/// What a failure leads to. Deviation from what a reader expects, and upstream's own: the message
/// announces the wait that belongs to the count of retries so far, and the wait that is kept is the
/// one of the count after.
fn plan_retry(state: &mut OperationState, now: Time) {
    let Retry { limit, .. } = state.operation.retry;
    if i64::from(state.retry_count) >= limit && limit >= 0 {
        if state.retry_count > 0 {
            state.message = format!("{} (retried {} times).", state.message, state.retry_count);
        }
        return;
    }
    match state.operation.retry.delay(state.retry_count) {
        Err(error) => {
            state.phase = OperationPhase::Error;
            state.message = format!("{} (failed to retry: {error})", state.message);
        }
        Ok(delay) => {
            state.phase = OperationPhase::Running;
            state.finished_at = Some(now.truncated_to_secs());
            state.retry_count += 1;
            state.message = format!(
                "{}. Retrying attempt #{} at {}.",
                state.message,
                state.retry_count,
                kitchen(now + delay)
            );
        }
    }
}

/// The time of day as Go's `time.Kitchen` writes it. Virtual time zero is midnight.
fn kitchen(at: Time) -> String {
    let minutes = at.as_nanos() / 60_000_000_000;
    let (hour, minute) = (minutes / 60 % 24, minutes % 60);
    let half = if hour < 12 { "AM" } else { "PM" };
    format!("{}:{minute:02}{half}", (hour + 11) % 12 + 1)
}

/// Writes the state; an operation that is over makes room for the next one, and a comparison follows
/// (`setOperationState`).
fn finish(world: &mut World<'_>, app: &App, mut state: OperationState) {
    let complete = state.is_complete();
    if complete {
        state.finished_at = Some(world.now().truncated_to_secs());
        record_completion(world, app, &state);
    }
    app::write(world, app.id, |status| {
        status.operation_state = Some(state);
        if complete {
            status.operation = None;
        }
    });
    if complete {
        queue::request(world, app.id, Level::LatestForceResolve);
    }
}

fn record_completion(world: &mut World<'_>, app: &App, state: &OperationState) {
    let what = if state.operation.resources.is_empty() { "Sync operation" } else { "Partial sync operation" };
    let revision =
        state.sync_result.as_ref().map(|result| format!(" to {}", result.revision)).unwrap_or_default();
    let (warning, end) = match state.phase {
        OperationPhase::Succeeded => (false, "succeeded".to_owned()),
        OperationPhase::Running | OperationPhase::Failed | OperationPhase::Error => {
            (true, format!("failed: {}", state.message))
        }
    };
    app::record(world, app.id, warning, "OperationCompleted", format!("{what}{revision} {end}"));
}

/// A person's sync: of the newest commit, without pruning, with the spec's options and retries
/// (argo-cd server/application/application.go: Sync).
pub(super) fn start_by_hand(world: &mut World<'_>, id: ObjectId) -> Result<(), String> {
    let app = App::of(world, id);
    if app.status.operation.is_some() {
        return Err(format!("Application `{}`: another operation is already in progress", app.name()));
    }
    let source = app.source();
    let settings = settings::of(world, app.namespace());
    let commit = source::resolve(world, &source.target_revision, true, settings)?;
    let policy = &app.spec.spec.sync_policy;
    let operation = Operation {
        revision: commit.to_string(),
        source,
        prune: false,
        options: policy.sync_options.clone(),
        retry: policy.retry.clone().unwrap_or_default(),
        automated: false,
        resources: Vec::new(),
        self_heal_attempts: 0,
    };
    refresh::start(world, id, operation);
    Ok(())
}

/// Reports the options of a sync that are not modelled.
fn report_options(world: &mut World<'_>, app: &App, operation: &Operation) {
    const MODELLED: &[&str] = &[
        "CreateNamespace",
        "PruneLast",
        "ApplyOutOfSyncOnly",
        "RespectIgnoreDifferences",
        "PrunePropagationPolicy",
        "Validate",
    ];
    let place = world
        .api
        .get(app.id)
        .manifest
        .as_ref()
        .map(|manifest| manifest.place.to_string())
        .unwrap_or_default();
    for option in &operation.options {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        if !MODELLED.contains(&name) && value != "false" {
            let what = format!("sync option {option} of Application {}", app.name());
            world.not_simulated(what, place.clone(), "the sync is made without the option");
        }
    }
}

#[cfg(test)]
mod tests {
    use manifests::objects::application::{ApplicationSource, Backoff};

    use super::*;

    fn state(limit: i64) -> OperationState {
        let backoff = Backoff { duration: "30s".to_owned(), factor: Some(2), max_duration: String::new() };
        let operation = Operation {
            revision: "c1".to_owned(),
            source: ApplicationSource::default(),
            prune: false,
            options: vec![],
            retry: Retry { limit, backoff: Some(backoff), refresh: false },
            automated: true,
            resources: vec![],
            self_heal_attempts: 0,
        };
        OperationState { message: "broken".to_owned(), ..OperationState::new(operation, Time::ZERO) }
    }

    /// The article's policy: limit 3, 30 s, factor 2. What is announced is not what is waited.
    #[test]
    fn a_retry_waits_longer_than_its_message_says() {
        let mut state = state(3);
        let mut now = Time::ZERO;
        let mut waits = Vec::new();
        for (number, announced) in [(1, "12:00AM"), (2, "12:02AM"), (3, "12:05AM")] {
            state.phase = OperationPhase::Failed;
            state.message = "broken".to_owned();
            plan_retry(&mut state, now);
            assert_eq!(state.phase, OperationPhase::Running);
            assert_eq!(state.message, format!("broken. Retrying attempt #{number} at {announced}."));
            let Resumed::RetryIn(wait) = resume(state.clone(), now) else { panic!("it must wait") };
            waits.push(wait.as_secs());
            now += wait;
            let Resumed::Now(resumed) = resume(state, now) else { panic!("it must go on") };
            assert_eq!(
                (resumed.finished_at, resumed.message.as_str()),
                (None, format!("Retrying operation. Attempt #{number}").as_str())
            );
            state = *resumed;
        }
        assert_eq!(waits, [60, 120, 180]);
        state.phase = OperationPhase::Failed;
        state.message = "broken".to_owned();
        plan_retry(&mut state, now);
        assert_eq!(
            (state.phase, state.message.as_str()),
            (OperationPhase::Failed, "broken (retried 3 times).")
        );
    }

    #[test]
    fn without_retries_a_failure_is_the_end() {
        let mut state = state(0);
        state.phase = OperationPhase::Error;
        plan_retry(&mut state, Time::ZERO);
        assert_eq!((state.phase, state.message.as_str()), (OperationPhase::Error, "broken"));
    }

    #[test]
    fn a_negative_limit_has_no_end() {
        let mut state = OperationState { retry_count: 99, phase: OperationPhase::Failed, ..state(-1) };
        plan_retry(&mut state, Time::ZERO);
        assert_eq!((state.phase, state.retry_count), (OperationPhase::Running, 100));
    }

    #[test]
    fn times_of_day_are_written_as_a_kitchen_clock_shows_them() {
        let table = [
            (0, "12:00AM"),
            (59, "12:00AM"),
            (60, "12:01AM"),
            (43_200, "12:00PM"),
            (47_100, "1:05PM"),
            (86_399, "11:59PM"),
        ];
        for (secs, expected) in table {
            assert_eq!(kitchen(Time::from_secs(secs)), expected);
        }
    }
}
