//! Packed structs: rows in the form in which a source got them, which nobody has to make values of.
//!
//! A source of very many rows may hand out structs that are nothing but a number in a piece of memory ([`PackedStructs`]). Whoever
//! looks into one gets its values, made at the first look, and sees no difference. A converter may have it shown instead, value by
//! value, each borrowed from where it lies ([`ValueRef`]), and writes it down without any of them ever being made. It may, never must.
//! Invariant: what is shown is what a look finds.

use std::fmt;
use std::sync::Arc;

use super::{SharedFields, Struct, Value};
use crate::error::Result;
use crate::schema::{SchemaRef, SchemaType};

/// Structs of one schema, packed together; each goes by a number that its maker gave it ([`Struct::packed`]).
///
/// Whoever makes one has checked all that can be wrong with the bytes: a look cannot fail.
pub trait PackedStructs: fmt::Debug + Send + Sync {
    /// The schema of all of them.
    fn schema(&self) -> &SchemaRef;

    /// The struct of this number with its values: made when it is first asked for, and kept.
    fn unpacked(&self, number: usize) -> &Struct;

    /// Shows the struct of this number to `viewer`, once, as it lies there.
    fn show(&self, number: usize, viewer: &mut dyn FnMut(StructRef<'_>));
}

/// Fields that are shown one after the other.
pub trait ShowFields: fmt::Debug {
    /// The schema of the struct that they are.
    fn schema(&self) -> &SchemaRef;

    /// Gives the value of each field to `taker`, in the schema's order.
    ///
    /// # Errors
    /// When the bytes are not what they were checked to be; `taker` has seen those before then.
    fn show_each(&self, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()>;
}

/// A struct that is shown, borrowed from where it lies.
#[derive(Debug, Clone, Copy)]
pub enum StructRef<'a> {
    /// One with its values.
    Made(&'a Struct),
    /// One that shares these fields, with its own values at the places that vary, in their order.
    Sharing(&'a Arc<SharedFields>, &'a [ValueRef<'a>]),
    /// One whose values come one after the other.
    Each(&'a dyn ShowFields),
}

impl<'a> StructRef<'a> {
    /// The schema.
    #[must_use]
    pub fn schema(self) -> &'a SchemaRef {
        match self {
            Self::Made(row) => row.schema(),
            Self::Sharing(shared, _) => shared.schema(),
            Self::Each(fields) => fields.schema(),
        }
    }
}

/// A value that is borrowed: what [`Value`] is, without owning anything.
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
    /// No value.
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
    String(&'a str),
    /// BYTES.
    Bytes(&'a [u8]),
    /// An ARRAY.
    Array(&'a [Value]),
    /// A MAP.
    Map(&'a [(Value, Value)]),
    /// A STRUCT.
    Struct(StructRef<'a>),
}

impl ValueRef<'_> {
    /// The type of the value, unless it is null.
    #[must_use]
    pub const fn kind(self) -> Option<SchemaType> {
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
    pub const fn kind_name(self) -> &'static str {
        match self.kind() {
            Some(kind) => kind.name(),
            None => "null",
        }
    }
}

impl Value {
    /// The same value, borrowed.
    #[inline]
    #[must_use]
    pub fn borrowed(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Boolean(value) => ValueRef::Boolean(*value),
            Self::Int8(number) => ValueRef::Int8(*number),
            Self::Int16(number) => ValueRef::Int16(*number),
            Self::Int32(number) => ValueRef::Int32(*number),
            Self::Int64(number) => ValueRef::Int64(*number),
            Self::Float32(number) => ValueRef::Float32(*number),
            Self::Float64(number) => ValueRef::Float64(*number),
            Self::String(text) => ValueRef::String(text),
            Self::Bytes(bytes) => ValueRef::Bytes(bytes),
            Self::Array(values) => ValueRef::Array(values),
            Self::Map(entries) => ValueRef::Map(entries),
            Self::Struct(row) => ValueRef::Struct(StructRef::Made(row)),
        }
    }
}
