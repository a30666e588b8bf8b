//! Reads Kafka's primitive types from one message, without copying: texts and bytes are slices of the buffer that came in.
//!
//! Invariant: no length is trusted. A count is checked against the bytes left before anything is allocated, and all
//! arrays of a message share one budget of elements, so a small frame cannot ask for a large structure.

use bytes::{Buf, Bytes};
use bytestring::ByteString;

use crate::error::{DecodeError, DecodeFault};

/// All arrays of one message together hold at most this many elements. A cluster of 100,000 partitions needs a third of it.
pub const ELEMENTS_MAX: usize = 1_000_000;

/// The remaining bytes of one message, and whether it is of a flexible version (KIP-482: compact lengths, tagged fields).
#[derive(Debug, Clone)]
pub struct Reader {
    bytes: Bytes,
    flexible: bool,
    elements_left: usize,
}

impl Reader {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: Bytes, flexible: bool) -> Self {
        Self { bytes, flexible, elements_left: ELEMENTS_MAX }
    }

    /// Whether lengths are compact and structures end with tagged fields.
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Header and body of one frame may differ; the header comes first.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// What was not read, without copying.
    pub fn into_rest(self) -> Bytes {
        self.bytes
    }

    /// The message must end here.
    pub fn expect_end(&self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(DecodeFault::TrailingBytes { left }.into()),
        }
    }

    /// Takes the next `length` bytes as a slice of the buffer.
    pub fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        self.need(length)?;
        Ok(self.bytes.split_to(length))
    }

    fn need(&self, needed: usize) -> Result<(), DecodeError> {
        let left = self.bytes.len();
        if needed > left { Err(DecodeFault::Truncated { needed, left }.into()) } else { Ok(()) }
    }

    /// One byte, zero is false.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// INT8.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.need(1)?;
        Ok(self.bytes.get_i8())
    }

    /// INT16.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.need(2)?;
        Ok(self.bytes.get_i16())
    }

    /// UINT16.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.need(2)?;
        Ok(self.bytes.get_u16())
    }

    /// INT32.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.need(4)?;
        Ok(self.bytes.get_i32())
    }

    /// INT64.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.need(8)?;
        Ok(self.bytes.get_i64())
    }

    /// FLOAT64.
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.need(8)?;
        Ok(self.bytes.get_f64())
    }

    /// UNSIGNED_VARINT: seven bits a byte, least significant first, at most five bytes.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0_u32;
        for index in 0..5_u32 {
            self.need(1)?;
            let byte = self.bytes.get_u8();
            if index == 4 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeFault::VarintTooLong { bytes: 5 }.into())
    }

    /// A nullable text; its length is INT16 or, in flexible versions, UNSIGNED_VARINT of length + 1.
    pub fn text(&mut self) -> Result<Option<ByteString>, DecodeError> {
        let length = if self.flexible { self.compact_length()? } else { nullable(i64::from(self.i16()?))? };
        let Some(length) = length else { return Ok(None) };
        let bytes = self.take(length)?;
        match ByteString::try_from(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_utf8) => Err(DecodeFault::NotUtf8.into()),
        }
    }

    /// Nullable bytes; the length is INT32 or compact.
    pub fn bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let length = self.long_length()?;
        length.map(|length| self.take(length)).transpose()
    }

    /// The count of a nullable array: checked against the bytes left (an element takes at least one) and the budget.
    pub fn array_length(&mut self) -> Result<Option<usize>, DecodeError> {
        let Some(claimed) = self.long_length()? else { return Ok(None) };
        let left = self.bytes.len();
        if claimed > left {
            return Err(DecodeFault::LengthBeyondMessage { claimed, left }.into());
        }
        let Some(elements_left) = self.elements_left.checked_sub(claimed) else {
            return Err(DecodeFault::TooManyElements { limit: ELEMENTS_MAX }.into());
        };
        self.elements_left = elements_left;
        Ok(Some(claimed))
    }

    /// The tagged fields that end a structure of a flexible version. `field` gets each tag with a reader of exactly its
    /// bytes; what it leaves unread of a tag it does not know is skipped.
    pub fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, &mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut previous = None;
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            if let Some(previous) = previous.filter(|previous| *previous >= tag) {
                return Err(DecodeFault::TagOrder { tag, previous }.into());
            }
            previous = Some(tag);
            let size = usize::try_from(self.unsigned_varint()?).unwrap_or(usize::MAX);
            let mut inner =
                Self { bytes: self.take(size)?, flexible: true, elements_left: self.elements_left };
            field(tag, &mut inner)?;
            self.elements_left = inner.elements_left;
        }
        Ok(())
    }

    fn long_length(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.flexible { self.compact_length() } else { nullable(i64::from(self.i32()?)) }
    }

    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        nullable(i64::from(self.unsigned_varint()?) - 1)
    }
}

/// -1 says null; anything below is nonsense.
fn nullable(length: i64) -> Result<Option<usize>, DecodeError> {
    match length {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_negative) => Err(DecodeFault::InvalidLength { length }.into()),
        },
    }
}
