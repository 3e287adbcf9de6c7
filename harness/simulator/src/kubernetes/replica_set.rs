//! The ReplicaSet controller: as many pods as the spec asks for, and their count
//! (kubernetes pkg/controller/replicaset/replica_set.go: manageReplicas, calculateStatus).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::objects::ObjectKey;
use planted::Bug;
use timeline::PodPhase;
use units::Time;

use super::{Pod, ReplicaSet, ReplicaSetStatus, as_pod, as_replica_set, kubelet};
use crate::api::{Body, Object, ObjectId};
use crate::{Task, World};

pub(crate) fn reconcile(world: &mut World<'_>, id: ObjectId) {
    let Some(set) = as_replica_set(world.api.get(id)).filter(|_| world.api.exists(id)).cloned() else {
        return;
    };
    // The status counts the pods that were found, so that one that was replaced at once is seen to be missing.
    write_status(world, id, &set);
    let pods: Vec<ObjectId> = world.api.owned(id).map(|pod| pod.id).collect();
    let wanted = set.replicas as usize;
    for _ in pods.len()..wanted {
        create_pod(world, id, &set);
    }
    if pods.len() > wanted {
        for pod in surplus(world, id, pods, wanted) {
            world.api.delete(pod);
        }
    }
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
        gpus: kubelet::gpus(&set.template.spec),
        ordinal,
        phase: PodPhase::Pending,
        reason: String::new(),
        node: None,
        started: None,
        restarts: 0,
        back_off: 0,
        serving_from: None,
        ready_since: None,
        model: None,
        model_name: None,
        model_ordinal: 0,
        next: None,
    };
    let now = world.now();
    let id = world.api.create(key, Some(owner), Body::Pod(pod), now);
    world.api.update_metadata(id, |object| {
        object.labels = labels;
        object.annotations.clone_from(&set.template.metadata.annotations);
    });
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

/// The pods that go when only `wanted` may stay (kubernetes pkg/controller/controller_utils.go:
/// ActivePodsWithRanks). Times are compared as they are, where upstream takes those that have the same
/// order of magnitude for equal and decides by chance.
fn surplus(world: &World<'_>, set: ObjectId, mut pods: Vec<ObjectId>, wanted: usize) -> Vec<ObjectId> {
    let beside = related_by_node(world, set);
    pods.sort_by_cached_key(|id| deletion_rank(world.api.get(*id), &beside));
    pods.truncate(pods.len() - wanted);
    pods
}

/// On each node, the pods of all replica sets that have the same owner as this one
/// (kubernetes pkg/controller/replicaset/replica_set.go: getPodsRankedByRelatedPodsOnSameNode).
fn related_by_node(world: &World<'_>, set: ObjectId) -> BTreeMap<u32, u32> {
    let related = match world.api.get(set).owner {
        Some(owner) => world.api.owned(owner).map(|set| set.id).collect(),
        None => vec![set],
    };
    let mut pods = BTreeMap::new();
    for pod in related.into_iter().flat_map(|set| world.api.owned(set)).filter_map(as_pod) {
        if let Some(node) = pod.node {
            *pods.entry(node).or_default() += 1;
        }
    }
    pods
}

/// The pod with the smallest goes first: without a node, not running, not ready, of lower deletion cost,
/// among more of its like on its node, ready for a shorter time, started again more often, newer.
type DeletionRank = (bool, bool, bool, i32, Reverse<u32>, Reverse<Time>, Reverse<u32>, Reverse<ObjectId>);

fn deletion_rank(object: &Object, beside: &BTreeMap<u32, u32>) -> DeletionRank {
    let pod = as_pod(object).expect("a ReplicaSet owns only pods");
    let cost = object.annotations.get("controller.kubernetes.io/pod-deletion-cost");
    let cost = cost.and_then(|cost| cost.parse().ok()).unwrap_or(0);
    let neighbours = pod.node.and_then(|node| beside.get(&node)).copied().unwrap_or(0);
    let ready_since = pod.ready_since.unwrap_or(Time::MAX);
    (
        pod.node.is_some(),
        pod.started.is_some(),
        pod.phase == PodPhase::Ready,
        cost,
        Reverse(neighbours),
        Reverse(ready_since),
        Reverse(pod.restarts),
        Reverse(object.id),
    )
}

fn write_status(world: &mut World<'_>, id: ObjectId, set: &ReplicaSet) {
    let now = world.now();
    let mut status = ReplicaSetStatus::default();
    let mut next_available = None;
    for pod in world.api.owned(id).filter_map(as_pod) {
        status.replicas += 1;
        let Some(since) = pod.ready_since.filter(|_| pod.phase == PodPhase::Ready) else { continue };
        status.ready += 1;
        let available_at = if planted::is(Bug::MinReadyIgnored) { since } else { since + set.min_ready };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, pod, pods};

    /// A change of a pod and of its metadata.
    type Change = fn(&mut Pod, &mut BTreeMap<String, String>);

    /// Two ready pods on nodes of their own; `change` acts on the first.
    fn first_to_go(change: Change) -> &'static str {
        let mut world = testing::world("", &[("all.yaml", testing::DEPLOYMENT)]);
        testing::run_until(&mut world, 30);
        let ids = pods(&world);
        world.api.update_status(ids[0], |object| {
            if let Body::Pod(pod) = &mut object.body {
                change(pod, &mut object.annotations);
            }
        });
        let set = world.api.get(ids[0]).owner.unwrap();
        if surplus(&world, set, ids.clone(), 1) == [ids[0]] { "first" } else { "second" }
    }

    #[test]
    fn pods_go_in_upstreams_order() {
        let changes: [(&str, Change, &str); 9] = [
            ("nothing differs: the newer one", |_, _| (), "second"),
            ("no node", |pod, _| pod.node = None, "first"),
            ("never started", |pod, _| pod.started = None, "first"),
            ("not ready", |pod, _| pod.phase = PodPhase::NotReady, "first"),
            ("between two starts", |pod, _| pod.phase = PodPhase::Waiting, "first"),
            ("ready for a shorter time", |pod, _| pod.ready_since = Some(Time::from_secs(20)), "first"),
            ("ready for a longer time", |pod, _| pod.ready_since = Some(Time::from_secs(5)), "second"),
            ("restarts", |pod, _| pod.restarts = 1, "first"),
            (
                "deletion cost, though restarted",
                |pod, annotations| {
                    pod.restarts = 1;
                    annotations
                        .insert("controller.kubernetes.io/pod-deletion-cost".to_owned(), "5".to_owned());
                },
                "second",
            ),
        ];
        for (why, change, expected) in changes {
            assert_eq!(first_to_go(change), expected, "{why}");
        }
    }

    #[test]
    fn a_node_with_more_of_the_owners_pods_is_relieved_first() {
        let three = testing::DEPLOYMENT.replace("replicas: 2", "replicas: 3");
        let mut world = testing::world("cluster: {nodes: 2}", &[("all.yaml", &three)]);
        testing::run_until(&mut world, 30);
        let nodes: Vec<_> = pods(&world).into_iter().filter_map(|id| pod(&world, id).node).collect();
        assert_eq!(nodes, [0, 1, 0]);
        let ids = pods(&world);
        let set = world.api.get(ids[0]).owner.unwrap();
        assert_eq!(surplus(&world, set, ids.clone(), 0), [ids[2], ids[0], ids[1]]);
    }

    #[test]
    fn a_pod_is_available_once_it_was_ready_for_long_enough() {
        let spec = testing::DEPLOYMENT.replace("replicas: 2", "replicas: 2\n  minReadySeconds: 30");
        let mut world = testing::world("", &[("all.yaml", &spec)]);
        let status = |world: &World<'_>| {
            let set = world.api.owned(testing::id(world, "Deployment", "web")).next().unwrap();
            let ReplicaSetStatus { replicas, ready, available } = as_replica_set(set).unwrap().status;
            (replicas, ready, available)
        };
        for (second, expected) in
            [(0, (2, 0, 0)), (11, (2, 0, 0)), (12, (2, 2, 0)), (41, (2, 2, 0)), (42, (2, 2, 2))]
        {
            testing::run_until(&mut world, second);
            assert_eq!(status(&world), expected, "at {second} s");
        }
        testing::patch(&mut world, "Deployment", "web", "{spec: {minReadySeconds: 60}}");
        testing::run_until(&mut world, 43);
        assert_eq!(status(&world), (2, 2, 0), "a longer time is asked for now");
        testing::run_until(&mut world, 72);
        assert_eq!(status(&world), (2, 2, 2));
    }

    #[test]
    fn a_deleted_pod_is_replaced_under_another_name() {
        let mut world = testing::world("", &[("all.yaml", testing::DEPLOYMENT)]);
        testing::run_until(&mut world, 30);
        let names = |world: &World<'_>| -> Vec<String> {
            pods(world).iter().map(|id| world.api.get(*id).key.name.to_string()).collect()
        };
        let before = names(&world);
        let first = pods(&world)[0];
        testing::delete(&mut world, first);
        testing::run_until(&mut world, 30);
        let after = names(&world);
        assert_eq!(after.len(), 2);
        assert!(after.contains(&before[1]) && !after.contains(&before[0]), "{before:?} {after:?}");
        let labels = &world.api.get(pods(&world)[1]).labels;
        assert_eq!((labels["app"].as_str(), labels.contains_key("pod-template-hash")), ("web", true));
    }
}
