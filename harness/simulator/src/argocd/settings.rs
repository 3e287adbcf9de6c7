//! Argo CD's own settings: ConfigMap `argocd-cm` in its namespace.

use manifests::objects::{self, go_duration};
use units::Duration;

use crate::World;

/// How often Applications are compared.
///
/// Deviation: the real components read these keys when they start; here a change takes effect at
/// once, as if they were restarted with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    /// `timeout.reconciliation`: how long a comparison stays fresh.
    pub(super) resync: Duration,
    /// `timeout.reconciliation.jitter`: the longest delay of a resync.
    pub(super) jitter: Duration,
    /// How long the repo-server trusts its list of a repository's branches.
    pub(super) refs_fresh_for: Duration,
}

impl Settings {
    /// How long errors of the repository are passed over in comparisons that may use caches.
    pub(super) fn repo_error_grace(&self) -> Duration {
        self.resync + self.jitter
    }
}

/// The settings of the Argo CD that runs in `namespace`.
pub(super) fn of(world: &World<'_>, namespace: &str) -> Settings {
    let object = world.api.named("", "ConfigMap", Some(namespace), "argocd-cm");
    let map = object.and_then(|object| match object.plain()? {
        objects::Object::ConfigMap(map) => Some(map),
        _ => None,
    });
    let value = |key: &str| map.and_then(|map| map.data.get(key)).map(String::as_str);
    from_values(value("timeout.reconciliation"), value("timeout.reconciliation.jitter"))
}

/// The controller falls back to 120 s and the repo-server to 180 s where the key is unset
/// (argo-cd reposerver/cache/cache.go: AddCacheFlagsToCmd). Zero switches resyncs off
/// (cmd/argocd-application-controller: a hundred years).
fn from_values(resync: Option<&str>, jitter: Option<&str>) -> Settings {
    const OFF: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    let read = |text: &str| {
        let nanos = go_duration(text).ok()?;
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    };
    let set = resync.and_then(read);
    let resync = set.unwrap_or(Duration::from_secs(120));
    Settings {
        resync: if resync == Duration::ZERO { OFF } else { resync },
        jitter: jitter.and_then(read).unwrap_or(Duration::from_secs(60)),
        refs_fresh_for: set.unwrap_or(Duration::from_secs(180)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_components_have_different_defaults_until_the_key_is_set() {
        let (secs, off) = (Duration::from_secs, Duration::from_secs(100 * 365 * 24 * 3600));
        let table = [
            (None, None, secs(120), secs(60), secs(180)),
            (Some("120s"), None, secs(120), secs(60), secs(120)),
            (Some("3m"), Some("0s"), secs(180), secs(0), secs(180)),
            (Some("soon"), None, secs(120), secs(60), secs(180)),
            (Some("0s"), None, off, secs(60), secs(0)),
        ];
        for (resync, jitter, expected, expected_jitter, refs) in table {
            let settings = from_values(resync, jitter);
            assert_eq!(
                (settings.resync, settings.jitter, settings.refs_fresh_for),
                (expected, expected_jitter, refs)
            );
        }
    }
}
