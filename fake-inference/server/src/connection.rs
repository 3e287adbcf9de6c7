//! One connection: HTTP/1.1 with bounds on the head, on idleness and on slow readers, and an end that a
//! fault can choose.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::clock::std_duration;
use crate::settings::Limits;

/// How a connection ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a reset.
    Reset,
    /// In order.
    Close,
}

/// A request's way to its connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link(Option<Arc<watch::Sender<Option<End>>>>);

impl Link {
    /// Ends the connection. There is no response: whoever waits for one waits until the connection is gone.
    pub(crate) async fn end(&self, end: End) -> Response {
        if let Some(sender) = &self.0 {
            sender.send_replace(Some(end));
        }
        std::future::pending().await
    }
}

/// A stream of bytes that may be ended with a reset.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes the coming close a reset, where the transport knows one.
    fn reset_on_close(&self);
}

impl Transport for TcpStream {
    fn reset_on_close(&self) {
        // A socket that cannot be told is already gone.
        let _ = self.set_zero_linger();
    }
}

impl Transport for tokio::io::DuplexStream {
    fn reset_on_close(&self) {}
}

/// Serves one connection by `answer`, which may end it by the link, until its client leaves, a fault ends it, or `stop`
/// says how it has to end:
/// `Close` after the request that is being served, `Reset` at once.
pub(crate) async fn serve<T, F, A>(
    transport: T,
    limits: Limits,
    mut stop: watch::Receiver<Option<End>>,
    answer: A,
) where
    T: Transport,
    F: Future<Output = Response> + Send + 'static,
    A: Fn(Link, hyper::Request<Incoming>) -> F + Send + Sync + 'static,
{
    let (ends, mut ended) = watch::channel(None);
    let link = Link(Some(Arc::new(ends)));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let response = answer(link.clone(), request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let watched = Watched::new(transport, std_duration(limits.write_timeout));
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(std_duration(limits.head_timeout))
        .max_buf_size(limits.head_bytes)
        .keep_alive(true)
        .serve_connection(TokioIo::new(watched), service);
    let end = loop {
        tokio::select! {
            _ = &mut connection => return,
            _ = ended.changed() => break (*ended.borrow()).unwrap_or(End::Close),
            stopped = stop.changed() => match (stopped.is_ok(), *stop.borrow()) {
                (true, Some(End::Reset)) => break End::Reset,
                (true, Some(End::Close)) => Pin::new(&mut connection).graceful_shutdown(),
                (_, None) | (false, _) => break End::Close,
            },
        }
    };
    let transport = connection.into_parts().io.into_inner().inner;
    if end == End::Reset {
        transport.reset_on_close();
    }
}

/// A transport whose writes may not stand still for ever: a client that reads nothing loses its connection.
struct Watched<T> {
    inner: T,
    timeout: std::time::Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<T> Watched<T> {
    fn new(inner: T, timeout: std::time::Duration) -> Self {
        Self { inner, timeout, deadline: None }
    }

    fn watch<R>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let timeout = self.timeout;
        let deadline =
            self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        match deadline.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch(context, written)
    }
}
