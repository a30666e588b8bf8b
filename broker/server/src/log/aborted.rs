//! The index of aborted transactions: what a reader of committed records must leave out.
//!
//! One entry per abort marker, kept with the segment that holds the marker: in memory while the segment is written, in Kafka's format
//! (`.txnindex`: version, producer id, first offset, offset of the marker, last stable offset after it) once it is closed. Since an entry is made from its
//! marker alone, the index can be built again from the segment, and an entry goes exactly when compaction drops the marker.

use super::{LogError, PartitionLog};

const ENTRY_BYTES: usize = 34;

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
            if !collect(segment.aborted()?, from, to, &mut found) {
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
    fn the_file_is_kafkas() {
        let entries = [entry(1, 2, 3, 4), entry(i64::MAX, 0, 9, 10)];
        let bytes = encode(&entries);
        assert_eq!(bytes.len(), 68);
        assert_eq!(bytes[..10], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(decode(&bytes), entries);
    }
}
