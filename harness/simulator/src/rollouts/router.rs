//! What a traffic router is asked for (argo-rollouts v1.10.1 `rollout/trafficrouting.go`). Every router
//! is taken for the same generic one: it does what it is asked at once, and nothing is to be verified.

use std::sync::Arc;

use manifests::objects::rollout::CanaryStrategy;
use timeline::Source;

use super::pass::Pass;
use super::sets::Set;
use super::status::{Hash, RolloutState};
use super::weights::{Shares, TrafficWeights, WeightDestination};
use super::{experiments, replicas, services, steps};
use crate::{Task, World};

/// Asks the router for the split that the update has come to (`reconcileTrafficRouting`).
pub(super) fn reconcile(world: &mut World<'_>, pass: &mut Pass) {
    let routers = pass.routers();
    if routers == 0 {
        (pass.weights, pass.shares) = (None, None);
        return;
    }
    let intent = intent(pass);
    if intent.drops_routes {
        pass.routes.clear();
    }
    if intent.releases_canary_service {
        services::release_canary(world, pass);
    }
    if !pass.stable_can_take(intent.weight) {
        return;
    }
    pass.make_route();
    let (stable, canary) = pass.routed_services();
    if stable.is_empty() || canary.is_empty() {
        let place = world.api.get(pass.id).key.to_string();
        let instead = "requests go to all pods behind the called Service alike";
        world.not_simulated("a router without canaryService and stableService", place, instead);
    }
    let weights = pass.split_by(world, &intent);
    let shares = pass.shares_of(&weights);
    if pass.shares.as_ref() != Some(&shares) {
        world.kernel.wake(Task::Traffic);
        pass.shares = Some(shares);
    }
    if pass.before.weights.as_ref() == Some(&weights) {
        return;
    }
    let message = updated(pass.before.weights.as_ref(), &weights);
    for _ in 0..routers {
        world.record(Source::Rollouts, pass.id, false, "TrafficWeightUpdated", message.clone());
    }
    pass.weights = Some(weights);
}

/// The Services of stable and canary that a router splits requests between. AWS load balancers prefer those that take turns.
pub(super) fn routed_services<'r>(canary: &'r CanaryStrategy, state: &RolloutState) -> (&'r str, &'r str) {
    let prefers = canary.traffic_routing.as_ref().is_some_and(|router| router.alb.is_some());
    services::of_stable_and_canary(canary, state, prefers)
}

/// What one pass wants of the router.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Intent {
    /// The canary's weight.
    weight: i32,
    /// Whose pods the canary's are, where they are not those of the wanted template.
    canary: Option<Hash>,
    /// Whether the routes that steps made go (`RemoveManagedRoutes`).
    drops_routes: bool,
    /// Whether the canary's Service goes back to stable.
    releases_canary_service: bool,
    /// Whether the templates of an experiment get their share.
    experiment: bool,
}

/// The first case that holds decides.
fn intent(pass: &Pass) -> Intent {
    let state = &pass.before;
    let mut intent = Intent {
        weight: 0,
        canary: None,
        drops_routes: true,
        releases_canary_service: false,
        experiment: false,
    };
    let new = pass.new_set().size;
    if let Some(canary) = pass.rolling_back_dynamically() {
        intent.weight = weight_on_the_way_back(pass);
        intent.canary = Some(canary);
        intent.drops_routes = false;
    } else if state.is_fully_promoted() {
    } else if pass.pauses.is_aborted(state) {
        intent.weight = weight_on_the_way_back(pass);
        intent.releases_canary_service = releases_canary_service(pass);
    } else if new.available == 0 {
        intent.experiment = true;
    } else if state.promote_full {
        intent.weight = promotion_weight(pass);
    } else if let (step, Some(index)) = steps::current(&pass.rollout, state) {
        intent.drops_routes = false;
        let others = pass.other_sizes();
        let reached = replicas::at_desired_counts(pass.wanted(), pass.threshold(), pass.sizes(&others), None);
        (intent.weight, intent.experiment) = match (reached, step) {
            (false, _) => (steps::weight_before(&pass.rollout, index), true),
            (true, Some(_)) => (steps::reached_weight(&pass.rollout, state), true),
            (true, None) => (steps::max_weight(&pass.rollout), false),
        };
    } else {
        intent.drops_routes = false;
    }
    intent
}

/// Whether an aborted update gives the canary's Service back to stable: at once, or with dynamic scale
/// when no request goes to the canary any more.
pub(super) fn releases_canary_service(pass: &Pass) -> bool {
    let dynamic = pass.rollout.canary().is_some_and(|canary| canary.dynamic_stable_scale);
    !dynamic || weight_on_the_way_back(pass) == 0
}

/// `calculateDesiredWeightOnAbortOrStableRollback`: with dynamic scale the weight goes down as stable
/// grows, and never up again.
fn weight_on_the_way_back(pass: &Pass) -> i32 {
    let dynamic = pass.rollout.canary().is_some_and(|canary| canary.dynamic_stable_scale);
    let replicas = pass.rollout.spec.replicas();
    let Some(stable) = pass.stable_set().map(|set| set.size).filter(|_| dynamic && replicas > 0) else {
        return 0;
    };
    let max = steps::max_weight(&pass.rollout);
    let desired = steps::desired_weight(&pass.rollout, &pass.before, pass.new_set().size, Some(stable));
    let carried = carried(max, stable.available, replicas);
    let left = (max - carried).max(0);
    let Some(weights) = &pass.before.weights else { return left.max(desired) };
    let present = weights.canary.weight;
    if desired <= 0 {
        left.min(present)
    } else if carried < max - desired {
        present
    } else {
        desired.min(present)
    }
}

/// A full promotion goes as far as the canary's pods allow with dynamic scale, and otherwise leaves the
/// weight until the end.
fn promotion_weight(pass: &Pass) -> i32 {
    let dynamic = pass.rollout.canary().is_some_and(|canary| canary.dynamic_stable_scale);
    if dynamic {
        let max = steps::max_weight(&pass.rollout);
        carried(max, pass.new_set().size.available, pass.rollout.spec.replicas())
    } else {
        pass.before.weights.as_ref().map_or(0, |weights| weights.canary.weight)
    }
}

/// The weight that so many pods of all carry, rounded down.
fn carried(max: i32, pods: i64, replicas: u32) -> i32 {
    i32::try_from(i64::from(max) * pods / i64::from(replicas.max(1))).unwrap_or(i32::MAX)
}

/// `trafficWeightUpdatedMessage`
fn updated(before: Option<&TrafficWeights>, after: &TrafficWeights) -> String {
    let mut details = Vec::new();
    match before {
        None => details.push(format!("to {}", after.canary.weight)),
        Some(before) if before.canary.weight != after.canary.weight => {
            details.push(format!("from {} to {}", before.canary.weight, after.canary.weight));
        }
        Some(_) => {}
    }
    if before.is_some_and(|before| before.additional != after.additional) {
        let shown = |to: &WeightDestination| format!("{{{} {} {}}}", to.weight, to.service, to.hash);
        let additional: Vec<String> = after.additional.iter().map(shown).collect();
        details.push(format!("additional: [{}]", additional.join(" ")));
    }
    format!("Traffic weight updated {}", details.join(", "))
}

impl Pass {
    /// How many routers the Rollout names; each is asked the same.
    pub(super) fn routers(&self) -> usize {
        let router = self.rollout.canary().and_then(|canary| canary.traffic_routing.as_ref());
        router.map_or(0, |router| router.routers().len())
    }

    /// The Services of stable and canary that the router splits requests between.
    fn routed_services(&self) -> (&str, &str) {
        self.rollout.canary().map_or(("", ""), |canary| routed_services(canary, &self.before))
    }

    /// Whether an update was undone while stable is still too small for all requests
    /// (`IsDynamicallyRollingBackToStable`): the hash of the canary that still serves.
    pub(super) fn rolling_back_dynamically(&self) -> Option<Hash> {
        let canary = self.rollout.canary()?;
        let weights = self.before.weights.as_ref()?;
        let new = self.new_set();
        let still_serves = self.before.is_fully_promoted()
            && canary.traffic_routing.is_some()
            && canary.dynamic_stable_scale
            && weights.canary.hash != new.hash
            && new.size.available < i64::from(self.rollout.spec.replicas());
        still_serves.then(|| weights.canary.hash.clone())
    }

    /// Whether stable has the pods for what this weight leaves it (`checkReplicasAvailable`).
    fn stable_can_take(&self, canary_weight: i32) -> bool {
        let Some(stable) = self.stable_set().map(|set| set.size) else { return false };
        let max = i64::from(steps::max_weight(&self.rollout));
        let weight = max - i64::from(canary_weight);
        let wanted = weight * i64::from(self.rollout.spec.replicas()) / max;
        stable.available >= wanted || replicas::enough_available(self.threshold(), stable, wanted)
    }

    /// Makes the route of a step (`SetHeaderRoute`, `SetMirrorRoute`); not on the first revision.
    fn make_route(&mut self) {
        if self.before.revision <= 1 {
            return;
        }
        let rollout = Arc::clone(&self.rollout);
        let (Some(step), _) = steps::current(&rollout, &self.before) else { return };
        for route in [&step.set_header_route, &step.set_mirror_route].into_iter().flatten() {
            self.routes.retain(|known| *known != route.name);
            if route.adds() {
                self.routes.push(route.name.clone());
            }
        }
    }

    /// `calculateWeightStatus`
    fn split_by(&self, world: &World<'_>, intent: &Intent) -> TrafficWeights {
        let services = self.rollout.canary();
        let (stable, canary) = services.map_or(("", ""), |it| (&it.stable_service, &it.canary_service));
        let additional = if intent.experiment { experiments::destinations(world, self) } else { Vec::new() };
        let given: i32 = additional.iter().map(|to| to.weight).sum();
        let hash = |set: Option<&Set>| set.map(|set| set.hash.clone()).unwrap_or_default();
        TrafficWeights {
            canary: WeightDestination {
                weight: intent.weight,
                service: canary.to_owned(),
                hash: intent.canary.clone().unwrap_or_else(|| hash(Some(self.new_set()))),
            },
            stable: WeightDestination {
                weight: steps::max_weight(&self.rollout) - intent.weight - given,
                service: stable.to_owned(),
                hash: hash(self.stable_set()),
            },
            additional,
        }
    }

    /// Where the router is to send the requests: to the Services whose turn it is.
    fn shares_of(&self, weights: &TrafficWeights) -> Shares {
        let (stable, canary) = self.routed_services();
        let additional = weights.additional.iter().map(|to| (to.service.as_str(), to.weight));
        let all =
            [(canary, weights.canary.weight), (stable, weights.stable.weight)].into_iter().chain(additional);
        Shares {
            weights: all.map(|(service, weight)| (service.to_owned(), weight)).collect(),
            max: steps::max_weight(&self.rollout),
        }
    }
}
