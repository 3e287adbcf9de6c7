use super::*;

fn status(phase: AnalysisPhase, template: TemplatePhase, run: Option<AnalysisPhase>) -> ExperimentStatus {
    let template =
        TemplateStatus { name: "canary".to_owned(), phase: Some(template), ..TemplateStatus::default() };
    let run = ExperimentRun { name: "check".to_owned(), phase: run, ..ExperimentRun::default() };
    ExperimentStatus {
        phase: Some(phase),
        templates: vec![template],
        runs: vec![run],
        ..ExperimentStatus::default()
    }
}

fn spec(required: bool) -> ExperimentSpec {
    let template = TemplateSpec {
        name: "canary".to_owned(),
        replicas: 2,
        template: Arc::default(),
        min_ready: Duration::ZERO,
        service: None,
    };
    let reference = TemplateReference { template_name: "gate".to_owned(), cluster_scope: false };
    let analysis = AnalysisSpec { name: "check".to_owned(), template: reference, args: Vec::new(), required };
    ExperimentSpec { templates: vec![template], analyses: vec![analysis], ..ExperimentSpec::default() }
}

/// `calculateStatus`.
#[test]
fn the_phase_follows_from_templates_and_analyses() {
    use AnalysisPhase as Phase;
    let cases = [
        ("pods are not there", Phase::Pending, TemplatePhase::Progressing, None, false, Phase::Pending),
        ("pods run", Phase::Pending, TemplatePhase::Running, None, false, Phase::Running),
        ("a run fails", Phase::Running, TemplatePhase::Running, Some(Phase::Failed), false, Phase::Failed),
        (
            "its time is over",
            Phase::Running,
            TemplatePhase::Successful,
            Some(Phase::Successful),
            false,
            Phase::Successful,
        ),
        (
            "a run is not over",
            Phase::Running,
            TemplatePhase::Successful,
            Some(Phase::Running),
            false,
            Phase::Successful,
        ),
        (
            "one that must be",
            Phase::Running,
            TemplatePhase::Successful,
            Some(Phase::Running),
            true,
            Phase::Running,
        ),
        (
            "a required run ends it",
            Phase::Running,
            TemplatePhase::Running,
            Some(Phase::Successful),
            true,
            Phase::Successful,
        ),
        ("no pods in time", Phase::Pending, TemplatePhase::Failed, None, false, Phase::Failed),
        ("over stays over", Phase::Failed, TemplatePhase::Running, None, false, Phase::Failed),
    ];
    for (name, phase, template, run, required, expected) in cases {
        let mut status = status(phase, template, run);
        status.assess(&spec(required), Time::from_secs(7));
        assert_eq!(status.phase, Some(expected), "{name}");
    }
}

/// `IsTerminating`, `CalculateTemplateReplicasCount`.
#[test]
fn pods_go_when_it_is_over_or_an_analysis_is_not_good() {
    use AnalysisPhase as Phase;
    for (phase, template, run, required, pods) in [
        (Phase::Running, TemplatePhase::Running, Some(Phase::Running), false, 2),
        (Phase::Running, TemplatePhase::Running, Some(Phase::Successful), false, 2),
        (Phase::Running, TemplatePhase::Running, Some(Phase::Successful), true, 0),
        (Phase::Running, TemplatePhase::Running, Some(Phase::Inconclusive), false, 0),
        (Phase::Running, TemplatePhase::Successful, Some(Phase::Running), false, 0),
        (Phase::Successful, TemplatePhase::Running, None, false, 0),
    ] {
        let experiment = Experiment {
            rollout: "model".into(),
            hash: "a".into(),
            step: 0,
            spec: spec(required),
            terminate: false,
            status: status(phase, template, run),
        };
        assert_eq!(experiment.wanted(&experiment.spec.templates[0]), pods, "{phase} {template:?} {run:?}");
        let told = Experiment { terminate: true, ..experiment };
        assert_eq!(told.wanted(&told.spec.templates[0]), 0);
    }
}
