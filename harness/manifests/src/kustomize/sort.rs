//! The order of a build's output.

use yaml::{Place, Problem};

use super::error::Result;
use super::file::SortOptions;
use super::resource::{Gvk, Id, Resource};

/// What is applied first by default (api internal/builtins/SortOrderTransformer.go).
const FIRST: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// What is applied last by default.
const LAST: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Where a kind stands in the default order (kyaml resid/gvk.go: IsLessThan).
pub(crate) fn default_order(gvk: &Gvk<'_>) -> (isize, String) {
    (rank(FIRST, LAST, &gvk.kind), sort_text(gvk))
}

/// Puts the objects in the order that the top kustomization asks for. Without `sortOptions` that is
/// the "legacy" one: namespaces and what others depend on first, webhooks last
/// (api krusty/kustomizer.go: applySortOrder).
///
/// # Errors
/// An unknown order, and options of another order.
pub(crate) fn sort(resources: &mut [Resource], options: Option<(&SortOptions, &Place)>) -> Result<()> {
    let Some((options, place)) = options else {
        sort_legacy(resources, FIRST, LAST);
        return Ok(());
    };
    match (options.order.as_str(), &options.legacy_sort_options) {
        ("fifo", None) => {}
        ("legacy", None) => sort_legacy(resources, FIRST, LAST),
        ("legacy", Some(legacy)) => sort_legacy(resources, &legacy.order_first, &legacy.order_last),
        ("fifo", Some(_)) => {
            let message = "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'";
            return Err(Problem::at(place, message).into());
        }
        _ => {
            let message = "the field 'sortOptions.order' must be one of [fifo, legacy]";
            return Err(Problem::at(place, message).into());
        }
    }
    Ok(())
}

fn sort_legacy<T: AsRef<str>>(resources: &mut [Resource], first: &[T], last: &[T]) {
    resources.sort_by_cached_key(|resource| {
        let id = resource.id();
        (rank(first, last, &id.gvk.kind), sort_text(&id.gvk), id_text(&id))
    });
}

fn rank<T: AsRef<str>>(first: &[T], last: &[T], kind: &str) -> isize {
    let position = |kinds: &[T]| kinds.iter().rposition(|known| known.as_ref() == kind);
    match (position(last), position(first)) {
        (Some(index), _) => index as isize + 1,
        (None, Some(index)) => index as isize - first.len() as isize,
        (None, None) => 0,
    }
}

fn or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if text.is_empty() { none } else { text }
}

fn sort_text(gvk: &Gvk<'_>) -> String {
    // The core Namespace comes before other kinds of that name.
    if gvk.kind == "Namespace" && gvk.group.is_empty() {
        return String::new();
    }
    format!("{}_{}_{}", or(&gvk.group, "~G"), or(&gvk.version, "~V"), or(&gvk.kind, "~K"))
}

fn id_text(id: &Id<'_>) -> String {
    format!("{}|{}|{}", id.gvk, or(&id.namespace, "~X"), or(&id.name, "~N"))
}
