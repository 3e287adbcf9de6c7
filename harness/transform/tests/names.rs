//! Names in manifests.

#![allow(clippy::unwrap_used, reason = "what cannot be transformed fails the test")]

mod common;

use common::{IDLE, scenario, text, tree};
use transform::{Names, Plan, Speed, transform};
use yaml::Node;

fn renamed(files: &[(&str, &str)], apply: &str) -> manifests::tree::Tree {
    let yaml = IDLE.replace("repository: .", &format!("repository: ., apply: [{apply}]"));
    let names = Names::with_suffix("-a1").unwrap().serving("http://git/a1");
    transform(&tree(files), &scenario(&yaml), &Plan { speed: Speed::REAL, names }).unwrap().repository
}

fn after(manifest: &str) -> Node {
    let others = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: app, namespace: argocd}
spec: {project: default, source: {repoURL: https://example.com/r}, destination: {namespace: ai}}
---
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: store}
---
apiVersion: argoproj.io/v1alpha1
kind: ClusterAnalysisTemplate
metadata: {name: gate}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
";
    let tree = renamed(&[("others.yaml", others), ("it.yaml", manifest)], "others.yaml");
    yaml::parse_one("it.yaml", text(&tree, "it.yaml").as_bytes()).unwrap()
}

#[test]
fn what_is_deployed_to_and_brought_is_renamed_with_every_reference() {
    let table = [
        (
            "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: ai}}",
            "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: ai-a1}}",
        ),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: argocd}}",
            "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: argocd}}",
        ),
        (
            "{apiVersion: v1, kind: Namespace, metadata: {name: ai}}",
            "{apiVersion: v1, kind: Namespace, metadata: {name: ai-a1}}",
        ),
        (
            "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: x, namespace: argocd}, spec: {project: p, source: {repoURL: 'https://example.com/r'}, destination: {namespace: ai}}}",
            "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: x-a1, namespace: argocd}, spec: {project: p-a1, source: {repoURL: 'http://git/a1'}, destination: {namespace: ai-a1}}}",
        ),
        (
            "{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: p}, spec: {sourceRepos: ['https://example.com/r', 'https://other'], destinations: [{namespace: ai}, {namespace: 'ai-*'}, {namespace: '*'}, {namespace: '!kube-system'}, {namespace: '!prod'}]}}",
            "{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: p-a1}, spec: {sourceRepos: ['http://git/a1', 'https://other'], destinations: [{namespace: ai-a1}, {namespace: 'ai-*'}, {namespace: '*'}, {namespace: '!kube-system'}, {namespace: '!prod-a1'}]}}",
        ),
        (
            "{apiVersion: argoproj.io/v1alpha1, kind: ApplicationSet, metadata: {name: x}, spec: {template: {metadata: {name: 'm-{{.n}}'}, spec: {project: default, destination: {namespace: ai}}}}}",
            "{apiVersion: argoproj.io/v1alpha1, kind: ApplicationSet, metadata: {name: x-a1}, spec: {template: {metadata: {name: 'm-{{.n}}-a1'}, spec: {project: default, destination: {namespace: ai-a1}}}}}",
        ),
        (
            "{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: e}, spec: {secretStoreRef: {kind: ClusterSecretStore, name: store}, data: [{sourceRef: {storeRef: {kind: SecretStore, name: store}}}]}}",
            "{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: e}, spec: {secretStoreRef: {kind: ClusterSecretStore, name: store-a1}, data: [{sourceRef: {storeRef: {kind: SecretStore, name: store}}}]}}",
        ),
        (
            "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: r}, spec: {strategy: {canary: {steps: [{analysis: {templates: [{templateName: gate, clusterScope: true}, {templateName: gate}], args: [{name: the-namespace, value: ai}, {name: other, value: ai}]}}]}}}}",
            "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: r}, spec: {strategy: {canary: {steps: [{analysis: {templates: [{templateName: gate-a1, clusterScope: true}, {templateName: gate}], args: [{name: the-namespace, value: ai-a1}, {name: other, value: ai}]}}]}}}}",
        ),
        (
            "{apiVersion: argoproj.io/v1alpha1, kind: AnalysisTemplate, metadata: {name: t}, spec: {metrics: [{provider: {prometheus: {address: 'http://prometheus.monitoring.svc:9090', query: 'x{namespace=\"ai\", job=\"ai\"}'}}}]}}",
            "{apiVersion: argoproj.io/v1alpha1, kind: AnalysisTemplate, metadata: {name: t}, spec: {metrics: [{provider: {prometheus: {address: 'http://prometheus.monitoring-a1.svc:9090', query: 'x{namespace=\"ai-a1\", job=\"ai\"}'}}}]}}",
        ),
        (
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b}, roleRef: {kind: ClusterRole, name: reader}, subjects: [{kind: ServiceAccount, name: sa, namespace: ai}]}",
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b-a1}, roleRef: {kind: ClusterRole, name: reader-a1}, subjects: [{kind: ServiceAccount, name: sa, namespace: ai-a1}]}",
        ),
        (
            "{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: m}, spec: {namespaceSelector: {matchNames: [ai, kube-system]}}}",
            "{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: m}, spec: {namespaceSelector: {matchNames: [ai-a1, kube-system]}}}",
        ),
    ];
    for (before, expected) in table {
        assert_eq!(after(before), yaml::parse_one("x", expected.as_bytes()).unwrap(), "{before}");
    }
}

#[test]
fn kustomizations_and_the_patches_in_them_are_renamed_once() {
    let kustomization = "
namespace: ai
resources: [app.yaml]
patches:
  - target: {kind: Application, name: app}
    patch: |-
      - {op: replace, path: /spec/destination/namespace, value: other}
      - {op: replace, path: /spec/source/repoURL, value: https://example.com/r}
      - {op: add, path: /spec/info, value: [{name: url, value: http://a.other.svc}]}
";
    let app = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: app}
spec: {project: p, source: {repoURL: https://example.com/r}, destination: {namespace: ai}}
";
    let tree = renamed(&[("kustomization.yaml", kustomization), ("app.yaml", app)], "app.yaml");
    let rendered = manifests::kustomize::build(&tree, "").unwrap().objects.remove(0).to_json();
    assert_eq!(
        rendered,
        serde_json::json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "app-a1", "namespace": "ai-a1"},
            "spec": {
                "project": "p-a1",
                "source": {"repoURL": "http://git/a1"},
                "destination": {"namespace": "other-a1"},
                "info": [{"name": "url", "value": "http://a.other-a1.svc"}]
            }
        })
    );
}

#[test]
fn a_namespace_that_becomes_too_long_is_a_problem() {
    let namespace = "n".repeat(61);
    let manifest =
        format!("{{apiVersion: v1, kind: Service, metadata: {{name: s, namespace: {namespace}}}}}");
    let names = Names::with_suffix("-a1").unwrap();
    let problems =
        transform(&tree(&[("s.yaml", &manifest)]), &scenario(IDLE), &Plan { speed: Speed::REAL, names });
    let problem = problems.unwrap_err()[0].to_string();
    assert!(problem.contains("longer than 63 characters") && problem.contains("s.yaml:1:"), "{problem}");
}
