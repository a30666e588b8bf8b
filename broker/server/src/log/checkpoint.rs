//! How far the last segment need not be read again after a crash: its recovery point.
//!
//! A point says: up to this position everything is on disk and was whole when it was written, the indexes on disk cover it, and the
//! producers up to there are in the snapshot of that offset. All of these are written before the point is. It is taken now and
//! then while the log grows and once at a clean stop, so a start reads little after a crash and nothing after a stop.

use std::path::Path;

use super::{
    LogError, PartitionLog,
    disk::replace_file,
    index::ActiveIndex,
    open::read_if_there,
    partition::Inner,
    producers::ProducerTable,
    segment::{file_path, read_indexes, remove_file, write_indexes},
    snapshot,
};

const FILE: &str = "recovery-point";
/// Bytes appended between two points: what a start has to read after a crash, per partition.
const INTERVAL_BYTES: u64 = if cfg!(test) { 2_000 } else { 64 * 1024 * 1024 };

/// A point in the segment that begins at `base_offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecoveryPoint {
    pub(super) base_offset: i64,
    /// Next offset at the point.
    pub(super) offset: i64,
    /// Bytes of the segment before the point.
    pub(super) position: u64,
}

/// What is known at a point.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) point: RecoveryPoint,
    pub(super) index: ActiveIndex,
    pub(super) producers: ProducerTable,
}

/// The point for the segment, if there is one and all that it promises is there.
pub(super) fn load(folder: &Path, base_offset: i64, size: u64) -> Result<Option<Recovered>, LogError> {
    let Some(bytes) = read_if_there(&folder.join(FILE))? else { return Ok(None) };
    let Some(point) = decode(&bytes) else {
        tracing::warn!(folder = %folder.display(), "the recovery point is damaged; reading the whole segment instead");
        return Ok(None);
    };
    if point.base_offset != base_offset || point.position > size {
        return Ok(None);
    }
    let snapshot = read_if_there(&file_path(folder, point.offset, "snapshot"))?;
    let producers = snapshot.as_deref().and_then(snapshot::decode);
    let indexes = read_indexes(folder, base_offset)?;
    Ok(producers.zip(indexes).map(|(producers, contents)| {
        let index = ActiveIndex::decode(&contents, point.offset);
        Recovered { point, index, producers }
    }))
}

fn encode(point: RecoveryPoint) -> String {
    let line = format!("{} {} {}", point.base_offset, point.offset, point.position);
    format!("{line} {:08x}\n", crc32c::crc32c(line.as_bytes()))
}

fn decode(bytes: &[u8]) -> Option<RecoveryPoint> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut fields = text.split_whitespace();
    let (base_offset, offset) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let point = RecoveryPoint { base_offset, offset, position: fields.next()?.parse().ok()? };
    (encode(point) == text).then_some(point)
}

impl PartitionLog {
    /// Takes a point if the log has grown enough since the last one; all of the active segment must be on disk.
    pub(super) fn take_point_if_due(&self, inner: &mut Inner) -> Result<(), LogError> {
        let last = inner.point.filter(|point| point.base_offset == inner.active.base_offset);
        let grown = inner.active.size - last.map_or(0, |point| point.position);
        let all_on_disk = inner.synced_offset == inner.end_offset;
        if grown >= INTERVAL_BYTES && all_on_disk { self.take_point(inner) } else { Ok(()) }
    }

    /// Writes down that the active segment need not be read again up to its end.
    pub(super) fn take_point(&self, inner: &mut Inner) -> Result<(), LogError> {
        let active = &mut inner.active;
        write_indexes(&self.folder, active.base_offset, &mut active.index)?;
        let path = file_path(&self.folder, inner.end_offset, "snapshot");
        snapshot::write(&path, &inner.producers).map_err(|error| LogError::io("write", path, error))?;
        let point = RecoveryPoint {
            base_offset: active.base_offset,
            offset: inner.end_offset,
            position: active.size,
        };
        let path = self.folder.join(FILE);
        replace_file(&path, encode(point).as_bytes()).map_err(|error| LogError::io("write", path, error))?;
        self.forget_point(inner)?;
        inner.point = Some(point);
        Ok(())
    }

    /// Removes the snapshot of the last point, which nothing needs any more.
    pub(super) fn forget_point(&self, inner: &mut Inner) -> Result<(), LogError> {
        let Some(point) = inner.point.take() else { return Ok(()) };
        let needed = point.offset == point.base_offset || point.offset == inner.end_offset;
        if needed { Ok(()) } else { remove_file(&file_path(&self.folder, point.offset, "snapshot")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_point_is_not_believed() {
        let point = RecoveryPoint { base_offset: 5, offset: 17, position: 4711 };
        let text = encode(point);
        assert_eq!(decode(text.as_bytes()), Some(point));
        for bit in 0..text.len() * 8 {
            let mut damaged = text.clone().into_bytes();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), None, "bit {bit}");
        }
    }
}
