//! Zombie fencing (KIP-618): before tasks of a new set write, the producers of the set before can write no more.
//!
//! Asked by source tasks at their start, on whatever worker; done by the leader. Every task of a connector asks, the first one has it
//! done, and `tasks-fencing-<connector>` in the config topic says so to the others and to later leaders. Invariant: when
//! [`ZombieFencing::fence`] has returned, no transaction of an older set of tasks will be committed; and a set of tasks whose
//! producers may have written is counted in the config topic before any of them was initialized.

use std::collections::HashMap;
use std::sync::Arc;

use api::{Error, Result};
use async_trait::async_trait;
use broker_client::Client;
use parking_lot::Mutex;

use crate::config::WorkerConfig;
use crate::store::config_record::ConfigRecord;
use crate::store::{ConfigStore, broker_error};

/// Shuts out older producers of a connector's tasks.
#[async_trait]
pub(crate) trait ZombieFencing: Send + Sync {
    /// Returns once no producer of an older set of the connector's tasks can commit anything.
    ///
    /// # Errors
    /// `Retriable` when the broker or the leader cannot be asked now; `Fatal` when it refuses, say for want of a right.
    async fn fence(&self, connector: &str) -> Result<()>;
}

/// The transactional id of a task's producer, as in Connect (`Worker.taskTransactionalId`).
pub(crate) fn task_transactional_id(group: &str, connector: &str, task: u32) -> String {
    format!("{group}-{connector}-{task}")
}

/// Asks whether the broker can do what exactly-once delivery needs, unless it is switched off.
///
/// # Errors
/// When it cannot, and the settings say in so many words that it shall.
pub(crate) async fn check_broker(client: &Client, config: &WorkerConfig) -> Result<()> {
    // The broker inside this process can; and it need not make its topic of transactions before one comes.
    if !config.exactly_once.needs_transactions() || config.embedded_broker().is_some() {
        return Ok(());
    }
    let id = format!("connect-cluster-{}", config.storage.group_id);
    let Err(error) = client.check_transactions(&id).await else { return Ok(()) };
    let doing = "the Kafka cluster does not let this worker write in transactions, which exactly.once.source.support needs";
    if error.is_retriable() || !config.exactly_once.give_up() {
        return Err(broker_error(doing, error));
    }
    tracing::warn!(
        %error,
        "{doing}: sources deliver at least once. Give the worker the right to transactional ids that start with \"{}-\" and to {id}, \
         or say exactly.once.source.support=disabled",
        config.storage.group_id
    );
    Ok(())
}

/// What is to be done before the newest set of tasks may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// Nothing: it was done.
    Done,
    /// Count the new set (`to`), after the producers of the set before (`from`) were fenced.
    Fence {
        /// Tasks whose producers may still write.
        from: u32,
        /// Tasks of the newest set.
        to: u32,
    },
}

impl Round {
    /// Decides it, from how many tasks were counted last, if any ever were. One task that follows one task fences it by itself, with
    /// its own transactional id.
    pub(crate) const fn of(pending: bool, counted: Option<u32>, tasks: u32) -> Self {
        match (pending, counted) {
            (false, _) => Self::Done,
            (true, None) => Self::Fence { from: 0, to: tasks },
            (true, Some(1)) if tasks == 1 => Self::Fence { from: 0, to: 1 },
            (true, Some(counted)) => Self::Fence { from: counted, to: tasks },
        }
    }
}

/// The leader's side.
pub(crate) struct LeaderFencing {
    client: Client,
    configs: Arc<ConfigStore>,
    group: String,
    /// One round at a time per connector: its tasks start all at once.
    rounds: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl LeaderFencing {
    /// Fences for the connectors of a group of workers.
    pub(crate) fn new(client: &Client, configs: &Arc<ConfigStore>, group: &str) -> Self {
        let (client, configs, group) = (client.clone(), Arc::clone(configs), group.to_owned());
        Self { client, configs, group, rounds: Mutex::default() }
    }

    async fn round(&self, connector: &str) -> Result<()> {
        self.configs.read_to_end().await?;
        let state = self.configs.state();
        let known = state.connector(connector).ok_or_else(|| {
            Error::fatal(format!("connector {connector} is no longer configured, so its tasks cannot start"))
        })?;
        let Round::Fence { from, to } = known.fencing_round() else { return Ok(()) };
        let ids: Vec<_> = (0..from).map(|task| task_transactional_id(&self.group, connector, task)).collect();
        self.client.fence_producers(&ids).await.map_err(|error| {
            broker_error(format!("cannot fence the transactional producers of {from} earlier tasks"), error)
        })?;
        tracing::debug!(connector, from, to, "earlier tasks are fenced");
        self.configs.write(&[ConfigRecord::TasksFencing(connector.to_owned(), Some(to))]).await
    }
}

#[async_trait]
impl ZombieFencing for LeaderFencing {
    async fn fence(&self, connector: &str) -> Result<()> {
        let round = Arc::clone(self.rounds.lock().entry(connector.to_owned()).or_default());
        let outcome = {
            let _one_at_a_time = round.lock().await;
            self.round(connector).await
        };
        let mut rounds = self.rounds.lock();
        // The map's own hold and this one: nobody else is at it.
        if Arc::strong_count(&round) <= 2 {
            rounds.remove(connector);
        }
        outcome.map_err(|error| {
            error.context(format!(
                "the zombie fencing of connector {connector} failed (exactly-once delivery)"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_before_is_fenced_once() {
        assert_eq!(Round::of(false, Some(3), 2), Round::Done);
        assert_eq!(Round::of(true, Some(3), 2), Round::Fence { from: 3, to: 2 });
        assert_eq!(Round::of(true, Some(1), 2), Round::Fence { from: 1, to: 2 });
        assert_eq!(Round::of(true, Some(2), 1), Round::Fence { from: 2, to: 1 });
        assert_eq!(Round::of(true, None, 4), Round::Fence { from: 0, to: 4 }, "no producer was ever there");
        assert_eq!(Round::of(true, Some(1), 1), Round::Fence { from: 0, to: 1 }, "the id is the same");
        assert_eq!(Round::of(true, Some(2), 0), Round::Fence { from: 2, to: 0 }, "a stopped connector");
    }

    #[test]
    fn transactional_ids_are_connects() {
        assert_eq!(task_transactional_id("connect-cluster", "shop", 3), "connect-cluster-shop-3");
    }
}
