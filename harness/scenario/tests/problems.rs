//! What is wrong with a file is told so that its author can mend it. One table a topic; the snapshots
//! hold the messages as people see them.
#![allow(clippy::unwrap_used)]

use scenario::Scenario;

fn told(yaml: &str) -> String {
    match Scenario::read("s.yaml", yaml.as_bytes()) {
        Ok(_) => panic!("this was accepted:\n{yaml}"),
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

/// Compares with the snapshot of the running test, whose name it takes.
macro_rules! shown {
    ($text:expr) => {
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!($text) })
    };
}

/// Each title with what is told about its file.
fn table(cases: &[(&str, String)]) -> String {
    cases.iter().map(|(title, yaml)| format!("## {title}\n{}\n", told(yaml))).collect::<Vec<_>>().join("\n")
}

fn file(rest: &str) -> String {
    let expect = if rest.contains("expect:") { "" } else { "expect: [{ rollout: r, becomes: promoted }]\n" };
    format!("name: s\nrepository: repo\n{expect}{rest}\n")
}

fn events(list: &[&str]) -> String {
    file(&format!("events:\n{}", list.iter().map(|event| format!("  - {event}\n")).collect::<String>()))
}

fn expect(claim: &str) -> String {
    file(&format!(
        "events:\n  - {{ id: release, at: 1m, merge: {{ delete: [a.yaml] }} }}\n  - {{ id: now, at: 2m, sync: app }}\nexpect:\n  - {claim}"
    ))
}

#[test]
fn what_is_wrong_with_the_file_itself() {
    shown!(table(&[
        ("no scenario", "# nothing\n".into()),
        ("not a mapping", "- a\n".into()),
        ("two documents", "a: 1\n---\nb: 2\n".into()),
        ("broken YAML", "name: [x\n".into()),
        ("a key twice", "name: a\nname: b\n".into()),
        ("missing keys", "name: s\n".into()),
        ("a misspelt key", file("modles: {}")),
        ("a key without a value", file("story:\ntraffic: { rate: 1/s, slow: }")),
        (
            "a name that is no file name",
            "name: ../up\nrepository: r\nexpect: [{ rollout: r, becomes: promoted }]\n".into(),
        ),
        (
            "a name that YAML takes for a number",
            "name: 3.1\nrepository: r\nexpect: [{ rollout: r, becomes: promoted }]\n".into(),
        ),
        (
            "an empty repository",
            "name: s\nrepository: ''\nexpect: [{ rollout: r, becomes: promoted }]\n".into(),
        ),
        ("nothing expected", file("expect: []")),
        ("a list that is none", file("expect: { rollout: r }")),
        ("apply leaves the repository", file("apply: [a.yaml, ../b.yaml]")),
        ("a rate without its unit", file("traffic: { rate: 20 }")),
        ("a rate beyond all bounds", file("traffic: { rate: 9999999/s }")),
        ("a duration without its unit", file("settle: 5")),
        ("no time", file("settle: 0s")),
        ("too long a time", file("duration: 31d")),
        ("no nodes", file("cluster: { nodes: 0 }")),
        ("a negative number", file("cluster: { gpus_per_node: -1 }")),
        ("a model without latency", file("models: { good: { errors: 1% } }")),
        ("a model's impossible latency", file("models: { good: { latency: { p50: 2s, p99: 1s } } }")),
        ("a model without a version", file("models: { '': { latency: { p50: 1s, p99: 1s } } }")),
        ("a misspelt key of a model", file("models:\n  good:\n    latncy: { p50: 1s, p99: 2s }\n")),
    ]));
}

#[test]
fn what_is_wrong_with_a_real_server() {
    let latency = "latency: { p50: 1s, p99: 2s }";
    let one = |keys: &str| file(&format!("models:\n  a:\n    {latency}\n{keys}"));
    let two = |first: &str, second: &str| {
        let model = |version: &str, keys: &str| format!("  {version}: {{ {latency}{keys} }}\n");
        file(&format!("models:\n{}{}", model("a", first), model("b", second)))
    };
    shown!(table(&[
        ("a misspelt image", one("    imge: vllm")),
        ("a key of nothing", one("    colour: red")),
        ("a key of the behaviour stays one", one("    image: vllm\n    eror: 1%")),
        ("no image", one("    probes: { port: 8000 }")),
        ("a server without a behaviour", file("models: { a: { image: vllm } }")),
        ("an image that is none", one("    image: 'vllm\n      RUN x'")),
        ("an empty image", one("    image: ''")),
        ("a command as a text", one("    image: vllm\n    command: serve")),
        ("an empty command", one("    image: vllm\n    command: []")),
        ("a variable's name", one("    image: vllm\n    environment: { A-B: x }")),
        ("a variable that is a number", one("    image: vllm\n    environment: { A: 1 }")),
        ("a value with a line break", one("    image: vllm\n    environment: { A: \"x\\nRUN y\" }")),
        ("a misspelt probe", one("    image: vllm\n    probes: { prot: 1 }")),
        ("probes that say nothing", one("    image: vllm\n    probes: {}")),
        ("a path that is none", one("    image: vllm\n    probes: { path: health }")),
        ("port 0", one("    image: vllm\n    probes: { port: 0 }")),
        ("a port beyond all ports", one("    image: vllm\n    probes: { port: 70000 }")),
        ("only some have an image", two(", image: vllm", "")),
        ("the other way round", two("", ", image: vllm")),
        ("two images", two(", image: vllm", ", image: tgi")),
        ("two commands", two(", image: vllm, command: [a]", ", image: vllm")),
        ("two environments", two(", image: vllm", ", image: vllm, environment: { A: b }")),
        ("two probes", two(", image: vllm, probes: { port: 1 }", ", image: vllm, probes: { port: 2 }")),
    ]));
}

#[test]
fn what_is_wrong_with_an_answer() {
    let one = |answer: &str| {
        file(&format!("models: {{ good: {{ latency: {{ p50: 1s, p99: 2s }} }} }}\nanswers:\n  - {answer}\n"))
    };
    shown!(table(&[
        ("to nothing", one("{ body: ok }")),
        ("to a URL and to a Job", one("{ url: 'http://a/b', job: suite }")),
        ("to a URL and to a plugin", one("{ url: 'http://a/b', plugin: a/b }")),
        ("an end of a plugin", one("{ plugin: a/b, ends: Failed }")),
        ("a phase of a Job", one("{ job: suite, phase: Failed }")),
        ("a cause of a Job", one("{ job: suite, unreachable: gone }")),
        ("a phase that is none", one("{ plugin: a/b, phase: Done }")),
        ("an operation that takes time", one("{ plugin: a/b, operation: Abort, takes: 1m }")),
        ("a phase of what is unreachable", one("{ plugin: a/b, unreachable: gone, phase: Failed }")),
        ("a misspelt key", one("{ url: 'http://a/b', boddy: ok }")),
        ("an end of a URL", one("{ url: 'http://a/b', ends: Failed }")),
        ("a body of a Job", one("{ job: suite, body: ok }")),
        ("an end that is none", one("{ job: suite, ends: Succeeded }")),
        ("no URL", one("{ url: '' }")),
        ("a status that is none", one("{ url: 'http://a/b', status: 99 }")),
        ("a body where there is none", one("{ url: 'http://a/b', status: 204, body: ok }")),
        ("a body without a value", one("{ url: 'http://a/b', body: }")),
        ("a body of an unreachable server", one("{ url: 'http://a/b', unreachable: EOF, body: ok }")),
        ("it ends before it begins", one("{ url: 'http://a/b', from: 5m, until: 4m }")),
        ("a duration without its unit", one("{ job: suite, takes: 90 }")),
        ("too long", one("{ job: suite, takes: 40d }")),
        ("a model that there is not", one("{ url: 'http://a/b', model: goood }")),
        ("a model that is like none", one("{ url: 'http://a/b', model: other }")),
        ("no list", file("answers: { job: suite }")),
    ]));
}

#[test]
fn what_is_wrong_with_an_event() {
    shown!(table(&[
        ("no action", events(&["{ at: 1m }"])),
        ("a misspelt action", events(&["{ at: 1m, mrege: { delete: [a] } }"])),
        ("two actions", events(&["{ at: 1m, sync: app, refresh: app }"])),
        ("no time", events(&["sync: app"])),
        ("two times", events(&["{ at: 1m, after: { rollout: r, is: aborted }, sync: app }"])),
        ("wait without after", events(&["{ at: 1m, wait: 2m, sync: app }"])),
        ("after an event", events(&["{ after: merge, sync: app }"])),
        ("after nothing", events(&["{ after: { is: aborted }, sync: app }"])),
        ("after a misspelt subject", events(&["{ after: { rolout: r, is: aborted }, sync: app }"])),
        (
            "after two subjects",
            events(&["{ after: { rollout: r, application: a, sync: Synced }, sync: app }"]),
        ),
        ("after an unasked state", events(&["{ after: { rollout: r }, sync: app }"])),
        ("after another subject's state", events(&["{ after: { rollout: r, sync: Synced }, sync: app }"])),
        ("after a misspelt word", events(&["{ after: { rollout: r, is: abortd }, sync: app }"])),
        ("a merge that changes nothing", events(&["{ at: 1m, merge: { title: x } }"])),
        ("an absolute path", events(&["{ at: 1m, merge: { write: { /etc/passwd: x } } }"])),
        ("a path that escapes", events(&["{ at: 1m, merge: { edit: { a/../../b.yaml: { x: 1 } } } }"])),
        ("a path into .git", events(&["{ at: 1m, merge: { write: { .git/hooks/post-update: x } } }"])),
        ("a folder in place of a file", events(&["{ at: 1m, merge: { delete: [overlays/] } }"])),
        (
            "edited and deleted",
            events(&["{ at: 1m, merge: { edit: { a.yaml: { x: 1 } }, delete: [a.yaml] } }"]),
        ),
        ("deleted twice", events(&["{ at: 1m, merge: { delete: [a.yaml, a.yaml] } }"])),
        ("an edit that is no mapping", events(&["{ at: 1m, merge: { edit: { a.yaml: [1] } } }"])),
        ("an empty edit", events(&["{ at: 1m, merge: { edit: { a.yaml: {} } } }"])),
        (
            "fields where a file's text belongs",
            events(&["{ at: 1m, merge: { write: { a.yaml: { x: 1 } } } }"]),
        ),
        ("a title of two lines", events(&["{ at: 1m, merge: { title: \"a\\nb\", delete: [a.yaml] } }"])),
        ("nothing applied", events(&["{ at: 1m, apply: [] }"])),
        ("a patch without its content", events(&["{ at: 1m, patch: { resource: { kind: Pod, name: a } } }"])),
        ("a patch of nobody", events(&["{ at: 1m, patch: { resource: { kind: Pod }, with: { a: 1 } } }"])),
        ("a deletion of nobody", events(&["{ at: 1m, delete: { name: a } }"])),
        ("no pods deleted", events(&["{ at: 1m, delete: { pods: r, count: 0 } }"])),
        ("a role that does not exist", events(&["{ at: 1m, delete: { pods: r, role: stabel } }"])),
        ("too many parts of a name", events(&["{ at: 1m, promote: a/b/c }"])),
        ("a number in place of an Application", events(&["{ at: 1m, refresh: 3 }"])),
        ("a misspelt key of refresh", events(&["{ at: 1m, refresh: { application: a, hrad: true } }"])),
        ("an id that means something else", events(&["{ id: merge, at: 1m, sync: app }"])),
        ("an id with spaces", events(&["{ id: a b, at: 1m, sync: app }"])),
    ]));
}

#[test]
fn events_that_contradict_each_other() {
    let merge = "{ id: one, at: 2m, merge: { delete: [a.yaml] } }";
    shown!(table(&[
        ("one id twice", events(&["{ id: x, at: 1m, sync: app }", "{ id: x, at: 2m, sync: app }"])),
        ("a revert without a merge", events(&["{ at: 3m, revert: last }"])),
        ("a revert before every merge", events(&["{ at: 1m, revert: last }", merge])),
        ("a revert at the time of a later merge", events(&["{ at: 2m, revert: last }", merge])),
        (
            "more reverts than merges",
            events(&[merge, "{ at: 3m, revert: last }", "{ at: 4m, revert: last }"]),
        ),
        ("a revert of an unknown id", events(&[merge, "{ at: 3m, revert: onne }"])),
        (
            "a revert of what is no merge",
            events(&[merge, "{ id: now, at: 3m, sync: a }", "{ at: 4m, revert: now }"]),
        ),
        ("a revert before its merge", events(&[merge, "{ at: 1m, revert: one }"])),
        ("one merge reverted twice", events(&[merge, "{ at: 3m, revert: one }", "{ at: 4m, revert: one }"])),
        ("an event after the end", file("duration: 1h\nevents: [{ at: 1h, sync: app }]")),
    ]));
}

#[test]
fn what_is_wrong_with_an_expectation() {
    shown!(table(&[
        ("no subject", expect("becomes: aborted")),
        ("a misspelt subject", expect("{ aplication: a, becomes: Synced }")),
        ("two subjects", expect("{ rollout: r, application: a, becomes: Synced }")),
        ("not a mapping", expect("aborted")),
        ("no claim", expect("{ rollout: r, within: 5m }")),
        ("two claims", expect("{ rollout: r, becomes: aborted, never: promoted }")),
        ("a misspelt claim", expect("{ rollout: r, becoms: aborted }")),
        ("within beside always", expect("{ rollout: r, always: healthy, within: 5m }")),
        ("for beside becomes", expect("{ rollout: r, becomes: healthy, for: 5m }")),
        ("before beside stays", expect("{ rollout: r, stays: healthy, before: release }")),
        ("because of a promotion", expect("{ rollout: r, becomes: promoted, because: error-rate }")),
        ("because of an Application", expect("{ application: a, becomes: Synced, because: error-rate }")),
        ("because beside never", expect("{ rollout: r, never: aborted, because: error-rate }")),
        ("an unknown word", expect("{ rollout: r, becomes: abort }")),
        ("an empty state", expect("{ rollout: r, becomes: {} }")),
        ("a version that YAML takes for a number", expect("{ rollout: r, always: { stable: 3.1 } }")),
        ("a weight above 100", expect("{ rollout: r, becomes: { weight: 101 } }")),
        ("an empty text", expect("{ rollout: r, becomes: { message: '' } }")),
        ("an ambiguous word", expect("{ application: a, never: Unknown }")),
        ("another case", expect("{ application: a, becomes: synced }")),
        ("no revision", expect("{ application: a, becomes: { revision: now } }")),
        ("no resource", expect("{ resource: { kind: Pod }, exists: true }")),
        ("a resource by name alone", expect("{ resource: web, exists: true }")),
        ("match and exists", expect("{ resource: { kind: Pod, name: a }, exists: true, match: { a: 1 } }")),
        (
            "match beside always",
            expect("{ resource: { kind: Pod, name: a }, match: { a: 1 }, always: { exists: true } }"),
        ),
        ("an empty match", expect("{ resource: { kind: Pod, name: a }, match: {} }")),
        (
            "a match that is no mapping",
            expect("{ resource: { kind: Pod, name: a }, never: { match: Failed } }"),
        ),
        (
            "a misspelt key of a resource's state",
            expect("{ resource: { kind: Pod, name: a }, never: { exist: true } }")
        ),
        ("a resource's state as a word", expect("{ resource: { kind: Pod, name: a }, never: Failed }")),
        (
            "a field beside match",
            expect("{ resource: { kind: Pod, name: a }, never: { match: { a: 1 }, status: Failed } }")
        ),
        ("a word that is no state of an alert", expect("{ alert: A, becomes: resolved }")),
        ("an alert's state as a mapping", expect("{ alert: A, becomes: { is: firing } }")),
        ("an alert without a name", expect("{ alert: '', becomes: firing }")),
        ("because of an alert", expect("{ alert: A, becomes: firing, because: error-rate }")),
        ("no labels", expect("{ alert: A, labels: {}, becomes: firing }")),
        ("a label that is a number", expect("{ alert: A, labels: { version: 3.1 }, becomes: firing }")),
        ("the name among the labels", expect("{ alert: A, labels: { alertname: B }, becomes: firing }")),
        ("labels of a rollout", expect("{ rollout: r, labels: { a: b }, becomes: aborted }")),
        ("of an alert without a state", expect("{ rollout: r, becomes: aborted, of: { alert: A } }")),
        ("of an unknown id", expect("{ rollout: r, becomes: aborted, of: relaese }")),
        ("of an action that is not done", expect("{ rollout: r, becomes: aborted, of: revert }")),
        ("of no name", expect("{ rollout: r, becomes: aborted, of: the merge }")),
        ("of a number", expect("{ rollout: r, becomes: aborted, of: 3 }")),
        ("within no time", expect("{ rollout: r, becomes: aborted, within: 0s }")),
        ("a share of seeds without its words", expect("{ rollout: r, becomes: aborted, in: 95% }")),
    ]));
}

#[test]
fn what_is_wrong_with_bounds_on_requests() {
    shown!(table(&[
        ("no bound", expect("requests: { model: a }")),
        ("a bare number", expect("requests: { failed: 0 }")),
        ("a bare percentage", expect("requests: { failed: 2% }")),
        ("a word", expect("requests: { failed: few }")),
        ("an impossible bound", expect("requests: { failed: < 0 }")),
        ("a bound that always holds", expect("requests: { failed: '>= 0%' }")),
        ("a share of the total", expect("requests: { total: < 5% }")),
        ("a misspelt kind", expect("requests: { fialed: == 0 }")),
        ("an unquoted greater-than in a block", expect("requests:\n      total: > 100")),
        ("an unquoted greater-or-equal in braces", expect("requests: { total: >= 1/s }")),
        ("an unknown moment", expect("requests: { failed: == 0, after: nothing }")),
        ("a claim beside requests", expect("{ requests: { failed: == 0 }, becomes: aborted }")),
    ]));
}

#[test]
fn what_is_wrong_with_a_matrix() {
    let many = (0..300).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    shown!(table(&[
        ("not a mapping", file("matrix: [1, 2]")),
        ("empty", file("matrix: {}")),
        ("a key without values", file("matrix: { n: [] }")),
        ("a key with one value in place of a list", file("matrix: { n: 3 }")),
        ("a key that is no word", file("matrix: { a b: [1] }")),
        ("a mapping as value", file("matrix: { n: [{ a: 1 }] }")),
        ("the same value twice", file("matrix: { n: [1, 1] }")),
        ("an unused key", file("matrix: { n: [1, 2] }")),
        ("a misspelt placeholder", file("matrix: { nodes: [1, 2] }\nstory: ${nods} of ${nodes}")),
        ("a placeholder without a matrix", file("story: with ${nodes} nodes")),
        (
            "a key that becomes the same as another",
            file(
                "matrix: { m: [a] }\nmodels: { a: { latency: { p50: 1s, p99: 2s } }, '${m}': { latency: { p50: 1s, p99: 2s } } }",
            ),
        ),
        (
            "too many cases",
            file("matrix: { a: [1, 2, 3, 4, 5, 6, 7], b: [1, 2, 3, 4, 5, 6, 7], c: [1, 2, 3, 4, 5, 6] }"),
        ),
        ("too many values", file(&format!("matrix: {{ a: [{many}] }}"))),
        ("a mistake in every case", file("matrix: { n: [1, 2] }\nstory: with ${n}\nsettle: 0s")),
        ("a number of the matrix where text belongs", file("matrix: { n: [3.1] }\nstory: ${n}")),
        ("a mistake in one case", file("matrix: { n: [0, 2] }\ncluster: { nodes: '${n}' }")),
    ]));
}

#[test]
fn mistakes_in_several_places_are_told_at_once_and_in_order() {
    shown!(told(
        "name: s
repository: repo
models:
  a: { latency: { p50: 1s } }
  b: { latency: { p50: 1s, p99: 2s }, error: 1% }
traffic: { rate: fast }
events:
  - { at: 1, sync: app }
  - { id: release, at: 1m, merge: {} }
expect:
  - { rollout: r, becomes: abort, of: release }
  - { rollout: r, becomes: aborted, of: releese }
",
    ));
}

#[test]
fn problems_are_limited_in_number() {
    let many = "  - { rollout: r }\n".repeat(1_200);
    let problems = Scenario::read("s.yaml", file(&format!("expect:\n{many}")).as_bytes()).unwrap_err();
    assert_eq!(problems.len(), 51);
    assert!(problems[50].to_string().contains("more problems"));
    let many = "  - { rollout: r, becomes: aborted }\n".repeat(1_001);
    assert!(told(&file(&format!("expect:\n{many}"))).contains("at most 1000 entries"));
}
