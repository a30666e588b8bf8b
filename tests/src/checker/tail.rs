//! The end of a partition's last segment: which bytes nobody was promised, and how they are damaged.
//!
//! A power failure may take back what was written and not synced. The broker syncs before it acknowledges, before it shows records to
//! consumers, and before a transaction's end is final; so what lies behind the last acknowledged or read record and
//! behind the last marker may be damaged in any way, and nothing before it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use broker_protocol::batch::BatchHeader;

use super::plan::Numbers;

/// The segment that is written, if the partition has one.
pub(super) fn last_segment(partition: &Path) -> Result<Option<PathBuf>> {
    let Ok(entries) = fs::read_dir(partition) else { return Ok(None) };
    let mut segments = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            segments.push(path);
        }
    }
    Ok(segments.into_iter().max())
}

/// Where in the segment the bytes begin that nobody was promised. `promised` is the last offset that a client was told.
pub(super) fn unpromised(segment: &[u8], promised: i64) -> usize {
    let (mut at, mut end) = (0, 0);
    while let Some(rest) = segment.get(at..)
        && let Ok(header) = BatchHeader::read(rest)
        && header.size <= rest.len()
    {
        at += header.size;
        if header.base_offset <= promised || header.is_control() {
            end = at;
        }
    }
    end
}

/// Cuts the file off somewhere behind `from`.
pub(super) fn tear(segment: &Path, from: usize, numbers: &mut Numbers) -> Result<()> {
    let file = fs::File::options().write(true).open(segment)?;
    let size = file.metadata()?.len();
    let left = size.saturating_sub(from as u64);
    file.set_len(from as u64 + numbers.below(left + 1)).context("tearing")
}

/// Flips bits behind `from`; where there are no bytes, half a batch and noise are put there.
pub(super) fn flip(segment: &Path, from: usize, numbers: &mut Numbers) -> Result<()> {
    let mut bytes = fs::read(segment)?;
    if bytes.len() == from {
        // The beginning of the first batch, as a write that was cut off leaves it, and then noise.
        bytes.extend_from_within(..from.min(70));
        bytes.extend((0..numbers.below(300)).map(|_| numbers.next().to_le_bytes()[0]));
    }
    for _ in 0..=numbers.below(8) {
        let behind = u64::try_from(bytes.len() - from)?;
        if behind > 0 {
            bytes[from + usize::try_from(numbers.below(behind))?] ^= 1 << numbers.below(8);
        }
    }
    fs::write(segment, bytes).context("flipping")
}

#[cfg(test)]
mod tests {
    use broker_protocol::batch::{BatchBuilder, BatchFields};

    use super::*;

    fn batch(offset: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new(1024);
        builder.append(1, None, Some(b"value"), &[]).unwrap();
        let (mut bytes, _) = builder.finish(&BatchFields::default()).unwrap();
        bytes[..8].copy_from_slice(&offset.to_be_bytes());
        bytes.to_vec()
    }

    #[test]
    fn what_was_promised_is_not_touched() {
        let segment: Vec<u8> = (0..4).flat_map(batch).collect();
        let size = batch(0).len();
        assert_eq!(unpromised(&segment, 1), 2 * size);
        assert_eq!(unpromised(&segment, 9), 4 * size);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.log");
        for seed in 0..100 {
            let mut numbers = Numbers::new(seed);
            for damage in [tear, flip] {
                fs::write(&path, &segment).unwrap();
                damage(&path, 2 * size, &mut numbers).unwrap();
                assert_eq!(fs::read(&path).unwrap()[..2 * size], segment[..2 * size]);
            }
        }
    }
}
