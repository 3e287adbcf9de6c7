//! Random rules, and series to test them on.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value as Json, json};

const EXPRESSIONS: [&str; 20] = [
    "m",
    "m > 3",
    "m == 2",
    "sum by (pod) (m)",
    "sum(m)",
    "rate(c[2m]) > 0.1",
    "increase(c[3m])",
    "m unless on (pod) n",
    "m and on (pod) n > 1",
    "rec",
    "rec > 2",
    "count(m)",
    "absent(m)",
    "absent(rec{pod=\"a\"})",
    "changes(m[3m])",
    "avg_over_time(m[2m:])",
    "ALERTS{alertstate=\"firing\"}",
    "1",
    "vector(time()) > 120",
    "m / on (pod) n",
];

const LABELS: [(&str, &str); 8] = [
    ("severity", "{{ if gt $value 3.0 }}high{{ end }}"),
    ("severity", "page"),
    ("owner", "{{ $labels.pod }}-team"),
    ("cluster", "{{ $externalLabels.cluster }}"),
    ("pod", ""),
    ("pod", "x"),
    ("value", "{{ $value }}"),
    ("version", "{{ printf \"%.1f\" $value }}"),
];

const ANNOTATIONS: [(&str, &str); 6] = [
    ("summary", "{{ $labels.pod }} is {{ $value | humanize }}"),
    ("link", "{{ $externalURL }}/{{ .Labels.pod | toUpper }}"),
    ("all", "{{ range $n, $t := $labels }}{{ $n }}={{ $t }} {{ end }}"),
    ("count", "{{ with query \"count(m)\" }}{{ . | first | value }}{{ else }}none{{ end }}"),
    ("since", "{{ now | humanizeDuration }}"),
    ("empty", ""),
];

/// A rule file and a test file without expectations, as JSON, which is YAML.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) rules: Json,
    pub(crate) test: Json,
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let groups = prop::collection::vec(group(), 1..4);
    let tests = prop::collection::vec(test(), 1..3);
    let evaluation = select(vec!["30s", "1m", "45s"]);
    (groups, tests, evaluation).prop_map(|(mut groups, tests, evaluation)| {
        let names: Vec<String> = (0..groups.len()).map(|at| format!("g{at}")).collect();
        for (group, name) in groups.iter_mut().zip(&names) {
            group["name"] = json!(name);
        }
        let test = json!({
            "rule_files": ["rules.yaml"], "evaluation_interval": evaluation, "group_eval_order": names, "tests": tests,
        });
        Case { rules: json!({ "groups": groups }), test }
    })
}

fn group() -> impl Strategy<Value = Json> {
    let extra = select(vec![
        json!({}),
        json!({}),
        json!({}),
        json!({ "limit": 2 }),
        json!({ "query_offset": "30s" }),
        json!({ "labels": { "team": "ml" } }),
    ]);
    (prop::collection::vec(rule(), 1..4), extra).prop_map(|(rules, mut group)| {
        group["rules"] = json!(rules);
        group
    })
}

fn rule() -> impl Strategy<Value = Json> {
    let texts = |all: &'static [(&str, &str)]| {
        subsequence(all.to_vec(), 0..3)
            .prop_map(|chosen| chosen.into_iter().map(|(n, t)| (n.to_owned(), json!(t))).collect())
    };
    let mapping = |map: serde_json::Map<String, Json>| Json::Object(map);
    let recording = (
        select(EXPRESSIONS.to_vec()),
        select(vec![json!({}), json!({}), json!({ "kind": "k" }), json!({ "pod": "" })]),
    )
        .prop_map(|(expr, labels)| json!({ "record": "rec", "expr": expr, "labels": labels }));
    let times = (select(vec!["0s", "0s", "30s", "1m", "90s"]), select(vec!["0s", "0s", "1m", "2m"]));
    let alerting = (
        select(vec!["A", "B", "C"]),
        select(EXPRESSIONS.to_vec()),
        times,
        texts(&LABELS),
        texts(&ANNOTATIONS),
    )
        .prop_map(move |(alert, expr, (hold, keep), labels, annotations)| {
            json!({
                "alert": alert, "expr": expr, "for": hold, "keep_firing_for": keep,
                "labels": mapping(labels), "annotations": mapping(annotations),
            })
        });
    prop_oneof![1 => recording, 2 => alerting]
}

fn test() -> impl Strategy<Value = Json> {
    let samples = || {
        let words =
            select(vec!["0", "1", "2", "5", "9", "_", "_x2", "stale", "1+1x4", "3x4", "5-1x5", "2x3"]);
        prop::collection::vec(words, 1..8).prop_map(|words| words.join(" "))
    };
    let series = |name: &'static str| {
        prop::collection::vec((select(vec!["a", "b", "c"]), samples()), 0..4).prop_map(move |all| {
            let one = |(pod, values): (&str, String)| json!({ "series": format!("{name}{{pod=\"{pod}\"}}"), "values": values });
            all.into_iter().map(one).collect::<Vec<_>>()
        })
    };
    let counter = prop::collection::vec(0..9_u32, 0..12).prop_map(|gains| {
        let mut total = 0;
        let values: Vec<String> = gains
            .iter()
            .map(|gain| {
                total = if *gain == 8 { 0 } else { total + gain };
                total.to_string()
            })
            .collect();
        json!({ "series": "c{pod=\"a\"}", "values": values.join(" ") })
    });
    let times = || prop::collection::vec(0..32_u32, 1..6);
    (series("m"), series("n"), counter, select(vec!["30s", "1m"]), times(), times()).prop_map(
        |(mut input, others, counter, interval, alert_times, query_times)| {
            input.extend(others);
            input.push(counter);
            let alerts: Vec<Json> = alert_times
                .iter()
                .flat_map(|at| ["A", "B", "C"].map(|name| json!({ "eval_time": seconds(*at), "alertname": name })))
                .collect();
            let queries: Vec<Json> = query_times
                .iter()
                .flat_map(|at| {
                    ["rec", "ALERTS", "ALERTS_FOR_STATE", "sum by (pod) (rate(c[2m]))"]
                        .map(|expr| json!({ "eval_time": seconds(*at), "expr": expr }))
                })
                .collect();
            json!({
                "interval": interval, "input_series": input, "alert_rule_test": alerts, "promql_expr_test": queries,
                "external_labels": { "cluster": "gpu-1" }, "external_url": "https://prometheus.example.com",
            })
        },
    )
}

fn seconds(quarter_minutes: u32) -> String {
    format!("{}s", quarter_minutes * 15)
}
