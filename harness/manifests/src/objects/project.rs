//! Argo CD's AppProject and what it permits (argo-cd v3.2.6
//! `pkg/apis/application/v1alpha1/app_project_types.go`).

use serde::Deserialize;
use serde_json::Value as Json;

use super::Metadata;
use super::application::Destination;
use super::glob::{glob, path_glob};
use super::values::nullable;

/// An AppProject.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AppProject {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it permits.
    #[serde(default, deserialize_with = "nullable")]
    pub spec: AppProjectSpec,
}

/// What an AppProject permits.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppProjectSpec {
    /// Repositories, as globs; `!` denies.
    #[serde(default, deserialize_with = "nullable")]
    pub source_repos: Vec<String>,
    /// Clusters and namespaces, as globs; `!` denies.
    #[serde(default, deserialize_with = "nullable")]
    pub destinations: Vec<Destination>,
    /// Cluster-wide kinds that are permitted; none where empty.
    #[serde(default, deserialize_with = "nullable")]
    pub cluster_resource_whitelist: Vec<GroupKind>,
    /// Cluster-wide kinds that are denied.
    #[serde(default, deserialize_with = "nullable")]
    pub cluster_resource_blacklist: Vec<GroupKind>,
    /// Namespaced kinds that are permitted; all where unset, none where empty.
    #[serde(default)]
    pub namespace_resource_whitelist: Option<Vec<GroupKind>>,
    /// Namespaced kinds that are denied.
    #[serde(default, deserialize_with = "nullable")]
    pub namespace_resource_blacklist: Vec<GroupKind>,
    /// When syncs are allowed or denied; not modelled, kept as written.
    #[serde(default, deserialize_with = "nullable")]
    pub sync_windows: Vec<Json>,
}

/// A group and kind, as globs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct GroupKind {
    /// The group.
    #[serde(default, deserialize_with = "nullable")]
    pub group: String,
    /// The kind.
    #[serde(default, deserialize_with = "nullable")]
    pub kind: String,
}

impl AppProject {
    /// Whether an Application may read from a repository (`IsSourcePermitted`).
    pub fn permits_source(&self, repo_url: &str) -> bool {
        let url = normalized_url(repo_url);
        let mut matched = false;
        for pattern in &self.spec.source_repos {
            match pattern.strip_prefix('!') {
                Some(denied) if glob(&normalized_url(denied), &url, &['/']) => return false,
                Some(_) => matched = true,
                None => {
                    let pattern = normalized_url(pattern);
                    matched |= pattern == "*" || glob(&pattern, &url, &['/']);
                }
            }
        }
        matched
    }

    /// Whether an Application may write to a cluster and namespace (`isDestinationMatched`). The
    /// destination has the cluster's server and its name, where it has one.
    pub fn permits_destination(&self, server: &str, name: &str, namespace: &str) -> bool {
        let mut permitted = false;
        for item in &self.spec.destinations {
            let is_name = !name.is_empty() && matches(&item.name, name);
            let is_server = !server.is_empty() && matches(&item.server, server);
            let is_namespace = matches(&item.namespace, namespace);
            let denies = |pattern: &str| pattern.starts_with('!');
            if (is_server || is_name) && is_namespace {
                permitted = true;
            } else if (!is_name && denies(&item.name))
                || (!is_server && denies(&item.server) && is_namespace)
                || (!is_namespace && denies(&item.namespace) && is_server)
            {
                return false;
            }
        }
        permitted
    }

    /// Whether an Application may hold objects of a kind (`IsGroupKindPermitted`).
    pub fn permits_kind(&self, group: &str, kind: &str, namespaced: bool) -> bool {
        let listed = |list: &[GroupKind]| {
            list.iter().any(|item| path_glob(&item.kind, kind) && path_glob(&item.group, group))
        };
        let spec = &self.spec;
        if namespaced {
            let allowed = spec.namespace_resource_whitelist.as_deref().is_none_or(listed);
            allowed && !listed(&spec.namespace_resource_blacklist)
        } else {
            listed(&spec.cluster_resource_whitelist) && !listed(&spec.cluster_resource_blacklist)
        }
    }
}

/// A glob, or the opposite of one after `!` (`globMatch`).
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_prefix('!') {
        Some(denied) => !glob(denied, text, &[]),
        None => pattern == "*" || glob(pattern, text, &[]),
    }
}

/// A repository's URL for comparison (`util/git: NormalizeGitURL`).
fn normalized_url(url: &str) -> String {
    let mut url = url.trim().to_lowercase();
    let scp_like = !url.contains("://") && url.split_once('@').is_some_and(|(_, rest)| rest.contains(':'));
    if scp_like {
        url = url.replacen(':', "/", 1);
    }
    let url = url.strip_prefix("ssh://").unwrap_or(&url);
    url.strip_suffix(".git").unwrap_or(url).to_owned()
}
