//! Iterates the records of a batch without copying: keys, values and headers are slices of the (inflated) batch.
//!
//! Invariant: a record's fields fill exactly the bytes it announces, and the records fill exactly the batch; anything else is an
//! error, once, after which the iteration ends. Headers keep their order and their duplicates (KIP-82).

use bytes::Bytes;

use super::compression::{self, Compression, InflateLimits};
use super::error::{BatchError, RecordFault};
use super::header::{Batch, BatchHeader, TimestampType};
use super::varint;

/// The records of one batch, inflated if need be. Lend an iterator with [`Self::iter`]; slices of it can be
/// turned into [`Bytes`] with [`Self::share`].
#[derive(Debug, Clone)]
pub struct Records {
    header: BatchHeader,
    bytes: Bytes,
}

impl Batch {
    /// Inflates the records, within limits.
    pub fn records(&self, limits: InflateLimits) -> Result<Records, BatchError> {
        let bytes = self.record_bytes();
        let bytes = match self.header().compression()? {
            Compression::None => bytes,
            codec => compression::inflate(codec, &bytes, limits)?.into(),
        };
        Ok(Records { header: *self.header(), bytes })
    }
}

impl Records {
    /// The batch's header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Bytes of all records.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// All records, one behind the other.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The records in order.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter { header: self.header, rest: &self.bytes, index: 0, failed: false }
    }

    /// A slice that this value lent (a key, a value, a header) as a counted reference to the whole.
    pub fn share(&self, slice: &[u8]) -> Bytes {
        self.bytes.slice_ref(slice)
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = Result<Record<'a>, BatchError>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

/// One record, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Offset minus the batch's base offset.
    pub offset_delta: i32,
    /// Milliseconds since 1970; the batch's maximum under LogAppendTime.
    pub timestamp: i64,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    headers: &'a [u8],
    header_count: usize,
}

/// A record's header: a key, which may repeat, and a value that may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// How many headers it has.
    pub fn header_count(&self) -> usize {
        self.header_count
    }

    /// The headers in order. They were checked when the record was read.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut rest = self.headers;
        (0..self.header_count).map_while(move |_| take_header(&mut rest).ok())
    }
}

/// See [`Records::iter`].
#[derive(Debug, Clone)]
pub struct RecordIter<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    index: i32,
    failed: bool,
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result = self.step();
        self.failed = result.is_err();
        result.transpose()
    }
}

impl<'a> RecordIter<'a> {
    fn step(&mut self) -> Result<Option<Record<'a>>, BatchError> {
        let records = self.header.record_count;
        if self.index < records {
            let index = self.index;
            self.index += 1;
            return match take_record(&mut self.rest, &self.header) {
                Ok(record) => Ok(Some(record)),
                Err(fault) => Err(BatchError::Record { index, fault }),
            };
        }
        match self.rest.len() {
            0 => Ok(None),
            left => Err(BatchError::TrailingBytes { left, records }),
        }
    }
}

fn take_record<'a>(rest: &mut &'a [u8], batch: &BatchHeader) -> Result<Record<'a>, RecordFault> {
    let length = varint::take_i32(rest)?;
    let mut body = take_slice(rest, length)?.ok_or(RecordFault::Length { length: length.into() })?;
    let _attributes = body.split_off_first().ok_or(RecordFault::Truncated)?;
    let timestamp_delta = varint::take_i64(&mut body)?;
    let offset_delta = varint::take_i32(&mut body)?;
    let key = take_nullable(&mut body)?;
    let value = take_nullable(&mut body)?;
    let count = varint::take_i32(&mut body)?;
    let impossible = RecordFault::Length { length: count.into() };
    // A header takes at least two bytes.
    let header_count =
        usize::try_from(count).ok().filter(|count| *count <= body.len() / 2).ok_or(impossible)?;
    let headers = body;
    for _ in 0..header_count {
        take_header(&mut body)?;
    }
    if !body.is_empty() {
        return Err(RecordFault::TrailingBytes { left: body.len() });
    }
    let timestamp = match batch.timestamp_type() {
        TimestampType::CreateTime => batch.base_timestamp.wrapping_add(timestamp_delta),
        TimestampType::LogAppendTime => batch.max_timestamp,
    };
    let offset = batch.base_offset.wrapping_add(offset_delta.into());
    Ok(Record { offset, offset_delta, timestamp, key, value, headers, header_count })
}

fn take_header<'a>(rest: &mut &'a [u8]) -> Result<Header<'a>, RecordFault> {
    let length = varint::take_i32(rest)?;
    let key = take_slice(rest, length)?.ok_or(RecordFault::Length { length: length.into() })?;
    let Ok(key) = std::str::from_utf8(key) else { return Err(RecordFault::HeaderKeyNotUtf8) };
    Ok(Header { key, value: take_nullable(rest)? })
}

#[inline]
fn take_nullable<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordFault> {
    let length = varint::take_i32(rest)?;
    take_slice(rest, length)
}

/// -1 is null, less is nonsense.
#[inline]
fn take_slice<'a>(rest: &mut &'a [u8], length: i32) -> Result<Option<&'a [u8]>, RecordFault> {
    if length == -1 {
        return Ok(None);
    }
    let Ok(length) = usize::try_from(length) else {
        return Err(RecordFault::Length { length: length.into() });
    };
    match rest.split_at_checked(length) {
        Some((slice, after)) => {
            *rest = after;
            Ok(Some(slice))
        }
        None => Err(RecordFault::Truncated),
    }
}
