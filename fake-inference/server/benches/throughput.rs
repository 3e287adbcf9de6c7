//! Requests a second with no fault in force, beside the same web framework answering a constant body, in
//! turns in the same run; how exactly an idle server keeps its times; the memory of many concurrent streams; and how long
//! the program takes to start.
//! `cargo bench -p fake-inference --bench throughput`; further arguments choose among `throughput`, `idle`, `p99`,
//! `streams` and `start`.
//!
//! Server, clients and whoever else shares the machine: what counts is the ratio of two rounds that follow each other,
//! and the ratio of the processor time that the two servers take for a request, which others disturb less.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use fake_inference::{BehaviourFile, Identity, Server, Start, start};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use load::{Evaluation, Load, Plan, Roots, Spacing, Tally, Target, generate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use units::Rate;

const CONNECTIONS: usize = 128;
const ROUNDS: usize = 15;
const SPAN: Duration = Duration::from_secs(1);
const STREAMS: usize = 10_000;
const BODY: &str =
    r#"{"model":"llama3","messages":[{"role":"user","content":"What is the sum of 17 and 25?"}]}"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` runs benches too, once and without measuring.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let chosen: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if let [CLIENTS, address] = chosen.iter().map(|it| it.as_str()).collect::<Vec<_>>()[..] {
        hold_streams(address.parse().unwrap());
        return;
    }
    let benches: [(&str, fn()); 5] = [
        ("throughput", throughput),
        ("idle", idle),
        ("p99", p99),
        ("streams", streams),
        ("start", start_time),
    ];
    for (name, bench) in benches {
        if chosen.is_empty() || chosen.iter().any(|chosen| *chosen == name) {
            bench();
        }
    }
}

/// Rounds of the constant body and of the server in turns.
fn throughput() {
    let (_base_runtime, base) = baseline();
    let (_runtime, ours, _) = serve("{ latency: { p50: 1us, p99: 1us }, load: 0s }", 1_000_000);
    let (mut rates, mut times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (constant, measured) = (round(base, BASELINE), round(ours, SERVER));
        println!("constant body {constant}; fake-inference {measured}");
        rates.push(measured.requests_a_second / constant.requests_a_second);
        times.extend(constant.micros.zip(measured.micros).map(|(constant, measured)| constant / measured));
    }
    print_shares("of its requests a second", rates);
    print_shares("of its requests for the same processor time", times);
}

fn print_shares(what: &str, mut shares: Vec<f64>) {
    shares.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (shares.first(), shares.last()) {
        let median = shares[shares.len() / 2];
        println!("{:.0} % {what} (median of {}; {least:.2} to {most:.2})", median * 100.0, shares.len());
    }
}

/// What one round measured.
struct Round {
    requests_a_second: f64,
    /// The server's processor time for a request in microseconds, where the system tells it.
    micros: Option<f64>,
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s", self.requests_a_second)?;
        self.micros.map_or(Ok(()), |micros| write!(f, " at {micros:.1} us"))
    }
}

/// The names of the servers' threads.
const BASELINE: &str = "constant";
const SERVER: &str = "fake";

/// The processor time that the threads of this name have had, as Linux tells it; `None` elsewhere.
fn processor_time(name: &str) -> Option<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let folder = thread.ok()?.path();
        if std::fs::read_to_string(folder.join("comm")).ok()?.trim() == name {
            let told = std::fs::read_to_string(folder.join("schedstat")).ok()?;
            nanos += told.split_whitespace().next()?.parse::<u64>().ok()?;
        }
    }
    Some(Duration::from_nanos(nanos))
}

/// One worker, so that the two servers have the same share of the machine.
fn runtime(name: &str) -> Runtime {
    Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build().unwrap()
}

fn baseline() -> (Runtime, SocketAddr) {
    let runtime = runtime(BASELINE);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = async |body: axum::body::Bytes| {
        format!("{{\"read\":{},\"answer\":\"{}\"}}", body.len(), "x".repeat(400))
    };
    let router = Router::new().route("/v1/chat/completions", post(answer));
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (runtime, address)
}

fn serve(profile: &str, slots: usize) -> (Runtime, SocketAddr, Arc<Server>) {
    let text = format!("models: {{ m: {profile} }}\nserver: {{ engine: {{ queue: {{ limit: 100000 }} }} }}");
    let file = BehaviourFile::read("bench", text.as_bytes()).unwrap();
    let identity = Identity { name: "llama3".into(), max_batch_size: slots, ..Identity::default() };
    let zero = units::Duration::ZERO;
    let begin =
        Start { identity, seed: 1, unix_time: zero, run_started_before: zero, has_credentials: false };
    let runtime = runtime(SERVER);
    let server = {
        let _inside = runtime.enter();
        Server::new(&file, begin).unwrap()
    };
    let running = runtime.block_on(start(Arc::clone(&server), "127.0.0.1:0".parse().unwrap(), None)).unwrap();
    let address = running.address;
    runtime.spawn(async move { running.ended().await });
    (runtime, address, server)
}

fn round(address: SocketAddr, server: &str) -> Round {
    let clients = Builder::new_current_thread().enable_all().build().unwrap();
    let (count, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    clients.block_on(async {
        let mut tasks = Vec::new();
        // Clients that never sleep: no server's time is spent on waking them.
        tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        for _ in 0..CONNECTIONS {
            tasks.push(tokio::spawn(client(address, Arc::clone(&count), Arc::clone(&stop))));
        }
        tokio::time::sleep(SPAN / 4).await;
        let (begun, before, time) = (Instant::now(), count.load(Relaxed), processor_time(server));
        tokio::time::sleep(SPAN).await;
        let requests = (count.load(Relaxed) - before) as f64;
        let requests_a_second = requests / begun.elapsed().as_secs_f64();
        let time = time.and_then(|before| Some(processor_time(server)? - before));
        stop.store(true, Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        Round { requests_a_second, micros: time.map(|time| time.as_secs_f64() * 1e6 / requests) }
    })
}

async fn client(address: SocketAddr, count: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = request("");
    let mut buffer = vec![0; 16 << 10];
    while !stop.load(Relaxed) {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = 0;
        while !is_whole(&buffer[..read]) {
            read += stream.read(&mut buffer[read..]).await.unwrap();
        }
        count.fetch_add(1, Relaxed);
    }
}

fn request(more: &str) -> String {
    let body = BODY.replace("\"messages\"", &format!("{more}\"messages\""));
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or("");
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse::<usize>().unwrap())
}

/// How far an idle server is from its profile, one request at a time.
fn idle() {
    let (_runtime, address, _) = serve("{ latency: { p50: 20ms, p99: 20ms }, load: 0s }", 32);
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let (request, mut buffer) = (request(""), vec![0; 16 << 10]);
    let mut added: Vec<f64> = (0..500)
        .map(|_| {
            let begun = Instant::now();
            std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
            let mut read = 0;
            while !is_whole(&buffer[..read]) {
                read += std::io::Read::read(&mut stream, &mut buffer[read..]).unwrap();
            }
            begun.elapsed().as_secs_f64() * 1e3 - 20.0
        })
        .collect();
    added.sort_by(f64::total_cmp);
    println!(
        "an idle server's 20 ms: {:+.2} ms at the median, {:+.2} ms at the 99th percentile",
        added[250], added[495]
    );
}

/// What an open load of whole answers measures of a profile whose 99th percentile is 500 ms.
fn p99() {
    const RATE: f64 = 400.0;
    let (_runtime, address, _) = serve("{ latency: { p50: 250ms, p99: 500ms }, load: 0s }", 100_000);
    let target = Target::parse(&format!("http://{address}"), &Roots::System).unwrap();
    let rate = Rate::new(RATE).unwrap();
    let plan = Plan::new(rate, rate, units::Duration::from_secs(100), Spacing::Poisson, 1).unwrap();
    let load = Load { streaming: false, ..Load::new(target, "llama3", Evaluation::shipped(), plan) };
    let mut tally = Tally::new(plan, None);
    let clients = Builder::new_current_thread().enable_all().build().unwrap();
    clients.block_on(generate(&load, std::future::pending(), |arrival| tally.add(&arrival)));
    let report = tally.report(plan.during());
    let (times, lag) = (report.end_to_end.unwrap(), report.lag.unwrap());
    println!(
        "p99 of 500 ms: {:.0} ms ({:+.1} %), p50 of 250 ms: {:.0} ms ({:+.1} %), over {} requests; the clients \
         were {:.1} ms late at their own p99",
        times.p99 * 1e3,
        (times.p99 / 0.5 - 1.0) * 100.0,
        times.p50 * 1e3,
        (times.p50 / 0.25 - 1.0) * 100.0,
        times.count,
        lag.p99 * 1e3
    );
}

/// Resident memory of this process in KiB, as Linux tells it; `None` elsewhere.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Asks for a process that holds the clients' ends of streams: both ends would be more files than one may have open.
const CLIENTS: &str = "clients";

/// What so many streams hold in the server's process while they are under way.
fn streams() {
    let (_runtime, address, server) = serve("{ latency: { p50: 40s, p99: 40s }, load: 0s }", 1_000_000);
    let before = resident();
    let mut clients = Command::new(std::env::current_exe().unwrap());
    clients.args(["--bench", CLIENTS, &address.to_string()]).stdin(Stdio::piped());
    let mut clients = clients.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.requests_under_way() < STREAMS && Instant::now() < deadline {
        // The server counts its requests and tells nobody: it is asked again.
        std::thread::sleep(Duration::from_millis(10));
    }
    // What is measured is the memory of streams that flow: the first token comes after a fifth of 40 s.
    std::thread::sleep(Duration::from_secs(12));
    let (under_way, after) = (server.requests_under_way(), resident());
    drop(clients.stdin.take());
    clients.wait().unwrap();
    match (before, after) {
        (Some(before), Some(after)) => {
            let more = after.saturating_sub(before) as f64;
            let each = more / under_way as f64;
            println!(
                "{under_way} streams at once: {:.0} MiB of the server, {each:.1} KiB each",
                more / 1024.0
            );
        }
        _ => println!("{under_way} streams at once; this system does not tell the memory"),
    }
}

/// Opens the streams and reads them until standard input ends.
fn hold_streams(address: SocketAddr) {
    let request = request("\"stream\":true,");
    let clients = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    clients.block_on(async {
        for _ in 0..STREAMS {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            tokio::spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
        }
    });
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

/// From the start of the program to its first good answer.
fn start_time() {
    let behaviour = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(behaviour.path(), "models: { m: { latency: { p50: 1ms, p99: 2ms }, load: 0s } }").unwrap();
    let mut times: Vec<f64> = (0..51).map(|_| start_once(behaviour.path())).collect();
    times.sort_by(f64::total_cmp);
    println!(
        "the first 200 comes {:.1} ms after the program's start (median of 51; at most {:.1} ms)",
        times[25], times[50]
    );
}

fn start_once(behaviour: &std::path::Path) -> f64 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_fake-inference"));
    program.args(["serve", "--admin", "off", "--listen", &free.to_string(), "--behaviour"]).arg(behaviour);
    let begun = Instant::now();
    let mut program = program.stderr(Stdio::null()).spawn().unwrap();
    let mut answer = [0; 12];
    while answer != *b"HTTP/1.1 200" {
        let Ok(mut stream) = std::net::TcpStream::connect(free) else { continue };
        std::io::Write::write_all(&mut stream, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    }
    let took = begun.elapsed().as_secs_f64() * 1e3;
    program.kill().unwrap();
    program.wait().unwrap();
    took
}
