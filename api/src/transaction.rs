//! Where transactions end, when the connector decides (`transaction.boundary=connector`, KIP-618).
//!
//! A source task asks during `poll`; the runtime takes what was asked when `poll` has returned. Records are named by their place
//! in the batch that this `poll` returns. Invariant: what was asked for a batch counts for that batch only; a `poll` that was
//! dropped asked for nothing that stays.

use std::sync::{Arc, Mutex, PoisonError};

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionEnd {
    /// Its records are there for those who read what is committed.
    Commit,
    /// Its records are never seen by those who read what is committed. The source goes on behind them all the same: their offsets
    /// are committed.
    Abort,
}

/// The ends of transactions in one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionEnds {
    /// After the record at this place of the batch (from 0).
    pub after_records: Vec<(usize, TransactionEnd)>,
    /// After the whole batch.
    pub after_batch: Option<TransactionEnd>,
}

/// Where a source task says that its transaction ends. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct TransactionContext(Arc<Mutex<TransactionEnds>>);

impl TransactionContext {
    /// Commits after the batch that is being polled; if that is empty, the transaction that is open.
    pub fn commit(&self) {
        self.change(|ends| ends.after_batch = Some(TransactionEnd::Commit));
    }

    /// Commits after the record at this place of the batch that is being polled.
    pub fn commit_after(&self, record: usize) {
        self.change(|ends| ends.after_records.push((record, TransactionEnd::Commit)));
    }

    /// Aborts after the batch that is being polled; if that is empty, the transaction that is open.
    pub fn abort(&self) {
        self.change(|ends| ends.after_batch = Some(TransactionEnd::Abort));
    }

    /// Aborts after the record at this place of the batch that is being polled.
    pub fn abort_after(&self, record: usize) {
        self.change(|ends| ends.after_records.push((record, TransactionEnd::Abort)));
    }

    /// Takes what was asked since the last call, in the order of the records; of two ends after one record the last counts. For
    /// the runtime.
    #[must_use]
    pub fn take(&self) -> TransactionEnds {
        let mut ends = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        ends.after_records.sort_by_key(|(record, _)| *record);
        ends.after_records.reverse();
        ends.after_records.dedup_by_key(|(record, _)| *record);
        ends.after_records.reverse();
        ends
    }

    fn change(&self, change: impl FnOnce(&mut TransactionEnds)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_taken_once_in_order_and_the_last_word_counts() {
        let context = TransactionContext::default();
        let task = context.clone();
        task.abort_after(7);
        task.commit_after(2);
        task.commit_after(7);
        task.abort();
        let ends = context.take();
        assert_eq!(ends.after_records, [(2, TransactionEnd::Commit), (7, TransactionEnd::Commit)]);
        assert_eq!(ends.after_batch, Some(TransactionEnd::Abort));
        assert_eq!(context.take(), TransactionEnds::default());
    }
}
