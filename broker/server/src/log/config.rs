//! The settings that one log acts on: a topic's configs with the broker's defaults filled in.

use broker_protocol::batch::Compression;

/// How old records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments are deleted by time and size.
    pub delete: bool,
    /// Older records of a key are dropped.
    pub compact: bool,
}

/// What a log does; built from a topic's configs, replaced when they change.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// A segment is closed before it would grow beyond this.
    pub segment_bytes: u64,
    /// A segment is closed when its first batch was appended this long ago.
    pub segment_ms: i64,
    /// Delete or compact.
    pub cleanup_policy: CleanupPolicy,
    /// Closed segments whose newest record is older are deleted; `None` keeps them for ever.
    pub retention_ms: Option<i64>,
    /// Oldest segments are deleted while the rest is at least this large; `None` is no limit.
    pub retention_bytes: Option<u64>,
    /// How long a tombstone stays after compaction has seen it.
    pub delete_retention_ms: i64,
    /// Compaction waits until this share of the log was written since the last one.
    pub min_cleanable_dirty_ratio: f64,
    /// Largest batch that producers may send.
    pub max_message_bytes: usize,
    /// The broker stamps the batches as it appends them; otherwise the producer's time stamps stand.
    pub log_append_time: bool,
    /// Replicas that acks=all needs; there is one.
    pub min_insync_replicas: i64,
    /// The codec that batches are kept in; `None` keeps that of their producer.
    pub compression: Option<Compression>,
    /// How far a producer's time stamps may lie behind the clock.
    pub timestamp_before_max_ms: i64,
    /// How far a producer's time stamps may lie ahead of the clock.
    pub timestamp_after_max_ms: i64,
    /// Records younger than this are not compacted.
    pub compaction_lag_min_ms: i64,
    /// Records older than this are compacted, however clean the log is.
    pub compaction_lag_max_ms: i64,
    /// How long the files of an expired segment stay on disk.
    pub file_delete_delay_ms: i64,
    /// 1: records are on disk before they are acknowledged and read. More: so many share an fsync, after both.
    pub flush_records: u64,
    /// With more than one: written records are on disk after this time.
    pub flush_ms: i64,
}

impl LogConfig {
    /// Age at which a segment is closed; what must be compacted in time is closed before that.
    pub fn roll_ms(&self) -> i64 {
        if self.cleanup_policy.compact {
            self.segment_ms.min(self.compaction_lag_max_ms)
        } else {
            self.segment_ms
        }
    }

    /// Whether records may be acknowledged before they are on disk, which somebody must have asked for.
    pub fn is_relaxed(&self) -> bool {
        self.flush_records > 1
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            cleanup_policy: CleanupPolicy { delete: true, compact: false },
            retention_ms: Some(7 * 24 * 3_600_000),
            retention_bytes: None,
            delete_retention_ms: 24 * 3_600_000,
            min_cleanable_dirty_ratio: 0.5,
            max_message_bytes: 1_048_588,
            log_append_time: false,
            min_insync_replicas: 1,
            compression: None,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            compaction_lag_min_ms: 0,
            compaction_lag_max_ms: i64::MAX,
            file_delete_delay_ms: 60_000,
            flush_records: 1,
            flush_ms: i64::MAX,
        }
    }
}
