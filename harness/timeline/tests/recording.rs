//! Recordings are read back unchanged, and what is wrong with one is said.

use proptest::prelude::*;
use timeline::testing::{Recorder, aborted, healthy, measurement, saw, scenario, updating, version};
use timeline::{
    AnalysisPhase, EndReason, Entry, Event, HealthStatus, RecordingError, Role, Source, Summary, SyncStatus,
    Timeline, Verdict, judge,
};
use units::Time;

#[test]
fn what_is_wrong_with_a_recording_is_said() {
    let good = Recorder::new().action(1_000, 0, "merge").settled(2_000).to_jsonl();
    let lines: Vec<&str> = good.lines().collect();
    let read = |lines: &[&str]| Timeline::from_jsonl(&lines.join("\n")).unwrap_err().to_string();
    assert!(read(&[]).contains("does not begin"));
    assert!(read(&lines[1..]).contains("does not begin"));
    assert!(read(&lines[..2]).contains("cut short"));
    assert!(read(&[lines[0], lines[2], lines[1]]).contains("line 3 goes back in time"));
    assert!(read(&[lines[0], "{\"at\": 1", lines[2]]).contains("line 2 is not an entry"));
    let unknown = lines[1].replace("action_performed", "levitation");
    assert!(read(&[lines[0], &unknown, lines[2]]).contains("levitation"));
    let newer = lines[0].replace("\"format\":1", "\"format\":2");
    assert_eq!(Timeline::from_jsonl(&newer), Err(RecordingError::Format { found: 2 }));
    let nan = lines[1].replace("\"at\":1", "\"at\":-1");
    assert!(read(&[lines[0], &nan, lines[2]]).contains("not a number of seconds"));
}

#[test]
fn the_recorded_form_is_one_object_a_line() {
    let first = Recorder::new().settled(2_500).to_jsonl();
    assert_eq!(
        first.lines().last(),
        Some(r#"{"at":2.5,"source":"rehearse","event":{"kind":"run_ended","reason":"settled"}}"#)
    );
}

/// Anything that the claims below look at.
fn event() -> impl Strategy<Value = (Source, Event)> {
    let model = prop_oneof![Just("3.1"), Just("3.2")];
    let rollout =
        (model.clone(), model, 0..5_u32, 0..4_u64, 0..3_u8).prop_map(|(stable, canary, step, n, kind)| {
            let (stable, canary) = (version(1 + n / 2, stable), version(2 + n / 2, canary));
            let status = match kind {
                0 => healthy(stable),
                1 => updating(stable, canary, step),
                _ => aborted(stable, canary),
            };
            (Source::Rollouts, Event::Rollout(status))
        });
    let phase =
        prop_oneof![Just(AnalysisPhase::Failed), Just(AnalysisPhase::Successful), Just(AnalysisPhase::Error)];
    let measured =
        (phase, prop::option::of((0..3_u64, 0.0..1e9)), "\\PC{0,8}").prop_map(|(phase, seen, metric)| {
            let evidence = seen.map(|(series, requests)| saw(series, requests));
            (Source::Analysis, Event::Measurement(measurement(&metric, phase, evidence)))
        });
    let performed = (0..3_usize, prop_oneof![Just("merge"), Just("revert"), Just("promote_full")]).prop_map(
        |(index, action)| {
            let text = String::new();
            let action = timeline::ActionPerformed { index, action: action.into(), id: None, text };
            (Source::Rehearse, Event::ActionPerformed(action))
        },
    );
    let requests =
        (0..200_u64, 0.0..1e6, 0.0..1.0, any::<bool>()).prop_map(|(since, total, hurt, canary)| {
            let requests = timeline::Requests {
                service: "serving".into(),
                owner: "serving".into(),
                role: if canary { Role::Canary } else { Role::Stable },
                model: "3.2".into(),
                step: None,
                since: Time::from_secs(since),
                total,
                failed: 0.0,
                slow: total * hurt,
                wrong: 0.0,
                truncated: 0.0,
                hurt: total * hurt,
            };
            (Source::Clients, Event::Requests(requests))
        });
    prop_oneof![rollout, measured, performed, requests]
}

fn any_timeline() -> impl Strategy<Value = Timeline> {
    let reason = prop_oneof![
        Just(EndReason::Settled),
        Just(EndReason::DurationReached),
        Just(EndReason::TimeLimit),
        Just(EndReason::Interrupted)
    ];
    (prop::collection::vec((0..20_000_u64, event()), 0..40), reason).prop_map(|(events, reason)| {
        let mut recorder = Recorder::new().application(0, SyncStatus::Synced, HealthStatus::Healthy, "abc");
        let mut now = 0;
        for (step, (source, event)) in events {
            now += step;
            recorder = recorder.at(now, source, event);
        }
        recorder.ended(now, reason)
    })
}

const EVENTS: &str = "[{ at: 10s, merge: { title: New, write: { a.txt: b } } }, { at: 50s, revert: last }]";

const CLAIMS: &str = "[
  { rollout: serving, becomes: aborted, within: 1m, because: x, before: revert },
  { rollout: serving, becomes: promoted, of: revert },
  { rollout: serving, stays: { stable: '3.1' }, for: 10s },
  { rollout: serving, becomes: aborted, of: { rollout: serving, is: promoted } },
  { application: llama3, becomes: { revision: revert } },
  { requests: { hurt: < 2%, total: '>= 1/s', after: merge, before: { rollout: serving, is: aborted } } },
  { rollout: serving, always: healthy }, { rollout: serving, never: healthy },
  { rollout: serving, always: { canary: '3.2' }, before: revert },
  { rollout: serving, never: { canary: '3.2' }, before: revert },
  { rollout: serving, always: promoted, of: start }, { rollout: serving, never: promoted, of: start }]";

proptest! {
    // Whatever happened is judged, each expectation once, on entries that exist.
    #[test]
    fn any_timeline_is_judged(timeline in any_timeline()) {
        let judgement = judge(&scenario(EVENTS, CLAIMS), &timeline);
        prop_assert_eq!(judgement.expectations.len(), 12);
        for judged in &judgement.expectations {
            prop_assert!(judged.evidence.iter().all(|index| *index < timeline.entries.len()));
            prop_assert!(!judged.message.is_empty());
        }
    }

    // A state does not hold always and never.
    #[test]
    fn always_and_never_do_not_both_pass(timeline in any_timeline()) {
        let judgement = judge(&scenario(EVENTS, CLAIMS), &timeline);
        for pair in judgement.expectations[6..].chunks(2) {
            prop_assert!(pair.iter().any(|judged| judged.verdict != Verdict::Passed), "{:?}", pair);
        }
    }

    // A recording says what happened, to the last bit.
    #[test]
    fn a_recording_is_read_back_unchanged(timeline in any_timeline()) {
        let read = Timeline::from_jsonl(&timeline.to_jsonl()).unwrap();
        prop_assert_eq!(read, timeline);
    }

    // No text makes the reader panic.
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        prop_assert!(Timeline::from_jsonl(&text).is_err());
    }

    // What no measurement looked at is a part of what the canary served.
    #[test]
    fn blind_is_never_more_than_was_served(timeline in any_timeline()) {
        for blind in Summary::of(&timeline).blind {
            let unseen = blind.unseen.unwrap_or_default();
            prop_assert!(unseen.time <= blind.served.time);
            prop_assert!(unseen.requests <= blind.served.requests * (1.0 + 1e-9));
        }
    }
}

// Entries are compared as values, so that an entry that a newer build writes with one more field is
// still read.
#[test]
fn an_entry_with_a_field_that_is_not_known_yet_is_read() {
    let line =
        r#"{"at":2.5,"source":"rehearse","event":{"kind":"run_ended","reason":"settled","mood":"fine"}}"#;
    assert_eq!(serde_json::from_str::<Entry>(line).unwrap().at, Time::from_nanos(2_500_000_000));
}
