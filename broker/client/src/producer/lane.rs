//! One partition's way to its leader: which batches are to be sent, which are under way, under which producer id and number.
//!
//! Pure: no clock, no socket. Why order holds: batches get their sequence numbers in the order in which they were opened. When one
//! fails, nothing new leaves until every batch under way has come back; then the failed ones are put in front, in their
//! order and with their old numbers, so the broker can drop what it has already. Only when the broker says that it
//! does not know the numbering (or a numbered batch was given up, which leaves a gap) the partition starts anew with a new
//! producer id, and only once nothing is under way.

use std::collections::VecDeque;

use broker_protocol::ErrorCode;
use broker_protocol::batch::header::sequence_after;
use broker_protocol::batch::{BatchError, patch};
use bytes::Bytes;
use tokio::time::Instant;

use super::accumulator::Place;
use super::delivery::Deliveries;
use crate::error::Error;

/// A batch as it goes over the wire.
#[derive(Debug)]
pub(crate) struct SealedBatch {
    pub(crate) place: Place,
    pub(crate) bytes: Bytes,
    pub(crate) records: i32,
    pub(crate) ordinal: u64,
    pub(crate) opened_at: Instant,
    pub(crate) deliveries: Deliveries,
    pub(crate) base_sequence: i32,
}

/// Under which id and number batches go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Without: not idempotent.
    Anonymous,
    /// A new one is needed.
    Wanted,
    /// With these.
    Known { id: i64, epoch: i16, next_sequence: i32 },
}

/// What to do with a batch that came back.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It arrived.
    Delivered(SealedBatch),
    /// It is kept and sent again.
    Retried,
    /// It failed for good.
    Failed(SealedBatch, Error),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) identity: Identity,
    queue: VecDeque<SealedBatch>,
    in_flight: usize,
    /// Who has what is under way.
    broker: i32,
    failed: Vec<SealedBatch>,
    renew: bool,
    /// Within transactions a broken numbering is not mended: the transaction is aborted.
    transactional: bool,
    pub(crate) muted_until: Option<Instant>,
}

impl Lane {
    pub(crate) fn new(identity: Identity, transactional: bool) -> Self {
        let (queue, failed) = (VecDeque::new(), Vec::new());
        let (in_flight, broker, renew, muted_until) = (0, -1, false, None);
        Self { identity, queue, in_flight, broker, failed, renew, transactional, muted_until }
    }

    /// Whether a batch may leave now.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.failed.is_empty()
            && !self.renew
            && self.identity != Identity::Wanted
            && self.muted_until.is_none_or(|until| until <= now)
    }

    /// Whether a new producer id is to be asked for.
    pub(crate) fn wants_identity(&self) -> bool {
        self.identity == Identity::Wanted
    }

    /// Whether batches wait to be sent again.
    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next batch to send again.
    pub(crate) fn next_queued(&mut self) -> Option<SealedBatch> {
        self.queue.pop_front()
    }

    /// Gives out the numbers of a new batch: (producer id, epoch, first sequence).
    pub(crate) fn number(&mut self, records: i32) -> (i64, i16, i32) {
        match &mut self.identity {
            Identity::Known { id, epoch, next_sequence } => {
                let base = *next_sequence;
                *next_sequence = sequence_after(base, records);
                (*id, *epoch, base)
            }
            Identity::Anonymous | Identity::Wanted => (-1, -1, -1),
        }
    }

    /// A batch leaves for a broker.
    pub(crate) fn sent(&mut self, broker: i32) {
        self.in_flight += 1;
        self.broker = broker;
    }

    /// Whether a batch may go to this broker: not while another one still has an earlier batch.
    pub(crate) fn may_go_to(&self, broker: i32) -> bool {
        self.in_flight == 0 || self.broker == broker
    }

    /// A numbered batch was given up before it was sent.
    pub(crate) fn abandoned(&mut self) {
        self.renew |= self.identity != Identity::Anonymous;
        self.settle_round();
    }

    /// A batch came back.
    pub(crate) fn returned(&mut self, batch: SealedBatch, outcome: Result<(), Error>) -> Verdict {
        self.in_flight = self.in_flight.saturating_sub(1);
        let verdict = self.judge(batch, outcome);
        self.settle_round();
        verdict
    }

    fn judge(&mut self, batch: SealedBatch, outcome: Result<(), Error>) -> Verdict {
        let Err(error) = outcome else { return Verdict::Delivered(batch) };
        let numbered = self.identity != Identity::Anonymous;
        match error.code() {
            // It is in the log already, from a try whose answer was lost.
            Some(ErrorCode::DUPLICATE_SEQUENCE_NUMBER) => return Verdict::Delivered(batch),
            // It came right behind one that failed: that one goes again first.
            Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER) if numbered && !self.failed.is_empty() => {}
            Some(
                ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                | ErrorCode::UNKNOWN_PRODUCER_ID
                | ErrorCode::INVALID_PRODUCER_ID_MAPPING
                | ErrorCode::INVALID_PRODUCER_EPOCH,
            ) if numbered => {
                self.renew = true;
                if self.transactional {
                    return Verdict::Failed(batch, error);
                }
            }
            _ if error.is_retriable() => {}
            _ => {
                self.renew |= numbered;
                return Verdict::Failed(batch, error);
            }
        }
        self.failed.push(batch);
        Verdict::Retried
    }

    /// Once nothing is under way: failed batches go in front of the queue, and a broken numbering ends.
    fn settle_round(&mut self) {
        if self.in_flight > 0 {
            return;
        }
        self.failed.sort_by_key(|batch| batch.ordinal);
        while let Some(batch) = self.failed.pop() {
            self.queue.push_front(batch);
        }
        if std::mem::take(&mut self.renew) {
            self.identity = Identity::Wanted;
        }
    }

    /// Starts a new numbering; what waits is renumbered.
    pub(crate) fn renew(&mut self, id: i64, epoch: i16) -> Result<(), BatchError> {
        let mut next_sequence = 0;
        for batch in &mut self.queue {
            let mut bytes = batch.bytes.to_vec();
            patch::producer(&mut bytes, id, epoch, next_sequence)?;
            batch.bytes = bytes.into();
            batch.base_sequence = next_sequence;
            next_sequence = sequence_after(next_sequence, batch.records);
        }
        self.identity = Identity::Known { id, epoch, next_sequence };
        Ok(())
    }

    /// Takes out the waiting batches that were opened before `before`, or all of them.
    pub(crate) fn take_expired(&mut self, before: Option<Instant>) -> Vec<SealedBatch> {
        let is_old = |batch: &SealedBatch| before.is_none_or(|before| batch.opened_at < before);
        if !self.queue.front().is_some_and(is_old) {
            return Vec::new();
        }
        let (expired, kept) = std::mem::take(&mut self.queue).into_iter().partition(is_old);
        self.queue = kept;
        self.abandoned();
        Vec::from_iter::<VecDeque<_>>(expired)
    }
}
