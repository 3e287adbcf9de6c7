//! What the crate promises beyond results.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot unwrap fails")]

use promql::{At, FUNCTIONS, Labels, Options, Query, QueryError, Storage, Value, notation};

fn storage() -> Storage {
    let mut storage = Storage::new();
    let series =
        "x{role=\"canary\",pod=\"a\"} 0+1x20\nx{role=\"canary\",pod=\"b\"} 0+1x20\nx{role=\"stable\"} 1x20";
    notation::load(&mut storage, 15_000, series).unwrap();
    storage
}

fn error(query: &str) -> String {
    Query::parse(query).unwrap_err().to_string()
}

#[test]
fn an_evaluation_says_how_much_it_looked_at() {
    let cases = [
        (r#"x{role="canary"}"#, 2, 2),
        (r#"sum(rate(x{role="canary"}[1m]))"#, 2, 8),
        ("sum(x) / count(x)", 3, 6),
        ("nothing", 0, 0),
        ("1 + 1", 0, 0),
    ];
    for (query, series, samples) in cases {
        let found = Query::parse(query).unwrap().instant_with_stats(&storage(), 300_000).unwrap();
        assert_eq!((found.series, found.samples), (series, samples), "{query}");
    }
}

#[test]
fn selectors_are_listed_with_their_times() {
    let text =
        r#"sum(rate(a{role=~"c.*"}[5m] offset 1m)) / max_over_time(b[10m:1m]) > on () group_left c @ 30"#;
    let query = Query::parse(text).unwrap();
    let [a, b, c] = query.selectors() else { panic!("{:?}", query.selectors()) };
    assert_eq!((a.metric_name(), a.range_ms, a.offset_ms), (Some("a"), Some(300_000), 60_000));
    assert_eq!(a.matchers[1].to_string(), r#"role=~"c.*""#);
    assert_eq!((b.metric_name(), b.range_ms, b.subquery_ms), (Some("b"), None, 600_000));
    assert_eq!((c.metric_name(), c.at), (Some("c"), Some(At::Ms(30_000))));
    assert_eq!(storage().select(&Query::parse("x{pod!=\"\"}").unwrap().selectors()[0].matchers).len(), 2);
}

#[test]
fn everything_that_is_not_simulated_is_named_at_once() {
    let text = "histogram_sum(x) + sum(mad_over_time(x[5m])) + limitk(1, x) + histogram_sum(x)";
    let QueryError::NotSimulated { features, .. } = Query::parse(text).unwrap_err() else { panic!() };
    let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
    let expected =
        ["PromQL function `histogram_sum`", "PromQL function `mad_over_time`", "PromQL aggregation `limitk`"];
    assert_eq!(names, expected);
}

#[test]
fn errors_show_the_place() {
    let cases = [
        (
            "sum(rate(x[5m])",
            "invalid PromQL: `(` is not closed (line 1, column 4)\n  | sum(rate(x[5m])\n  |    ^",
        ),
        ("x)", "invalid PromQL: `)` closes nothing (line 1, column 2)\n  | x)\n  |  ^"),
        ("x[5m)", "invalid PromQL: `[` is closed by `)` (line 1, column 5)\n  | x[5m)\n  |     ^"),
        (
            "a +\n  b{c=\"d}",
            "invalid PromQL: this string does not end (line 2, column 7)\n  |   b{c=\"d}\n  |       ^",
        ),
        (
            "sum(x)\n  / summ(y)",
            "invalid PromQL: unknown function with name 'summ' (line 2, column 5)\n  |   / summ(y)\n  |     ^",
        ),
        (
            "x{role={{args.role}}}",
            "invalid PromQL: `{{` starts a template argument, which is not PromQL; \
             substitute the arguments first (line 1, column 8)\n  | x{role={{args.role}}}\n  |        ^",
        ),
        ("  ", "invalid PromQL: the query is empty\n  |   "),
        (
            "x[99999999999y]",
            "invalid PromQL: `99999999999y` is not a duration within 100 years \
             (line 1, column 3)\n  | x[99999999999y]\n  |   ^",
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(error(query), expected);
    }
}

#[test]
fn bounds_are_errors_by_name() {
    let nested = format!("{}x{}", "(".repeat(100), ")".repeat(100));
    assert_eq!(error(&nested), "the PromQL query has 65 levels of parentheses; at most 64 are accepted");
    assert_eq!(error(&"-".repeat(300)), "the PromQL query has 300 operators; at most 200 are accepted");
    let long = format!("x # {}", "y".repeat(20_000));
    assert_eq!(error(&long), "the PromQL query has 20004 bytes; at most 16384 are accepted");

    let nested = Query::parse("max_over_time(max_over_time(no[10h:10s])[10h:10s])").unwrap();
    let subqueries = nested.instant(&storage(), 0).unwrap_err();
    assert!(subqueries.to_string().starts_with("the subqueries take more than 10000000 steps"));

    let query = Query::parse("x").unwrap();
    let steps = query.range(&storage(), 0, 100_000, 1).unwrap_err();
    assert!(steps.to_string().starts_with("100001 steps are too many; at most 11000"), "{steps}");
    assert_eq!(
        query.range(&storage(), 0, 1, 0).unwrap_err().to_string(),
        "the step of a range query must be positive, not 0 ms"
    );
    let few = Options { max_samples: 2, ..Options::default() };
    let samples = query.prepare(few).instant(&storage(), 60_000).unwrap_err();
    assert_eq!(samples.to_string(), "the query reads more than 2 samples");
    let text = Query::parse("\"a\"").unwrap().range(&storage(), 0, 1, 1).unwrap_err();
    assert_eq!(
        text.to_string(),
        "a range query needs an expression of type scalar or instant vector, not string"
    );
}

#[test]
fn a_query_as_deep_as_the_bounds_allow_is_evaluated() {
    let minus = format!("{}x", "-".repeat(promql::MAX_OPERATORS));
    let plus = vec!["x"; promql::MAX_OPERATORS].join(" + ");
    let nested = format!("{}x{}", "(".repeat(promql::MAX_NESTING), ")".repeat(promql::MAX_NESTING));
    for query in [minus, plus, nested] {
        let Value::Vector(found) = Query::parse(&query).unwrap().instant(&storage(), 15_000).unwrap() else {
            panic!("{query}")
        };
        assert_eq!(found.len(), 3, "{query}");
    }
}

#[test]
fn every_listed_function_can_be_called() {
    for name in FUNCTIONS {
        let arguments = match name {
            "time" | "pi" => "",
            "vector" => "1",
            "clamp" => "x, 1, 2",
            "clamp_min" | "clamp_max" => "x, 1",
            "label_replace" => "x, 'a', 'b', 'c', 'd'",
            "label_join" => "x, 'a', 'b', 'c'",
            "histogram_quantile" => "0.9, x",
            "histogram_fraction" => "0, 1, x",
            "predict_linear" => "x[5m], 60",
            "quantile_over_time" => "0.9, x[5m]",
            "rate" | "increase" | "delta" | "irate" | "idelta" | "deriv" | "changes" | "resets" => "x[5m]",
            over_time if over_time.ends_with("_over_time") => "x[5m]",
            _ => "x",
        };
        let query = format!("{name}({arguments})");
        assert!(Query::parse(&query).is_ok(), "{query}");
    }
}

#[test]
fn settings_change_lookback_and_subquery_step() {
    let mut short = Query::parse("x{role=\"stable\"}")
        .unwrap()
        .prepare(Options { lookback_ms: 10_000, ..Options::default() });
    assert_eq!(short.instant(&storage(), 309_000).unwrap().samples, 1);
    assert_eq!(short.instant(&storage(), 311_000).unwrap().samples, 0);
    let query = Query::parse("count_over_time(x{role=\"stable\"}[1m:])").unwrap();
    let mut fine = query.prepare(Options { subquery_step_ms: 10_000, ..Options::default() });
    let Value::Vector(samples) = fine.instant(&storage(), 300_000).unwrap().value else { panic!() };
    assert_eq!(samples[0].value, 6.0);
}

#[test]
fn a_prepared_query_starts_afresh_with_another_storage() {
    let mut query = Query::parse("sum by (role) (x)").unwrap().prepare(Options::default());
    assert_eq!(query.instant(&storage(), 0).unwrap().series, 3);
    let mut other = Storage::new();
    let series = other.series(&Labels::new([("__name__", "x"), ("role", "other")]));
    other.append(series, 0, 7.0).unwrap();
    let Value::Vector(samples) = query.instant(&other, 0).unwrap().value else { panic!() };
    assert_eq!((samples.len(), samples[0].value), (1, 7.0));
}
