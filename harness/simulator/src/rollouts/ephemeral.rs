//! Labels and annotations that pods carry while they are canary or stable (argo-rollouts v1.10.1
//! `rollout/ephemeralmetadata.go`, `utils/replicaset/canary.go: SyncEphemeralPodMetadata`).

use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::objects::Rollout;
use manifests::objects::pod::PodMetadata;

use super::pass::Pass;
use super::sets::replica_set;
use crate::World;
use crate::api::Body;
use crate::kubernetes::ReplicaSet;

/// What pods of a template under test carry, and those of the trusted one.
pub(super) fn wanted(rollout: &Rollout) -> (Option<&PodMetadata>, Option<&PodMetadata>) {
    match (rollout.canary(), rollout.blue_green()) {
        (Some(canary), _) => (canary.canary_metadata.as_ref(), canary.stable_metadata.as_ref()),
        (None, Some(blue_green)) => {
            (blue_green.preview_metadata.as_ref(), blue_green.active_metadata.as_ref())
        }
        (None, None) => (None, None),
    }
}

/// Brings the metadata of every ReplicaSet and its pods in line with its role. Running pods are changed
/// in place.
pub(super) fn reconcile(world: &mut World<'_>, pass: &mut Pass) {
    let rollout = Arc::clone(&pass.rollout);
    let (for_canary, for_stable) = wanted(&rollout);
    if for_canary.is_none() && for_stable.is_none() {
        return;
    }
    if pass.before.stable_rs.is_none() || pass.before.stable_rs.as_ref() == Some(&pass.new_set().hash) {
        sync(world, pass, pass.new, for_stable);
    } else {
        sync(world, pass, pass.new, for_canary);
        if let Some(stable) = pass.stable {
            sync(world, pass, stable, for_stable);
        }
    }
    for index in pass.others().collect::<Vec<_>>() {
        sync(world, pass, index, None);
    }
}

/// Puts metadata into a ReplicaSet's template and takes out what was put in before; tells whether
/// anything changed.
pub(super) fn inject(set: &mut ReplicaSet, wanted: Option<&PodMetadata>) -> bool {
    let present = &set.template.metadata;
    let change = Change::new(set.noted.injected.as_ref(), wanted);
    if !change.alters(&present.labels, &present.annotations) {
        return false;
    }
    let metadata = &mut Arc::make_mut(&mut set.template).metadata;
    change.apply(&mut metadata.labels, &mut metadata.annotations);
    set.noted.injected = wanted.cloned();
    true
}

fn sync(world: &mut World<'_>, pass: &mut Pass, index: usize, wanted: Option<&PodMetadata>) {
    let id = pass.sets[index].id;
    let mut set = replica_set(world, id).clone();
    let injected_before = set.noted.injected.clone();
    if inject(&mut set, wanted) {
        world.api.update(id, |object| {
            if let Body::ReplicaSet(present) = &mut object.body {
                present.template = set.template;
                present.noted.injected = set.noted.injected;
            }
        });
        pass.outdated.push(index);
    }
    if set.replicas == 0 {
        return;
    }
    let change = Change::new(injected_before.as_ref(), wanted);
    let altered = world.api.owned(id).filter(|pod| change.alters(&pod.labels, &pod.annotations));
    for pod in altered.map(|pod| pod.id).collect::<Vec<_>>() {
        world.api.update_metadata(pod, |pod| change.apply(&mut pod.labels, &mut pod.annotations));
    }
}

type Entries = BTreeMap<String, String>;

/// No metadata.
pub(super) static NOTHING: PodMetadata = PodMetadata { labels: Entries::new(), annotations: Entries::new() };

/// What is wanted, and what was injected before and goes where it is not wanted any more. What others
/// put there stays.
struct Change<'a> {
    injected: &'a PodMetadata,
    wanted: &'a PodMetadata,
}

impl<'a> Change<'a> {
    fn new(injected: Option<&'a PodMetadata>, wanted: Option<&'a PodMetadata>) -> Self {
        Self { injected: injected.unwrap_or(&NOTHING), wanted: wanted.unwrap_or(&NOTHING) }
    }

    /// Whether it makes any difference.
    fn alters(&self, labels: &Entries, annotations: &Entries) -> bool {
        let Self { injected, wanted } = self;
        let alters = |present: &Entries, injected: &Entries, wanted: &Entries| {
            wanted.iter().any(|(key, value)| present.get(key) != Some(value))
                || injected.keys().any(|key| !wanted.contains_key(key) && present.contains_key(key))
        };
        alters(labels, &injected.labels, &wanted.labels)
            || alters(annotations, &injected.annotations, &wanted.annotations)
    }

    fn apply(&self, labels: &mut Entries, annotations: &mut Entries) {
        let Self { injected, wanted } = self;
        labels.retain(|key, _| !injected.labels.contains_key(key));
        labels.extend(wanted.labels.clone());
        annotations.retain(|key, _| !injected.annotations.contains_key(key));
        annotations.extend(wanted.annotations.clone());
    }
}

#[cfg(test)]
mod tests {
    use units::Duration;

    use super::*;

    fn role(role: &str) -> PodMetadata {
        PodMetadata {
            labels: BTreeMap::from([("role".to_owned(), role.to_owned())]),
            ..PodMetadata::default()
        }
    }

    fn role_of(set: &ReplicaSet) -> Option<&str> {
        set.template.metadata.labels.get("role").map(String::as_str)
    }

    #[test]
    fn a_role_replaces_the_one_before_and_goes_only_if_it_was_injected() {
        let mut template = manifests::objects::PodTemplate::default();
        template.metadata.labels.insert("app".to_owned(), "model".to_owned());
        let mut set =
            ReplicaSet::new(Arc::new(template), "a".to_owned(), super::super::HASH_LABEL, Duration::ZERO);
        assert!(inject(&mut set, Some(&role("canary"))));
        assert_eq!(role_of(&set), Some("canary"));
        assert!(!inject(&mut set, Some(&role("canary"))));
        assert!(inject(&mut set, Some(&role("stable"))));
        assert_eq!(role_of(&set), Some("stable"));
        assert!(inject(&mut set, None));
        assert_eq!(role_of(&set), None);
        assert_eq!(set.template.metadata.labels.len(), 1);
        Arc::make_mut(&mut set.template).metadata = role("own");
        assert!(!inject(&mut set, None));
        assert_eq!(role_of(&set), Some("own"));
    }
}
