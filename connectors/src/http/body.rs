//! What stands in a request: records as items, items as a body. Pure.
//!
//! Invariant: the items of a body are of one partition, in offset order, and can be told apart in it.

use api::{Error, Result, SchemaAndValue, SinkRecord, Value};

use super::config::{BatchFormat, NullValues};
use super::json;

/// A record, and what stands for it in a body.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) record: &'a SinkRecord,
    pub(super) bytes: Vec<u8>,
}

/// How records become items: `None` if the record is passed over.
///
/// # Errors
/// `BadRecord` when it cannot be one.
pub(super) fn encode<'a>(
    record: &'a SinkRecord,
    format: BatchFormat,
    null_values: NullValues,
) -> Result<Option<Item<'a>>> {
    let datum = &record.record.value;
    if datum.value.is_null() {
        match null_values {
            NullValues::Ignore => return Ok(None),
            NullValues::Fail => {
                return Err(Error::bad_record(
                    "the record has no value, and behavior.on.null.values is FAIL",
                ));
            }
            NullValues::Send => {}
        }
    }
    let bytes = match format {
        BatchFormat::JsonArray => as_json(datum)?,
        BatchFormat::Lines => as_line(datum)?,
        BatchFormat::Single => as_is(datum)?,
    };
    Ok(Some(Item { record, bytes }))
}

fn as_json(datum: &SchemaAndValue) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    json::append(datum.schema.as_deref(), &datum.value, &mut bytes)?;
    Ok(bytes)
}

/// Text and bytes as they are, but for a Decimal, which is bytes by accident; anything else as JSON.
fn as_is(datum: &SchemaAndValue) -> Result<Vec<u8>> {
    match &datum.value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        Value::Bytes(bytes) if datum.schema.as_ref().is_none_or(|schema| schema.name().is_none()) => {
            Ok(bytes.to_vec())
        }
        _ => as_json(datum),
    }
}

fn as_line(datum: &SchemaAndValue) -> Result<Vec<u8>> {
    let bytes = as_is(datum)?;
    if bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Err(Error::bad_record(
            "the value has a line break, so it cannot be a line; use batch.format=JSON_ARRAY or SINGLE",
        ));
    }
    Ok(bytes)
}

/// Whether another item may join: neither too many nor, unless it is alone, too many bytes.
pub(super) fn has_room(items: &[Item<'_>], next: &Item<'_>, records_max: usize, bytes_max: usize) -> bool {
    let bytes: usize = items.iter().map(|item| item.bytes.len() + 1).sum();
    items.is_empty() || (items.len() < records_max && bytes + next.bytes.len() + 1 < bytes_max)
}

/// The body of these items.
pub(super) fn assemble(items: &[Item<'_>], format: BatchFormat) -> Vec<u8> {
    let mut body = Vec::with_capacity(items.iter().map(|item| item.bytes.len() + 1).sum::<usize>() + 1);
    let (before, between, after): (&[u8], &[u8], &[u8]) = match format {
        BatchFormat::JsonArray => (b"[", b",", b"]"),
        BatchFormat::Lines => (b"", b"\n", b"\n"),
        BatchFormat::Single => (b"", b"", b""),
    };
    body.extend_from_slice(before);
    for (index, item) in items.iter().enumerate() {
        body.extend_from_slice(if index == 0 { b"" } else { between });
        body.extend_from_slice(&item.bytes);
    }
    body.extend_from_slice(after);
    body
}

/// What tells the endpoint which records these are: `topic-partition-offset`, or `topic-partition-first-last`.
pub(super) fn idempotency_key(items: &[Item<'_>]) -> String {
    let (Some(first), Some(last)) = (items.first(), items.last()) else { return String::new() };
    let place = &first.record.original;
    let mut key = format!("{}-{}-{}", place.topic, place.partition, first.record.offset);
    if items.len() > 1 {
        key.push('-');
        key.push_str(&last.record.offset.to_string());
    }
    key
}

/// Where these items are from, for messages.
pub(super) fn place(items: &[Item<'_>]) -> String {
    let (Some(first), Some(last)) = (items.first(), items.last()) else { return String::new() };
    let (original, from, to) = (&first.record.original, first.record.offset, last.record.offset);
    let offsets = if from == to { format!("offset {from}") } else { format!("offsets {from} to {to}") };
    format!("topic {}, partition {}, {offsets}", original.topic, original.partition)
}
