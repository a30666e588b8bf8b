//! Values without a schema: a record with a field for each kind of value, all null but one (Confluent's `Anything`).
//!
//! The one schema that refers to itself; its text is fixed, and so is what writes and reads it.

use std::sync::{Arc, LazyLock};

use api::{Value, ValueRef};

use super::schema::{ANYTHING, Avro, AvroRef, Kind, Name};
use super::wire::{Cursor, put_bytes, put_length, put_long};
use crate::json::fault::Fault;

/// The schema as part of another.
pub(super) fn schema() -> AvroRef {
    static SCHEMA: LazyLock<AvroRef> = LazyLock::new(|| {
        let reference = || Arc::new(Avro::plain(Kind::Recursive(Name::of_full(ANYTHING))));
        // The text is ours: a test reads it.
        super::parse::parse(TEXT, &[]).unwrap_or_else(|_fault| reference())
    });
    Arc::clone(&SCHEMA)
}

/// The schema's text.
const TEXT: &str = concat!(
    r#"{"type":"record","name":"Anything","namespace":"io.confluent.connect.avro","fields":["#,
    r#"{"name":"boolean","type":["null","boolean"],"default":null},"#,
    r#"{"name":"bytes","type":["null","bytes"],"default":null},"#,
    r#"{"name":"double","type":["null","double"],"default":null},"#,
    r#"{"name":"float","type":["null","float"],"default":null},"#,
    r#"{"name":"int","type":["null","int"],"default":null},"#,
    r#"{"name":"long","type":["null","long"],"default":null},"#,
    r#"{"name":"string","type":["null","string"],"default":null},"#,
    r#"{"name":"array","type":["null",{"type":"array","items":"Anything"}],"default":null},"#,
    r#"{"name":"map","type":["null",{"type":"array","items":{"type":"record","name":"MapEntry","fields":["#,
    r#"{"name":"key","type":"Anything"},{"name":"value","type":"Anything"}]}}],"default":null}]}"#,
);

/// How deep a value without a schema may go.
const DEPTH_MAX: usize = 64;
/// How many fields the record has.
const FIELDS: usize = 9;

/// Appends a value that has no schema.
///
/// # Errors
/// When it is too deep, or has a struct in it, which says its schema.
pub(super) fn write(value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    write_at(value, out, 0)
}

fn write_at(value: ValueRef<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::new(format!("a value without a schema is more than {DEPTH_MAX} levels deep")));
    }
    let field = match value {
        ValueRef::Null => FIELDS,
        ValueRef::Boolean(_) => 0,
        ValueRef::Bytes(_) => 1,
        ValueRef::Float64(_) => 2,
        ValueRef::Float32(_) => 3,
        ValueRef::Int8(_) | ValueRef::Int16(_) | ValueRef::Int32(_) => 4,
        ValueRef::Int64(_) => 5,
        ValueRef::String(_) => 6,
        ValueRef::Array(_) => 7,
        ValueRef::Map(_) => 8,
        ValueRef::Struct(_) => return Err(Fault::new("Unknown type for schemaless data: STRUCT")),
    };
    // Null is the first member of each field's union, the value the second.
    out.resize(out.len() + field, 0);
    if field == FIELDS {
        return Ok(());
    }
    out.push(2);
    match value {
        ValueRef::Boolean(truth) => out.push(u8::from(truth)),
        ValueRef::Bytes(bytes) => put_bytes(bytes, out),
        ValueRef::Int8(number) => put_long(number.into(), out),
        ValueRef::Int16(number) => put_long(number.into(), out),
        ValueRef::Int32(number) => put_long(number.into(), out),
        ValueRef::Int64(number) => put_long(number, out),
        ValueRef::Float64(number) => out.extend_from_slice(&number.to_le_bytes()),
        ValueRef::Float32(number) => out.extend_from_slice(&number.to_le_bytes()),
        ValueRef::String(text) => put_bytes(text.as_bytes(), out),
        ValueRef::Array(values) => {
            put_count(values.len(), out);
            for value in values {
                write_at(value.borrowed(), out, depth + 1)?;
            }
            put_end(values.len(), out);
        }
        ValueRef::Map(entries) => {
            put_count(entries.len(), out);
            for (key, value) in entries {
                write_at(key.borrowed(), out, depth + 1)?;
                write_at(value.borrowed(), out, depth + 1)?;
            }
            put_end(entries.len(), out);
        }
        // Dealt with above.
        ValueRef::Null | ValueRef::Struct(_) => {}
    }
    out.resize(out.len() + FIELDS - field - 1, 0);
    Ok(())
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    put_length(count, out);
}

/// The end of a list's blocks; an empty one is nothing but its end, which its count was.
fn put_end(count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        out.push(0);
    }
}

/// Reads a value that has no schema.
///
/// # Errors
/// When the data is no such record, or too deep.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    read_at(cursor, 0)
}

fn read_at(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::new(format!("a value without a schema is more than {DEPTH_MAX} levels deep")));
    }
    let mut found = Value::Null;
    for field in 0..FIELDS {
        match cursor.long()? {
            0 => {}
            1 => {
                let value = read_field(cursor, field, depth)?;
                // The first that is not null counts, as in Connect.
                if found.is_null() {
                    found = value;
                }
            }
            other => return Err(Fault::new(format!("member {other} of a union of two"))),
        }
    }
    Ok(found)
}

fn read_field(cursor: &mut Cursor<'_>, field: usize, depth: usize) -> Result<Value, Fault> {
    Ok(match field {
        0 => Value::Boolean(cursor.boolean()?),
        1 => Value::Bytes(cursor.sized()?),
        2 => Value::Float64(f64::from_le_bytes(cursor.take()?)),
        3 => Value::Float32(f32::from_le_bytes(cursor.take()?)),
        4 => Value::Int32(cursor.int()?),
        5 => Value::Int64(cursor.long()?),
        6 => Value::String(cursor.text()?),
        7 => {
            let mut values = Vec::new();
            cursor.blocks(|cursor| {
                values.push(read_at(cursor, depth + 1)?);
                Ok(())
            })?;
            Value::Array(values)
        }
        _ => {
            let mut entries = Vec::new();
            cursor.blocks(|cursor| {
                let key = read_at(cursor, depth + 1)?;
                entries.push((key, read_at(cursor, depth + 1)?));
                Ok(())
            })?;
            Value::Map(entries)
        }
    })
}
