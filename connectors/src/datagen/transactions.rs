//! Where the generator ends its transactions, with `transaction.boundary=connector`. Pure.
//!
//! Invariant: the end follows from the number of the record alone, so it is the same however records are polled and after any restart.

use api::TransactionEnd;

/// Ends of transactions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transactions {
    /// Records of a transaction.
    pub(super) records: u64,
    /// Every transaction of this many is aborted; 0 is none.
    pub(super) abort_every: u64,
}

impl Transactions {
    /// What becomes of the transaction behind the record of this turn of a task, if it ends there.
    pub(super) const fn end_after(self, turn: u64) -> Option<TransactionEnd> {
        let given = turn + 1;
        if self.records == 0 || !given.is_multiple_of(self.records) {
            return None;
        }
        let number = given / self.records;
        match self.abort_every > 0 && number.is_multiple_of(self.abort_every) {
            true => Some(TransactionEnd::Abort),
            false => Some(TransactionEnd::Commit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_third_transaction_of_two_records_is_aborted() {
        let transactions = Transactions { records: 2, abort_every: 3 };
        let ends: Vec<_> = (0..8).map(|turn| transactions.end_after(turn)).collect();
        let (commit, abort) = (Some(TransactionEnd::Commit), Some(TransactionEnd::Abort));
        assert_eq!(ends, [None, commit, None, commit, None, abort, None, commit]);
        assert_eq!(Transactions { records: 0, abort_every: 1 }.end_after(5), None);
        assert_eq!(Transactions { records: 1, abort_every: 0 }.end_after(5), commit);
    }
}
