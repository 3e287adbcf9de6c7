//! `fake-inference serve`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use fake_inference::{Gate, Identity, Run, Running, Server, Start, start};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use units::Duration;

use crate::source::Source;
use crate::{Failure, say};

/// Arguments of `serve`; each can be given by the environment too.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Where to serve the model
    #[arg(long, value_name = "ADDR", env = "FAKE_INFERENCE_LISTEN", default_value = "127.0.0.1:8000")]
    listen: String,
    /// Where to open the admin port; `off` for none. Addresses that others can reach need a token
    #[arg(long, value_name = "ADDR", env = "FAKE_INFERENCE_ADMIN", default_value = "127.0.0.1:8001")]
    admin: String,
    /// A file with the bearer token of the admin port
    #[arg(long, value_name = "FILE", env = "FAKE_INFERENCE_ADMIN_TOKEN_FILE")]
    admin_token_file: Option<PathBuf>,
    /// The behaviour: a file with the `models:` of a scenario, or the scenario itself; or an http:// URL of one,
    /// fetched once at the start
    #[arg(long, value_name = "FILE|URL", env = "FAKE_INFERENCE_BEHAVIOUR")]
    behaviour: Source,
    /// How long a URL is tried while nothing answers there
    #[arg(long, value_name = "DURATION", env = "FAKE_INFERENCE_BEHAVIOUR_WITHIN", default_value = "30s")]
    behaviour_within: Duration,
    /// The model of the file to perform, by its version; MODEL_VERSION, or the only one, if left out
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The seed of all chance; the behaviour's `run.seed`, or 0, if left out
    #[arg(long, value_name = "N", env = "FAKE_INFERENCE_SEED")]
    seed: Option<u64>,
    /// When the run started, in seconds since 1970, for faults on the run's clock; the behaviour's
    /// `run.started`, or now, if left out
    #[arg(long, value_name = "SECONDS", env = "FAKE_INFERENCE_RUN_STARTED", value_parser = seconds)]
    run_started: Option<Duration>,
}

impl Serve {
    /// Serves until SIGTERM, SIGINT or a fault ends it; the exit code.
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let listen = address("--listen", &self.listen)?;
        let admin = match self.admin.as_str() {
            "off" => None,
            written => {
                let address = address("--admin", written)?;
                let gate = Gate::new(address, self.admin_token_file.as_deref()).map_err(Failure::input)?;
                Some((address, gate))
            }
        };
        let identity = self.identity()?;
        let runtime = Runtime::new().map_err(Failure::environment)?;
        let code = runtime.block_on(async {
            let mut signals = Signals::catch()?;
            let read = tokio::select! {
                file = self.behaviour.read(&identity, std_duration(self.behaviour_within)) => Some(file?),
                () = signals.any() => None,
            };
            let Some(file) = read else {
                say("stopped before its behaviour was there");
                return Ok(0);
            };
            let server = Server::new(&file, self.start(identity, file.run)).map_err(Failure::input)?;
            let running = start(Arc::clone(&server), listen, admin)
                .await
                .map_err(|error| Failure::environment(format!("--listen {listen} or --admin: {error}")))?;
            announce(&server, &running, &file.unused);
            let code = until_the_end(running, signals).await;
            say(&format!("{}: exit code {code}", server.phase()));
            Ok(code)
        })?;
        // Connections that are still open are dropped, as when a process ends.
        runtime.shutdown_background();
        Ok(code)
    }

    fn identity(&self) -> Result<Identity, Failure> {
        let mut identity = Identity::from_variables(variable).map_err(Failure::input)?;
        if let Some(model) = &self.model {
            identity.version.clone_from(model);
        }
        Ok(identity)
    }

    /// What the arguments and the environment say counts before what the behaviour says of the run.
    fn start(&self, mut identity: Identity, run: Run) -> Start {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_time = Duration::from_nanos(since_1970.as_nanos() as u64);
        let run_started = self.run_started.or(run.started).unwrap_or(unix_time);
        if let (false, Some(index)) = (is_set("POD_INDEX"), run.pod_index) {
            identity.pod_index = index;
        }
        Start {
            identity,
            seed: self.seed.or(run.seed).unwrap_or(0),
            unix_time,
            run_started_before: unix_time.saturating_sub(run_started),
            has_credentials: is_set("MODEL_REGISTRY_USERNAME") && is_set("MODEL_REGISTRY_PASSWORD"),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn is_set(name: &str) -> bool {
    variable(name).is_some_and(|value| !value.is_empty())
}

fn std_duration(span: Duration) -> std::time::Duration {
    std::time::Duration::from_nanos(span.as_nanos())
}

/// Seconds since 1970, with or without a fraction.
fn seconds(written: &str) -> Result<Duration, String> {
    let moment = written.parse().ok().and_then(Run::moment);
    moment.ok_or_else(|| "write seconds since 1970, such as 1760000000".to_owned())
}

fn address(argument: &str, written: &str) -> Result<SocketAddr, Failure> {
    let mut found = written
        .to_socket_addrs()
        .map_err(|error| Failure::input(format!("{argument} `{written}`: {error}; write host:port")))?;
    found.next().ok_or_else(|| Failure::input(format!("{argument} `{written}` has no address")))
}

fn announce(server: &Server, running: &Running, unused: &[String]) {
    let identity = &server.identity;
    let (name, version) = (&identity.name, &identity.version);
    say(&format!(
        "serving {name} ({version}) on http://{}, loaded after {}",
        running.address,
        server.load_time()
    ));
    if let Some(admin) = running.admin {
        say(&format!("admin on http://{admin}/admin/state"));
    }
    if !unused.is_empty() {
        say(&format!("keys of the scenario that a server does not perform: {}", unused.join(", ")));
    }
}

/// The signals that ask for an end. Caught before the ports are open, so that none is missed.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        let catch = |kind| signal(kind).map_err(Failure::environment);
        Ok(Self { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn until_the_end(running: Running, mut signals: Signals) -> u8 {
    loop {
        tokio::select! {
            code = running.ended() => return code,
            () = signals.any() => running.terminate().await,
        }
    }
}
