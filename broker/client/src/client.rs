//! The client: what it knows of the cluster, and how it asks the right broker, again if need be.
//!
//! Invariant: a method returns within `operation_timeout` (and one request's time); a retriable error is retried after a pause and
//! with fresh metadata until then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker_protocol::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use broker_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use broker_protocol::{ErrorCode, Request};
use parking_lot::RwLock;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::config::ClientConfig;
use crate::error::{Error, Result};
use crate::metadata::{Metadata, join_address};
use crate::net::connection::Connection;
use crate::net::pool::Pool;
use crate::net::seats::{Seated, Seats};

/// So many transactional producers talk with one coordinator at a time: a thousand that start together need not connect a thousand times.
const TRANSACTION_SEATS_MAX: usize = 32;

/// What a coordinator keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Kept {
    /// A consumer (or Connect) group.
    Group(String),
    /// The transactions of a transactional id.
    Transactions(String),
}

impl Kept {
    /// FindCoordinator's key type and key.
    fn key(&self) -> (i8, &str) {
        match self {
            Self::Group(group) => (0, group),
            Self::Transactions(id) => (1, id),
        }
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(group) => write!(formatter, "group {group}"),
            Self::Transactions(id) => write!(formatter, "transactional.id {id}"),
        }
    }
}

/// A cluster, as one user of it sees it. Clones share connections and knowledge.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Arc<ClientConfig>,
    pool: Pool,
    /// For members of groups: a join may take as long as it likes, and heartbeats must not wait for it.
    member_seats: Seats,
    /// For the coordinators of transactions.
    transaction_seats: Seats,
    metadata: RwLock<Arc<Metadata>>,
    /// Which bootstrap server to try first, so that a dead one is not tried first for ever.
    turn: AtomicUsize,
}

impl Client {
    /// Connects to nothing yet: that happens with the first request.
    pub fn new(config: ClientConfig) -> Self {
        let config = Arc::new(config);
        let shared = Shared {
            pool: Pool::new(Arc::clone(&config)),
            member_seats: Seats::new(Arc::clone(&config), Semaphore::MAX_PERMITS),
            transaction_seats: Seats::new(Arc::clone(&config), TRANSACTION_SEATS_MAX),
            config,
            metadata: RwLock::default(),
            turn: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How it was set up.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.shared.config
    }

    /// Connections of their own for a producer or consumer, whose long requests must not delay others'.
    pub(crate) fn new_pool(&self) -> Pool {
        Pool::new(Arc::clone(&self.shared.config))
    }

    /// A connection for the next requests of a member to its group's coordinator.
    pub(crate) async fn member_seat(&self, address: &str) -> Result<Seated> {
        self.shared.member_seats.connection(address).await
    }

    /// A connection for the next request of a transactional producer to a coordinator. Such requests are short.
    pub(crate) async fn transaction_seat(&self, address: &str) -> Result<Seated> {
        self.shared.transaction_seats.connection(address).await
    }

    /// What is known now, perhaps nothing.
    pub(crate) fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&self.shared.metadata.read())
    }

    /// Asks for some topics, or for all, and remembers the answer. `create` lets the broker create what is missing.
    pub(crate) async fn refresh(&self, topics: Option<&[&str]>, create: bool) -> Result<MetadataResponse> {
        let named = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
        let request = MetadataRequest {
            topics: topics.map(|topics| topics.iter().map(named).collect()),
            allow_auto_topic_creation: create,
            ..Default::default()
        };
        let connection = self.any().await?;
        let response = connection.call(&request, i16::MAX, None).await?;
        // A copy only if somebody is looking at it right now: with many topics that is much work.
        Arc::make_mut(&mut *self.shared.metadata.write()).merge(&response, topics.is_none());
        Ok(response)
    }

    /// A connection to any broker that answers: known ones first, then the bootstrap servers.
    pub(crate) async fn any(&self) -> Result<Arc<Connection>> {
        let metadata = self.metadata();
        let mut addresses: Vec<String> =
            metadata.brokers.keys().filter_map(|id| metadata.address(*id)).collect();
        let bootstrap = &self.shared.config.bootstrap_servers;
        addresses.extend(
            bootstrap.iter().filter(|server| !addresses.contains(server)).cloned().collect::<Vec<_>>(),
        );
        let turn = self.shared.turn.load(Ordering::Relaxed) % addresses.len().max(1);
        addresses.rotate_left(turn);
        let mut last = None;
        for address in &addresses {
            match self.shared.pool.connection(address).await {
                Ok(connection) => return Ok(connection),
                // Wrong credentials are wrong everywhere, and trying them often locks users out.
                Err(error) if error.is_distrust() => return Err(error),
                Err(error) => last = Some(error),
            }
            self.shared.turn.fetch_add(1, Ordering::Relaxed);
        }
        let nobody = Error::Closed { what: "list of bootstrap servers (it is empty)" };
        let source = Arc::new(last.unwrap_or(nobody));
        Err(Error::NoBroker { servers: addresses.join(","), source })
    }

    /// A connection to the controller, or to any broker if it is not known (brokers pass such requests on).
    pub(crate) async fn controller(&self) -> Result<Arc<Connection>> {
        if self.metadata().brokers.is_empty() {
            self.refresh(Some(&[]), false).await?;
        }
        let metadata = self.metadata();
        match metadata.address(metadata.controller) {
            Some(address) => self.shared.pool.connection(&address).await,
            None => self.any().await,
        }
    }

    /// A connection to a broker of this address, out of the client's own.
    pub(crate) async fn at(&self, address: &str) -> Result<Arc<Connection>> {
        self.shared.pool.connection(address).await
    }

    /// The address of the broker that keeps a group.
    pub(crate) async fn coordinator(&self, group: &str) -> Result<String> {
        self.coordinator_of(&Kept::Group(group.to_owned())).await
    }

    /// The address of the broker that keeps something.
    pub(crate) async fn coordinator_of(&self, kept: &Kept) -> Result<String> {
        let connection = self.any().await?;
        let (key_type, key) = kept.key();
        let request =
            FindCoordinatorRequest { key: key.into(), key_type, coordinator_keys: vec![key.into()] };
        let response = connection.call(&request, i16::MAX, None).await?;
        coordinator_address(response).map_err(|(code, message)| Error::Refused {
            broker: connection.broker().to_string(),
            api: FindCoordinatorRequest::KEY,
            subject: kept.to_string(),
            code,
            message,
        })
    }

    /// Repeats `attempt` while it fails with a retriable error and there is time. Metadata is asked for anew in between, if the error
    /// says that it is old.
    /// The attempt is a closure that returns a future, not an async closure: the futures of those are not known to be `Send`.
    pub(crate) async fn retrying<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let config = &self.shared.config;
        let deadline = Instant::now() + config.operation_timeout;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !error.is_retriable() || Instant::now() + config.retry_backoff >= deadline {
                return Err(error);
            }
            tracing::debug!(%error, "trying again");
            tokio::time::sleep(config.retry_backoff).await;
            if matches!(error.code(), Some(ErrorCode::NOT_CONTROLLER | ErrorCode::NOT_LEADER_OR_FOLLOWER)) {
                // If this fails too, so will the attempt, and its error is the better one.
                drop(self.refresh(Some(&[]), false).await);
            }
        }
    }
}

/// Old versions answer for one key, newer ones with a list.
fn coordinator_address(
    response: FindCoordinatorResponse,
) -> std::result::Result<String, (ErrorCode, Option<String>)> {
    let (code, message, host, port) = match response.coordinators.into_iter().next() {
        Some(found) => (found.error_code, found.error_message, found.host, found.port),
        None => (response.error_code, response.error_message, response.host, response.port),
    };
    let message = message.filter(|text| !text.is_empty()).map(|text| text.to_string());
    code.check().map(|()| join_address(&host, port)).map_err(|code| (code, message))
}
