//! What the leader writes to the config topic: in transactions of one transactional id for all leaders, so that a new leader's first
//! write shuts every earlier one out (KIP-618).
//!
//! Below the config store, beside its [`super::topic_log`]. Source: `KafkaConfigBackingStore` (`claimWritePrivileges`).
//! Invariants: after [`LeaderWriter::claim`] nothing of an earlier leader appears in the topic any more; the changes of one
//! [`LeaderWriter::write`] appear all together or not at all.

use std::time::Duration;

use api::{Bytes, Error, Result, Text};
use broker_client::{Client, Delivery, Producer, ProducerConfig, ProducerRecord};
use tokio::sync::Mutex;

use super::error::broker_error;
use super::topic_log::{Change, STORE_TIMEOUT};

/// How long the broker keeps a transaction of a leader that died: nobody reads past it meanwhile, so not long.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Writes as the leader.
pub(crate) struct LeaderWriter {
    client: Client,
    topic: Text,
    transactional_id: String,
    /// `None` until it is claimed, and after it was lost.
    producer: Mutex<Option<Producer>>,
}

impl std::fmt::Debug for LeaderWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "LeaderWriter({}, {})", self.topic, self.transactional_id)
    }
}

impl LeaderWriter {
    /// Writes to this topic with this id; asks the broker nothing yet.
    pub(crate) fn new(client: &Client, topic: &str, transactional_id: String) -> Self {
        Self {
            client: client.clone(),
            topic: Text::from(topic),
            transactional_id,
            producer: Mutex::new(None),
        }
    }

    /// Shuts earlier leaders out; what they had begun and not committed is gone.
    ///
    /// # Errors
    /// What the broker said.
    pub(crate) async fn claim(&self) -> Result<()> {
        let mut producer = self.producer.lock().await;
        *producer = Some(self.claimed().await?);
        Ok(())
    }

    async fn claimed(&self) -> Result<Producer> {
        let config = ProducerConfig {
            linger: Duration::ZERO,
            transactional_id: Some(self.transactional_id.clone()),
            transaction_timeout: TRANSACTION_TIMEOUT,
            ..ProducerConfig::default()
        };
        let producer = Producer::new(&self.client, config);
        let initialized = async {
            producer.prepare(&self.topic).await?;
            producer.init_transactions().await
        };
        self.in_time("be claimed for this leader", initialized).await?;
        Ok(producer)
    }

    /// Writes changes, in order, in one transaction; returns once it is committed.
    ///
    /// # Errors
    /// One whose cause is [`broker_client::Error::Fenced`] when a newer leader has claimed the topic; `Retriable` when the changes may
    /// not have been written.
    pub(crate) async fn write(&self, changes: &[Change]) -> Result<()> {
        let mut producer = self.producer.lock().await;
        let current = match producer.take() {
            Some(current) => current,
            None => self.claimed().await?,
        };
        // A producer that failed is not used again: the next one's claim ends whatever this one left open.
        self.in_time("take the leader's records", commit(&current, &self.topic, changes)).await?;
        *producer = Some(current);
        Ok(())
    }

    async fn in_time(
        &self,
        what: &str,
        done: impl Future<Output = broker_client::Result<()>> + Send,
    ) -> Result<()> {
        let failed = || format!("topic {} could not {what}", self.topic);
        match tokio::time::timeout(STORE_TIMEOUT, done).await {
            Ok(outcome) => outcome.map_err(|error| broker_error(failed(), error)),
            Err(elapsed) => {
                let text = format!("{} within {} s", failed(), STORE_TIMEOUT.as_secs());
                Err(Error::retriable(text).with_source(elapsed))
            }
        }
    }
}

async fn commit(
    producer: &Producer,
    topic: &str,
    changes: &[(Bytes, Option<Bytes>)],
) -> broker_client::Result<()> {
    producer.begin_transaction()?;
    let delivery = Delivery::new();
    for (key, value) in changes {
        let record =
            ProducerRecord { topic, key: Some(key), value: value.as_deref(), ..ProducerRecord::default() };
        producer.append(record, &delivery)?;
        producer.ready().await?;
    }
    // What does not decide is asked again, for as long as the caller has patience.
    loop {
        match producer.commit_transaction().await {
            Err(error) if error.is_retriable() => tracing::debug!(%error, "committing again"),
            outcome => return outcome,
        }
    }
}
