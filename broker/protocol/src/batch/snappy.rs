//! Snappy as Kafka uses it: raw blocks in the framing of the Java library xerial, or one raw block (some clients).
//!
//! Xerial: 8 bytes of magic, version and minimum version as INT32, then blocks, each with its length as INT32.
//! Invariant: a block's announced inflated length is checked against what is still allowed before room is made.

use std::io;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_BYTES: usize = 16;
/// What xerial cuts its input into.
const BLOCK_BYTES: usize = 32 * 1024;
/// The smallest snappy element copies 64 bytes out of 3: data that announces more than this ratio lies.
const RATIO_MAX: usize = 64;

pub(crate) fn deflate(bytes: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    output.extend_from_slice(&MAGIC);
    output.extend_from_slice(&1_i32.to_be_bytes());
    output.extend_from_slice(&1_i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(BLOCK_BYTES) {
        let start = output.len();
        output.resize(start + 4 + snap::raw::max_compress_len(block.len()), 0);
        let length = encoder.compress(block, &mut output[start + 4..])?;
        let prefix = i32::try_from(length).map_err(io::Error::other)?;
        output[start..start + 4].copy_from_slice(&prefix.to_be_bytes());
        output.truncate(start + 4 + length);
    }
    Ok(())
}

/// Appends the inflated data; false if it would exceed `limit`.
pub(crate) fn inflate(bytes: &[u8], limit: usize, output: &mut Vec<u8>) -> io::Result<bool> {
    if !bytes.starts_with(&MAGIC) {
        return inflate_block(bytes, limit, output);
    }
    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the snappy stream ends within a block");
    let mut rest = bytes.get(HEADER_BYTES..).ok_or_else(cut)?;
    while !rest.is_empty() {
        let (prefix, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = usize::try_from(i32::from_be_bytes(*prefix)).map_err(io::Error::other)?;
        let (block, after) = after.split_at_checked(length).ok_or_else(cut)?;
        if !inflate_block(block, limit, output)? {
            return Ok(false);
        }
        rest = after;
    }
    Ok(true)
}

fn inflate_block(block: &[u8], limit: usize, output: &mut Vec<u8>) -> io::Result<bool> {
    let announced = snap::raw::decompress_len(block)?;
    if announced > limit.saturating_sub(output.len()) {
        return Ok(false);
    }
    if announced > block.len().saturating_mul(RATIO_MAX) {
        let lie = format!("a snappy block of {} bytes announces {announced}", block.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, lie));
    }
    let start = output.len();
    output.resize(start + announced, 0);
    snap::raw::Decoder::new().decompress(block, &mut output[start..])?;
    Ok(true)
}
