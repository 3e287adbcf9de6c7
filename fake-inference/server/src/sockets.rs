//! Sockets: the serving port, the admin port, and how both end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use units::Duration;

use crate::admin::{self, Gate};
use crate::api;
use crate::clock::std_duration;
use crate::connection::{self, End, Link, Transport};
use crate::lifecycle::Stage;
use crate::server::Server;
use crate::settings::{Limits, ShutdownMode};

/// How often what follows from time is looked at.
const TICK: std::time::Duration = std::time::Duration::from_millis(100);

/// After a drain, the time that connections have to take their last bytes.
const LAST_BYTES: std::time::Duration = std::time::Duration::from_secs(1);

/// After a failure to accept, such as too many open files.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

const BACKLOG: u32 = 4096;

/// The most connections to the admin port.
const ADMIN_CONNECTIONS: usize = 64;

/// A server with open ports. Dropped, it stops at once.
#[derive(Debug)]
pub struct Running {
    /// Where it serves.
    pub address: SocketAddr,
    /// Where its admin port is.
    pub admin: Option<SocketAddr>,
    server: Arc<Server>,
    stop: watch::Sender<Option<End>>,
    slots: Arc<Semaphore>,
    connections: usize,
    _tasks: JoinSet<()>,
}

/// Opens the ports and serves. Where the settings refuse connections until the weights are loaded, the
/// address is taken at once, but nothing listens there before.
///
/// # Errors
/// An address that cannot be taken.
pub async fn start(
    server: Arc<Server>,
    listen: SocketAddr,
    admin: Option<(SocketAddr, Gate)>,
) -> io::Result<Running> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    let address = socket.local_addr()?;
    let stop = watch::Sender::new(None);
    let limits = server.settings.limits;
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut tasks = JoinSet::new();
    let admin = match admin {
        None => None,
        Some((address, gate)) => {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            let router = admin::routes(&server, gate);
            tasks.spawn(serve_admin(router, listener, limits, stop.subscribe()));
            Some(address)
        }
    };
    server.lifecycle.run();
    server.refresh();
    tasks.spawn(tick(Arc::clone(&server)));
    if server.settings.loading.refuse_connections {
        tasks.spawn(serve_when_loaded(Arc::clone(&server), socket, Arc::clone(&slots), stop.subscribe()));
    } else {
        let listener = socket.listen(BACKLOG)?;
        tasks.spawn(serve_models(Arc::clone(&server), listener, Arc::clone(&slots), stop.subscribe()));
    }
    Ok(Running { address, admin, server, stop, slots, connections: limits.connections, _tasks: tasks })
}

/// Serves one connection in memory, for clients in the same process: the very server, without sockets.
pub fn connect_in_memory(server: &Arc<Server>) -> tokio::io::DuplexStream {
    server.lifecycle.run();
    let (client, transport) = tokio::io::duplex(64 << 10);
    let router = api::routes(server);
    let server = Arc::clone(server);
    tokio::spawn(async move {
        let (_stop, stopped) = watch::channel(None);
        serve_one(server, router, transport, stopped).await;
    });
    client
}

impl Running {
    /// What SIGTERM does.
    pub async fn terminate(&self) {
        let shutdown = self.server.shutdown();
        sleep(std_duration(shutdown.pre_stop)).await;
        let lifecycle = &self.server.lifecycle;
        match shutdown.mode {
            ShutdownMode::Ignore => {}
            ShutdownMode::AtOnce => lifecycle.end(143),
            ShutdownMode::Abort => {
                lifecycle.drain(true);
                self.stop.send_replace(Some(End::Reset));
                self.connections_gone().await;
                lifecycle.end(0);
            }
            ShutdownMode::Drain | ShutdownMode::AcceptWhileDraining => {
                lifecycle.drain(shutdown.mode == ShutdownMode::Drain);
                let end = if self.drained(shutdown.grace).await { End::Close } else { End::Reset };
                self.stop.send_replace(Some(end));
                self.connections_gone().await;
                lifecycle.end(0);
            }
        }
    }

    /// Waits until the process has to end; its exit code.
    pub async fn ended(&self) -> u8 {
        self.server.lifecycle.ended().await
    }

    /// Waits until no request is left; false where the grace was over before.
    async fn drained(&self, grace: Duration) -> bool {
        let empty = async {
            while self.server.requests_under_way() > 0 {
                sleep(TICK).await;
            }
        };
        timeout(std_duration(grace), empty).await.is_ok()
    }

    async fn connections_gone(&self) {
        let all = u32::try_from(self.connections).unwrap_or(u32::MAX);
        // Those that are still there after this time are dropped with the process.
        let _ = timeout(LAST_BYTES, self.slots.acquire_many(all)).await;
    }
}

async fn tick(server: Arc<Server>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !matches!(server.lifecycle.stage(), Stage::Ended(_)) {
        ticks.tick().await;
        server.refresh();
        server.die_if_due();
    }
}

/// Nothing listens before the weights are loaded.
async fn serve_when_loaded(
    server: Arc<Server>,
    socket: TcpSocket,
    slots: Arc<Semaphore>,
    stop: watch::Receiver<Option<End>>,
) {
    while server.moment().age < server.load_time() {
        sleep(TICK).await;
    }
    match socket.listen(BACKLOG) {
        Ok(listener) => serve_models(server, listener, slots, stop).await,
        Err(_) => server.lifecycle.end(1),
    }
}

async fn serve_models(
    server: Arc<Server>,
    listener: TcpListener,
    slots: Arc<Semaphore>,
    stop: watch::Receiver<Option<End>>,
) {
    let router = api::routes(&server);
    let mut connections = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Without it, small events of a stream would wait for each other.
        let _ = stream.set_nodelay(true);
        let (server, router, stop) = (Arc::clone(&server), router.clone(), stop.clone());
        connections.spawn(async move {
            serve_one(server, router, stream, stop).await;
            drop(slot);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_one<T: Transport>(
    server: Arc<Server>,
    router: Router,
    transport: T,
    stop: watch::Receiver<Option<End>>,
) {
    let limits = server.settings.limits;
    let answer = move |link: Link, request: Request<Incoming>| {
        api::respond(Arc::clone(&server), router.clone(), link, request)
    };
    connection::serve(transport, limits, stop, answer).await;
}

async fn serve_admin(
    router: Router,
    listener: TcpListener,
    limits: Limits,
    stop: watch::Receiver<Option<End>>,
) {
    let slots = Arc::new(Semaphore::new(ADMIN_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            let answer = move |_: Link, request: Request<Incoming>| {
                api::routed(router.clone(), request.map(Body::new))
            };
            connection::serve(stream, limits, stop, answer).await;
            drop(slot);
        });
        while connections.try_join_next().is_some() {}
    }
}
