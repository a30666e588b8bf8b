//! What a request does to a transactional id: the rules of KIP-98, KIP-360 and KIP-890, without I/O.
//!
//! Every function looks at the present state and answers with an error code, with "nothing to do", or with the state to write. The caller writes that
//! one, and only once it is on disk does it take the place of the old (unless a start can tell it without, see `joins_by_records`). Fencing (Kafka's PrepareEpochFence) is one step: the aborted
//! transaction's record already bears the raised epoch, so there is no moment between the two.

use std::collections::BTreeSet;

use broker_protocol::ErrorCode;

use super::transaction::{
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, TopicPartition, Transaction, TransactionState, VERSION_EPOCH_BUMP,
};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProducerIdentity {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// InitProducerId for a transactional id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Initialize {
    pub(crate) timeout_ms: i32,
    /// Who the producer was so far, if it wants to go on after an error (KIP-360).
    pub(crate) expected: Option<ProducerIdentity>,
}

/// What InitProducerId leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Initialized {
    /// Write this, and the producer may begin.
    Begin(Transaction),
    /// Write this and end the old transaction; then ask again.
    Fence(Transaction),
}

/// EndTxn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) producer: ProducerIdentity,
    pub(crate) commit: bool,
    /// 2 from EndTxn version 5 on, else 0.
    pub(crate) client_version: i16,
}

/// What EndTxn leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was ended before; this is who goes on.
    Already(ProducerIdentity),
    /// Write this, then the markers, then [`Transaction::complete`].
    Prepare(Transaction),
}

/// Gives out a producer id that nobody has had.
pub(crate) type FreshId<'a> = &'a mut dyn FnMut() -> Result<i64, ErrorCode>;

impl Transaction {
    /// Who may write, once what is under way is complete.
    pub(crate) fn next_producer(&self) -> ProducerIdentity {
        if self.next_producer_id == NO_PRODUCER_ID {
            ProducerIdentity { id: self.producer_id, epoch: self.producer_epoch }
        } else {
            ProducerIdentity { id: self.next_producer_id, epoch: 0 }
        }
    }

    /// A producer comes, or comes back. `old` is none for an id that is new.
    pub(crate) fn initialize(
        old: Option<&Self>,
        request: Initialize,
        fresh_id: FreshId<'_>,
        now_ms: i64,
    ) -> Result<Initialized, ErrorCode> {
        let unused;
        let old = match old {
            Some(old) => old,
            None => {
                unused = Self::unused(fresh_id()?, now_ms);
                &unused
            }
        };
        if !request.expected.is_none_or(|expected| old.knows(expected)) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        match old.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            // Kafka lets a producer of an older epoch abort the transaction of the newer one here; nothing is lost by refusing it at once.
            TransactionState::Ongoing
                if request.expected.is_some_and(|expected| expected.epoch != old.producer_epoch) =>
            {
                Err(ErrorCode::PRODUCER_FENCED)
            }
            TransactionState::Ongoing => Ok(Initialized::Fence(old.fence(now_ms))),
            _ => old.begin(request, fresh_id, now_ms).map(Initialized::Begin),
        }
    }

    /// Whether the producer that wants to go on is the one that is known, or has missed that its epochs were used up.
    fn knows(&self, expected: ProducerIdentity) -> bool {
        self.producer_epoch == NO_PRODUCER_EPOCH
            || expected.id == self.producer_id
            || (expected.id == self.previous_producer_id && expected.epoch >= i16::MAX - 1)
    }

    fn begin(&self, request: Initialize, fresh_id: FreshId<'_>, now_ms: i64) -> Result<Self, ErrorCode> {
        let expected = request.expected.map(|expected| expected.epoch);
        let (mut id, mut epoch, mut last) = (self.producer_id, self.producer_epoch, NO_PRODUCER_EPOCH);
        if self.epochs_are_used_up() && expected.is_none_or(|expected| expected == epoch) {
            last = if expected.is_some() { epoch } else { NO_PRODUCER_EPOCH };
            (id, epoch) = (fresh_id()?, 0);
        } else if epoch == NO_PRODUCER_EPOCH {
            epoch = 0;
        } else if expected.is_none_or(|expected| expected == epoch) {
            last = if expected.is_some() { epoch } else { NO_PRODUCER_EPOCH };
            epoch += 1;
        } else if expected == Some(self.last_producer_epoch) && epoch < i16::MAX {
            // The answer to the same request was lost; nobody else came since, or there would be no last epoch.
            last = self.last_producer_epoch;
        } else {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        Ok(Self {
            producer_id: id,
            previous_producer_id: self.producer_id,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch: epoch,
            last_producer_epoch: last,
            timeout_ms: request.timeout_ms,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            start_ms: -1,
            update_ms: now_ms,
            client_version: self.client_version,
        })
    }

    /// Ends the transaction of a producer that is gone or taken over: aborted, under an epoch that nobody has. It is not marked as an end with a raised epoch,
    /// so that the producer cannot take the abort for the end that it may be asking for.
    pub(crate) fn fence(&self, now_ms: i64) -> Self {
        Self {
            producer_epoch: self.producer_epoch.saturating_add(1),
            last_producer_epoch: NO_PRODUCER_EPOCH,
            previous_producer_id: self.producer_id,
            next_producer_id: NO_PRODUCER_ID,
            state: TransactionState::PrepareAbort,
            update_ms: now_ms,
            client_version: 0,
            ..self.clone()
        }
    }

    /// Partitions join the transaction, which begins with the first of them. `None`: they all have joined before.
    pub(crate) fn add_partitions(
        &self,
        producer: ProducerIdentity,
        partitions: &BTreeSet<TopicPartition>,
        client_version: i16,
        now_ms: i64,
    ) -> Result<Option<Self>, ErrorCode> {
        self.check_current(producer)?;
        match self.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
                return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
            }
            TransactionState::Ongoing if partitions.is_subset(&self.partitions) => return Ok(None),
            _ => {}
        }
        let begins = self.state.is_idle();
        Ok(Some(Self {
            previous_producer_id: self.producer_id,
            state: TransactionState::Ongoing,
            partitions: self.partitions.union(partitions).cloned().collect(),
            start_ms: if begins { now_ms } else { self.start_ms },
            update_ms: now_ms,
            client_version,
            ..self.clone()
        }))
    }

    /// Whether this producer may write to this partition now.
    pub(crate) fn check_write(
        &self,
        producer: ProducerIdentity,
        partition: &TopicPartition,
    ) -> Result<(), ErrorCode> {
        self.check_current(producer)?;
        match self.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            TransactionState::Ongoing if self.partitions.contains(partition) => Ok(()),
            _ => Err(ErrorCode::INVALID_TXN_STATE),
        }
    }

    fn check_current(&self, producer: ProducerIdentity) -> Result<(), ErrorCode> {
        if producer.id != self.producer_id {
            Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
        } else if producer.epoch != self.producer_epoch {
            Err(ErrorCode::PRODUCER_FENCED)
        } else {
            Ok(())
        }
    }

    /// The producer ends its transaction.
    pub(crate) fn end(&self, request: End, fresh_id: FreshId<'_>, now_ms: i64) -> Result<Ended, ErrorCode> {
        if request.client_version >= VERSION_EPOCH_BUMP {
            self.end_with_bump(request, fresh_id, now_ms)
        } else {
            self.end_without_bump(request, now_ms)
        }
    }

    /// EndTxn up to version 4: the epoch stays, so a second request looks like the first.
    fn end_without_bump(&self, request: End, now_ms: i64) -> Result<Ended, ErrorCode> {
        self.check_current(request.producer)?;
        match (self.state, request.commit) {
            (TransactionState::Ongoing, commit) => Ok(Ended::Prepare(Self {
                previous_producer_id: self.producer_id,
                next_producer_id: NO_PRODUCER_ID,
                update_ms: now_ms,
                client_version: 0,
                state: prepare(commit),
                ..self.clone()
            })),
            (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) => {
                Ok(Ended::Already(self.next_producer()))
            }
            (TransactionState::PrepareCommit, true) | (TransactionState::PrepareAbort, false) => {
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            _ => Err(ErrorCode::INVALID_TXN_STATE),
        }
    }

    /// EndTxn from version 5 on: the epoch goes up with each end, so the epoch before the current one marks a request that was sent again.
    fn end_with_bump(&self, request: End, fresh_id: FreshId<'_>, now_ms: i64) -> Result<Ended, ErrorCode> {
        let producer = request.producer;
        // Only an end of this kind can have been missed; one without a raised epoch was another producer's.
        let bumped = self.client_version >= VERSION_EPOCH_BUMP;
        let again_after_overflow = bumped
            && self.previous_producer_id == producer.id
            && producer.epoch == i16::MAX - 1
            && self.producer_epoch == 0
            && self.producer_id != producer.id;
        if producer.id != self.producer_id && !again_after_overflow {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        let again = again_after_overflow
            || (bumped
                && producer.id == self.producer_id
                && producer.epoch.checked_add(1) == Some(self.producer_epoch));
        let current = producer.epoch == self.producer_epoch && !again_after_overflow;
        let valid = match self.state {
            TransactionState::Ongoing | TransactionState::Empty => current,
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => again,
            TransactionState::CompleteCommit | TransactionState::CompleteAbort => again || current,
        };
        if !valid {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        match (self.state, request.commit) {
            (TransactionState::Ongoing, _) | (TransactionState::Empty, false) => {
                self.prepare_with_bump(request, fresh_id, now_ms)
            }
            (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) if again => {
                Ok(Ended::Already(self.next_producer()))
            }
            (TransactionState::CompleteCommit | TransactionState::CompleteAbort, false) if !again => {
                self.prepare_with_bump(request, fresh_id, now_ms)
            }
            (TransactionState::PrepareCommit, true) | (TransactionState::PrepareAbort, false) => {
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            _ => Err(ErrorCode::INVALID_TXN_STATE),
        }
    }

    fn prepare_with_bump(
        &self,
        request: End,
        fresh_id: FreshId<'_>,
        now_ms: i64,
    ) -> Result<Ended, ErrorCode> {
        let next_producer_id = if self.epochs_are_used_up() { fresh_id()? } else { NO_PRODUCER_ID };
        // An abort without a partition has not begun before: its start is now.
        let start_ms = if self.state == TransactionState::Ongoing { self.start_ms } else { now_ms };
        Ok(Ended::Prepare(Self {
            previous_producer_id: self.producer_id,
            next_producer_id,
            producer_epoch: self.producer_epoch.saturating_add(1),
            last_producer_epoch: self.producer_epoch,
            state: prepare(request.commit),
            start_ms,
            update_ms: now_ms,
            client_version: VERSION_EPOCH_BUMP,
            ..self.clone()
        }))
    }

    /// Whether a partition has the marker of this end, by the newest epoch that it knows of the producer. Only an end that raised the epoch
    /// shows; the marker of another one has to be written again.
    pub(crate) fn is_marked_by(&self, known_epoch: Option<i16>) -> bool {
        self.client_version >= VERSION_EPOCH_BUMP && known_epoch >= Some(self.producer_epoch)
    }

    /// Whether partitions that join by being written to need not be written down: a start finds their records by the epoch, which this
    /// transaction has to itself.
    pub(crate) fn joins_by_records(&self) -> bool {
        match self.state {
            TransactionState::Empty => true,
            TransactionState::CompleteCommit
            | TransactionState::CompleteAbort
            | TransactionState::Ongoing => self.client_version >= VERSION_EPOCH_BUMP,
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => false,
        }
    }

    /// All markers are on disk.
    pub(crate) fn complete(&self, now_ms: i64) -> Self {
        let commit = self.state == TransactionState::PrepareCommit;
        let next = self.next_producer();
        Self {
            producer_id: next.id,
            previous_producer_id: self.producer_id,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch: next.epoch,
            state: if commit { TransactionState::CompleteCommit } else { TransactionState::CompleteAbort },
            partitions: BTreeSet::new(),
            update_ms: now_ms,
            ..self.clone()
        }
    }
}

fn prepare(commit: bool) -> TransactionState {
    if commit { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort }
}
