//! The doors: sockets that REST listens on, and the connections through them.
//!
//! In place of axum's own loop, which knows no limits. Invariant: a client that is slow, silent or greedy holds one of a
//! bounded number of connections, for a bounded time, with bounded memory.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::subject;
use super::tls::ServerTls;
use super::wire::Wire;
use crate::config::{Listener, Serves, WorkerConfig};

/// How large the head of a request may be: request line and headers.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How many headers a request may have.
const HEADERS_MAX: usize = 100;

/// How long a client may take none of its answer.
const STALL_MAX: Duration = Duration::from_secs(30);

/// How long the handshake of TLS may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How long to wait when a connection cannot be taken, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// The address.
    pub(super) address: IpAddr,
    /// The common name of its certificate, if it showed one that was verified.
    pub(super) certificate: Option<String>,
}

/// A socket that is open.
#[derive(Debug)]
pub struct Door {
    socket: TcpListener,
    tls: Option<Arc<ServerTls>>,
    connections: Arc<Semaphore>,
    header_timeout: Duration,
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The socket.
    #[error(
        "cannot listen for REST on {listener} (setting {}): {source}; {}",
        setting(listener),
        hint(source)
    )]
    Socket {
        /// Which.
        listener: Listener,
        /// Why.
        source: std::io::Error,
    },
    /// The certificates.
    #[error("cannot speak https on {listener}: {reason}")]
    Tls {
        /// Which.
        listener: Listener,
        /// What is wrong with what.
        reason: String,
    },
}

fn setting(listener: &Listener) -> &'static str {
    if listener.serves == Serves::Admin { "admin.listeners" } else { "listeners" }
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program (another worker?) has this port: stop it, or set listeners=http://127.0.0.1:<another port>"
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges: choose a higher one in listeners"
        }
        _ => "set listeners to an address of this machine, such as http://127.0.0.1:8083",
    }
}

/// Opens a listener: its certificates are read, its socket is bound.
///
/// # Errors
/// Names the address, the setting and what to do.
pub async fn bind(worker: &WorkerConfig, listener: &Listener) -> Result<Door, BindError> {
    let access = &worker.access;
    let said = if listener.serves == Serves::Admin { &access.admin_tls } else { &access.tls };
    let tls = said.clone().filter(|_| listener.https).map(ServerTls::open).transpose();
    let tls = tls.map_err(|reason| BindError::Tls { listener: listener.clone(), reason })?;
    let refused = |source| BindError::Socket { listener: listener.clone(), source };
    Ok(Door {
        socket: TcpListener::bind((listener.host.as_str(), listener.port)).await.map_err(refused)?,
        tls: tls.map(Arc::new),
        connections: Arc::new(Semaphore::new(access.connections_max.min(Semaphore::MAX_PERMITS))),
        header_timeout: access.header_timeout,
    })
}

impl Door {
    /// The address that it is bound to.
    ///
    /// # Errors
    /// The socket's.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next connection, once there is room for one.
    async fn accept(&self) -> (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else {
                // Nobody closes the semaphore.
                std::future::pending::<()>().await;
                continue;
            };
            match self.socket.accept().await {
                Ok((socket, address)) => return (socket, address, permit),
                Err(error) => {
                    tracing::warn!("a connection to REST could not be taken: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Serves until `stop` is done, then lets running requests end.
pub async fn serve(door: Door, router: Router, stop: impl Future<Output = ()> + Send) {
    let (connections, ending) = (TaskTracker::new(), CancellationToken::new());
    let mut stop = pin!(stop);
    let door = Arc::new(door);
    loop {
        let (socket, address, permit) = tokio::select! {
            () = &mut stop => break,
            accepted = door.accept() => accepted,
        };
        let (door, router, ending) = (Arc::clone(&door), router.clone(), ending.clone());
        connections.spawn(async move {
            connection(&door, socket, address, router, ending).await;
            drop(permit);
        });
    }
    drop(door);
    ending.cancel();
    connections.close();
    connections.wait().await;
}

/// One connection, from its handshake to its end.
async fn connection(
    door: &Door,
    socket: TcpStream,
    address: SocketAddr,
    router: Router,
    ending: CancellationToken,
) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%address, "small answers may be late: {error}");
    }
    let mut peer = Peer { address: address.ip().to_canonical(), certificate: None };
    let Some(tls) = door.tls.clone() else {
        return speak(socket, peer, router, door.header_timeout, ending).await;
    };
    let handshake = async {
        let config = tokio::task::spawn_blocking(move || tls.current()).await?;
        TlsAcceptor::from(config).accept(socket).await
    };
    let outcome = tokio::select! {
        () = ending.cancelled() => return,
        outcome = tokio::time::timeout(HANDSHAKE_MAX, handshake) => outcome,
    };
    match outcome {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            peer.certificate = shown.and_then(|certificate| subject::common_name(certificate));
            speak(stream, peer, router, door.header_timeout, ending).await;
        }
        Ok(Err(error)) => tracing::debug!(%address, "no TLS with a client of REST: {error}"),
        Err(_elapsed) => tracing::debug!(%address, "no TLS with a client of REST within {HANDSHAKE_MAX:?}"),
    }
}

/// Speaks HTTP over a connection.
async fn speak<S>(stream: S, peer: Peer, router: Router, header_timeout: Duration, ending: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let address = peer.address;
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(Wire::new(stream, STALL_MAX)), service);
    let mut connection = pin!(connection);
    let mut is_ending = false;
    let outcome = loop {
        tokio::select! {
            outcome = connection.as_mut() => break outcome,
            () = ending.cancelled(), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%address, "a connection to REST ended: {error}");
    }
}
