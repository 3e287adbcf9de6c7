//! What upstream accepts and refuses of a Rollout, and how it reads its numbers.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use manifests::objects::rollout::{PauseDuration, ReferencedResources, StepKind};
use manifests::objects::{Object, Rollout};
use units::Duration;

fn object(text: &str) -> Object {
    let node = yaml::parse_one("m.yaml", text.as_bytes()).unwrap();
    Object::decode(&node).unwrap_or_else(|problem| panic!("{problem}"))
}

/// A Rollout named `model-serving` with this spec, in flow style.
fn bare(spec: &str) -> Arc<Rollout> {
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: model-serving, labels: {{team: \
         ml}}}}\nspec: {spec}\n"
    );
    match object(&text) {
        Object::Rollout(rollout) => rollout,
        other => panic!("{other:?}"),
    }
}

/// A valid Rollout with this canary strategy.
fn canary(canary: &str) -> Arc<Rollout> {
    bare(&format!(
        "{{selector: {{matchLabels: {{app: m}}}}, template: {{metadata: {{labels: {{app: m}}}}, spec: {{containers: \
         [{{name: server, image: i}}]}}}}, strategy: {{canary: {canary}}}}}"
    ))
}

fn refusal(rollout: &Rollout) -> String {
    match rollout.validate() {
        Ok(()) => String::new(),
        Err(invalid) => {
            invalid.message.strip_prefix("The Rollout \"model-serving\" is invalid: ").unwrap().to_owned()
        }
    }
}

// argo-rollouts utils/replicaset/replicaset.go: resolveFenceposts, MaxSurge, MaxUnavailable at v1.10.1.
#[test]
fn fenceposts_come_out_as_upstreams() {
    for (strategy, replicas, surge, unavailable) in [
        ("{}", 0, 0, 0),
        ("{}", 1, 1, 0),
        ("{}", 2, 1, 0),
        ("{}", 3, 1, 0),
        ("{}", 5, 2, 1),
        ("{}", 10, 3, 2),
        ("{maxSurge: '3'}", 10, 1, 2),
        ("{maxSurge: 3}", 10, 3, 2),
        ("{maxSurge: '30%', maxUnavailable: 0}", 10, 3, 0),
        ("{maxSurge: 0, maxUnavailable: 1}", 5, 0, 1),
        ("{maxSurge: 0, maxUnavailable: '10%'}", 5, 0, 1),
        ("{maxSurge: 0, maxUnavailable: 50}", 5, 0, 5),
        ("{maxSurge: many}", 10, 0, 0),
    ] {
        let rollout = canary(strategy);
        let found = (rollout.max_surge(replicas), rollout.max_unavailable(replicas));
        assert_eq!(found, (surge, unavailable), "{strategy} of {replicas}");
    }
}

// argo-rollouts pkg/apis/rollouts/v1alpha1/types.go: RolloutPause.DurationSeconds.
#[test]
fn pauses_last_as_long_as_upstream_says() {
    let seconds = |seconds| PauseDuration::For(Duration::from_secs(seconds));
    for (pause, expected) in [
        ("{}", PauseDuration::Indefinite),
        ("{duration: 30}", seconds(30)),
        ("{duration: '30'}", seconds(30)),
        ("{duration: 5m}", seconds(300)),
        ("{duration: 1h30m}", seconds(5400)),
        ("{duration: 500ms}", seconds(0)),
        ("{duration: 1.9s}", seconds(1)),
        ("{duration: 0}", seconds(0)),
        ("{duration: 1d}", PauseDuration::Invalid),
        ("{duration: soon}", PauseDuration::Invalid),
        ("{duration: -5s}", PauseDuration::Invalid),
    ] {
        let rollout = canary(&format!("{{steps: [{{pause: {pause}}}]}}"));
        let step = &rollout.canary().unwrap().steps[0];
        assert_eq!(step.pause.as_ref().unwrap().duration(), expected, "{pause}");
        assert_eq!(refusal(&rollout).is_empty(), expected != PauseDuration::Invalid, "{pause}");
    }
}

#[test]
fn of_several_kinds_in_a_step_the_first_of_upstreams_order_decides() {
    for (step, kind) in [
        ("{setWeight: 5, pause: {}}", Some(StepKind::Pause)),
        ("{setWeight: 5, setCanaryScale: {weight: 1}}", Some(StepKind::SetCanaryScale)),
        ("{analysis: {}, setWeight: 5}", Some(StepKind::SetWeight)),
        ("{analysis: {}, experiment: {}}", Some(StepKind::Experiment)),
        ("{plugin: {name: p}, setMirrorRoute: {name: r}}", Some(StepKind::SetMirrorRoute)),
        ("{}", None),
    ] {
        let rollout = canary(&format!("{{steps: [{step}]}}"));
        assert_eq!(rollout.canary().unwrap().steps[0].kind(), kind, "{step}");
    }
}

#[test]
fn only_steps_and_template_have_a_hash() {
    let one = canary("{steps: [{setWeight: 5}]}");
    let other = canary("{steps: [{setWeight: 6}], maxSurge: 1}");
    let hash = |rollout: &Rollout| rollout.canary().unwrap().steps_hash.clone();
    assert_ne!(hash(&one), hash(&other));
    assert_eq!(hash(&one), hash(&canary("{maxSurge: 3, steps: [{setWeight: 5}]}")));
    assert_eq!(one.spec.template.hash, other.spec.template.hash);
}

// argo-rollouts pkg/apis/rollouts/validation/validation.go: ValidateRolloutSpec, in its words.
#[test]
fn a_spec_is_refused_in_upstreams_words() {
    const SELECTOR: &str = "selector: {matchLabels: {app: m}}";
    const SERVER: &str = "{containers: [{name: server, image: i}]}";
    let template = |labels: &str, pod: &str| {
        format!("{SELECTOR}, template: {{metadata: {{labels: {labels}}}, spec: {pod}}}")
    };
    let good = template("{app: m}", SERVER);
    for (spec, expected) in [
        (format!("{good}, strategy: {{canary: {{}}}}"), ""),
        (String::new(), "spec.selector: Required value: Rollout has missing field '.spec.selector'"),
        ("selector: {}".into(), "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
        (
            "selector: {matchExpressions: [{key: a, operator: In}]}".into(),
            "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or \
             'NotIn'",
        ),
        (
            "selector: {matchExpressions: [{key: a, operator: Like, values: [b]}]}".into(),
            "spec.selector.matchExpressions[0].operator: Invalid value: \"Like\": not a valid selector operator",
        ),
        (
            template("{app: other}", SERVER),
            "spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not match template \
             `labels`",
        ),
        (template("{app: m}", "{}"), "spec.template.spec.containers: Required value"),
        (
            template("{app: m}", "{containers: [{name: a}]}"),
            "spec.template.spec.containers[0].image: Required value",
        ),
        (
            template("{app: m}", "{containers: [{name: a, image: i}, {name: a, image: i}]}"),
            "spec.template.spec.containers[1].name: Duplicate value: \"a\"",
        ),
        (
            template("{app: m}", "{restartPolicy: Never, containers: [{name: a, image: i}]}"),
            "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
        ),
        (
            template("{app: m}", "{containers: [{name: a, image: i, ports: [{containerPort: 70000}]}]}"),
            "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and \
             65535, inclusive",
        ),
        ("replicas: -1".into(), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            format!("{good}, minReadySeconds: 600"),
            "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
        ),
        (
            good.clone(),
            "spec.strategy.strategy: Required value: Rollout has missing field '.spec.strategy.canary or \
             .spec.strategy.blueGreen'",
        ),
        (
            format!("{good}, strategy: {{canary: {{}}, blueGreen: {{}}}}"),
            "spec.strategy.strategy: Invalid value: \"blueGreen: true canary: true\": Multiple Strategies can not be \
             listed",
        ),
    ] {
        assert_eq!(refusal(&bare(&format!("{{{spec}}}"))), expected, "{spec}");
    }
}

const STEP: &str =
    "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause";

// argo-rollouts pkg/apis/rollouts/validation/validation.go: ValidateRolloutStrategyCanary, in its words.
#[test]
fn a_step_is_refused_in_upstreams_words() {
    let two = format!(
        "spec.strategy.steps[0]: Invalid value: \"step.Experiment: false step.Pause: true step.SetWeight: true \
         step.Analysis: false\": {STEP}"
    );
    let none = format!(
        "spec.strategy.steps[0]: Invalid value: \"step.Experiment: true step.Pause: true step.SetWeight: true \
         step.Analysis: true step.SetCanaryScale: true step.SetHeaderRoute: true step.SetMirrorRoute: true \
         step.Plugin: true\": {STEP}"
    );
    for (strategy, expected) in [
        (
            "{steps: [{setWeight: 10}, {setWeight: 101}]}",
            "spec.strategy.steps[1].setWeight: Invalid value: 101: SetWeight needs to be between 0 and 100",
        ),
        ("{trafficRouting: {plugins: {p: {}}, maxTrafficWeight: 1000}, steps: [{setWeight: 900}]}", ""),
        (
            "{steps: [{pause: {duration: 1d}}]}",
            "spec.strategy.steps[0].pause.duration: Invalid value: -1: Duration needs to be greater than 0",
        ),
        ("{steps: [{setWeight: 1, pause: {}}]}", &two),
        ("{steps: [{}]}", &none),
        (
            "{steps: [{setCanaryScale: {weight: 5}}]}",
            "spec.strategy.trafficRouting: Required value: SetCanaryScale requires TrafficRouting to be set",
        ),
        (
            "{steps: [{setHeaderRoute: {name: r}}]}",
            "spec.strategy.steps[0].setHeaderRoute: Invalid value: {\"name\":\"r\"}: SetHeaderRoute requires \
             TrafficRouting, supports Istio and ALB and Apisix",
        ),
        (
            "{trafficRouting: {plugins: {p: {}}}, steps: [{setHeaderRoute: {name: r}}]}",
            "spec.strategy.trafficRouting.managedRoutes: Required value: Rollout has missing field \
             'spec.strategy.canary.trafficRouting.managedRoutes'",
        ),
        (
            "{steps: [{analysis: {args: [{name: a, valueFrom: {fieldRef: {fieldPath: metadata.nope}}}]}}]}",
            "spec.strategy.steps[0].analyses: Invalid value: \
             [{\"name\":\"a\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.nope\"}}}]: Analyses arguments must \
             refer to valid object metadata supported by downwardAPI",
        ),
    ] {
        assert_eq!(refusal(&canary(strategy)), expected, "{strategy}");
    }
}

#[test]
fn a_canary_strategy_is_refused_in_upstreams_words() {
    for (strategy, expected) in [
        (
            "{maxSurge: 0, maxUnavailable: 0%}",
            "spec.strategy.maxSurge: Invalid value: 0: MaxSurge and MaxUnavailable both can not be zero",
        ),
        ("{maxSurge: 0, maxUnavailable: 1%}", ""),
        (
            "{scaleDownDelaySeconds: 3}",
            "spec.strategy.scaleDownDelaySeconds: Invalid value: 3: Canary scaleDownDelaySeconds can only be used with \
             traffic routing",
        ),
        (
            "{dynamicStableScale: true}",
            "spec.strategy.dynamicStableScale: Invalid value: true: Canary dynamicStableScale can only be used with \
             traffic routing",
        ),
        (
            "{trafficRouting: {plugins: {p: {}}}, dynamicStableScale: true, scaleDownDelaySeconds: 3}",
            "spec.strategy.dynamicStableScale: Invalid value: true: Canary dynamicStableScale cannot be used with \
             scaleDownDelaySeconds",
        ),
        (
            "{canaryService: a, stableService: a}",
            "spec.strategy.stableService: Invalid value: \"a\": This rollout uses the same service for the stable and \
             canary services, but two different services are required.",
        ),
        (
            "{trafficRouting: {nginx: {stableIngress: i}}}",
            "spec.strategy.stableService: Invalid value: \"\": Canary service and Stable service must to be set to use \
             Traffic Routing",
        ),
        ("{trafficRouting: {istio: {destinationRule: {name: d}}}}", ""),
        (
            "{trafficRouting: {istio: {destinationRule: {name: d}}, maxTrafficWeight: 100}}",
            "spec.strategy.trafficRouting.maxTrafficWeight: Invalid value: 100: Canary maxTrafficWeight in traffic \
             routing only supported in Nginx and Plugins",
        ),
    ] {
        assert_eq!(refusal(&canary(strategy)), expected, "{strategy}");
    }
}

fn metric(name: &str, more: &str) -> String {
    format!("{{name: {name}, provider: {{prometheus: {{query: up}}}}{more}}}")
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn references_are_refused_in_upstreams_words() {
    let objects = [
        ("AnalysisTemplate", "one", format!("{{metrics: [{}]}}", metric("m", ""))),
        ("AnalysisTemplate", "same", format!("{{metrics: [{}]}}", metric("m", ""))),
        ("AnalysisTemplate", "endless", format!("{{metrics: [{}]}}", metric("m", ", interval: 1m"))),
        (
            "AnalysisTemplate",
            "counted",
            format!(
                "{{args: [{{name: times}}], metrics: [{}]}}",
                metric("m", ", interval: 1m, count: '{{args.times}}'")
            ),
        ),
        ("AnalysisTemplate", "asks", format!("{{args: [{{name: times}}], metrics: [{}]}}", metric("q", ""))),
        ("AnalysisTemplate", "unnamed", format!("{{metrics: [{}]}}", metric("'{{args.x}}'", ""))),
        ("AnalysisTemplate", "nests", "{templates: [{templateName: absent}]}".to_owned()),
        ("AnalysisTemplate", "circle", "{templates: [{templateName: circle}]}".to_owned()),
        ("ClusterAnalysisTemplate", "wide", format!("{{metrics: [{}]}}", metric("w", ""))),
        ("Service", "stable", "{selector: {app: m}}".to_owned()),
        ("Service", "foreign", "{selector: {app: other}}".to_owned()),
    ];
    let objects = objects.iter().map(|(kind, name, spec)| {
        let version = if *kind == "Service" { "v1" } else { "argoproj.io/v1alpha1" };
        object(&format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"))
    });
    let resources: ReferencedResources = objects.collect();
    let step = |analysis: &str| canary(&format!("{{steps: [{{setWeight: 1}}, {{analysis: {analysis}}}]}}"));
    let templates = |names: &str| {
        let list: Vec<String> = names.split(' ').map(|name| format!("{{templateName: {name}}}")).collect();
        format!("templates: [{}]", list.join(", "))
    };
    let at = "spec.strategy.canary.steps[1].analysis.templates: Invalid value:";
    for (rollout, expected) in [
        (step(&format!("{{{}}}", templates("one"))), String::new()),
        (step("{templates: [{templateName: wide, clusterScope: true}]}"), String::new()),
        // The document's template, in a namespace that does not have it.
        (
            step(&format!("{{{}}}", templates("model-quality-check"))),
            format!("{at} \"model-quality-check\": AnalysisTemplate 'model-quality-check' not found"),
        ),
        (
            step("{templates: [{templateName: one, clusterScope: true}]}"),
            format!("{at} \"one\": ClusterAnalysisTemplate 'one' not found"),
        ),
        (
            step(&format!("{{{}}}", templates("nests"))),
            "spec.templates: Invalid value: \"absent\": AnalysisTemplate 'absent' not found".to_owned(),
        ),
        (
            step(&format!("{{{}}}", templates("one same"))),
            format!("{at} \"templateNames: [one same]\": two metrics have the same name 'm'"),
        ),
        (
            step(&format!("{{{}}}", templates("circle"))),
            "spec.templates: Invalid value: \"circle\": analysis templates name one another in a circle or over 32 deep"
                .to_owned(),
        ),
        (
            step(&format!("{{{}}}", templates("asks"))),
            format!("{at} \"templateNames: [asks]\": args.times was not resolved"),
        ),
        (step(&format!("{{{}, args: [{{name: times, value: v}}]}}", templates("asks"))), String::new()),
        (
            step(&format!("{{{}, dryRun: [{{metricName: m}}, {{metricName: m}}]}}", templates("one"))),
            format!("{at} \"templateNames: [one]\": two Dry-Run metric rules have the same name 'm'"),
        ),
        (
            step(&format!("{{{}}}", templates("endless"))),
            format!(
                "{at} \"endless\": AnalysisTemplate endless has metric m which runs indefinitely. Invalid value for \
                 count: <nil>"
            ),
        ),
        // The Rollout's own value is not looked at.
        (
            step(&format!("{{{}, args: [{{name: times, value: '3'}}]}}", templates("counted"))),
            format!(
                "{at} \"counted\": AnalysisTemplate counted has metric m which runs indefinitely. Invalid value for \
                 count: dummy-value"
            ),
        ),
        (
            step(&format!("{{{}}}", templates("unnamed"))),
            format!("{at} \"unnamed\": AnalysisTemplate unnamed: failed to resolve {{{{args.x}}}}"),
        ),
        (canary(&format!("{{analysis: {{{}}}}}", templates("endless"))), String::new()),
        (canary("{stableService: stable}"), String::new()),
        (
            canary("{canaryService: absent}"),
            "spec.strategy.canary.canaryService: Invalid value: \"absent\": service \"absent\" not found".to_owned(),
        ),
        (
            canary("{stableService: foreign}"),
            "spec.strategy.canary.stableService: Invalid value: \"foreign\": Service \"foreign\" has unmatch label \
             \"app\" in rollout"
                .to_owned(),
        ),
    ] {
        let found = rollout.validate_references(&resources).map_or_else(|invalid| invalid.message, |()| String::new());
        let found = found.strip_prefix("The Rollout \"model-serving\" is invalid: ").unwrap_or(&found);
        assert_eq!(found, expected);
    }
}

#[test]
fn a_runs_arguments_come_from_values_hashes_and_fields() {
    let text = r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: { name: model-serving, labels: { team: ml } }
spec:
  replicas: 5
  strategy:
    canary:
      analysis:
        startingStep: 2
        args:
          - { name: plain, value: v }
          - { name: new, valueFrom: { podTemplateHashValue: Latest } }
          - { name: old, valueFrom: { podTemplateHashValue: Stable } }
          - { name: team, valueFrom: { fieldRef: { fieldPath: "metadata.labels['team']" } } }
          - { name: replicas, valueFrom: { fieldRef: { fieldPath: spec.replicas } } }
"#;
    let node = yaml::parse_one("m.yaml", text.as_bytes()).unwrap();
    let Object::Rollout(rollout) = Object::decode(&node).unwrap() else { panic!() };
    let background = rollout.canary().unwrap().analysis.as_ref().unwrap();
    assert_eq!(background.starting_step, Some(2));
    let args = Rollout::run_arguments(&background.analysis.args, "abc", "xyz", &node.to_json()).unwrap();
    let values: Vec<&str> = args.iter().map(|argument| argument.value.as_deref().unwrap()).collect();
    assert_eq!(values, ["v", "abc", "xyz", "ml", "5"]);
}

#[test]
fn only_the_last_field_of_a_run_can_be_missing() {
    use manifests::objects::pod::FieldReference;
    use manifests::objects::rollout::{RunArgument, RunArgumentSource};
    let live = serde_json::json!({"spec": {"replicas": 2_000_000, "template": {"spec": {"containers": [
        {"resources": {"limits": {"cpu": "1000m"}}}]}}}, "status": {"phase": "Healthy"}});
    let of = |paths: &[&str]| {
        let field = |path: &&str| FieldReference { field_path: (*path).to_owned() };
        let source = |path| RunArgumentSource { field_ref: Some(field(path)), ..Default::default() };
        let argument = |path| RunArgument { value_from: Some(source(path)), ..Default::default() };
        let args: Vec<RunArgument> = paths.iter().map(argument).collect();
        let built = Rollout::run_arguments(&args, "new", "old", &live)?;
        Ok::<_, String>(built.into_iter().filter_map(|argument| argument.value).collect::<Vec<_>>())
    };
    let cpu = "spec.template.spec.containers[0].resources.limits.cpu";
    assert_eq!(of(&["spec.nothing", "spec.replicas"]), Ok(vec![String::new(), "2e+06".to_owned()]));
    assert_eq!(of(&[cpu, "status.phase"]), Ok(vec!["1".to_owned(), "Healthy".to_owned()]));
    assert_eq!(
        of(&["spec.replicas", "spec.nothing"]),
        Err("invalid path spec.nothing in rollout".to_owned())
    );
    let error = of(&["metadata.labels['a b']", "spec.replicas"]).unwrap_err();
    assert!(
        error.starts_with("invalid key subscript in metadata.labels['a b']: name part must consist"),
        "{error}"
    );
}
