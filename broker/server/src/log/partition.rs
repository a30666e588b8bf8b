//! One partition's log: its state, how far it is on disk, and how its segments are closed.
//!
//! Invariants. (1) Every segment but the last is completely on disk, with its indexes: [`PartitionLog::roll`] syncs
//! before it creates the next file, so recovery needs the last segment only. (2) Readers see nothing beyond the high
//! watermark, which is what has been fsynced, or a marker behind it that can be written again: what was read once is never lost to a power
//! failure (unless `flush.messages` says so, see `settle`). (3) A failed write
//! leaves the log as it was; its torn bytes lie beyond `size` and are cut off before the next write. (4) Readers of committed records
//! see nothing beyond the last stable offset: every transaction that began before it has its marker on disk, or its outcome is.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use super::{
    LogConfig, LogDirectory, LogError, ProducerView,
    checkpoint::RecoveryPoint,
    disk::sync_folder,
    doomed::Doomed,
    flusher::{Flush, FlushQueue},
    index::ActiveIndex,
    producers::ProducerTable,
    segment::{Segment, file_path, remove_file, write_indexes},
    snapshot,
};

/// How far a log reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOffsets {
    /// First offset kept.
    pub start: i64,
    /// Readers of committed records see nothing beyond: no transaction is open before it, and every marker before it is on disk.
    pub last_stable: i64,
    /// Offset after the last record that is on disk: consumers see nothing beyond.
    pub high_watermark: i64,
    /// Offset that the next record gets.
    pub end: i64,
}

/// The log of one partition.
#[derive(Debug)]
pub struct PartitionLog {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) topic_id: uuid::Uuid,
    pub(super) directory: Arc<LogDirectory>,
    pub(super) queue: Arc<FlushQueue>,
    pub(super) queued: AtomicBool,
    /// An fsync is under way.
    pub(super) syncing: AtomicBool,
    /// An fsync is due later, see `settle`.
    pub(super) deferred: AtomicBool,
    pub(super) deleted: AtomicBool,
    pub(super) closed: AtomicBool,
    pub(super) config: RwLock<Arc<LogConfig>>,
    pub(super) inner: Mutex<Inner>,
    /// Held by retention and compaction, which replace closed segments: one of them at a time.
    pub(super) cleaning: Mutex<()>,
    pub(super) doomed: Mutex<Vec<Doomed>>,
    /// First and next offset, for those who must not wait for a write under way.
    pub(super) start: AtomicI64,
    pub(super) end: AtomicI64,
    /// How far readers see, for those who wait for it.
    pub(super) flushed: watch::Sender<Flushed>,
    /// Long polls to wake when the high watermark moves.
    pub(super) readers: Mutex<Vec<Weak<Notify>>>,
}

/// How far readers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flushed {
    pub(super) high_watermark: i64,
    pub(super) last_stable: i64,
    /// Everything before is on disk; not more than the high watermark.
    pub(super) synced: i64,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) closed: Vec<Arc<Segment>>,
    pub(super) active: ActiveSegment,
    pub(super) producers: ProducerTable,
    pub(super) start_offset: i64,
    pub(super) end_offset: i64,
    /// Readers see everything before: what is on disk, or what is written where `flush.messages` says so.
    pub(super) flushed_offset: i64,
    /// How much of the active segment readers see.
    pub(super) flushed_position: u64,
    /// Everything before is on disk.
    pub(super) synced_offset: i64,
    /// Markers that are not on disk yet, and the first offsets of the transactions that they ended.
    pub(super) ended: Vec<(i64, i64)>,
    /// Compaction has been through up to here.
    pub(super) cleaned_to: i64,
    /// How far the active segment need not be read again.
    pub(super) point: Option<RecoveryPoint>,
    /// Something changed since the log was opened.
    pub(super) touched: bool,
}

/// The segment that is written. Its file exists once there is a batch in it.
#[derive(Debug, Default)]
pub(super) struct ActiveSegment {
    pub(super) base_offset: i64,
    pub(super) file: Option<Arc<File>>,
    pub(super) size: u64,
    pub(super) index: ActiveIndex,
    /// When its first batch was appended, in milliseconds since 1970.
    pub(super) begun_ms: Option<i64>,
    /// A failed write may have left bytes beyond `size`.
    pub(super) torn: bool,
}

impl ActiveSegment {
    pub(super) fn relative(&self, offset: i64) -> u32 {
        u32::try_from(offset - self.base_offset).unwrap_or(u32::MAX)
    }
}

impl Inner {
    pub(super) fn flushed(&self) -> Flushed {
        let waiting = self.ended.iter().filter(|(marker, _)| *marker >= self.flushed_offset);
        let undecided = waiting.map(|(_, first)| *first).chain(self.producers.first_open()).min();
        let last_stable = undecided.map_or(self.flushed_offset, |first| first.min(self.flushed_offset));
        Flushed {
            high_watermark: self.flushed_offset,
            last_stable: last_stable.max(self.start_offset),
            synced: self.synced_offset,
        }
    }
}

impl PartitionLog {
    /// `topic-partition`, also the folder's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The settings it acts on.
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&self.config.read())
    }

    /// Acts on other settings from now on.
    pub fn set_config(&self, config: Arc<LogConfig>) {
        *self.config.write() = config;
    }

    /// How far the log reaches.
    pub fn offsets(&self) -> LogOffsets {
        let start = self.start.load(Ordering::Acquire);
        let Flushed { high_watermark, last_stable, .. } = *self.flushed.borrow();
        LogOffsets { start, last_stable, high_watermark, end: self.end.load(Ordering::Acquire) }
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        let inner = self.inner.lock();
        inner.closed.iter().map(|segment| segment.size).sum::<u64>() + inner.active.size
    }

    /// Waits until everything before `offset` is as durable as the topic asks, so that readers see it.
    pub async fn durable(&self, offset: i64) -> Result<(), LogError> {
        self.wait_until(|flushed| flushed.high_watermark >= offset).await
    }

    /// Waits until everything before `offset` is on disk, also where readers see it earlier; as [`PartitionLog::durable`] for a topic that
    /// was told not to sync with each append.
    pub async fn synced(&self, offset: i64) -> Result<(), LogError> {
        if self.config.read().is_relaxed() {
            return self.durable(offset).await;
        }
        self.wait_until(|flushed| flushed.synced >= offset).await
    }

    /// Has everything before `offset` synced soon, if nobody else does it. For markers, which are left to the fsync of what comes behind them.
    pub(crate) fn ask_for_sync(self: &Arc<Self>, offset: i64) {
        if self.flushed.borrow().synced < offset {
            self.queue_flush();
        }
    }

    async fn wait_until(&self, reached: impl Fn(&Flushed) -> bool) -> Result<(), LogError> {
        let mut flushed = self.flushed.subscribe();
        loop {
            if reached(&flushed.borrow_and_update()) {
                return Ok(());
            }
            self.check_alive()?;
            if flushed.changed().await.is_err() {
                return Err(LogError::Deleted { path: self.folder.clone() });
            }
        }
    }

    /// Wakes `reader` once when the high watermark moves next.
    pub fn notify_on_append(&self, reader: &Arc<Notify>) {
        let mut readers = self.readers.lock();
        // A long poll over many logs that has ended is gone from all of them, since none of them owns it.
        readers.retain(|reader| reader.strong_count() > 0);
        if !readers.iter().any(|known| known.as_ptr() == Arc::as_ptr(reader)) {
            readers.push(Arc::downgrade(reader));
        }
    }

    /// What is known of each producer that numbers its batches.
    pub fn producers(&self) -> Vec<ProducerView> {
        self.inner.lock().producers.views()
    }

    /// Producers with a transaction open here, with their epochs.
    pub(crate) fn open_transactions(&self) -> Vec<(i64, i16)> {
        self.inner.lock().producers.open_producers()
    }

    /// The newest epoch of a producer that is known here.
    pub(crate) fn producer_epoch(&self, producer_id: i64) -> Option<i16> {
        self.inner.lock().producers.producers.get(&producer_id).map(|producer| producer.epoch)
    }

    pub(super) fn check_alive(&self) -> Result<(), LogError> {
        if self.deleted.load(Ordering::Acquire) {
            return Err(LogError::Deleted { path: self.folder.clone() });
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(LogError::Closed { path: self.folder.clone() });
        }
        self.directory.check()
    }

    /// Closes the active segment, durably, and begins the next one.
    pub(super) fn roll(&self, inner: &mut Inner) -> Result<(), LogError> {
        let Some(file) = inner.active.file.clone() else { return Ok(()) };
        let base_offset = inner.active.base_offset;
        self.directory.sync(&file, &file_path(&self.folder, base_offset, "log"))?;
        write_indexes(&self.folder, base_offset, &mut inner.active.index)?;
        let path = file_path(&self.folder, inner.end_offset, "snapshot");
        snapshot::write(&path, &inner.producers).map_err(|error| LogError::io("write", path, error))?;
        // One snapshot back is kept in case this one turns out to be damaged.
        if let Some(older) = inner.closed.last() {
            remove_file(&file_path(&self.folder, older.base_offset, "snapshot"))?;
        }
        self.forget_point(inner)?;
        inner.closed.push(Arc::new(Segment::new(&self.folder, base_offset, inner.active.size)));
        inner.active = ActiveSegment { base_offset: inner.end_offset, ..ActiveSegment::default() };
        (inner.flushed_offset, inner.flushed_position) = (inner.end_offset, 0);
        inner.synced_offset = inner.end_offset;
        self.publish(inner);
        Ok(())
    }

    pub(super) fn queue_flush(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let log: Arc<dyn Flush> = Arc::clone(self) as Arc<dyn Flush>;
            self.queue.push(log);
        }
    }

    /// Tells everyone who waits how far readers see now.
    pub(super) fn publish(&self, inner: &mut Inner) {
        inner.ended.retain(|(marker, _)| *marker >= inner.flushed_offset);
        self.flushed.send_replace(inner.flushed());
        for reader in self.readers.lock().drain(..).filter_map(|reader| Weak::upgrade(&reader)) {
            reader.notify_one();
        }
    }

    /// Syncs everything appended so far. Blocks on the disk.
    pub fn flush_now(&self) -> Result<(), LogError> {
        let (file, base_offset, size, end_offset) = {
            let inner = self.inner.lock();
            if inner.synced_offset == inner.end_offset {
                return Ok(());
            }
            let active = &inner.active;
            let Some(file) = active.file.clone() else { return Ok(()) };
            (file, active.base_offset, active.size, inner.end_offset)
        };
        let result = self.directory.sync(&file, &file_path(&self.folder, base_offset, "log"));
        let mut inner = self.inner.lock();
        if result.is_ok() {
            inner.synced_offset = inner.synced_offset.max(end_offset);
        }
        if result.is_ok() && inner.flushed_offset < end_offset {
            inner.flushed_offset = end_offset;
            // Had the segment been closed meanwhile, `roll` would have gone beyond `end_offset` or equal to it.
            inner.flushed_position = size;
        }
        self.publish(&mut inner);
        result?;
        self.take_point_if_due(&mut inner)
    }

    /// Flushes and writes down what saves the next start from reading the log. Nothing can be appended afterwards.
    pub fn close(&self) -> Result<(), LogError> {
        {
            let _appending = self.inner.lock();
            self.closed.store(true, Ordering::Release);
        }
        self.flush_now()?;
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if !inner.touched || inner.active.file.is_none() {
            return Ok(());
        }
        self.take_point(inner)
    }

    /// Takes the log out of service and removes its files; whoever waits for it is told.
    pub fn delete(&self) -> Result<(), LogError> {
        let _cleaning = self.cleaning.lock();
        let _inner = self.inner.lock();
        self.deleted.store(true, Ordering::Release);
        self.flushed.send_modify(|_| ());
        for reader in self.readers.lock().drain(..).filter_map(|reader| Weak::upgrade(&reader)) {
            reader.notify_one();
        }
        remove_folder(&self.folder)
    }
}

impl Flush for PartitionLog {
    fn flush_deferred(&self) {
        self.deferred.store(false, Ordering::Release);
        self.flush();
    }

    fn flush(&self) {
        self.queued.store(false, Ordering::Release);
        if self.deleted.load(Ordering::Acquire) {
            return;
        }
        self.syncing.store(true, Ordering::Release);
        // The directory has said what is wrong, once, and waiting appends see that it is offline.
        if let Err(error) = self.flush_now() {
            tracing::debug!(partition = self.name, "cannot flush: {error}");
        }
        self.syncing.store(false, Ordering::Release);
    }
}

/// What a folder's name ends in while it is removed, behind a dot and a unique id.
const DELETE_SUFFIX: &str = "-delete";

/// Whether [`remove_folder`] was interrupted here.
pub(crate) fn is_half_removed(folder: &Path) -> bool {
    let extension = folder.extension().and_then(|extension| extension.to_str());
    let id = extension.and_then(|extension| extension.strip_suffix(DELETE_SUFFIX));
    id.is_some_and(|id| id.len() == 32 && uuid::Uuid::parse_str(id).is_ok())
}

/// Removes a partition's folder so that a half-removed one is never taken for a log: first renamed, then emptied.
pub(crate) fn remove_folder(folder: &Path) -> Result<(), LogError> {
    let doomed = folder.with_added_extension(format!("{}{DELETE_SUFFIX}", uuid::Uuid::new_v4().simple()));
    match fs::rename(folder, &doomed) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| LogError::io("rename", folder, error))?,
    }
    let parent = folder.parent().unwrap_or(Path::new("."));
    sync_folder(parent).map_err(|error| LogError::io("sync", parent, error))?;
    fs::remove_dir_all(&doomed).map_err(|error| LogError::io("remove", &doomed, error))
}
