//! What a run cost, and what many runs say together.

use scenario::Scenario;
use timeline::testing::{Recorder, aborted, healthy, saw, scenario, updating, version};
use timeline::{
    AnalysisPhase, Event, NotSimulated, Outcome, QueryEvidence, Role, RunResult, SeedRun, Seeds, Source,
    Summary, Timeline, Verdict, judge,
};
use units::Time;

const MERGE: &str = "[{ at: 10s, merge: { title: New, write: { a.txt: b } } }]";

fn bad_model() -> Scenario {
    scenario(MERGE, "[{ rollout: serving, becomes: aborted, because: latency, in: '>= 50% of seeds' }]")
}

fn update() -> Recorder {
    Recorder::new()
        .rollout(5_000, healthy(version(1, "3.1")))
        .action(10_000, 0, "merge")
        .rollout(11_000, updating(version(1, "3.1"), version(2, "3.2"), 1))
}

fn abort_because_of(metric: &str) -> Timeline {
    update()
        .requests(10_000, 40_000, Role::Canary, "3.2", 30.0, 20.0)
        .measured(40_000, metric, AnalysisPhase::Failed, Some(saw(1, 30.0)))
        .analysis(40_000, AnalysisPhase::Failed)
        .rollout(41_000, aborted(version(1, "3.1"), version(2, "3.2")))
        .settled(99_000)
}

fn promotion() -> Timeline {
    update().rollout(50_000, healthy(version(2, "3.2"))).settled(99_000)
}

#[test]
fn an_update_ends_in_one_of_four_ways() {
    let outcome = |timeline: &Timeline| Summary::of(timeline).rollouts["ai/serving"].outcome.clone();
    let aborted = Outcome::Aborted { at: Time::from_secs(41), step: Some(1), metric: Some("latency".into()) };
    assert_eq!(outcome(&abort_because_of("latency")), aborted);
    assert_eq!(outcome(&promotion()), Outcome::Promoted { at: Time::from_secs(50) });
    assert_eq!(outcome(&update().settled(99_000)), Outcome::Unfinished { step: Some(1) });
    let idle = Recorder::new().rollout(5_000, healthy(version(1, "3.1"))).settled(99_000);
    assert_eq!(outcome(&idle), Outcome::Unchanged);
}

#[test]
fn requests_hurt_are_told_apart_by_version_and_step() {
    let timeline = update()
        .requests(0, 20_000, Role::Stable, "3.1", 200.0, 1.0)
        .requests(0, 20_000, Role::Canary, "3.2", 20.0, 9.0)
        .settled(99_000);
    let summary = Summary::of(&timeline);
    assert_eq!((summary.requests.total, summary.requests.hurt), (220.0, 10.0));
    assert_eq!(summary.by_model["3.2"].hurt, 9.0);
    let step = &summary.by_step[&("serving".to_owned(), Some(1))];
    assert_eq!((step.text.as_str(), step.requests.total), ("step text 1", 220.0));
}

/// A canary that serves 10 requests a second from 10 s to 110 s, measured at these times with these queries.
fn served(measurements: &[(u64, Option<QueryEvidence>)]) -> Timeline {
    let mut recorder = update();
    for (at, evidence) in measurements {
        recorder = recorder.measured(at * 1_000, "latency", AnalysisPhase::Successful, evidence.clone());
    }
    recorder.requests(10_000, 110_000, Role::Canary, "3.2", 1_000.0, 0.0).settled(200_000)
}

#[test]
fn blind_is_the_canary_time_that_no_measurement_looked_back_on() {
    // The query looks back over 60 s.
    type Case<'a> = (&'a [(u64, Option<QueryEvidence>)], Option<(u64, f64)>);
    let cases: [Case; 6] = [
        (&[], Some((100, 1_000.0))),
        (&[(90, Some(saw(1, 5.0)))], Some((40, 400.0))),
        (&[(50, Some(saw(1, 5.0))), (60, Some(saw(1, 5.0)))], Some((50, 500.0))),
        (&[(70, Some(saw(1, 5.0))), (110, Some(saw(1, 5.0)))], Some((0, 0.0))),
        (&[(90, Some(saw(0, 0.0)))], Some((100, 1_000.0))),
        (&[(90, None)], None),
    ];
    for (measurements, expected) in cases {
        let blind = Summary::of(&served(measurements)).blind.remove(0);
        assert_eq!((blind.served.time.as_secs(), blind.served.requests), (100, 1_000.0));
        let unseen = blind.unseen.map(|unseen| (unseen.time.as_secs(), unseen.requests.round()));
        assert_eq!(unseen, expected, "{measurements:?}");
    }
}

#[test]
fn time_that_two_versions_of_a_canary_share_is_counted_once() {
    let timeline = update()
        .requests(10_000, 50_000, Role::Canary, "3.2", 100.0, 0.0)
        .requests(30_000, 70_000, Role::Canary, "3.3", 100.0, 0.0)
        .settled(99_000);
    let blind = Summary::of(&timeline).blind.remove(0);
    assert_eq!((blind.served.time.as_secs(), blind.served.requests), (60, 200.0));
    assert_eq!(blind.unseen, Some(blind.served));
}

#[test]
fn a_report_has_the_promised_shape() {
    let missing = NotSimulated {
        what: "spec.strategy.canary.trafficRouting.istio".into(),
        place: "rollout.yaml:20:7".into(),
        instead: "requests follow the pods".into(),
    };
    let mut timeline = abort_because_of("latency");
    let end = timeline.entries.pop().unwrap();
    for _ in 0..2 {
        let event = Event::NotSimulated(missing.clone());
        timeline.entries.push(timeline::Entry { at: end.at, source: Source::Rehearse, event });
    }
    timeline.entries.push(end);
    let scenario = scenario(MERGE, "[{ rollout: serving, becomes: aborted, within: 8m, because: latency }]");
    let judgement = judge(&scenario, &timeline);
    let result = RunResult::new(&scenario, &timeline, &judgement, &Summary::of(&timeline), 0.25);
    insta::assert_json_snapshot!(result);
    let json = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<RunResult>(&json).unwrap(), result);
}

fn seeds(timelines: impl IntoIterator<Item = Timeline>) -> Seeds {
    let scenario = bad_model();
    let run = |(seed, timeline): (usize, Timeline)| SeedRun {
        seed: seed as u64,
        judgement: judge(&scenario, &timeline),
        summary: Summary::of(&timeline),
    };
    Seeds::of(&timelines.into_iter().enumerate().map(run).collect::<Vec<_>>())
}

#[test]
fn outcomes_are_counted_with_the_most_frequent_first() {
    let seeds = seeds([
        promotion(),
        abort_because_of("latency"),
        abort_because_of("errors"),
        abort_because_of("latency"),
    ]);
    let outcomes = &seeds.outcomes["ai/serving"];
    let counted: Vec<_> =
        outcomes.iter().map(|share| (share.text.as_str(), share.runs, share.example)).collect();
    assert_eq!(
        counted,
        [
            ("aborted at step 1 because of latency", 2, 1),
            ("aborted at step 1 because of errors", 1, 2),
            ("promoted", 1, 0)
        ]
    );
    assert_eq!(outcomes[0].seconds.unwrap().median, 31.0);
    assert_eq!((seeds.hurt.min, seeds.hurt.median, seeds.hurt.max, seeds.hurt.mean), (0.0, 20.0, 20.0, 15.0));
    assert_eq!(seeds.expectations[0].counterexample, Some(0));
}

/// Passes and failures among these many seeds, for a claim about at least half of them.
fn share(passes: usize, failures: usize) -> timeline::SeedsJudged {
    let passing = std::iter::repeat_n(abort_because_of("latency"), passes);
    let failing = std::iter::repeat_n(promotion(), failures);
    seeds(passing.chain(failing)).expectations.remove(0)
}

#[test]
fn a_claim_about_a_share_of_seeds_is_answered_by_its_interval() {
    assert_eq!(share(20, 2).verdict, Verdict::Passed);
    assert_eq!(share(2, 20).verdict, Verdict::Failed);
    let open = share(2, 1);
    assert_eq!(open.verdict, Verdict::Inconclusive);
    assert!(open.message.contains("to prove 50% takes at least 4 seeds"), "{}", open.message);
    assert!(
        open.message.contains("passed in 2 of 3 seeds (with 95% confidence 20.8% to 93.9%)"),
        "{}",
        open.message
    );
    assert!(open.message.contains("seed 2: not entered"), "{}", open.message);
}

#[test]
fn a_seed_without_an_answer_widens_the_interval() {
    let undecided = update().ended(99_000, timeline::EndReason::Interrupted);
    let answered = std::iter::repeat_n(abort_because_of("latency"), 20);
    let seeds = seeds(answered.chain(std::iter::repeat_n(undecided, 20)));
    let judged = &seeds.expectations[0];
    assert_eq!((judged.passed, judged.inconclusive, judged.verdict), (20, 20, Verdict::Inconclusive));
    assert_eq!(judged.interval.1, 1.0);
}

#[test]
fn a_claim_that_names_no_share_must_hold_in_every_seed() {
    let scenario = scenario(MERGE, "[{ rollout: serving, becomes: aborted }]");
    let run = |seed, timeline: &Timeline| SeedRun {
        seed,
        judgement: judge(&scenario, timeline),
        summary: Summary::of(timeline),
    };
    let good = run(1, &abort_because_of("latency"));
    assert_eq!(Seeds::of(std::slice::from_ref(&good)).verdict, Verdict::Passed);
    assert_eq!(Seeds::of(&[good, run(2, &promotion())]).verdict, Verdict::Failed);
    assert_eq!(Seeds::of(&[]).verdict, Verdict::Inconclusive);
}
