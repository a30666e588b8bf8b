//! What the fuzz target of Avro calls: schemas as a registry may give them, and data of them as a topic may hold it. Only there with the
//! feature `fuzzing`. Errors are fine; what can be read must be written again, to the same bytes each time.

use api::{Bytes, SchemaAndValue, SchemaRef};

use super::options::DataOptions;
use super::registry::Answer;
use super::schema::AvroRef;
use super::{compatibility, decoder, encoder, from_connect, parse, text, to_connect};
use crate::json::fault::Fault;

/// The input is a byte of options, the schema that the data was written with, the schema that it is read as (none is the same) and the
/// data, with zero bytes between them.
pub fn avro(input: &[u8]) {
    let mut parts = input.splitn(4, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let options = options(part().first().copied().unwrap_or_default());
    let (writer, reader, data) = (part(), part(), Bytes::copy_from_slice(part()));
    let (Ok(writer), Ok(reader)) = (std::str::from_utf8(writer), std::str::from_utf8(reader)) else { return };
    let Ok(written) = parse::parse(writer, &[]) else { return };
    let read = if reader.is_empty() { Ok(AvroRef::clone(&written)) } else { parse::parse(reader, &[]) };
    let Ok(read) = read else { return };
    if let Ok(datum) = decode(&written, &read, data, options) {
        write_again(&datum, &read, options);
    }
}

fn options(bits: u8) -> DataOptions {
    let is = |bit: u8| bits & (1 << bit) != 0;
    DataOptions {
        enhanced: is(0),
        generalized: is(1),
        connect_meta_data: !is(2),
        scrub: is(3),
        discard_type_doc_default: is(4),
        optional_map_keys: is(5),
        flatten_singleton_union: !is(6),
        ignore_default_for_nullables: is(7),
    }
}

fn decode(
    written: &AvroRef,
    read: &AvroRef,
    data: Bytes,
    options: DataOptions,
) -> Result<SchemaAndValue, Fault> {
    let schema = to_connect::ToConnect::new(options).schema(read, Some(1))?;
    let value = decoder::compile(written, read, schema.as_ref(), options)?.read(&data, 0)?;
    Ok(SchemaAndValue { schema, value })
}

fn encode(
    datum: &SchemaAndValue,
    schema: Option<&SchemaRef>,
    avro: &AvroRef,
    options: DataOptions,
) -> Result<Option<Vec<u8>>, Fault> {
    let mut out = Vec::new();
    let is_datum = encoder::compile(schema, avro, options)?.write(&datum.value, &mut out)?;
    Ok(is_datum.then_some(out))
}

/// With the schema that it was read as, as `use.latest.version` does, and with the one that is made of its own.
///
/// # Panics
/// When what was written is something else on the second time.
fn write_again(datum: &SchemaAndValue, theirs: &AvroRef, options: DataOptions) {
    let schema = datum.schema.as_ref();
    let own =
        schema.map_or_else(|| Ok(super::anything::schema()), |schema| from_connect::avro_of(schema, options));
    let Ok(own) = own else { return };
    let Ok(text) = text::text_of(&own) else { return };
    let answer = Answer { text: text.clone(), ..Answer::default() };
    drop(compatibility::check(&text, &answer));
    drop(encode(datum, schema, theirs, options));
    let Ok(Some(bytes)) = encode(datum, schema, &own, options) else { return };
    let own = match parse::parse(&text, &[]) {
        Ok(own) => own,
        Err(fault) => panic!("a schema of ours cannot be read: {}: {text}", fault.into_error()),
    };
    let back = match decode(&own, &own, Bytes::from(bytes.clone()), options) {
        Ok(back) => back,
        Err(fault) => panic!("data of ours cannot be read: {}: {text}", fault.into_error()),
    };
    let again = encode(&back, back.schema.as_ref(), &own, options);
    assert_eq!(again.ok().flatten(), Some(bytes), "{text}");
}
