//! HTTP/1.1 connections: made when a request finds none idle, kept as long as the settings say.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::addresses::Addresses;
use crate::clock::std_duration;
use crate::exchange::Failure;
use crate::target::{Dial, Target};

/// How long a connection has, after an answer, to be ready for the next request.
const READY_WITHIN: Duration = Duration::from_millis(100);

/// The longest time that a connection may take to come about, TLS included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long connections are kept. A connection that is kept stays with one pod, so that with few
/// connections the share of a canary is not its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reuse {
    /// As long as the server keeps them.
    #[default]
    KeepAlive,
    /// For so many requests.
    Requests(NonZeroU32),
}

/// The connections to one server.
#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) target: Target,
    addresses: Addresses,
    reuse: Reuse,
    connect_within: Duration,
    idle: Mutex<Vec<Connection>>,
}

/// One connection, and how many requests it has carried.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    carried: u32,
}

impl Connections {
    /// Connections for answers that may take so long: half of that at most is for a connection.
    pub(crate) fn new(target: Target, reuse: Reuse, within: units::Duration) -> Self {
        let connect_within = CONNECT_WITHIN.min(std_duration(within) / 2);
        Self { target, addresses: Addresses::default(), reuse, connect_within, idle: Mutex::default() }
    }

    /// Sends a request over the connection that was used last, or a new one, and waits for the head of
    /// the answer. Nothing is ever sent twice: only where an idle connection turns out to be closed
    /// before anything of the request was written, another takes it.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Connection), Failure> {
        let headers = request.headers_mut();
        headers.insert(HOST, self.target.authority.clone());
        if let Some(authorization) = &self.target.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        loop {
            let mut connection = match self.take_idle() {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let fresh = connection.carried == 0;
            connection.carried += 1;
            if self.is_spent(&connection) {
                request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, connection)),
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    Some(_) | None => return Err(Failure::Closed(told(&refused.into_error()))),
                },
            }
        }
    }

    /// Takes a connection back whose answer was read to its end.
    pub(crate) async fn give_back(&self, mut connection: Connection) {
        if !self.is_spent(&connection)
            && matches!(timeout(READY_WITHIN, connection.sender.ready()).await, Ok(Ok(())))
        {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }

    fn is_spent(&self, connection: &Connection) -> bool {
        match self.reuse {
            Reuse::KeepAlive => false,
            Reuse::Requests(most) => connection.carried >= most.get(),
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|connection| connection.sender.is_ready())
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        timeout(self.connect_within, self.open()).await.unwrap_or_else(|_| {
            let within = self.connect_within.as_secs_f64();
            Err(Failure::Connect(format!("none came about within {within} s")))
        })
    }

    async fn open(&self) -> Result<Connection, Failure> {
        match &self.target.dial {
            Dial::Tcp { host, port } => speak(self.dial(host, *port).await?).await,
            Dial::Tls { host, port, name, connector } => {
                let stream = self.dial(host, *port).await?;
                speak(connector.connect(name.clone(), stream).await.map_err(unconnected)?).await
            }
            Dial::Memory(connect) => speak(connect()).await,
        }
    }

    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, Failure> {
        let stream = self.addresses.connect(host, port).await.map_err(unconnected)?;
        stream.set_nodelay(true).map_err(unconnected)?;
        Ok(stream)
    }
}

/// `ENFILE` and `EMFILE`, on Linux as on macOS.
const TOO_MANY_OPEN_FILES: [i32; 2] = [23, 24];

fn unconnected(error: std::io::Error) -> Failure {
    match error.raw_os_error() {
        Some(code) if TOO_MANY_OPEN_FILES.contains(&code) => Failure::NoSocket,
        Some(_) | None => Failure::Connect(error.to_string()),
    }
}

async fn speak<T>(transport: T) -> Result<Connection, Failure>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(transport)).await.map_err(|error| Failure::Connect(told(&error)))?;
    // It ends when the sender is dropped, or the server closes; what goes wrong is told to the sender.
    tokio::spawn(connection);
    Ok(Connection { sender, carried: 0 })
}

/// An error with its causes.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
