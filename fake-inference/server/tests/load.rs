//! The load generator against the server itself, in memory and in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use std::future::pending;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use common::{identity, running, server_with};
use fake_inference::{Identity, Server, connect_in_memory};
use load::{Counts, Evaluation, Load, Plan, Report, Spacing, Span, Tally, Target, generate, quality, smoke};
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

/// The program with these arguments, apart by blanks.
fn program(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-inference"));
    command.args(arguments.split(' ')).stdin(Stdio::null()).env_remove("NO_SUCH_KEY");
    command
}

/// The program's exit code and what it says, `$URL` being the server's.
async fn said(arguments: &str, url: &str) -> (Option<i32>, String) {
    let mut command = program(&arguments.replace("$URL", url));
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output { status, stdout, stderr } = run.await.unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_of_the_program_tells_what_a_check_found() {
    let good = running(&performer("latency: { p50: 5ms, p99: 9ms }")).await;
    let bad = running(&performer("latency: { p50: 5ms, p99: 9ms }, wrong: 100%, errors: 20%")).await;
    let [good, bad] = [good.address, bad.address].map(|address| format!("http://{address}"));
    let mut questions = tempfile::NamedTempFile::new().unwrap();
    writeln!(questions, r#"{{"prompt": "6 * 7?", "answer": 42}}"#).unwrap();
    let broken = format!("check quality --url $URL --evaluation {}", questions.path().display());
    let nobody = "http://127.0.0.1:1".to_owned();
    let table = [
        ("check smoke --url $URL", &good, 0, "ok      stream: answered by 3.1-70b"),
        ("check smoke --url $URL --model gone", &good, 1, "`gone` is not among them"),
        ("check quality --url $URL --rate 200/s", &good, 0, "24 of 24 answers are right"),
        ("check quality --url $URL --rate 200/s --whole", &bad, 1, "0 of 24 answers are right"),
        (
            "check latency --url $URL --rate 200/s --duration 1s --p99 30s",
            &good,
            0,
            "0 of 200 requests failed",
        ),
        ("check latency --url $URL --rate 200/s --duration 1s --p99 30s", &bad, 1, "the bound is 1%"),
        ("check latency --url $URL --rate 200/s --duration 1s --p50 1ms", &good, 1, "the bound is 1ms"),
        ("load --url $URL --rate 100/s --duration 1s --ramp-to 200/s", &bad, 0, "150 requests offered"),
        ("check latency --url $URL", &good, 2, "no bound is given"),
        ("check latency --url $URL --p99 1s --rate 1/s", &good, 2, "plan at least 100"),
        ("load --url $URL --rate 20 --duration 1s", &good, 2, "20/s"),
        ("load --url $URL --rate 20/s --duration 0s", &good, 2, "no request would be sent"),
        ("load --url $URL --rate 20/s --duration 1s --key-env NO_SUCH_KEY", &good, 2, "NO_SUCH_KEY"),
        ("check smoke --url $URL/?a=b", &good, 2, "a query"),
        (&broken, &good, 2, "unknown field `answer`"),
        ("check smoke --url $URL", &nobody, 4, "was not reached"),
        ("load --url $URL --rate 20/s --duration 1s", &nobody, 4, "was not reached"),
        ("load --url $URL --rate 20/s --duration 1s --model m", &nobody, 4, "20 failed: no connection"),
    ];
    for (arguments, url, code, told) in table {
        let (found, said) = said(arguments, url).await;
        assert_eq!(found, Some(code), "{arguments}: {said}");
        assert!(said.contains(told), "{arguments}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_read_reports_as_one_json_object() {
    let server = running(&performer("latency: { p50: 5ms, p99: 9ms }")).await;
    let url = format!("http://{}", server.address);
    let read = async |arguments: &str| -> serde_json::Value {
        let (code, said) = said(arguments, &url).await;
        assert_eq!(code, Some(0), "{said}");
        serde_json::from_str(&said).unwrap()
    };
    let report = read("load --url $URL --rate 50/s --duration 1s --format json").await;
    assert_eq!((&report["offered"], &report["completed"]), (&50.into(), &50.into()));
    assert_eq!(report["versions"]["3.1-70b"]["sent"], 50);
    let check = read("check smoke --url $URL --format json").await;
    assert_eq!((&check["check"], &check["passed"]), (&"smoke".into(), &true.into()));
}

#[test]
fn an_interrupted_load_tells_what_it_found_so_far() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let arguments = format!("load --url {url} --rate 1/s --duration 1h --model m");
    let child = program(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let connection = listener.accept().unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    drop((listener, connection));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("failed: connection ended"), "{said}");
}

fn counts(spans: &[Span], version: &str, pod: &str) -> Counts {
    let answered = spans.iter().flat_map(|span| &span.answered);
    let by = answered.filter(|it| (it.version.as_str(), it.pod.as_str()) == (version, pod));
    by.map(|it| it.counts).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_come_as_they_end_and_sigterm_ends_them_in_order() {
    // Its client may be there before it: the address is known, and nothing listens.
    let late = "{ load: 300ms, latency: { p50: 5ms, p99: 9ms }, errors: 20% }";
    let file =
        format!("models: {{ 3.1-70b: {late} }}\nserver: {{ loading: {{ refuse_connections: true }} }}");
    let server = running(&server_with(&file, identity(), 11)).await;
    let arguments = format!(
        "load --url http://{} --rate 100/s --requests-per-connection 1 --spans=100ms --format json",
        server.address
    );
    let mut child = program(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let follow = move || {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut spans = Vec::new();
        let read = |line: String| -> Span { serde_json::from_str(&line).unwrap() };
        let both = |spans: &[Span]| {
            let counts = counts(spans, "3.1-70b", "llama3-0");
            counts.failed > 0 && counts.completed > 0
        };
        while !both(&spans) {
            spans.push(read(lines.next().unwrap()));
        }
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        spans.extend(lines.map(read));
        (spans, child.wait_with_output().unwrap())
    };
    let (spans, ended) = tokio::task::spawn_blocking(follow).await.unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert!(spans.windows(2).all(|two| two[0].until == two[1].since), "{spans:?}");
    let (nobody, pod) = (counts(&spans, "", ""), counts(&spans, "3.1-70b", "llama3-0"));
    assert_eq!(nobody.failed, nobody.sent, "{spans:?}");
    // The last span has what ended after the signal.
    let report: serde_json::Value = serde_json::from_slice(&ended.stderr).unwrap();
    assert_eq!(nobody.sent + pod.sent, report["sent"], "{spans:?}");
}

#[test]
fn requests_for_which_this_machine_has_no_socket_are_dropped_not_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let load = format!(
        "ulimit -n 40; exec {} load --url http://{} --rate 200/s --duration 500ms --timeout 1s --model m --format json",
        env!("CARGO_BIN_EXE_fake-inference"),
        listener.local_addr().unwrap(),
    );
    // The listener answers nobody: all 100 requests are under way at once, as far as 40 files allow.
    let output = Command::new("sh").args(["-c", &load]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (sent, dropped) = (report["sent"].as_u64().unwrap(), report["dropped"].as_u64().unwrap());
    assert!((1..40).contains(&sent) && sent + dropped == 100, "{report}");
    assert_eq!(report["failures"]["timeout"]["count"], sent);
}
