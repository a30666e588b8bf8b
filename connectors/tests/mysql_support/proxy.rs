//! A way to a server that breaks as networks do: cut after so many bytes of an answer, or silent without being cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// No fault.
const ENDLESS: i64 = i64::MAX / 2;

#[derive(Debug)]
struct Faults {
    /// Bytes that the server may still say before the connection that says more is cut.
    left: AtomicI64,
    /// Connections up to this number are silent.
    frozen: AtomicU64,
    opened: AtomicU64,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    faults: Arc<Faults>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Leads to a port of this machine.
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Arc::new(Faults {
            left: AtomicI64::new(ENDLESS),
            frozen: AtomicU64::new(0),
            opened: AtomicU64::new(0),
        });
        let shared = Arc::clone(&faults);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
                let number = shared.opened.fetch_add(1, Ordering::SeqCst) + 1;
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                let answers = tokio::spawn(pass(from_server, to_client, Some((Arc::clone(&shared), number))));
                tokio::spawn(async move {
                    pass(from_client, to_server, None).await;
                    answers.abort();
                });
            }
        });
        Self { port, faults, accepting }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the connection in which the server says this many bytes more, in the middle of what it says.
    pub fn cut_after(&self, bytes: usize) {
        self.faults.left.store(i64::try_from(bytes).unwrap(), Ordering::SeqCst);
    }

    /// Nothing comes any more through the connections that are open now, and nothing says so.
    pub fn freeze(&self) {
        self.faults.frozen.store(self.faults.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, faults: Option<(Arc<Faults>, u64)>) {
    let mut buffer = vec![0; 4096];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        let mut allowed = read;
        if let Some((faults, number)) = &faults {
            if *number <= faults.frozen.load(Ordering::SeqCst) {
                continue;
            }
            let left = faults.left.fetch_sub(i64::try_from(read).unwrap(), Ordering::SeqCst);
            allowed = usize::try_from(left.max(0)).unwrap().min(read);
        }
        if to.write_all(&buffer[..allowed]).await.is_err() {
            return;
        }
        if allowed < read {
            // One cut, then all is well again.
            if let Some((faults, _)) = &faults {
                faults.left.store(ENDLESS, Ordering::SeqCst);
            }
            return;
        }
    }
}
