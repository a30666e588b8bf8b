//! Counters of the broker: added to on the way, read by whoever shows them.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted while the broker runs.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) logins_failed: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) bad_requests: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) records_in: AtomicU64,
}

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLag {
    /// The group's id.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset that the group reads.
    pub committed_offset: i64,
    /// Offsets between it and the last stable offset.
    pub lag: u64,
}

/// How far all groups have read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupLags {
    /// By group, topic and partition; at most 10,000.
    pub partitions: Vec<GroupLag>,
    /// How many more there are.
    pub left_out: u64,
}

/// The broker at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Open connections.
    pub connections: u64,
    /// Connections refused for a limit since the start.
    pub connections_refused: u64,
    /// TLS handshakes and logins that failed since the start.
    pub logins_failed: u64,
    /// Requests received since the start.
    pub requests: u64,
    /// Requests and frames that could not be read.
    pub bad_requests: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Records appended.
    pub records_in: u64,
    /// Topics, internal ones too.
    pub topics: u64,
    /// Partitions of all topics.
    pub partitions: u64,
    /// Bytes of all logs.
    pub log_bytes: u64,
    /// Fetch sessions of consumers.
    pub fetch_sessions: u64,
    /// Consumer groups that have members or offsets.
    pub groups: u64,
    /// How far they have read.
    pub group_lags: GroupLags,
    /// Transactions that have begun and are not complete.
    pub transactions: u64,
}

pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
