//! What Argo Rollouts knows of a Rollout.

use super::super::Part;
use super::{Effects, ROOT, joined, part, pod_template};
use crate::objects::{analysis, pod, rollout, values};

const ROUTER: &str =
    "the router's own objects are not looked at: requests are split by weight between the two Services";
const ROUTERS: Effects = &[
    ("istio", ROUTER),
    ("nginx", ROUTER),
    ("alb", ROUTER),
    ("smi", ROUTER),
    ("ambassador", ROUTER),
    ("appMesh", ROUTER),
    ("traefik", ROUTER),
    ("apisix", ROUTER),
    ("plugins", ROUTER),
];
const STEP_EFFECTS: Effects = &[
    ("setHeaderRoute", "the route is noted, and no request takes it"),
    ("setMirrorRoute", "the route is noted, and no request is mirrored"),
];

/// The parts of a Rollout.
pub(super) fn parts() -> Vec<Part> {
    let (canary, blue_green) = ("spec.strategy.canary", "spec.strategy.blueGreen");
    let experiment = format!("{canary}.steps[].experiment");
    let own = vec![
        part::<rollout::Rollout>("", ROOT, &[]),
        part::<rollout::RolloutSpec>("spec", &[], &[]),
        part::<values::LabelSelector>("spec.selector", &[], &[]),
        part::<rollout::WorkloadReference>("spec.workloadRef", &[], &[]),
        part::<rollout::AnalysisHistory>("spec.analysis", &[], &[]),
        part::<rollout::RollbackWindow>("spec.rollbackWindow", &[], &[]),
        part::<rollout::RolloutStrategy>("spec.strategy", &[], &[]),
        part::<rollout::BlueGreenStrategy>(
            blue_green,
            &[],
            &[("antiAffinity", "pods are placed without regard to affinity")],
        ),
        part::<pod::PodMetadata>(&format!("{blue_green}.previewMetadata"), &[], &[]),
        part::<pod::PodMetadata>(&format!("{blue_green}.activeMetadata"), &[], &[]),
        part::<rollout::Analysis>(&format!("{blue_green}.prePromotionAnalysis"), &[], &[]),
        part::<rollout::Analysis>(&format!("{blue_green}.postPromotionAnalysis"), &[], &[]),
        part::<rollout::CanaryStrategy>(
            canary,
            &[],
            &[("antiAffinity", "pods are placed without regard to affinity")],
        ),
        part::<rollout::PingPong>(&format!("{canary}.pingPong"), &[], &[]),
        part::<rollout::TrafficRouting>(&format!("{canary}.trafficRouting"), &[], ROUTERS),
        part::<pod::PodMetadata>(&format!("{canary}.canaryMetadata"), &[], &[]),
        part::<pod::PodMetadata>(&format!("{canary}.stableMetadata"), &[], &[]),
        part::<rollout::ProgressThreshold>(&format!("{canary}.replicaProgressThreshold"), &[], &[]),
        part::<rollout::Step>(&format!("{canary}.steps[]"), &[], STEP_EFFECTS),
        part::<rollout::Pause>(&format!("{canary}.steps[].pause"), &[], &[]),
        part::<rollout::SetCanaryScale>(&format!("{canary}.steps[].setCanaryScale"), &[], &[]),
        part::<rollout::PluginStep>(&format!("{canary}.steps[].plugin"), &["config"], &[]),
        part::<rollout::Analysis>(&format!("{canary}.steps[].analysis"), &[], &[]),
        part::<rollout::ExperimentStep>(&experiment, &[], &[]),
        part::<rollout::ExperimentTemplate>(
            &format!("{experiment}.templates[]"),
            &[],
            &[("selector", "its pods are owned, whatever their labels")],
        ),
        part::<rollout::ExperimentService>(&format!("{experiment}.templates[].service"), &[], &[]),
        part::<pod::PodMetadata>(&format!("{experiment}.templates[].metadata"), &[], &[]),
        part::<rollout::ExperimentAnalysis>(&format!("{experiment}.analyses[]"), &[], &[]),
        part::<rollout::RunArgument>(&format!("{experiment}.analyses[].args[]"), &[], &[]),
        part::<rollout::RunArgumentSource>(&format!("{experiment}.analyses[].args[].valueFrom"), &[], &[]),
        part::<analysis::DryRun>(&format!("{experiment}.dryRun[]"), &[], &[]),
        part::<rollout::BackgroundAnalysis>(&format!("{canary}.analysis"), &[], &[]),
    ];
    let analyses = [
        format!("{canary}.steps[].analysis"),
        format!("{canary}.analysis"),
        format!("{blue_green}.prePromotionAnalysis"),
        format!("{blue_green}.postPromotionAnalysis"),
    ];
    let analyses = analyses.into_iter().flat_map(|at| {
        [
            part::<analysis::TemplateReference>(&format!("{at}.templates[]"), &[], &[]),
            part::<rollout::RunArgument>(&format!("{at}.args[]"), &[], &[]),
            part::<rollout::RunArgumentSource>(&format!("{at}.args[].valueFrom"), &[], &[]),
            part::<analysis::DryRun>(&format!("{at}.dryRun[]"), &[], &[]),
            part::<analysis::MeasurementRetention>(&format!("{at}.measurementRetention[]"), &[], &[]),
        ]
    });
    joined([own, analyses.collect(), pod_template("spec.template")])
}
