//! The same verdicts as promtool, on the files in `tests/files`, on generated rules and tests, and on
//! templates.
//!
//! Needs promtool 0.308 on the PATH: `cargo test -p rules --features oracle`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot unwrap fails")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a test with an oracle"
)]

mod common;
#[path = "common/generate.rs"]
mod generate;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use generate::Case;
use promql::Sample;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rules::unit_test::{ExpectedAlert, Found, GroupResult, Wrong};
use serde_json::{Value as Json, json};

/// How many generated files are compared, unless `RULES_CASES` says otherwise.
const GENERATED: usize = 150;

fn promtool(file: &Path) -> Output {
    let output = Command::new("promtool").args(["test", "rules"]).arg(file).output();
    output.expect("the oracle needs promtool on the PATH; .ci/run installs it")
}

fn promtool_passes(file: &Path) -> bool {
    promtool(file).status.success()
}

fn told(output: &Output) -> String {
    let all =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    all.chars().take(5000).collect()
}

fn room(name: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&room).unwrap();
    room
}

#[test]
fn the_files_have_the_verdict_of_promtool() {
    for file in ["passing", "failing"].into_iter().flat_map(common::files) {
        let theirs = promtool(&file);
        assert_eq!(common::passes(&file), theirs.status.success(), "{}\n{}", file.display(), told(&theirs));
    }
}

#[test]
fn generated_files_have_the_verdict_of_promtool() {
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let room = room("rules-generated");
    let file = room.join("test.yaml");
    let cases = std::env::var("RULES_CASES").map_or(GENERATED, |cases| cases.parse().unwrap());
    let (mut passing, mut alerts, mut spoilt) = (0, 0, 0);
    for number in 0..cases {
        let mut case: Case = generate::case().new_tree(&mut runner).unwrap().current();
        std::fs::write(room.join("rules.yaml"), case.rules.to_string()).unwrap();
        alerts += fill_in(&mut case.test, &file);
        let (ours, theirs) = (common::passes(&file), promtool(&file));
        let same = ours == theirs.status.success();
        assert!(same, "case {number}: ours {ours}\n{}\n{}\n{}", case.rules, case.test, told(&theirs));
        passing += usize::from(ours);
        if ours && spoil(&mut case.test) {
            std::fs::write(&file, case.test.to_string()).unwrap();
            assert!(!common::passes(&file) && !promtool_passes(&file), "spoilt {number}: {}", case.test);
            spoilt += 1;
        }
    }
    println!("{cases} files, {passing} of them pass; {alerts} alerts; {spoilt} spoilt files fail");
    assert!(passing > cases / 3 && alerts > cases && spoilt > cases / 4, "{passing} {alerts} {spoilt}");
}

/// Runs a test that expects nothing and makes what was found the expectation; gives the number of alerts.
fn fill_in(test: &mut Json, file: &Path) -> usize {
    std::fs::write(file, test.to_string()).unwrap();
    let mut alerts = 0;
    for (index, result) in common::run(file).unwrap().iter().enumerate() {
        let test = &mut test["tests"][index];
        alerts += fill_in_group(test, result);
    }
    std::fs::write(file, test.to_string()).unwrap();
    alerts
}

fn fill_in_group(test: &mut Json, result: &GroupResult) -> usize {
    let mut count = 0;
    for failure in &result.failures {
        let at = json!(format!("{}s", failure.at.as_secs()));
        match &failure.wrong {
            Wrong::Rule { .. } => {}
            Wrong::Alerts { alertname, found, .. } => {
                count += found.len();
                let expected: Vec<Json> = found.iter().map(expected_alert).collect();
                let tests = test["alert_rule_test"].as_array_mut().unwrap().iter_mut();
                for test in tests.filter(|test| test["alertname"] == *alertname && test["eval_time"] == at) {
                    test["exp_alerts"] = json!(expected);
                }
            }
            Wrong::Query { expr, found, .. } => {
                let Found::Samples(samples) = found else { continue };
                let tests = test["promql_expr_test"].as_array_mut().unwrap();
                let is_this = |test: &Json| test["expr"] == *expr && test["eval_time"] == at;
                if samples.iter().any(|sample| !sample.value.is_finite()) {
                    tests.retain(|test| !is_this(test));
                }
                for test in tests.iter_mut().filter(|test| is_this(test)) {
                    test["exp_samples"] = samples.iter().map(expected_sample).collect();
                }
            }
        }
    }
    count
}

fn expected_alert(alert: &ExpectedAlert) -> Json {
    json!({ "exp_labels": alert.labels, "exp_annotations": alert.annotations })
}

fn expected_sample(sample: &Sample) -> Json {
    json!({ "labels": sample.labels.to_string(), "value": sample.value })
}

/// Changes one expectation, if there is one.
fn spoil(test: &mut Json) -> bool {
    for test in test["tests"].as_array_mut().unwrap() {
        for alert in test["alert_rule_test"].as_array_mut().unwrap() {
            if let Some(first) = alert["exp_alerts"].as_array_mut().and_then(|alerts| alerts.first_mut()) {
                first["exp_labels"]["spoilt"] = json!("yes");
                return true;
            }
        }
        for query in test["promql_expr_test"].as_array_mut().unwrap() {
            if let Some(first) = query["exp_samples"].as_array_mut().and_then(|samples| samples.first_mut()) {
                first["value"] = json!(first["value"].as_f64().unwrap() + 1.0);
                return true;
            }
        }
    }
    false
}

/// Texts in which every function, verb and form of template stands; `v` is the value of the alert.
const TEMPLATES: &str = r#"
{{ $value }}|{{ .Value }}|{{ print $value 1 "a" "b" 2 3 true }}|{{ println $value }}
{{ humanize $value }}|{{ humanize1024 $value }}|{{ humanizeDuration $value }}|{{ humanizePercentage $value }}
{{ printf "%v %g %e %f %.0f %.3f %8.2f|%-8.1f|%+.2f|% .2f|%08.2f" $value $value $value $value $value $value $value $value $value $value $value }}
{{ printf "%.4g %.1g %.10g %G %E %F" $value $value $value $value $value $value }}
{{ printf "%d %s %t %x %q" $value $value $value 255 "a\"b" }}
{{ printf "%5d|%-5d|%05d|%+d|%x|%X|%#x|%o|%b|%c|%3c|%.3d" 42 42 42 42 42 42 42 42 42 65 65 7 }}
{{ printf "%s|%10s|%-10s|%.2s|%q|%x|%X|%v|%T" "text" "text" "text" "text" "text" "text" "text" "text" "text" }}
{{ printf "%t %v %5t|%v %T %d" true false true nil nil nil }}
{{ printf "%d %d" 1 }}|{{ printf "%d" 1 2 }}|{{ printf "%!" }}|{{ printf "%z" 1 }}|{{ printf "100%%" }}
{{ printf "%v %s %d" $labels $labels $labels }}|{{ printf "%*d|%.*f" 5 42 2 3.14159 }}
{{ if gt $value 1.0 }}gt{{ else if eq $value 0.5 }}eq{{ else }}no{{ end }}
{{ if and (ge $value 0.0) (lt $value 1e6) }}in{{ end }}{{ if or false (ne $value 2.0) }}or{{ end }}{{ if not $value }}zero{{ end }}
{{ eq "a" "b" "a" }}{{ eq 1 1 }}{{ ne "a" "b" }}{{ lt 1 2 }}{{ le "a" "a" }}{{ gt 1.5 1.0 }}{{ ge "b" "a" }}
{{ and 1 0 2 }}{{ or 0 "" "x" }}{{ and true "y" }}{{ not 0 }}{{ len "héllo" }}{{ len $labels }}
{{ index $labels "instance" }}{{ index $labels "none" }}{{ slice "abcdef" 2 }}{{ slice "abcdef" 1 3 }}{{ index "abc" 1 }}
{{ $labels.instance }}{{ .Labels.instance }}{{ $.Labels.instance }}{{ $labels.none }}{{ .ExternalLabels.cluster }}{{ .ExternalURL }}
{{ range $n, $t := $labels }}{{ $n }}:{{ $t }};{{ else }}none{{ end }}{{ range $labels }}{{ . }},{{ end }}{{ range 3 }}{{ . }}{{ end }}
{{ range $i, $e := query "v" }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ if eq $i 3 }}{{ break }}{{ end }}{{ $i }}{{ end }}
{{ with $x := "a" }}{{ $x }}{{ end }}{{ with "" }}a{{ else with "b" }}{{ . }}{{ end }}{{ $y := 1 }}{{ if true }}{{ $y = 2 }}{{ end }}{{ $y }}
{{ define "x" }}[{{ . }}{{ $ }}]{{ end }}{{ template "x" $value }}{{ template "x" "t" }}
 a {{- 1 -}} b {{ 2 -}}   c   {{- /* comment */ -}}  d {{/* other */}} e
{{ "quoted \t \"text\" é" }}{{ `raw \t` }}{{ 'a' }}{{ 0x1F }}{{ 1_000 }}{{ 1e3 }}{{ -.5 }}{{ true }}{{ 010 }}
{{ "a b&c/d?é" | urlQueryEscape }}|{{ urlquery "a b" 1 }}|{{ html "<a href='x'>" "&" }}|{{ safeHtml "<b>" }}
{{ title "hello new-world 4xx don't foo_bar a.b" }}|{{ toUpper "aé" }}|{{ "ABC" | toLower }}
{{ stripPort "web:80" }}|{{ stripPort "[::1]:80" }}|{{ stripDomain "web.example.com:80" }}|{{ stripDomain "10.0.0.1:80" }}|{{ stripDomain "a" }}
{{ reReplaceAll "(a+)" "<$1>" "baaac" }}|{{ match "^b" "abc" }}|{{ match "b" "abc" }}
{{ graphLink "up{a=\"b\"} > 1" }}|{{ tableLink "up" }}|{{ parseDuration "1h30m" }}|{{ parseDuration "-5m" }}|{{ now }}
{{ humanizeTimestamp 1435065584.128 }}|{{ humanizeTimestamp 0 }}|{{ 1e9 | humanizeTimestamp }}|{{ humanize "1234" }}|{{ humanize 1234 }}
{{ query "sum(v)" | first | value | printf "%.1f" }}|{{ query "v" | sortByLabel "instance" | first | label "instance" }}|{{ query "none" | len }}
{{ range query "v" | sortByLabel "instance" }}{{ .Labels.instance }}={{ .Value }} {{ end }}{{ (query "count(v)" | first).Value }}
{{ $a := args 1 "b" }}{{ $a.arg0 }}{{ $a.arg1 }}{{ index $a "arg1" }}{{ ($labels).instance }}
{{ strvalue (query "v" | first) }}{{ printf "%v" (query "count(v)" | first) }}{{ query "count(v)" | first }}
{{ if $labels.none }}a{{ else }}{{ if $labels.instance }}b{{ end }}{{ end }}{{ . | printf "%T" | len }}
"#;

/// Values on which numbers are written in all their forms.
const VALUES: [&str; 18] = [
    "0",
    "1",
    "-1",
    "0.5",
    "1.5",
    "2",
    "1234.5678",
    "123456",
    "1234567.891",
    "123456789",
    "1e-7",
    "0.000123",
    "1e21",
    "-99.95",
    "1e300",
    "NaN",
    "Inf",
    "-Inf",
];

#[test]
fn templates_give_what_those_of_prometheus_give() {
    let room = room("rules-templates");
    let templates: Vec<&str> = TEMPLATES.lines().filter(|line| !line.is_empty()).collect();
    let annotations: serde_json::Map<String, Json> =
        templates.iter().enumerate().map(|(at, text)| (format!("t{at:02}"), json!(text))).collect();
    let rule = json!({ "alert": "T", "expr": "v", "annotations": annotations });
    let rules = json!({ "groups": [{ "name": "g", "rules": [rule] }] });
    std::fs::write(room.join("rules.yaml"), rules.to_string()).unwrap();
    let series: Vec<Json> = VALUES
        .iter()
        .enumerate()
        .map(|(at, value)| json!({ "series": format!("v{{instance=\"i{at:02}\"}}"), "values": value }))
        .collect();
    let mut test = json!({ "rule_files": ["rules.yaml"], "tests": [{
        "input_series": series, "external_labels": { "cluster": "gpu-1" }, "external_url": "https://x.example",
        "alert_rule_test": [{ "eval_time": "0s", "alertname": "T" }], "promql_expr_test": [],
    }] });
    let file = room.join("test.yaml");
    assert_eq!(fill_in(&mut test, &file), VALUES.len());
    let theirs = promtool(&file);
    assert!(theirs.status.success(), "{}", told(&theirs));
}

#[test]
fn templates_that_prometheus_refuses_are_refused() {
    let room = room("rules-refused");
    let (rules, test) = (room.join("rules.yaml"), room.join("test.yaml"));
    std::fs::write(&test, json!({ "rule_files": ["rules.yaml"], "tests": [{}] }).to_string()).unwrap();
    let refused = [
        "{{",
        "{{ }}",
        "{{ if }}a{{ end }}",
        "{{ if true }}",
        "{{ end }}",
        "{{ else }}",
        "{{ $x }}",
        "{{ foo }}",
        "{{ 1 | 2 }}",
        "{{ nil | print }}{{ \"a",
        "{{ 'ab' }}",
        "{{ .a.b..c }}",
        "{{ 1.2.3 }}",
        "{{ (1 }}",
        "{{ 1) }}",
        "{{/* a */ b }}",
        "{{/* a",
        "{{ break }}",
        "{{ range $i, 1 := $labels }}{{ end }}",
        "{{ $a, $b := 1 }}",
        "{{ true.x }}",
        "{{ template x }}",
        "{{ \"\\q\" }}",
        "{{ x-y }}",
        "{{ if true }}a{{ else }}b{{ else }}c{{ end }}",
        "{{ range 3 }}{{ end }}{{ continue }}",
        "{{ 99999999999999999999 }}",
        "{{ : }}",
        "{{ a := 1 }}",
        "{{ define \"x\" }}",
        "{{ range $i := }}{{ end }}",
        "{{ $labels:= 1 }}{{ ? }}",
    ];
    let accepted = [
        "}}",
        "a {b} c",
        "{{1|}}",
        "{{ $x := 1 }}{{ $x }}",
        "{{ ( ( 1 ) ) }}",
        "{{- 1 -}}",
        "{{print}}",
        "{{ . }}",
        "{{$}}",
        "{{ with 1 }}{{ else if true }}{{ end }}",
        "{{ if 1 }}{{ else with 1 }}{{ end }}",
        "{{ nil | print }}",
        "{{ print nil }}",
        "{{ print `a\nb` }}",
        "{{ 1\n}}",
        "{{ $labels := 1 }}",
        "{{ range $i, $e := $labels }}{{ end }}",
        "{{ if eq 1 1 -}} a {{- end }}",
    ];
    for text in refused.into_iter().chain(accepted) {
        let rule = json!({ "alert": "T", "expr": "v", "annotations": { "t": text } });
        let file = json!({ "groups": [{ "name": "g", "rules": [rule] }] });
        std::fs::write(&rules, file.to_string()).unwrap();
        let ours = rules::read_rules(&common::documents(&rules));
        let theirs = promtool(&test);
        assert_eq!(ours.is_ok(), theirs.status.success(), "{text}\n{ours:?}\n{}", told(&theirs));
    }
}
