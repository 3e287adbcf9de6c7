//! What an AppProject permits.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use manifests::objects::{AppProject, Object};

fn project(spec: &str) -> Arc<AppProject> {
    let text =
        format!("apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {{name: p}}\nspec: {spec}\n");
    let node = yaml::parse_one("m.yaml", text.as_bytes()).unwrap();
    match Object::decode(&node).unwrap_or_else(|problem| panic!("{problem}")) {
        Object::AppProject(project) => project,
        other => panic!("{other:?}"),
    }
}

// argo-cd app_project_types.go: IsSourcePermitted.
#[test]
fn repositories_are_permitted_by_globs_and_denied_by_exclamation_marks() {
    for (repos, url, permitted) in [
        ("[]", "https://github.com/your-org/ai", false),
        ("['*']", "https://github.com/your-org/ai", true),
        ("['https://github.com/your-org/*']", "https://github.com/your-org/ai", true),
        ("['https://github.com/your-org/ai']", "https://GitHub.com/your-org/ai.git", true),
        ("['https://github.com/*']", "https://github.com/your-org/ai", false),
        ("['https://github.com/**']", "https://github.com/your-org/ai", true),
        ("['*', '!https://github.com/your-org/secret']", "https://github.com/your-org/secret", false),
        ("['*', '!https://github.com/your-org/secret']", "https://github.com/your-org/ai", true),
        ("['!https://github.com/your-org/secret']", "https://github.com/your-org/ai", true),
        ("['https://github.com/{a,b}/ai']", "https://github.com/b/ai", true),
        ("['ssh://git@host/org/*']", "git@host:org/ai.git", true),
        ("['https://h/[']", "https://h/[", false),
    ] {
        let project = project(&format!("{{sourceRepos: {repos}}}"));
        assert_eq!(project.permits_source(url), permitted, "{repos} {url}");
    }
}

// argo-cd app_project_types.go: isDestinationMatched.
#[test]
fn destinations_are_permitted_by_server_or_name_and_namespace() {
    let local = "https://kubernetes.default.svc";
    for (destinations, server, name, namespace, permitted) in [
        ("[]", local, "in-cluster", "ai", false),
        ("[{server: '*', namespace: '*'}]", local, "in-cluster", "ai", true),
        ("[{server: 'https://kubernetes.default.svc', namespace: 'ai-*'}]", local, "", "ai-inference", true),
        ("[{server: 'https://kubernetes.default.svc', namespace: 'ai-*'}]", local, "", "default", false),
        ("[{name: in-cluster, namespace: ai}]", local, "in-cluster", "ai", true),
        ("[{name: edge, namespace: ai}]", local, "in-cluster", "ai", false),
        (
            "[{server: '*', namespace: '*'}, {server: '*', namespace: '!kube-system'}]",
            local,
            "",
            "kube-system",
            false,
        ),
        ("[{server: '*', namespace: '*'}, {server: '*', namespace: '!kube-system'}]", local, "", "ai", true),
        (
            "[{server: '*', namespace: '*'}, {server: '!https://kubernetes.default.svc', namespace: '*'}]",
            local,
            "",
            "ai",
            false,
        ),
    ] {
        let project = project(&format!("{{destinations: {destinations}}}"));
        assert_eq!(
            project.permits_destination(server, name, namespace),
            permitted,
            "{destinations} {namespace}"
        );
    }
}

// argo-cd app_project_types.go: IsGroupKindPermitted.
#[test]
fn cluster_kinds_are_denied_and_namespaced_kinds_permitted_unless_listed() {
    let any = "{group: '*', kind: '*'}";
    for (spec, group, kind, namespaced, permitted) in [
        ("{}".to_owned(), "", "Namespace", false, false),
        ("{}".to_owned(), "argoproj.io", "Rollout", true, true),
        (format!("{{clusterResourceWhitelist: [{any}]}}"), "", "Namespace", false, true),
        (
            "{clusterResourceWhitelist: [{group: '', kind: Namespace}]}".to_owned(),
            "",
            "Namespace",
            false,
            true,
        ),
        ("{clusterResourceWhitelist: [{group: '', kind: Name*}]}".to_owned(), "", "Namespace", false, true),
        (
            format!("{{clusterResourceWhitelist: [{any}], clusterResourceBlacklist: [{any}]}}"),
            "",
            "Node",
            false,
            false,
        ),
        ("{namespaceResourceWhitelist: []}".to_owned(), "apps", "Deployment", true, false),
        (
            "{namespaceResourceWhitelist: [{group: apps, kind: '*'}]}".to_owned(),
            "apps",
            "Deployment",
            true,
            true,
        ),
        ("{namespaceResourceBlacklist: [{group: '', kind: Secret}]}".to_owned(), "", "Secret", true, false),
    ] {
        assert_eq!(project(&spec).permits_kind(group, kind, namespaced), permitted, "{spec} {group}/{kind}");
    }
}
