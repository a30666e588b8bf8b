//! Accepts connections, up to a limit.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::connection;
use crate::{
    BrokerConfig, Error, Listener,
    broker::State,
    metrics::{add, get},
};

/// A listener and what clients are told to connect to instead of it.
#[derive(Debug)]
pub(crate) struct BoundListener {
    socket: TcpListener,
    address: SocketAddr,
    advertised: Option<Listener>,
}

impl BoundListener {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Binds all listeners.
pub(crate) async fn bind(config: &BrokerConfig) -> Result<Vec<BoundListener>, Error> {
    let mut bound = Vec::new();
    for (at, listener) in config.listeners.iter().enumerate() {
        let host = if listener.host.is_empty() { "0.0.0.0" } else { &listener.host };
        let address = format!("{}:{}", listener.host, listener.port);
        let listen_error = |source| Error::Listen { address: address.clone(), source };
        let socket = TcpListener::bind((host, listener.port)).await.map_err(listen_error)?;
        let local = socket.local_addr().map_err(listen_error)?;
        let advertised = config.advertised_listeners.as_ref().and_then(|all| all.get(at).cloned());
        bound.push(BoundListener { socket, address: local, advertised });
    }
    Ok(bound)
}

/// Accepts until shutdown; each connection is a task of its own.
pub(crate) async fn serve(listener: BoundListener, state: Arc<State>, tasks: TaskTracker) {
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
    if get(&state.counters.connections) >= state.config.connections_max as u64 {
        tracing::warn!(%peer, "refused: max.connections are open");
        return;
    }
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
    tasks.spawn(connection::run(stream, peer, advertised, Arc::clone(state)));
}
