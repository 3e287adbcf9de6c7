//! Random storages and queries for the comparison with Prometheus.

use promql::{Labels, STALE_NAN};
use proptest::prelude::*;
use proptest::sample::select;

/// A series and its samples.
pub(crate) type Series = (Labels, Vec<(i64, f64)>);

/// Counters `c_total`, gauges `g`, and a histogram `h_bucket`, each in a few copies.
pub(crate) fn storage() -> impl Strategy<Value = Vec<Series>> {
    let roles = ["canary", "stable", ""];
    let pods = ["a", "b"];
    let mut all: Vec<BoxedStrategy<Series>> = Vec::new();
    for role in roles {
        for pod in pods {
            let labels = move |name| vec![("__name__", name), ("job", "model"), ("pod", pod), ("role", role)];
            all.push(series(labels("c_total"), counter().boxed()).boxed());
            all.push(series(labels("g"), gauge().boxed()).boxed());
            for (le, factor) in [("0.1", 1.0), ("0.5", 2.0), ("1", 2.5), ("+Inf", 3.0)] {
                let mut labels = labels("h_bucket");
                labels.push(("le", le));
                let values = counter().prop_map(move |values| values.iter().map(|v| v * factor).collect());
                all.push(series(labels, values.boxed()).boxed());
            }
        }
    }
    (all, any::<u64>()).prop_map(|(all, keep)| {
        // A random part of them; at most 36, so that the bits suffice.
        all.into_iter().enumerate().filter(|(at, _)| keep >> at & 1 == 1).map(|(_, series)| series).collect()
    })
}

fn counter() -> impl Strategy<Value = Vec<f64>> {
    let gain = prop_oneof![4 => 0.0..50.0f64, 2 => Just(0.0), 1 => Just(-1.0)];
    prop::collection::vec(gain, 41).prop_map(|gains| {
        let mut value = gains[0].max(0.0);
        let step = |gain: &f64| {
            value = if *gain < 0.0 { 0.0 } else { value + gain };
            value
        };
        gains[1..].iter().map(step).collect()
    })
}

fn gauge() -> impl Strategy<Value = Vec<f64>> {
    let value =
        prop_oneof![20 => -1e3..1e3f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(1e300)];
    prop::collection::vec(value, 40)
}

/// Scrapes every 15 s or 30 s, from some time until some time, with gaps and perhaps a stale marker.
fn series(
    labels: Vec<(&'static str, &'static str)>,
    values: BoxedStrategy<Vec<f64>>,
) -> impl Strategy<Value = Series> {
    let shape = (
        (select(vec![15_000i64, 30_000]), any::<bool>()),
        0i64..300_000,
        0usize..40,
        any::<bool>(),
        any::<u64>(),
    );
    (values, shape).prop_map(move |(values, ((interval_ms, jitter), start_ms, length, stale, gaps))| {
        // Scrapes are late by up to a tenth of the interval or so.
        let late = |at: usize| (gaps.rotate_right(at as u32) % 4_000) as i64;
        let time = |at: usize| start_ms + at as i64 * interval_ms + if jitter { late(at) } else { 0 };
        let kept = values.iter().take(length).enumerate().filter(|(at, _)| gaps >> at & 7 != 0);
        let mut points: Vec<(i64, f64)> = kept.map(|(at, &value)| (time(at), value)).collect();
        points.extend(stale.then(|| (time(length), STALE_NAN)));
        (Labels::new(labels.iter().copied()), points)
    })
}

/// An expression that is an instant vector.
pub(crate) fn query() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![selector(), range_call(), range_call()];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let grouping = select(vec![
            "", "by (role)", "by (le)", "by (pod, role)", "without (pod)", "without (le, role)", "by (missing)",
        ]);
        let aggregation = select(vec!["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]);
        let map = select(vec!["abs", "ceil", "floor", "sgn", "sqrt", "ln", "log2", "log10", "absent", "-", "sort", "sin", "cosh", "atan",
            "asinh", "tanh", "acos", "deg", "rad", "hour", "minute", "year", "month", "day_of_week", "day_of_month",
            "day_of_year", "days_in_month"]);
        let operator = select(vec!["+", "-", "*", "/", "%", ">", "<=", "==", "!=", "> bool", "== bool", "^", "atan2"]);
        let set = select(vec!["and", "or", "unless"]);
        let matching = select(vec![
            "", "on (role)", "on (pod, role)", "on ()", "ignoring (le)", "ignoring (pod)",
            "on (role) group_left ()", "ignoring (le) group_left ()", "on (pod, role) group_right (job)",
            "on (pod) group_left (role)",
        ]);
        let set_matching = select(vec!["", "on (role)", "on ()", "ignoring (le)", "ignoring (pod, role)"]);
        let number = select(vec!["0", "0.5", "2", "-3", "NaN", "Inf", "100"]);
        let quantile = select(vec!["0", "0.5", "0.9", "0.99", "1", "-1", "2"]);
        let over = select(vec!["avg", "sum", "min", "max", "count", "last", "stddev", "present"]);
        let step = select(vec!["30s", "1m", "", "45s"]);
        prop_oneof![
            4 => (aggregation, grouping.clone(), inner.clone()).prop_map(|(op, by, e)| format!("{op} {by} ({e})")),
            2 => (quantile.clone(), inner.clone()).prop_map(|(q, e)| format!("histogram_quantile({q}, {e})")),
            1 => (quantile.clone(), number.clone(), inner.clone())
                .prop_map(|(low, high, e)| format!("histogram_fraction({low}, {high}, {e})")),
            1 => (quantile, grouping.clone(), inner.clone()).prop_map(|(q, by, e)| format!("quantile {by} ({q}, {e})")),
            1 => (grouping, inner.clone()).prop_map(|(by, e)| format!("count_values {by} (\"v\", round({e}))")),
            2 => (map, inner.clone()).prop_map(|(f, e)| format!("{f}({e})")),
            1 => (number.clone(), inner.clone()).prop_map(|(n, e)| format!("clamp({e}, -10, {n})")),
            3 => (inner.clone(), operator.clone(), number.clone()).prop_map(|(e, op, n)| format!("({e}) {op} {n}")),
            1 => (inner.clone(), operator.clone(), number).prop_map(|(e, op, n)| format!("{n} {op} ({e})")),
            4 => (inner.clone(), operator, matching, inner.clone())
                .prop_map(|(l, op, m, r)| format!("({l}) {op} {m} ({r})")),
            3 => (inner.clone(), set, set_matching, inner.clone())
                .prop_map(|(l, op, m, r)| format!("({l}) {op} {m} ({r})")),
            1 => (over, inner.clone(), step).prop_map(|(f, e, s)| format!("{f}_over_time(({e})[3m:{s}])")),
            1 => inner.clone().prop_map(|e| format!("label_replace({e}, \"role\", \"x-$1\", \"role\", \"(.).*\")")),
            1 => inner.clone().prop_map(|e| format!("label_join({e}, \"all\", \"/\", \"pod\", \"role\")")),
            1 => inner.clone().prop_map(|e| format!("vector(scalar({e}) + time())")),
            1 => inner.prop_map(|e| format!("timestamp({e})")),
        ]
    })
}

fn selector() -> impl Strategy<Value = String> {
    let names = select(vec!["c_total", "g", "h_bucket", "nothing"]);
    let matchers = select(vec![
        "",
        "{role=\"canary\"}",
        "{role!=\"canary\"}",
        "{pod=~\"a|c\"}",
        "{role!~\"c.*\"}",
        "{role=\"\"}",
        "{role=~\"canary|stable\", pod=\"b\"}",
        "{le=\"+Inf\"}",
    ]);
    let shifts =
        select(vec!["", "", "", " offset 1m", " offset -30s", " @ 300", " @ 200 offset 45s", " @ end()"]);
    (names, matchers, shifts).prop_map(|(name, matchers, shift)| format!("{name}{matchers}{shift}"))
}

fn range_call() -> impl Strategy<Value = String> {
    let functions = select(vec![
        "predict_linear",
        "quantile_over_time",
        "rate",
        "increase",
        "delta",
        "irate",
        "idelta",
        "deriv",
        "changes",
        "resets",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "sum_over_time",
        "count_over_time",
        "last_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "present_over_time",
        "absent_over_time",
    ]);
    let ranges = select(vec!["[15s]", "[1m]", "[2m]", "[5m]", "[10m]", "[1m:15s]", "[4m:1m]", "[5m:]"]);
    (functions, selector(), ranges).prop_map(|(function, selector, range)| {
        // The range stands between the matchers and the modifiers.
        let at =
            selector.find(" offset").into_iter().chain(selector.find(" @")).min().unwrap_or(selector.len());
        let (series, shift) = selector.split_at(at);
        match function {
            // Upstream's engine stumbles over a second argument beside a subquery that `@` fixes.
            "predict_linear" if range.contains(':') => format!("predict_linear({series}{range}, 600)"),
            "predict_linear" => format!("predict_linear({series}{range}{shift}, 600)"),
            "quantile_over_time" => format!("quantile_over_time(0.9, {series}{range}{shift})"),
            _ => format!("{function}({series}{range}{shift})"),
        }
    })
}
