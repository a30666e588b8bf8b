//! A schema compiled to what writes its values as JSON: Connect's `JsonConverter.convertToJson`, without looking anything up per record.
//!
//! On the hot path. Field names stand as prepared bytes with their separators, the schema's own JSON and the text for null are rendered
//! once. The invariant: an encoder holds its schema's `Arc`, so a struct with the same pointer fits without a look at its fields.

use std::sync::Arc;

use api::{
    Field, PackedStructs, Schema, SchemaRef, SchemaType, SharedFields, ShowFields, Struct, StructRef, Value,
    ValueRef, logical, same_schema,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::escape::write_string;
use super::fault::Fault;
use super::schema_text;
use super::shared::SharedText;
use crate::java_text;

/// What the settings say about writing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Decimals as numbers instead of base64.
    pub(super) decimals_numeric: bool,
    /// A null field is written as its schema's default.
    pub(super) replace_null_with_default: bool,
}

/// Writes the values of one schema.
#[derive(Debug)]
pub(super) struct Encoder {
    node: Node,
    /// `{"schema":..,"payload":`, or what is wrong with a default value in the schema.
    envelope: Result<Vec<u8>, Fault>,
}

#[derive(Debug)]
pub(super) struct Node {
    kind: Kind,
    /// What is written for null, or why it must not be there.
    null: Result<Box<[u8]>, Fault>,
}

#[derive(Debug)]
enum Kind {
    Plain(SchemaType),
    /// A list or map that says nothing of what it holds, as the header converter makes them of mixed values.
    Untyped(SchemaType, Options),
    Decimal {
        scale: i32,
    },
    Array(Box<Node>),
    ObjectMap(Box<Node>),
    PairsMap(Box<(Node, Node)>),
    Struct(StructNode),
    /// A schema that lacks what its type needs: a Decimal without a scale.
    Malformed(&'static str),
}

#[derive(Debug)]
struct StructNode {
    schema: SchemaRef,
    fields: Box<[FieldNode]>,
    /// What the last structs that shared fields had in common.
    shared: Option<SharedText>,
}

#[derive(Debug)]
pub(super) struct FieldNode {
    /// `{"name":` for the first field, `,"name":` for the others.
    pub(super) prefix: Box<[u8]>,
    pub(super) node: Node,
}

impl Encoder {
    /// Compiles the schema.
    pub(super) fn new(schema: &SchemaRef, options: Options) -> Self {
        Self { node: Node::new(schema, options), envelope: schema_text::envelope(schema, options) }
    }

    /// Appends the value alone.
    pub(super) fn write(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.node.write(value.borrowed(), out)
    }

    /// Appends the value with its schema.
    pub(super) fn write_enveloped(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.extend_from_slice(self.envelope.as_ref().map_err(Fault::clone)?);
        self.node.write(value.borrowed(), out)?;
        out.push(b'}');
        Ok(())
    }
}

impl Node {
    pub(super) fn new(schema: &SchemaRef, options: Options) -> Self {
        let kind = Kind::of(schema, options);
        let mut node = Self { kind, null: Ok(Box::from(*b"null")) };
        node.null = match schema.default_value() {
            Some(default) if options.replace_null_with_default => {
                let mut text = Vec::new();
                node.write(default.borrowed(), &mut text).map(|()| text.into_boxed_slice())
            }
            _ if schema.is_optional() => Ok(Box::from(*b"null")),
            _ => Err(Fault::new(
                "Conversion error: null value for field that is required and has no default value",
            )),
        };
        node
    }

    /// Appends one value. What rows are mostly made of comes first.
    #[inline]
    pub(super) fn write(&mut self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match (&mut self.kind, value) {
            (Kind::Plain(SchemaType::String), ValueRef::String(text)) => write_string(text, out),
            (Kind::Plain(SchemaType::Int64), ValueRef::Int64(number)) => write_integer(number, out),
            (Kind::Plain(SchemaType::Int32), ValueRef::Int32(number)) => write_integer(number, out),
            (_, ValueRef::Null) => out.extend_from_slice(self.null.as_ref().map_err(Fault::clone)?),
            (Kind::Struct(node), ValueRef::Struct(row)) => return node.write(row, out),
            _ => return self.write_other(value, out),
        }
        Ok(())
    }

    fn write_other(&mut self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match (&mut self.kind, value) {
            (Kind::Plain(kind), value) if value.kind() == Some(*kind) => write_primitive(value, out),
            (Kind::Decimal { scale }, ValueRef::Bytes(unscaled)) => {
                let too_large = || {
                    Fault::new(format!(
                        "Decimal of {} bytes is too large to be written as a number",
                        unscaled.len()
                    ))
                };
                out.extend_from_slice(java_text::decimal(unscaled, *scale).ok_or_else(too_large)?.as_bytes());
                Ok(())
            }
            (Kind::Array(items), ValueRef::Array(values)) => write_array(items, values, out),
            (Kind::ObjectMap(values), ValueRef::Map(entries)) => write_object(values, entries, out),
            (Kind::PairsMap(nodes), ValueRef::Map(entries)) => {
                write_pairs(&mut nodes.0, &mut nodes.1, entries, out)
            }
            (Kind::Untyped(SchemaType::Array, options), ValueRef::Array(values)) => {
                write_list(values, *options, out)
            }
            (Kind::Untyped(SchemaType::Map, options), ValueRef::Map(entries)) => {
                write_entries(entries, *options, out)
            }
            (Kind::Malformed(problem), _) => Err(Fault::new(*problem)),
            (kind, value) => {
                Err(Fault::new(format!("Invalid type for {}: {}", kind.name(), value.kind_name())))
            }
        }
    }
}

impl Kind {
    fn of(schema: &SchemaRef, options: Options) -> Self {
        let node = |schema: &SchemaRef| Box::new(Node::new(schema, options));
        match (schema.kind(), schema.key_schema(), schema.value_schema()) {
            (SchemaType::Bytes, ..)
                if options.decimals_numeric && schema.name() == Some(logical::DECIMAL) =>
            {
                Self::decimal(schema)
            }
            (SchemaType::Array, _, Some(items)) => Self::Array(node(items)),
            (SchemaType::Map, Some(keys), Some(values)) if keys.kind() == SchemaType::String => {
                Self::ObjectMap(node(values))
            }
            (SchemaType::Map, Some(keys), Some(values)) => {
                Self::PairsMap(Box::new((Node::new(keys, options), Node::new(values, options))))
            }
            (kind @ (SchemaType::Array | SchemaType::Map), ..) => Self::Untyped(kind, options),
            (SchemaType::Struct, ..) => {
                let fields = fields(schema.fields(), options);
                Self::Struct(StructNode { schema: SchemaRef::clone(schema), fields, shared: None })
            }
            (kind, ..) => Self::Plain(kind),
        }
    }

    fn decimal(schema: &Schema) -> Self {
        match schema.parameter(logical::SCALE).map(str::parse) {
            Some(Ok(scale)) => Self::Decimal { scale },
            Some(Err(_)) => Self::Malformed("Invalid scale parameter found in Decimal schema"),
            None => Self::Malformed("Invalid Decimal schema: scale parameter not found."),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Plain(kind) | Self::Untyped(kind, _) => kind.name(),
            Self::Decimal { .. } => SchemaType::Bytes.name(),
            Self::Array(_) => SchemaType::Array.name(),
            Self::ObjectMap(_) | Self::PairsMap(_) => SchemaType::Map.name(),
            Self::Struct(_) => SchemaType::Struct.name(),
            Self::Malformed(problem) => problem,
        }
    }
}

fn fields(fields: &[Field], options: Options) -> Box<[FieldNode]> {
    let separators = std::iter::once(b'{').chain(std::iter::repeat(b','));
    let node = |(separator, field): (u8, &Field)| {
        let mut prefix = vec![separator];
        write_string(&field.name, &mut prefix);
        prefix.push(b':');
        FieldNode { prefix: prefix.into(), node: Node::new(&field.schema, options) }
    };
    separators.zip(fields).map(node).collect()
}

impl StructNode {
    fn write(&mut self, row: StructRef<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !same_schema(row.schema(), &self.schema) {
            return Err(Fault::new("Mismatching schema."));
        }
        match row {
            StructRef::Made(row) => {
                if let Some((packed, number)) = row.packed() {
                    self.write_packed(packed, number, out)
                } else if let Some((shared, own)) = row.shared() {
                    self.write_sharing(shared, own.iter().map(Value::borrowed), out)
                } else {
                    self.write_made(row, out)
                }
            }
            StructRef::Sharing(shared, own) => self.write_sharing(shared, own.iter().copied(), out),
            StructRef::Each(row) => self.write_each(row, out),
        }
    }

    fn write_packed(
        &mut self,
        packed: &dyn PackedStructs,
        number: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let mut outcome = Ok(());
        packed.show(number, &mut |row| outcome = self.write(row, out));
        outcome
    }

    fn write_sharing<'a>(
        &mut self,
        shared: &Arc<SharedFields>,
        own: impl Iterator<Item = ValueRef<'a>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if !self.shared.as_ref().is_some_and(|text| text.is_of(shared)) {
            self.shared = Some(SharedText::new(shared, &mut self.fields)?);
        }
        match &self.shared {
            Some(text) => text.write(own, &mut self.fields, out),
            None => Ok(()),
        }
    }

    fn write_made(&mut self, row: &Struct, out: &mut Vec<u8>) -> Result<(), Fault> {
        for (index, (field, value)) in self.fields.iter_mut().zip(row.values()).enumerate() {
            field
                .write(value.borrowed(), out)
                .map_err(|fault| fault.inside(&self.schema.fields()[index].name))?;
        }
        self.end(out);
        Ok(())
    }

    fn write_each(&mut self, row: &dyn ShowFields, out: &mut Vec<u8>) -> Result<(), Fault> {
        let (mut fields, mut outcome) = (self.fields.iter_mut(), Ok(()));
        let mut place = 0;
        let shown = row.show_each(&mut |value| {
            if let (Some(field), Ok(())) = (fields.next(), &outcome) {
                outcome = field.write(value, out);
                place += usize::from(outcome.is_ok());
            }
        });
        outcome.map_err(|fault| fault.inside(&self.schema.fields()[place].name))?;
        shown.map_err(|error| Fault::new(error.to_string()))?;
        self.end(out);
        Ok(())
    }

    fn end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.fields.is_empty() { b"{}" } else { b"}" });
    }
}

impl FieldNode {
    #[inline]
    fn write(&mut self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.extend_from_slice(&self.prefix);
        self.node.write(value, out)
    }
}

fn write_array(items: &mut Node, values: &[Value], out: &mut Vec<u8>) -> Result<(), Fault> {
    out.push(b'[');
    for (index, value) in values.iter().enumerate() {
        separate(index, out);
        items.write(value.borrowed(), out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_object(values: &mut Node, entries: &[(Value, Value)], out: &mut Vec<u8>) -> Result<(), Fault> {
    out.push(b'{');
    for (index, (key, value)) in entries.iter().enumerate() {
        separate(index, out);
        let Some(key) = key.as_str() else {
            return Err(Fault::new(format!("Invalid type for STRING: {}", key.kind_name())));
        };
        write_string(key, out);
        out.push(b':');
        values.write(value.borrowed(), out).map_err(|fault| fault.inside(key))?;
    }
    out.push(b'}');
    Ok(())
}

fn write_pairs(
    keys: &mut Node,
    values: &mut Node,
    entries: &[(Value, Value)],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.push(b'[');
    for (index, (key, value)) in entries.iter().enumerate() {
        separate(index, out);
        out.push(b'[');
        keys.write(key.borrowed(), out)?;
        out.push(b',');
        values.write(value.borrowed(), out)?;
        out.push(b']');
    }
    out.push(b']');
    Ok(())
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

/// Appends a value that has no parts. Others are not written by this function, and say so.
fn write_primitive(value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match value {
        ValueRef::Boolean(true) => out.extend_from_slice(b"true"),
        ValueRef::Boolean(false) => out.extend_from_slice(b"false"),
        ValueRef::Int8(number) => write_integer(number, out),
        ValueRef::Int16(number) => write_integer(number, out),
        ValueRef::Int32(number) => write_integer(number, out),
        ValueRef::Int64(number) => write_integer(number, out),
        ValueRef::Float32(number) if !number.is_finite() => write_special(f64::from(number), out),
        ValueRef::Float32(number) => java_text::write_f32(number, out),
        ValueRef::Float64(number) if !number.is_finite() => write_special(number, out),
        ValueRef::Float64(number) => java_text::write_f64(number, out),
        ValueRef::String(text) => write_string(text, out),
        ValueRef::Bytes(bytes) => write_base64(bytes, out),
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Array(_) | ValueRef::Map(_) | ValueRef::Struct(_) => {
            return Err(Fault::new(format!(
                "{} without its schema cannot be written as JSON",
                value.kind_name()
            )));
        }
    }
    Ok(())
}

fn write_integer(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Jackson quotes what JSON has no numbers for.
fn write_special(number: f64, out: &mut Vec<u8>) {
    write_string(java_text::special(number).unwrap_or_default(), out);
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    // The room is exact: four characters for every three bytes begun.
    debug_assert_eq!(written, Ok(out.len() - start));
    out.push(b'"');
}

/// Appends a value that has no schema, as Connect infers one from its class: maps with text keys are objects, others lists of pairs.
pub(super) fn write_schemaless(value: &Value, options: Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    match value {
        Value::Array(values) => write_list(values, options, out),
        Value::Map(entries) => write_entries(entries, options, out),
        Value::Struct(row) => Node::new(row.schema(), options).write(value.borrowed(), out),
        _ => write_primitive(value.borrowed(), out),
    }
}

fn write_list(values: &[Value], options: Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.push(b'[');
    for (index, value) in values.iter().enumerate() {
        separate(index, out);
        write_schemaless(value, options, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_entries(entries: &[(Value, Value)], options: Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    if entries.iter().all(|(key, _)| key.as_str().is_some()) {
        out.push(b'{');
        for (index, (key, value)) in entries.iter().enumerate() {
            separate(index, out);
            write_schemaless(key, options, out)?;
            out.push(b':');
            write_schemaless(value, options, out)?;
        }
        out.push(b'}');
        return Ok(());
    }
    out.push(b'[');
    for (index, (key, value)) in entries.iter().enumerate() {
        separate(index, out);
        out.push(b'[');
        write_schemaless(key, options, out)?;
        out.push(b',');
        write_schemaless(value, options, out)?;
        out.push(b']');
    }
    out.push(b']');
    Ok(())
}
