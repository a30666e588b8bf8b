//! A schema as Connect's JSON says it: `{"type":..,"optional":..,"name":..}`, in Connect's order of keys.
//!
//! Off the hot path: rendered once per schema, then copied in front of every value.

use api::{Schema, SchemaRef, SchemaType};

use super::encoder::{Node, Options};
use super::escape::write_string;
use super::fault::Fault;

/// `{"schema":..,"payload":`; the fault is a default value that does not fit its schema.
pub(super) fn envelope(schema: &SchemaRef, options: Options) -> Result<Vec<u8>, Fault> {
    let mut out = b"{\"schema\":".to_vec();
    write_schema(schema, None, options, &mut out)?;
    out.extend_from_slice(b",\"payload\":");
    Ok(out)
}

/// The word that Connect's JSON has for a type.
pub(super) const fn type_word(kind: SchemaType) -> &'static str {
    match kind {
        SchemaType::Int8 => "int8",
        SchemaType::Int16 => "int16",
        SchemaType::Int32 => "int32",
        SchemaType::Int64 => "int64",
        SchemaType::Float32 => "float",
        SchemaType::Float64 => "double",
        SchemaType::Boolean => "boolean",
        SchemaType::String => "string",
        SchemaType::Bytes => "bytes",
        SchemaType::Array => "array",
        SchemaType::Map => "map",
        SchemaType::Struct => "struct",
    }
}

fn write_schema(
    schema: &SchemaRef,
    field: Option<&str>,
    options: Options,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.extend_from_slice(b"{\"type\":");
    write_string(type_word(schema.kind()), out);
    write_parts(schema, options, out)?;
    out.extend_from_slice(b",\"optional\":");
    out.extend_from_slice(if schema.is_optional() { b"true" } else { b"false" });
    if let Some(name) = schema.name() {
        write_entry("name", name, out);
    }
    if let Some(version) = schema.version() {
        out.extend_from_slice(b",\"version\":");
        out.extend_from_slice(itoa::Buffer::new().format(version).as_bytes());
    }
    if let Some(doc) = schema.doc() {
        write_entry("doc", doc, out);
    }
    write_parameters(schema, out);
    if let Some(default) = schema.default_value() {
        out.extend_from_slice(b",\"default\":");
        Node::new(schema, options).write(default.borrowed(), out)?;
    }
    if let Some(field) = field {
        write_entry("field", field, out);
    }
    out.push(b'}');
    Ok(())
}

fn write_parts(schema: &Schema, options: Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    let parts = match schema.kind() {
        SchemaType::Array => [None, Some((&b",\"items\":"[..], schema.value_schema()))],
        SchemaType::Map => [
            Some((&b",\"keys\":"[..], schema.key_schema())),
            Some((&b",\"values\":"[..], schema.value_schema())),
        ],
        SchemaType::Struct => return write_fields(schema, options, out),
        _ => return Ok(()),
    };
    for (name, part) in parts.into_iter().flatten() {
        out.extend_from_slice(name);
        match part {
            Some(part) => write_schema(part, None, options, out)?,
            None => out.extend_from_slice(b"null"),
        }
    }
    Ok(())
}

fn write_fields(schema: &Schema, options: Options, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.extend_from_slice(b",\"fields\":[");
    for (index, field) in schema.fields().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_schema(&field.schema, Some(&field.name), options, out)
            .map_err(|fault| fault.inside(&field.name))?;
    }
    out.push(b']');
    Ok(())
}

fn write_parameters(schema: &Schema, out: &mut Vec<u8>) {
    if schema.parameters().is_empty() {
        return;
    }
    out.extend_from_slice(b",\"parameters\":{");
    for (index, (name, value)) in schema.parameters().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_string(value, out);
    }
    out.push(b'}');
}

fn write_entry(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write_string(name, out);
    out.push(b':');
    write_string(value, out);
}
