//! The addresses of a host, looked up once in a while: a busy client that asks for each of its connections
//! is a load on the cluster's DNS, and its requests wait for the answers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long an answer is taken for true: the time to live of CoreDNS' `kubernetes` plugin.
const KEPT: Duration = Duration::from_secs(5);

/// What a host's name stood for when it was last looked up.
#[derive(Debug, Default)]
pub(crate) struct Addresses(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    since: Instant,
    addresses: Vec<SocketAddr>,
}

impl Addresses {
    /// Connects to the host's addresses in turns: the next one, and those after it where it refuses.
    ///
    /// # Errors
    /// A name that stands for nothing; what the last address answered.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = self.next(host, port).await?;
        let connected = TcpStream::connect(&addresses[..]).await;
        if connected.is_err() {
            *self.0.lock().await = None;
        }
        connected
    }

    async fn next(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut known = self.0.lock().await;
        let fresh = known.take().filter(|it| it.since.elapsed() < KEPT);
        let mut current = match fresh {
            Some(current) => current,
            None => Known { since: Instant::now(), addresses: lookup_host((host, port)).await?.collect() },
        };
        let addresses = current.addresses.clone();
        if !current.addresses.is_empty() {
            current.addresses.rotate_left(1);
        }
        *known = Some(current);
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_again_only_after_a_while() {
        let addresses = Addresses::default();
        let first = addresses.next("127.0.0.1", 1).await.unwrap();
        assert_eq!(first, ["127.0.0.1:1".parse().unwrap()]);
        // The port of another question shows which lookup an answer is of.
        assert_eq!(addresses.next("127.0.0.1", 2).await.unwrap(), first);
        tokio::time::advance(KEPT).await;
        assert_eq!(addresses.next("127.0.0.1", 2).await.unwrap(), ["127.0.0.1:2".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_host_s_addresses_take_turns() {
        let (a, b) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        let addresses = Addresses(Mutex::new(Some(Known { since: Instant::now(), addresses: vec![a, b] })));
        assert_eq!(addresses.next("unused", 0).await.unwrap(), [a, b]);
        assert_eq!(addresses.next("unused", 0).await.unwrap(), [b, a]);
    }

    #[tokio::test]
    async fn a_connection_that_fails_looks_the_name_up_again() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let addresses = Addresses::default();
        addresses.connect("127.0.0.1", free.port()).await.unwrap_err();
        assert!(addresses.0.lock().await.is_none());
    }
}
