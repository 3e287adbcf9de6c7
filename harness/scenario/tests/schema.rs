//! The schema for editors: committed as it is generated, accepting what the reader accepts.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;

use scenario::Scenario;
use serde_json::Value;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/schema.json");

fn validator() -> jsonschema::Validator {
    jsonschema::draft7::new(&scenario::schema()).unwrap()
}

fn json(yaml: &str) -> Value {
    yaml::parse_one("s.yaml", yaml.as_bytes()).unwrap().to_json()
}

/// Run with `UPDATE_SCHEMA=1`, or `rehearse schema > scenarios/schema.json`, after a change of the language.
#[test]
fn the_committed_schema_is_the_generated_one() {
    let generated = serde_json::to_string_pretty(&scenario::schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(COMMITTED, &generated).unwrap();
    }
    let committed = fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        serde_json::from_str::<Value>(&committed).is_ok_and(|value| value == scenario::schema()),
        "scenarios/schema.json is out of date; run `UPDATE_SCHEMA=1 cargo test -p scenario --test schema`"
    );
}

#[test]
fn every_legal_form_is_accepted() {
    let validator = validator();
    let files = [
        include_str!("files/bad-model.yaml"),
        include_str!("files/every-form.yaml"),
        include_str!("files/matrix.yaml"),
        include_str!("files/real-server.yaml"),
    ];
    for file in files {
        assert!(Scenario::read("s.yaml", file.as_bytes()).is_ok());
        let errors: Vec<String> =
            validator.iter_errors(&json(file)).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

/// Mistakes that an editor should mark, each one also refused by the reader.
#[test]
fn what_the_reader_refuses_for_its_form_is_rejected() {
    let validator = validator();
    let base = "name: s\nrepository: r\n";
    let fine = "expect: [{ rollout: r, becomes: promoted }]\n";
    let tops = [
        "modles: {}",
        "settle: 5",
        "traffic: { rate: 20 }",
        "traffic: { rates: 1/s }",
        "story:",
        "answers: [{ body: ok }]",
        "answers: [{ url: a, job: b }]",
        "answers: [{ url: a, ends: Failed }]",
        "answers: [{ job: a, body: ok }]",
        "answers: [{ job: a, ends: Succeeded }]",
        "answers: [{ url: a, status: 99 }]",
        "answers: [{ url: a, boddy: ok }]",
        "cluster: { nodes: 0 }",
        "models: { a: { latency: { p50: 1s, p99: 2s }, eror: 1% } }",
        "models: { a: { image: vllm } }",
        "models: { a: { latency: { p50: 1s, p99: 2s }, imag: vllm } }",
        "models: { a: { latency: { p50: 1s, p99: 2s }, command: [serve] } }",
        "models: { a: { latency: { p50: 1s, p99: 2s }, image: vllm, command: [] } }",
        "models: { a: { latency: { p50: 1s, p99: 2s }, image: vllm, environment: { A: 1 } } }",
        "models: { a: { latency: { p50: 1s, p99: 2s }, image: vllm, probes: {} } }",
        "models: { a: { latency: { p50: 1s, p99: 2s }, image: vllm, probes: { port: 0 } } }",
        "models: { a: { latency: { p50: 1s, p99: 2s }, image: vllm, probes: { prot: 1 } } }",
    ];
    let events = [
        "{ at: 1m }",
        "{ sync: a }",
        "{ at: 1m, sync: a, refresh: a }",
        "{ at: 1m, snyc: a }",
        "{ at: 1m, after: { rollout: r, is: aborted }, sync: a }",
        "{ after: { rollout: r, sync: Synced }, sync: a }",
        "{ after: { rolout: r }, sync: a }",
        "{ at: 1m, merge: { titel: x, delete: [a] } }",
        "{ at: 1m, merge: { edit: { a.yaml: 3 } } }",
        "{ at: 1m, delete: { pods: r, kind: Pod, name: a } }",
        "{ at: 1m, delete: { pods: r, role: stabel } }",
        "{ at: 1m, refresh: { hard: true } }",
        "{ at: 1m, patch: { resource: { kind: Pod, name: a } } }",
        "{ at: 1m, apply: [] }",
    ];
    let claims = [
        "{ becomes: aborted }",
        "{ rollout: r }",
        "{ rollout: r, becomes: aborted, never: promoted }",
        "{ rollout: r, becomes: abort }",
        "{ rollout: r, application: a, becomes: Synced }",
        "{ application: a, becomes: synced }",
        "{ application: a, becomes: Synced, because: x }",
        "{ rollout: r, becomes: { stable: 3.1 } }",
        "{ rollout: r, becomes: { steps: 1 } }",
        "{ resource: { kind: Pod, name: a } }",
        "{ resource: { kind: Pod, name: a }, match: {} }",
        "{ resource: { kind: Pod, name: a }, exists: true, always: { exists: true } }",
        "{ requests: { failed: 0 } }",
        "{ requests: { model: a } }",
        "{ requests: { fialed: == 0 } }",
        "{ rollout: r, becomes: aborted, in: 95% }",
        "{ rollout: r, becomes: aborted, of: 3 }",
    ];
    let tops = tops.map(|top| format!("{base}{fine}{top}\n"));
    let events = events.map(|event| format!("{base}{fine}events: [{event}]\n"));
    let claims = claims.map(|claim| format!("{base}expect: [{claim}]\n"));
    let empty = [format!("{base}expect: []\n"), "name: s\n".to_owned(), format!("repository: r\n{fine}")];
    for yaml in tops.iter().chain(&events).chain(&claims).chain(&empty) {
        assert!(!validator.is_valid(&json(yaml)), "the schema accepts:\n{yaml}");
        assert!(Scenario::read("s.yaml", yaml.as_bytes()).is_err(), "the reader accepts:\n{yaml}");
    }
}

/// A mapping with named keys is closed, and each key says what it means, for editors to show.
#[test]
fn every_mapping_is_closed_and_every_key_described() {
    fn check(schema: &Value, path: &str, faults: &mut Vec<String>) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
                faults.push(format!("{path} is open"));
            }
            let bare = properties.iter().filter(|(_, property)| property.get("description").is_none());
            faults.extend(bare.map(|(key, _)| format!("{path}/{key} has no description")));
        }
        match schema {
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| check(value, &format!("{path}/{key}"), faults))
            }
            Value::Array(items) => items.iter().for_each(|item| check(item, path, faults)),
            _ => {}
        }
    }
    let mut faults = Vec::new();
    check(&scenario::schema(), "", &mut faults);
    assert!(faults.is_empty(), "{faults:#?}");
}
