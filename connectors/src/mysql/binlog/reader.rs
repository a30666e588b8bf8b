//! A bounded reader over bytes from a server: every length is checked before anything is taken or allocated.
//!
//! Used for table maps, row images and binary JSON. Invariant: the position never passes the end, and a failed read
//! says how many bytes were wanted and how many were left.

/// Bytes that ended too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data ends too early: {wanted} bytes wanted at {position}, {left} left")]
pub struct OutOfBytes {
    /// Where the read began.
    pub position: usize,
    /// How many bytes were wanted.
    pub wanted: usize,
    /// How many were left.
    pub left: usize,
}

/// Reads little-endian numbers, lengths and slices, front to back.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Reads these bytes from the start.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bytes were read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Whether all was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], OutOfBytes> {
        let slice = self.position.checked_add(count).and_then(|end| self.bytes.get(self.position..end));
        let Some(slice) = slice else {
            return Err(OutOfBytes { position: self.position, wanted: count, left: self.left() });
        };
        self.position += count;
        Ok(slice)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], OutOfBytes> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// One byte.
    ///
    /// # Errors
    /// When none is left.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, OutOfBytes> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// An unsigned number of `count` bytes (at most 8), least significant first.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn number(&mut self, count: usize) -> Result<u64, OutOfBytes> {
        match count {
            1 => self.byte().map(u64::from),
            2 => self.array().map(u16::from_le_bytes).map(u64::from),
            4 => self.array().map(u32::from_le_bytes).map(u64::from),
            8 => self.array().map(u64::from_le_bytes),
            _ => Ok(self.take(count)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))),
        }
    }

    /// A length of `count` bytes, least significant first.
    ///
    /// # Errors
    /// When fewer are left, or the length is larger than what follows can be.
    #[inline]
    pub fn length(&mut self, count: usize) -> Result<usize, OutOfBytes> {
        let number = self.number(count)?;
        usize::try_from(number).or(Err(self.too_long()))
    }

    /// A length-encoded integer of the client/server protocol.
    ///
    /// # Errors
    /// When its bytes are not there, or it is one of the markers that are no lengths.
    pub fn length_encoded(&mut self) -> Result<usize, OutOfBytes> {
        match self.byte()? {
            short @ 0..=0xfa => Ok(usize::from(short)),
            0xfc => self.length(2),
            0xfd => self.length(3),
            0xfe => self.length(8),
            0xfb | 0xff => Err(self.too_long()),
        }
    }

    /// Bytes behind their length-encoded length.
    ///
    /// # Errors
    /// When the length promises more than there is.
    pub fn length_encoded_bytes(&mut self) -> Result<&'a [u8], OutOfBytes> {
        let length = self.length_encoded()?;
        self.take(length)
    }

    const fn too_long(&self) -> OutOfBytes {
        OutOfBytes { position: self.position, wanted: usize::MAX, left: self.left() }
    }
}
