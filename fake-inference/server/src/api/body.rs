use std::sync::atomic::Ordering::Relaxed;

use axum::body::{Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::Failure;
use crate::Server;
use crate::settings::Limits;

/// After a body that is too large, so much more is read and thrown away: a client that is still sending
/// when the connection closes would lose the answer.
const DISCARDED: usize = 16 << 20;
const DISCARD_TIME: std::time::Duration = std::time::Duration::from_secs(1);

/// Reads a request's body.
///
/// # Errors
/// 413 above the limit, 408 after the time for it, 503 where all bodies together are too much, 400 for
/// one that breaks off.
pub(crate) async fn read(
    server: &Server,
    limits: Limits,
    headers: &HeaderMap,
    body: impl HttpBody<Data = Bytes> + Unpin,
) -> Result<Vec<u8>, Failure> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.body_bytes as u64) {
        discard(body).await;
        return Err(too_large(&limits));
    }
    let mut held = Held { server, bytes: 0 };
    let deadline = Instant::now() + std::time::Duration::from_nanos(limits.body_timeout.as_nanos());
    read_frames(body, &limits, &mut held, deadline).await
}

async fn read_frames(
    mut body: impl HttpBody<Data = Bytes> + Unpin,
    limits: &Limits,
    held: &mut Held<'_>,
    deadline: Instant,
) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    loop {
        // Most bodies are there already: no timer for them.
        let there = body.frame().now_or_never();
        let frame = match there {
            Some(frame) => Ok(frame),
            None => timeout_at(deadline, body.frame()).await,
        };
        let Ok(frame) = frame else {
            let message = format!("The body did not arrive within {}.", limits.body_timeout);
            return Err(Failure { closes: true, ..Failure::new(408, message) });
        };
        let data: Bytes = match frame {
            None => return Ok(bytes),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => return Err(Failure { closes: true, ..Failure::new(400, "The body broke off.") }),
        };
        if bytes.len() + data.len() > limits.body_bytes {
            drop(bytes);
            discard(body).await;
            return Err(too_large(limits));
        }
        if !held.hold(data.len(), limits) {
            let failure =
                Failure::overloaded(503, "Too many bodies are being read.", units::Duration::from_secs(1));
            return Err(Failure { closes: true, ..failure });
        }
        bytes.extend_from_slice(&data);
    }
}

fn too_large(limits: &Limits) -> Failure {
    let message = format!("The body is larger than {} bytes.", limits.body_bytes);
    Failure { closes: true, ..Failure::new(413, message) }
}

async fn discard(mut body: impl HttpBody<Data = Bytes> + Unpin) {
    let deadline = Instant::now() + DISCARD_TIME;
    let mut left = DISCARDED;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// Bytes that count among all bodies being read, until it is dropped.
struct Held<'a> {
    server: &'a Server,
    bytes: usize,
}

impl Held<'_> {
    fn hold(&mut self, more: usize, limits: &Limits) -> bool {
        self.bytes += more;
        self.server.body_bytes.fetch_add(more, Relaxed) + more <= limits.all_bodies_bytes
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.server.body_bytes.fetch_sub(self.bytes, Relaxed);
    }
}
