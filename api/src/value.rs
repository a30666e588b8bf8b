//! Values: what flows. Plain data that owns slices of the buffers it was read from.
//!
//! Text and bytes are reference-counted slices, so that a value cut out of a packet costs no copy on its way to the
//! converter. A value carries no schema of its own, but for a [`Struct`]; logical types (see [`crate::logical`]) hold
//! their encoded form. Invariant: a [`Struct`] has exactly one value per field of its schema, in the schema's order.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::schema::{Schema, SchemaRef, SchemaType};

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
    pub const fn kind(&self) -> Option<SchemaType> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(_) => SchemaType::Boolean,
            Self::Int8(_) => SchemaType::Int8,
            Self::Int16(_) => SchemaType::Int16,
            Self::Int32(_) => SchemaType::Int32,
            Self::Int64(_) => SchemaType::Int64,
            Self::Float32(_) => SchemaType::Float32,
            Self::Float64(_) => SchemaType::Float64,
            Self::String(_) => SchemaType::String,
            Self::Bytes(_) => SchemaType::Bytes,
            Self::Array(_) => SchemaType::Array,
            Self::Map(_) => SchemaType::Map,
            Self::Struct(_) => SchemaType::Struct,
        })
    }

    /// The name of the value's type for error messages, such as `INT32`, or `null`.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self.kind() {
            Some(kind) => kind.name(),
            None => "null",
        }
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

/// Named values in the order of a struct schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Struct {
    schema: SchemaRef,
    values: Vec<Value>,
}

impl Struct {
    /// A struct of this schema with every field null.
    #[must_use]
    pub fn new(schema: SchemaRef) -> Self {
        let values = vec![Value::Null; schema.fields().len()];
        Self { schema, values }
    }

    /// A struct of these values, which stand in the order of the schema's fields.
    ///
    /// # Errors
    /// `BadRecord` when there are more or fewer values than fields.
    pub fn of(schema: SchemaRef, values: Vec<Value>) -> Result<Self> {
        if values.len() == schema.fields().len() {
            return Ok(Self { schema, values });
        }
        Err(Error::bad_record(format!(
            "struct {} has {} fields but got {} values",
            schema.name().unwrap_or("(unnamed)"),
            schema.fields().len(),
            values.len()
        )))
    }

    /// The schema.
    #[must_use]
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The values, one per field, in the schema's order.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The values, to be taken apart.
    #[must_use]
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }

    /// A field's value as it is (Connect's `getWithoutDefault`).
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.schema.field(field).map(|(index, _)| &self.values[index])
    }

    /// A field's value, or its schema's default when it is null (Connect's `get`).
    #[must_use]
    pub fn get_or_default(&self, field: &str) -> Option<&Value> {
        let (index, field) = self.schema.field(field)?;
        match &self.values[index] {
            Value::Null => field.schema.default_value().or(Some(&Value::Null)),
            value => Some(value),
        }
    }

    /// Puts a value into a field.
    ///
    /// # Errors
    /// `BadRecord` when the schema has no such field.
    pub fn put(&mut self, field: &str, value: impl Into<Value>) -> Result<()> {
        let Some((index, _)) = self.schema.field(field) else {
            return Err(Error::bad_record(format!("{field} is not a valid field name")));
        };
        self.values[index] = value.into();
        Ok(())
    }

    /// [`Struct::put`], for building one in a chain.
    ///
    /// # Errors
    /// As [`Struct::put`].
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Result<Self> {
        self.put(field, value)?;
        Ok(self)
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
        Self { schema: Some(Arc::clone(&value.schema)), value: Value::Struct(value) }
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

    fn point() -> SchemaRef {
        Schema::structure()
            .field("x", Schema::plain(SchemaType::Int32))
            .field("y", Schema::builder(SchemaType::Int32).optional().default_value(7).build())
            .build()
    }

    #[test]
    fn a_struct_holds_one_value_per_field() {
        assert!(Struct::of(point(), vec![Value::Int32(1)]).is_err());
        let value = Struct::of(point(), vec![Value::Int32(1), Value::Null]).unwrap();
        assert_eq!(value.get("y"), Some(&Value::Null));
        assert_eq!(value.get_or_default("y"), Some(&Value::Int32(7)));
        assert_eq!(value.get("z"), None);
    }

    #[test]
    fn putting_into_an_unknown_field_names_it() {
        let error = Struct::new(point()).with("z", 1).unwrap_err();
        assert!(error.to_string().contains("z is not a valid field name"), "{error}");
    }

    #[test]
    fn a_value_is_no_larger_than_its_largest_slice() {
        assert!(size_of::<Value>() <= 40, "{} bytes", size_of::<Value>());
    }
}
