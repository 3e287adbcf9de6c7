//! The ReplicaSets of a Rollout as a pass finds them.

use std::sync::Arc;

use manifests::objects::PodTemplate;
use units::Time;

use super::pass::Pass;
use super::replicas::{Size, Sizes};
use super::status::{Hash, RolloutState};
use crate::World;
use crate::api::{Body, ObjectId};
use crate::kubernetes::{ReplicaSet, as_replica_set};

/// A ReplicaSet of the Rollout as the pass found it.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub(super) id: ObjectId,
    pub(super) name: Arc<str>,
    pub(super) hash: Hash,
    /// Its pods' template.
    pub(super) template: Arc<PodTemplate>,
    pub(super) revision: u64,
    pub(super) created: Time,
    pub(super) size: Size,
    pub(super) ready: u32,
    /// The Rollout's `replicas` when this set was scaled last.
    pub(super) desired_replicas: Option<u32>,
    /// When it is to be scaled to nothing.
    pub(super) deadline: Option<Time>,
}

/// The ReplicaSets of a Rollout, oldest first.
pub(super) fn of(world: &World<'_>, rollout: ObjectId) -> Vec<Set> {
    let owned = world.api.owned(rollout);
    owned
        .filter_map(|object| {
            let set = as_replica_set(object)?;
            Some(Set {
                id: object.id,
                name: Arc::clone(&object.key.name),
                hash: set.hash.as_str().into(),
                template: Arc::clone(&set.template),
                revision: set.noted.revision,
                created: object.created,
                size: Size::of(set),
                ready: set.status.ready,
                desired_replicas: set.noted.desired_replicas,
                deadline: set.noted.scale_down_deadline,
            })
        })
        .collect()
}

/// What a pass asks of its ReplicaSets.
impl Pass {
    pub(super) fn new_set(&self) -> &Set {
        &self.sets[self.new]
    }

    pub(super) fn stable_set(&self) -> Option<&Set> {
        self.stable.map(|index| &self.sets[index])
    }

    /// The stable ReplicaSet, where it is not the new one (`CheckStableRSExists`).
    pub(super) fn apart_stable(&self) -> Option<usize> {
        self.stable.filter(|index| *index != self.new)
    }

    /// ReplicaSets that are neither new nor stable, by position.
    pub(super) fn others(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.sets.len()).filter(|index| *index != self.new && Some(*index) != self.stable)
    }

    pub(super) fn others_than_new(&self) -> impl Iterator<Item = &Set> {
        self.sets.iter().enumerate().filter(|(index, _)| *index != self.new).map(|(_, set)| set)
    }

    pub(super) fn available(&self) -> u32 {
        pods(self.sets.iter().map(|set| set.size.available))
    }

    pub(super) fn other_sizes(&self) -> Vec<Size> {
        self.others().map(|index| self.sets[index].size).collect()
    }

    pub(super) fn sizes<'a>(&self, others: &'a [Size]) -> Sizes<'a> {
        Sizes {
            new: self.new_set().size,
            stable: self.stable_set().map(|set| set.size),
            new_is_stable: self.stable == Some(self.new),
            others,
        }
    }

    /// Whether a ReplicaSet has all the Rollout's pods, and was scaled for so many (`IsSaturated`).
    pub(super) fn is_saturated(&self, set: &Set) -> bool {
        let replicas = self.rollout.spec.replicas();
        let all = i64::from(replicas);
        set.size.spec == all && set.size.available == all && set.desired_replicas == Some(replicas)
    }

    /// Whether all pods of the template that the active Service selects are available.
    pub(super) fn active_is_saturated(&self, next: &RolloutState) -> bool {
        let active = next.blue_green.active.as_ref();
        let active = self.sets.iter().find(|set| Some(&set.hash) == active);
        active.is_some_and(|set| self.is_saturated(set))
    }
}

/// The sum of counts of pods.
pub(super) fn pods(counts: impl IntoIterator<Item = i64>) -> u32 {
    u32::try_from(counts.into_iter().sum::<i64>()).unwrap_or(0)
}

/// A ReplicaSet itself.
pub(super) fn replica_set<'w>(world: &'w World<'_>, id: ObjectId) -> &'w ReplicaSet {
    match &world.api.get(id).body {
        Body::ReplicaSet(set) => set,
        Body::Pod(_)
        | Body::AnalysisRun(_)
        | Body::Experiment(_)
        | Body::Job(_)
        | Body::Rollout(..)
        | Body::Deployment(..)
        | Body::Application(..)
        | Body::Plain(_) => panic!("a ReplicaSet's id leads to a ReplicaSet"),
    }
}
