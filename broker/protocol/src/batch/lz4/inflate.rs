//! LZ4 frames as producers write them, inflated block by block: the library's reader makes room for whole blocks of 64 KiB and more for
//! each batch, which costs many times what a small batch takes to inflate.
//!
//! Invariant: what is inflated here is what the library's reader makes of
//! the same bytes; a frame with anything beside independent blocks, or with any fault, is left to that (`None`).

use lz4_flex::block::decompress;

use super::STORED;

const MAGIC: u32 = 0x184D_2204;
/// Version 01.
const VERSION: u8 = 0b0100_0000;
const VERSION_BITS: u8 = 0b1100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const HAS_SIZE: u8 = 0b0000_1000;
/// Checksums of blocks and content, a dictionary, and a bit that is reserved.
const UNUSUAL: u8 = 0b0001_0111;
/// No byte of a block stands for more bytes than this.
const RATIO_MAX: usize = 255;

/// Appends what the frame holds. False when that is more than `limit` bytes; nothing when it is for the library's reader to say.
pub(in super::super) fn inflate(bytes: &[u8], limit: usize, output: &mut Vec<u8>) -> Option<bool> {
    let start = output.len();
    let outcome = inflate_blocks(bytes, limit, output);
    if outcome.is_none() {
        output.truncate(start);
    }
    outcome
}

fn inflate_blocks(bytes: &[u8], limit: usize, output: &mut Vec<u8>) -> Option<bool> {
    let (mut rest, block_max) = take_header(bytes)?;
    loop {
        let word = u32::from_le_bytes(take(&mut rest)?);
        if word == 0 {
            return rest.is_empty().then_some(true);
        }
        let length = usize::try_from(word & !STORED).ok().filter(|length| *length <= block_max)?;
        let (block, behind) = rest.split_at_checked(length)?;
        rest = behind;
        if word & STORED > 0 {
            output.extend_from_slice(block);
        } else {
            let most = block_max.min(length.saturating_mul(RATIO_MAX));
            output.extend_from_slice(&decompress(block, most).ok()?);
        }
        if output.len() > limit {
            return Some(false);
        }
    }
}

/// What follows the header, and how many bytes a block may hold.
fn take_header(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let mut rest = bytes;
    if u32::from_le_bytes(take(&mut rest)?) != MAGIC {
        return None;
    }
    let described = rest;
    let [flags, block] = take(&mut rest)?;
    if flags & VERSION_BITS != VERSION || flags & INDEPENDENT == 0 || flags & UNUSUAL > 0 {
        return None;
    }
    if flags & HAS_SIZE > 0 {
        // Whether it is true only the library's reader checks.
        return None;
    }
    let block_max = match block {
        0x40 => 64 << 10,
        0x50 => 256 << 10,
        0x60 => 1 << 20,
        0x70 => 4 << 20,
        _ => return None,
    };
    let [checksum] = take(&mut rest)?;
    let [_, expected, ..] = xxh32_of_few(described.get(..2)?).to_le_bytes();
    (checksum == expected).then_some((rest, block_max))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*first)
}

/// XXH32 with seed 0 of fewer than four bytes.
fn xxh32_of_few(bytes: &[u8]) -> u32 {
    const PRIMES: [u32; 5] = [0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D, 0x27D4_EB2F, 0x1656_67B1];
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = PRIMES[4].wrapping_add(length);
    for byte in bytes {
        hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(PRIMES[4]));
        hash = hash.rotate_left(11).wrapping_mul(PRIMES[0]);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(PRIMES[1]);
    hash = (hash ^ (hash >> 13)).wrapping_mul(PRIMES[2]);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

    use super::*;

    fn frame(info: FrameInfo, bytes: &[u8]) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn usual() -> FrameInfo {
        FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB)
    }

    fn inflated(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut output = b"before".to_vec();
        match inflate(bytes, 1 << 30, &mut output) {
            None => assert_eq!(output, b"before", "nothing of a frame that is refused stays"),
            Some(complete) => assert!(complete),
        }
        output.strip_prefix(b"before").map(<[u8]>::to_vec).filter(|inflated| !inflated.is_empty())
    }

    /// Words, which compress, and noise, which does not.
    fn samples() -> Vec<Vec<u8>> {
        let noise = |count: u32| (0..count).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        vec![
            b"x".to_vec(),
            b"a line, ".repeat(100),
            b"a line, ".repeat(100_000),
            noise(1_000),
            noise(300_000),
        ]
    }

    #[test]
    fn what_producers_write_is_inflated_here_and_what_is_unusual_is_not() {
        for sample in samples() {
            for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
                assert_eq!(inflated(&frame(usual().block_size(size), &sample)), Some(sample.clone()));
            }
            let unusual = [
                usual().block_mode(BlockMode::Linked),
                usual().content_checksum(true),
                usual().block_checksums(true),
                usual().content_size(Some(sample.len() as u64)),
            ];
            unusual.into_iter().for_each(|info| assert_eq!(inflated(&frame(info, &sample)), None));
            let two = [frame(usual(), &sample), frame(usual(), &sample)].concat();
            assert_eq!(inflated(&two), None);
        }
    }

    #[test]
    fn what_is_damaged_is_no_other_than_the_library_says() {
        let good = frame(usual(), &b"a line, and another line, ".repeat(20));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                if let Some(found) = inflated(&bad) {
                    let mut expected = Vec::new();
                    FrameDecoder::new(bad.as_slice()).read_to_end(&mut expected).unwrap();
                    assert_eq!(found, expected, "bit {bit} of byte {at}");
                }
            }
            assert_eq!(inflated(&good[..at]), None, "cut off at {at}");
        }
    }

    #[test]
    fn more_than_the_limit_is_told() {
        let bytes = frame(usual(), &[0; 500_000]);
        assert_eq!(inflate(&bytes, 499_999, &mut Vec::new()), Some(false));
        assert_eq!(inflate(&bytes, 500_000, &mut Vec::new()), Some(true));
    }
}
