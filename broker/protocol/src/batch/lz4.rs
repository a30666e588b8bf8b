//! LZ4 frames, written and read without what the library's streams cost a small batch: copies, and room for whole blocks.
//!
//! Beneath [`super::compression`]. The blocks themselves are the library's. Source: the LZ4 Frame Format 1.6.4.

mod deflate;
mod inflate;

pub(super) use deflate::deflate;
pub(super) use inflate::inflate;

/// A block that is not compressed says so in the highest bit of its length.
const STORED: u32 = 1 << 31;
