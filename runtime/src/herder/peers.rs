//! The other workers of the group, as the herder asks them; how is REST's business (`rest::peers`).
//!
//! Between the herder and HTTP. Invariant: every request to another worker is signed with the session key.

use std::sync::Arc;

use api::{Error, Result};
use async_trait::async_trait;

use super::lead::Place;
use super::signature::Signature;
use super::{HerderError, HerderErrorKind, HerderResult, LeaderFencing, ZombieFencing};
use crate::config::SessionOptions;
use crate::store::ConfigStore;

/// Task configurations on their way to the leader.
pub(crate) struct TasksRequest<'a> {
    /// Whose they are.
    pub(crate) connector: &'a str,
    /// From which configuration of the connector they were made: its offset in the config topic.
    pub(crate) revision: i64,
    /// A JSON list of flat objects.
    pub(crate) body: Vec<u8>,
    /// Of the body.
    pub(crate) signature: Signature,
}

/// Requests to the leader, at a URL.
#[async_trait]
pub(crate) trait Peers: Send + Sync {
    /// Has the leader write task configurations.
    ///
    /// # Errors
    /// What the leader said, or that it could not be asked.
    async fn put_tasks(&self, leader: &str, request: TasksRequest<'_>) -> HerderResult<()>;

    /// Has the leader fence the earlier tasks of a connector. The signature is that of an empty body.
    ///
    /// # Errors
    /// As [`Peers::put_tasks`].
    async fn fence(&self, leader: &str, connector: &str, signature: Signature) -> HerderResult<()>;
}

/// Fencing for the tasks of this worker: done here while it leads, by the leader otherwise.
pub(crate) struct GroupFencing {
    /// The leader's side.
    pub(crate) local: LeaderFencing,
    /// Who leads.
    pub(crate) place: Place,
    /// The config topic, with the session key.
    pub(crate) configs: Arc<ConfigStore>,
    /// How requests are signed.
    pub(crate) session: SessionOptions,
    /// The way to the leader.
    pub(crate) peers: Arc<dyn Peers>,
}

impl GroupFencing {
    async fn ask(&self, leader: &str, connector: &str) -> HerderResult<()> {
        let signature = Signature::sign(&self.session, self.configs.state().session_key(), &[])?;
        self.peers.fence(leader, connector, signature).await
    }
}

#[async_trait]
impl ZombieFencing for GroupFencing {
    async fn fence(&self, connector: &str) -> Result<()> {
        let outcome = match self.place.leading().await {
            Ok(()) => return self.local.fence(connector).await,
            Err(HerderError { elsewhere: Some(leader), .. }) => self.ask(&leader, connector).await,
            Err(error) => Err(error),
        };
        outcome.map_err(|error| {
            let text = format!("the leader could not fence earlier tasks of connector {connector}: {error}");
            // A wrong signature is one of a session key that was renewed meanwhile.
            match error.kind.is_transient() || error.kind == HerderErrorKind::Forbidden {
                true => Error::retriable(text),
                false => Error::fatal(text),
            }
        })
    }
}
