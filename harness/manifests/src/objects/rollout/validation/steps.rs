//! What makes a step of a canary invalid.

use serde_json::{Value as Json, json};

use super::super::super::field::FieldError;
use super::super::super::go;
use super::super::{CanaryStrategy, Pause, RouteStep, RunArgument, Step, TrafficRouting};
use super::{Checked, missing};

/// Checks a step, whose path is `field`.
pub(super) fn check(field: &str, step: &Step, canary: &CanaryStrategy) -> Checked {
    check_kinds(field, step)?;
    let max = canary.max_weight();
    if let Some(weight) = step.set_weight.filter(|weight| !(0..=max).contains(weight)) {
        let detail = format!("SetWeight needs to be between 0 and {max}");
        return Err(FieldError::invalid(format!("{field}.setWeight"), weight, &detail));
    }
    if let Some(seconds) = step.pause.as_ref().map(Pause::duration_seconds).filter(|s| *s < 0) {
        let detail = "Duration needs to be greater than 0";
        return Err(FieldError::invalid(format!("{field}.pause.duration"), seconds, detail));
    }
    let router = canary.traffic_routing.as_ref();
    if step.set_canary_scale.is_some() && router.is_none() {
        let detail = "SetCanaryScale requires TrafficRouting to be set";
        return Err(FieldError::required("spec.strategy.trafficRouting", detail));
    }
    check_header_route(field, step.set_header_route.as_ref(), router)?;
    check_mirror_route(field, step.set_mirror_route.as_ref(), router)?;
    check_managed(field, step, router)?;
    check_experiment(field, step, router)?;
    check_arguments(field, step)
}

fn check_arguments(field: &str, step: &Step) -> Checked {
    let of_experiment = step.experiment.iter().flat_map(|experiment| &experiment.analyses);
    let of_experiment = of_experiment.flat_map(|analysis| &analysis.args);
    let args: Vec<&RunArgument> =
        of_experiment.chain(step.analysis.iter().flat_map(|analysis| &analysis.args)).collect();
    if !args.iter().any(|argument| argument.leads_nowhere()) {
        return Ok(());
    }
    let written: Vec<String> =
        args.iter().map(|argument| go::encode("rollouts.AnalysisRunArgument", &json!(argument))).collect();
    let detail = "Analyses arguments must refer to valid object metadata supported by downwardAPI";
    Err(FieldError::invalid(format!("{field}.analyses"), format!("[{}]", written.join(",")), detail))
}

const STEP_MESSAGE: &str =
    "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause";

fn check_kinds(field: &str, step: &Step) -> Checked {
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

fn check_header_route(field: &str, route: Option<&RouteStep>, router: Option<&TrafficRouting>) -> Checked {
    let Some(route) = route else { return Ok(()) };
    let field = format!("{field}.setHeaderRoute");
    let supporting = router.filter(|router| {
        router.istio.is_some()
            || router.alb.is_some()
            || router.apisix.is_some()
            || !router.plugins.is_empty()
    });
    let Some(router) = supporting else {
        let detail = "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix";
        return Err(FieldError::invalid(field, go::encode("rollouts.SetHeaderRoute", &json!(route)), detail));
    };
    for (index, written) in route.matches.iter().enumerate() {
        let (field, value) = (format!("{field}.match[{index}]"), &written["headerValue"]);
        match router.alb.is_some() {
            true => check_exact(field, value)?,
            false => check_match(&field, value)?,
        }
    }
    Ok(())
}

fn check_mirror_route(field: &str, route: Option<&RouteStep>, router: Option<&TrafficRouting>) -> Checked {
    let Some(route) = route else { return Ok(()) };
    let field = format!("{field}.setMirrorRoute");
    if !router.is_some_and(|router| router.istio.is_some() || !router.plugins.is_empty()) {
        let detail = "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins";
        return Err(FieldError::invalid(field, go::encode("rollouts.SetMirrorRoute", &json!(route)), detail));
    }
    for (index, written) in route.matches.iter().enumerate() {
        for value in [&written["method"], &written["path"]] {
            if !value.is_null() {
                check_match(&format!("{field}.match[{index}]"), value)?;
            }
        }
    }
    Ok(())
}

const NO_MATCH: &str =
    "StringMatch value missed, match value must have one of the following: exact, regex, prefix";

/// The parts of a match of texts that are set: exact, regex, prefix.
fn parts(value: &Json) -> [bool; 3] {
    ["exact", "regex", "prefix"].map(|part| value[part].as_str().is_some_and(|text| !text.is_empty()))
}

/// `hasALBInvalidValues`
fn check_exact(field: String, value: &Json) -> Checked {
    if value.is_null() {
        return Err(FieldError::invalid(field, "null", NO_MATCH));
    }
    if parts(value) == [true, false, false] {
        return Ok(());
    }
    let detail = "SetHeaderRoute match value invalid. ALB supports 'exact' value only";
    Err(FieldError::invalid(field, go::encode("rollouts.StringMatch", value), detail))
}

/// `hasMultipleMatchValues`
fn check_match(field: &str, value: &Json) -> Checked {
    let written = || go::encode("rollouts.StringMatch", value);
    match parts(value).into_iter().filter(|set| *set).count() {
        1 => Ok(()),
        0 if value.is_null() => Err(FieldError::invalid(field, "null", NO_MATCH)),
        0 => Err(FieldError::invalid(field, written(), NO_MATCH)),
        _ => {
            let detail =
                "StringMatch match value must have exactly one of the following: exact, regex, prefix";
            Err(FieldError::invalid(field, written(), detail))
        }
    }
}

/// Routes must be among those that the router may make.
fn check_managed(field: &str, step: &Step, router: Option<&TrafficRouting>) -> Checked {
    let routes = [("setHeaderRoute", &step.set_header_route), ("setMirrorRoute", &step.set_mirror_route)];
    let Some(router) = router else { return Ok(()) };
    for (name, route) in routes.into_iter().filter_map(|(name, route)| Some((name, route.as_ref()?))) {
        let Some(managed) = &router.managed_routes else {
            let field = "spec.strategy.trafficRouting.managedRoutes";
            return Err(missing(field, "spec.strategy.canary.trafficRouting.managedRoutes"));
        };
        if managed.iter().all(|managed| managed.name != route.name) {
            let detail = "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes";
            return Err(FieldError::invalid_text(format!("{field}.{name}"), &route.name, detail));
        }
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
