//! Opening a log, after a clean shutdown or after a crash.
//!
//! Closed segments are on disk by construction, so only the last one is read, from its recovery point on, with checksums; after
//! a clean stop nothing is left to read. Everything up to the first bad batch is kept; the rest
//! is cut off, and the log says so. If what is cut off still holds a whole valid batch, the damage is not a torn write, and the
//! bytes are kept beside the segment. Nothing is ever deleted because something about it cannot be read.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64},
    },
};

use broker_protocol::batch::{BatchHeader, HEADER_BYTES};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::{
    LogConfig, LogDirectory, LogError, Marker, PARTITION_METADATA_FILE, PartitionLog,
    checkpoint::{self, Recovered},
    disk::read_at,
    flusher::FlushQueue,
    header::verify,
    index::ActiveIndex,
    marker::Ended,
    partition::{ActiveSegment, Inner},
    producers::ProducerTable,
    scan::{Scan, ScanError},
    segment::{Segment, base_offset_of, file_path, remove_file},
    snapshot,
};

/// What a partition is called and where its records go.
#[derive(Clone, Debug)]
pub struct PartitionPlace {
    /// Topic's name.
    pub topic: Arc<str>,
    /// Topic's id: a folder of another topic of that name is not taken.
    pub topic_id: uuid::Uuid,
    /// Partition number.
    pub partition: i32,
}

impl PartitionLog {
    /// Opens the log; a partition that was never written to has no folder yet and gets none. Blocks on the disk.
    pub(crate) fn open(
        place: &PartitionPlace,
        directory: &Arc<LogDirectory>,
        queue: &Arc<FlushQueue>,
        config: Arc<LogConfig>,
    ) -> Result<Arc<Self>, LogError> {
        let name = format!("{}-{}", place.topic, place.partition);
        let folder = directory.path().join(&name);
        check_topic_id(&folder, place.topic_id)?;
        let inner = load(&folder, directory)?;
        Ok(Arc::new(Self {
            name,
            folder,
            topic_id: place.topic_id,
            directory: Arc::clone(directory),
            queue: Arc::clone(queue),
            queued: AtomicBool::new(false),
            syncing: AtomicBool::new(false),
            deferred: AtomicBool::new(false),
            deleted: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            config: RwLock::new(config),
            start: AtomicI64::new(inner.start_offset),
            end: AtomicI64::new(inner.end_offset),
            flushed: watch::Sender::new(inner.flushed()),
            inner: Mutex::new(inner),
            cleaning: Mutex::new(()),
            doomed: Mutex::new(Vec::new()),
            readers: Mutex::new(Vec::new()),
        }))
    }
}

/// Whether a partition's folder says that it belongs to this topic; one that says nothing readable does not.
pub(crate) fn belongs_to(folder: &Path, topic_id: uuid::Uuid) -> Result<bool, LogError> {
    let text = read_if_there(&folder.join(PARTITION_METADATA_FILE))?.unwrap_or_default();
    Ok(topic_id_in(&String::from_utf8_lossy(&text)) == Some(topic_id))
}

fn topic_id_in(text: &str) -> Option<uuid::Uuid> {
    let id = text.lines().find_map(|line| line.strip_prefix("topic_id:"))?;
    uuid::Uuid::parse_str(id.trim()).ok()
}

/// Refuses a folder that says it belongs to another topic; one that says nothing readable is taken by its name.
fn check_topic_id(folder: &Path, expected: uuid::Uuid) -> Result<(), LogError> {
    let path = folder.join(PARTITION_METADATA_FILE);
    let Some(text) = read_if_there(&path)? else { return Ok(()) };
    match topic_id_in(&String::from_utf8_lossy(&text)) {
        Some(found) if found != expected => Err(LogError::Corrupt {
            path,
            position: 0,
            reason: format!("the folder belongs to topic id {found}, not {expected}; move it away to go on"),
        }),
        Some(_) => Ok(()),
        None => {
            tracing::warn!(file = %path.display(), "cannot read the topic id; going by the folder's name");
            Ok(())
        }
    }
}

fn load(folder: &Path, directory: &LogDirectory) -> Result<Inner, LogError> {
    let mut segments = list_segments(folder)?;
    let mut inner = Inner {
        closed: Vec::new(),
        active: ActiveSegment::default(),
        producers: ProducerTable::default(),
        start_offset: 0,
        end_offset: 0,
        flushed_offset: 0,
        flushed_position: 0,
        synced_offset: 0,
        ended: Vec::new(),
        cleaned_to: super::compaction::read_checkpoint(folder)?,
        point: None,
        touched: false,
    };
    let Some((base_offset, size)) = segments.pop() else { return Ok(inner) };
    inner.closed = segments.iter().map(|(base, size)| Arc::new(Segment::new(folder, *base, *size))).collect();
    let first = inner.closed.first().map_or(base_offset, |segment| segment.base_offset);
    inner.start_offset = read_start_offset(folder)?.max(first);
    let path = file_path(folder, base_offset, "log");
    let file = File::options().read(true).write(true).open(&path);
    let file = file.map_err(|error| LogError::io("open", &path, error))?;
    let recovery = Recovery { folder, base_offset, file: &file, path: &path, size };
    let recovered = checkpoint::load(folder, base_offset, size)?;
    inner.point = recovered.as_ref().map(|recovered| recovered.point);
    let end = recovery.recover(&inner, directory, recovered)?;
    // What had to be read now need not be read again after the next clean stop.
    inner.touched = inner.point.is_none_or(|point| point.position < end.size);
    inner.active =
        ActiveSegment { base_offset, size: end.size, index: end.index, ..ActiveSegment::default() };
    // The age of a segment that was found is not known; its newest batch is a safe guess for when to close it.
    inner.active.begun_ms = Some(inner.active.index.max_timestamp()).filter(|timestamp| *timestamp > 0);
    inner.active.file = Some(Arc::new(file));
    inner.producers = end.producers;
    inner.producers.heard_all(crate::broker::now_ms());
    (inner.end_offset, inner.flushed_offset) = (end.offset, end.offset);
    inner.flushed_position = end.size;
    inner.synced_offset = end.offset;
    inner.start_offset = inner.start_offset.min(end.offset);
    Ok(inner)
}

/// First offsets and sizes of the segments, ascending; what compaction left half done is finished or removed first.
fn list_segments(folder: &Path) -> Result<Vec<(i64, u64)>, LogError> {
    let io_error = |error| LogError::io("list", folder, error);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    super::compaction::finish_swaps(folder)?;
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        if let Some(base_offset) = base_offset_of(&entry.path(), "log") {
            segments.push((base_offset, entry.metadata().map_err(io_error)?.len()));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

/// The start offset that DeleteRecords moved, 0 if none.
fn read_start_offset(folder: &Path) -> Result<i64, LogError> {
    let path = folder.join(super::START_OFFSET_FILE);
    let Some(text) = read_if_there(&path)? else { return Ok(0) };
    let offset = String::from_utf8_lossy(&text).trim().parse();
    offset.map_err(|error| LogError::Corrupt { path, position: 0, reason: format!("not an offset: {error}") })
}

pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, LogError> {
    match fs::read(path) {
        Ok(contents) => Ok(Some(contents)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(LogError::io("read", path, error)),
    }
}

/// The last segment while it is read.
struct Recovery<'a> {
    folder: &'a Path,
    base_offset: i64,
    file: &'a File,
    path: &'a Path,
    size: u64,
}

/// What the last segment turned out to hold.
struct LogEnd {
    offset: i64,
    size: u64,
    index: ActiveIndex,
    producers: ProducerTable,
}

impl LogEnd {
    fn take_note(&mut self, header: &BatchHeader, marker: Option<(Marker, Option<Ended>)>) {
        match marker {
            Some((marker, ended)) => {
                self.producers.end(&marker, header.max_timestamp);
                self.index.end_transaction(&marker, ended, header.base_offset);
            }
            None => self.producers.update(header),
        }
    }
}

impl Recovery<'_> {
    /// Reads the segment from its recovery point on, cuts it off at the first bad batch, and makes what is left durable.
    fn recover(
        &self,
        inner: &Inner,
        directory: &LogDirectory,
        recovered: Option<Recovered>,
    ) -> Result<LogEnd, LogError> {
        let mut end = match recovered {
            Some(Recovered { point, index, producers }) => {
                LogEnd { offset: point.offset, size: point.position, index, producers }
            }
            None => LogEnd {
                offset: self.base_offset,
                size: 0,
                index: ActiveIndex::default(),
                producers: self.producers_before(inner)?,
            },
        };
        let mut scan = Scan::verified(self.file, end.size, self.size);
        let bad = loop {
            match scan.next() {
                Ok(Some((_, header))) if header.base_offset < end.offset => {
                    break Some(format!("offset {} comes after {}", header.base_offset, end.offset - 1));
                }
                Ok(Some((at, header))) => {
                    match scan.marker(at, &header) {
                        Ok(marker) => end.take_note(&header, marker),
                        Err(ScanError::Bad { reason, .. }) => break Some(reason),
                        Err(ScanError::Io(error)) => return Err(LogError::io("read", self.path, error)),
                    }
                    self.index(&mut end.index, at, &header);
                    (end.offset, end.size) = (header.next_offset(), at + header.size as u64);
                }
                Ok(None) => break None,
                Err(ScanError::Bad { reason, .. }) => break Some(reason),
                Err(ScanError::Io(error)) => return Err(LogError::io("read", self.path, error)),
            }
        };
        if let Some(reason) = bad {
            self.cut(&end, &reason)?;
        }
        if !directory.was_clean() {
            directory.sync(self.file, self.path)?;
        }
        Ok(end)
    }

    fn index(&self, index: &mut ActiveIndex, position: u64, header: &BatchHeader) {
        let relative = u32::try_from(header.base_offset - self.base_offset).unwrap_or(u32::MAX);
        index.add(relative, u32::try_from(position).unwrap_or(u32::MAX), header.max_timestamp);
    }

    fn cut(&self, end: &LogEnd, reason: &str) -> Result<(), LogError> {
        let dropped = self.size - end.size;
        let kept = self.keep_aside(end.size)?;
        tracing::warn!(
            segment = %self.path.display(), position = end.size, dropped_bytes = dropped, next_offset = end.offset,
            kept = kept.as_ref().map(|path| path.display().to_string()),
            "cut off at the first bad batch: {reason}"
        );
        self.file.set_len(end.size).map_err(|error| LogError::io("truncate", self.path, error))?;
        remove_snapshots_beyond(self.folder, end.offset)
    }

    /// Copies what is about to be cut off if there is a whole batch in it.
    fn keep_aside(&self, from: u64) -> Result<Option<PathBuf>, LogError> {
        let length = usize::try_from(self.size - from).unwrap_or(usize::MAX);
        let tail =
            read_at(self.file, from, length).map_err(|error| LogError::io("read", self.path, error))?;
        if !holds_valid_batch(&tail) {
            return Ok(None);
        }
        let path = self.path.with_added_extension(format!("damaged-at-{from}"));
        super::disk::replace_file(&path, &tail).map_err(|error| LogError::io("write", &path, error))?;
        Ok(Some(path))
    }

    /// The producers as they were before the last segment: from its snapshot, or from an earlier one and the log.
    fn producers_before(&self, inner: &Inner) -> Result<ProducerTable, LogError> {
        let mut replayed: Vec<&Arc<Segment>> = Vec::new();
        let bases = inner.closed.iter().map(|segment| segment.base_offset).chain([self.base_offset]);
        let mut table = ProducerTable::default();
        for (at, base_offset) in bases.enumerate().collect::<Vec<_>>().into_iter().rev() {
            let path = file_path(self.folder, base_offset, "snapshot");
            match read_if_there(&path)?.as_deref().map(snapshot::decode) {
                Some(Some(found)) => {
                    table = found;
                    break;
                }
                Some(None) => {
                    tracing::warn!(file = %path.display(), "snapshot is damaged; reading the log instead")
                }
                None => {}
            }
            if let Some(before) = at.checked_sub(1) {
                replayed.push(&inner.closed[before]);
            }
        }
        for segment in replayed.into_iter().rev() {
            replay(&*segment.file()?, &mut table, segment.size, &segment.path())?;
        }
        Ok(table)
    }
}

fn replay(file: &File, producers: &mut ProducerTable, size: u64, path: &Path) -> Result<(), LogError> {
    let mut scan = Scan::headers(file, 0, size);
    let mut next = || -> Result<bool, ScanError> {
        let Some((position, header)) = scan.next()? else { return Ok(false) };
        match scan.marker(position, &header)? {
            Some((marker, _)) => _ = producers.end(&marker, header.max_timestamp),
            None => producers.update(&header),
        }
        Ok(true)
    };
    loop {
        match next() {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(ScanError::Bad { position, reason }) => {
                tracing::error!(segment = %path.display(), position, "damaged, producers after it are not known: {reason}");
                return Ok(());
            }
            Err(ScanError::Io(error)) => return Err(LogError::io("read", path, error)),
        }
    }
}

fn remove_snapshots_beyond(folder: &Path, offset: i64) -> Result<(), LogError> {
    let io_error = |error| LogError::io("list", folder, error);
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        if base_offset_of(&path, "snapshot").is_some_and(|at| at > offset) {
            remove_file(&path)?;
        }
    }
    Ok(())
}

/// Whether a whole batch with a right checksum stands anywhere in the bytes.
fn holds_valid_batch(bytes: &[u8]) -> bool {
    let last = bytes.len().saturating_sub(HEADER_BYTES);
    (0..=last).any(|at| {
        let rest = &bytes[at..];
        // The magic first: it rules out nearly every place without looking further.
        rest.get(16) == Some(&2)
            && BatchHeader::read(rest)
                .is_ok_and(|header| header.size <= rest.len() && verify(&header, rest).is_ok())
    })
}
