//! Writes Kafka's primitive types into one frame. Large byte fields (record batches) are not copied: they are kept
//! as slices and sent between the small parts with vectored writes.
//!
//! Invariant: the parts, in order, are exactly the bytes that a copying writer would have produced.

use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::EncodeError;

/// Byte fields at least this large are referenced, smaller ones are copied: below it a copy is cheaper than one more slice.
const SHARE_BYTES_MIN: usize = 4096;

/// Grows one message.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: BytesMut,
    /// Shared slices and the length of `buffer` at which each stands.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
    flexible: bool,
}

impl Writer {
    /// An empty message of a flexible version or not.
    pub fn new(flexible: bool) -> Self {
        Self { flexible, ..Self::default() }
    }

    /// Whether lengths are compact and structures end with tagged fields.
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Header and body of one frame may differ; the header comes first.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// Bytes written so far, shared ones included.
    pub fn len(&self) -> usize {
        self.buffer.len() + self.shared_bytes
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// BOOLEAN.
    pub fn bool(&mut self, value: bool) {
        self.buffer.put_i8(i8::from(value));
    }

    /// INT8.
    pub fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    /// INT16.
    pub fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    /// UINT16.
    pub fn u16(&mut self, value: u16) {
        self.buffer.put_u16(value);
    }

    /// INT32.
    pub fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    /// INT64.
    pub fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    /// FLOAT64.
    pub fn f64(&mut self, value: f64) {
        self.buffer.put_f64(value);
    }

    /// Bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.put_slice(bytes);
    }

    /// UNSIGNED_VARINT.
    pub fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.put_u8(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value.to_le_bytes()[0]);
    }

    /// A nullable text.
    pub fn text(&mut self, value: Option<&str>) -> Result<(), EncodeError> {
        if self.flexible {
            self.compact_length(value.map(str::len))?;
        } else {
            let length = value.map_or(Ok(-1), |text| {
                i16::try_from(text.len()).map_err(|_too_long| too_long(text.len(), 0x7fff))
            })?;
            self.i16(length);
        }
        self.raw(value.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// Nullable bytes; large ones are shared, not copied.
    pub fn bytes(&mut self, value: Option<&Bytes>) -> Result<(), EncodeError> {
        self.long_length(value.map(Bytes::len))?;
        match value {
            Some(bytes) if bytes.len() >= SHARE_BYTES_MIN => {
                self.shared_bytes += bytes.len();
                self.shared.push((self.buffer.len(), bytes.clone()));
            }
            Some(bytes) => self.raw(bytes),
            None => {}
        }
        Ok(())
    }

    /// The count of a nullable array, before its elements.
    pub fn array_length(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        self.long_length(length)
    }

    /// The tagged fields that end a structure: (tag, encoded value), tags ascending. Fields that hold their default
    /// must not be among them: old librdkafka skips tags wrongly.
    pub fn tagged_fields(&mut self, fields: Vec<(u32, Bytes)>) -> Result<(), EncodeError> {
        self.unsigned_varint(length_u32(fields.len())?);
        for (tag, bytes) in fields {
            self.unsigned_varint(tag);
            self.unsigned_varint(length_u32(bytes.len())?);
            self.raw(&bytes);
        }
        Ok(())
    }

    fn long_length(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        if self.flexible {
            return self.compact_length(length);
        }
        let limit = 0x7fff_ffff;
        let value = length
            .map_or(Ok(-1), |length| i32::try_from(length).map_err(|_too_long| too_long(length, limit)))?;
        self.i32(value);
        Ok(())
    }

    fn compact_length(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        let value = length.map_or(Ok(0), |length| length_u32(length).map(|length| length + 1))?;
        self.unsigned_varint(value);
        Ok(())
    }

    /// Leaves room for the frame's length, which [`Self::finish_frame`] fills in.
    pub(crate) fn begin_frame(&mut self) {
        self.buffer.put_i32(0);
    }

    pub(crate) fn finish_frame(mut self) -> Result<Encoded, EncodeError> {
        let length = self.len() - 4;
        let size = i32::try_from(length).map_err(|_too_long| too_long(length, 0x7fff_ffff))?;
        if let Some(room) = self.buffer.get_mut(..4) {
            room.copy_from_slice(&size.to_be_bytes());
        }
        Ok(self.finish())
    }

    /// The written bytes as parts.
    pub fn finish(self) -> Encoded {
        let mut buffer = self.buffer.freeze();
        let mut parts = Vec::with_capacity(2 * self.shared.len() + 1);
        let mut taken = 0;
        for (position, bytes) in self.shared {
            parts.push(buffer.split_to(position - taken));
            taken = position;
            parts.push(bytes);
        }
        parts.push(buffer);
        parts.retain(|part| !part.is_empty());
        Encoded { parts: parts.into() }
    }
}

fn length_u32(length: usize) -> Result<u32, EncodeError> {
    let limit = 0x7fff_ffff;
    match u32::try_from(length) {
        Ok(value) if length < limit => Ok(value),
        _ => Err(too_long(length, limit)),
    }
}

fn too_long(length: usize, limit: usize) -> EncodeError {
    EncodeError::TooLong { length, limit }
}

/// Encoded bytes in parts; a [`Buf`], so that `write_all_buf` sends them with vectored writes.
#[derive(Debug, Clone, Default)]
pub struct Encoded {
    parts: std::collections::VecDeque<Bytes>,
}

impl Encoded {
    /// One contiguous buffer; copies only if there is more than one part.
    pub fn into_bytes(mut self) -> Bytes {
        match self.parts.len() {
            0 => Bytes::new(),
            1 => self.parts.pop_front().unwrap_or_default(),
            _ => self.copy_to_bytes(self.remaining()),
        }
    }

    /// Appends another's parts, so that several responses go out in one write.
    pub fn append(&mut self, other: Self) {
        self.parts.extend(other.parts);
    }
}

impl Buf for Encoded {
    fn remaining(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part)
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let Some(part) = self.parts.front_mut() else { return };
            let step = count.min(part.len());
            part.advance(step);
            count -= step;
            if part.is_empty() {
                self.parts.pop_front();
            }
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = self.parts.iter().zip(slices).map(|(part, slice)| *slice = IoSlice::new(part));
        filled.count()
    }
}
