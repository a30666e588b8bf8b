//! What a start finds: outcomes that were not carried out, and transactions that are open in partitions although nobody wrote them down.
//!
//! A partition that joins a transaction by being written to (KIP-890) is not written down by the coordinator: that would be an fsync before the
//! first record of each transaction, and another for each partition that joins later. The records themselves tell: they bear the producer's
//! id and epoch, and no other transaction has had that epoch ([`Transaction::joins_by_records`]). So a start looks for what is open
//! in the logs and takes it into the transactional id whose epoch it bears, which is then ongoing again.
//!
//! Why nothing is missed: what was acknowledged is on disk, so its partition is found. What was not acknowledged may be lost, or found; then it is the
//! producer that sends it again, which the partition recognizes. Before the outcome is written down, all records are
//! acknowledged, and the outcome names all partitions. Outcomes come first: records of the transaction *after* one that was not carried
//! out are taken in when that one is complete.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use super::{
    decide::ProducerIdentity,
    ending,
    entry::Step,
    transaction::{TopicPartition, VERSION_EPOCH_BUMP},
};
use crate::{
    broker::{State, now_ms},
    topics::Topics,
};

/// Transactions that are open in partitions and that no id has taken in yet.
#[derive(Debug, Default)]
pub(super) struct Found(Mutex<HashMap<ProducerIdentity, BTreeSet<TopicPartition>>>);

impl Found {
    /// Looks into all logs.
    pub(super) fn scan(topics: &Topics) -> Self {
        let mut found: HashMap<ProducerIdentity, BTreeSet<TopicPartition>> = HashMap::new();
        for topic in topics.all() {
            for (log, partition) in topic.partitions().iter().zip(0..) {
                for (id, epoch) in log.open_transactions() {
                    let place = TopicPartition { topic: topic.name.to_string(), partition };
                    found.entry(ProducerIdentity { id, epoch }).or_default().insert(place);
                }
            }
        }
        Self(Mutex::new(found))
    }

    /// What is open and belongs to no id, since only `kafka-transactions.sh` or retention can end it.
    fn report(&self) {
        for (producer, partitions) in &*self.0.lock() {
            tracing::warn!(
                producer_id = producer.id,
                epoch = producer.epoch,
                ?partitions,
                "an open transaction belongs to no known id"
            );
        }
    }

    fn take(&self, producer: ProducerIdentity) -> Option<BTreeSet<TopicPartition>> {
        self.0.lock().remove(&producer)
    }
}

/// Carries out what was decided, then takes in what is open. To be called before anyone is served. Blocks on the disk.
pub(crate) fn recover(state: &State) {
    for entry in state.transactions.all() {
        let Some(step) = entry.try_step() else { continue };
        // What fails here is tried again by the timer, and what is open is taken in then.
        if ending::finish(state, &step).is_ok() {
            take_in(state, &step);
        }
    }
    state.transactions.found.report();
}

/// Gives an id the partitions where a transaction of its present epoch is open.
pub(super) fn take_in(state: &State, step: &Step<'_>) {
    let Some(known) = step.transaction().filter(|known| known.state.prepared().is_none()) else { return };
    let producer = known.next_producer();
    let Some(partitions) = state.transactions.found.take(producer) else { return };
    match known.add_partitions(producer, &partitions, VERSION_EPOCH_BUMP, now_ms()) {
        Ok(Some(ongoing)) => {
            tracing::info!(transactional_id = step.id(), ?partitions, "an open transaction goes on");
            state.transactions.alarm.set(step.show(ongoing));
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(transactional_id = step.id(), %error, "an open transaction hangs"),
    }
}
