//! Walks the batches of a segment file front to back, heads only or with checksums.
//!
//! The walk never trusts a length: a batch that reaches past `limit` ends it with the position of that batch, which is
//! where recovery truncates.

use std::{fs::File, io};

use broker_protocol::batch::{Batch, BatchHeader, HEADER_BYTES};
use bytes::Bytes;

use super::{Marker, disk::read_at, header::verify, marker::Ended};

const CHUNK_BYTES: usize = 64 * 1024;
const VERIFY_CHUNK_BYTES: usize = 1024 * 1024;

/// Why a walk ended before its limit.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The file could not be read.
    Io(io::Error),
    /// The bytes at `position` are not a whole valid batch.
    Bad { position: u64, reason: String },
}

/// A walk over `file` from a batch boundary to `limit`.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    file: &'a File,
    position: u64,
    limit: u64,
    verify: bool,
    chunk_bytes: usize,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'a> Scan<'a> {
    /// Walks the heads only.
    pub(crate) fn headers(file: &'a File, position: u64, limit: u64) -> Self {
        Self {
            file,
            position,
            limit,
            verify: false,
            chunk_bytes: CHUNK_BYTES,
            buffer: Vec::new(),
            buffer_at: 0,
        }
    }

    /// Walks and checks each batch's checksum.
    pub(crate) fn verified(file: &'a File, position: u64, limit: u64) -> Self {
        Self { verify: true, chunk_bytes: VERIFY_CHUNK_BYTES, ..Self::headers(file, position, limit) }
    }

    /// Reads in chunks of this size, for walks that are expected to be short.
    pub(crate) fn with_chunk(mut self, chunk_bytes: u64) -> Self {
        self.chunk_bytes = usize::try_from(chunk_bytes).unwrap_or(CHUNK_BYTES);
        self
    }

    /// The next batch: its position and its head.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, BatchHeader)>, ScanError> {
        let position = self.position;
        if position >= self.limit {
            return Ok(None);
        }
        let bad = |reason| ScanError::Bad { position, reason };
        let header = BatchHeader::read(self.window(HEADER_BYTES)?).map_err(|error| bad(error.to_string()))?;
        if header.size as u64 > self.limit - position {
            let left = self.limit - position;
            return Err(bad(format!("batch of {} bytes has only {left} bytes left", header.size)));
        }
        if header.base_offset < 0 {
            return Err(bad(format!("offset {}", header.base_offset)));
        }
        if self.verify {
            verify(&header, self.window(header.size)?).map_err(bad)?;
        }
        self.position = position + header.size as u64;
        Ok(Some((position, header)))
    }

    /// The batch that [`Scan::next`] just returned.
    pub(crate) fn batch(&mut self, position: u64, header: &BatchHeader) -> Result<&[u8], ScanError> {
        self.position = position;
        let total = header.size;
        self.window(total)?;
        self.position = position + total as u64;
        let from = usize::try_from(position - self.buffer_at).unwrap_or(0);
        Ok(&self.buffer[from..from + total])
    }

    /// The marker of a transaction's end, and what it ended, if that is what [`Scan::next`] just returned.
    pub(crate) fn marker(
        &mut self,
        position: u64,
        header: &BatchHeader,
    ) -> Result<Option<(Marker, Option<Ended>)>, ScanError> {
        if !header.is_control() || header.producer_id < 0 {
            return Ok(None);
        }
        let mut bytes = Bytes::copy_from_slice(self.batch(position, header)?);
        let marker = Batch::take(&mut bytes).and_then(|batch| Marker::decode(&batch));
        marker.map_err(|error| ScanError::Bad { position, reason: error.to_string() })
    }

    /// At least `length` bytes from the current position if the file has them.
    fn window(&mut self, length: usize) -> Result<&[u8], ScanError> {
        let inside = self.position.checked_sub(self.buffer_at).and_then(|from| usize::try_from(from).ok());
        if let Some(from) = inside
            && from + length <= self.buffer.len()
        {
            return Ok(&self.buffer[from..]);
        }
        let left = usize::try_from(self.limit - self.position).unwrap_or(usize::MAX);
        self.buffer = read_at(self.file, self.position, length.max(self.chunk_bytes).min(left))
            .map_err(ScanError::Io)?;
        self.buffer_at = self.position;
        Ok(&self.buffer)
    }
}
