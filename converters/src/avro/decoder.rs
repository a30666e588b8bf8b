//! Avro data compiled to what reads it as values of a Connect schema.
//!
//! The hot path of sinks: nothing is looked up per record, text and bytes are slices of it. The schema that the data was written with and
//! the one that it is read as are usually the same; where they are not (`use.latest.version`), Avro's rules of resolution decide when
//! the decoder is compiled. Invariant: whatever the bytes, reading ends, with a value of the schema or with what is wrong.

mod compile;

use std::num::TryFromIntError;

use api::{Bytes, SchemaRef, Struct, Text, Value};

use super::anything;
use super::wire::Cursor;
use crate::json::fault::Fault;
pub(super) use compile::compile;

/// Reads data of one schema.
#[derive(Debug)]
pub(super) struct Decoder {
    root: Read,
    is_raw: bool,
}

#[derive(Debug)]
enum Read {
    Null,
    Boolean,
    Int8,
    Int16,
    Int32,
    /// An int or long.
    Int64,
    /// An int or long as FLOAT32.
    IntegerAsFloat,
    /// An int or long as FLOAT64.
    IntegerAsDouble,
    Float,
    FloatAsDouble,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Box<[Result<Text, Fault>]>),
    Array(Box<Self>),
    Map(Box<Self>),
    /// A list of keys and values.
    Entries(Box<(Self, Self)>),
    Struct(Box<ReadStruct>),
    /// One of several, each read or why it cannot be.
    Member(Box<[Result<Self, Fault>]>),
    /// The value of one field of a struct that stands for a union.
    InUnion(SchemaRef, usize, Box<Self>),
    Anything,
}

#[derive(Debug)]
struct ReadStruct {
    schema: SchemaRef,
    /// As they come in the data, and where in the struct each goes; nowhere, if it is only to be passed over.
    fields: Box<[(Option<usize>, Read)]>,
    /// What the struct holds before the data is read, unless its fields are the data's, in the same order.
    defaults: Option<Box<[Value]>>,
}

impl Decoder {
    /// Reads the datum that starts at this place.
    pub(super) fn read(&self, bytes: &Bytes, at: usize) -> Result<Value, Fault> {
        if self.is_raw {
            return Ok(Value::Bytes(bytes.slice(at.min(bytes.len())..)));
        }
        self.root.read(&mut Cursor::new(bytes, at))
    }
}

impl Read {
    fn read(&self, cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
        Ok(match self {
            Self::Text => Value::String(cursor.text()?),
            Self::Int64 => Value::Int64(cursor.long()?),
            Self::Int32 => Value::Int32(cursor.int()?),
            Self::Member(members) => {
                let number = cursor.long()?;
                let member = usize::try_from(number).ok().and_then(|number| members.get(number));
                let unknown = || Fault::new(format!("member {number} of a union of {}", members.len()));
                member.ok_or_else(unknown)?.as_ref().map_err(Fault::clone)?.read(cursor)?
            }
            Self::Struct(structure) => structure.read(cursor)?,
            Self::Null => Value::Null,
            _ => self.read_other(cursor)?,
        })
    }

    fn read_other(&self, cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
        let too_large = |bits: u32, number: i32, cause: TryFromIntError| {
            Fault::new(format!("{number} has more than the {bits} bits of its schema: {cause}"))
        };
        Ok(match self {
            Self::Boolean => Value::Boolean(cursor.boolean()?),
            Self::Int8 => {
                let number = cursor.int()?;
                Value::Int8(i8::try_from(number).map_err(|cause| too_large(8, number, cause))?)
            }
            Self::Int16 => {
                let number = cursor.int()?;
                Value::Int16(i16::try_from(number).map_err(|cause| too_large(16, number, cause))?)
            }
            Self::IntegerAsFloat => Value::Float32(nearest_f32(cursor.long()?)),
            Self::IntegerAsDouble => Value::Float64(nearest_f64(cursor.long()?)),
            Self::Float => Value::Float32(f32::from_le_bytes(cursor.take()?)),
            Self::FloatAsDouble => Value::Float64(f64::from(f32::from_le_bytes(cursor.take()?))),
            Self::Double => Value::Float64(f64::from_le_bytes(cursor.take()?)),
            Self::Bytes => Value::Bytes(cursor.sized()?),
            Self::Fixed(size) => Value::Bytes(cursor.slice(*size)?),
            Self::Enum(symbols) => {
                let number = cursor.long()?;
                let symbol = usize::try_from(number).ok().and_then(|number| symbols.get(number));
                let unknown = || Fault::new(format!("symbol {number} of an enum of {}", symbols.len()));
                Value::String(symbol.ok_or_else(unknown)?.clone()?)
            }
            Self::Array(items) => {
                let mut values = Vec::new();
                cursor.blocks(|cursor| {
                    values.push(items.read(cursor)?);
                    Ok(())
                })?;
                Value::Array(values)
            }
            Self::Map(values) => {
                let mut entries = Vec::new();
                cursor.blocks(|cursor| {
                    let key = cursor.text()?;
                    let value = values.read(cursor).map_err(|fault| fault.inside(&key))?;
                    entries.push((Value::String(key), value));
                    Ok(())
                })?;
                Value::Map(entries)
            }
            Self::Entries(parts) => {
                let mut entries = Vec::new();
                cursor.blocks(|cursor| {
                    let key = parts.0.read(cursor)?;
                    entries.push((key, parts.1.read(cursor)?));
                    Ok(())
                })?;
                Value::Map(entries)
            }
            Self::InUnion(schema, place, inner) => {
                let start = cursor.position();
                let value = inner.read(cursor)?;
                count_spare(cursor, start, schema.fields().len())?;
                let mut values = vec![Value::Null; schema.fields().len()];
                if let Some(slot) = values.get_mut(*place) {
                    *slot = value;
                }
                structure(schema, values)?
            }
            Self::Anything => anything::read(cursor)?,
            // The others are read by the caller.
            _ => return Err(Fault::new("nothing can be read as this")),
        })
    }
}

impl ReadStruct {
    fn read(&self, cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
        let start = cursor.position();
        let values = match &self.defaults {
            None => {
                let mut values = Vec::with_capacity(self.fields.len());
                for (place, field) in &self.fields {
                    values.push(field.read(cursor).map_err(|fault| self.inside(fault, *place))?);
                }
                values
            }
            Some(defaults) => {
                let mut values = defaults.to_vec();
                for (place, field) in &self.fields {
                    let value = field.read(cursor).map_err(|fault| self.inside(fault, *place))?;
                    if let Some(slot) = place.and_then(|place| values.get_mut(place)) {
                        *slot = value;
                    }
                }
                values
            }
        };
        count_spare(cursor, start, values.len())?;
        structure(&self.schema, values)
    }

    fn inside(&self, fault: Fault, place: Option<usize>) -> Fault {
        let field = place.and_then(|place| self.schema.fields().get(place));
        fault.inside(field.map_or("(a field that is passed over)", |field| &field.name))
    }
}

/// Counts the values of a struct for which the data has no bytes: they cost nothing there, and shall not cost memory without end here.
fn count_spare(cursor: &mut Cursor<'_>, start: usize, values: usize) -> Result<(), Fault> {
    cursor.count_empty(values.saturating_sub(cursor.position() - start))
}

fn structure(schema: &SchemaRef, values: Vec<Value>) -> Result<Value, Fault> {
    let row = Struct::of(SchemaRef::clone(schema), values);
    row.map(Value::Struct).map_err(|cause| Fault::new(cause.to_string()))
}

#[allow(clippy::cast_precision_loss, reason = "Avro's rule: an integer read as a float is the nearest one")]
const fn nearest_f32(number: i64) -> f32 {
    number as f32
}

#[allow(clippy::cast_precision_loss, reason = "Avro's rule: an integer read as a double is the nearest one")]
const fn nearest_f64(number: i64) -> f64 {
    number as f64
}
