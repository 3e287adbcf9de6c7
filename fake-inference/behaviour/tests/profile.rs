//! What can be written about a model, and how it behaves over a pod's life.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

use std::collections::BTreeMap;

use behaviour::{Effective, Moment, Piece, Profile, Ready};
use proptest::prelude::*;
use units::{Duration, Time};

fn profile(yaml: &str) -> Profile {
    serde_saphyr::from_str(yaml).unwrap()
}

fn born(pod: u64) -> Moment {
    Moment { age: Duration::ZERO, now: Time::from_secs(1_000), pod }
}

fn aged(seconds: u64) -> Moment {
    Moment { age: Duration::from_secs(seconds), now: Time::from_secs(1_000 + seconds), pod: 0 }
}

const EVERYTHING: &str = "
latency: { p50: 180ms, p99: 350ms }
errors: 0.1%
wrong: 2%
truncated: 1%
load: 17m
ready: at-once
faults:
  - { clock: run, from: 6m, until: 11m, window: { every: 2m, for: 30s }, ramp: 10s, pods: 33%, latency: { p50: 1s, p99: 2s } }
  - { errors: 5%, wrong: 6%, truncated: 7% }
";

#[test]
fn a_profile_survives_its_own_text() {
    for yaml in [EVERYTHING, "latency: { p50: 180ms, p99: 350ms }"] {
        let read = profile(yaml);
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), read, "{json}");
    }
}

#[test]
fn the_example_in_the_readme_is_valid() {
    #[derive(serde::Deserialize)]
    struct Example {
        models: BTreeMap<String, Profile>,
    }
    let readme = include_str!("../../README.md");
    let yaml = readme.split("```").nth(1).unwrap().strip_prefix("yaml").unwrap();
    let example: Example = serde_saphyr::from_str(yaml).unwrap();
    assert_eq!(example.models["3.2-70b-instruct"].faults.len(), 2);
}

#[test]
fn only_what_differs_from_the_defaults_is_written() {
    let json =
        serde_json::to_string(&profile("{ latency: { p50: 180ms, p99: 350ms }, load: 60s, errors: 0% }"));
    assert_eq!(json.unwrap(), r#"{"latency":{"p50":"180ms","p99":"350ms"}}"#);
}

#[test]
fn what_is_wrong_with_a_profile_is_said() {
    let error = |yaml: &str| serde_saphyr::from_str::<Profile>(yaml).unwrap_err().to_string();
    assert!(error("errors: 1%").contains("latency"));
    assert!(error("{ latency: { p50: 1s, p99: 2s }, speed: 3 }").contains("speed"));
    assert!(error("{ latency: { p50: 1s, p99: 2s }, errors: 110% }").contains("between 0% and 100%"));
    assert!(error("{ latency: { p50: 1s, p99: 2s }, ready: soon }").contains("when-loaded"));
    let faults = "{ errors: 1% }, ".repeat(101);
    assert!(
        error(&format!("{{ latency: {{ p50: 1s, p99: 2s }}, faults: [{faults}] }}")).contains("101 faults")
    );
}

#[test]
fn the_schema_names_every_key_and_refuses_others() {
    let schema = serde_json::to_value(schemars::schema_for!(Profile)).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    let keys = |object: &serde_json::Value| {
        object["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&schema), ["errors", "faults", "latency", "load", "ready", "truncated", "wrong"]);
    let fault = &schema["$defs"]["Fault"];
    assert_eq!(fault["additionalProperties"], false);
    assert_eq!(
        keys(fault),
        ["clock", "errors", "from", "latency", "pods", "ramp", "truncated", "until", "window", "wrong"]
    );
    assert_eq!(schema["required"], serde_json::json!(["latency"]));
}

#[test]
fn a_pod_refuses_every_request_until_its_weights_are_loaded() {
    let model = profile("{ latency: { p50: 1s, p99: 2s }, load: 90s, ready: at-once }");
    assert_eq!(model.at(aged(89)).errors.as_f64(), 1.0);
    assert!(model.at(aged(89)).latency.mean() < 0.01);
    assert_eq!(model.at(aged(90)).errors.as_f64(), 0.0);
    assert_eq!(model.next_change(aged(30)), Some(Time::from_secs(1_090)));
    assert_eq!(model.next_change(aged(90)), None);
}

#[test]
fn readiness_follows_the_weights_or_lies() {
    let after =
        |ready| Profile { ready, ..profile("{ latency: { p50: 1s, p99: 2s }, load: 90s }") }.ready_after();
    assert_eq!(after(Ready::WhenLoaded), Some(Duration::from_secs(90)));
    assert_eq!(after(Ready::AtOnce), Some(Duration::ZERO));
    assert_eq!(after(Ready::Never), None);
}

#[test]
fn a_later_fault_overrides_an_earlier_one_and_leaves_what_it_does_not_give() {
    let model = profile(
        "{ latency: { p50: 1s, p99: 2s }, load: 0s, wrong: 1%, faults: [
           { from: 10s, errors: 5%, wrong: 2% }, { from: 20s, errors: 7% }] }",
    );
    let levels = |second| {
        let Effective { errors, wrong, .. } = model.at(aged(second));
        (errors.to_string(), wrong.to_string())
    };
    assert_eq!(levels(5), ("0%".into(), "1%".into()));
    assert_eq!(levels(15), ("5%".into(), "2%".into()));
    assert_eq!(levels(25), ("7%".into(), "2%".into()));
}

/// From a moment on until nothing changes any more.
fn pieces(model: &Profile, from: Moment) -> Vec<(Moment, Piece)> {
    let of = |moment| (moment, model.piece(moment));
    let pieces = std::iter::successors(Some(of(from)), |(moment, piece)| {
        let next = Moment { age: moment.age + piece.lasts, now: moment.now + piece.lasts, ..*moment };
        (piece.lasts < Duration::MAX).then(|| of(next))
    });
    pieces.collect()
}

#[test]
fn a_ramp_moves_both_quantiles_linearly() {
    let model = profile(
        "{ latency: { p50: 200ms, p99: 400ms }, load: 0s, faults: [
           { from: 60s, ramp: 100s, latency: { p50: 400ms, p99: 1s } }] }",
    );
    let halfway = model.at(aged(110)).latency;
    assert!((halfway.quantile(0.5) - 0.3).abs() < 1e-9);
    assert!((halfway.quantile(0.99) - 0.7).abs() < 1e-9);
    assert_eq!(pieces(&model, aged(0)).len(), 1 + 100 + 1);
}

#[test]
fn at_a_speed_everything_comes_as_much_sooner_and_answers_take_as_long() {
    let yaml = "{ latency: { p50: 180ms, p99: 350ms }, load: 60s, faults: [
        { from: 10m, until: 20m, window: { every: 2m, for: 30s }, errors: 5% },
        { clock: run, from: 30m, errors: 9% }] }";
    let (real, fast) = (profile(yaml), profile(yaml).at_speed(10.0));
    assert_eq!((fast.load, fast.latency), (Duration::from_secs(6), real.latency));
    let at = |millis: u64| Moment {
        age: Duration::from_millis(millis),
        now: Time::ZERO + Duration::from_millis(millis),
        pod: 0,
    };
    for seconds in 0..4_000_u64 {
        assert_eq!(fast.at(at(seconds * 100)), real.at(at(seconds * 1_000)), "at {seconds} s");
    }
}

/// A fault in its written form, valid or not: in seconds and whole percentages.
fn any_fault() -> impl Strategy<Value = String> {
    let time = || 0..120_u32;
    (time(), 1..200_u32, time(), 0..40_u32, 1..60_u32, 1..=100_u32, prop::bool::ANY, prop::bool::ANY).prop_map(
        |(from, lasts, ramp, gap, open, share, run, window)| {
            let clock = if run { "run" } else { "pod" };
            let from = if run { from + 1_000 } else { from };
            let window =
                if window { format!("window: {{ every: {}s, for: {open}s }}, ", open + gap) } else { String::new() };
            format!(
                "{{ clock: {clock}, from: {from}s, until: {}s, ramp: {ramp}s, {window}pods: {share}%, errors: {share}% }}",
                from + lasts
            )
        },
    )
}

proptest! {
    // No text makes the parser panic.
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = serde_saphyr::from_str::<Profile>(&text);
        let _ = serde_saphyr::from_str::<Profile>(&format!("latency: {{ p50: {text}, p99: 350ms }}"));
        let _ = serde_saphyr::from_str::<Profile>(&format!("latency: {{ p50: 1s, p99: 2s }}\nfaults: [{{ {text} }}]"));
    }

    // Between two changes the behaviour is one and the same, at every millisecond that is looked at.
    #[test]
    fn nothing_changes_inside_a_piece(
        written in prop::collection::vec(any_fault(), 0..4), pod in 0..4_u64, looks in prop::collection::vec(0..400_000_u64, 50),
    ) {
        let faults: Vec<_> = written.iter().filter_map(|fault| serde_saphyr::from_str(fault).ok()).collect();
        let model = Profile { faults, ..profile("{ latency: { p50: 1s, p99: 2s }, load: 30s }") };
        let start = born(pod);
        let pieces = pieces(&model, start);
        for look in looks {
            let now = start.now + Duration::from_millis(look);
            let (begun, piece) = pieces.iter().rev().find(|(begun, _)| begun.now <= now).unwrap();
            let found = model.piece(Moment { age: now.since(start.now), now, pod });
            prop_assert_eq!(found.effective, piece.effective, "at {}", now);
            prop_assert_eq!(now + found.lasts, begun.now + piece.lasts, "at {}", now);
        }
    }
}
