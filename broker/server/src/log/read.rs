//! Reading a log: whole batches from an offset on, by time stamp, and never one that is damaged.
//!
//! Only batches below the high watermark are served, or below the last stable offset to who reads committed records. Each is checked against its checksum first: a bit that flipped on
//! disk is reported to the reader that meets it and goes no further.

use std::{fs::File, path::PathBuf, sync::Arc};

use broker_protocol::batch::BatchHeader;
use bytes::Bytes;

use super::{
    LogError, PartitionLog,
    disk::read_at,
    header::verify,
    index::INTERVAL_BYTES,
    partition::Inner,
    scan::{Scan, ScanError},
    segment::{Segment, file_path},
};

/// Part of a segment to read from.
struct Extent {
    file: Arc<File>,
    path: PathBuf,
    /// A batch boundary at or before what is looked for, if the index is right.
    position: u64,
    /// Readers see nothing from here on.
    limit: u64,
    /// First offset of the next segment, none for the last one.
    next: Option<i64>,
    /// The reader wants no batch that begins here or later.
    until: i64,
}

impl Inner {
    /// Bytes of the log before the one batch or so that holds `offset`; rounded down.
    fn bytes_before(&self, offset: i64) -> u64 {
        let active = &self.active;
        if offset >= active.base_offset {
            return self.closed_bytes(self.closed.len())
                + u64::from(active.index.position(active.relative(offset)));
        }
        let holding = self.closed.partition_point(|segment| segment.base_offset <= offset);
        self.closed_bytes(holding.saturating_sub(1))
    }

    /// Bytes of the log before `offset` that are on disk; rounded up.
    fn bytes_until(&self, offset: i64) -> u64 {
        let active = &self.active;
        if offset <= active.base_offset {
            return self.closed_bytes(self.closed.partition_point(|segment| segment.base_offset < offset));
        }
        let position = active.index.position_after(active.relative(offset)).map_or(u64::MAX, u64::from);
        self.closed_bytes(self.closed.len()) + position.min(self.flushed_position)
    }

    fn closed_bytes(&self, segments: usize) -> u64 {
        self.closed[..segments].iter().map(|segment| segment.size).sum()
    }
}

impl PartitionLog {
    /// Reads whole batches, the first of which holds `offset`, up to `bytes_max`; the first one even if it is larger,
    /// when `at_least_one` is set. Empty at the high watermark. Blocks on the disk.
    pub fn read(&self, offset: i64, bytes_max: usize, at_least_one: bool) -> Result<Bytes, LogError> {
        self.read_until(offset, i64::MAX, bytes_max, at_least_one)
    }

    /// Reads like [`PartitionLog::read`] and ends before the first batch that begins at `until` or later.
    pub fn read_until(
        &self,
        offset: i64,
        until: i64,
        bytes_max: usize,
        at_least_one: bool,
    ) -> Result<Bytes, LogError> {
        let mut from = offset;
        loop {
            let Some(mut extent) = self.locate(from, offset)? else { return Ok(Bytes::new()) };
            extent.until = until;
            if let Some(batches) = extent.read(from, bytes_max, at_least_one)? {
                return Ok(batches);
            }
            let Some(next) = extent.next.filter(|next| *next < until) else { return Ok(Bytes::new()) };
            if !self.may_have_gaps() {
                tracing::error!(
                    partition = self.name,
                    "no batch holds offsets {from} to {next}: a segment is missing"
                );
                let reason = format!("offsets {from} to {next} are missing");
                return Err(LogError::Corrupt { path: extent.path, position: extent.limit, reason });
            }
            from = next;
        }
    }

    /// About how many bytes a reader at `offset` could get of what lies before `until`.
    pub fn available_bytes(&self, offset: i64, until: i64) -> u64 {
        let inner = self.inner.lock();
        let until = until.min(inner.flushed_offset);
        if offset >= until { 0 } else { inner.bytes_until(until).saturating_sub(inner.bytes_before(offset)) }
    }

    /// The first batch below the high watermark with a time stamp of at least `timestamp`. Blocks on the disk.
    pub fn batch_at_timestamp(&self, timestamp: i64) -> Result<Option<Bytes>, LogError> {
        let (segments, start) = {
            let inner = self.inner.lock();
            (inner.closed.clone(), inner.start_offset)
        };
        for segment in segments {
            if segment.max_timestamp()? >= timestamp {
                let from = segment.offset_before(timestamp)?.max(start);
                if let Some(batch) = self.first_since(from, timestamp)? {
                    return Ok(Some(batch));
                }
            }
        }
        let from = {
            let active = &self.inner.lock().active;
            active.base_offset + i64::from(active.index.offset_before(timestamp))
        };
        self.first_since(from.max(start), timestamp)
    }

    /// The batch with the newest time stamp below the high watermark, the first of them if several have it.
    pub fn newest_batch(&self) -> Result<Option<Bytes>, LogError> {
        let (segments, active) = {
            let inner = self.inner.lock();
            (inner.closed.clone(), inner.active.index.max_timestamp())
        };
        let mut newest = active;
        for segment in segments {
            newest = newest.max(segment.max_timestamp()?);
        }
        if newest < 0 { Ok(None) } else { self.batch_at_timestamp(newest) }
    }

    /// Walks one segment from the batch of `offset` on to the first that is new enough.
    fn first_since(&self, offset: i64, timestamp: i64) -> Result<Option<Bytes>, LogError> {
        let Some(extent) = self.locate(offset, offset)? else { return Ok(None) };
        let mut scan = Scan::headers(&extent.file, extent.position, extent.limit);
        loop {
            match scan.next() {
                Ok(Some((_, header)))
                    if header.last_offset() < offset || header.max_timestamp < timestamp => {}
                Ok(Some((position, header))) => return extent.batch(position, &header).map(Some),
                Ok(None) => return Ok(None),
                Err(error) => return Err(extent.error(error)),
            }
        }
    }

    /// Where to read for `from`; `requested` is what the reader asked for, for the message.
    fn locate(&self, from: i64, requested: i64) -> Result<Option<Extent>, LogError> {
        let (segment, next) = {
            let inner = self.inner.lock();
            if from < inner.start_offset || from > inner.end_offset {
                let (start, end) = (inner.start_offset, inner.end_offset);
                return Err(LogError::OutOfRange { offset: requested, start, end });
            }
            if from >= inner.flushed_offset {
                return Ok(None);
            }
            if from >= inner.active.base_offset {
                return Ok(self.active_extent(&inner, from));
            }
            let at = inner.closed.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
            let next = inner.closed.get(at + 1).map_or(inner.active.base_offset, |next| next.base_offset);
            (Arc::clone(&inner.closed[at]), next)
        };
        closed_extent(&segment, from, next).map(Some)
    }

    fn active_extent(&self, inner: &Inner, offset: i64) -> Option<Extent> {
        let active = &inner.active;
        Some(Extent {
            file: Arc::clone(active.file.as_ref()?),
            path: file_path(&self.folder, active.base_offset, "log"),
            position: u64::from(active.index.position(active.relative(offset))),
            limit: inner.flushed_position,
            next: None,
            until: i64::MAX,
        })
    }

    fn may_have_gaps(&self) -> bool {
        self.config.read().cleanup_policy.compact || self.inner.lock().cleaned_to > 0
    }
}

fn closed_extent(segment: &Segment, offset: i64, next: i64) -> Result<Extent, LogError> {
    let position = segment.position(offset)?;
    Ok(Extent {
        file: segment.file()?,
        path: segment.path(),
        position,
        limit: segment.size,
        next: Some(next),
        until: i64::MAX,
    })
}

impl Extent {
    /// Whole batches from the one that holds `offset`; `None` if there is none in this extent.
    fn read(&self, offset: i64, bytes_max: usize, at_least_one: bool) -> Result<Option<Bytes>, LogError> {
        let found = match self.find(self.position, offset) {
            // The index was wrong, or the segment is damaged: the walk from the start tells.
            Err(LogError::Corrupt { .. }) if self.position > 0 => self.find(0, offset)?,
            other => other?,
        };
        let Some((start, first)) = found else { return Ok(None) };
        if first.base_offset >= self.until {
            return Ok(Some(Bytes::new()));
        }
        let wanted = if at_least_one { bytes_max.max(first.size) } else { bytes_max };
        let left = usize::try_from(self.limit - start).unwrap_or(usize::MAX);
        let bytes = read_at(&self.file, start, wanted.min(left)).map_err(|error| self.io_error(error))?;
        let mut end = 0;
        while let Some(rest) = bytes.get(end..)
            && let Ok(header) = BatchHeader::read(rest)
            && header.size <= rest.len()
            && header.base_offset < self.until
        {
            match verify(&header, rest) {
                Ok(()) => end += header.size,
                // Serve what is sound; the next read begins here and is told.
                Err(_) if end > 0 => break,
                Err(reason) => return Err(self.corrupt(start, reason)),
            }
        }
        Ok(Some(Bytes::from(bytes).slice(..end)))
    }

    /// The first batch from `position` on that ends at or after `offset`.
    fn find(&self, position: u64, offset: i64) -> Result<Option<(u64, BatchHeader)>, LogError> {
        // One small read is enough unless a batch before the wanted one is large.
        let near = self.limit.min(position + INTERVAL_BYTES);
        let mut scan = Scan::headers(&self.file, position, self.limit).with_chunk(near - position);
        loop {
            match scan.next() {
                Ok(Some((at, header))) if header.last_offset() >= offset => {
                    return Ok(Some((at, header)));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.error(error)),
            }
        }
    }

    /// One whole batch, checked.
    fn batch(&self, position: u64, header: &BatchHeader) -> Result<Bytes, LogError> {
        let bytes = read_at(&self.file, position, header.size).map_err(|error| self.io_error(error))?;
        verify(header, &bytes).map_err(|reason| self.corrupt(position, reason))?;
        Ok(Bytes::from(bytes))
    }

    fn error(&self, error: ScanError) -> LogError {
        match error {
            ScanError::Io(error) => self.io_error(error),
            ScanError::Bad { position, reason } => self.corrupt(position, reason),
        }
    }

    fn io_error(&self, error: std::io::Error) -> LogError {
        LogError::Io { operation: "read", path: self.path.clone(), source: error }
    }

    fn corrupt(&self, position: u64, reason: String) -> LogError {
        let error = LogError::Corrupt { path: self.path.clone(), position, reason };
        tracing::error!("{error}; the batch is not served");
        error
    }
}
