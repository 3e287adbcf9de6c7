//! Properties that hold for all inputs.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot unwrap fails")]

use promql::{Labels, Options, Query, Storage, Value};
use proptest::prelude::*;

fn value_of(storage: &Storage, query: &str, at_ms: i64) -> Vec<f64> {
    match Query::parse(query).unwrap().instant(storage, at_ms).unwrap() {
        Value::Vector(samples) => samples.iter().map(|sample| sample.value).collect(),
        other => panic!("{query} gives {other:?}"),
    }
}

/// PromQL's own pieces, a `·` for each space within one.
const PIECES: &str = r#"
    ( ) { } [ ] , : = != =~ !~ - + * / % ^ == > <= @ # é \ $
    sum rate by without on ignoring group_left bool offset and or unless atan2 smoothed fill
    topk quantile count_values label_replace histogram_quantile ln start() end()
    a b_total le "x" '(.*' `y` "\xff" {{args.x}}
    5m 1h30m 99999999999y 0.9 1e300 0x7fffffffffffffff NaN Inf -Inf
    sum(rate(a[5m])) a[5m:1m] a·@·1e300 a·offset·-1e18 vector(1)
"#;

/// Texts made of PromQL's own pieces reach deeper into the parser than random ones.
fn promql_like() -> impl Strategy<Value = String> {
    let pieces = PIECES.split_whitespace().map(|piece| piece.replace('·', " "));
    let pieces: Vec<String> = pieces.chain(["\n".to_owned()]).collect();
    proptest::collection::vec(proptest::sample::select(pieces), 0..24).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn parsing_never_panics_on_any_text(text in ".{0,80}") {
        let _ = Query::parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn whatever_parses_can_be_evaluated(text in promql_like()) {
        let mut storage = Storage::new();
        promql::notation::load(&mut storage, 60_000, "a 0+1x9\nb_total{le=\"x\"} 1x9").unwrap();
        match Query::parse(&text) {
            Ok(query) => drop(query.instant(&storage, 300_000)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn rate_of_a_counter_that_never_falls_is_never_negative(
        start in 0.0..1e6f64,
        gains in proptest::collection::vec((1i64..120_000, 0.0..1e6f64), 0..40),
        range_s in 1i64..3600,
    ) {
        let mut storage = Storage::new();
        let counter = storage.series(&Labels::new([("__name__", "c_total")]));
        let (mut at_ms, mut value) = (0, start);
        storage.append(counter, at_ms, value).unwrap();
        for (gap_ms, gain) in gains {
            at_ms += gap_ms;
            value += gain;
            storage.append(counter, at_ms, value).unwrap();
        }
        for rate in value_of(&storage, &format!("rate(c_total[{range_s}s])"), at_ms + 1000) {
            prop_assert!(rate >= 0.0, "{rate}");
        }
    }

    #[test]
    fn sums_by_a_label_add_up_to_the_total(
        values in proptest::collection::vec((0u8..4, -1e6..1e6f64), 1..40),
    ) {
        let mut storage = Storage::new();
        for (at, (group, value)) in values.iter().enumerate() {
            let (group, member) = (group.to_string(), at.to_string());
            let labels = Labels::new([("__name__", "x"), ("group", &group), ("member", &member)]);
            let series = storage.series(&labels);
            storage.append(series, 0, *value).unwrap();
        }
        let total = value_of(&storage, "sum(x)", 0)[0];
        let by_group: f64 = value_of(&storage, "sum by (group) (x)", 0).iter().sum();
        let twice = value_of(&storage, "sum(sum by (group) (x))", 0)[0];
        prop_assert!((total - by_group).abs() < 1e-6 && (total - twice).abs() < 1e-6);
    }

    #[test]
    fn a_prepared_query_agrees_with_a_fresh_one_while_series_come_and_go(
        events in proptest::collection::vec((0u8..6, 0u8..8), 1..60),
    ) {
        let queries = [
            "sum by (k) (rate(x[1m]))", "x > 3", "count(x)", "histogram_quantile(0.5, x)",
            "x / ignoring (le) group_left sum without (le) (x)", "topk(2, x)", "max_over_time(x[1m:20s])",
        ];
        let queries = queries.map(|text| Query::parse(text).unwrap());
        let mut prepared = queries.clone().map(|query| query.prepare(Options::default()));
        let mut storage = Storage::new();
        for (at, (which, value)) in events.into_iter().enumerate() {
            let at_ms = at as i64 * 10_000;
            let labels = [("__name__", "x"), ("k", ["a", "b", "c"][usize::from(which % 3)]),
                          ("le", if which < 3 { "1" } else { "+Inf" })];
            let series = storage.series(&Labels::new(labels));
            if value == 0 {
                storage.mark_stale(series, at_ms).unwrap();
            } else {
                storage.append(series, at_ms, f64::from(value)).unwrap();
            }
            for (query, prepared) in queries.iter().zip(&mut prepared) {
                let fresh = query.instant_with_stats(&storage, at_ms);
                let again = prepared.instant(&storage, at_ms);
                prop_assert_eq!(format!("{:?}", fresh), format!("{:?}", again), "{}", query);
            }
        }
    }
}
