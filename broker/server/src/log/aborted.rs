//! The index of aborted transactions: what a reader of committed records must leave out.
//!
//! One entry per abort marker, kept with the segment that holds the marker: in memory while the segment is written, on disk in Kafka's format
//! (`.txnindex`: version, producer id, first offset, offset of the marker, last stable offset after it) once it is closed. Since an entry is made from its
//! marker alone, the index can be built again from the segment, and an entry goes exactly when compaction drops the marker.

use std::{fs::File, io, os::unix::fs::FileExt};

use super::{LogError, PartitionLog};

const ENTRY_BYTES: usize = 34;
/// Entries read at once.
const CHUNK_ENTRIES: usize = 128;

/// An aborted transaction, as Fetch tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose records are to be left out,
    pub producer_id: i64,
    /// from this offset to the producer's next abort marker.
    pub first_offset: i64,
}

/// An entry of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// Where the marker stands.
    pub(crate) last_offset: i64,
    /// Transactions whose markers come later began at or after this offset.
    pub(crate) last_stable: i64,
}

/// The contents of a `.txnindex` file.
pub(crate) fn encode(entries: &[Aborted]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for entry in entries {
        bytes.extend_from_slice(&[0, 0]);
        for field in [entry.producer_id, entry.first_offset, entry.last_offset, entry.last_stable] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
    }
    bytes
}

/// Reads a `.txnindex` file back.
pub(crate) fn decode(bytes: &[u8]) -> Vec<Aborted> {
    bytes.as_chunks::<ENTRY_BYTES>().0.iter().map(decode_entry).collect()
}

fn decode_entry(entry: &[u8; ENTRY_BYTES]) -> Aborted {
    let field = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&entry[at..at + 8]);
        i64::from_be_bytes(bytes)
    };
    Aborted { producer_id: field(2), first_offset: field(10), last_offset: field(18), last_stable: field(26) }
}

/// Collects the entries that overlap offsets `from` to `to`, not including `to`; says whether later segments can have more.
fn collect(entries: &[Aborted], from: i64, to: i64, found: &mut Vec<Aborted>) -> bool {
    // Entries are in the order of their markers.
    let first = entries.partition_point(|entry| entry.last_offset < from);
    for entry in &entries[first..] {
        if entry.first_offset < to {
            found.push(*entry);
        }
        if entry.last_stable >= to {
            return false;
        }
    }
    true
}

/// Collects like [`collect`] from a `.txnindex` file, of which it reads no more than it must.
pub(crate) fn collect_in(file: &File, from: i64, to: i64, found: &mut Vec<Aborted>) -> io::Result<bool> {
    let entries = file.metadata()?.len() / ENTRY_BYTES as u64;
    let (mut low, mut high) = (0, entries);
    while low < high {
        let (middle, mut entry) = (low + (high - low) / 2, [0; ENTRY_BYTES]);
        file.read_exact_at(&mut entry, middle * ENTRY_BYTES as u64)?;
        if decode_entry(&entry).last_offset < from { low = middle + 1 } else { high = middle }
    }
    let mut chunk = [0; CHUNK_ENTRIES * ENTRY_BYTES];
    while low < entries {
        let count = usize::try_from(entries - low).unwrap_or(usize::MAX).min(CHUNK_ENTRIES);
        let bytes = &mut chunk[..count * ENTRY_BYTES];
        file.read_exact_at(bytes, low * ENTRY_BYTES as u64)?;
        if !collect(&decode(bytes), from, to, found) {
            return Ok(false);
        }
        low += count as u64;
    }
    Ok(true)
}

impl PartitionLog {
    /// The aborted transactions that have records from offset `from` on and before `to`, which must not be beyond the last stable
    /// offset; by the order of their ends. Blocks on the disk.
    ///
    /// # Errors
    /// A segment whose index can neither be read nor built again.
    pub fn aborted_transactions(&self, from: i64, to: i64) -> Result<Vec<AbortedTransaction>, LogError> {
        let view =
            |Aborted { producer_id, first_offset, .. }| AbortedTransaction { producer_id, first_offset };
        Ok(self.aborted_entries(from, to)?.into_iter().map(view).collect())
    }

    /// The entries behind [`PartitionLog::aborted_transactions`].
    pub(super) fn aborted_entries(&self, from: i64, to: i64) -> Result<Vec<Aborted>, LogError> {
        let mut found = Vec::new();
        if from >= to {
            return Ok(found);
        }
        let (segments, active) = {
            let (inner, mut active) = (self.inner.lock(), Vec::new());
            let at = inner.closed.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
            collect(inner.active.index.aborted(), from, to, &mut active);
            (inner.closed[at..].to_vec(), active)
        };
        for segment in segments {
            if !segment.collect_aborted(from, to, &mut found)? {
                return Ok(found);
            }
        }
        found.extend(active);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(producer_id: i64, first_offset: i64, last_offset: i64, last_stable: i64) -> Aborted {
        Aborted { producer_id, first_offset, last_offset, last_stable }
    }

    #[test]
    fn what_overlaps_is_found_and_the_search_ends_where_all_is_decided() {
        let entries = [entry(1, 0, 9, 4), entry(2, 4, 12, 13), entry(3, 20, 25, 26)];
        let find = |from, to| {
            let mut found = Vec::new();
            let more = collect(&entries, from, to, &mut found);
            (found.iter().map(|found| found.producer_id).collect::<Vec<_>>(), more)
        };
        assert_eq!(find(0, 4), (vec![1], false));
        assert_eq!(find(0, 5), (vec![1, 2], false));
        assert_eq!(find(9, 10), (vec![1, 2], false));
        assert_eq!(find(10, 14), (vec![2], false));
        assert_eq!(find(13, 20), (vec![], false));
        assert_eq!(find(13, 30), (vec![3], true));
        assert_eq!(find(26, 30), (vec![], true));
    }

    #[test]
    fn a_file_is_searched_as_memory_is() {
        let entries: Vec<Aborted> =
            (0..1_000).map(|at| entry(at, at * 10, at * 10 + 15, at * 10 + 10)).collect();
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &encode(&entries)).unwrap();
        for (from, to) in [(0, 1), (14, 40), (15, 5_000), (3_333, 3_334), (9_990, 20_000), (10_006, 20_000)] {
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            let more = collect(&entries, from, to, &mut expected);
            assert_eq!(collect_in(&file, from, to, &mut found).unwrap(), more, "{from} to {to}");
            assert_eq!(found, expected, "{from} to {to}");
        }
    }

    #[test]
    fn the_file_is_kafkas() {
        let entries = [entry(1, 2, 3, 4), entry(i64::MAX, 0, 9, 10)];
        let bytes = encode(&entries);
        assert_eq!(bytes.len(), 68);
        assert_eq!(bytes[..10], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(decode(&bytes), entries);
    }
}
