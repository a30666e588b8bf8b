//! What the fuzz target of Avro calls: schemas as a registry may give them, and data of them as a topic may hold it. Only there with the
//! feature `fuzzing`, and in tests, which go over its seeds. Errors are fine; what can be read must be written again, to the same bytes
//! each time.

use api::{Bytes, SchemaAndValue, SchemaRef};

use super::options::DataOptions;
use super::registry::Answer;
use super::schema::AvroRef;
use super::{compatibility, decoder, encoder, from_connect, parse, text, to_connect};
use crate::json::fault::Fault;

/// Reads and writes; whether the data was a value. The input is a byte of options, then the schema that the data was written with, the schema that it is read as (none is the same)
/// and the data, with zero bytes between these.
///
/// # Panics
/// When what was written cannot be read again, or is something else on the second time.
pub fn avro(input: &[u8]) -> bool {
    let Some((bits, rest)) = input.split_first() else { return false };
    let options = options(*bits);
    let mut parts = rest.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (writer, reader, data) = (part(), part(), Bytes::copy_from_slice(part()));
    let (Ok(writer), Ok(reader)) = (std::str::from_utf8(writer), std::str::from_utf8(reader)) else {
        return false;
    };
    let Ok(written) = parse::parse(writer, &[]) else { return false };
    let read = if reader.is_empty() { Ok(AvroRef::clone(&written)) } else { parse::parse(reader, &[]) };
    let Ok(datum) = read.and_then(|read| Ok((decode(&written, &read, data, options)?, read))) else {
        return false;
    };
    // Who says in Connect's properties what is not so gets what they ask for; by escaped letters, too.
    if !["connect", "\\u"].iter().any(|mark| writer.contains(mark) || reader.contains(mark)) {
        write_again(&datum.0, &datum.1, options);
    }
    true
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_read_and_written_again() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/avro");
        let mut read = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            let path = seed.unwrap().path();
            let is_value = avro(&std::fs::read(&path).unwrap());
            // Connect has no schemas within themselves.
            assert_eq!(is_value, !path.ends_with("recursive"), "{}", path.display());
            read += 1;
        }
        assert!(read >= 9, "{read} seeds in {seeds}");
    }
}
