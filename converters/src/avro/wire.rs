//! Avro's binary form, a value at a time: numbers of as many bytes as they need, lengths before what has one.
//!
//! The hot path of both directions. Reading trusts nothing: a length is compared with what is left before it is used, and items that
//! take no bytes (there may be more of them than memory holds) are counted.

use api::{Bytes, Text};

use crate::json::fault::Fault;

/// How many values without bytes a datum may have: items of lists, and fields that the data does not have.
const EMPTY_VALUES_MAX: usize = 1_000_000;

/// Appends a number: the nearer to zero, the shorter.
#[inline]
pub(super) fn put_long(number: i64, out: &mut Vec<u8>) {
    // Zigzag: the sign is the lowest bit.
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(low_bits(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low_bits(rest));
}

#[allow(clippy::cast_possible_truncation, reason = "seven bits fit")]
const fn low_bits(number: u64) -> u8 {
    (number & 0x7f) as u8
}

/// Appends a length. No slice is longer than an `i64` can say.
#[inline]
pub(super) fn put_length(length: usize, out: &mut Vec<u8>) {
    put_long(i64::try_from(length).unwrap_or(i64::MAX), out);
}

/// Appends bytes behind their length.
#[inline]
pub(super) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Reads a datum from its start to its end.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a Bytes,
    at: usize,
    empty_values: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at a place in the bytes.
    pub(super) const fn new(bytes: &'a Bytes, at: usize) -> Self {
        Self { bytes, at, empty_values: 0 }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// A number.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Fault> {
        let (mut number, mut shift) = (0u64, 0u32);
        loop {
            let Some(byte) = self.bytes.get(self.at).copied() else { return Err(truncated(1, 0)) };
            self.at += 1;
            if shift == 63 && byte > 1 {
                return Err(Fault::new("a number has more than 64 bits"));
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
            shift += 7;
        }
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// Where it is.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// Counts values that took no bytes.
    pub(super) fn count_empty(&mut self, count: usize) -> Result<(), Fault> {
        self.empty_values = self.empty_values.saturating_add(count);
        if self.empty_values > EMPTY_VALUES_MAX {
            return Err(Fault::new(format!("more than {EMPTY_VALUES_MAX} values that take no bytes")));
        }
        Ok(())
    }

    /// A number of 32 bits.
    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, Fault> {
        let number = self.long()?;
        i32::try_from(number)
            .map_err(|cause| Fault::new(format!("the int {number} has more than 32 bits: {cause}")))
    }

    /// True or false.
    pub(super) fn boolean(&mut self) -> Result<bool, Fault> {
        match self.take::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(Fault::new(format!("the byte {other} is no boolean"))),
        }
    }

    /// So many bytes as an array.
    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let taken = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<N>);
        let taken = *taken.ok_or_else(|| truncated(N, self.left()))?;
        self.at += N;
        Ok(taken)
    }

    /// So many bytes as a slice of the datum.
    #[inline]
    pub(super) fn slice(&mut self, length: usize) -> Result<Bytes, Fault> {
        if length > self.left() {
            return Err(truncated(length, self.left()));
        }
        let slice = self.bytes.slice(self.at..self.at + length);
        self.at += length;
        Ok(slice)
    }

    /// Bytes behind their length.
    #[inline]
    pub(super) fn sized(&mut self) -> Result<Bytes, Fault> {
        let length = self.long()?;
        let fits = usize::try_from(length).ok().filter(|length| *length <= self.left());
        self.slice(fits.ok_or_else(|| {
            Fault::new(format!("a length of {length} where {} bytes are left", self.left()))
        })?)
    }

    /// Text behind its length.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Text, Fault> {
        Text::try_from(self.sized()?).map_err(|cause| Fault::new(format!("a text is not UTF-8: {cause}")))
    }

    /// Reads the blocks of a list or map; the function reads an item.
    pub(super) fn blocks(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // A block that says how many bytes it has, for those who pass over it.
                count = count.checked_neg().ok_or_else(|| Fault::new("a block of 2^63 items"))?;
                let bytes = self.long()?;
                if bytes < 0 || usize::try_from(bytes).is_ok_and(|bytes| bytes > self.left()) {
                    return Err(Fault::new(format!(
                        "a block of {bytes} bytes where {} are left",
                        self.left()
                    )));
                }
            }
            for _ in 0..count {
                let before = self.at;
                item(self)?;
                if self.at == before {
                    self.count_empty(1)?;
                }
            }
        }
    }
}

fn truncated(wanted: usize, left: usize) -> Fault {
    Fault::new(format!("the datum is truncated: {wanted} bytes more are expected, {left} are left"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_bytes_that_avro_says() {
        for (number, expected) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            let mut out = Vec::new();
            put_long(number, &mut out);
            assert_eq!(out, expected);
            let bytes = Bytes::from(out);
            assert_eq!(Cursor::new(&bytes, 0).long().unwrap(), number);
        }
    }

    #[test]
    fn lengths_and_counts_are_believed_only_as_far_as_bytes_go() {
        let told = |bytes: &'static [u8]| {
            let bytes = Bytes::from_static(bytes);
            let mut cursor = Cursor::new(&bytes, 0);
            cursor.blocks(|cursor| cursor.sized().map(drop)).unwrap_err().into_error().to_string()
        };
        let endless = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert!(told(endless).contains("truncated"));
        assert!(told(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").contains("2^63"));
        assert!(told(b"\x01\xff\x01").contains("a block of -128 bytes"));
        assert!(told(b"\x02\xfe\xff\xff\xff\x0f").contains("a length of 2147483647 where 0 bytes are left"));
        assert!(told(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").contains("64 bits"));
        let bytes = Bytes::from_static(endless);
        let error = Cursor::new(&bytes, 0).blocks(|_| Ok(())).unwrap_err().into_error().to_string();
        assert!(error.contains("values that take no bytes"), "{error}");
    }
}
