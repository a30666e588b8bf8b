//! One transactional id in memory: its state, and who is appending records of its transaction right now.
//!
//! Two locks. `step` is held by whoever changes the transaction, from the decision until the new state is on disk (for an end: until the
//! markers are), so that decisions follow one another. `shown` is held for moments only; writers look at it and get a permit.
//!
//! Why no record lands behind its marker: a permit is given only while the transaction is ongoing and not `closing`. An end sets `closing` and waits until no
//! permit is out; only then the Prepare record is written, and while `closing` is set nobody gets a permit. Once it is cleared the
//! state is Prepare, which gives none. So every append of the transaction is over before the first marker is appended.

use std::{sync::Arc, time::Duration};

use broker_protocol::ErrorCode;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::time::Instant;

use super::{
    decide::ProducerIdentity,
    transaction::{TopicPartition, Transaction, TransactionState},
};
use crate::log::PartitionLog;

/// How long a request waits for the one before it; the client may then ask again.
const STEP_WAIT_MAX: Duration = Duration::from_secs(10);
/// Markers that could not be written are tried again after this time.
const MARKERS_RETRY: Duration = Duration::from_secs(1);
/// A Complete record that nothing else of its id has made superfluous is written after this time.
const COMPLETE_DELAY: Duration = Duration::from_secs(1);

/// One transactional id.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: Arc<str>,
    step: Mutex<()>,
    shown: Mutex<Shown>,
    /// Permits came back, or an end is over.
    moved: Condvar,
}

/// A marker that readers see and that may not be on disk yet: a power failure could take it, and the outcome in `__transaction_state` would
/// bring it back.
#[derive(Clone, Debug)]
pub(super) struct UnsyncedMarker {
    pub(super) log: Arc<PartitionLog>,
    /// The offset behind it.
    pub(super) end: i64,
}

#[derive(Debug, Default)]
struct Shown {
    /// None until the first producer's record is on disk.
    transaction: Option<Transaction>,
    /// Markers of the last end, whose Complete is not written. The outcome must stay the newest record of the id until they are on disk.
    unsynced: Vec<UnsyncedMarker>,
    /// Appends under way.
    permits: usize,
    /// An end waits for the permits.
    closing: bool,
    /// When the transaction is aborted, or its markers are tried again. By the clock that nobody sets: a jump of the system's time must not
    /// abort what is under way.
    deadline: Option<Instant>,
    /// The id was forgotten; look it up again.
    gone: bool,
}

/// Leave to append records of a transaction; given back when dropped. A thread must not ask for a second one while it holds one of the same
/// id: an end between the two would wait for the first, and the second for the end.
#[derive(Debug)]
pub(crate) struct AppendPermit {
    entry: Arc<Entry>,
}

impl Drop for AppendPermit {
    fn drop(&mut self) {
        let mut shown = self.entry.shown.lock();
        shown.permits -= 1;
        if shown.permits == 0 {
            self.entry.moved.notify_all();
        }
    }
}

/// The right to change an entry.
#[derive(Debug)]
pub(super) struct Step<'a> {
    entry: &'a Entry,
    _turn: MutexGuard<'a, ()>,
}

impl Entry {
    pub(super) fn new(id: &str) -> Self {
        Self { id: id.into(), step: Mutex::new(()), shown: Mutex::default(), moved: Condvar::new() }
    }

    /// An id as a start finds it. The time that is left comes from the system's clock, which is all there is, but is never more than the timeout.
    pub(super) fn loaded(id: &str, transaction: Transaction, now_ms: i64) -> Self {
        let timeout_ms = i64::from(transaction.timeout_ms);
        let left = (transaction.start_ms + timeout_ms).saturating_sub(now_ms).clamp(0, timeout_ms.max(0));
        let wait = match transaction.state {
            TransactionState::Ongoing => Some(Duration::from_millis(left.unsigned_abs())),
            state => state.prepared().map(|_| Duration::ZERO),
        };
        let deadline = wait.map(|wait| Instant::now() + wait);
        let shown = Shown { transaction: Some(transaction), deadline, ..Shown::default() };
        Self { shown: Mutex::new(shown), ..Self::new(id) }
    }

    /// The durable state.
    pub(super) fn transaction(&self) -> Option<Transaction> {
        self.shown.lock().transaction.clone()
    }

    /// When something is to be done without being asked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.shown.lock().deadline
    }

    /// Waits for the turn to change it. `None` after a long wait.
    pub(super) fn step(&self) -> Option<Step<'_>> {
        let turn = self.step.try_lock_for(STEP_WAIT_MAX)?;
        Some(Step { entry: self, _turn: turn })
    }

    /// The turn to change it, if it is free.
    pub(super) fn try_step(&self) -> Option<Step<'_>> {
        Some(Step { entry: self, _turn: self.step.try_lock()? })
    }

    /// Lets a producer write to a partition of its transaction. Blocks while an end is being decided.
    pub(super) fn admit(
        self: &Arc<Self>,
        producer: ProducerIdentity,
        partition: &TopicPartition,
    ) -> Result<AppendPermit, ErrorCode> {
        let mut shown = self.shown.lock();
        while shown.closing {
            self.moved.wait(&mut shown);
        }
        let known = shown.transaction.as_ref().ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        known.check_write(producer, partition)?;
        shown.permits += 1;
        Ok(AppendPermit { entry: Arc::clone(self) })
    }
}

impl Step<'_> {
    /// The durable state.
    pub(super) fn transaction(&self) -> Option<Transaction> {
        self.entry.transaction()
    }

    /// The transactional id.
    pub(super) fn id(&self) -> &str {
        &self.entry.id
    }

    /// Whether the id was forgotten while this step was waited for.
    pub(super) fn is_gone(&self) -> bool {
        self.entry.shown.lock().gone
    }

    /// Gives no more permits and waits until all are back. [`Step::show`] or [`Step::reopen`] ends this.
    pub(super) fn close(&self) {
        let mut shown = self.entry.shown.lock();
        shown.closing = true;
        while shown.permits > 0 {
            self.entry.moved.wait(&mut shown);
        }
    }

    /// The end could not be written: the transaction goes on.
    pub(super) fn reopen(&self) {
        self.entry.shown.lock().closing = false;
        self.entry.moved.notify_all();
    }

    /// Puts a durable state in the place of the old one; says when something is to be done next.
    pub(super) fn show(&self, transaction: Transaction) -> Option<Instant> {
        let mut shown = self.entry.shown.lock();
        let was_ongoing =
            shown.transaction.as_ref().is_some_and(|old| old.state == TransactionState::Ongoing);
        shown.deadline = match transaction.state {
            TransactionState::Ongoing if was_ongoing => shown.deadline,
            TransactionState::Ongoing => {
                let timeout_ms = u64::try_from(transaction.timeout_ms).unwrap_or(0);
                Some(Instant::now() + Duration::from_millis(timeout_ms))
            }
            state => state.prepared().map(|_| Instant::now() + MARKERS_RETRY),
        };
        (shown.transaction, shown.closing) = (Some(transaction), false);
        self.entry.moved.notify_all();
        shown.deadline
    }

    /// Shows a complete transaction whose Complete record is not written yet; says when that is due.
    pub(super) fn show_unwritten(
        &self,
        complete: Transaction,
        unsynced: Vec<UnsyncedMarker>,
    ) -> Option<Instant> {
        self.show(complete);
        let mut shown = self.entry.shown.lock();
        shown.unsynced = unsynced;
        shown.deadline = Some(Instant::now() + COMPLETE_DELAY);
        shown.deadline
    }

    /// Markers that must be on disk before anything is written of the id.
    pub(super) fn unsynced(&self) -> Vec<UnsyncedMarker> {
        self.entry.shown.lock().unsynced.clone()
    }

    /// Nothing is due any more.
    pub(super) fn be_still(&self) {
        self.entry.shown.lock().deadline = None;
    }

    /// They are on disk.
    pub(super) fn forget_unsynced(&self) {
        self.entry.shown.lock().unsynced.clear();
    }

    /// Markers could not be written: they are due again later.
    pub(super) fn retry_later(&self) -> Option<Instant> {
        let mut shown = self.entry.shown.lock();
        shown.deadline = Some(Instant::now() + MARKERS_RETRY);
        shown.deadline
    }

    /// The id is forgotten, durably.
    pub(super) fn forget(&self) {
        let mut shown = self.entry.shown.lock();
        *shown = Shown { gone: true, ..Shown::default() };
    }
}
