//! Values: what flows. Plain data that owns slices of the buffers it was read from.
//!
//! Text and bytes are reference-counted slices, so that a value cut out of a packet costs no copy on its way to the
//! converter. A value carries no schema of its own, but for a [`Struct`]; logical types (see [`crate::logical`]) hold
//! their encoded form. Invariant: a [`Struct`] has exactly one value per field of its schema, in the schema's order.

mod packed;
mod structure;

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::schema::{Schema, SchemaRef, SchemaType};

pub use packed::{PackedStructs, ShowFields, StructRef, ValueRef};
pub use structure::{SharedFields, Struct, StructIter, StructValues, VARYING_MAX};

/// UTF-8 text: a cheap slice of a shared buffer, or of a static.
pub type Text = bytestring::ByteString;

/// One value, of any of Connect's types.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// A BOOLEAN.
    Boolean(bool),
    /// An INT8.
    Int8(i8),
    /// An INT16.
    Int16(i16),
    /// An INT32.
    Int32(i32),
    /// An INT64.
    Int64(i64),
    /// A FLOAT32.
    Float32(f32),
    /// A FLOAT64.
    Float64(f64),
    /// A STRING.
    String(Text),
    /// BYTES.
    Bytes(Bytes),
    /// An ARRAY.
    Array(Vec<Self>),
    /// A MAP, in the order in which its entries came.
    Map(Vec<(Self, Self)>),
    /// A STRUCT.
    Struct(Struct),
}

impl Value {
    /// Text that lives as long as the program: no allocation.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self::String(Text::from_static(text))
    }

    /// Whether this is null.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The type of the value, unless it is null.
    #[must_use]
    pub fn kind(&self) -> Option<SchemaType> {
        self.borrowed().kind()
    }

    /// The name of the value's type for error messages, such as `INT32`, or `null`.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        self.borrowed().kind_name()
    }

    /// The text, if this is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is an integer of any width.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int8(number) => Some(i64::from(*number)),
            Self::Int16(number) => Some(i64::from(*number)),
            Self::Int32(number) => Some(i64::from(*number)),
            Self::Int64(number) => Some(*number),
            _ => None,
        }
    }

    /// The struct, if this is one.
    #[must_use]
    pub const fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Struct(value) => Some(value),
            _ => None,
        }
    }

    /// The entries, if this is a map.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(Self, Self)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value at a text key, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// Checks this value against a schema, all the way down.
    ///
    /// # Errors
    /// Names the path to the first value that does not fit, what was expected and what was found (kind `BadRecord`).
    pub fn validate(&self, schema: &Schema) -> Result<()> {
        crate::validate::validate(self, schema)
    }
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
value_from!(bool => Boolean, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64, f32 => Float32, f64 => Float64,
    &str => String, String => String, Text => String, Bytes => Bytes, Vec<u8> => Bytes, Vec<Value> => Array, Struct => Struct);

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A value and what it may be; no schema means schemaless data, as from plain JSON.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SchemaAndValue {
    /// The schema, if there is one.
    pub schema: Option<SchemaRef>,
    /// The value.
    pub value: Value,
}

impl SchemaAndValue {
    /// Nothing: no schema, no value. As a record's value this is a tombstone.
    pub const NULL: Self = Self { schema: None, value: Value::Null };

    /// A value with its schema.
    #[must_use]
    pub const fn new(schema: SchemaRef, value: Value) -> Self {
        Self { schema: Some(schema), value }
    }

    /// A value without a schema.
    #[must_use]
    pub const fn schemaless(value: Value) -> Self {
        Self { schema: None, value }
    }

    /// A struct with its own schema.
    #[must_use]
    pub fn of_struct(value: Struct) -> Self {
        Self { schema: Some(Arc::clone(value.schema())), value: Value::Struct(value) }
    }

    /// Text with the plain string schema.
    #[must_use]
    pub fn of_text(text: impl Into<Text>) -> Self {
        Self::new(Schema::plain(SchemaType::String), Value::String(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_no_larger_than_its_largest_slice() {
        assert!(size_of::<Value>() <= 40, "{} bytes", size_of::<Value>());
    }
}
