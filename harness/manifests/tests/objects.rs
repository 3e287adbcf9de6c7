//! Manifests become typed objects, with a report of what is not modelled and what no API knows.
#![allow(clippy::unwrap_used)]

use manifests::objects::rollout::{PauseDuration, StepKind};
use manifests::objects::{Object, ObjectKey, Quantity, Read, is_namespaced, object_key};
use proptest::prelude::*;
use units::Duration;
use yaml::Node;

fn node(text: &str) -> Node {
    yaml::parse_one("m.yaml", text.as_bytes()).unwrap()
}

fn read(text: &str) -> Read {
    Object::read(&node(text)).unwrap_or_else(|problem| panic!("{problem}"))
}

fn problem(text: &str) -> String {
    Object::read(&node(text)).unwrap_err().to_string()
}

/// Every path that is not modelled, with its line, then every unknown key with its suggestion.
fn report(text: &str) -> (Vec<String>, Vec<String>) {
    let read = read(text);
    let not_modelled = read.not_modelled.iter().map(|found| format!("{}:{}", found.place.line, found.path));
    let unknown = read
        .unknown
        .iter()
        .map(|found| format!("{}:{} -> {}", found.place.line, found.path, found.did_you_mean.unwrap_or("?")));
    (not_modelled.collect(), unknown.collect())
}

const DOCUMENT_ROLLOUT: &str = r"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: model-serving
spec:
  replicas: 5
  strategy:
    canary:
      steps:
        - setWeight: 10
        - pause: { duration: 5m }
        - analysis:
            templates:
              - templateName: model-quality-check
        - setWeight: 50
        - pause: { duration: 10m }
        - analysis:
            templates:
              - templateName: model-quality-check
        - setWeight: 100
      canaryMetadata:
        labels:
          role: canary
      stableMetadata:
        labels:
          role: stable
";

#[test]
fn the_documents_rollout_is_read_and_refused_as_the_controller_refuses_it() {
    let read = read(DOCUMENT_ROLLOUT);
    assert_eq!(read.not_modelled, []);
    assert_eq!(read.unknown, []);
    let Object::Rollout(rollout) = read.object else { panic!("{:?}", read.object) };
    assert_eq!(rollout.spec.replicas(), 5);
    let canary = rollout.canary().unwrap();
    let kinds: Vec<_> = canary.steps.iter().map(|step| step.kind().unwrap()).collect();
    use StepKind::{Analysis, Pause, SetWeight};
    assert_eq!(kinds, [SetWeight, Pause, Analysis, SetWeight, Pause, Analysis, SetWeight]);
    let pause = canary.steps[1].pause.as_ref().unwrap();
    assert_eq!(pause.duration(), PauseDuration::For(Duration::from_mins(5)));
    assert_eq!(canary.steps[3].place.as_ref().unwrap().line, 16);
    let templates = &canary.steps[2].analysis.as_ref().unwrap().templates;
    assert_eq!(templates[0].template_name, "model-quality-check");
    assert_eq!(canary.canary_metadata.as_ref().unwrap().labels["role"], "canary");
    assert_eq!(
        rollout.validate().unwrap_err().message,
        "The Rollout \"model-serving\" is invalid: spec.selector: Required value: Rollout has missing field \
         '.spec.selector'"
    );
}

#[test]
fn the_documents_analysis_template_keeps_the_places_of_its_parts() {
    let read = read(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata:
  name: model-quality-check
spec:
  metrics:
    - name: inference-latency
      provider:
        prometheus:
          address: http://prometheus:9090
          query: |
            histogram_quantile(0.99,
              rate(inference_duration_seconds_bucket{role="canary"}[5m]))
      successCondition: result < 0.5
"#,
    );
    assert_eq!((read.not_modelled.len(), read.unknown.len()), (0, 0));
    let Object::AnalysisTemplate(template) = read.object else { panic!("{:?}", read.object) };
    let metric = &template.spec.metrics[0];
    let prometheus = metric.provider.prometheus.as_ref().unwrap();
    assert_eq!(prometheus.address, "http://prometheus:9090");
    assert!(prometheus.query.starts_with("histogram_quantile(0.99,\n"));
    assert_eq!(metric.places.success_condition.as_ref().unwrap().line, 15);
    // A block text stands where its first line stands.
    assert_eq!(metric.places.query.as_ref().unwrap().line, 13);
    let checked = metric.check().unwrap();
    assert_eq!(checked.count, Some(1));
    assert_eq!(checked.success_condition.as_deref(), Some("result < 0.5"));
    assert_eq!((checked.failure_limit, checked.consecutive_error_limit), (Some(0), 4));
}

#[test]
fn the_documents_application_and_external_secret_are_read_whole() {
    let app = read(
        r"
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: llama3-production
  namespace: argocd
spec:
  project: ai-models
  source:
    repoURL: https://github.com/your-org/ai-deployments
    targetRevision: main
    path: overlays/production
  destination:
    server: https://kubernetes.default.svc
    namespace: ai-inference
  syncPolicy:
    automated:
      prune: true
      selfHeal: true
    syncOptions:
      - CreateNamespace=true
    retry:
      limit: 3
      backoff:
        duration: 30s
        factor: 2
",
    );
    assert_eq!((app.not_modelled.len(), app.unknown.len()), (0, 0));
    let Object::Application(app) = app.object else { panic!("{:?}", app.object) };
    let policy = &app.spec.sync_policy;
    let automated = policy.automated().unwrap();
    assert!(automated.prune && automated.self_heal && !automated.allow_empty);
    assert!(policy.has_option("CreateNamespace=true"));
    let retry = policy.retry.as_ref().unwrap();
    let waits = [0, 1, 2, 3].map(|count| retry.delay(count).unwrap().as_secs());
    assert_eq!(waits, [30, 60, 120, 180]);

    let secret = read(
        r"
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata:
  name: model-registry-creds
spec:
  refreshInterval: 1h
  secretStoreRef:
    name: aws-secrets-manager
    kind: ClusterSecretStore
  target:
    name: model-registry-creds
  data:
    - secretKey: username
      remoteRef:
        key: /ai-platform/model-registry
        property: username
",
    );
    assert_eq!(&*secret.api_version.version, "v1beta1");
    assert_eq!((secret.not_modelled.len(), secret.unknown.len()), (0, 0));
    let Object::ExternalSecret(secret) = secret.object else { panic!("{:?}", secret.object) };
    assert_eq!(secret.secret_name(), "model-registry-creds");
    assert_eq!(secret.entries()["username"].property.as_deref(), Some("username"));
}

#[test]
fn the_documents_application_set_is_refused_as_the_api_server_refuses_it() {
    let text = r#"
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: model-serving-global
spec:
  generators:
    - clusters:
        selector:
          matchLabels:
            ai-capable: "true"
  template:
    metadata:
      name: 'model-serving-{{name}}'
    spec:
      source:
        repoURL: https://github.com/your-org/ai-deployments
        path: 'overlays/{{metadata.labels.environment}}'
      destination:
        server: '{{server}}'
        namespace: ai-inference
"#;
    assert!(problem(text).starts_with(
        "The ApplicationSet \"model-serving-global\" is invalid: spec.template.spec.project: Required value"
    ));
    let mended = text.replace("    spec:\n      source", "    spec:\n      project: ai-models\n      source");
    let Object::ApplicationSet(set) = read(&mended).object else { panic!() };
    let clusters = set.spec.generators[0].clusters.as_ref().unwrap();
    assert_eq!(clusters.selector.match_labels["ai-capable"], "true");
    assert_eq!(set.template.as_ref().unwrap().str_at(&["metadata", "name"]), Some("model-serving-{{name}}"));
}

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: model-serving, namespace: ai-inference }
spec:
  replicas: 3
  selector: { matchLabels: { app: model-serving } }
  template:
    metadata: { labels: { app: model-serving } }
    spec:
      terminationGracePeriodSeconds: 60
      securityContext: { runAsNonRoot: true }
      tolerations: [{ key: nvidia.com/gpu, operator: Exists }]
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          imagePullPolicy: IfNotPresent
          ports: [{ name: http, containerPort: 8000 }]
          envFrom:
            - configMapRef: { name: model-config }
            - prefix: REGISTRY_
              secretRef: { name: model-registry-creds, optional: true }
          env:
            - { name: LOG_LEVEL, value: info }
            - { name: POD, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
          resources:
            requests: { cpu: 500m, memory: 16Gi }
            limits: { nvidia.com/gpu: 2, memory: 32Gi }
          readinessProbe: { httpGet: { path: /health, port: http }, periodSeconds: 5 }
"#;

#[test]
fn a_pod_template_gives_environment_requests_and_probes() {
    let read = read(DEPLOYMENT);
    assert_eq!((read.not_modelled.len(), read.unknown.len()), (0, 0), "{:?}", read.unknown);
    let Object::Deployment(deployment) = read.object else { panic!("{:?}", read.object) };
    let pod = &deployment.spec.template.spec;
    assert_eq!(pod.termination_grace_period(), Duration::from_secs(60));
    assert_eq!(pod.request("cpu"), Quantity { milli: 500 });
    assert_eq!(pod.request("memory").whole(), 16 << 30);
    // A limit without a request is a request.
    assert_eq!(pod.request("nvidia.com/gpu").whole(), 2);
    let container = &pod.containers[0];
    assert_eq!(container.env_from[1].prefix, "REGISTRY_");
    assert!(container.env_from[1].secret_ref.as_ref().unwrap().optional);
    let field = container.env[1].value_from.as_ref().unwrap().field_ref.as_ref().unwrap();
    assert_eq!(field.field_path, "metadata.name");
    let probe = container.readiness_probe.as_ref().unwrap();
    assert_eq!((probe.period().as_secs(), probe.timeout().as_secs(), probe.failures()), (5, 1, 3));
    assert_eq!(deployment.spec.fenceposts(), (1, 0));
}

#[test]
fn the_template_hash_follows_every_field_and_no_spelling() {
    let hash = |text: &str| match read(text).object {
        Object::Deployment(deployment) => deployment.spec.template.hash.clone(),
        other => panic!("{other:?}"),
    };
    let base = hash(DEPLOYMENT);
    assert!(!base.is_empty());
    assert_eq!(base, hash(&DEPLOYMENT.replace("replicas: 3", "replicas: 7")));
    assert_eq!(
        base,
        hash(&DEPLOYMENT.replace("{ name: http, containerPort: 8000 }", "{containerPort: 8000, name: http}"))
    );
    assert_ne!(base, hash(&DEPLOYMENT.replace("runAsNonRoot: true", "runAsNonRoot: false")));
    assert_ne!(base, hash(&DEPLOYMENT.replace("v0.11.0", "v0.11.1")));
}

#[test]
fn what_is_not_modelled_is_told_by_name_and_line() {
    let text = r"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: { name: a }
spec:
  selector: { matchLabels: { app: a } }
  template:
    metadata: { labels: { app: a } }
    spec:
      hostNetwork: true
      hostPID: true
      containers:
        - name: a
          image: a
          lifecycle: { preStop: { exec: { command: [sleep, '5'] } } }
  strategy:
    canary:
      trafficRouting:
        istio: { virtualService: { name: a } }
        managedRoutes: [{ name: r }]
      steps:
        - setHeaderRoute: { name: r }
        - experiment: {}
        - plugin: { name: p }
";
    let (not_modelled, unknown) = report(text);
    assert_eq!(
        not_modelled,
        [
            "10:spec.template.spec.hostNetwork",
            "15:spec.template.spec.containers[0].lifecycle",
            "19:spec.strategy.canary.trafficRouting.istio",
            "22:spec.strategy.canary.steps[0].setHeaderRoute",
        ]
    );
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn not_modelled_is_told_for_every_kind_that_has_a_table() {
    let spec = |group: &str, kind: &str, spec: &str| {
        format!("apiVersion: {group}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n")
    };
    let application = "{project: p, destination: {name: c}, source: {repoURL: u, kustomize: {nameSuffix: -x}}, \
                       ignoreDifferences: [{kind: Rollout, jqPathExpressions: [.spec]}]}";
    for (group, kind, text, expected) in [
        (
            "argoproj.io/v1alpha1",
            "Rollout",
            "{strategy: {blueGreen: {activeService: a, antiAffinity: {}}}}",
            "spec.strategy.blueGreen.antiAffinity",
        ),
        (
            "argoproj.io/v1alpha1",
            "AnalysisTemplate",
            "{metrics: [{name: m, provider: {job: {spec: {template: {}}}}}, {name: other, provider: {datadog: {query: q}}}]}",
            "spec.metrics[0].provider.job.spec spec.metrics[1].provider.datadog",
        ),
        (
            "argoproj.io/v1alpha1",
            "Application",
            application,
            "spec.source.kustomize spec.ignoreDifferences[0].jqPathExpressions",
        ),
        ("argoproj.io/v1alpha1", "AppProject", "{syncWindows: [{kind: deny}]}", "spec.syncWindows"),
        (
            "argoproj.io/v1alpha1",
            "ApplicationSet",
            "{generators: [{git: {repoURL: u}}], template: {spec: {project: p, destination: {}}}}",
            "spec.generators[0].git",
        ),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "{maxReplicas: 3, scaleTargetRef: {kind: Rollout, name: a}, metrics: [{type: Resource}]}",
            "spec.metrics",
        ),
        (
            "monitoring.coreos.com/v1",
            "ServiceMonitor",
            "{selector: {}, endpoints: [{port: http, relabelings: [{action: drop}]}]}",
            "spec.endpoints[0].relabelings",
        ),
        ("external-secrets.io/v1", "ExternalSecret", "{dataFrom: [{extract: {key: k}}]}", "spec.dataFrom"),
        ("v1", "Service", "{sessionAffinity: ClientIP}", "spec.sessionAffinity"),
        ("v1", "Service", "{sessionAffinity: None}", ""),
        ("v1", "Pod", "{containers: [], affinity: {nodeAffinity: {}}}", "spec.affinity"),
        ("apps/v1", "StatefulSet", "{}", "kind"),
        ("example.com/v1", "Widget", "{}", "kind"),
        ("rbac.authorization.k8s.io/v1", "Role", "{}", ""),
    ] {
        let read = read(&spec(group, kind, text));
        let paths: Vec<&str> = read.not_modelled.iter().map(|found| found.path.as_str()).collect();
        assert_eq!(paths.join(" "), expected, "{kind} {text}");
        assert_eq!(read.unknown, [], "{kind} {text}");
    }
}

#[test]
fn a_misspelt_key_is_unknown_and_comes_with_a_suggestion() {
    let text = r"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: { name: a, label: { x: y } }
spec:
  replcias: 3
  template:
    spec:
      containers:
        - { name: a, image: a, imagePullPolice: Always, comand: [] }
  strategy:
    canary:
      steps:
        - setWeigth: 10
        - analysis: { templates: [{ templateName: t, clusterscope: true }], startingStep: 2 }
      maxSruge: 1
";
    let (_, unknown) = report(text);
    assert_eq!(
        unknown,
        [
            "4:metadata.label -> labels",
            "6:spec.replcias -> replicas",
            "10:spec.template.spec.containers[0].imagePullPolice -> imagePullPolicy",
            "10:spec.template.spec.containers[0].comand -> command",
            "14:spec.strategy.canary.steps[0].setWeigth -> setWeight",
            "15:spec.strategy.canary.steps[1].analysis.templates[0].clusterscope -> clusterScope",
            "15:spec.strategy.canary.steps[1].analysis.startingStep -> ?",
            "16:spec.strategy.canary.maxSruge -> maxSurge",
        ]
    );
}

#[test]
fn a_value_that_the_api_server_refuses_is_a_problem_at_its_place() {
    for (kind, spec, place, message) in [
        ("apps/v1 Deployment", "{replicas: five, selector: {}, template: {}}", "4:18", "the text `five`"),
        ("argoproj.io/v1alpha1 Rollout", "{replicas: 2.5}", "4:18", "the number 2.5"),
        ("argoproj.io/v1alpha1 Rollout", "{replicas: 99999999999}", "4:18", "99999999999"),
        ("argoproj.io/v1alpha1 Rollout", "{minReadySeconds: '3'}", "4:25", "the text `3`"),
        (
            "argoproj.io/v1alpha1 Rollout",
            "{strategy: {canary: {maxSurge: true}}}",
            "4:38",
            "a whole number or a text",
        ),
        (
            "argoproj.io/v1alpha1 Rollout",
            "{strategy: {canary: {steps: {setWeight: 1}}}}",
            "4:35",
            "found a mapping",
        ),
        ("v1 Pod", "{containers: [{name: a, env: [{name: A, value: 32}]}]}", "4:54", "the number 32"),
        (
            "v1 Pod",
            "{containers: [{resources: {requests: {memory: 16GB}}}]}",
            "4:53",
            "`16GB` is not a quantity",
        ),
        (
            "argoproj.io/v1alpha1 AnalysisTemplate",
            "{metrics: [{provider: {}}]}",
            "4:18",
            "the key `name` is missing",
        ),
        ("argoproj.io/v1alpha1 Application", "{destination: {}}", "4:7", "the key `project` is missing"),
    ] {
        let (version, kind) = kind.split_once(' ').unwrap();
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n");
        let problem = problem(&text);
        assert!(problem.contains(&format!("m.yaml:{place}")), "{text}{problem}");
        assert!(problem.contains(message), "{text}{problem}");
    }
}

#[test]
fn a_null_is_an_absent_field() {
    let text = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a, labels: null}\nspec: {replicas: \
                null, paused: null, template: {spec: {containers: null}}, strategy: {canary: {steps: null}}}\n";
    let Object::Rollout(rollout) = read(text).object else { panic!() };
    assert_eq!(rollout.spec.replicas(), 1);
    assert!(rollout.canary().unwrap().steps.is_empty());
}

#[test]
fn what_is_no_object_is_told_why() {
    for (text, message) in [
        ("- a\n", "an object belongs here, found a list"),
        ("kind: Pod\n", "`apiVersion` is missing"),
        ("apiVersion: a/b/c\nkind: Pod\nmetadata: {name: a}\n", "`a/b/c` is not an apiVersion"),
        ("apiVersion: v1\nmetadata: {name: a}\n", "`kind` is missing"),
        ("apiVersion: v1\nkind: Pod\n", "`metadata.name` is missing"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: ''}\n", "`metadata.name` is empty"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: 7}\n", "`metadata.name` must be text, not a number"),
    ] {
        assert!(problem(text).contains(message), "{text}{}", problem(text));
    }
}

#[test]
fn an_identity_has_no_version_and_takes_the_destinations_namespace() {
    let key = object_key(&node("apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: a}\n")).unwrap();
    assert_eq!(key, ObjectKey::new("apps", "Deployment", None, "a"));
    assert_eq!(key.defaulted_to("ns").to_string(), "apps/Deployment ns/a");
    let namespace = ObjectKey::new("", "Namespace", None, "x").defaulted_to("ns");
    assert_eq!(namespace.to_string(), "Namespace x");
    assert_eq!(is_namespaced("argoproj.io", "ClusterAnalysisTemplate"), Some(false));
    assert_eq!(is_namespaced("argoproj.io", "Rollout"), Some(true));
    assert_eq!(is_namespaced("example.com", "Widget"), None);
}

#[test]
fn quantities_are_read_as_kubernetes_reads_them() {
    for (text, milli) in [
        ("1", Some(1000)),
        ("500m", Some(500)),
        ("1.5", Some(1500)),
        ("0.0001", Some(1)),
        ("100n", Some(1)),
        ("2k", Some(2_000_000)),
        ("1Ki", Some(1_024_000)),
        ("1e3", Some(1_000_000)),
        ("12E-1", Some(1200)),
        ("-1", Some(-1000)),
        ("1GB", None),
        ("", None),
        (".", None),
        ("1.2.3", None),
        ("1e99", None),
    ] {
        assert_eq!(Quantity::parse(text).map(|quantity| quantity.milli), milli, "{text}");
    }
}

/// A tree of the keys and values that manifests are made of, right and wrong ones.
fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e12..1e12_f64).prop_map(Into::into),
        "[-0-9a-z%.{} ]{0,8}".prop_map(Into::into),
        "\\PC{0,6}".prop_map(Into::into),
    ];
    let key = prop::sample::select(vec![
        "analysis",
        "args",
        "canary",
        "containers",
        "count",
        "data",
        "destinations",
        "duration",
        "env",
        "env",
        "interval",
        "limits",
        "matchLabels",
        "maxSurge",
        "maxUnavailable",
        "metadata",
        "metrics",
        "name",
        "pause",
        "project",
        "prometheus",
        "provider",
        "replicas",
        "requests",
        "resources",
        "selector",
        "setWeight",
        "source",
        "spec",
        "steps",
        "strategy",
        "template",
        "templates",
        "trafficRouting",
        "value",
        "valueFrom",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    // Whatever a manifest of any kind holds, it is read or refused, and an object that was read can be checked.
    #[test]
    fn any_manifest_is_read_or_refused(
        kind in prop::sample::select(vec![
            ("argoproj.io/v1alpha1", "Rollout"), ("argoproj.io/v1alpha1", "AnalysisTemplate"),
            ("argoproj.io/v1alpha1", "Application"), ("argoproj.io/v1alpha1", "ApplicationSet"),
            ("argoproj.io/v1alpha1", "AppProject"), ("apps/v1", "Deployment"), ("v1", "Pod"), ("v1", "Service"),
            ("monitoring.coreos.com/v1", "ServiceMonitor"), ("external-secrets.io/v1", "ExternalSecret"),
        ]),
        spec in any_value(),
    ) {
        let json = serde_json::json!({
            "apiVersion": kind.0, "kind": kind.1, "metadata": {"name": "a"}, "spec": spec,
        });
        let node = Node::from_json(&json, &yaml::Place::whole(&yaml::Source::new("m.yaml", "")));
        let read = Object::read(&node);
        prop_assert_eq!(read.is_ok(), Object::decode(&node).is_ok());
        match read.map(|read| read.object) {
            Ok(Object::Rollout(rollout)) => {
                let _ = (rollout.validate(), rollout.max_surge(7), rollout.max_unavailable(7));
            }
            Ok(Object::AnalysisTemplate(template)) => {
                for metric in &template.spec.metrics {
                    let _ = metric.resolve(&template.spec.args).map(|metric| metric.check());
                }
            }
            Ok(Object::Deployment(deployment)) => {
                let _ = (deployment.spec.fenceposts(), deployment.spec.template.spec.requests().len());
            }
            Ok(_) | Err(_) => {}
        }
    }

    #[test]
    fn any_text_is_a_quantity_and_a_duration_or_neither(text in "[-+0-9.eEmkGiMs\u{b5}h]{0,24}") {
        let _ = (Quantity::parse(&text), manifests::objects::go_duration(&text));
    }
}
