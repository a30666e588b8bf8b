//! The producer: records go into batches on the caller's thread; compressing, numbering, sending and retrying is the sender task's.
//!
//! ```text
//! append -> accumulator (one growing batch per partition) -> sender: seal, number -> Produce, up to 5 under way per broker
//!                                                                      ^ retries (lane)      -> Delivery settled
//! ```
//! Invariant: every record that `append` took is settled exactly once in its [`Delivery`], acknowledged or with an error; with
//! idempotence it is in the log at most once per try of `append`, and in order.

mod accumulator;
mod coordinator;
mod delivery;
mod lane;
mod partitioner;
mod produce;
mod sender;
#[cfg(test)]
mod tests;
mod transaction;
mod transactional;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use delivery::Delivery;

use crate::client::Client;
use crate::config::{Acks, ProducerConfig};
use crate::error::{Error, Result};
use crate::types::ProducerRecord;
use accumulator::Accumulator;
use transactional::Transactional;

/// What the producer and its sender share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    accumulator: Mutex<Accumulator>,
    /// Something to send.
    wake: Notify,
    /// Something was settled.
    progress: Notify,
    /// What a producer with a transactional id has beside.
    transactional: Option<Arc<Transactional>>,
}

/// Sends records. Belongs to one task; its sender runs in the background and ends with it.
#[derive(Debug)]
pub struct Producer {
    client: Client,
    config: Arc<ProducerConfig>,
    shared: Arc<Shared>,
    _stop_on_drop: DropGuard,
}

impl Producer {
    /// Starts the sender task, so it must be called within a Tokio runtime. Nothing is sent yet. With a transactional id,
    /// [`Self::init_transactions`] comes first.
    pub fn new(client: &Client, mut config: ProducerConfig) -> Self {
        // A batch of many records must fit a request even if it does not shrink.
        config.batch_bytes_max = config.batch_bytes_max.min(config.request_bytes_max);
        let mut shared = Shared::default();
        if let Some(id) = &config.transactional_id {
            (config.acks, config.idempotence) = (Acks::All, true);
            let transactional = Transactional::new(client, id);
            shared.update(&transactional, |_state| ());
            shared.transactional = Some(transactional);
        }
        let (config, shared) = (Arc::new(config), Arc::new(shared));
        let stop = CancellationToken::new();
        let sender = sender::Sender::new(client.clone(), Arc::clone(&config), Arc::clone(&shared));
        tokio::spawn(sender.run(stop.clone()));
        Self { client: client.clone(), config, shared, _stop_on_drop: stop.drop_guard() }
    }

    /// Learns a topic's partitions; the broker creates the topic if it does such things. Cancel-safe.
    pub async fn prepare(&self, topic: &str) -> Result<()> {
        self.prepare_all(&[topic]).await
    }

    /// Learns the partitions of topics, all at once, as [`Self::prepare`]. Cancel-safe.
    pub async fn prepare_all(&self, topics: &[&str]) -> Result<()> {
        let counts = self.client.partition_counts(topics, true).await?;
        let mut accumulator = self.shared.accumulator.lock();
        for (topic, count) in topics.iter().zip(counts) {
            let partitions = count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
            accumulator.prepare(&(*topic).into(), partitions);
        }
        Ok(())
    }

    /// Takes a record into its partition's batch and says which partition that is. [`Error::TopicNotPrepared`] asks
    /// for [`Self::prepare`]. The delivery is settled later, in [`Delivery::wait`].
    pub fn append(&self, record: ProducerRecord<'_>, delivery: &Arc<Delivery>) -> Result<i32> {
        let appended = self.shared.accumulator.lock().append(&record, delivery, &self.config)?;
        if appended.wake {
            self.shared.wake.notify_one();
        }
        Ok(appended.partition)
    }

    /// Waits until there is room again; to be called once per batch of records. Cancel-safe.
    pub async fn ready(&self) -> Result<()> {
        let limit = self.config.buffer_bytes_max;
        self.wait_until(|accumulator| {
            let has_room = accumulator.buffered() <= limit;
            if !has_room {
                accumulator.flush();
            }
            has_room
        })
        .await
    }

    /// Sends everything appended so far and waits until all of it is settled. Fails with the first delivery error since the last
    /// flush. Cancel-safe.
    pub async fn flush(&self) -> Result<()> {
        let before = self.shared.accumulator.lock().flush();
        self.shared.wake.notify_one();
        self.wait_until(|accumulator| accumulator.is_settled_before(before)).await?;
        self.shared.accumulator.lock().take_first_error().map_or(Ok(()), Err)
    }

    /// Flushes (or, within a transaction, aborts it), for at most `deadline`, and ends. What is not acknowledged by then
    /// fails with [`Error::Closed`]; whether it arrives is unknown.
    pub async fn close(self, deadline: Duration) -> Result<()> {
        let end = async {
            if self.has_open_transaction() { self.abort_transaction().await } else { self.flush().await }
        };
        match tokio::time::timeout(deadline, end).await {
            Ok(ended) => ended,
            Err(_elapsed) => {
                Err(Error::Closed { what: "producer (its deadline passed with records unacknowledged)" })
            }
        }
    }

    async fn wait_until(&self, mut holds: impl FnMut(&mut Accumulator) -> bool) -> Result<()> {
        loop {
            let progress = self.shared.progress.notified();
            tokio::pin!(progress);
            // Registered before the look, so that no change is missed.
            progress.as_mut().enable();
            {
                let mut accumulator = self.shared.accumulator.lock();
                if holds(&mut accumulator) {
                    return Ok(());
                }
                if let Some(error) = accumulator.fatal() {
                    return Err(error.clone());
                }
            }
            self.shared.wake.notify_one();
            progress.await;
        }
    }
}
