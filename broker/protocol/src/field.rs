//! How each Rust type stands on the wire: the one trait behind every message's fields.
//!
//! Invariant: what `write` produces, `read` of the same version gives back.

use bytes::Bytes;
use bytestring::ByteString;

use crate::error::{DecodeError, DecodeFault, EncodeError};
use crate::reader::Reader;
use crate::writer::Writer;

/// A value that a message carries.
pub trait Field: Sized {
    /// Reads one value of the given message version.
    fn read(reader: &mut Reader, version: i16) -> Result<Self, DecodeError>;
    /// Writes it in the form of the given message version.
    fn write(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;
}

/// A value whose length field can say null.
pub trait Nullable: Sized {
    /// Reads a value or null.
    fn read_nullable(reader: &mut Reader, version: i16) -> Result<Option<Self>, DecodeError>;
    /// Writes a value or null.
    fn write_nullable(value: Option<&Self>, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;
    /// Stands for null in versions that cannot say it.
    fn empty() -> Self;
}

macro_rules! primitive {
    ($($type:ident)*) => {$(
        impl Field for $type {
            fn read(reader: &mut Reader, _version: i16) -> Result<Self, DecodeError> {
                reader.$type()
            }
            fn write(&self, writer: &mut Writer, _version: i16) -> Result<(), EncodeError> {
                writer.$type(*self);
                Ok(())
            }
        }
    )*};
}

primitive!(bool i8 i16 u16 i32 i64 f64);

/// A structure that may be null stands behind one byte: -1 without, 1 with it.
macro_rules! nullable_structure {
    ($type:ty) => {
        impl $crate::field::Nullable for $type {
            fn read_nullable(
                reader: &mut $crate::reader::Reader,
                version: i16,
            ) -> Result<Option<Self>, $crate::error::DecodeError> {
                let present = reader.i8()? >= 0;
                present.then(|| $crate::field::Field::read(reader, version)).transpose()
            }

            fn write_nullable(
                value: Option<&Self>,
                writer: &mut $crate::writer::Writer,
                version: i16,
            ) -> Result<(), $crate::error::EncodeError> {
                writer.i8(if value.is_some() { 1 } else { -1 });
                value.map_or(Ok(()), |value| $crate::field::Field::write(value, writer, version))
            }

            fn empty() -> Self {
                Self::default()
            }
        }
    };
}

pub(crate) use nullable_structure;

impl Nullable for ByteString {
    fn read_nullable(reader: &mut Reader, _version: i16) -> Result<Option<Self>, DecodeError> {
        reader.text()
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, _version: i16) -> Result<(), EncodeError> {
        writer.text(value.map(|text| &**text))
    }

    fn empty() -> Self {
        Self::new()
    }
}

impl Nullable for Bytes {
    fn read_nullable(reader: &mut Reader, _version: i16) -> Result<Option<Self>, DecodeError> {
        reader.bytes()
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, _version: i16) -> Result<(), EncodeError> {
        writer.bytes(value)
    }

    fn empty() -> Self {
        Self::new()
    }
}

impl<T: Field> Nullable for Vec<T> {
    fn read_nullable(reader: &mut Reader, version: i16) -> Result<Option<Self>, DecodeError> {
        let Some(length) = reader.array_length()? else { return Ok(None) };
        // Elements may be larger in memory than on the wire, so room is made as they prove to be there.
        let mut elements = Self::with_capacity(length.min(64));
        for _ in 0..length {
            elements.push(T::read(reader, version)?);
        }
        Ok(Some(elements))
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        writer.array_length(value.map(Self::len))?;
        value.into_iter().flatten().try_for_each(|element| element.write(writer, version))
    }

    fn empty() -> Self {
        Self::new()
    }
}

impl<T: Nullable> Field for Option<T> {
    fn read(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        T::read_nullable(reader, version)
    }

    fn write(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        T::write_nullable(self.as_ref(), writer, version)
    }
}

fn read_present<T: Nullable>(reader: &mut Reader, version: i16) -> Result<T, DecodeError> {
    T::read_nullable(reader, version)?.ok_or_else(|| DecodeFault::UnexpectedNull { version }.into())
}

impl Field for ByteString {
    fn read(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        read_present(reader, version)
    }

    fn write(&self, writer: &mut Writer, _version: i16) -> Result<(), EncodeError> {
        writer.text(Some(self))
    }
}

impl Field for Bytes {
    fn read(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        read_present(reader, version)
    }

    fn write(&self, writer: &mut Writer, _version: i16) -> Result<(), EncodeError> {
        writer.bytes(Some(self))
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        read_present(reader, version)
    }

    fn write(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        Self::write_nullable(Some(self), writer, version)
    }
}
