use std::fmt;

use super::{SetCanaryScale, Step};

/// A step as events name it (argo-rollouts `utils/rollout/rolloututil.go: CanaryStepString`).
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(weight) = self.set_weight {
            return write!(f, "setWeight: {weight}");
        }
        if let Some(pause) = &self.pause {
            return match &pause.duration {
                Some(duration) => write!(f, "pause: {duration}"),
                None => f.write_str("pause"),
            };
        }
        if self.experiment.is_some() {
            return f.write_str("experiment");
        }
        if self.analysis.is_some() {
            return f.write_str("analysis");
        }
        if let Some(text) = self.set_canary_scale.and_then(scale_text) {
            return f.write_str(&text);
        }
        if let Some(plugin) = &self.plugin {
            return write!(f, "plugin: {}", plugin.name);
        }
        if let Some(route) = &self.set_header_route {
            return write!(f, "setHeaderRoute: {}", route.name);
        }
        if let Some(route) = &self.set_mirror_route {
            return write!(f, "setMirrorRoute: {}", route.name);
        }
        f.write_str("invalid")
    }
}

fn scale_text(scale: SetCanaryScale) -> Option<String> {
    match (scale.weight, scale.match_traffic_weight, scale.replicas) {
        (Some(weight), _, _) => Some(format!("setCanaryScale{{weight: {weight}}}")),
        (None, true, _) => Some("setCanaryScale{matchTrafficWeight: true}".to_owned()),
        (None, false, Some(replicas)) => Some(format!("setCanaryScale{{replicas: {replicas}}}")),
        (None, false, None) => None,
    }
}
