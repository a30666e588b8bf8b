//! Where do records rest? One log per partition: segments of batches as the producers sent them, in Kafka's layout.
//!
//! - `append`, [`partition`](self): batches in, how far they are on disk, closing segments; `read`: whole batches out again;
//!   `replay`: all of them, at start
//! - `open`, `checkpoint`: recovery; `segment`, `index`, `scan`, `header`: one segment's files
//! - `producers`, `snapshot`: what makes a batch that is sent twice be stored once, and which transactions are open
//! - `marker`, `aborted`: how transactions end, and what readers of committed records leave out
//! - `flusher`: group commit; `directory`, `disk`: lock, failure, the seam to the disk
//! - `retention`, `compaction`, `cleaner`, `outcome`, `swap`: how old records go

mod aborted;
mod append;
mod checkpoint;
mod cleaner;
mod compaction;
mod config;
mod directory;
mod disk;
mod doomed;
mod error;
mod flusher;
mod header;
mod index;
mod marker;
mod open;
mod outcome;
mod partition;
mod producers;
mod read;
mod replay;
mod retention;
mod scan;
mod segment;
mod settle;
mod snapshot;
mod swap;

pub use self::{
    aborted::AbortedTransaction,
    append::Appended,
    config::{CleanupPolicy, LogConfig},
    directory::LogDirectory,
    disk::Disk,
    error::LogError,
    marker::Marker,
    open::PartitionPlace,
    partition::{LogOffsets, PartitionLog},
    producers::ProducerView,
};
pub(crate) use self::{
    disk::{SystemDisk, put_in_place, replace_file, sync_folder, write_aside},
    flusher::{FlushQueue, Flusher},
    open::belongs_to,
    partition::{is_half_removed, remove_folder},
};

#[cfg(test)]
mod tests;

/// File of a partition folder that names the topic's id, as in Kafka.
const PARTITION_METADATA_FILE: &str = "partition.metadata";
/// File of a partition folder that holds the start offset once DeleteRecords has moved it.
const START_OFFSET_FILE: &str = "log-start-offset";
