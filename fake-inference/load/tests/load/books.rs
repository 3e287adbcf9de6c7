//! Counts, spans and reports add up, whatever happened.

use load::{
    Arrival, Counts, Cut, Exchange, Failure, Outcome, Plan, Report, Spacing, Span, Spans, Tally,
    UsageReported,
};
use proptest::prelude::*;
use units::{Duration, Rate, Time};

const BOUND: Option<Duration> = Some(Duration::from_millis(500));

fn plan() -> Plan {
    let rate = Rate::new(10.0).unwrap();
    Plan::new(rate, rate, Duration::from_secs(100), Spacing::Even, 0).unwrap()
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let text = String::new;
    let complete = move |right, usage| Outcome::Complete { text: text(), right, usage };
    prop_oneof![
        Just(complete(true, UsageReported::Equal)),
        Just(complete(false, UsageReported::Missing)),
        Just(Outcome::Truncated(Cut::NoDone)),
        Just(Outcome::Truncated(Cut::Body)),
        Just(Outcome::Failed(Failure::Timeout)),
        (500_u16..504).prop_map(|code| Outcome::Failed(Failure::Status { code, message: String::new() })),
    ]
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let exchange = (0_u64..2_000, 0_u64..1_000, "3\\.[0-3]", "[ab]?", outcomes()).prop_map(
        |(sent, took, version, pod, outcome)| {
            Arrival::Exchanged(Exchange {
                request: 0,
                planned: Duration::from_millis(sent),
                sent: Duration::from_millis(sent),
                first_token: None,
                gaps: Vec::new(),
                ended: Duration::from_millis(sent + took),
                version,
                pod,
                names_other_model: false,
                outcome,
            })
        },
    );
    let dropped = Just(Arrival::Dropped { planned: Duration::ZERO });
    prop::collection::vec(prop_oneof![9 => exchange, 1 => dropped], 0..80)
}

fn report(arrivals: &[Arrival]) -> Report {
    let mut tally = Tally::new(plan(), BOUND);
    arrivals.iter().for_each(|arrival| tally.add(arrival));
    tally.report(Duration::from_secs(100))
}

proptest! {
    // Every request has one end, and is hurt if any of the four is true of it.
    #[test]
    fn counts_add_up(arrivals in arrivals()) {
        let report = report(&arrivals);
        let Counts { sent, completed, failed, truncated, wrong, slow, hurt } = report.counts;
        prop_assert_eq!(report.offered, arrivals.len() as u64);
        prop_assert_eq!(report.offered, sent + report.dropped);
        prop_assert_eq!(sent, completed + failed + truncated);
        prop_assert!(wrong <= completed && slow <= completed + truncated);
        prop_assert!((failed + truncated + wrong).max(slow + failed) <= hurt);
        prop_assert!(hurt <= failed + truncated + wrong + slow);
        prop_assert_eq!(report.failures.values().map(|failure| failure.count).sum::<u64>(), failed);
        prop_assert_eq!(report.cuts.values().sum::<u64>(), truncated);
        prop_assert_eq!(report.versions.values().map(|it| it.counts).sum::<Counts>(), report.counts);
        prop_assert_eq!(report.end_to_end.map_or(0, |times| times.count), sent);
    }

    // Wherever spans are cut, they follow each other and add up to the report.
    #[test]
    fn spans_add_up(arrivals in arrivals(), every in 1_usize..20) {
        let report = report(&arrivals);
        let mut spans = Spans::new(BOUND);
        let mut cut: Vec<Span> = Vec::new();
        for (piece, arrivals) in (1..).zip(arrivals.chunks(every)) {
            arrivals.iter().for_each(|arrival| spans.add(arrival));
            cut.push(spans.cut(Time::from_secs(piece)));
        }
        prop_assert!(cut.windows(2).all(|two| two[0].until == two[1].since));
        prop_assert_eq!(cut.iter().map(|span| span.dropped).sum::<u64>(), report.dropped);
        for (version, of_version) in &report.versions {
            prop_assert_eq!(cut.iter().map(|span| span.of(version)).sum::<Counts>(), of_version.counts);
        }
        // An engine reads them from a line of a log.
        for span in cut {
            let line = serde_json::to_string(&span).unwrap();
            prop_assert_eq!(serde_json::from_str::<Span>(&line).unwrap(), span, "{}", line);
        }
    }
}

#[test]
fn a_server_of_many_names_does_not_fill_the_memory() {
    let named = |number: u64| {
        Arrival::Exchanged(Exchange {
            request: number,
            planned: Duration::ZERO,
            sent: Duration::ZERO,
            first_token: None,
            gaps: Vec::new(),
            ended: Duration::ZERO,
            version: number.to_string(),
            pod: String::new(),
            names_other_model: true,
            outcome: Outcome::Failed(Failure::Timeout),
        })
    };
    let arrivals: Vec<_> = (0..1_000).map(named).collect();
    let report = report(&arrivals);
    assert_eq!(report.versions.len(), 257);
    assert_eq!(report.versions["(others)"].counts.sent, 1_000 - 256);
    assert!(report.warnings()[0].starts_with("1000 answers name another model"), "{:?}", report.warnings());
}
