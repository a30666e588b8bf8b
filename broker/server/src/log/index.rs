//! Sparse indexes of one segment: offset to file position, time stamp to offset.
//!
//! An entry is kept for at most every [`INTERVAL_BYTES`] of log, in memory while the segment is written and in Kafka's
//! file formats (`.index`: 4 + 4 bytes, `.timeindex`: 8 + 4 bytes) once it is closed. Indexes are hints: whoever follows
//! one checks the batch that it finds there, so a damaged index costs time, never a wrong record.

use std::{fs::File, io, os::unix::fs::FileExt};

use super::{
    Marker,
    aborted::{self, Aborted},
    marker::Ended,
};

/// Log bytes between two entries.
pub(crate) const INTERVAL_BYTES: u64 = 4096;
/// Bytes of one entry of an `.index` file.
const OFFSET_ENTRY_BYTES: u64 = 8;
/// Bytes of one entry of a `.timeindex` file.
const TIME_ENTRY_BYTES: u64 = 12;

/// The indexes of the segment that is being written.
#[derive(Debug, Default)]
pub(crate) struct ActiveIndex {
    /// Base offset of a batch relative to the segment, and its position; both ascend.
    offsets: Vec<(u32, u32)>,
    /// Highest time stamp so far, and the base offset of the batch that brought it; both ascend.
    times: Vec<(i64, u32)>,
    /// Highest time stamp of the segment and its batch, entered or not.
    newest: Option<(i64, u32)>,
    next_entry_at: u64,
    /// By the order of their markers.
    aborted: Vec<Aborted>,
}

/// The contents of a segment's index files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexContents {
    /// `.index`.
    pub(crate) offsets: Vec<u8>,
    /// `.timeindex`.
    pub(crate) times: Vec<u8>,
    /// `.txnindex`; there is no file if it is empty.
    pub(crate) aborted: Vec<u8>,
}

impl ActiveIndex {
    /// Takes note of a batch written at `position`.
    pub(crate) fn add(&mut self, relative_offset: u32, position: u32, max_timestamp: i64) {
        if self.newest.is_none_or(|(timestamp, _)| max_timestamp > timestamp) && max_timestamp >= 0 {
            self.newest = Some((max_timestamp, relative_offset));
        }
        if u64::from(position) < self.next_entry_at {
            return;
        }
        self.next_entry_at = u64::from(position) + INTERVAL_BYTES;
        self.offsets.push((relative_offset, position));
        self.enter_newest();
    }

    fn enter_newest(&mut self) {
        if let Some(newest) = self.newest
            && self.times.last().is_none_or(|last| newest.0 > last.0)
        {
            self.times.push(newest);
        }
    }

    /// Takes note of a marker at `offset` in this segment, and of what it ended.
    pub(crate) fn end_transaction(&mut self, marker: &Marker, ended: Option<Ended>, offset: i64) {
        self.aborted.extend(ended.and_then(|ended| ended.aborted(marker, offset)));
    }

    /// The aborted transactions whose markers this segment holds.
    pub(crate) fn aborted(&self) -> &[Aborted] {
        &self.aborted
    }

    /// Highest time stamp of the segment, -1 without any.
    pub(crate) fn max_timestamp(&self) -> i64 {
        self.newest.map_or(-1, |(timestamp, _)| timestamp)
    }

    /// Position of the last entered batch at or before the offset, 0 if there is none.
    pub(crate) fn position(&self, relative_offset: u32) -> u32 {
        let after = self.offsets.partition_point(|(offset, _)| *offset <= relative_offset);
        after.checked_sub(1).map_or(0, |at| self.offsets[at].1)
    }

    /// Position of the first entered batch at or after the offset, if there is one.
    pub(crate) fn position_after(&self, relative_offset: u32) -> Option<u32> {
        let before = self.offsets.partition_point(|(offset, _)| *offset < relative_offset);
        self.offsets.get(before).map(|(_, position)| *position)
    }

    /// Offset from where to look for the first batch with a time stamp of at least `timestamp`.
    pub(crate) fn offset_before(&self, timestamp: i64) -> u32 {
        let after = self.times.partition_point(|(entry, _)| *entry < timestamp);
        after.checked_sub(1).map_or(0, |at| self.times[at].1)
    }

    /// Reads the files' contents back, as far as they speak of offsets before `end`.
    pub(crate) fn decode(contents: &IndexContents, end: i64) -> Self {
        let offsets: Vec<(u32, u32)> = contents.offsets.as_chunks().0.iter().map(split).collect();
        let times: Vec<(i64, u32)> = contents.times.as_chunks().0.iter().map(split_time).collect();
        let next_entry_at = offsets.last().map_or(0, |(_, position)| u64::from(*position) + INTERVAL_BYTES);
        let mut aborted = aborted::decode(&contents.aborted);
        // The files may be newer than the point that they are read for; its markers are then read once more.
        aborted.retain(|entry| entry.last_offset < end);
        Self { newest: times.last().copied(), offsets, times, next_entry_at, aborted }
    }

    /// The files' contents; the last time entry always holds the segment's highest time stamp.
    pub(crate) fn encode(&mut self) -> IndexContents {
        self.enter_newest();
        let mut offsets = Vec::with_capacity(self.offsets.len() * 8);
        for (offset, position) in &self.offsets {
            offsets.extend_from_slice(&offset.to_be_bytes());
            offsets.extend_from_slice(&position.to_be_bytes());
        }
        let mut times = Vec::with_capacity(self.times.len() * 12);
        for (timestamp, offset) in &self.times {
            times.extend_from_slice(&timestamp.to_be_bytes());
            times.extend_from_slice(&offset.to_be_bytes());
        }
        IndexContents { offsets, times, aborted: aborted::encode(&self.aborted) }
    }
}

/// Position of the last batch at or before the offset, from an `.index` file; 0 if it has none.
pub(crate) fn position_in(file: &File, relative_offset: u32) -> io::Result<u32> {
    let entries = file.metadata()?.len() / OFFSET_ENTRY_BYTES;
    let entry = last_where::<8>(file, entries, |entry| split(entry).0 <= relative_offset)?;
    Ok(entry.map_or(0, |entry| split(&entry).1))
}

/// Relative offset from where to look for `timestamp`, from a `.timeindex` file; 0 if it has none before.
pub(crate) fn offset_before_in(file: &File, timestamp: i64) -> io::Result<u32> {
    let entries = file.metadata()?.len() / TIME_ENTRY_BYTES;
    let entry = last_where::<12>(file, entries, |entry| split_time(entry).0 < timestamp)?;
    Ok(entry.map_or(0, |entry| split_time(&entry).1))
}

/// The last entry of a `.timeindex` file: the segment's highest time stamp and its batch's relative offset.
pub(crate) fn newest_in(file: &File) -> io::Result<Option<(i64, u32)>> {
    let entries = file.metadata()?.len() / TIME_ENTRY_BYTES;
    Ok(last_where::<12>(file, entries, |_| true)?.map(|entry| split_time(&entry)))
}

/// Binary search for the last entry that holds; `holds` must be true for a prefix of the entries.
fn last_where<const N: usize>(
    file: &File,
    entries: u64,
    holds: impl Fn(&[u8; N]) -> bool,
) -> io::Result<Option<[u8; N]>> {
    let (mut from, mut to, mut found) = (0, entries, None);
    while from < to {
        let middle = from + (to - from) / 2;
        let mut entry = [0; N];
        file.read_exact_at(&mut entry, middle * N as u64)?;
        if holds(&entry) {
            found = Some(entry);
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    Ok(found)
}

fn split(entry: &[u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *entry;
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

fn split_time(entry: &[u8; 12]) -> (i64, u32) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *entry;
    (i64::from_be_bytes([a, b, c, d, e, f, g, h]), u32::from_be_bytes([i, j, k, l]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_aborted_transactions_are_taken_up_to_the_point_only() {
        let mut index = ActiveIndex::default();
        for offset in [10, 20] {
            let marker = Marker { producer_id: 1, producer_epoch: 0, coordinator_epoch: 0, commit: false };
            let ended = Ended { first_offset: offset - 5, last_stable: offset + 1 };
            index.end_transaction(&marker, Some(ended), offset);
        }
        let contents = index.encode();
        let known = |end| ActiveIndex::decode(&contents, end).aborted().len();
        assert_eq!([known(10), known(11), known(20), known(21)], [0, 1, 1, 2]);
    }
}
