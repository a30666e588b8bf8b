//! Log compaction: rounds over the closed segments of a log, beside its traffic.
//!
//! A round notes the newest offset of each key in what was appended since the last one, then rewrites the closed segments without the
//! records that are outdated, merging small ones. The segment being written is never touched; it is closed early once it is large. How far rounds went, and
//! when, is kept in `cleaner-checkpoint`: a tombstone may go once a round has seen it `delete.retention.ms` ago, so
//! that a reader has that long to learn of the deletion. A round ends before the first transaction that is not decided; see `outcome`
//! for what it does with those that are.

use std::{
    fs::File,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use broker_protocol::batch::{Batch, BatchError};
use bytes::Bytes;

use super::{
    LogError, PartitionLog,
    cleaner::{Cleaned, KEYS_MAX, NewestOffsets, clean},
    disk::replace_file,
    open::read_if_there,
    outcome::{AbortedData, Outcomes},
    scan::{Scan, ScanError},
    segment::{Segment, file_path},
    swap::{cleaned_path, swap},
};

pub(super) use super::swap::finish_swaps;

const CHECKPOINT_FILE: &str = "cleaner-checkpoint";
/// Rewritten batches are written in pieces of this size.
const WRITE_BYTES: usize = 1024 * 1024;

/// The segment being written is closed for a round once it is this large, however large it may become: internal topics are
/// read from their start, which must not take long because a segment of a gigabyte never fills.
const ACTIVE_BYTES_MAX: u64 = if cfg!(test) { 10_000 } else { 64 * 1024 * 1024 };

/// A round that was: records before `offset` had been seen at `at_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Round {
    offset: i64,
    at_ms: i64,
}

/// How far compaction has been, from the partition folder.
pub(super) fn read_checkpoint(folder: &Path) -> Result<i64, LogError> {
    Ok(read_rounds(folder)?.last().map_or(0, |round| round.offset))
}

fn read_rounds(folder: &Path) -> Result<Vec<Round>, LogError> {
    let path = folder.join(CHECKPOINT_FILE);
    let Some(bytes) = read_if_there(&path)? else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(&bytes);
    let round = |line: &str| {
        let (offset, at_ms) = line.split_once(' ')?;
        Some(Round { offset: offset.parse().ok()?, at_ms: at_ms.parse().ok()? })
    };
    let rounds: Option<Vec<Round>> = text.lines().map(round).collect();
    Ok(rounds.unwrap_or_else(|| {
        // All that is lost is what need not be looked at again.
        tracing::warn!(file = %path.display(), "cannot be read; the log is compacted from its start");
        Vec::new()
    }))
}

/// Tombstones before this offset were seen by a round long enough ago.
fn tombstones_until(rounds: &[Round], delete_retention_ms: i64, now_ms: i64) -> i64 {
    let old = |round: &&Round| now_ms.saturating_sub(round.at_ms) >= delete_retention_ms;
    rounds.iter().filter(old).map(|round| round.offset).max().unwrap_or(0)
}

/// Whether tombstones may go now that the last round had to keep.
fn tombstones_are_due(rounds: &[Round], delete_retention_ms: i64, now_ms: i64) -> bool {
    let Some((last, before)) = rounds.split_last() else { return false };
    let gone = tombstones_until(before, delete_retention_ms, last.at_ms);
    tombstones_until(rounds, delete_retention_ms, now_ms) > gone
}

/// Adds a round, and drops those that say nothing any more: of the old ones only the furthest counts.
fn with_round(rounds: &[Round], round: Round, delete_retention_ms: i64) -> Vec<Round> {
    let until = tombstones_until(rounds, delete_retention_ms, round.at_ms);
    let mut rounds: Vec<Round> = rounds.iter().copied().filter(|old| old.offset >= until).collect();
    rounds.push(round);
    rounds
}

impl PartitionLog {
    /// Compacts the log if enough of it is new; says whether it did. Blocks on the disk.
    pub fn compact(&self, now_ms: i64) -> Result<bool, LogError> {
        let config = self.config();
        if !config.cleanup_policy.compact {
            return Ok(false);
        }
        let _cleaning = self.cleaning.lock();
        self.check_alive()?;
        {
            let mut inner = self.inner.lock();
            let begun = inner.active.begun_ms;
            let late = begun.is_some_and(|begun| is_before(begun, config.compaction_lag_max_ms, now_ms));
            if inner.active.size >= ACTIVE_BYTES_MAX || late {
                self.roll(&mut inner)?;
            }
        }
        let mut segments = self.decided_segments();
        segments.truncate(old_enough(&segments, config.compaction_lag_min_ms, now_ms)?);
        let Some(first) = segments.first() else { return Ok(false) };
        let rounds = read_rounds(&self.folder)?;
        let cleaned_to = rounds.last().map_or(0, |round| round.offset);
        let until = tombstones_until(&rounds, config.delete_retention_ms, now_ms);
        let due = tombstones_are_due(&rounds, config.delete_retention_ms, now_ms);
        let late = is_late(&segments, cleaned_to, config.compaction_lag_max_ms, now_ms)?;
        if !is_dirty(&segments, cleaned_to, config.min_cleanable_dirty_ratio) && !due && !late {
            return Ok(false);
        }
        let aborted = AbortedData::new(self.aborted_entries(first.base_offset, i64::MAX)?);
        let newest = self.newest_offsets(&segments, cleaned_to, aborted.clone())?;
        let mut outcomes = Outcomes::new(aborted, until);
        for group in group_segments(&segments, newest.end.max(cleaned_to), config.segment_bytes) {
            self.check_alive()?;
            self.rewrite(group, &newest, until, &mut outcomes)?;
        }
        let round = Round { offset: newest.end.max(cleaned_to), at_ms: now_ms };
        self.write_rounds(&with_round(&rounds, round, config.delete_retention_ms))?;
        self.inner.lock().cleaned_to = round.offset;
        tracing::debug!(partition = self.name, offset = round.offset, "compacted");
        Ok(true)
    }

    /// The closed segments before the first transaction that is not decided.
    fn decided_segments(&self) -> Vec<Arc<Segment>> {
        let inner = self.inner.lock();
        let last_stable = inner.flushed().last_stable;
        let ends = inner.closed.iter().skip(1).map(|next| next.base_offset).chain([inner.active.base_offset]);
        let decided = ends.take_while(|end| *end <= last_stable).count().min(inner.closed.len());
        inner.closed[..decided].to_vec()
    }

    fn write_rounds(&self, rounds: &[Round]) -> Result<(), LogError> {
        let line = |round: &Round| format!("{} {}\n", round.offset, round.at_ms);
        let text: String = rounds.iter().map(line).collect();
        let path = self.folder.join(CHECKPOINT_FILE);
        replace_file(&path, text.as_bytes()).map_err(|error| LogError::io("write", path, error))
    }

    /// Notes the keys of what is new.
    fn newest_offsets(
        &self,
        segments: &[Arc<Segment>],
        cleaned_to: i64,
        mut aborted: AbortedData,
    ) -> Result<NewestOffsets, LogError> {
        let mut newest = NewestOffsets::since(cleaned_to);
        for (at, segment) in segments.iter().enumerate() {
            if segments.get(at + 1).is_some_and(|next| next.base_offset <= cleaned_to) {
                continue;
            }
            let mut full = false;
            each_batch(segment, |batch| {
                if !full && batch.header().last_offset() >= cleaned_to {
                    if aborted.holds(batch.header()) {
                        newest.skip(batch);
                    } else {
                        full = !newest.add(batch, KEYS_MAX)?;
                    }
                }
                Ok(())
            })?;
            if full {
                break;
            }
        }
        Ok(newest)
    }

    /// Writes the compacted form of a group of segments and puts it in their place.
    fn rewrite(
        &self,
        group: &[Arc<Segment>],
        newest: &NewestOffsets,
        tombstones_until: i64,
        outcomes: &mut Outcomes,
    ) -> Result<(), LogError> {
        let Some(first) = group.first() else { return Ok(()) };
        let path = cleaned_path(&self.folder, first.base_offset);
        let file = File::create(&path).map_err(|error| LogError::io("create", &path, error))?;
        let (mut size, mut pending, mut changed) = (0_u64, Vec::new(), group.len() > 1);
        for segment in group {
            // Readers that hold the old segment go on with files that are open.
            segment.position(segment.base_offset)?;
            let mut write_error = None;
            each_batch(segment, |batch| {
                let cleaned = if outcomes.drops(batch.header()) {
                    Cleaned::Removed
                } else {
                    clean(batch, newest, tombstones_until)?
                };
                match cleaned {
                    Cleaned::Unchanged => pending.extend_from_slice(batch.bytes()),
                    Cleaned::Rebuilt(bytes) => {
                        changed = true;
                        pending.extend_from_slice(&bytes);
                    }
                    Cleaned::Removed => changed = true,
                }
                if pending.len() >= WRITE_BYTES && write_error.is_none() {
                    write_error = self.write_piece(&file, &path, &mut pending, &mut size).err();
                }
                Ok(())
            })?;
            write_error.map_or(Ok(()), Err)?;
        }
        if !changed {
            return super::segment::remove_file(&path);
        }
        self.write_piece(&file, &path, &mut pending, &mut size)?;
        self.directory.sync(&file, &path)?;
        let sources: Vec<i64> = group.iter().map(|segment| segment.base_offset).collect();
        swap(&self.folder, &sources)?;
        let new = Arc::new(Segment::new(&self.folder, first.base_offset, size));
        new.build_indexes()?;
        let mut inner = self.inner.lock();
        let at = inner.closed.partition_point(|segment| segment.base_offset < first.base_offset);
        inner.closed.splice(at..at + group.len(), [new]);
        Ok(())
    }

    fn write_piece(
        &self,
        file: &File,
        path: &Path,
        pending: &mut Vec<u8>,
        size: &mut u64,
    ) -> Result<(), LogError> {
        self.directory.write_at(file, path, &[pending], *size)?;
        *size += pending.len() as u64;
        pending.clear();
        if self.deleted.load(Ordering::Acquire) {
            return Err(LogError::Deleted { path: self.folder.clone() });
        }
        Ok(())
    }
}

/// Whether a time lies at least so long before now.
fn is_before(at_ms: i64, lag_ms: i64, now_ms: i64) -> bool {
    lag_ms < i64::MAX && now_ms.saturating_sub(at_ms) >= lag_ms
}

/// How many of the oldest segments have no record younger than `min.compaction.lag.ms`.
fn old_enough(segments: &[Arc<Segment>], lag_ms: i64, now_ms: i64) -> Result<usize, LogError> {
    if lag_ms == 0 {
        return Ok(segments.len());
    }
    for (at, segment) in segments.iter().enumerate() {
        if !is_before(segment.max_timestamp()?, lag_ms, now_ms) {
            return Ok(at);
        }
    }
    Ok(segments.len())
}

/// Whether the first record that no round has seen is older than `max.compaction.lag.ms`.
fn is_late(segments: &[Arc<Segment>], cleaned_to: i64, lag_ms: i64, now_ms: i64) -> Result<bool, LogError> {
    let Some(first) = segments.iter().find(|segment| segment.base_offset >= cleaned_to) else {
        return Ok(false);
    };
    if lag_ms == i64::MAX {
        return Ok(false);
    }
    let at_ms = first_timestamp(first)?;
    Ok(at_ms.is_some_and(|at_ms| is_before(at_ms, lag_ms, now_ms)))
}

/// Whether enough of the closed segments is new.
fn is_dirty(segments: &[Arc<Segment>], cleaned_to: i64, ratio_min: f64) -> bool {
    let total: u64 = segments.iter().map(|segment| segment.size).sum();
    let is_new = |segment: &&Arc<Segment>| segment.base_offset >= cleaned_to;
    let new: u64 = segments.iter().filter(is_new).map(|segment| segment.size).sum();
    #[allow(clippy::cast_precision_loss, reason = "a ratio of sizes needs no last digits")]
    let ratio = new as f64 / total.max(1) as f64;
    new > 0 && ratio >= ratio_min
}

/// Neighbours that may become one segment: together not larger than a segment may be, and offsets that fit an index.
fn group_segments(segments: &[Arc<Segment>], end: i64, segment_bytes: u64) -> Vec<&[Arc<Segment>]> {
    let (mut groups, mut from, mut bytes) = (Vec::new(), 0, 0);
    let within = segments.iter().take_while(|segment| segment.base_offset < end).count();
    for (at, segment) in segments[..within].iter().enumerate() {
        let next = segments.get(at + 1).map_or(end, |next| next.base_offset);
        let far = i32::try_from(next - segments[from].base_offset).is_err();
        if at > from && (bytes + segment.size > segment_bytes || far) {
            groups.push(&segments[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += segment.size;
    }
    if from < within {
        groups.push(&segments[from..within]);
    }
    groups
}

/// The newest time stamp of a closed segment's first batch.
fn first_timestamp(segment: &Segment) -> Result<Option<i64>, LogError> {
    let file = segment.file()?;
    match Scan::headers(&file, 0, segment.size).next() {
        Ok(first) => Ok(first.map(|(_, header)| header.max_timestamp)),
        Err(ScanError::Io(source)) => Err(LogError::Io { operation: "read", path: segment.path(), source }),
        Err(ScanError::Bad { position, reason }) => {
            Err(LogError::Corrupt { path: segment.path(), position, reason })
        }
    }
}

/// Hands every batch of a closed segment to `visit`, checked.
fn each_batch(
    segment: &Segment,
    mut visit: impl FnMut(&Batch) -> Result<(), BatchError>,
) -> Result<(), LogError> {
    let file = segment.file()?;
    let mut scan = Scan::headers(&file, 0, segment.size);
    let path = || file_path(segment.folder(), segment.base_offset, "log");
    let failed = |error| match error {
        ScanError::Io(source) => LogError::Io { operation: "read", path: path(), source },
        ScanError::Bad { position, reason } => LogError::Corrupt { path: path(), position, reason },
    };
    while let Some((position, header)) = scan.next().map_err(failed)? {
        let bytes = scan.batch(position, &header).map_err(failed)?;
        let corrupt =
            |error: BatchError| LogError::Corrupt { path: path(), position, reason: error.to_string() };
        let batch = Batch::take(&mut Bytes::copy_from_slice(bytes)).map_err(corrupt)?;
        visit(&batch).map_err(corrupt)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
