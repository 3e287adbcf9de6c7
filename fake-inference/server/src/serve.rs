//! `fake-inference serve`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use fake_inference::{BehaviourFile, Gate, Identity, Running, Server, Start, start};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use units::Duration;

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
    /// The behaviour file: the `models:` of a scenario, or the scenario itself
    #[arg(long, value_name = "FILE", env = "FAKE_INFERENCE_BEHAVIOUR")]
    behaviour: PathBuf,
    /// The model of the file to perform, by its version; MODEL_VERSION, or the only one, if left out
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The seed of all chance
    #[arg(long, value_name = "N", env = "FAKE_INFERENCE_SEED", default_value_t = 0)]
    seed: u64,
    /// When the run started, in seconds since 1970, for faults on the run's clock; now if left out
    #[arg(long, value_name = "SECONDS", env = "FAKE_INFERENCE_RUN_STARTED")]
    run_started: Option<u64>,
}

impl Serve {
    /// Serves until SIGTERM, SIGINT or a fault ends it; the exit code.
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let file = self.file()?;
        let server = Server::new(&file, self.start()?).map_err(Failure::input)?;
        let listen = address("--listen", &self.listen)?;
        let admin = match self.admin.as_str() {
            "off" => None,
            written => {
                let address = address("--admin", written)?;
                let gate = Gate::new(address, self.admin_token_file.as_deref()).map_err(Failure::input)?;
                Some((address, gate))
            }
        };
        let runtime = Runtime::new().map_err(Failure::environment)?;
        let code = runtime.block_on(async {
            let signals = Signals::catch()?;
            let running = start(Arc::clone(&server), listen, admin)
                .await
                .map_err(|error| Failure::environment(format!("--listen {listen} or --admin: {error}")))?;
            announce(&server, &running, &file.unused);
            until_the_end(running, signals).await
        })?;
        say(&format!("{}: exit code {code}", server.phase()));
        // Connections that are still open are dropped, as when a process ends.
        runtime.shutdown_background();
        Ok(code)
    }

    fn file(&self) -> Result<BehaviourFile, Failure> {
        let name = self.behaviour.display().to_string();
        let bytes = std::fs::read(&self.behaviour)
            .map_err(|error| Failure::input(format!("--behaviour {name} cannot be read: {error}")))?;
        BehaviourFile::read(&name, &bytes).map_err(Failure::input)
    }

    fn start(&self) -> Result<Start, Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let mut identity = Identity::from_variables(variable).map_err(Failure::input)?;
        if let Some(model) = &self.model {
            identity.version.clone_from(model);
        }
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_time = Duration::from_nanos(since_1970.as_nanos() as u64);
        let run_started = self.run_started.map_or(unix_time, Duration::from_secs);
        let has = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        Ok(Start {
            identity,
            seed: self.seed,
            unix_time,
            run_started_before: unix_time.saturating_sub(run_started),
            has_credentials: has("MODEL_REGISTRY_USERNAME") && has("MODEL_REGISTRY_PASSWORD"),
        })
    }
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
}

async fn until_the_end(running: Running, mut signals: Signals) -> Result<u8, Failure> {
    loop {
        tokio::select! {
            code = running.ended() => return Ok(code),
            _ = signals.terminate.recv() => running.terminate().await,
            _ = signals.interrupt.recv() => running.terminate().await,
        }
    }
}
