//! A Connect schema and an Avro schema compiled to what writes the values of the one as data of the other.
//!
//! On the hot path: nothing is looked up per record, nothing allocated. Which member of a union a value is, where its field stands and what
//! null becomes is decided when the schemas are compiled. The Avro schema is usually the one that `from_connect` made of the Connect
//! schema; with `use.latest.version` it is another, and fields are matched by name. Invariant: what is written of a struct does not depend on
//! how its values lie.

mod compile;
mod shared;
mod structure;

use std::collections::HashMap;

use api::{SchemaType, Value, ValueRef};

use super::anything;
use super::wire::{put_bytes, put_length, put_long};
use crate::json::fault::Fault;
pub(super) use compile::compile;
use structure::{FieldNode, StructNode, UnionNode};

/// Writes the values of one schema.
#[derive(Debug)]
pub(super) struct Encoder {
    root: Node,
    /// Whether the whole may be null.
    null: Result<(), Fault>,
    /// Bytes alone are written as they are, without a length: so does Confluent's serializer.
    is_raw: bool,
}

/// Writes the values at one place of a schema.
#[derive(Debug)]
struct Node {
    /// Which member of a union the value is, as Avro writes it.
    member: Option<u8>,
    kind: Kind,
    /// What is written for null, or why it must not be there.
    null: Result<Box<[u8]>, Fault>,
}

#[derive(Debug)]
enum Kind {
    /// An integer of this type, as int or long.
    Integer(SchemaType),
    Float,
    Double,
    /// A FLOAT32 where Avro has a double.
    FloatAsDouble,
    Boolean,
    Bytes,
    Text,
    Fixed(usize),
    Enum(HashMap<Box<str>, i64>),
    Array(Box<Node>),
    /// A map with keys of text.
    Map(Box<Node>),
    /// A list of keys and values.
    Entries(Box<(Node, Node)>),
    Struct(StructNode),
    Union(UnionNode),
    Anything,
}

impl Encoder {
    /// Appends the value as a datum. `false` when it is null: then there is no datum at all.
    pub(super) fn write(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<bool, Fault> {
        match value {
            Value::Null => {
                self.null.as_ref().map_err(Fault::clone)?;
                return Ok(false);
            }
            Value::Bytes(bytes) if self.is_raw => out.extend_from_slice(bytes),
            _ => self.root.write(value.borrowed(), out)?,
        }
        Ok(true)
    }
}

impl Node {
    /// Appends one value. What rows are mostly made of comes first.
    #[inline]
    fn write(&mut self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if matches!(value, ValueRef::Null) {
            out.extend_from_slice(self.null.as_ref().map_err(Fault::clone)?);
            return Ok(());
        }
        if let Some(member) = self.member {
            out.push(member);
        }
        match (&mut self.kind, value) {
            (Kind::Text, ValueRef::String(text)) => put_bytes(text.as_bytes(), out),
            (Kind::Integer(SchemaType::Int64), ValueRef::Int64(number)) => put_long(number, out),
            (Kind::Integer(SchemaType::Int32), ValueRef::Int32(number)) => put_long(i64::from(number), out),
            (Kind::Struct(node), ValueRef::Struct(row)) => return node.write(row, out),
            _ => return self.write_other(value, out),
        }
        Ok(())
    }

    fn write_other(&mut self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match (&mut self.kind, value) {
            (Kind::Integer(SchemaType::Int16), ValueRef::Int16(number)) => put_long(i64::from(number), out),
            (Kind::Integer(SchemaType::Int8), ValueRef::Int8(number)) => put_long(i64::from(number), out),
            (Kind::Boolean, ValueRef::Boolean(truth)) => out.push(u8::from(truth)),
            (Kind::Float, ValueRef::Float32(number)) => out.extend_from_slice(&number.to_le_bytes()),
            (Kind::Double, ValueRef::Float64(number)) => out.extend_from_slice(&number.to_le_bytes()),
            (Kind::FloatAsDouble, ValueRef::Float32(number)) => {
                out.extend_from_slice(&f64::from(number).to_le_bytes());
            }
            (Kind::Bytes, ValueRef::Bytes(bytes)) => put_bytes(bytes, out),
            (Kind::Fixed(size), ValueRef::Bytes(bytes)) if bytes.len() == *size => {
                out.extend_from_slice(bytes)
            }
            (Kind::Fixed(size), ValueRef::Bytes(bytes)) => {
                return Err(Fault::new(format!("{} bytes where a fixed has {size}", bytes.len())));
            }
            (Kind::Enum(symbols), ValueRef::String(symbol)) => match symbols.get(symbol) {
                Some(index) => put_long(*index, out),
                None => return Err(Fault::new(format!("\"{symbol}\" is no symbol of the enum"))),
            },
            (Kind::Array(items), ValueRef::Array(values)) => {
                write_items(values, out, |value, out| items.write(value.borrowed(), out))?
            }
            (Kind::Map(values), ValueRef::Map(entries)) => write_items(entries, out, |(key, value), out| {
                let unfit = || Fault::new(format!("Invalid type for STRING: {}", key.kind_name()));
                let key = key.as_str().ok_or_else(unfit)?;
                put_bytes(key.as_bytes(), out);
                values.write(value.borrowed(), out).map_err(|fault| fault.inside(key))
            })?,
            (Kind::Entries(nodes), ValueRef::Map(entries)) => {
                write_items(entries, out, |(key, value), out| {
                    nodes.0.write(key.borrowed(), out)?;
                    nodes.1.write(value.borrowed(), out)
                })?
            }
            (Kind::Union(node), ValueRef::Struct(row)) => node.write(row, out)?,
            (Kind::Anything, value) => anything::write(value, out)?,
            (kind, value) => {
                return Err(Fault::new(format!("Invalid type for {}: {}", kind.name(), value.kind_name())));
            }
        }
        Ok(())
    }
}

impl Kind {
    const fn name(&self) -> &'static str {
        match self {
            Self::Integer(kind) => kind.name(),
            Self::Float | Self::FloatAsDouble => SchemaType::Float32.name(),
            Self::Double => SchemaType::Float64.name(),
            Self::Boolean => SchemaType::Boolean.name(),
            Self::Bytes | Self::Fixed(_) => SchemaType::Bytes.name(),
            Self::Text | Self::Enum(_) => SchemaType::String.name(),
            Self::Array(_) => SchemaType::Array.name(),
            Self::Map(_) | Self::Entries(_) => SchemaType::Map.name(),
            Self::Struct(_) | Self::Union(_) => SchemaType::Struct.name(),
            Self::Anything => "a value without a schema",
        }
    }
}

/// Appends a list or map: one block, and the end.
fn write_items<T>(
    items: &[T],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&T, &mut Vec<u8>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if !items.is_empty() {
        put_length(items.len(), out);
        for item in items {
            write(item, out)?;
        }
    }
    out.push(0);
    Ok(())
}
