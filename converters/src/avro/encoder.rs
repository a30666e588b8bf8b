//! A Connect schema and an Avro schema compiled to what writes the values of the one as data of the other.
//!
//! On the hot path: nothing is looked up per record, nothing allocated. Which member of a union a value is, where its field stands and what
//! null becomes is decided when the schemas are compiled. The Avro schema is usually the one that `from_connect` made of the Connect
//! schema; with `use.latest.version` it is another, and fields are matched by name. Invariant: an encoder holds its schema's
//! `Arc`, so a struct with the same pointer fits without a look at its fields.

mod compile;
mod shared;

use std::collections::HashMap;

use api::{SchemaRef, SchemaType, Struct, Value, same_schema};

use super::anything;
use super::wire::{put_bytes, put_length, put_long};
use crate::json::fault::Fault;
pub(super) use compile::compile;
use shared::SharedBytes;

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

#[derive(Debug)]
struct StructNode {
    schema: SchemaRef,
    /// In the order of the Avro record.
    fields: Box<[FieldNode]>,
    shared: Option<SharedBytes>,
}

#[derive(Debug)]
enum FieldNode {
    /// The field at this place of the struct.
    Of(usize, Node),
    /// A field that only Avro has: its default.
    Constant(Box<[u8]>),
}

#[derive(Debug)]
struct UnionNode {
    schema: SchemaRef,
    /// One for each field.
    members: Box<[Node]>,
    null: Result<Box<[u8]>, Fault>,
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
            _ => self.root.write(value, out)?,
        }
        Ok(true)
    }
}

impl Node {
    /// Appends one value. What rows are mostly made of comes first.
    #[inline]
    fn write(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        if value.is_null() {
            out.extend_from_slice(self.null.as_ref().map_err(Fault::clone)?);
            return Ok(());
        }
        if let Some(member) = self.member {
            out.push(member);
        }
        match (&mut self.kind, value) {
            (Kind::Text, Value::String(text)) => put_bytes(text.as_bytes(), out),
            (Kind::Integer(SchemaType::Int64), Value::Int64(number)) => put_long(*number, out),
            (Kind::Integer(SchemaType::Int32), Value::Int32(number)) => put_long(i64::from(*number), out),
            (Kind::Struct(node), Value::Struct(row)) => return node.write(row, out),
            _ => return self.write_other(value, out),
        }
        Ok(())
    }

    fn write_other(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        match (&mut self.kind, value) {
            (Kind::Integer(SchemaType::Int16), Value::Int16(number)) => put_long(i64::from(*number), out),
            (Kind::Integer(SchemaType::Int8), Value::Int8(number)) => put_long(i64::from(*number), out),
            (Kind::Boolean, Value::Boolean(truth)) => out.push(u8::from(*truth)),
            (Kind::Float, Value::Float32(number)) => out.extend_from_slice(&number.to_le_bytes()),
            (Kind::Double, Value::Float64(number)) => out.extend_from_slice(&number.to_le_bytes()),
            (Kind::FloatAsDouble, Value::Float32(number)) => {
                out.extend_from_slice(&f64::from(*number).to_le_bytes());
            }
            (Kind::Bytes, Value::Bytes(bytes)) => put_bytes(bytes, out),
            (Kind::Fixed(size), Value::Bytes(bytes)) if bytes.len() == *size => out.extend_from_slice(bytes),
            (Kind::Fixed(size), Value::Bytes(bytes)) => {
                return Err(Fault::new(format!("{} bytes where a fixed has {size}", bytes.len())));
            }
            (Kind::Enum(symbols), Value::String(symbol)) => match symbols.get(&**symbol) {
                Some(index) => put_long(*index, out),
                None => return Err(Fault::new(format!("\"{symbol}\" is no symbol of the enum"))),
            },
            (Kind::Array(items), Value::Array(values)) => {
                write_items(values, out, |value, out| items.write(value, out))?
            }
            (Kind::Map(values), Value::Map(entries)) => write_items(entries, out, |(key, value), out| {
                let unfit = || Fault::new(format!("Invalid type for STRING: {}", key.kind_name()));
                let key = key.as_str().ok_or_else(unfit)?;
                put_bytes(key.as_bytes(), out);
                values.write(value, out).map_err(|fault| fault.inside(key))
            })?,
            (Kind::Entries(nodes), Value::Map(entries)) => write_items(entries, out, |(key, value), out| {
                nodes.0.write(key, out)?;
                nodes.1.write(value, out)
            })?,
            (Kind::Union(node), Value::Struct(row)) => node.write(row, out)?,
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

impl StructNode {
    fn write(&mut self, row: &Struct, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !same_schema(row.schema(), &self.schema) {
            return Err(Fault::new("Mismatching struct schema"));
        }
        if let Some((shared, own)) = row.shared() {
            if !self.shared.as_ref().is_some_and(|bytes| bytes.is_of(shared)) {
                self.shared = SharedBytes::new(shared, &mut self.fields).ok();
            }
            if let Some(bytes) = &self.shared {
                return bytes.write(own, &mut self.fields, out);
            }
        }
        let values = row.values();
        for field in &mut self.fields {
            match field {
                FieldNode::Of(place, node) => node.write(&values[*place], out).map_err(|fault| {
                    let field = self.schema.fields().get(*place);
                    fault.inside(field.map_or("", |field| &field.name))
                })?,
                FieldNode::Constant(bytes) => out.extend_from_slice(bytes),
            }
        }
        Ok(())
    }
}

impl UnionNode {
    /// The first field that is not null is the value.
    fn write(&mut self, row: &Struct, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !same_schema(row.schema(), &self.schema) {
            return Err(Fault::new("Mismatching struct schema"));
        }
        let mut fields = self.members.iter_mut().zip(row.values());
        match fields.find(|(_, value)| !value.is_null()) {
            Some((member, value)) => member.write(value, out),
            None => {
                out.extend_from_slice(self.null.as_ref().map_err(Fault::clone)?);
                Ok(())
            }
        }
    }
}
