//! Services that select only stable or only canary pods (argo-rollouts v1.10.1 `rollout/service.go`).

use manifests::objects;
use manifests::objects::rollout::CanaryStrategy;
use timeline::Source;
use yaml::{Map, Node, Value};

use super::pass::Pass;
use super::sets::Set;
use super::status::{Hash, RolloutState, Turn};
use super::{HASH_LABEL, router};
use crate::World;
use crate::api::Object;

/// The annotation with which a Rollout claims a Service.
const MANAGED_BY: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";

/// The Services of stable and of the canary (`trafficrouting/service_helper.go: GetStableAndCanaryServices`): two that take
/// turns where these are preferred, or where there are no others.
pub(super) fn of_stable_and_canary<'r>(
    canary: &'r CanaryStrategy,
    state: &RolloutState,
    turns_preferred: bool,
) -> (&'r str, &'r str) {
    let others = !canary.stable_service.is_empty() || !canary.canary_service.is_empty();
    match &canary.ping_pong {
        Some(turns) if turns_preferred || !others => match state.stable_turn {
            Some(Turn::Ping) => (&turns.ping_service, &turns.pong_service),
            Some(Turn::Pong) | None => (&turns.pong_service, &turns.ping_service),
        },
        Some(_) | None => (&canary.stable_service, &canary.canary_service),
    }
}

/// Gives the canary the Service whose turn it is (`reconcilePingAndPongService`).
pub(super) fn reconcile_turns(world: &mut World<'_>, pass: &Pass) {
    let Some(canary) = pass.rollout.canary().filter(|canary| canary.ping_pong.is_some()) else { return };
    if !pass.before.is_fully_promoted() {
        let (_, service) = of_stable_and_canary(canary, &pass.before, true);
        ensure(world, pass, service, pass.new_set(), Needs::Nothing);
    }
}

/// Points both Services where they belong (`reconcileStableAndCanaryService`). An aborted canary's Service
/// goes back to stable.
///
/// Deviation: behind a router, upstream points an aborted canary's Service to the canary and back to
/// stable in every pass, and each of these writes brings the next pass. Here it just stays with stable.
pub(super) fn reconcile(world: &mut World<'_>, pass: &Pass) {
    let Some(canary) = pass.rollout.canary() else { return };
    if let Some(stable) = pass.stable_set() {
        ensure(world, pass, &canary.stable_service, stable, Needs::Pods);
    }
    let aborted = pass.pauses.is_aborted(&pass.before);
    if aborted && canary.traffic_routing.is_none() {
        if let Some(stable) = pass.stable_set() {
            ensure(world, pass, &canary.canary_service, stable, Needs::Pods);
        }
        return;
    }
    let goes_back = aborted && pass.routers() > 0 && router::releases_canary_service(pass);
    if pass.rolling_back_dynamically().is_none() && !goes_back {
        ensure(world, pass, &canary.canary_service, pass.new_set(), Needs::Pods);
    }
}

/// Gives the canary's Service back to stable, whether or not that has pods.
pub(super) fn release_canary(world: &mut World<'_>, pass: &Pass) {
    if let (Some(canary), Some(stable)) = (pass.rollout.canary(), pass.stable_set()) {
        ensure(world, pass, &canary.canary_service, stable, Needs::Nothing);
    }
}

/// The hash that a Service selects by.
pub(super) fn selected_hash(world: &World<'_>, namespace: &str, name: &str) -> Option<Hash> {
    let (_, service) = find(world, namespace, name)?;
    service.spec.selector.get(HASH_LABEL).map(|hash| hash.as_str().into())
}

fn find<'w>(world: &'w World<'_>, namespace: &str, name: &str) -> Option<(&'w Object, &'w objects::Service)> {
    let object = world.api.named("", "Service", Some(namespace), name)?;
    match object.plain()? {
        objects::Object::Service(service) => Some((object, service)),
        _ => None,
    }
}

/// What a ReplicaSet must have before a Service is pointed to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// A pod that is available; at first all of them.
    Pods,
    /// Nothing.
    Nothing,
}

/// `ensureSVCTargets`: never to a ReplicaSet without available pods, and at first only to one that is
/// available as a whole.
fn ensure(world: &mut World<'_>, pass: &Pass, name: &str, set: &Set, needs: Needs) {
    let Some((_, service)) = find(world, &pass.namespace, name) else { return };
    if service.spec.selector.get(HASH_LABEL).map(String::as_str) == Some(&*set.hash) {
        return;
    }
    let adopted = service.metadata.annotations.contains_key(MANAGED_BY);
    let size = set.size;
    let available = size.available > 0 && (adopted || (size.spec > 0 && size.spec <= size.available));
    if needs == Needs::Nothing || available {
        point(world, pass, name, &set.hash);
    }
}

/// Points a Service to a ReplicaSet, and claims it (`switchServiceSelector`).
pub(super) fn point(world: &mut World<'_>, pass: &Pass, name: &str, hash: &str) {
    let Some((object, service)) = find(world, &pass.namespace, name) else { return };
    let present = service.spec.selector.get(HASH_LABEL).cloned();
    let adopted = service.metadata.annotations.contains_key(MANAGED_BY);
    if adopted && present.as_deref() == Some(hash) {
        return;
    }
    let (id, Some(manifest)) = (object.id, object.manifest.clone()) else { return };
    let map = |entries: Vec<(&str, Value)>| {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Node::new(value, manifest.place.clone())));
        Value::Map(Map::from_iter(entries))
    };
    let selector = map(vec![(HASH_LABEL, Value::String(hash.to_owned()))]);
    let annotations = map(vec![(MANAGED_BY, Value::String(pass.name.to_string()))]);
    let patch = map(vec![
        ("metadata", map(vec![("annotations", annotations)])),
        ("spec", map(vec![("selector", selector)])),
    ]);
    if let Err(problem) = world.api.patch(id, &Node::new(patch, manifest.place.clone())) {
        world.record(Source::Rollouts, pass.id, true, "ReconciliationError", problem.message);
        return;
    }
    let before = present.unwrap_or_default();
    let message = format!("Switched selector for service '{name}' from '{before}' to '{hash}'");
    world.record(Source::Rollouts, pass.id, false, "SwitchService", message);
}
