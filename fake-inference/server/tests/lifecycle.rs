//! How the server starts and stops, in this process and as a program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Answer, Client, running, server, server_of};
use fake_inference::Server;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// A chat of a second over a socket, under way.
async fn under_way(
    server: &Arc<Server>,
    address: std::net::SocketAddr,
) -> JoinHandle<Result<Answer, hyper::Error>> {
    let mut client = Client::tcp(address).await;
    let asked = tokio::spawn(async move { client.try_chat(&[], json!({ "stream": true })).await });
    while server.requests_under_way() == 0 {
        tokio::task::yield_now().await;
    }
    asked
}

fn slow(more: &str) -> Arc<Server> {
    server(&format!("server: {{ shutdown: {{ {more} }} }}\nfaults: [{{ slow: {{ factor: 5 }} }}]"))
}

#[tokio::test]
async fn abort_breaks_what_is_under_way_and_ends_with_0() {
    let server = slow("mode: abort");
    let running = running(&server).await;
    let asked = under_way(&server, running.address).await;
    running.terminate().await;
    assert_eq!(running.ended().await, 0);
    assert!(asked.await.unwrap().map_or(true, |answer| !answer.complete));
    assert_eq!((server.requests_under_way(), server.phase().to_string().as_str()), (0, "stopped"));
}

#[tokio::test]
async fn drain_finishes_what_is_under_way_and_refuses_the_rest() {
    let server = slow("mode: drain");
    let running = running(&server).await;
    let asked = under_way(&server, running.address).await;
    let mut late = Client::tcp(running.address).await;
    let (_, refused) = tokio::join!(running.terminate(), async {
        while server.phase().to_string() != "draining" {
            tokio::task::yield_now().await;
        }
        late.try_chat(&[], json!({})).await.unwrap()
    });
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"));
    assert_eq!(asked.await.unwrap().unwrap().text(), "The answer is 42.");
    assert_eq!(running.ended().await, 0);
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_off() {
    let server = slow("mode: drain, grace: 200ms");
    let running = running(&server).await;
    let asked = under_way(&server, running.address).await;
    running.terminate().await;
    assert!(asked.await.unwrap().map_or(true, |answer| !answer.complete));
    assert_eq!(running.ended().await, 0);
}

#[tokio::test]
async fn accept_while_draining_serves_new_requests_too() {
    let server = slow("mode: accept-while-draining");
    let running = running(&server).await;
    let asked = under_way(&server, running.address).await;
    let (mut probe, mut late) = (Client::tcp(running.address).await, Client::tcp(running.address).await);
    let (_, served) = tokio::join!(running.terminate(), async {
        while server.phase().to_string() != "draining" {
            tokio::task::yield_now().await;
        }
        let ready = probe.get("/ready").await.status;
        (ready, late.try_chat(&[], json!({})).await.unwrap().status)
    });
    assert_eq!((served.0.as_u16(), served.1.as_u16()), (503, 200));
    assert!(asked.await.unwrap().unwrap().complete);
}

#[tokio::test]
async fn who_keeps_a_connection_to_a_server_that_drains_is_sent_elsewhere() {
    let server = slow("mode: accept-while-draining");
    let running = running(&server).await;
    let asked = under_way(&server, running.address).await;
    let mut kept = Client::tcp(running.address).await;
    // Not a question: the drain has to find the one that is under way.
    assert_eq!(kept.get("/ready").await.header("connection"), "");
    let (_, last) = tokio::join!(running.terminate(), kept.chat(json!({})));
    assert_eq!((last.status.as_u16(), last.header("connection")), (200, "close"));
    assert!(asked.await.unwrap().unwrap().complete);
}

#[tokio::test]
async fn before_it_stops_all_goes_on_as_before() {
    let server = slow("mode: at-once, pre_stop: 300ms");
    let running = running(&server).await;
    let mut client = Client::tcp(running.address).await;
    let begun = Instant::now();
    let (_, served) = tokio::join!(running.terminate(), client.get("/ready"));
    assert_eq!(served.status.as_u16(), 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(running.ended().await, 143);
}

#[tokio::test]
async fn ignore_lives_on_until_it_is_killed() {
    let server = slow("mode: ignore");
    let running = running(&server).await;
    running.terminate().await;
    assert_eq!(Client::tcp(running.address).await.get("/ready").await.status, 200);
}

#[tokio::test]
async fn connections_are_refused_until_the_weights_are_loaded_where_the_settings_say_so() {
    let file = "
models: { 3.1-70b: { latency: { p50: 1ms, p99: 1ms }, load: 300ms } }
server: { loading: { refuse_connections: true } }";
    let server = server_of(file);
    let running = running(&server).await;
    let refused = TcpStream::connect(running.address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let begun = Instant::now();
    while TcpStream::connect(running.address).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never listens");
        tokio::task::yield_now().await;
    }
    assert_eq!(Client::tcp(running.address).await.get("/health").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_phases_of_a_start_follow_each_other() {
    let file = "
models: { 3.1-70b: { latency: { p50: 1s, p99: 1s }, load: 100s } }
server: { loading: { download: 30s, warming: 20s } }";
    let server = server_of(file);
    assert_eq!(server.phase().to_string(), "starting");
    let _running = running(&server).await;
    let mut phases = Vec::new();
    for _ in 0..11 {
        phases.push(server.phase().to_string());
        sleep(Duration::from_secs(10)).await;
    }
    phases.dedup();
    assert_eq!(phases, ["downloading", "loading", "warming", "ready"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_without_credentials_ends_with_1() {
    let file = "
models: { 3.1-70b: { latency: { p50: 1s, p99: 1s }, load: 100s } }
server: { loading: { needs_credentials: true, download: 10s } }";
    let server = server_of(file);
    let _running = running(&server).await;
    let begun = Instant::now();
    assert_eq!(server.lifecycle.ended().await, 1);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_profile_says_when_the_probe_says_yes() {
    for (ready, at_start, later) in [("when-loaded", 503, 200), ("at-once", 200, 200), ("never", 503, 503)] {
        let file = format!(
            "models: {{ 3.1-70b: {{ latency: {{ p50: 1s, p99: 1s }}, load: 10s, ready: {ready} }} }}"
        );
        let server = server_of(&file);
        let mut client = Client::memory(&server).await;
        assert_eq!(client.get("/health").await.status, at_start, "{ready}");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(client.get("/health").await.status, later, "{ready}");
    }
}

/// The program, killed when the test ends.
struct Program {
    child: Child,
    lines: Vec<String>,
}

impl Program {
    /// Starts it and reads what it says until its ports are open, or until it ends.
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-inference"));
        command.args(arguments).env_clear().envs(variables.iter().copied()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            lines.push(line.unwrap());
            if lines.last().unwrap().starts_with("admin on") {
                break;
            }
        }
        Self { child, lines }
    }

    fn address(&self, line: usize) -> std::net::SocketAddr {
        let (_, rest) = self.lines[line].split_once("http://").unwrap();
        rest.split([',', '/', ' ']).next().unwrap().parse().unwrap()
    }

    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn written(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test]
async fn the_program_serves_by_arguments_and_the_variables_of_the_config_map() {
    let file = written(common::MODELS);
    let path = file.path().to_str().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--behaviour", path];
    let variables = [("MODEL_NAME", "llama3"), ("MODEL_VERSION", "3.1-70b"), ("MAX_SEQUENCE_LENGTH", "10")];
    let program = Program::start(&arguments, &variables);
    let mut client = Client::tcp(program.address(0)).await;
    assert_eq!(client.chat(json!({ "max_tokens": 2 })).await.text(), "The answer");
    assert_eq!(client.chat(json!({ "max_tokens": 3 })).await.status, 400);
    let mut admin = Client::tcp(program.address(1)).await;
    assert_eq!(admin.get("/admin/state").await.json()["version"], "3.1-70b");
    let exit = r#"{"exit":{"code":137}}"#;
    admin.send(axum::http::Method::PUT, "/admin/faults/oom", &[], exit).await.unwrap();
    assert_eq!(program.code(), Some(137));
}

#[test]
fn sigterm_ends_the_program_in_order() {
    let file = written(common::MODELS);
    let path = file.path().to_str().unwrap();
    let listen =
        ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--model", "3.0-70b", "--behaviour", path];
    let program = Program::start(&[&["serve"], listen.as_slice()].concat(), &[]);
    assert!(program.lines[0].contains("3.0-70b"), "{:?}", program.lines);
    let killed = Command::new("kill").args(["-TERM", &program.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(program.code(), Some(0));
}

/// Answers one connection after the other with these bytes, none for a connection that just closes; the URL, and
/// the heads of the requests.
fn origin(answers: Vec<String>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/run/behaviour.yaml?of=bad-model", listener.local_addr().unwrap());
    let serve = move || {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            heads.push(lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        }
        heads
    };
    (url, thread::spawn(serve))
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_pod_is_configured_by_its_environment_and_a_url_that_answers_later() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let file = format!(
        "run: {{ started: {}, seed: 3, pod_index: 1 }}
models:
  3.1-70b-instruct:
    {{ latency: {{ p50: 1ms, p99: 1ms }}, load: 0s, faults: [{{ clock: run, from: 2h, errors: 100% }}] }}
  3.2-70b-instruct: {{ latency: {{ p50: 1ms, p99: 1ms }} }}",
        now - 3 * 3600
    );
    let (url, origin) = origin(vec![String::new(), http("503 Soon", ""), http("200 OK", &file)]);
    let variables = [
        ("FAKE_INFERENCE_BEHAVIOUR", url.as_str()),
        ("FAKE_INFERENCE_LISTEN", "127.0.0.1:0"),
        ("FAKE_INFERENCE_ADMIN", "127.0.0.1:0"),
        ("HOSTNAME", "model-serving-6d4f9-x2x7q"),
        ("MODEL_NAME", "llama3"),
        ("MODEL_VERSION", "3.1-70b-instruct"),
        ("MODEL_REVISION", "a2431349ba"),
        ("MAX_BATCH_SIZE", "32"),
        ("MAX_SEQUENCE_LENGTH", "4096"),
        ("QUANTIZATION", "awq-int4"),
        ("TEMPERATURE_DEFAULT", "0.7"),
        ("MODEL_SERVING_PORT", "tcp://10.96.0.7:80"),
    ];
    let program = Program::start(&["serve"], &variables);
    assert!(program.lines[0].ends_with("trying again"), "{:?}", program.lines);
    let heads = origin.join().unwrap();
    for line in [
        "GET /run/behaviour.yaml?of=bad-model HTTP/1.1",
        "x-inference-pod: model-serving-6d4f9-x2x7q",
        "x-model-version: 3.1-70b-instruct",
    ] {
        assert!(heads[2].lines().any(|it| it == line), "{heads:?}");
    }
    let mut client = Client::tcp(program.address(1)).await;
    let answer = client.chat(json!({})).await;
    // The run is three hours old, though this pod is not.
    assert_eq!((answer.status.as_u16(), answer.header("x-fault")), (500, "profile/errors"));
    assert_eq!(answer.header("x-model-version"), "3.1-70b-instruct");
    assert_eq!(answer.header("x-inference-pod"), "model-serving-6d4f9-x2x7q");
}

#[test]
fn a_behaviour_that_cannot_be_fetched_ends_the_program() {
    let nobody = "http://127.0.0.1:1/b".to_owned();
    let (gone, _) = origin(vec![http("404 Not Found", "")]);
    let (broken, _) = origin(vec![http("200 OK", "models: 3")]);
    let table = [
        (nobody, 4, "was not there within 0.6 s: Connection refused"),
        (gone, 4, "status 404 Not Found"),
        (broken, 2, "`models` is a mapping"),
        ("https://localhost/b".to_owned(), 2, "over http:// only"),
        ("http://a:b@localhost/b".to_owned(), 2, "without a name and a password"),
    ];
    for (url, code, message) in table {
        let arguments = ["serve", "--behaviour", &url, "--behaviour-within", "600ms"];
        let program = Program::start(&arguments, &[]);
        let said = program.lines.join("\n");
        assert!(said.contains(message), "{url}: {said}");
        assert_eq!(program.code(), Some(code), "{url}: {said}");
    }
}

#[test]
fn sigterm_ends_a_program_that_waits_for_its_behaviour() {
    let child = Command::new(env!("CARGO_BIN_EXE_fake-inference"))
        .args(["serve", "--behaviour", "http://127.0.0.1:1/b", "--behaviour-within", "1h"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut program = Program { child, lines: Vec::new() };
    let mut lines = BufReader::new(program.child.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().ends_with("trying again"));
    let killed = Command::new("kill").args(["-TERM", &program.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(lines.next().unwrap().unwrap(), "stopped before its behaviour was there");
    assert_eq!(program.code(), Some(0));
}

#[test]
fn what_the_program_cannot_use_is_said_with_code_2() {
    let good = written(common::MODELS);
    let bad = written("models: { a: { latency: { p50: 2s, p99: 1s } } }");
    let [good, bad] = [good.path().to_str().unwrap(), bad.path().to_str().unwrap()];
    let table: [(&[&str], &str); 6] = [
        (&["--behaviour", "/nothing/there.yaml"], "cannot be read"),
        (&["--behaviour", bad], "p99 (1s) is below p50"),
        (&["--behaviour", good], "has several models"),
        (&["--behaviour", good, "--model", "9"], "no model `9`"),
        (&["--behaviour", good, "--model", "3.1-70b", "--listen", "here"], "--listen `here`"),
        (&["--behaviour", good, "--model", "3.1-70b", "--admin", "0.0.0.0:0"], "--admin-token-file"),
    ];
    for (arguments, message) in table {
        let program = Program::start(&[&["serve"], arguments].concat(), &[]);
        let said = program.lines.join("\n");
        assert!(said.contains(message), "{arguments:?}: {said}");
        assert_eq!(program.code(), Some(2), "{arguments:?}");
    }
    let program =
        Program::start(&["serve", "--behaviour", good, "--model", "3.1-70b"], &[("MAX_BATCH_SIZE", "many")]);
    assert!(program.lines.join("\n").contains("MAX_BATCH_SIZE is `many`"));
    assert_eq!(program.code(), Some(2));
}
