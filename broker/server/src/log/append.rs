//! Appending to a log: a producer's batch, or the marker that ends a transaction.
//!
//! Everything is decided under the log's lock before a byte is written, and noted after the write: a failed write leaves the
//! tables as they were. The hot path looks at the batch's header only.

use std::{
    fs::{self, File},
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use broker_protocol::batch::{Batch, BatchHeader};
use bytes::Bytes;

use super::{
    LogError, Marker, PartitionLog, disk::sync_folder, header::PATCHED_BYTES, marker::Ended,
    partition::Inner, segment::file_path,
};

/// Where a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// First offset that the log keeps.
    pub start_offset: i64,
    /// The batch was there already; nothing was written.
    pub duplicate: bool,
}

impl Appended {
    fn of(header: &BatchHeader, start_offset: i64) -> Self {
        let (base_offset, last_offset) = (header.base_offset, header.last_offset());
        Self { base_offset, last_offset, start_offset, duplicate: false }
    }
}

impl PartitionLog {
    /// Appends one batch, which the caller has checked, behind the others and queues the fsync. Blocks on the disk; the batch is durable only once
    /// [`PartitionLog::durable`] says so.
    pub fn append(self: &Arc<Self>, batch: &Batch, now_ms: i64) -> Result<Appended, LogError> {
        self.append_checked(batch, now_ms, false)
    }

    /// Appends like [`PartitionLog::append`] for a client that gets a new epoch with each transaction and so begins each with sequence 0 (KIP-890):
    /// a later sequence of a producer that nothing is known of means that a batch before it is missing.
    pub fn append_with_epoch_bumps(
        self: &Arc<Self>,
        batch: &Batch,
        now_ms: i64,
    ) -> Result<Appended, LogError> {
        self.append_checked(batch, now_ms, true)
    }

    fn append_checked(
        self: &Arc<Self>,
        batch: &Batch,
        now_ms: i64,
        new_begins_at_zero: bool,
    ) -> Result<Appended, LogError> {
        let mut inner = self.inner.lock();
        self.check_alive()?;
        let start_offset = inner.start_offset;
        if let Some(stored) = inner.producers.check(batch.header(), new_begins_at_zero)? {
            let (base_offset, last_offset) = (stored.base_offset, stored.last_offset);
            return Ok(Appended { base_offset, last_offset, start_offset, duplicate: true });
        }
        let header = self.write_batch(&mut inner, batch, now_ms)?;
        inner.producers.update(&header);
        inner.producers.heard(header.producer_id, now_ms);
        self.settle(inner);
        Ok(Appended::of(&header, start_offset))
    }

    /// Ends the producer's transaction in this log. The marker is written although the producer has none open here: its epoch fences. Blocks
    /// on the disk; the transaction is decided for readers once [`PartitionLog::durable`] says so.
    ///
    /// # Errors
    /// A newer epoch of the producer or of the coordinator, and what [`PartitionLog::append`] says.
    pub fn append_marker(self: &Arc<Self>, marker: Marker, now_ms: i64) -> Result<Appended, LogError> {
        self.append_marker_checked(marker, now_ms, false)
    }

    /// Ends the producer's transaction like [`PartitionLog::append_marker`], for a coordinator that has the outcome on disk and writes the
    /// marker again, before anyone reads, should a power failure take it. So readers see it at once, if all before it is on disk, and no fsync is
    /// queued for it then: who needs it on disk asks for that.
    pub fn append_recorded_marker(
        self: &Arc<Self>,
        marker: Marker,
        now_ms: i64,
    ) -> Result<Appended, LogError> {
        self.append_marker_checked(marker, now_ms, true)
    }

    fn append_marker_checked(
        self: &Arc<Self>,
        marker: Marker,
        now_ms: i64,
        recorded: bool,
    ) -> Result<Appended, LogError> {
        let mut inner = self.inner.lock();
        self.check_alive()?;
        inner.producers.check_marker(&marker)?;
        let (start_offset, next) = (inner.start_offset, inner.end_offset + 1);
        let ended = inner.producers.open_of(marker.producer_id).map(|(first_offset, other)| Ended {
            first_offset,
            last_stable: other.unwrap_or(next).min(next),
        });
        let batch = marker.encode(ended, now_ms).map_err(|error| LogError::Corrupt {
            path: self.folder.clone(),
            position: inner.active.size,
            reason: format!("cannot build a marker: {error}"),
        })?;
        let header = self.write_batch(&mut inner, &batch, now_ms)?;
        inner.producers.end(&marker, header.max_timestamp);
        inner.producers.heard(marker.producer_id, now_ms);
        inner.active.index.end_transaction(&marker, ended, header.base_offset);
        inner.ended.extend(ended.map(|ended| (header.base_offset, ended.first_offset)));
        if recorded && inner.flushed_offset == header.base_offset {
            (inner.flushed_offset, inner.flushed_position) = (inner.end_offset, inner.active.size);
            self.publish(&mut inner);
        } else {
            self.settle(inner);
        }
        Ok(Appended::of(&header, start_offset))
    }

    /// Writes a batch behind the others, in a new segment if the active one is full or old, and indexes it.
    fn write_batch(&self, inner: &mut Inner, batch: &Batch, now_ms: i64) -> Result<BatchHeader, LogError> {
        if self.must_roll(inner, batch.header(), now_ms) {
            self.roll(inner)?;
        }
        let header = BatchHeader { base_offset: inner.end_offset, ..*batch.header() };
        self.write(inner, &header, batch.bytes())?;
        let active = &mut inner.active;
        let position = u32::try_from(active.size).unwrap_or(u32::MAX);
        active.index.add(active.relative(header.base_offset), position, header.max_timestamp);
        active.size += header.size as u64;
        active.begun_ms.get_or_insert(now_ms);
        inner.end_offset = header.next_offset();
        self.end.store(inner.end_offset, Ordering::Release);
        inner.touched = true;
        Ok(header)
    }

    fn must_roll(&self, inner: &Inner, header: &BatchHeader, now_ms: i64) -> bool {
        let (config, active) = (self.config.read(), &inner.active);
        let last = inner.end_offset + i64::from(header.last_offset_delta);
        let full = active.size + header.size as u64 > config.segment_bytes;
        let old = active.begun_ms.is_some_and(|begun| now_ms.saturating_sub(begun) >= config.roll_ms());
        active.size > 0 && (full || old || i32::try_from(last - active.base_offset).is_err())
    }

    /// Writes a batch at the end of the active segment: what the broker sets in the head, and the rest as it came.
    fn write(&self, inner: &mut Inner, header: &BatchHeader, batch: &Bytes) -> Result<(), LogError> {
        let file = self.active_file(inner)?;
        let active = &mut inner.active;
        let path = file_path(&self.folder, active.base_offset, "log");
        if active.torn {
            file.set_len(active.size).map_err(|error| LogError::io("truncate", &path, error))?;
            active.torn = false;
        }
        let mut head = [0; PATCHED_BYTES];
        head[..8].copy_from_slice(&header.base_offset.to_be_bytes());
        head[8..12].copy_from_slice(&batch[8..12]);
        // Bytes 12 to 15 are the leader epoch: 0, as there is only ever one leader.
        let slices: [&[u8]; 2] = [&head, &batch[PATCHED_BYTES..]];
        self.directory.write_at(&file, &path, &slices, active.size).inspect_err(|_| active.torn = true)
    }

    /// Makes the folder and the first file of a partition that was never written to, as its first append would; an append tells what is in
    /// the way. Several at once share the disk, one after another each waits for it three times.
    pub(crate) fn prepare_first_append(&self) {
        let mut inner = self.inner.lock();
        if self.check_alive().is_ok()
            && let Err(error) = self.active_file(&mut inner)
        {
            tracing::debug!(log = self.name, "cannot get a partition ready: {error}");
        }
    }

    /// Whether there is a file to append to.
    pub(crate) fn has_file(&self) -> bool {
        self.inner.lock().active.file.is_some()
    }

    fn active_file(&self, inner: &mut Inner) -> Result<Arc<File>, LogError> {
        if let Some(file) = &inner.active.file {
            return Ok(Arc::clone(file));
        }
        if !self.folder.exists() {
            self.create_folder()?;
        }
        let path = file_path(&self.folder, inner.active.base_offset, "log");
        let file = File::options().create(true).read(true).write(true).truncate(false).open(&path);
        let file = Arc::new(file.map_err(|error| LogError::io("create", &path, error))?);
        sync_folder(&self.folder).map_err(|error| LogError::io("sync", &self.folder, error))?;
        inner.active.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Creates the partition's folder; the file in it says which topic it belongs to, as in Kafka.
    fn create_folder(&self) -> Result<(), LogError> {
        fs::create_dir_all(&self.folder).map_err(|error| LogError::io("create", &self.folder, error))?;
        let path = self.folder.join(super::PARTITION_METADATA_FILE);
        let contents = format!("version: 0\ntopic_id: {}\n", self.topic_id);
        let written = fs::write(&path, contents).and_then(|()| File::open(&path)?.sync_all());
        written.map_err(|error| LogError::io("write", path, error))?;
        let parent = self.folder.parent().unwrap_or(Path::new("."));
        sync_folder(parent).map_err(|error| LogError::io("sync", parent, error))
    }
}
