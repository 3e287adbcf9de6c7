use proptest::prelude::*;

use super::*;

fn wanted(replicas: i64, weight: i64, max_weight: i64, surge: i64, unavailable: i64) -> Wanted {
    Wanted { replicas, weight, max_weight, surge, unavailable, routed: None }
}

fn size(spec: i64, available: i64) -> Size {
    Size { spec, created: spec, available }
}

/// Two counts of pods.
type Pair = (i64, i64);

/// replicas, weight, surge, unavailable; specified and available pods of stable, canary and an older
/// ReplicaSet; the next stable and canary.
type NextCounts = (i64, i64, i64, i64, Pair, Pair, Pair, Pair);

/// replicas, weight, maximum weight, surge; canary, stable. The cases of
/// `utils/replicaset/canary_test.go: TestApproximateWeightedNewStableReplicaCounts`.
#[rustfmt::skip]
const APPROXIMATIONS: &[(i64, i64, i64, i64, i64, i64)] = &[
        (0, 0, 100, 0, 0, 0), (0, 50, 100, 0, 0, 0), (0, 100, 100, 0, 0, 0), (0, 0, 100, 1, 0, 0),
        (0, 50, 100, 1, 0, 0), (0, 100, 100, 1, 0, 0), (1, 0, 100, 0, 0, 1), (1, 1, 100, 0, 0, 1),
        (1, 49, 100, 0, 0, 1), (1, 50, 100, 0, 1, 0), (1, 99, 100, 0, 1, 0), (1, 100, 100, 0, 1, 0),
        (1, 0, 100, 1, 0, 1), (1, 1, 100, 1, 1, 1), (1, 49, 100, 1, 1, 1), (1, 50, 100, 1, 1, 1),
        (1, 99, 100, 1, 1, 1), (1, 100, 100, 1, 1, 0), (2, 0, 100, 0, 0, 2), (2, 1, 100, 0, 1, 1),
        (2, 50, 100, 0, 1, 1), (2, 99, 100, 0, 1, 1), (2, 100, 100, 0, 2, 0), (2, 0, 100, 1, 0, 2),
        (2, 1, 100, 1, 1, 2), (2, 50, 100, 1, 1, 1), (2, 99, 100, 1, 2, 1), (2, 100, 100, 1, 2, 0),
        (3, 10, 100, 0, 1, 2), (3, 25, 100, 0, 1, 2), (3, 33, 100, 0, 1, 2), (3, 34, 100, 0, 1, 2),
        (3, 49, 100, 0, 1, 2), (3, 50, 100, 0, 2, 1), (3, 10, 100, 1, 1, 3), (3, 25, 100, 1, 1, 3),
        (3, 33, 100, 1, 1, 2), (3, 34, 100, 1, 1, 2), (3, 49, 100, 1, 2, 2), (3, 50, 100, 1, 2, 2),
        (10, 0, 100, 1, 0, 10), (10, 1, 100, 0, 1, 9), (10, 14, 100, 0, 1, 9), (10, 15, 100, 0, 2, 8),
        (10, 16, 100, 0, 2, 8), (10, 99, 100, 0, 9, 1), (10, 100, 100, 1, 10, 0), (10, 0, 100, 1, 0, 10),
        (10, 1, 100, 1, 1, 10), (10, 18, 100, 1, 2, 9), (10, 19, 100, 1, 2, 9), (10, 20, 100, 1, 2, 8),
        (10, 23, 100, 1, 2, 8), (10, 24, 100, 1, 3, 8), (10, 25, 100, 1, 3, 8), (10, 99, 100, 1, 10, 1),
        (10, 100, 100, 1, 10, 0),
];

#[test]
fn upstreams_approximations_are_ours() {
    for &(replicas, weight, max_weight, surge, canary, stable) in APPROXIMATIONS {
        let counts = approximate(wanted(replicas, weight, max_weight, surge, 0));
        assert_eq!(counts, Counts { canary, stable }, "{replicas} pods, weight {weight}, surge {surge}");
    }
}

#[test]
fn counts_at_each_weight_with_and_without_surge() {
    let replicas = [1, 2, 3, 5, 10];
    #[rustfmt::skip]
    let table: &[(i64, [Pair; 5], [Pair; 5])] = &[
        (1, [(1, 1), (1, 2), (1, 3), (1, 5), (1, 10)], [(0, 1), (1, 1), (1, 2), (1, 4), (1, 9)]),
        (10, [(1, 1), (1, 2), (1, 3), (1, 5), (1, 9)], [(0, 1), (1, 1), (1, 2), (1, 4), (1, 9)]),
        (20, [(1, 1), (1, 2), (1, 3), (1, 4), (2, 8)], [(0, 1), (1, 1), (1, 2), (1, 4), (2, 8)]),
        (25, [(1, 1), (1, 2), (1, 3), (1, 4), (3, 8)], [(0, 1), (1, 1), (1, 2), (1, 4), (3, 7)]),
        (50, [(1, 1), (1, 1), (2, 2), (3, 3), (5, 5)], [(1, 0), (1, 1), (2, 1), (3, 2), (5, 5)]),
        (75, [(1, 1), (2, 1), (3, 1), (4, 1), (8, 3)], [(1, 0), (0, 2), (2, 1), (4, 1), (8, 2)]),
        (90, [(1, 1), (2, 1), (3, 1), (5, 1), (9, 1)], [(1, 0), (1, 1), (2, 1), (0, 5), (9, 1)]),
        (99, [(1, 1), (2, 1), (3, 1), (5, 1), (10, 1)], [(1, 0), (1, 1), (2, 1), (4, 1), (9, 1)]),
        (100, [(1, 0), (2, 0), (3, 0), (5, 0), (10, 0)], [(1, 0), (2, 0), (3, 0), (5, 0), (10, 0)]),
    ];
    for (weight, with_surge, without) in table {
        for (index, replicas) in replicas.into_iter().enumerate() {
            for (surge, expected) in [(1, with_surge[index]), (0, without[index])] {
                let counts = approximate(wanted(replicas, *weight, 100, surge, 0));
                let case = format!("{replicas} pods, weight {weight}, surge {surge}");
                assert_eq!((counts.canary, counts.stable), expected, "{case}");
            }
        }
    }
}

/// The cases without a router of
/// `utils/replicaset/canary_test.go: TestCalculateReplicaCountsForCanary`.
#[rustfmt::skip]
const NEXT_COUNTS: &[NextCounts] = &[
        (10, 100, 3, 0, (7, 8), (6, 3), (0, 0), (7, 6)),
        (10, 20, 2, 0, (10, 10), (0, 0), (0, 0), (10, 2)),
        (10, 20, 2, 0, (10, 10), (0, 0), (0, 0), (10, 2)),
        (10, 20, 2, 0, (10, 10), (2, 2), (0, 0), (8, 2)),
        (10, 30, 2, 0, (10, 10), (0, 0), (0, 0), (10, 2)),
        (10, 20, 0, 2, (10, 10), (0, 0), (0, 0), (8, 0)),
        (10, 20, 0, 2, (10, 10), (0, 0), (0, 0), (8, 0)),
        (10, 30, 0, 2, (10, 10), (0, 0), (0, 0), (8, 0)),
        (10, 50, 2, 1, (10, 10), (0, 0), (0, 0), (9, 2)),
        (10, 0, 1, 1, (10, 10), (1, 1), (0, 0), (10, 0)),
        (10, 100, 1, 1, (1, 1), (10, 10), (0, 0), (0, 10)),
        (1, 20, 1, 0, (1, 1), (0, 0), (0, 0), (1, 1)),
        (1, 90, 1, 0, (1, 1), (0, 0), (0, 0), (1, 1)),
        (1, 49, 0, 1, (1, 1), (0, 0), (0, 0), (1, 0)),
        (1, 51, 0, 1, (1, 1), (0, 0), (0, 0), (0, 0)),
        (1, 51, 0, 1, (0, 0), (0, 0), (0, 0), (0, 1)),
        (10, 30, 1, 0, (1, 1), (0, 0), (3, 3), (7, 1)),
        (10, 30, 0, 3, (8, 5), (4, 4), (0, 0), (7, 3)),
        (10, 100, 1, 0, (10, 2), (10, 8), (0, 0), (2, 9)),
        (10, 30, 0, 1, (8, 6), (4, 2), (3, 3), (8, 4)),
        (10, 5, 0, 1, (10, 10), (0, 0), (0, 0), (9, 0)),
        (10, 5, 0, 1, (9, 9), (0, 0), (0, 0), (9, 1)),
        (10, 10, 0, 1, (10, 10), (0, 0), (0, 0), (9, 0)),
        (10, 20, 2, 0, (10, 10), (0, 0), (0, 0), (10, 2)),
        (4, 100, 1, 0, (4, 1), (0, 0), (0, 0), (4, 1)),
        (3, 99, 0, 2, (3, 3), (0, 0), (0, 0), (1, 0)),
        (3, 99, 0, 2, (1, 1), (0, 0), (0, 0), (1, 2)),
        (4, 100, 1, 0, (4, 1), (1, 1), (0, 0), (3, 1)),
        (4, 0, 1, 0, (0, 0), (4, 4), (0, 0), (1, 4)),
        (4, 0, 1, 0, (1, 0), (4, 4), (0, 0), (1, 4)),
        (4, 0, 1, 0, (1, 1), (4, 4), (0, 0), (1, 3)),
        (4, 100, 4, 4, (4, 4), (0, 0), (0, 0), (0, 4)),
        (4, 100, 3, 0, (4, 4), (0, 0), (0, 0), (4, 3)),
];

#[test]
fn upstreams_next_counts_are_ours() {
    for (index, &(replicas, weight, surge, unavailable, stable, canary, older, expected)) in
        NEXT_COUNTS.iter().enumerate()
    {
        let others = [size(older.0, older.1)];
        let sizes = Sizes {
            new: size(canary.0, canary.1),
            stable: Some(size(stable.0, stable.1)),
            new_is_stable: false,
            others: &others,
        };
        let counts = next_counts(wanted(replicas, weight, 100, surge, unavailable), sizes, None);
        assert_eq!((counts.stable, counts.canary), expected, "case {index}");
    }
}

/// Iterates to a fixpoint, one class a pass, and writes what was scaled: `S4 C1 ·`. New pods become
/// available at the dots, when nothing can be scaled without them.
fn walk(wanted: Wanted, canary: &mut i64, stable: &mut i64) -> String {
    let (mut new, mut old) = (size(*canary, *canary), size(*stable, *stable));
    let mut scaled = Vec::new();
    for _ in 0..50 {
        let counts =
            next_counts(wanted, Sizes { new, stable: Some(old), new_is_stable: false, others: &[] }, None);
        if counts.stable != old.spec {
            old = size(counts.stable, old.available.min(counts.stable));
            scaled.push(format!("S{}", old.spec));
        } else if counts.canary != new.spec {
            new = size(counts.canary, new.available.min(counts.canary));
            scaled.push(format!("C{}", new.spec));
        } else if (new.available, old.available) != (new.spec, old.spec) {
            (new.available, old.available) = (new.spec, old.spec);
            scaled.push("·".to_owned());
        } else {
            (*canary, *stable) = (new.spec, old.spec);
            return scaled.join(" ");
        }
    }
    panic!("no fixpoint after {scaled:?}");
}

#[test]
fn pods_move_one_class_at_a_time() {
    // replicas, surge, unavailable; to 10 %, on to 50 %, back after an abort there, on to 100 %.
    #[rustfmt::skip]
    let table = [
        (1, 1, 0, "C1 ·", "", "C0", "S0"),
        (2, 1, 0, "C1 ·", "S1", "S2 · C0", "C2 · S0"),
        (3, 1, 0, "C1 ·", "S2 C2 ·", "C1 S3 · C0", "S1 C3 · S0"),
        (5, 2, 1, "C1 ·", "S3 C3 ·", "S4 C1 S5 · C0", "S1 C5 · S0"),
        (10, 3, 2, "S9 C1 ·", "S7 C5 · S5", "S8 C3 S10 · C0", "S3 C10 · S0"),
        (5, 0, 1, "S4 C1 ·", "S3 C2 · S2 C3 ·", "C2 S3 · C1 S4 · C0 S5 ·", "S1 C4 · S0 C5 ·"),
    ];
    for (replicas, surge, unavailable, to_ten, to_half, back, to_all) in table {
        let at = |weight| wanted(replicas, weight, 100, surge, unavailable);
        let (mut canary, mut stable) = (0, replicas);
        assert_eq!(walk(at(10), &mut canary, &mut stable), to_ten, "{replicas} pods to 10 %");
        assert_eq!(walk(at(50), &mut canary, &mut stable), to_half, "{replicas} pods to 50 %");
        let (mut aborted_canary, mut aborted_stable) = (canary, stable);
        assert_eq!(walk(at(0), &mut aborted_canary, &mut aborted_stable), back, "{replicas} pods back");
        assert_eq!(walk(at(100), &mut canary, &mut stable), to_all, "{replicas} pods to 100 %");
    }
}

#[test]
fn the_first_template_grows_at_once_and_a_promoted_one_follows_replicas() {
    let first = Sizes { new: size(0, 0), stable: None, new_is_stable: false, others: &[] };
    assert_eq!(next_counts(wanted(5, 100, 100, 2, 1), first, None).canary, 5);
    let promoted = Sizes { new: size(5, 5), stable: Some(size(5, 5)), new_is_stable: true, others: &[] };
    for replicas in [0, 3, 5, 8] {
        assert_eq!(next_counts(wanted(replicas, 100, 100, 1, 0), promoted, None).canary, replicas);
    }
}

#[test]
fn a_step_is_reached_when_the_canary_is_available_and_nothing_superfluous_exists() {
    let half = wanted(4, 50, 100, 1, 1);
    let reached = |new: Size, stable: Size, other: i64, threshold| {
        let others = [size(other, other)];
        at_desired_counts(
            half,
            threshold,
            Sizes { new, stable: Some(stable), new_is_stable: false, others: &others },
            None,
        )
    };
    let lingering = Size { spec: 2, created: 3, available: 2 };
    let percent = |value| Some(ProgressThreshold { kind: ThresholdKind::Percent, value });
    let pods = |value| Some(ProgressThreshold { kind: ThresholdKind::Pods, value });
    let cases = [
        ("all there", size(2, 2), size(2, 2), 0, None, true),
        ("canary not available", size(2, 1), size(2, 2), 0, None, false),
        ("stable not available", size(2, 2), size(2, 0), 0, None, true),
        ("surplus stable pod still there", size(2, 2), lingering, 0, None, false),
        ("another template serves", size(2, 2), size(2, 2), 1, None, false),
        ("half of the canary is enough", size(2, 1), size(2, 2), 0, percent(50), true),
        ("half is not 60 %", size(2, 1), size(2, 2), 0, percent(60), false),
        ("one pod is enough", size(2, 1), size(2, 2), 0, pods(1), true),
        ("a negative threshold is none", size(2, 1), size(2, 2), 0, pods(-1), false),
    ];
    for (name, new, stable, other, threshold, expected) in cases {
        assert_eq!(reached(new, stable, other, threshold), expected, "{name}");
    }
}

#[test]
fn without_surge_a_weight_of_one_hundred_less_fifty_by_replicas_leaves_no_canary() {
    for (replicas, weight) in [(2, 75), (5, 90), (10, 95), (25, 98), (50, 99)] {
        let counts = approximate(wanted(replicas, weight, 100, 0, 1));
        assert_eq!(counts, Counts { canary: 0, stable: replicas }, "{replicas} pods");
    }
}

proptest! {
    // From any state that keeps the limits, the next one keeps them, too.
    #[test]
    fn neither_limit_is_broken(
        replicas in 0_i64..30, weight in 0_i64..=100, surge in 0_i64..5, unavailable in 0_i64..5,
        total in 0_i64..40, canary in 0_i64..40,
    ) {
        let unavailable = if surge == 0 { unavailable.max(1) } else { unavailable }.min(replicas);
        let total = replicas - unavailable + total % (surge + unavailable + 1);
        let canary = canary % (total + 1);
        let stable = total - canary;
        let sizes = Sizes {
            new: size(canary, canary), stable: Some(size(stable, stable)), new_is_stable: false, others: &[],
        };
        let counts = next_counts(wanted(replicas, weight, 100, surge, unavailable), sizes, None);
        prop_assert!(counts.canary >= 0 && counts.stable >= 0);
        prop_assert!(counts.canary + counts.stable <= replicas + surge);
        // Pods that are asked for and not there yet are not available.
        let available = counts.canary.min(canary) + counts.stable.min(stable);
        prop_assert!(available >= (replicas - unavailable).min(stable + canary));
    }
}
