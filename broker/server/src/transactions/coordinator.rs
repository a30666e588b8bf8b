//! The shell around the transactional ids: looks up, lets [`decide`](super::decide) decide, writes, shows.
//!
//! Everything here may block on the disk and runs on threads that may; handlers hand their requests over. Steps of one id follow one
//! another, steps of different ids share their fsyncs.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use broker_protocol::ErrorCode;
use parking_lot::RwLock;

use super::{
    decide::{End, Ended, Initialize, Initialized, ProducerIdentity},
    ending,
    entry::{AppendPermit, Entry, Step},
    recovery::Found,
    store,
    timer::Alarm,
    transaction::{TopicPartition, Transaction, TransactionState, VERSION_EPOCH_BUMP},
};
use crate::{
    broker::{State, now_ms},
    topics::Topics,
};

/// What is due while another request is at work on the same id is looked at again after this time.
const BUSY_WAIT: Duration = Duration::from_millis(100);

/// All transactional ids.
#[derive(Debug)]
pub(crate) struct Transactions {
    entries: RwLock<HashMap<Arc<str>, Arc<Entry>>>,
    pub(super) alarm: Alarm,
    pub(super) found: Found,
    failure: Option<String>,
}

/// Who wants to append records, and under which rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteClaim<'a> {
    pub(crate) transactional_id: &'a str,
    pub(crate) producer: ProducerIdentity,
    /// Partitions that join the transaction by being written to (Produce from version 12, TxnOffsetCommit from version 5 on); older
    /// clients have asked before.
    pub(crate) joining: Option<&'a BTreeSet<TopicPartition>>,
}

impl Transactions {
    /// Loads the transactional ids. If they cannot be read, there is no coordinator, and the rest of the broker serves: to guess would tear transactions apart.
    /// Blocks on the disk.
    pub(crate) fn open(topics: &Topics) -> Self {
        let (loaded, failure) = match store::load(topics) {
            Ok(loaded) => (loaded, None),
            Err(error) => {
                tracing::error!("transactional ids cannot be read, transactions are not served: {error}");
                (HashMap::new(), Some(format!("transactional ids cannot be read: {error}")))
            }
        };
        let entry = |(id, transaction): (String, Transaction)| {
            let entry = Arc::new(Entry::loaded(&id, transaction, now_ms()));
            (Arc::clone(&entry.id), entry)
        };
        let entries = RwLock::new(loaded.into_iter().map(entry).collect());
        Self { entries, alarm: Alarm::default(), found: Found::scan(topics), failure }
    }

    /// Why transactions are not served, if they are not.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// One transactional id.
    pub(crate) fn describe(&self, id: &str) -> Option<Transaction> {
        self.find(id)?.transaction()
    }

    /// All transactional ids, by name.
    pub(crate) fn list(&self) -> Vec<(Arc<str>, Transaction)> {
        let entries = self.all();
        let described =
            entries.iter().filter_map(|entry| Some((Arc::clone(&entry.id), entry.transaction()?)));
        let mut described: Vec<(Arc<str>, Transaction)> = described.collect();
        described.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        described
    }

    /// Transactions that have begun and are not complete.
    pub(crate) fn open_count(&self) -> usize {
        let is_open = |transaction: Transaction| !transaction.state.is_idle();
        self.all().iter().filter(|entry| entry.transaction().is_some_and(is_open)).count()
    }

    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        self.entries.read().values().map(Arc::clone).collect()
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Entry>> {
        self.entries.read().get(id).map(Arc::clone)
    }

    fn find_or_insert(&self, id: &str) -> Arc<Entry> {
        if let Some(entry) = self.find(id) {
            return entry;
        }
        let mut entries = self.entries.write();
        if let Some(entry) = entries.get(id) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(Entry::new(id));
        entries.insert(Arc::clone(&entry.id), Arc::clone(&entry));
        entry
    }

    /// Takes an id out of memory, inside of a step.
    pub(super) fn remove(&self, step: &Step<'_>) {
        step.forget();
        self.entries.write().remove(step.id());
    }

    /// Writes a state and shows it once it is on disk.
    pub(super) fn put(state: &State, step: &Step<'_>, transaction: Transaction) -> Result<(), ErrorCode> {
        Self::write(state, step, Some(&transaction)).map_err(|error| {
            tracing::warn!(transactional_id = step.id(), "cannot store the transaction's state: {error}");
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        })?;
        state.transactions.alarm.set(step.show(transaction));
        Ok(())
    }

    /// Writes a state, or that the id is forgotten, in the place of the one before: not before what that one stands for is on disk.
    fn write(
        state: &State,
        step: &Step<'_>,
        transaction: Option<&Transaction>,
    ) -> Result<(), store::StoreError> {
        ending::sync_markers(step)?;
        store::write(&state.topics, step.id(), transaction)
    }

    fn check_served(&self, id: &str) -> Result<(), ErrorCode> {
        match &self.failure {
            Some(_) => Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            None if id.is_empty() => Err(ErrorCode::INVALID_REQUEST),
            None => Ok(()),
        }
    }

    /// A producer comes: it gets its id and an epoch that fences whoever had the transactional id before; their transaction is aborted first.
    pub(crate) fn initialize(
        state: &State,
        id: &str,
        request: Initialize,
    ) -> Result<ProducerIdentity, ErrorCode> {
        state.transactions.check_served(id)?;
        let max = state.config.transaction_timeout_max.as_millis();
        if !u128::try_from(request.timeout_ms).is_ok_and(|timeout_ms| (1..=max).contains(&timeout_ms)) {
            return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
        }
        loop {
            let entry = state.transactions.find_or_insert(id);
            let step = entry.step().ok_or(ErrorCode::CONCURRENT_TRANSACTIONS)?;
            if step.is_gone() {
                continue;
            }
            let result = Self::initialize_in(state, &step, request);
            if step.transaction().is_none() {
                // Nothing was written: nobody has this id.
                state.transactions.remove(&step);
            }
            return result;
        }
    }

    fn initialize_in(
        state: &State,
        step: &Step<'_>,
        request: Initialize,
    ) -> Result<ProducerIdentity, ErrorCode> {
        let old = step.transaction();
        let mut fresh_id = || fresh_id(state);
        let begin = match Transaction::initialize(old.as_ref(), request, &mut fresh_id, now_ms())? {
            Initialized::Begin(transaction) => transaction,
            Initialized::Fence(aborted) => {
                tracing::info!(
                    transactional_id = step.id(),
                    "a new producer aborts the transaction of the one before"
                );
                ending::end(state, step, aborted)?;
                ending::finish(state, step)?;
                match Transaction::initialize(step.transaction().as_ref(), request, &mut fresh_id, now_ms())?
                {
                    Initialized::Begin(transaction) => transaction,
                    Initialized::Fence(_) => return Err(ErrorCode::CONCURRENT_TRANSACTIONS),
                }
            }
        };
        let producer = begin.next_producer();
        Self::put(state, step, begin)?;
        Ok(producer)
    }

    /// Partitions join a transaction before they are written to: on disk when this returns.
    pub(crate) fn add_partitions(
        state: &State,
        id: &str,
        producer: ProducerIdentity,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<(), ErrorCode> {
        state.transactions.check_served(id)?;
        let entry = state.transactions.find(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        let step = entry.step().ok_or(ErrorCode::CONCURRENT_TRANSACTIONS)?;
        let old = step.transaction().ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        match old.add_partitions(producer, partitions, 0, now_ms())? {
            Some(transaction) => Self::put(state, &step, transaction),
            None => Ok(()),
        }
    }

    /// Partitions join a transaction by being written to. If a start can tell that from their records, nothing else is written.
    fn join(
        state: &State,
        entry: &Entry,
        producer: ProducerIdentity,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<(), ErrorCode> {
        let step = entry.step().ok_or(ErrorCode::CONCURRENT_TRANSACTIONS)?;
        let old = step.transaction().ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        match old.add_partitions(producer, partitions, VERSION_EPOCH_BUMP, now_ms())? {
            Some(transaction) if old.joins_by_records() => {
                state.transactions.alarm.set(step.show(transaction));
                Ok(())
            }
            Some(transaction) => Self::put(state, &step, transaction),
            None => Ok(()),
        }
    }

    /// Says for each partition whether it is part of the producer's transaction (AddPartitionsToTxn with `verify_only`).
    pub(crate) fn verify(
        &self,
        id: &str,
        producer: ProducerIdentity,
        partition: &TopicPartition,
    ) -> Result<(), ErrorCode> {
        self.check_served(id)?;
        let known = self.describe(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        known.check_write(producer, partition)
    }

    /// Lets a producer append records to a partition of its transaction, as long as it holds the permit.
    pub(crate) fn admit(
        state: &State,
        claim: WriteClaim<'_>,
        partition: &TopicPartition,
    ) -> Result<AppendPermit, ErrorCode> {
        let id = claim.transactional_id;
        state.transactions.check_served(id)?;
        let entry = state.transactions.find(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        let admitted = match (entry.admit(claim.producer, partition), claim.joining) {
            // An end is answered before its markers are written, so the next transaction's first records may come while they are
            // being written. Joining waits for its turn, which comes after them; to send the producer away instead costs it
            // seconds: franz-go asks for metadata first, at most once in 5 s.
            (Err(ErrorCode::INVALID_TXN_STATE | ErrorCode::CONCURRENT_TRANSACTIONS), Some(joining)) => {
                let mut joining = joining.clone();
                joining.insert(partition.clone());
                Self::join(state, &entry, claim.producer, &joining)
                    .and_then(|()| entry.admit(claim.producer, partition))
            }
            (admitted, _) => admitted,
        };
        admitted.map_err(|error| match error {
            // The word for producers who write; the coordinator's own requests know the other one.
            ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
            // An old client takes nothing else for a reason to try again.
            ErrorCode::CONCURRENT_TRANSACTIONS if claim.joining.is_none() => ErrorCode::NOT_ENOUGH_REPLICAS,
            other => other,
        })
    }

    /// Ends a transaction. `answer` is called once the outcome is on disk and cannot change any more; the markers follow, and this returns after them.
    pub(crate) fn end(
        state: &State,
        id: &str,
        request: End,
        answer: impl FnOnce(Result<ProducerIdentity, ErrorCode>),
    ) {
        let checked = state.transactions.check_served(id);
        let found =
            checked.and_then(|()| state.transactions.find(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
        let entry = match found {
            Ok(entry) => entry,
            Err(error) => return answer(Err(error)),
        };
        let Some(step) = entry.step() else { return answer(Err(ErrorCode::CONCURRENT_TRANSACTIONS)) };
        match Self::end_in(state, &step, request) {
            Ok((producer, true)) => {
                answer(Ok(producer));
                if let Err(error) = ending::finish(state, &step) {
                    tracing::debug!(transactional_id = id, %error, "the markers are tried again");
                }
            }
            Ok((producer, false)) => answer(Ok(producer)),
            Err(error) => answer(Err(error)),
        }
    }

    /// Who goes on, and whether markers are to be written.
    fn end_in(state: &State, step: &Step<'_>, request: End) -> Result<(ProducerIdentity, bool), ErrorCode> {
        let old = step.transaction().ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        match old.end(request, &mut || fresh_id(state), now_ms())? {
            Ended::Already(producer) => Ok((producer, false)),
            Ended::Prepare(prepared) => {
                let producer = prepared.next_producer();
                ending::end(state, step, prepared)?;
                Ok((producer, true))
            }
        }
    }

    /// Forgets ids that nobody has used for long. Blocks on the disk.
    pub(crate) fn expire_ids(state: &State) {
        let expiration =
            i64::try_from(state.config.transactional_id_expiration.as_millis()).unwrap_or(i64::MAX);
        let oldest = now_ms().saturating_sub(expiration);
        let unused =
            |transaction: &Transaction| transaction.state.is_idle() && transaction.update_ms < oldest;
        for entry in state.transactions.all() {
            let Some(step) = entry.try_step() else { continue };
            if !step.transaction().as_ref().is_some_and(unused) {
                continue;
            }
            match Self::write(state, &step, None) {
                Ok(()) => {
                    tracing::info!(transactional_id = step.id(), "transactional id expired");
                    state.transactions.remove(&step);
                }
                Err(error) => {
                    tracing::warn!(
                        transactional_id = step.id(),
                        "cannot forget the transactional id: {error}"
                    );
                }
            }
        }
    }

    /// Does what is due for one id: aborts a transaction that took too long, writes markers that are missing, or a Complete record that was put
    /// off. Blocks on the disk.
    pub(super) fn act(state: &State, entry: &Entry, now: tokio::time::Instant) {
        // Whoever holds the step may do what is due, or may fail to.
        let Some(step) = entry.try_step() else { return state.transactions.alarm.set(Some(now + BUSY_WAIT)) };
        let Some(old) = step.transaction().filter(|_| entry.deadline().is_some_and(|due| due <= now)) else {
            return;
        };
        if old.state == TransactionState::Ongoing {
            tracing::info!(
                transactional_id = step.id(),
                timeout_ms = old.timeout_ms,
                "transaction timed out, it is aborted"
            );
            if ending::end(state, &step, old.fence(now_ms())).is_err() {
                state.transactions.alarm.set(step.retry_later());
                return;
            }
        }
        let done = match old.state.is_idle() {
            true => ending::complete(state, &step),
            false => ending::finish(state, &step),
        };
        if let Err(error) = done {
            tracing::debug!(transactional_id = step.id(), %error, "a transaction's end is tried again");
        }
    }
}

fn fresh_id(state: &State) -> Result<i64, ErrorCode> {
    state.producer_ids.next().map_err(|error| {
        tracing::error!("cannot give out a producer id: {error}");
        ErrorCode::COORDINATOR_NOT_AVAILABLE
    })
}
