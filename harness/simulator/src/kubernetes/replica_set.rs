//! The ReplicaSet controller: as many pods as the spec asks for, and their count
//! (kubernetes pkg/controller/replicaset/replica_set.go: manageReplicas, calculateStatus).

use std::cmp::Reverse;
use std::sync::Arc;

use manifests::objects::ObjectKey;
use timeline::PodPhase;
use units::Time;

use super::{Pod, ReplicaSet, ReplicaSetStatus, as_pod, as_replica_set};
use crate::api::{Body, Object, ObjectId};
use crate::{Task, World};

pub(crate) fn reconcile(world: &mut World<'_>, id: ObjectId) {
    let Some(set) = as_replica_set(world.api.get(id)).filter(|_| world.api.exists(id)).cloned() else {
        return;
    };
    let pods: Vec<ObjectId> = world.api.owned(id).map(|pod| pod.id).collect();
    let wanted = set.replicas as usize;
    for _ in pods.len()..wanted {
        create_pod(world, id, &set);
    }
    if pods.len() > wanted {
        for pod in surplus(world, pods, wanted) {
            world.api.delete(pod);
        }
    }
    write_status(world, id, &set);
}

fn create_pod(world: &mut World<'_>, owner: ObjectId, set: &ReplicaSet) {
    let ordinal = world.kubernetes.next_pod();
    let set_key = world.api.get(owner).key.clone();
    let mut attempt = 0;
    let key = loop {
        let name = format!("{}-{}", set_key.name, suffix(&set_key.name, ordinal, attempt));
        let key = ObjectKey::new("", "Pod", set_key.namespace.as_deref(), &name);
        if world.api.find(&key).is_none() {
            break key;
        }
        attempt += 1;
    };
    let mut labels = set.template.metadata.labels.clone();
    labels.insert(set.hash_label.to_owned(), set.hash.clone());
    labels.extend(set.pod_labels.clone());
    let pod = Pod {
        template: Arc::clone(&set.template),
        ordinal,
        phase: PodPhase::Pending,
        reason: String::new(),
        node: None,
        started: None,
        restarts: 0,
        serving_from: None,
        ready_since: None,
        model: None,
        model_name: None,
        model_ordinal: 0,
        next: None,
    };
    let now = world.now();
    let id = world.api.create(key, Some(owner), Body::Pod(pod), now);
    world.api.update_metadata(id, |object| object.labels = labels);
}

/// Five letters as Kubernetes puts behind generated names (apimachinery pkg/util/rand: SafeEncodeString
/// has this alphabet), fixed by the set's name and the pod's count instead of drawn.
fn suffix(set: &str, ordinal: u32, attempt: u32) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = format!("{set}/{ordinal}/{attempt}");
    let mut hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut letters = String::new();
    for _ in 0..5 {
        letters.push(char::from(ALPHABET[(hash % 27) as usize]));
        hash /= 27;
    }
    letters
}

/// The pods that go when only `wanted` may stay: unassigned before assigned, pending before running,
/// not ready before ready, ready for a shorter time first, more restarts first, newer first
/// (kubernetes pkg/controller/controller_utils.go: ActivePodsWithRanks).
fn surplus(world: &World<'_>, mut pods: Vec<ObjectId>, wanted: usize) -> Vec<ObjectId> {
    pods.sort_by_key(|id| deletion_rank(world.api.get(*id)));
    pods.truncate(pods.len() - wanted);
    pods
}

type DeletionRank = (bool, bool, bool, Reverse<Time>, Reverse<u32>, Reverse<ObjectId>);

fn deletion_rank(object: &Object) -> DeletionRank {
    let pod = as_pod(object).expect("a ReplicaSet owns only pods");
    let running = matches!(pod.phase, PodPhase::Started | PodPhase::Ready | PodPhase::NotReady);
    let ready = pod.phase == PodPhase::Ready;
    let ready_since = pod.ready_since.unwrap_or(Time::MAX);
    (pod.node.is_some(), running, ready, Reverse(ready_since), Reverse(pod.restarts), Reverse(object.id))
}

fn write_status(world: &mut World<'_>, id: ObjectId, set: &ReplicaSet) {
    let now = world.now();
    let mut status = ReplicaSetStatus::default();
    let mut next_available = None;
    for pod in world.api.owned(id).filter_map(as_pod) {
        status.replicas += 1;
        let Some(since) = pod.ready_since.filter(|_| pod.phase == PodPhase::Ready) else { continue };
        status.ready += 1;
        let available_at = since + set.min_ready;
        if available_at <= now {
            status.available += 1;
        } else {
            next_available = Some(next_available.map_or(available_at, |next: Time| next.min(available_at)));
        }
    }
    if let Some(at) = next_available {
        world.kernel.wake_at(at, Task::ReplicaSet(id));
    }
    if as_replica_set(world.api.get(id)).is_some_and(|set| set.status != status) {
        world.api.update_status(id, |object| {
            if let Body::ReplicaSet(set) = &mut object.body {
                set.status = status;
            }
        });
    }
}
