//! One transactional id: who may write under it, and how far its transaction is. Pure; what may follow upon what is in `decide`.
//!
//! ```text
//! Empty -> Ongoing -> PrepareCommit -> CompleteCommit -> Ongoing ...
//!             +-----> PrepareAbort  -> CompleteAbort  -> Ongoing ...
//! ```
//! A value of [`Transaction`] is what a record of `__transaction_state` says. From the moment a Prepare record is durable the outcome stands; whoever finds
//! one (a broker that starts, too) has to write the markers and the Complete record.

use std::collections::BTreeSet;

/// Client features of a transaction (KIP-890): from this version on each transaction ends with a new epoch.
pub(crate) const VERSION_EPOCH_BUMP: i16 = 2;
/// No producer id, as in Kafka's records.
pub(crate) const NO_PRODUCER_ID: i64 = -1;
/// No epoch, as in Kafka's records.
pub(crate) const NO_PRODUCER_EPOCH: i16 = -1;

/// Where a transactional id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TransactionState {
    /// A producer has the id; it has no transaction yet.
    Empty,
    /// Partitions were added; records may be written.
    Ongoing,
    /// It will be committed, whatever happens.
    PrepareCommit,
    /// It will be aborted, whatever happens.
    PrepareAbort,
    /// Committed, with markers in all its partitions.
    CompleteCommit,
    /// Aborted, with markers in all its partitions.
    CompleteAbort,
}

impl TransactionState {
    /// Every state, by Kafka's number.
    pub(crate) const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// Kafka's names of states that no transactional id is ever seen in: an id that goes is gone, and fencing is one step here.
    pub(crate) const NEVER_SEEN: [&str; 2] = ["Dead", "PrepareEpochFence"];

    /// Kafka's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Its number in records.
    pub(crate) fn number(self) -> i8 {
        match self {
            Self::Empty => 0,
            Self::Ongoing => 1,
            Self::PrepareCommit => 2,
            Self::PrepareAbort => 3,
            Self::CompleteCommit => 4,
            Self::CompleteAbort => 5,
        }
    }

    /// The outcome stands, the markers may be missing: true for commit.
    pub(crate) fn prepared(self) -> Option<bool> {
        match self {
            Self::PrepareCommit => Some(true),
            Self::PrepareAbort => Some(false),
            _ => None,
        }
    }

    /// Nothing of it is open.
    pub(crate) fn is_idle(self) -> bool {
        matches!(self, Self::Empty | Self::CompleteCommit | Self::CompleteAbort)
    }
}

/// A partition that a transaction has written to, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TopicPartition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

/// What is known of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// Who may write.
    pub(crate) producer_id: i64,
    /// Who might write before the last change.
    pub(crate) previous_producer_id: i64,
    /// Who may write once this transaction is complete, if the epochs of `producer_id` are used up.
    pub(crate) next_producer_id: i64,
    /// With which epoch; -1 before the first producer came.
    pub(crate) producer_epoch: i16,
    /// The epoch before, if its owner may ask again for the answer that it missed; not in the records, as in Kafka.
    pub(crate) last_producer_epoch: i16,
    /// How long a transaction may take.
    pub(crate) timeout_ms: i32,
    pub(crate) state: TransactionState,
    /// Partitions that need a marker at the end.
    pub(crate) partitions: BTreeSet<TopicPartition>,
    /// When the transaction began, in milliseconds since 1970; -1 before the first.
    pub(crate) start_ms: i64,
    /// When anything changed, in milliseconds since 1970.
    pub(crate) update_ms: i64,
    /// 0 or 2, by the requests of the producer.
    pub(crate) client_version: i16,
}

impl Transaction {
    /// A transactional id that nobody has used yet.
    pub(super) fn unused(producer_id: i64, now_ms: i64) -> Self {
        Self {
            producer_id,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            last_producer_epoch: NO_PRODUCER_EPOCH,
            timeout_ms: 0,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            start_ms: -1,
            update_ms: now_ms,
            client_version: 0,
        }
    }

    /// Whether no further epoch can be given out: the very last is kept for fencing.
    pub(super) fn epochs_are_used_up(&self) -> bool {
        self.producer_epoch >= i16::MAX - 1
    }
}
