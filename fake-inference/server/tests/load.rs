//! The load generator against the server itself, in memory and in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use std::future::pending;
use std::sync::Arc;

use common::{identity, server_with};
use fake_inference::{Identity, Server, connect_in_memory};
use load::{Evaluation, Load, Plan, Report, Spacing, Tally, Target, generate, quality, smoke};
use units::{Duration, Rate, Ratio};

fn performer(rest: &str) -> Arc<Server> {
    let identity = Identity { max_batch_size: 1000, ..identity() };
    server_with(&format!("models: {{ 3.1-70b: {{ load: 0s, {rest} }} }}"), identity, 11)
}

/// So many requests, 100 a second.
fn load(server: &Arc<Server>, requests: u64) -> Load {
    let server = Arc::clone(server);
    let target = Target::in_memory(move || connect_in_memory(&server));
    let rate = Rate::new(100.0).unwrap();
    let plan = Plan::new(rate, rate, Duration::from_millis(requests * 10), Spacing::Poisson, 5).unwrap();
    Load::new(target, "llama3", Evaluation::shipped(), plan)
}

async fn report(load: &Load) -> Report {
    let mut tally = Tally::new(load.plan, None);
    generate(load, pending(), |arrival| tally.add(&arrival)).await;
    tally.report(load.plan.during())
}

#[tokio::test(start_paused = true)]
async fn every_question_of_the_set_that_ships_is_answered_rightly() {
    for streaming in [true, false] {
        let server = performer("latency: { p50: 100ms, p99: 300ms }");
        let load = Load { streaming, ..load(&server, 100) };
        let check = quality(&load, Ratio::ONE).await.unwrap();
        assert!(check.passed, "{check}");
        let smoke = smoke(&load, Some("llama3")).await.unwrap();
        assert!(smoke.passed, "{smoke}");
        let report = check.report.unwrap();
        assert_eq!((report.usage_missing, report.usage_unequal), (0, 0));
        assert_eq!(report.versions.keys().collect::<Vec<_>>(), ["3.1-70b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_p99_of_half_a_second_is_measured_within_two_percent() {
    let server = performer("latency: { p50: 250ms, p99: 500ms }");
    let load = Load { streaming: false, ..load(&server, 10_000) };
    let times = report(&load).await.end_to_end.unwrap();
    // The standard error of this quantile is 1.1 % of it; the seeds make it one and the same draw.
    assert!((times.p99 / 0.5 - 1.0).abs() < 0.02, "{times:?}");
    assert!((times.p50 / 0.25 - 1.0).abs() < 0.01, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn clients_see_the_shares_that_the_profile_says() {
    for streaming in [true, false] {
        let server = performer("latency: { p50: 50ms, p99: 90ms }, errors: 5%, wrong: 10%, truncated: 4%");
        let report = report(&Load { streaming, ..load(&server, 4_000) }).await;
        let sent = report.counts.sent as f64;
        // Errors are neither wrong nor truncated, and what is truncated cannot be judged.
        let table = [
            (report.counts.failed, 0.05),
            (report.counts.truncated, 0.95 * 0.04),
            (report.counts.wrong, 0.95 * 0.96 * 0.10),
        ];
        for (seen, share) in table {
            let allowed = 5.0 * (share * (1.0 - share) * sent).sqrt();
            assert!((seen as f64 - share * sent).abs() < allowed, "{share} of {sent}: {seen}\n{report}");
        }
    }
}
