//! What can go wrong with a log, by consequence: a full disk passes, a failed fsync does not, a sequence that does not
//! fit is the producer's. Every variant names the file or the numbers; the server maps each to one protocol error code.

use std::{io, path::PathBuf};

/// An error of one partition's log or of the directory that holds it.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system has no room. Nothing was acknowledged; the next append tries again.
    #[error(
        "no space left for {path}: free some space or lower retention; the log lives on when there is room"
    )]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The directory took an fsync or write error and serves no more writes until the process is restarted.
    #[error("log directory {directory} is offline since: {reason}; check the disk, then restart the broker")]
    Offline {
        /// The log directory.
        directory: PathBuf,
        /// The first error, in words.
        reason: String,
    },
    /// Any other I/O error.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The offset is not in the log.
    #[error("offset {offset} is out of range: the log has {start} to {end}")]
    OutOfRange {
        /// The offset asked for.
        offset: i64,
        /// First offset kept.
        start: i64,
        /// Offset of the next record.
        end: i64,
    },
    /// Bytes on disk do not make a batch; they are never served.
    #[error("{path} is damaged at byte {position}: {reason}")]
    Corrupt {
        /// The segment file.
        path: PathBuf,
        /// Where the bad batch starts.
        position: u64,
        /// What does not fit.
        reason: String,
    },
    /// The producer's sequence number does not follow its last one.
    #[error("producer {producer_id} sent sequence {found}, expected {expected}")]
    OutOfOrderSequence {
        /// Producer id.
        producer_id: i64,
        /// Sequence expected next.
        expected: i32,
        /// First sequence of the batch.
        found: i32,
    },
    /// The producer's epoch is older than the newest one seen.
    #[error("producer {producer_id} sent epoch {found}, but epoch {current} has taken over")]
    InvalidProducerEpoch {
        /// Producer id.
        producer_id: i64,
        /// Newest epoch seen.
        current: i16,
        /// The epoch of the batch.
        found: i16,
    },
    /// The producer has a transaction open and sent a batch outside of it.
    #[error("producer {producer_id} has a transaction open and must send its records as part of it")]
    InvalidTransactionState {
        /// Producer id.
        producer_id: i64,
    },
    /// The marker is of a transaction coordinator that another one has replaced.
    #[error(
        "a marker for producer {producer_id} has coordinator epoch {found}, but epoch {current} has taken over"
    )]
    CoordinatorFenced {
        /// Producer id.
        producer_id: i64,
        /// Newest coordinator epoch seen.
        current: i32,
        /// The coordinator epoch of the marker.
        found: i32,
    },
    /// The broker is shutting down.
    #[error("{path} is closed: the broker is shutting down")]
    Closed {
        /// The partition's folder.
        path: PathBuf,
    },
    /// The topic was deleted while the request was under way.
    #[error("{path} was deleted")]
    Deleted {
        /// The partition's folder.
        path: PathBuf,
    },
}

impl LogError {
    /// Wraps an I/O error with what was tried on which path; a full disk becomes [`LogError::DiskFull`].
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull { path, source }
            }
            _ => Self::Io { operation, path, source },
        }
    }
}
