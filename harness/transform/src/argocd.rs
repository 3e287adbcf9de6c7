//! Argo CD's own settings, which belong to the cluster and not to a scenario's repository.

use manifests::objects::go_duration;
use manifests::tree::Tree;
use scenario::Scenario;
use units::Duration;
use yaml::Node;

use crate::Speed;

/// The times of ConfigMap `argocd-cm` that decide when Argo CD notices a commit.
///
/// The components read them when they start, and all scenarios of a cluster share them: scenarios
/// whose settings differ cannot run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgoSettings {
    /// `timeout.reconciliation`.
    pub reconciliation: Duration,
    /// `timeout.reconciliation.jitter`.
    pub jitter: Duration,
}

/// What the application controller falls back to (argo-cd v3.2 `cmd/argocd-application-controller`).
const DEFAULT: ArgoSettings =
    ArgoSettings { reconciliation: Duration::from_secs(120), jitter: Duration::from_secs(60) };

/// Where the file is that a transformed scenario applies if it has no `argocd-cm` of its own.
pub const SETTINGS_FILE: &str = ".rehearse/argocd-cm.yaml";

impl ArgoSettings {
    /// The settings that a scenario applies, or upstream's defaults. Of a transformed scenario and
    /// repository these are the scaled ones.
    pub fn of(repository: &Tree, scenario: &Scenario) -> Self {
        let map = settings_in(repository, scenario);
        let value = |key: &str| {
            let nanos = go_duration(map.as_ref()?.str_at(&["data", key])?).ok()?;
            u64::try_from(nanos).ok().map(Duration::from_nanos)
        };
        Self {
            reconciliation: value("timeout.reconciliation").unwrap_or(DEFAULT.reconciliation),
            jitter: value("timeout.reconciliation.jitter").unwrap_or(DEFAULT.jitter),
        }
    }

    /// The entries of `data` that say them.
    pub fn data(&self) -> [(&'static str, String); 2] {
        [
            ("timeout.reconciliation", self.reconciliation.to_string()),
            ("timeout.reconciliation.jitter", self.jitter.to_string()),
        ]
    }

    fn manifest(&self) -> String {
        let [(first, one), (second, two)] = self.data();
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: argocd\n  labels:\n    \
             app.kubernetes.io/name: argocd-cm\n    app.kubernetes.io/part-of: argocd\ndata:\n  {first}: {one}\n  \
             {second}: {two}\n"
        )
    }
}

/// The `argocd-cm` among what the scenario applies at its start.
fn settings_in(repository: &Tree, scenario: &Scenario) -> Option<Node> {
    let applied = scenario.apply.iter().filter_map(|path| repository.documents(path)?.ok());
    let is_it = |node: &&Node| {
        node.str_at(&["kind"]) == Some("ConfigMap") && node.str_at(&["metadata", "name"]) == Some("argocd-cm")
    };
    applied.flatten().find(is_it).cloned()
}

/// Has the scaled defaults applied, where the scenario leaves Argo CD's settings alone: upstream's
/// defaults would not scale.
pub(crate) fn with_settings(mut repository: Tree, mut scenario: Scenario, speed: Speed) -> (Tree, Scenario) {
    let needless = speed.is_real() || scenario.apply.is_empty();
    if needless || settings_in(&repository, &scenario).is_some() {
        return (repository, scenario);
    }
    let scaled = ArgoSettings {
        reconciliation: speed.scale(DEFAULT.reconciliation),
        jitter: speed.scale(DEFAULT.jitter),
    };
    if repository.insert(SETTINGS_FILE, scaled.manifest().into_bytes()).is_ok() {
        // The last, so that the others keep their places in the list.
        scenario.apply.push(SETTINGS_FILE.to_owned());
    }
    (repository, scenario)
}
