//! Who may write in which transaction, and how each ends: the transaction coordinator. This broker coordinates all of them.
//!
//! - [`transaction`], [`decide`]: one transactional id as a pure state machine
//! - [`records`], [`store`]: its state on disk, in `__transaction_state`
//! - [`entry`]: the state in memory, and the permits that keep records from landing behind their transaction's marker
//! - [`coordinator`], [`ending`]: requests in, answers out; how a transaction is ended, also after a crash
//! - [`recovery`]: what a start finds open or not carried out
//! - [`timer`]: timeouts, markers that could not be written, ids that nobody uses
//!
//! Invariants. (1) What is decided is on disk before anyone hears of it, save that partitions join by their records. (2) An outcome that is on disk (PrepareCommit, PrepareAbort) is
//! carried out: its markers are written, again after a crash, and no new transaction of the id begins before. (3) A record of a
//! transaction lies before the transaction's marker in its partition: appends hold a permit, and an end waits for all permits to be given back.

mod coordinator;
mod decide;
mod ending;
mod entry;
mod records;
mod recovery;
mod store;
mod timer;
mod transaction;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    coordinator::{Transactions, WriteClaim},
    decide::{End, Initialize, ProducerIdentity},
    entry::AppendPermit,
    recovery::recover,
    timer::run_timer,
    transaction::{TopicPartition, Transaction, TransactionState, VERSION_EPOCH_BUMP},
};
