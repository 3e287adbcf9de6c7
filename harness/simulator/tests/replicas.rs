//! The canary's size at each step, end to end, for several numbers of replicas.

mod fixture;

use std::collections::BTreeMap;

/// Canary and stable pods once setWeight 10, 50 and 100 are done, with the default surge and
/// unavailability of 25 % (argo-rollouts v1.10.1 utils/replicaset/canary.go:
/// approximateWeightedCanaryStableReplicaCounts).
const TABLE: [(u32, [(u32, u32); 3]); 5] = [
    (1, [(1, 1), (1, 1), (1, 0)]),
    (2, [(1, 2), (1, 1), (2, 0)]),
    (3, [(1, 3), (2, 2), (3, 0)]),
    (5, [(1, 5), (3, 3), (5, 0)]),
    (10, [(1, 9), (5, 5), (10, 0)]),
];

#[test]
fn the_canary_has_the_pods_that_upstream_gives_it_at_each_step() {
    for (replicas, expected) in TABLE {
        let scenario = fixture::scenario("canary/good-model.yaml", |text| {
            let resize = format!(
                "  - at: 0s\n    merge:\n      title: Resize\n      edit:\n        base/model-serving/rollout.yaml: {{ spec: {{ replicas: {replicas} }} }}\n        overlays/production/kustomization.yaml: {{ patches: [{{ path: model-config.yaml }}] }}\n"
            );
            text.replace("events:\n", &format!("events:\n{resize}"))
                + "cluster: { nodes: 8, webhook: true }\n"
        });
        let timeline = fixture::run(&scenario, &fixture::repository("ai-deployments"), 1);
        // The pods at the end of each setWeight are those at the beginning of the step after it.
        let mut sizes = BTreeMap::new();
        for (_, status) in fixture::rollouts(&timeline) {
            let (step, stable) =
                (status.step.unwrap(), status.stable.as_ref().map_or(0, |version| version.desired));
            if let Some(canary) = &status.canary {
                sizes.entry(step).or_insert((canary.desired, stable));
            }
        }
        let last = fixture::rollouts(&timeline).last().unwrap().1;
        let found = [sizes[&1], sizes[&4], (last.stable.as_ref().unwrap().desired, 0)];
        assert_eq!(found, expected, "{replicas} replicas");
        assert!(last.promoted(), "{replicas} replicas");
    }
}
