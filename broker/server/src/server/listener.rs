//! Accepts connections, up to the limits; each listener with its own protection.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::connection::{self, Accepted};
use crate::{
    BrokerConfig, Error, Listener,
    broker::State,
    metrics::add,
    security::{sasl::login::SaslListener, tls::TlsListener},
};

/// A listener and what clients are told to connect to instead of it.
#[derive(Debug)]
pub(crate) struct BoundListener {
    socket: TcpListener,
    address: SocketAddr,
    advertised: Option<Listener>,
    connections_max: Option<usize>,
    /// Place in `listeners`.
    at: usize,
    gate: Arc<Gate>,
}

/// How connections of a listener are protected.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(super) tls: Option<TlsListener>,
    pub(super) sasl: Option<SaslListener>,
}

impl BoundListener {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Binds all listeners and reads their certificates.
pub(crate) async fn bind(config: &BrokerConfig) -> Result<Vec<BoundListener>, Error> {
    let mut bound = Vec::new();
    for (at, listener) in config.listeners.iter().enumerate() {
        let host = if listener.host.is_empty() { "0.0.0.0" } else { &listener.host };
        let address = format!("{}:{}", listener.host, listener.port);
        let security = config.security.listeners.get(at).cloned().unwrap_or_default();
        let tls = security.tls.map(TlsListener::open).transpose();
        let tls =
            tls.map_err(|reason| Error::Config { setting: format!("listener {}", security.name), reason })?;
        let listen_error = |source| Error::Listen { address: address.clone(), source };
        let socket = TcpListener::bind((host, listener.port)).await.map_err(listen_error)?;
        let local = socket.local_addr().map_err(listen_error)?;
        tracing::info!(name = security.name, protocol = ?security.protocol, address = %local, "listening");
        let advertised = config.advertised_listeners.as_ref().and_then(|all| all.get(at).cloned());
        let gate = Arc::new(Gate { tls, sasl: security.sasl });
        let connections_max = security.connections_max;
        bound.push(BoundListener { socket, address: local, advertised, connections_max, at, gate });
    }
    Ok(bound)
}

/// Accepts until shutdown; each connection is a task of its own.
pub(crate) async fn serve(listener: BoundListener, state: Arc<State>, tasks: TaskTracker) {
    if listener.gate.tls.is_some() {
        tasks.spawn(follow_certificates(Arc::clone(&listener.gate), listener.address, Arc::clone(&state)));
    }
    while let Some(accepted) = state.shutdown.run_until_cancelled(listener.socket.accept()).await {
        match accepted {
            Ok((stream, peer)) => accept(&listener, stream, peer, &state, &tasks),
            Err(error) => {
                // Mostly out of file descriptors: others must close first.
                tracing::warn!(%error, "cannot accept connections for now");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn accept(
    listener: &BoundListener,
    stream: TcpStream,
    peer: SocketAddr,
    state: &Arc<State>,
    tasks: &TaskTracker,
) {
    let security = &state.security;
    let place = match security.admission.admit(peer.ip(), listener.at, listener.connections_max) {
        Ok(place) => place,
        Err(limit) => {
            add(&state.counters.connections_refused, 1);
            if let Some(untold) = security.refusals.take(Instant::now()) {
                tracing::warn!(%peer, untold, "refused: {limit} is reached");
            }
            return;
        }
    };
    let advertised = match (&listener.advertised, stream.local_addr()) {
        (Some(advertised), _) => {
            let port = if advertised.port == 0 { listener.address.port() } else { advertised.port };
            Listener { host: advertised.host.clone(), port }
        }
        // The address by which this client came is one by which it can come again, also behind a wildcard.
        (None, Ok(local)) => Listener { host: local.ip().to_string(), port: local.port() },
        (None, Err(error)) => {
            tracing::debug!(%peer, %error, "gone before it was accepted");
            return;
        }
    };
    add(&state.counters.connections, 1);
    let accepted = Accepted { stream, peer, advertised, gate: Arc::clone(&listener.gate), place };
    tasks.spawn(connection::run(accepted, Arc::clone(state)));
}

/// Looks for changed certificates now and then. Connections go on with what they have.
async fn follow_certificates(gate: Arc<Gate>, address: SocketAddr, state: Arc<State>) {
    let mut ticks = tokio::time::interval(state.config.security.reload_interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut complaint = None;
    while state.shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let gate = Arc::clone(&gate);
        let reload = move || gate.tls.as_ref().map_or(Ok(false), TlsListener::reload);
        let reloaded = tokio::task::spawn_blocking(reload).await;
        let failed = match reloaded {
            Ok(Ok(true)) => {
                tracing::info!(%address, "took over new certificates");
                None
            }
            // What was tried is not tried again, and what failed with it has been said.
            Ok(Ok(false)) => continue,
            Ok(Err(reason)) => Some(reason),
            Err(error) => Some(error.to_string()),
        };
        if failed != complaint {
            if let Some(reason) = &failed {
                tracing::warn!(%address, "certificates cannot be taken over, those before stay in force: {reason}");
            }
            complaint = failed;
        }
    }
}
