//! Argo CD's Application and ApplicationSet (argo-cd v3.2.6 `pkg/apis/application/v1alpha1/types.go`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;
use units::Duration;
use yaml::{Node, Problem};

use super::Metadata;
use super::values::{LabelSelector, go_duration, nullable, span};

/// An Application.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Application {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it keeps in sync.
    pub spec: ApplicationSpec,
}

/// What an Application keeps in sync.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSpec {
    /// The AppProject; the CRD requires it.
    pub project: String,
    /// Where the manifests are.
    #[serde(default)]
    pub source: Option<ApplicationSource>,
    /// Where the manifests are, where there are several places; wins over `source`.
    #[serde(default, deserialize_with = "nullable")]
    pub sources: Vec<ApplicationSource>,
    /// Where the objects go.
    pub destination: Destination,
    /// When and how it syncs; absent means by hand.
    #[serde(default, deserialize_with = "nullable")]
    pub sync_policy: SyncPolicy,
    /// Differences that do not count.
    #[serde(default, deserialize_with = "nullable")]
    pub ignore_differences: Vec<IgnoreDifference>,
    /// Syncs kept in the history; 10 where unset.
    #[serde(default)]
    pub revision_history_limit: Option<i64>,
}

/// A place of manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSource {
    /// The repository.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// A branch, tag or commit; `HEAD` where empty.
    #[serde(default, deserialize_with = "nullable")]
    pub target_revision: String,
    /// The folder.
    #[serde(default, deserialize_with = "nullable")]
    pub path: String,
}

/// Where the objects go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Destination {
    /// The cluster's API server.
    #[serde(default, deserialize_with = "nullable")]
    pub server: String,
    /// The cluster's name, in place of its server.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The namespace of objects that give none.
    #[serde(default, deserialize_with = "nullable")]
    pub namespace: String,
}

/// When and how an Application syncs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncPolicy {
    /// By itself.
    #[serde(default)]
    pub automated: Option<Automated>,
    /// Options such as `CreateNamespace=true`.
    #[serde(default, deserialize_with = "nullable")]
    pub sync_options: Vec<String>,
    /// What happens after a failure.
    #[serde(default)]
    pub retry: Option<Retry>,
}

impl SyncPolicy {
    /// The automated policy in force: `enabled: false` is as good as none
    /// (`SyncPolicy.IsAutomatedSyncEnabled`).
    pub fn automated(&self) -> Option<Automated> {
        self.automated.filter(|automated| automated.enabled != Some(false))
    }

    /// Whether an option such as `CreateNamespace=true` is set (`SyncOptions.HasOption`).
    pub fn has_option(&self, option: &str) -> bool {
        self.sync_options.iter().any(|set| set == option)
    }
}

/// Syncs without a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Automated {
    /// Whether objects that left the repository are deleted.
    #[serde(default, deserialize_with = "nullable")]
    pub prune: bool,
    /// Whether changes in the cluster are undone.
    #[serde(default, deserialize_with = "nullable")]
    pub self_heal: bool,
    /// Whether a sync may delete everything.
    #[serde(default, deserialize_with = "nullable")]
    pub allow_empty: bool,
    /// `false` switches the policy off.
    #[serde(default)]
    pub enabled: Option<bool>,
}

/// What happens after a failed sync.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Retry {
    /// How many times more; negative for without end. A `retry` without it means 0.
    #[serde(default, deserialize_with = "nullable")]
    pub limit: i64,
    /// How long to wait.
    #[serde(default)]
    pub backoff: Option<Backoff>,
    /// Whether a retry takes the newest commit.
    #[serde(default, deserialize_with = "nullable")]
    pub refresh: bool,
}

/// How long to wait before a retry: texts, a number without unit in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// The first wait; 5s where empty.
    #[serde(default, deserialize_with = "nullable")]
    pub duration: String,
    /// What each wait is multiplied with; 2 where unset.
    #[serde(default)]
    pub factor: Option<i64>,
    /// The longest wait; 3m where empty.
    #[serde(default, deserialize_with = "nullable")]
    pub max_duration: String,
}

impl Retry {
    /// The wait before retry number `count` (`RetryStrategy.NextRetryAt`):
    /// `min(max, duration · factor^count)`.
    ///
    /// # Errors
    /// A text that is no duration, in upstream's words.
    pub fn delay(&self, count: u32) -> Result<Duration, String> {
        let backoff = self.backoff.clone().unwrap_or_default();
        let read = |text: &str, default: u64| match text {
            "" => Ok(Duration::from_secs(default)),
            text => argo_duration(text),
        };
        let (first, longest) = (read(&backoff.duration, 5)?, read(&backoff.max_duration, 180)?);
        let factor = u64::try_from(backoff.factor.unwrap_or(2)).unwrap_or(0);
        let wait = (0..count.min(64)).fold(first, |wait, _| wait * factor);
        // A maximum of nothing is no maximum.
        Ok(if longest > Duration::ZERO { wait.min(longest) } else { wait })
    }
}

/// A duration as Argo reads it: a number without unit is in seconds
/// (`types.go: parseStringToDuration`).
fn argo_duration(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => go_duration(text).map(span).map_err(|_| format!("unable to parse {text} as a duration")),
    }
}

/// A difference that does not count (`ResourceIgnoreDifferences`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IgnoreDifference {
    /// The group; `*` for any.
    #[serde(default, deserialize_with = "nullable")]
    pub group: String,
    /// The kind; `*` for any.
    pub kind: String,
    /// The name; any where empty.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The namespace; any where empty.
    #[serde(default, deserialize_with = "nullable")]
    pub namespace: String,
    /// The fields, as JSON pointers.
    #[serde(default, deserialize_with = "nullable")]
    pub json_pointers: Vec<String>,
    /// Fields owned by these field managers.
    #[serde(default, deserialize_with = "nullable")]
    pub managed_fields_managers: Vec<String>,
}

/// An ApplicationSet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ApplicationSet {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it generates.
    pub spec: ApplicationSetSpec,
    /// `spec.template`, with places; its placeholders are still in it.
    #[serde(skip)]
    pub template: Option<Node>,
}

/// What an ApplicationSet generates.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSetSpec {
    /// Whether placeholders are Go templates.
    #[serde(default, deserialize_with = "nullable")]
    pub go_template: bool,
    /// Options of Go templates.
    #[serde(default, deserialize_with = "nullable")]
    pub go_template_options: Vec<String>,
    /// What gives the parameters.
    #[serde(default, deserialize_with = "nullable")]
    pub generators: Vec<Generator>,
    /// The Application, as written.
    pub template: Json,
    /// What may happen to generated Applications.
    #[serde(default, deserialize_with = "nullable")]
    pub sync_policy: ApplicationSetSyncPolicy,
}

/// A generator; one is set. The others are not modelled.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Generator {
    /// One Application a cluster.
    #[serde(default)]
    pub clusters: Option<ClusterGenerator>,
    /// One Application an element.
    #[serde(default)]
    pub list: Option<ListGenerator>,
}

/// One Application a cluster.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ClusterGenerator {
    /// Which clusters, by the labels of their Secrets.
    #[serde(default, deserialize_with = "nullable")]
    pub selector: LabelSelector,
    /// Further parameters.
    #[serde(default, deserialize_with = "nullable")]
    pub values: BTreeMap<String, String>,
}

/// One Application an element.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ListGenerator {
    /// The elements.
    #[serde(default, deserialize_with = "nullable")]
    pub elements: Vec<Json>,
}

/// What may happen to generated Applications.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSetSyncPolicy {
    /// Whether the objects of a deleted Application stay.
    #[serde(default, deserialize_with = "nullable")]
    pub preserve_resources_on_deletion: bool,
    /// `sync` (where unset), `create-only`, `create-update` or `create-delete`.
    #[serde(default)]
    pub applications_sync: Option<String>,
}

impl ApplicationSet {
    /// Keeps the template with its places.
    ///
    /// # Errors
    /// What the CRD requires of the template's `spec` and is not there, as the API server words it.
    pub(crate) fn finish(&mut self, node: &Node) -> Result<(), Problem> {
        let template = node.at(&["spec", "template"]);
        self.template = template.cloned();
        let Some(template) = template else { return Ok(()) };
        for field in ["destination", "project"] {
            if template.at(&["spec", field]).is_none() {
                return Err(template.problem(format!(
                    "The ApplicationSet \"{}\" is invalid: spec.template.spec.{field}: Required value",
                    self.metadata.name
                )));
            }
        }
        Ok(())
    }
}
