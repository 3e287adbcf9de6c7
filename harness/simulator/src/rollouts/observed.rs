//! What others see of a Rollout.

use std::collections::BTreeSet;
use std::sync::Arc;

use manifests::objects::{ObjectKey, Rollout};
use timeline::{HealthStatus, PodPhase, Role, RolloutPhase, RolloutStatus, RolloutVersion};

use super::blue_green::switch_time;
use super::router::routed_services;
use super::sets::{self, Set};
use super::status::{BlueGreenState, ConditionKind, Hash, PauseReason, Reason, RolloutState, RunReference};
use super::weights::Shares;
use super::{steps, workload};
use crate::World;
use crate::api::{Body, ObjectId};
use crate::kubernetes::{as_pod, as_replica_set};
use manifests::objects::rollout::PauseDuration;

fn rollout<'w>(world: &'w World<'_>, id: ObjectId) -> Option<(&'w Arc<Rollout>, &'w RolloutState)> {
    match &world.api.get(id).body {
        Body::Rollout(rollout, state) => Some((rollout, state)),
        Body::ReplicaSet(_)
        | Body::Pod(_)
        | Body::AnalysisRun(_)
        | Body::Experiment(_)
        | Body::Job(_)
        | Body::Deployment(..)
        | Body::Application(..)
        | Body::Plain(_) => None,
    }
}

/// What the timeline says of a Rollout; `None` before the controller has seen it.
pub(crate) fn observed(world: &World<'_>, id: ObjectId) -> Option<RolloutStatus> {
    let (rollout, state) = rollout(world, id)?;
    let key = &world.api.get(id).key;
    let sets = sets::of(world, id);
    let version = |hash: &Hash| sets.iter().find(|set| set.hash == *hash).map(|set| version(world, set));
    let (step, _) = steps::current(rollout, state);
    Some(RolloutStatus {
        namespace: key.namespace.as_deref().unwrap_or_default().to_owned(),
        name: key.name.to_string(),
        phase: state.phase?,
        message: state.message.clone(),
        aborted: state.abort,
        invalid: state.condition(ConditionKind::InvalidSpec).is_some(),
        step: state.current_step_index,
        steps: steps::count(rollout),
        step_text: step.map(steps::text).unwrap_or_default(),
        weight: u32::try_from(weight(rollout, state)).unwrap_or(0),
        routes: state.routes.clone(),
        stable: state.stable_rs.as_ref().and_then(version),
        canary: state.current_pod_hash.as_ref().filter(|_| !state.is_fully_promoted()).and_then(version),
    })
}

/// The canary's weight: the one that the router was given, or the one that the sizes stand for.
fn weight(rollout: &Rollout, state: &RolloutState) -> i32 {
    let routed = rollout.canary().is_some_and(|canary| canary.traffic_routing.is_some());
    match &state.weights {
        Some(weights) => weights.canary.weight,
        None if routed => 0,
        None => steps::reached_weight(rollout, state),
    }
}

/// How the router through which a Service of this name is reached splits the requests; `None` without one, and until it
/// was first asked. Requests that come from outside name the stable Service of a Rollout with a router, one of two that
/// take turns, or the one that an Ingress names.
pub(crate) fn router_before<'w>(world: &'w World<'_>, service: &ObjectKey) -> Option<&'w Shares> {
    world.api.of_kind("argoproj.io", "Rollout").find_map(|object| {
        let Body::Rollout(rollout, state) = &object.body else { return None };
        let canary = rollout.canary()?;
        let router = canary.traffic_routing.as_ref().filter(|router| !router.routers().is_empty())?;
        let (stable, of_canary) = routed_services(canary, state);
        let takes_turns = canary.ping_pong.as_ref().is_some_and(|turns| turns.takes(of_canary));
        let named = *service.name == *stable
            || (takes_turns && *service.name == *of_canary)
            || router.root_service() == Some(&service.name);
        let fronts = named && !of_canary.is_empty() && object.key.namespace == service.namespace;
        if fronts { state.shares.as_ref() } else { None }
    })
}

/// Whether requests from outside name this Service, of all that lead to a Rollout's pods.
pub(crate) fn is_entrance(world: &World<'_>, service: &ObjectKey) -> bool {
    world.api.of_kind("argoproj.io", "Rollout").any(|object| {
        let Body::Rollout(rollout, state) = &object.body else { return false };
        object.key.namespace == service.namespace && entrance(rollout, state) == Some(&service.name)
    })
}

/// The Service that requests from outside name: behind a router the one that an Ingress names, or else the stable one; the
/// active one of blueGreen.
fn entrance<'r>(rollout: &'r Rollout, state: &RolloutState) -> Option<&'r str> {
    if let Some(strategy) = rollout.blue_green() {
        return Some(&strategy.active_service);
    }
    let canary = rollout.canary()?;
    let router = canary.traffic_routing.as_ref().filter(|router| !router.routers().is_empty())?;
    let (stable, of_canary) = routed_services(canary, state);
    router.root_service().or_else(|| (!of_canary.is_empty()).then_some(stable))
}

fn version(world: &World<'_>, set: &Set) -> RolloutVersion {
    let count = |pods: i64| u32::try_from(pods).unwrap_or(0);
    let running = world.api.owned(set.id).filter_map(as_pod).filter(|pod| match pod.phase {
        PodPhase::Started | PodPhase::Ready | PodPhase::NotReady => true,
        PodPhase::Pending | PodPhase::Waiting | PodPhase::Terminating | PodPhase::Deleted => false,
    });
    let mut models = BTreeSet::new();
    let mut last = None;
    // Nearly all pods run the same one as the pod before.
    for model in running.filter_map(|pod| pod.model.as_deref()) {
        if last.replace(model) != Some(model) {
            models.insert(model);
        }
    }
    RolloutVersion {
        revision: set.revision,
        hash: set.hash.to_string(),
        models: models.into_iter().map(str::to_owned).collect(),
        desired: count(set.size.spec),
        ready: set.ready,
        available: count(set.size.available),
    }
}

/// What a ReplicaSet is to its Rollout. The first template counts as stable before it is trusted.
pub(crate) fn role_of(world: &World<'_>, replica_set: ObjectId) -> Role {
    let object = world.api.get(replica_set);
    let owner = object.owner.and_then(|owner| rollout(world, owner));
    let (Some((_, state)), Some(set)) = (owner, as_replica_set(object)) else { return Role::Other };
    let is = |hash: &Option<Hash>| hash.as_deref() == Some(set.hash.as_str());
    match &state.stable_rs {
        stable if is(stable) => Role::Stable,
        None if is(&state.current_pod_hash) => Role::Stable,
        Some(_) if is(&state.current_pod_hash) => Role::Canary,
        Some(_) | None => Role::Other,
    }
}

/// The step that a Rollout is at, from 0.
pub(crate) fn current_step(world: &World<'_>, id: ObjectId) -> Option<u32> {
    rollout(world, id)?.1.current_step_index
}

/// Whether nothing will happen to a Rollout by itself: it is healthy, degraded with no pods left to
/// move, or paused until a person acts.
pub(crate) fn is_settled(world: &World<'_>, id: ObjectId) -> bool {
    let Some((rollout, state)) = rollout(world, id) else { return true };
    let Some(phase) = state.phase else { return false };
    if state.observed_generation != world.api.get(id).generation {
        return false;
    }
    if state.condition(ConditionKind::InvalidSpec).is_some() {
        return true;
    }
    match phase {
        RolloutPhase::Healthy => true,
        RolloutPhase::Progressing => false,
        RolloutPhase::Degraded if state.abort => is_drained(world, id, rollout, state),
        // Past its deadline it goes on trying, but nothing moves until a pod does.
        RolloutPhase::Degraded => has_no_runs(state),
        RolloutPhase::Paused => has_no_runs(state) && !has_timed_pause(rollout, state),
    }
}

/// Whether an aborted update has gone back to stable, or is kept from it by `spec.paused`. Behind a router
/// the canary's pods may be to stay; none waits for its end.
fn is_drained(world: &World<'_>, id: ObjectId, rollout: &Rollout, state: &RolloutState) -> bool {
    let reason = state.condition(ConditionKind::Progressing).map(|condition| condition.reason);
    let sets = sets::of(world, id);
    let stays = rollout.abort_scale_down_delay().is_none();
    let wanted = |set: &Set| match state.stable_rs.as_ref() == Some(&set.hash) {
        true => Some(i64::from(rollout.spec.replicas())),
        false if stays => None,
        false => Some(0),
    };
    let at_rest =
        |set: &Set| wanted(set).is_none_or(|size| set.size.spec == size) && set.size.created == set.size.spec;
    reason == Some(Reason::RolloutAborted) && (rollout.spec.paused || sets.iter().all(at_rest))
}

fn has_no_runs(state: &RolloutState) -> bool {
    let BlueGreenState { pre_run, post_run, .. } = &state.blue_green;
    let runs = [&state.step_run, &state.background_run, pre_run, post_run];
    runs.into_iter().flatten().all(RunReference::is_over)
}

fn has_timed_pause(rollout: &Rollout, state: &RolloutState) -> bool {
    let (step, _) = steps::current(rollout, state);
    let pause = step.and_then(|step| step.pause.as_ref());
    let timed = pause.is_some_and(|pause| pause.duration() != PauseDuration::Indefinite);
    let timed = timed && state.pause(PauseReason::CanaryPauseStep).is_some();
    let switches = rollout.blue_green().is_some_and(|strategy| {
        strategy.auto_promotion_enabled != Some(false) && switch_time(state, strategy).is_some()
    });
    // Under `spec.paused` the end of a pause goes unnoticed.
    (timed || switches) && !rollout.spec.paused
}

/// A Rollout's health as Argo CD sees it (argo-cd v3.2.6
/// `resource_customizations/argoproj.io/Rollout/health.lua`).
pub(crate) fn health(world: &World<'_>, id: ObjectId) -> (HealthStatus, String) {
    let unobserved =
        || (HealthStatus::Progressing, "Waiting for rollout spec update to be observed".to_owned());
    let Some((rollout, state)) = rollout(world, id) else { return unobserved() };
    let object = world.api.get(id);
    let namespace = object.key.namespace.as_deref().unwrap_or_default();
    if state.observed_generation != object.generation
        || !workload::is_observed(world, rollout, namespace, state.workload_observed_generation)
    {
        return unobserved();
    }
    let health = match state.phase {
        None => return unobserved(),
        Some(RolloutPhase::Healthy) => HealthStatus::Healthy,
        Some(RolloutPhase::Degraded) => HealthStatus::Degraded,
        Some(RolloutPhase::Progressing) => HealthStatus::Progressing,
        Some(RolloutPhase::Paused) => HealthStatus::Suspended,
    };
    (health, state.message.clone())
}
