//! Topic ids: sixteen bytes on the wire, URL-safe base64 without padding in text, as Kafka prints them.

use std::fmt;

use crate::error::{DecodeError, EncodeError};
use crate::field::Field;
use crate::reader::Reader;
use crate::writer::Writer;

/// A 16-byte identifier. All zeros is "no id".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// No id.
    pub const ZERO: Self = Self([0; 16]);

    /// Whether this is "no id".
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let value = u128::from_be_bytes(self.0);
        // 22 digits of 6 bits; the last one holds the 2 bits that remain, shifted left as base64 does.
        for digit in 0..22_u32 {
            let bits = if digit == 21 { (value & 0x3) << 4 } else { (value >> (122 - 6 * digit)) & 0x3f };
            let index = usize::try_from(bits).unwrap_or_default();
            write!(formatter, "{}", char::from(ALPHABET[index]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Field for Uuid {
    fn read(reader: &mut Reader, _version: i16) -> Result<Self, DecodeError> {
        let bytes = reader.take(16)?;
        let mut uuid = Self::ZERO;
        uuid.0.copy_from_slice(&bytes);
        Ok(uuid)
    }

    fn write(&self, writer: &mut Writer, _version: i16) -> Result<(), EncodeError> {
        writer.raw(&self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Uuid;

    #[test]
    fn prints_as_kafka_does() {
        // What java.util.UUID -> org.apache.kafka.common.Uuid.toString gives for these two.
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid([0xff; 16]).to_string(), "_____________________w");
    }
}
