//! What makes a Rollout's spec invalid by itself (argo-rollouts v1.10.1
//! `pkg/apis/rollouts/validation/validation.go`). Upstream collects every error and shows the first;
//! here the first ends the check, in the same order.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::field::FieldError;
use super::super::go;
use super::super::names::{label_value, qualified_name};
use super::super::values::{IntOrString, LabelSelector, atoi};
use super::{BlueGreenStrategy, CanaryStrategy, Json, Rollout, TrafficRouting};

mod pod;
mod steps;

/// Why a Rollout is not acted upon: the message of its `InvalidSpec` condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidSpec {
    /// The message, as upstream words it.
    pub message: String,
}

impl InvalidSpec {
    /// The condition's message for an error (`rollout/controller.go: createInvalidRolloutCondition`).
    pub(crate) fn new(rollout: &str, error: &FieldError) -> Self {
        Self { message: format!("The Rollout \"{rollout}\" is invalid: {error}") }
    }
}

type Checked = Result<(), FieldError>;

impl Rollout {
    /// Checks the spec by itself (`ValidateRollout`). Where a `workloadRef` is used, the template and
    /// selector that it leads to must have been put into the spec before.
    ///
    /// Not checked: what the pod template may hold beyond labels, annotations, names and images of containers,
    /// port numbers, environment variables and `restartPolicy`; what a router needs beside Services.
    ///
    /// # Errors
    /// The message that the Rollout's `InvalidSpec` condition gets.
    pub fn validate(&self) -> Result<(), InvalidSpec> {
        self.check_spec().map_err(|error| InvalidSpec::new(&self.metadata.name, &error))
    }

    fn check_spec(&self) -> Checked {
        let spec = &self.spec;
        nonnegative("spec.replicas", spec.replicas.unwrap_or(1))?;
        if spec.workload_ref.is_none() {
            check_selector(spec.selector.as_ref())?;
        }
        pod::check(spec.selector.as_ref(), &spec.template)?;
        nonnegative("spec.minReadySeconds", spec.min_ready_seconds)?;
        nonnegative("spec.revisionHistoryLimit", spec.revision_history_limit.unwrap_or(10))?;
        let deadline = spec.progress_deadline_seconds.unwrap_or(600);
        nonnegative("spec.progressDeadlineSeconds", deadline)?;
        if deadline <= spec.min_ready_seconds {
            let detail = "must be greater than minReadySeconds";
            return Err(FieldError::invalid("spec.progressDeadlineSeconds", deadline, detail));
        }
        self.validate_strategy()
    }

    /// Checks the strategy alone (`ValidateRolloutStrategy`).
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate_strategy(&self) -> Checked {
        match (&self.spec.strategy.canary, &self.spec.strategy.blue_green) {
            (None, None) => {
                Err(missing("spec.strategy.strategy", ".spec.strategy.canary or .spec.strategy.blueGreen"))
            }
            (Some(_), Some(_)) => Err(FieldError::invalid_text(
                "spec.strategy.strategy",
                "blueGreen: true canary: true",
                "Multiple Strategies can not be listed",
            )),
            (None, Some(blue_green)) => self.check_blue_green(blue_green),
            (Some(canary), None) => self.check_canary(canary),
        }
    }

    /// `ValidateRolloutStrategyBlueGreen`
    fn check_blue_green(&self, strategy: &BlueGreenStrategy) -> Checked {
        if strategy.active_service == strategy.preview_service {
            let detail = "This rollout uses the same service for the active and preview services, but two \
                          different services are required.";
            let field = "spec.strategy.activeService";
            return Err(FieldError::invalid_text(field, &strategy.active_service, detail));
        }
        let kept = self.spec.revision_history_limit.unwrap_or(10);
        if let Some(limit) = strategy.scale_down_delay_revision_limit.filter(|limit| kept < *limit) {
            let detail = "This rollout's revision history limit can not be smaller than the rollout's scale \
                          down limit";
            return Err(FieldError::invalid("spec.strategy.scaleDownDelayRevisionLimit", limit, detail));
        }
        check_anti_affinity(strategy.anti_affinity.as_ref())
    }

    fn check_canary(&self, canary: &CanaryStrategy) -> Checked {
        check_fenceposts(canary)?;
        check_services(canary)?;
        match &canary.traffic_routing {
            None => check_without_router(canary)?,
            Some(router) => check_router(canary, router)?,
        }
        for (index, step) in canary.steps.iter().enumerate() {
            steps::check(&format!("spec.strategy.steps[{index}]"), step, canary)?;
        }
        check_anti_affinity(canary.anti_affinity.as_ref())
    }
}

fn missing(field: &str, what: &str) -> FieldError {
    FieldError::required(field, &format!("Rollout has missing field '{what}'"))
}

fn nonnegative(field: &str, value: i32) -> Checked {
    if value < 0 {
        return Err(FieldError::invalid(field, value, "must be greater than or equal to 0"));
    }
    Ok(())
}

fn check_selector(selector: Option<&LabelSelector>) -> Checked {
    let Some(selector) = selector else { return Err(missing("spec.selector", ".spec.selector")) };
    check_labels("spec.selector.matchLabels", &selector.match_labels)?;
    for (index, requirement) in selector.match_expressions.iter().enumerate() {
        let field = format!("spec.selector.matchExpressions[{index}]");
        match (requirement.operator.as_str(), requirement.values.is_empty()) {
            ("In" | "NotIn", true) => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                return Err(FieldError::required(format!("{field}.values"), detail));
            }
            ("Exists" | "DoesNotExist", false) => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                return Err(FieldError::forbidden(format!("{field}.values"), detail));
            }
            ("In" | "NotIn", false) | ("Exists" | "DoesNotExist", true) => {}
            (operator, _) => {
                let detail = "not a valid selector operator";
                return Err(FieldError::invalid(
                    format!("{field}.operator"),
                    go::text(&json!(operator)),
                    detail,
                ));
            }
        }
        check_all(format!("{field}.key"), &requirement.key, qualified_name(&requirement.key))?;
        for (index, value) in requirement.values.iter().enumerate() {
            check_all(format!("{field}.values[{index}]"), value, label_value(value))?;
        }
    }
    if selector.is_empty() {
        return Err(FieldError::invalid("spec.selector", "{}", "empty selector is invalid for deployment"));
    }
    Ok(())
}

/// Labels by themselves (`ValidateLabels`). Of several that are wrong upstream tells of any first.
fn check_labels(field: &str, labels: &BTreeMap<String, String>) -> Checked {
    for (key, value) in labels {
        check_all(field, key, qualified_name(key))?;
        check_all(field, value, label_value(value))?;
    }
    Ok(())
}

/// The first thing that is wrong with a text.
fn check_all(field: impl Into<String>, value: &str, wrong: Vec<String>) -> Checked {
    match wrong.first() {
        Some(wrong) => Err(FieldError::invalid_text(field, value, wrong)),
        None => Ok(()),
    }
}

/// Only literal zeros are refused; fractions that come out as zero are mended by the fenceposts.
fn check_fenceposts(canary: &CanaryStrategy) -> Checked {
    let is_percent = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let zero = |value: &Option<IntOrString>| match value {
        None => false,
        Some(IntOrString::String(text)) => match text.strip_suffix('%').filter(|text| is_percent(text)) {
            Some(digits) => digits.bytes().all(|digit| digit == b'0'),
            None => atoi(text).unwrap_or(0) == 0,
        },
        Some(IntOrString::Int(value)) => *value == 0,
    };
    if zero(&canary.max_surge) && zero(&canary.max_unavailable) {
        let detail = "MaxSurge and MaxUnavailable both can not be zero";
        return Err(FieldError::invalid(
            "spec.strategy.maxSurge",
            go::text(&json!(canary.max_surge)),
            detail,
        ));
    }
    Ok(())
}

fn check_services(canary: &CanaryStrategy) -> Checked {
    if !canary.canary_service.is_empty() && canary.canary_service == canary.stable_service {
        let detail = "This rollout uses the same service for the stable and canary services, but two \
                      different services are required.";
        return Err(FieldError::invalid_text("spec.strategy.stableService", &canary.stable_service, detail));
    }
    if let Some(ping_pong) = &canary.ping_pong {
        let takes_turns = |router: &TrafficRouting| {
            router.alb.is_some() || router.istio.is_some() || !router.plugins.is_empty()
        };
        if canary.traffic_routing.as_ref().is_some_and(|router| !takes_turns(router)) {
            let detail = "Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only";
            return Err(FieldError::invalid("spec.strategy.trafficRouting.alb", "null", detail));
        }
        let detail = "Ping service and Pong service must to be set to use Ping-Pong feature";
        for (name, service) in
            [("pingService", &ping_pong.ping_service), ("pongService", &ping_pong.pong_service)]
        {
            if service.is_empty() {
                return Err(FieldError::invalid_text(format!("spec.strategy.pingPong.{name}"), "", detail));
            }
        }
        if ping_pong.ping_service == ping_pong.pong_service {
            let detail = "This rollout uses the same service for the ping and pong services, but two \
                          different services are required.";
            let field = "spec.strategy.pingPong.pingService";
            return Err(FieldError::invalid_text(field, &ping_pong.ping_service, detail));
        }
        let alb = canary.traffic_routing.as_ref().and_then(|router| router.alb.as_ref());
        if alb.is_some_and(|alb| alb["rootService"].as_str().is_none_or(str::is_empty)) {
            let detail =
                "Root service field is required for the configuration with ALB and ping-pong feature enabled";
            return Err(FieldError::invalid_text("spec.strategy.trafficRouting.alb.rootService", "", detail));
        }
    }
    if !requires_services(canary) {
        return Ok(());
    }
    for (name, service) in
        [("stableService", &canary.stable_service), ("canaryService", &canary.canary_service)]
    {
        if service.is_empty() {
            let detail = "Canary service and Stable service must to be set to use Traffic Routing";
            return Err(FieldError::invalid_text(format!("spec.strategy.{name}"), "", detail));
        }
    }
    Ok(())
}

/// Whether the router works only with both Services (`requireCanaryStableServices`).
fn requires_services(canary: &CanaryStrategy) -> bool {
    let Some(router) = &canary.traffic_routing else { return false };
    let by_subsets = |istio: &Json| istio.get("destinationRule").is_some_and(|rule| !rule.is_null());
    let taking_turns = canary.ping_pong.is_some();
    let by_name = router.alb.is_some() || router.istio.as_ref().is_some_and(|istio| !by_subsets(istio));
    (by_name && !taking_turns)
        || [&router.smi, &router.apisix, &router.ambassador, &router.nginx, &router.app_mesh, &router.traefik]
            .iter()
            .any(|router| router.is_some())
}

fn check_without_router(canary: &CanaryStrategy) -> Checked {
    if let Some(delay) = canary.scale_down_delay_seconds {
        let detail = "Canary scaleDownDelaySeconds can only be used with traffic routing";
        return Err(FieldError::invalid("spec.strategy.scaleDownDelaySeconds", delay, detail));
    }
    if canary.dynamic_stable_scale {
        let detail = "Canary dynamicStableScale can only be used with traffic routing";
        return Err(FieldError::invalid("spec.strategy.dynamicStableScale", true, detail));
    }
    Ok(())
}

fn check_router(canary: &CanaryStrategy, router: &TrafficRouting) -> Checked {
    if canary.scale_down_delay_seconds.is_some() && canary.dynamic_stable_scale {
        let detail = "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds";
        return Err(FieldError::invalid("spec.strategy.dynamicStableScale", true, detail));
    }
    if let Some(weight) = router.max_traffic_weight
        && router.nginx.is_none()
        && router.plugins.is_empty()
    {
        let detail = "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins";
        return Err(FieldError::invalid("spec.strategy.trafficRouting.maxTrafficWeight", weight, detail));
    }
    Ok(())
}

/// `ValidateRolloutStrategyAntiAffinity`
fn check_anti_affinity(rule: Option<&Json>) -> Checked {
    let Some(rule) = rule else { return Ok(()) };
    let preferred =
        rule.get("preferredDuringSchedulingIgnoredDuringExecution").filter(|rule| !rule.is_null());
    let required = rule.get("requiredDuringSchedulingIgnoredDuringExecution").filter(|rule| !rule.is_null());
    if preferred.is_some() == required.is_some() {
        let value = format!(
            "antiAffinity.PreferredDuringSchedulingIgnoredDuringExecution: {} \
             antiAffinity.RequiredDuringSchedulingIgnoredDuringExecution: {}",
            preferred.is_some(),
            required.is_some()
        );
        let detail = "AntiAffinity must have exactly one strategy listed";
        return Err(FieldError::invalid_text("spec.strategy.antiAffinity", &value, detail));
    }
    let weight = preferred.map(|preferred| preferred["weight"].as_i64().unwrap_or(0));
    match weight.filter(|weight| !(1..=100).contains(weight)) {
        Some(weight) => {
            let detail = "AntiAffinity weight must be between 1-100";
            Err(FieldError::invalid("spec.strategy.antiAffinity.weight", weight, detail))
        }
        None => Ok(()),
    }
}
