//! What makes a pod template invalid: the part of Kubernetes' `ValidatePodTemplateSpecForReplicaSet`
//! (kubernetes v1.34 `pkg/apis/apps/validation`, `pkg/apis/core/validation`) that concerns what is read here.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::super::field::FieldError;
use super::super::super::go;
use super::super::super::names::{dns_label, qualified_name, variable_name};
use super::super::super::pod::{Container, ContainerPort, EnvVar, PodSpec, PodTemplate};
use super::super::super::values::LabelSelector;
use super::{Checked, check_all, check_labels};

/// Checks a template, and that the selector selects its pods.
pub(super) fn check(selector: Option<&LabelSelector>, template: &PodTemplate) -> Checked {
    let labels = &template.metadata.labels;
    if let Some(selector) = selector.filter(|selector| !selector.is_empty())
        && !selector.matches(labels)
    {
        let detail = "`selector` does not match template `labels`";
        // Go writes no labels as null.
        let written = if labels.is_empty() { json!(null) } else { json!(labels) };
        return Err(FieldError::invalid("spec.template.metadata.labels", go::text(&written), detail));
    }
    check_labels("spec.template.labels", labels)?;
    for key in template.metadata.annotations.keys() {
        check_all("spec.template.annotations", key, qualified_name(&key.to_lowercase()))?;
    }
    check_pod("spec.template.spec", &template.spec)
}

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
            check_kind(&field, list, container)?;
        }
    }
    let supported: &[&str] = match pod.restart_policy.as_str() {
        "" | "Always" => return Ok(()),
        "Never" | "OnFailure" => &["Always"],
        _ => &["Always", "OnFailure", "Never"],
    };
    Err(FieldError::unsupported(format!("{field}.restartPolicy"), &pod.restart_policy, supported))
}

fn check_container(field: &str, container: &Container) -> Checked {
    if container.name.is_empty() {
        return Err(FieldError::required(format!("{field}.name"), ""));
    }
    check_all(format!("{field}.name"), &container.name, dns_label(&container.name))?;
    if container.image.is_empty() {
        return Err(FieldError::required(format!("{field}.image"), ""));
    }
    for (index, port) in container.ports.iter().enumerate() {
        check_port(format!("{field}.ports[{index}].containerPort"), port)?;
    }
    for (index, variable) in container.env.iter().enumerate() {
        check_variable(&format!("{field}.env[{index}]"), variable)?;
    }
    Ok(())
}

fn check_port(field: String, port: &ContainerPort) -> Checked {
    match port.container_port {
        0 => Err(FieldError::required(field, "")),
        1..=65535 => Ok(()),
        port => Err(FieldError::invalid(field, port, "must be between 1 and 65535, inclusive")),
    }
}

fn check_variable(field: &str, variable: &EnvVar) -> Checked {
    if variable.name.is_empty() {
        return Err(FieldError::required(format!("{field}.name"), ""));
    }
    check_all(format!("{field}.name"), &variable.name, variable_name(&variable.name))?;
    let has_value = variable.value.as_deref().is_some_and(|value| !value.is_empty());
    if has_value && variable.value_from.is_some() {
        let detail = "may not be specified when `value` is not empty";
        return Err(FieldError::invalid_text(format!("{field}.valueFrom"), "", detail));
    }
    Ok(())
}

/// What only one of the two kinds of containers may have.
fn check_kind(field: &str, list: &str, container: &Container) -> Checked {
    let is_sidecar = container.restart_policy.as_deref() == Some("Always");
    if list == "containers" {
        return match container.restart_policy {
            None => Ok(()),
            Some(_) => {
                let detail = "may not be set for non-init containers";
                Err(FieldError::forbidden(format!("{field}.restartPolicy"), detail))
            }
        };
    }
    let probes = [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    match probes.into_iter().find(|(_, probe)| probe.is_some() && !is_sidecar) {
        None => Ok(()),
        Some((name, _)) => {
            let detail = "may not be set for init containers without restartPolicy=Always";
            Err(FieldError::forbidden(format!("{field}.{name}"), detail))
        }
    }
}
