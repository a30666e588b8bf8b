//! The connections of one user (the client itself, a producer, a consumer): one per broker, opened when needed, reopened
//! with growing pauses after failures.
//!
//! Invariant: at most one attempt to connect to a broker is under way; while its pause lasts, callers wait for it
//! instead of hammering the broker.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::connection::Connection;
use crate::config::ClientConfig;
use crate::error::Result;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    config: Arc<ClientConfig>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

#[derive(Debug, Default)]
struct Slot {
    state: tokio::sync::Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    connection: Option<Arc<Connection>>,
    failures: u32,
    retry_at: Option<Instant>,
    /// There was a connection before: when it breaks, those of all users of the broker do, and none of them need shout.
    has_served: bool,
}

impl Pool {
    pub(crate) fn new(config: Arc<ClientConfig>) -> Self {
        Self { config, slots: Mutex::new(HashMap::new()) }
    }

    /// The open connection to `address`, or a new one.
    pub(crate) async fn connection(&self, address: &str) -> Result<Arc<Connection>> {
        let slot = Arc::clone(self.slots.lock().entry(address.to_owned()).or_default());
        let mut state = slot.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|connection| connection.is_open()) {
            return Ok(Arc::clone(connection));
        }
        if state.connection.take().is_some() {
            // It worked once: the first reconnect waits as well, a broker that drops us at once must not be hammered.
            state.retry_at = Some(Instant::now() + self.config.reconnect_backoff);
        }
        if let Some(retry_at) = state.retry_at {
            tokio::time::sleep_until(retry_at).await;
        }
        match Connection::open(address, &self.config).await {
            Ok(connection) => {
                if state.failures > 0 && !state.has_served {
                    tracing::info!(broker = address, failures = state.failures, "connected at last");
                }
                let connection = Arc::new(connection);
                *state = SlotState {
                    connection: Some(Arc::clone(&connection)),
                    has_served: true,
                    ..SlotState::default()
                };
                Ok(connection)
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                state.retry_at = Some(Instant::now() + self.pause(state.failures));
                // The first, the second, the fourth ...: told at once, and no flood while a broker is away.
                if state.failures.is_power_of_two() && !state.has_served {
                    tracing::warn!(broker = address, failures = state.failures, %error, "cannot connect; trying again");
                } else {
                    tracing::debug!(broker = address, failures = state.failures, %error, "cannot connect");
                }
                Err(error)
            }
        }
    }

    /// Whether nobody connects and no answer is due.
    pub(crate) fn is_quiet(&self) -> bool {
        let is_quiet = |state: &SlotState| state.connection.as_ref().is_none_or(|it| it.is_quiet());
        self.slots.lock().values().all(|slot| slot.state.try_lock().is_ok_and(|state| is_quiet(&state)))
    }

    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.config.reconnect_backoff.saturating_mul(1 << failures.saturating_sub(1).min(10));
        doubled.min(self.config.reconnect_backoff_max)
    }
}
