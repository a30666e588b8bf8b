//! LZ4 frames as Kafka's clients write them: independent blocks of at most 64 KiB, no checksums (the batch has one).
//!
//! The producer's hot path: each block is compressed from where it lies, without a copy. Invariant: what is written is a frame of the LZ4
//! Frame Format 1.6.4, which any decoder of it reads.

use std::io;

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use super::STORED;

/// The magic number; version 1 with independent blocks; blocks of at most 64 KiB, Kafka's own default; the checksum of these two
/// bytes (the second byte of their XXH32).
const HEAD: [u8; 7] = [0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82];
const END: [u8; 4] = [0; 4];
const BLOCK_BYTES: usize = 64 << 10;

/// Appends a frame of `bytes` to `output`.
pub(in super::super) fn deflate(bytes: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    output.extend_from_slice(&HEAD);
    let mut table = CompressTable::large();
    let mut room = vec![0; get_maximum_output_size(bytes.len().min(BLOCK_BYTES))];
    for block in bytes.chunks(BLOCK_BYTES) {
        let length = compress_into_with_table(block, &mut room, &mut table).map_err(io::Error::other)?;
        let (mark, block) = if length < block.len() { (0, &room[..length]) } else { (STORED, block) };
        let length = u32::try_from(block.len()).map_err(io::Error::other)?;
        output.extend_from_slice(&(length | mark).to_le_bytes());
        output.extend_from_slice(block);
    }
    output.extend_from_slice(&END);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

    use super::*;

    fn framed(bytes: &[u8]) -> Vec<u8> {
        let mut output = b"before".to_vec();
        deflate(bytes, &mut output).unwrap();
        output.split_off(6)
    }

    #[test]
    fn the_head_is_what_the_format_says() {
        let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        io::Write::write_all(&mut encoder, b"x").unwrap();
        assert!(encoder.finish().unwrap().starts_with(&HEAD));
    }

    #[test]
    fn frames_of_any_size_inflate_to_what_they_were() {
        let mut chance = 1_u32;
        let mut noise = || {
            chance = chance.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
            chance.to_be_bytes()[0]
        };
        for size in [0, 1, 12, 13, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 100] {
            let dull: Vec<u8> = (0..=255).cycle().take(size).collect();
            let wild: Vec<u8> = (0..size).map(|_| noise()).collect();
            for bytes in [dull, wild] {
                let mut inflated = Vec::new();
                FrameDecoder::new(&framed(&bytes)[..]).read_to_end(&mut inflated).unwrap();
                assert!(inflated == bytes, "{size} bytes");
            }
        }
        assert!(framed(&vec![b'a'; 10 * BLOCK_BYTES]).len() < BLOCK_BYTES / 16);
    }
}
