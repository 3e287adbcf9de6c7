//! What a person reads on the terminal.

#![expect(clippy::unwrap_used, reason = "a recording that is not as a test says fails the test")]

use proptest::prelude::*;
use reports::{
    Detail, Options, Run, Style, Total, comparison, comparison_json, json, seeds, terminal, totals,
};
use timeline::{
    Comparison, Engine, Event, HealthStatus, Report, RunResult, SeedRun, Seeds, Summary, SyncStatus,
    Timeline, Verdict, compare, judge,
};
use units::Duration;

mod bad_model;

fn shown(timeline: &Timeline, options: &Options) -> String {
    let scenario = bad_model::the_scenario();
    let (judgement, summary) = (judge(&scenario, timeline), Summary::of(timeline));
    terminal(&Run { scenario: &scenario, timeline, judgement: &judgement, summary: &summary }, options)
}

fn result(timeline: &Timeline) -> RunResult {
    let scenario = bad_model::the_scenario();
    RunResult::new(&scenario, timeline, &judge(&scenario, timeline), &Summary::of(timeline), 0.0)
}

#[test]
fn a_run_reads_as_a_story() {
    insta::assert_snapshot!(shown(&bad_model::the_timeline(), &Options::default()));
}

#[test]
fn every_entry_is_told_on_request() {
    let options = Options { detail: Detail::Everything, ..Options::default() };
    let text = shown(&bad_model::the_timeline(), &options);
    let told = text.lines().skip_while(|line| *line != "what happened").take_while(|line| !line.is_empty());
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn colours_add_nothing_but_colours() {
    let timeline = bad_model::the_timeline();
    let coloured = shown(&timeline, &Options { style: Style::Coloured, ..Options::default() });
    let mut plain = String::new();
    for (index, part) in coloured.split('\u{1b}').enumerate() {
        plain += if index == 0 { part } else { part.split_once('m').unwrap().1 };
    }
    assert_eq!(plain, shown(&timeline, &Options::default()));
    let abort = coloured.lines().find(|line| line.contains("ABORTED")).unwrap();
    insta::assert_snapshot!(abort.escape_debug());
}

#[test]
fn many_seeds_read_as_a_distribution() {
    let scenario = bad_model::the_scenario();
    let slow = bad_model::the_timeline();
    let mut unharmed = slow.clone();
    unharmed
        .entries
        .retain(|entry| !matches!(&entry.event, Event::Rollout(status) if status.canary.is_some()));
    let run = |seed: u64| {
        let timeline = if seed.is_multiple_of(7) { &unharmed } else { &slow };
        SeedRun { seed, judgement: judge(&scenario, timeline), summary: Summary::of(timeline) }
    };
    let gathered = Seeds::of(&(1..=20).map(run).collect::<Vec<_>>());
    insta::assert_snapshot!(seeds("bad-model", &gathered, &Options::default()));
}

#[test]
fn the_scenarios_of_a_call_are_listed_and_counted() {
    let total = |name: &str, verdict, reason: &str, minutes: Option<u64>| Total {
        name: name.into(),
        verdict,
        reason: reason.into(),
        length: minutes.map(|minutes| Duration::from_secs(minutes * 60)),
    };
    let scenarios = [
        total("good-model", Verdict::Passed, "6 expectations passed", Some(24)),
        total("bad-model [errors=3%]", Verdict::Failed, "1 of 4 expectations failed", Some(18)),
        total("low-traffic", Verdict::Inconclusive, "over 200 seeds", None),
        total("idle", Verdict::Passed, "1 expectation passed", Some(5)),
    ];
    insta::assert_snapshot!(totals(&scenarios, &Options::default()));
}

#[test]
fn the_json_report_is_read_back_unchanged() {
    let report = Report { rehearse: "0.1.0".into(), results: vec![result(&bad_model::the_timeline())] };
    assert_eq!(serde_json::from_str::<Report>(&json(&report)).unwrap(), report);
}

/// The run with its texts and times changed, and some entries left out.
fn disturbed() -> impl Strategy<Value = Timeline> {
    (any::<String>(), prop::collection::vec(any::<bool>(), 60), 0..4_u32).prop_map(|(text, kept, pods)| {
        let mut timeline = bad_model::the_timeline();
        let mut kept = kept.into_iter();
        timeline.entries.retain(|_| kept.next().unwrap_or(true));
        for entry in &mut timeline.entries {
            match &mut entry.event {
                Event::ActionPerformed(action) => action.text.clone_from(&text),
                Event::Measurement(measured) => measured.message.clone_from(&text),
                Event::Requests(requests) => requests.model.clone_from(&text),
                Event::Rollout(status) => {
                    status.name.clone_from(&text);
                    status.message.clone_from(&text);
                    if let Some(canary) = &mut status.canary {
                        canary.ready = pods;
                    }
                }
                _ => {}
            }
        }
        timeline
    })
}

proptest! {
    // Whatever a run holds, no line is too wide and nothing commands the terminal.
    #[test]
    fn no_line_is_too_wide(timeline in disturbed(), width in 40..130_usize, all in any::<bool>()) {
        let detail = if all { Detail::Everything } else { Detail::Story };
        let text = shown(&timeline, &Options { style: Style::Plain, detail, width });
        for line in text.lines() {
            prop_assert!(unicode_width::UnicodeWidthStr::width(line) <= width, "{:?}", line);
            prop_assert!(!line.contains(char::is_control), "{:?}", line);
        }
    }
}

/// The run, and the same as a real cluster would tell it: everything after the merge comes `later`, the
/// Application is OutOfSync and Progressing for a moment before it is Degraded, and everything stops before
/// the revert where `stops` says so.
fn compared(later: Duration, stops: bool) -> Comparison {
    let simulated = bad_model::the_timeline();
    let mut real = simulated.clone();
    for entry in &mut real.entries {
        if let Event::RunStarted(started) = &mut entry.event {
            started.engine = Engine::Kind;
        }
        if entry.at > units::Time::from_secs(120) {
            entry.at += later;
        }
    }
    let degraded = real.entries.iter().position(
        |entry| matches!(&entry.event, Event::Application(status) if status.health == HealthStatus::Degraded),
    );
    let mut passing = real.entries[degraded.unwrap()].clone();
    passing.at = passing.at - Duration::from_millis(300);
    if let Event::Application(status) = &mut passing.event {
        (status.sync, status.health) = (SyncStatus::OutOfSync, HealthStatus::Progressing);
    }
    real.entries.insert(degraded.unwrap(), passing);
    if stops {
        let end = real.entries.pop().unwrap();
        real.entries.retain(|entry| entry.at < units::Time::from_secs(600));
        real.entries.push(end);
    }
    compare(&bad_model::the_scenario(), &simulated, &real)
}

#[test]
fn two_runs_that_agree_are_shown_side_by_side() {
    insta::assert_snapshot!(comparison(&compared(Duration::from_secs(9), false), &Options::default()));
}

#[test]
fn two_runs_that_differ_say_where() {
    insta::assert_snapshot!(comparison(&compared(Duration::ZERO, true), &Options::default()));
}

#[test]
fn a_comparison_is_read_by_programs() {
    let json = comparison_json(&compared(Duration::from_secs(9), false));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&value["agrees"], &value["in_time"]), (&true.into(), &true.into()));
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    insta::assert_snapshot!(format!(
        "{keys:?}\n{:#}\n{:#}",
        value["outcome"][0], value["chapters"][1]["states"][0]
    ));
}
