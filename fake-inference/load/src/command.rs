//! The command line: `load`, and `check smoke|latency|quality`.
//!
//! Exit codes: 0 measured or passed, 1 a check failed, 2 bad arguments, 4 the server was not reached.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use units::{Duration, Rate, Ratio};

use crate::checks::{self, Check, LatencyBounds, Unreachable};
use crate::clock::Clock;
use crate::connections::Reuse;
use crate::evaluation::Evaluation;
use crate::exchange::Failure;
use crate::generator::{Load, generate, generate_in_spans};
use crate::plan::{Plan, Spacing};
use crate::report::Report;
use crate::spans::Span;
use crate::tally::Tally;
use crate::target::Target;
use crate::tls::Roots;

/// A check found what it must not find.
const FAILED: u8 = 1;
/// The arguments make no sense.
const BAD_ARGUMENTS: u8 = 2;
/// The server was not reached.
const UNREACHABLE: u8 = 4;

/// Sends requests at a planned rate, whatever becomes of them, and reports what clients saw.
#[derive(Debug, Args)]
pub struct LoadCommand {
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    requests: RequestArguments,
    /// Requests a second, such as 20/s.
    #[arg(long)]
    rate: Rate,
    /// The rate at the end, where it rises or falls.
    #[arg(long, value_name = "RATE", requires = "duration")]
    ramp_to: Option<Rate>,
    /// How long requests are sent, such as 30s; until SIGINT or SIGTERM if left out.
    #[arg(long)]
    duration: Option<Duration>,
    /// How arrivals lie around their rate.
    #[arg(long, value_enum, default_value_t)]
    arrivals: Spacing,
    /// Decides the moments of Poisson arrivals.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Counts answers that take longer as slow.
    #[arg(long, value_name = "DURATION")]
    slow: Option<Duration>,
    /// Questions in JSON lines; arithmetic and capitals if left out.
    #[arg(long, value_name = "FILE")]
    evaluation: Option<PathBuf>,
    /// Prints what clients saw while the load goes on: a JSON object a line for each span of this length,
    /// 1s if none is given. The report goes to standard error.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "1s")]
    spans: Option<Duration>,
    /// Sends nothing before the server lists its models, but for no longer than this.
    #[arg(long, value_name = "DURATION")]
    wait: Option<Duration>,
}

/// Checks of a server, as a pull request's tests run them.
#[derive(Debug, Args)]
pub struct CheckCommand {
    #[command(subcommand)]
    check: CheckKind,
}

#[derive(Debug, Subcommand)]
enum CheckKind {
    /// It lists its models, answers in one piece, and answers as a stream.
    Smoke {
        #[command(flatten)]
        server: ServerArguments,
    },
    /// It answers fast enough under a constant rate.
    Latency {
        #[command(flatten)]
        server: ServerArguments,
        #[command(flatten)]
        requests: RequestArguments,
        /// Requests a second.
        #[arg(long, default_value = "10/s")]
        rate: Rate,
        /// How long requests are sent.
        #[arg(long, default_value = "30s")]
        duration: Duration,
        #[command(flatten)]
        bounds: BoundArguments,
    },
    /// It answers rightly: each question of a set once.
    Quality {
        #[command(flatten)]
        server: ServerArguments,
        #[command(flatten)]
        requests: RequestArguments,
        /// Questions a second.
        #[arg(long, default_value = "5/s")]
        rate: Rate,
        /// Questions in JSON lines; arithmetic and capitals if left out.
        #[arg(long, value_name = "FILE")]
        evaluation: Option<PathBuf>,
        /// The smallest share of right answers.
        #[arg(long, value_name = "RATIO", default_value = "95%")]
        at_least: Ratio,
    },
}

#[derive(Debug, Args)]
struct ServerArguments {
    /// The server's base URL, such as http://127.0.0.1:8000.
    #[arg(long)]
    url: String,
    /// The model to ask; the first that the server lists if left out.
    #[arg(long)]
    model: Option<String>,
    /// The environment variable that holds the server's key.
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
    /// Certificates in PEM to trust instead of the machine's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How long an answer may take.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    timeout: Duration,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Args)]
struct RequestArguments {
    /// Ask for answers in one piece instead of streams.
    #[arg(long)]
    whole: bool,
    /// The most tokens of an answer; 0 leaves it to the server.
    #[arg(long, value_name = "N", default_value_t = 128)]
    max_tokens: u32,
    /// Open a new connection after so many requests; 0 keeps connections, which stay with one pod each.
    #[arg(long, value_name = "N", default_value_t = 0)]
    requests_per_connection: u32,
    /// The most requests under way at a time; what is planned beyond is dropped and counted.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    max_in_flight: usize,
}

#[derive(Debug, Args)]
struct BoundArguments {
    /// The longest median.
    #[arg(long, value_name = "DURATION")]
    p50: Option<Duration>,
    /// The longest 95 % quantile.
    #[arg(long, value_name = "DURATION")]
    p95: Option<Duration>,
    /// The longest 99 % quantile.
    #[arg(long, value_name = "DURATION")]
    p99: Option<Duration>,
    /// The longest 99 % quantile of the time to the first token.
    #[arg(long, value_name = "DURATION")]
    first_token_p99: Option<Duration>,
    /// The largest share of requests that fail or are truncated.
    #[arg(long, value_name = "RATIO", default_value = "1%")]
    failed: Ratio,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Why a command did not come to a result.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Arguments(String),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl Problem {
    fn code(&self) -> u8 {
        match self {
            Self::Arguments(_) => BAD_ARGUMENTS,
            Self::Unreachable(_) | Self::Output(_) => UNREACHABLE,
        }
    }
}

fn bad(why: impl ToString) -> Problem {
    Problem::Arguments(why.to_string())
}

impl LoadCommand {
    /// Runs the load; the exit code.
    pub async fn run(&self, out: &mut dyn Write, errors: &mut dyn Write) -> u8 {
        let result = self.measure(out, errors).await;
        ended(result.map(|()| true), errors)
    }

    async fn measure(&self, out: &mut dyn Write, errors: &mut dyn Write) -> Result<(), Problem> {
        let (questions, plan) = (evaluation(self.evaluation.as_ref())?, self.plan()?);
        let mut load = self.server.unasked(questions, plan, Some(&self.requests))?;
        if let Some(within) = self.wait {
            load = load.awaited(within).await;
        }
        let report = match self.spans {
            None => self.whole(&self.server.with_first_model(load).await?).await,
            // A server that comes later is a part of what clients see.
            Some(width) => self.in_spans(&load, width, out).await?,
        };
        print(if self.spans.is_some() { errors } else { out }, self.server.format, &report)?;
        match report.unreachable() {
            Some(why) => Err(Unreachable { url: self.server.url.clone(), why: why.to_owned() }.into()),
            None => Ok(()),
        }
    }

    fn plan(&self) -> Result<Plan, Problem> {
        let to = self.ramp_to.unwrap_or(self.rate);
        let plan = match self.duration {
            Some(during) => Plan::new(self.rate, to, during, self.arrivals, self.seed),
            None => Plan::unending(self.rate, self.arrivals, self.seed),
        };
        plan.map_err(bad)
    }

    async fn whole(&self, load: &Load) -> Report {
        let clock = Clock::start();
        let mut tally = Tally::new(load.plan, self.slow);
        tokio::select! {
            () = generate(load, interrupted(1), |arrival| tally.add(&arrival)) => {}
            () = interrupted(2) => {}
        }
        tally.report(clock.now())
    }

    /// Prints each span as it ends. An output that takes no more ends the load.
    async fn in_spans(&self, load: &Load, width: Duration, out: &mut dyn Write) -> Result<Report, Problem> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = since_1970.as_secs_f64();
        let (mut written, broken) = (Ok(()), Notify::new());
        let stop = async {
            tokio::select! {
                () = interrupted(1) => {}
                () = broken.notified() => {}
            }
        };
        let report = generate_in_spans(load, width, self.slow, stop, |span| {
            if written.is_ok() {
                written = print_line(out, &SpanLine { started, span });
            }
            if written.is_err() {
                broken.notify_one();
            }
        });
        let report = report.await;
        written?;
        Ok(report)
    }
}

impl CheckCommand {
    /// Runs the check; the exit code.
    pub async fn run(&self, out: &mut dyn Write, errors: &mut dyn Write) -> u8 {
        ended(self.check(out).await, errors)
    }

    async fn check(&self, out: &mut dyn Write) -> Result<bool, Problem> {
        let (check, server) = match &self.check {
            CheckKind::Smoke { server } => (server.smoke().await?, server),
            CheckKind::Latency { server, requests, rate, duration, bounds } => {
                let plan = Plan::new(*rate, *rate, *duration, Spacing::Even, 0).map_err(bad)?;
                let bounds = bounds.read();
                if let Some(why) = bounds.undecidable(&plan) {
                    return Err(bad(format!("this load decides nothing: {why}")));
                }
                let load = server.load(Evaluation::shipped(), plan, Some(requests)).await?;
                (checks::latency(&load, &bounds).await?, server)
            }
            CheckKind::Quality { server, requests, rate, evaluation: file, at_least } => {
                let questions = evaluation(file.as_ref())?;
                let plan = once(questions.questions().len(), *rate)?;
                let load = server.load(questions, plan, Some(requests)).await?;
                (checks::quality(&load, *at_least).await?, server)
            }
        };
        print(out, server.format, &check)?;
        Ok(check.passed)
    }
}

/// The plan that asks so many questions at this rate.
fn once(questions: usize, rate: Rate) -> Result<Plan, Problem> {
    // Half an interval less leaves room for rounding: the next question would be due at the end.
    let during = Duration::from_secs_f64((questions as f64 - 0.5) / rate.per_second());
    Plan::new(rate, rate, during, Spacing::Even, 0).map_err(bad)
}

impl ServerArguments {
    async fn smoke(&self) -> Result<Check, Problem> {
        let second = Rate::new(1.0).expect("one a second is a rate");
        let plan = once(1, second)?;
        let load = self.with_model("", Evaluation::shipped(), plan, None)?;
        Ok(checks::smoke(&load, self.model.as_deref()).await?)
    }

    /// The load that the arguments describe, with the server's first model where none is named.
    async fn load(
        &self,
        questions: Evaluation,
        plan: Plan,
        requests: Option<&RequestArguments>,
    ) -> Result<Load, Problem> {
        self.with_first_model(self.unasked(questions, plan, requests)?).await
    }

    /// The load that the arguments describe, as it is before the server was asked anything.
    fn unasked(
        &self,
        questions: Evaluation,
        plan: Plan,
        requests: Option<&RequestArguments>,
    ) -> Result<Load, Problem> {
        self.with_model(self.model.as_deref().unwrap_or_default(), questions, plan, requests)
    }

    async fn with_first_model(&self, load: Load) -> Result<Load, Problem> {
        if !load.model.is_empty() {
            return Ok(load);
        }
        match load.client().model().await {
            Ok(model) => Ok(Load { model: model.to_owned(), ..load }),
            Err(Failure::Connect(why)) => Err(Unreachable { url: self.url.clone(), why }.into()),
            Err(failure) => {
                Err(bad(format!("the server does not list its models, so name one by --model: {failure}")))
            }
        }
    }

    fn with_model(
        &self,
        model: &str,
        questions: Evaluation,
        plan: Plan,
        requests: Option<&RequestArguments>,
    ) -> Result<Load, Problem> {
        let load = Load { timeout: self.timeout, ..Load::new(self.target()?, model, questions, plan) };
        if self.timeout == Duration::ZERO {
            return Err(bad("--timeout must be more than zero"));
        }
        let Some(requests) = requests else { return Ok(load) };
        if requests.max_in_flight == 0 {
            return Err(bad("--max-in-flight must be more than zero"));
        }
        Ok(Load {
            streaming: !requests.whole,
            max_tokens: (requests.max_tokens > 0).then_some(requests.max_tokens),
            reuse: requests.requests_per_connection.try_into().map_or(Reuse::KeepAlive, Reuse::Requests),
            max_in_flight: requests.max_in_flight,
            ..load
        })
    }

    fn target(&self) -> Result<Target, Problem> {
        let roots = match &self.ca_file {
            None => Roots::System,
            Some(file) => Roots::Pem(read(file)?),
        };
        let target = Target::parse(&self.url, &roots).map_err(bad)?;
        let Some(name) = &self.key_env else { return Ok(target) };
        let key =
            std::env::var(name).map_err(|error| bad(format!("the variable {name} of --key-env: {error}")))?;
        target.with_key(&key).map_err(bad)
    }
}

impl BoundArguments {
    fn read(&self) -> LatencyBounds {
        let Self { p50, p95, p99, first_token_p99, failed } = *self;
        LatencyBounds { p50, p95, p99, first_token_p99, failed }
    }
}

fn evaluation(file: Option<&PathBuf>) -> Result<Evaluation, Problem> {
    match file {
        None => Ok(Evaluation::shipped()),
        Some(file) => Evaluation::parse(&file.display().to_string(), &read(file)?).map_err(bad),
    }
}

fn read(file: &PathBuf) -> Result<Vec<u8>, Problem> {
    std::fs::read(file).map_err(|error| bad(format!("{} cannot be read: {error}", file.display())))
}

/// Ends when SIGINT or SIGTERM have come so many times; never where they cannot be seen.
async fn interrupted(times: u32) {
    let caught = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = caught else { return std::future::pending().await };
    for _ in 0..times {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// A span, and when the load started, in seconds since 1970.
#[derive(Serialize)]
struct SpanLine {
    started: f64,
    #[serde(flatten)]
    span: Span,
}

fn print_line(out: &mut dyn Write, found: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, found)?;
    writeln!(out)?;
    out.flush()
}

fn print<T: Serialize + std::fmt::Display>(out: &mut dyn Write, format: Format, found: &T) -> io::Result<()> {
    match format {
        Format::Text => write!(out, "{found}")?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, found)?;
            writeln!(out)?;
        }
    }
    out.flush()
}

fn ended(result: Result<bool, Problem>, errors: &mut dyn Write) -> u8 {
    match result {
        Ok(true) => 0,
        Ok(false) => FAILED,
        Err(problem) => {
            // Nothing is left to tell it to where standard error is closed.
            let _ = writeln!(errors, "error: {problem}");
            problem.code()
        }
    }
}
