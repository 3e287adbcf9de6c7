//! What is drawn follows the profile, and what is expected is the mean of what is drawn.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

use behaviour::{Arrivals, Batch, Buckets, Draws, Effective, Moment, Profile, Sampler};
use proptest::prelude::*;
use units::{Duration, Time};

const HALF_SECOND: Option<Duration> = Some(Duration::from_millis(500));

/// A true law shows a deviation of this many standard errors once in 1.7 million looks.
const FIVE_SIGMA: f64 = 5.0;

fn effective(yaml: &str) -> Effective {
    let profile: Profile = serde_saphyr::from_str(yaml).unwrap();
    profile.at(Moment { age: Duration::from_mins(30), now: Time::from_secs(3_600), pod: 0 })
}

fn flawed() -> Effective {
    effective("{ latency: { p50: 250ms, p99: 550ms }, errors: 3%, wrong: 10%, truncated: 5% }")
}

fn drawn(seed: u64) -> Draws {
    Draws::new(Arrivals::Drawn, seed, "pod/llama3-0")
}

/// Every count of a batch, with its name.
fn figures(batch: &Batch) -> Vec<(String, f64)> {
    let Batch { requests, errors, slow, truncated, wrong, hurt, duration_sum, buckets } = batch;
    let named = [
        ("requests", requests),
        ("errors", errors),
        ("slow", slow),
        ("truncated", truncated),
        ("wrong", wrong),
        ("hurt", hurt),
        ("duration_sum", duration_sum),
    ];
    let named = named.map(|(name, figure)| (name.to_owned(), *figure));
    let buckets = buckets.iter().enumerate().map(|(index, count)| (format!("bucket {index}"), *count));
    named.into_iter().chain(buckets).collect()
}

#[test]
fn drawn_durations_have_the_quantiles_of_the_profile() {
    let buckets = Buckets::default();
    for yaml in ["{ latency: { p50: 180ms, p99: 350ms } }", "{ latency: { p50: 420ms, p99: 900ms } }"] {
        let effective = effective(yaml);
        let sampler = Sampler::new(effective, &buckets, HALF_SECOND);
        // Few requests at a time and very many at once take different ways through the sampler.
        for (expected, times) in [(50.0, 10_000), (500_000.0, 1)] {
            let (mut draws, mut batch) = (drawn(3), Batch::empty(&buckets));
            for _ in 0..times {
                sampler.sample_into(expected, &mut draws, &mut batch);
            }
            for (bound, seen) in buckets.bounds().iter().zip(batch.cumulative()) {
                let share = effective.latency.cdf(*bound);
                let deviation = (share * (1.0 - share) * batch.requests).sqrt();
                let excess = (seen - share * batch.requests).abs();
                assert!(
                    excess <= FIVE_SIGMA * deviation + 1.0,
                    "{yaml} le {bound}: {seen} of {}",
                    batch.requests
                );
            }
        }
    }
}

#[test]
fn expected_counts_are_the_means_of_drawn_ones() {
    let buckets = Buckets::default();
    let threshold = Some(Duration::from_millis(510));
    let sampler = Sampler::new(flawed(), &buckets, threshold);
    for (requests, runs) in [(50.0, 20_000), (2_000.0, 4_000)] {
        let expected = figures(&sampler.sample(requests, &mut Draws::new(Arrivals::Expected, 0, "")));
        let mut draws = drawn(11);
        let runs: Vec<_> = (0..runs).map(|_| figures(&sampler.sample(requests, &mut draws))).collect();
        for (index, (name, expected)) in expected.iter().enumerate() {
            let count = runs.len() as f64;
            let mean = runs.iter().map(|run| run[index].1).sum::<f64>() / count;
            let variance =
                runs.iter().map(|run| libm::pow(run[index].1 - mean, 2.0)).sum::<f64>() / (count - 1.0);
            // A cell that is too rare to show a variance has that of a Poisson number.
            let allowed = FIVE_SIGMA * (variance.max(*expected) / count).sqrt();
            assert!((mean - expected).abs() <= allowed, "{name}: mean {mean}, expected {expected}");
        }
    }
}

#[test]
fn expected_counts_are_products_of_the_shares() {
    let sampler = Sampler::new(flawed(), &Buckets::default(), HALF_SECOND);
    let batch = sampler.sample(1_000.0, &mut Draws::new(Arrivals::Expected, 0, ""));
    let slow = flawed().latency.slower_than(0.5);
    let near = |found: f64, right: f64| assert!((found - right).abs() < 1e-9, "{found} instead of {right}");
    near(batch.errors, 30.0);
    near(batch.slow, 970.0 * slow);
    near(batch.truncated, 970.0 * 0.05);
    near(batch.wrong, 970.0 * 0.1);
    near(batch.hurt, 30.0 + 970.0 * (1.0 - (1.0 - slow) * 0.95 * 0.9));
    near(batch.duration_sum, 1_000.0 * flawed().latency.mean());
    near(batch.cumulative().last().unwrap(), 1_000.0);
}

#[test]
fn a_threshold_inside_a_bucket_counts_exactly_and_leaves_the_buckets_alone() {
    let coarse = Buckets::new(vec![0.3, 1.0]).unwrap();
    let counts = |threshold| {
        let sampler = Sampler::new(flawed(), &coarse, threshold);
        sampler.sample(1_000.0, &mut Draws::new(Arrivals::Expected, 0, ""))
    };
    let (with, without) = (counts(HALF_SECOND), counts(None));
    assert!((with.slow - 970.0 * flawed().latency.slower_than(0.5)).abs() < 1e-9);
    assert_eq!(without.slow, 0.0);
    for (with, without) in with.buckets.iter().zip(&without.buckets) {
        assert!((with - without).abs() < 1e-9);
    }
}

#[test]
fn more_errors_change_neither_the_requests_nor_their_durations() {
    let counts = |errors: &str| {
        let effective = effective(&format!("{{ latency: {{ p50: 250ms, p99: 550ms }}, errors: {errors} }}"));
        let sampler = Sampler::new(effective, &Buckets::default(), HALF_SECOND);
        let mut draws = drawn(5);
        (0..20).map(|_| sampler.sample(80.0, &mut draws)).collect::<Vec<_>>()
    };
    for (healthy, failing) in counts("0%").iter().zip(counts("20%")) {
        assert_eq!((healthy.requests, &healthy.buckets), (failing.requests, &failing.buckets));
        assert!(failing.hurt >= healthy.hurt);
    }
}

#[test]
fn a_slower_model_is_slower_at_every_bound_with_the_same_seed() {
    let counts = |latency: &str| {
        let sampler =
            Sampler::new(effective(&format!("latency: {latency}")), &Buckets::default(), HALF_SECOND);
        sampler.sample(80.0, &mut drawn(5))
    };
    let (fast, slow) = (counts("{ p50: 180ms, p99: 350ms }"), counts("{ p50: 420ms, p99: 900ms }"));
    assert!(fast.cumulative().zip(slow.cumulative()).all(|(fast, slow)| fast >= slow));
}

#[test]
fn a_seed_and_a_purpose_always_give_the_same_counts() {
    let sampler = Sampler::new(flawed(), &Buckets::default(), HALF_SECOND);
    let mut draws = drawn(42);
    let batches = [50.0, 5_000.0].map(|expected| sampler.sample(expected, &mut draws));
    let counts = batches
        .map(|b| [b.requests, b.errors, b.slow, b.truncated, b.wrong, b.hurt].map(|count| count as u64));
    // A seed means these numbers: whoever changes them says so in the CHANGELOG.
    assert_eq!(counts, [[45, 2, 3, 3, 3, 10], [5062, 147, 96, 229, 500, 933]]);
}

#[test]
fn an_expectation_that_is_no_count_is_none_or_the_largest() {
    let sampler = Sampler::new(flawed(), &Buckets::default(), HALF_SECOND);
    for nothing in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
        assert_eq!(sampler.sample(nothing, &mut drawn(1)), Batch::empty(&Buckets::default()));
    }
    let most = sampler.sample(f64::INFINITY, &mut drawn(1));
    assert!((most.requests / 1e15 - 1.0).abs() < 1e-6, "{}", most.requests);
}

proptest! {
    // Counts are whole, add up, and contain each other as they must, whatever the behaviour.
    #[test]
    fn drawn_counts_are_consistent(
        (p50, tail) in (1..3_000_u64, 0..3_000_u64), percents in prop::array::uniform3(0..=100_u32),
        bounds in prop::collection::btree_set(1..5_000_u32, 1..40), threshold in 1..5_000_u64,
        expected in prop_oneof![Just(0.0), 0.0..1_000.0, 1e3..1e9], seed: u64,
    ) {
        let [errors, wrong, truncated] = percents;
        let p99 = p50 + tail.min(p50 * 999);
        let effective = effective(&format!(
            "{{ latency: {{ p50: {p50}ms, p99: {p99}ms }}, errors: {errors}%, wrong: {wrong}%, truncated: {truncated}% }}"
        ));
        let buckets = Buckets::new(bounds.into_iter().map(|ms| f64::from(ms) / 1e3).collect()).unwrap();
        let batch = Sampler::new(effective, &buckets, Some(Duration::from_millis(threshold))).sample(expected, &mut drawn(seed));

        prop_assert_eq!(batch.buckets.iter().sum::<f64>(), batch.requests);
        prop_assert!(figures(&batch).iter().all(|(name, count)| *count >= 0.0 && (name == "duration_sum" || count.fract() == 0.0)));
        let answered = batch.requests - batch.errors;
        prop_assert!(batch.slow <= answered && batch.truncated <= answered && batch.wrong <= answered);
        let most = batch.slow.max(batch.truncated).max(batch.wrong);
        let all = batch.slow + batch.truncated + batch.wrong;
        prop_assert!((batch.errors + most..=batch.errors + all).contains(&batch.hurt) && batch.hurt <= batch.requests);
        let least: f64 = batch.buckets.iter().skip(1).zip(buckets.bounds()).map(|(count, lower)| count * lower).sum();
        prop_assert!(batch.duration_sum >= least * (1.0 - 1e-12));
    }
}
