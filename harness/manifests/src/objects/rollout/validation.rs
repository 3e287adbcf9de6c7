//! What makes a Rollout's spec invalid by itself (argo-rollouts v1.10.1
//! `pkg/apis/rollouts/validation/validation.go`). Upstream collects every error and shows the first;
//! here the first ends the check, in the same order.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::field::{FieldError, quoted};
use super::super::pod::{Container, PodSpec};
use super::super::values::{IntOrString, LabelSelector};
use super::{BlueGreenStrategy, CanaryStrategy, Json, Rollout, RouteStep, RunArgument, Step, TrafficRouting};

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
    /// Not checked: what the pod template may hold beyond containers, ports and environment; the
    /// matches of header and mirror routes; what a router needs beside Services.
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
        self.check_template()?;
        nonnegative("spec.minReadySeconds", spec.min_ready_seconds)?;
        nonnegative("spec.revisionHistoryLimit", spec.revision_history_limit.unwrap_or(10))?;
        let deadline = spec.progress_deadline_seconds.unwrap_or(600);
        nonnegative("spec.progressDeadlineSeconds", deadline)?;
        if deadline <= spec.min_ready_seconds {
            let detail = "must be greater than minReadySeconds";
            return Err(FieldError::invalid("spec.progressDeadlineSeconds", deadline, detail));
        }
        self.check_strategy()
    }

    fn check_template(&self) -> Checked {
        let template = &self.spec.template;
        if let Some(selector) = self.spec.selector.as_ref().filter(|selector| !selector.is_empty())
            && !selector.matches(&template.metadata.labels)
        {
            return Err(FieldError::invalid(
                "spec.template.metadata.labels",
                json!(template.metadata.labels),
                "`selector` does not match template `labels`",
            ));
        }
        check_pod("spec.template.spec", &template.spec)
    }

    fn check_strategy(&self) -> Checked {
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
        match strategy.scale_down_delay_revision_limit.filter(|limit| kept < *limit) {
            None => Ok(()),
            Some(limit) => {
                let detail = "This rollout's revision history limit can not be smaller than the rollout's scale \
                              down limit";
                Err(FieldError::invalid("spec.strategy.scaleDownDelayRevisionLimit", limit, detail))
            }
        }
    }

    fn check_canary(&self, canary: &CanaryStrategy) -> Checked {
        check_fenceposts(canary)?;
        check_services(canary)?;
        match &canary.traffic_routing {
            None => check_without_router(canary)?,
            Some(router) => check_router(canary, router)?,
        }
        for (index, step) in canary.steps.iter().enumerate() {
            self.check_step(&format!("spec.strategy.steps[{index}]"), step, canary)?;
        }
        Ok(())
    }

    fn check_step(&self, field: &str, step: &Step, canary: &CanaryStrategy) -> Checked {
        check_step_kinds(field, step)?;
        let max = canary.max_weight();
        if let Some(weight) = step.set_weight.filter(|weight| !(0..=max).contains(weight)) {
            let detail = format!("SetWeight needs to be between 0 and {max}");
            return Err(FieldError::invalid(format!("{field}.setWeight"), weight, &detail));
        }
        if let Some(seconds) = step.pause.as_ref().map(super::Pause::duration_seconds).filter(|s| *s < 0) {
            let detail = "Duration needs to be greater than 0";
            return Err(FieldError::invalid(format!("{field}.pause.duration"), seconds, detail));
        }
        if step.set_canary_scale.is_some() && canary.traffic_routing.is_none() {
            let detail = "SetCanaryScale requires TrafficRouting to be set";
            return Err(FieldError::required("spec.strategy.trafficRouting", detail));
        }
        check_routes(field, step, canary.traffic_routing.as_ref())?;
        check_experiment(field, step, canary.traffic_routing.as_ref())?;
        let of_experiment = step.experiment.iter().flat_map(|experiment| &experiment.analyses);
        let mut args: Vec<RunArgument> = of_experiment.flat_map(|analysis| analysis.args.clone()).collect();
        args.extend(step.analysis.iter().flat_map(|analysis| analysis.args.clone()));
        if args.iter().filter_map(RunArgument::metadata_path).any(|path| self.metadata_field(path).is_none())
        {
            return Err(FieldError::invalid(
                format!("{field}.analyses"),
                json!(args),
                "Analyses arguments must refer to valid object metadata supported by downwardAPI",
            ));
        }
        Ok(())
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
                return Err(FieldError::invalid_text(format!("{field}.operator"), operator, detail));
            }
        }
    }
    if selector.is_empty() {
        return Err(FieldError::invalid("spec.selector", "{}", "empty selector is invalid for deployment"));
    }
    Ok(())
}

/// The part of `ValidatePodTemplateSpecForReplicaSet` that concerns what is read here.
fn check_pod(field: &str, pod: &PodSpec) -> Checked {
    if pod.containers.is_empty() {
        return Err(FieldError::required(format!("{field}.containers"), ""));
    }
    let mut names = BTreeSet::new();
    for (list, containers) in [("containers", &pod.containers), ("initContainers", &pod.init_containers)] {
        for (index, container) in containers.iter().enumerate() {
            let field = format!("{field}.{list}[{index}]");
            check_container(&field, container)?;
            if !names.insert(&container.name) {
                return Err(FieldError::duplicate(format!("{field}.name"), &container.name));
            }
        }
    }
    match pod.restart_policy.as_str() {
        "" | "Always" => Ok(()),
        policy => Err(FieldError::unsupported(format!("{field}.restartPolicy"), policy, &["Always"])),
    }
}

fn check_container(field: &str, container: &Container) -> Checked {
    if container.name.is_empty() {
        return Err(FieldError::required(format!("{field}.name"), ""));
    }
    if !is_dns_label(&container.name) {
        let detail = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
                      and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
                      regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
        return Err(FieldError::invalid_text(format!("{field}.name"), &container.name, detail));
    }
    if container.image.is_empty() {
        return Err(FieldError::required(format!("{field}.image"), ""));
    }
    for (index, port) in container.ports.iter().enumerate() {
        let field = format!("{field}.ports[{index}].containerPort");
        match port.container_port {
            0 => return Err(FieldError::required(field, "")),
            1..=65535 => {}
            port => {
                return Err(FieldError::invalid(field, port, "must be between 1 and 65535, inclusive"));
            }
        }
    }
    for (index, variable) in container.env.iter().enumerate() {
        let field = format!("{field}.env[{index}]");
        if variable.name.is_empty() {
            return Err(FieldError::required(format!("{field}.name"), ""));
        }
        let has_value = variable.value.as_deref().is_some_and(|value| !value.is_empty());
        if has_value && variable.value_from.is_some() {
            let detail = "may not be specified when `value` is not empty";
            return Err(FieldError::invalid_text(format!("{field}.valueFrom"), "", detail));
        }
    }
    Ok(())
}

fn is_dns_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|b| inner(*b) || *b == b'-')
        && bytes.first().copied().is_some_and(inner)
        && bytes.last().copied().is_some_and(inner)
}

/// Only literal zeros are refused; fractions that come out as zero are mended by the fenceposts.
fn check_fenceposts(canary: &CanaryStrategy) -> Checked {
    let zero = |value: &Option<IntOrString>| match value {
        None => false,
        Some(IntOrString::String(text)) => {
            let number = text.strip_suffix('%').unwrap_or(text);
            number.parse::<i64>().unwrap_or(0) == 0
        }
        Some(IntOrString::Int(value)) => *value == 0,
    };
    if zero(&canary.max_surge) && zero(&canary.max_unavailable) {
        let detail = "MaxSurge and MaxUnavailable both can not be zero";
        return Err(FieldError::invalid("spec.strategy.maxSurge", json!(canary.max_surge), detail));
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

const STEP_MESSAGE: &str =
    "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause";

fn check_step_kinds(field: &str, step: &Step) -> Checked {
    let (experiment, pause) = (step.experiment.is_some(), step.pause.is_some());
    let (weight, analysis) = (step.set_weight.is_some(), step.analysis.is_some());
    if [experiment, pause, weight, analysis].into_iter().filter(|set| *set).count() > 1 {
        let value = format!(
            "step.Experiment: {experiment} step.Pause: {pause} step.SetWeight: {weight} step.Analysis: {analysis}"
        );
        return Err(FieldError::invalid_text(field, &value, STEP_MESSAGE));
    }
    if step.kind().is_none() {
        // Upstream prints whether each field is absent.
        let value = "step.Experiment: true step.Pause: true step.SetWeight: true step.Analysis: true \
                     step.SetCanaryScale: true step.SetHeaderRoute: true step.SetMirrorRoute: true \
                     step.Plugin: true";
        return Err(FieldError::invalid_text(field, value, STEP_MESSAGE));
    }
    Ok(())
}

fn check_routes(field: &str, step: &Step, router: Option<&TrafficRouting>) -> Checked {
    let header = step.set_header_route.as_ref().map(|route| {
        let supported = router.is_some_and(|router| {
            router.istio.is_some()
                || router.alb.is_some()
                || router.apisix.is_some()
                || !router.plugins.is_empty()
        });
        let detail = "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix";
        ("setHeaderRoute", route, supported, detail)
    });
    let mirror = step.set_mirror_route.as_ref().map(|route| {
        let supported = router.is_some_and(|router| router.istio.is_some() || !router.plugins.is_empty());
        let detail = "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins";
        ("setMirrorRoute", route, supported, detail)
    });
    for (name, route, supported, detail) in header.into_iter().chain(mirror) {
        let field = format!("{field}.{name}");
        if !supported {
            return Err(FieldError::invalid(field, json!(route), detail));
        }
        check_managed(&field, route, router)?;
    }
    Ok(())
}

/// A template of an experiment gets a share of the requests only from some routers.
fn check_experiment(field: &str, step: &Step, router: Option<&TrafficRouting>) -> Checked {
    let templates = step.experiment.iter().flat_map(|experiment| experiment.templates.iter().enumerate());
    let can_split = |router: &TrafficRouting| {
        router.alb.is_some() || router.smi.is_some() || router.istio.is_some() || !router.plugins.is_empty()
    };
    let detail = match router {
        None => "Experiment template weight cannot be set unless TrafficRouting is enabled",
        Some(router) if can_split(router) => return Ok(()),
        Some(_) => {
            "Experiment template weight is only available for TrafficRouting with SMI, ALB, Istio and Plugins at this time"
        }
    };
    for (index, template) in templates {
        if let Some(weight) = template.weight {
            let field = format!("{field}.experiment.templates[{index}].weight");
            return Err(FieldError::invalid(field, weight, detail));
        }
    }
    Ok(())
}

fn check_managed(field: &str, route: &RouteStep, router: Option<&TrafficRouting>) -> Checked {
    let Some(managed) = router.and_then(|router| router.managed_routes.as_ref()) else {
        let field = "spec.strategy.trafficRouting.managedRoutes";
        return Err(missing(field, "spec.strategy.canary.trafficRouting.managedRoutes"));
    };
    if managed.iter().any(|managed| managed.name == route.name) {
        return Ok(());
    }
    let detail =
        "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes";
    Err(FieldError::invalid(field, quoted(&route.name), detail))
}
