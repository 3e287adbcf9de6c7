//! The addresses of a host, looked up once in a while: a busy client that asks for each of its connections
//! is a load on the cluster's DNS, and its requests wait for the answers.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::Instant;

/// How long an answer is taken for true: the time to live of CoreDNS' `kubernetes` plugin.
const KEPT: Duration = Duration::from_secs(5);

/// What a host's name stands for. Requests wait for the first answer alone: an old one is used while it is renewed, and
/// kept where that fails.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// None before the first answer.
    addresses: Vec<SocketAddr>,
    /// When to ask again: at once, where there is no such moment.
    renew: Option<Instant>,
}

impl Addresses {
    /// Connects to the host's addresses in turns: the next one, and those after it where it refuses.
    ///
    /// # Errors
    /// A name that stands for nothing; what the last address answered.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = match self.next(host, port) {
            Some(addresses) => addresses,
            None => self.look_up(host, port).await?,
        };
        let connected = TcpStream::connect(&addresses[..]).await;
        if connected.is_err() {
            self.lock().renew = None;
        }
        connected
    }

    /// The addresses that are known, each time another one first.
    fn next(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let mut known = self.lock();
        if known.addresses.is_empty() {
            return None;
        }
        if known.renew.is_none_or(|at| at <= Instant::now()) {
            // The others do not ask meanwhile.
            known.renew = Some(Instant::now() + KEPT);
            let (this, host) = (self.clone(), host.to_owned());
            tokio::spawn(async move { this.look_up(&host, port).await });
        }
        let addresses = known.addresses.clone();
        known.addresses.rotate_left(1);
        Some(addresses)
    }

    async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses: Vec<_> = lookup_host((host, port)).await?.collect();
        *self.lock() = Known { addresses: addresses.clone(), renew: Some(Instant::now() + KEPT) };
        Ok(addresses)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    // The port of a question shows which lookup an answer is of.
    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_again_only_after_a_while_and_nobody_waits_for_it() {
        let addresses = Addresses::default();
        assert_eq!(addresses.look_up("127.0.0.1", 1).await.unwrap(), [local(1)]);
        assert_eq!(addresses.next("127.0.0.1", 2), Some(vec![local(1)]));
        tokio::time::advance(KEPT).await;
        assert_eq!(addresses.next("127.0.0.1", 3), Some(vec![local(1)]), "the old answer");
        while addresses.next("127.0.0.1", 4) == Some(vec![local(1)]) {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            addresses.next("127.0.0.1", 5),
            Some(vec![local(3)]),
            "one lookup, that of who came first"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_where_there_is_no_newer_one() {
        let addresses = Addresses::default();
        addresses.look_up("127.0.0.1", 1).await.unwrap();
        addresses.look_up("no such name", 1).await.unwrap_err();
        assert_eq!(addresses.next("unused", 0), Some(vec![local(1)]));
    }

    #[tokio::test]
    async fn a_host_s_addresses_take_turns() {
        let (a, b) = (local(1), local(2));
        let known = Known { addresses: vec![a, b], renew: Some(Instant::now() + KEPT) };
        let addresses = Addresses(Arc::new(Mutex::new(known)));
        assert_eq!(addresses.next("unused", 0), Some(vec![a, b]));
        assert_eq!(addresses.next("unused", 0), Some(vec![b, a]));
    }

    #[tokio::test]
    async fn a_connection_that_fails_looks_the_name_up_again() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let addresses = Addresses::default();
        addresses.connect("127.0.0.1", free.port()).await.unwrap_err();
        assert!(addresses.lock().renew.is_none());
    }
}
