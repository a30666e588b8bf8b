//! The converter's two directions without a registry, and against what others make of the same.

mod golden;
mod marked;
mod packed;
mod properties;
mod resolution;
mod untrusted;

use api::{Bytes, Converter, PluginKind, Props, SchemaAndValue, SchemaRef};
use serde_json::Value as Json;

use super::options::DataOptions;
use super::schema::AvroRef;
use super::{decoder, encoder, from_connect, parse, text, to_connect};
use crate::json::fault::Fault;

/// The Avro schema of a Connect schema, and its text.
fn avro(schema: Option<&SchemaRef>, options: DataOptions) -> Result<(AvroRef, String), Fault> {
    let avro = match schema {
        Some(schema) => from_connect::avro_of(schema, options)?,
        None => super::anything::schema(),
    };
    let text = text::text_of(&avro)?;
    Ok((avro, text))
}

/// The data of a value, with the schema that was made of its own; nothing for null.
fn written(datum: &SchemaAndValue, options: DataOptions) -> Result<Option<Vec<u8>>, Fault> {
    let (avro, _) = avro(datum.schema.as_ref(), options)?;
    let mut encoder = encoder::compile(datum.schema.as_ref(), &avro, options)?;
    let mut out = Vec::new();
    // Twice, since what an encoder keeps could show in the second.
    encoder.write(&datum.value, &mut out)?;
    let first = std::mem::take(&mut out);
    let is_datum = encoder.write(&datum.value, &mut out)?;
    assert_eq!(first, out);
    for form in packed::FORMS {
        out.clear();
        encoder.write(&packed::packed(&datum.value, form), &mut out)?;
        assert_eq!(first, out, "however its structs lie: {form:?}");
    }
    Ok(is_datum.then_some(out))
}

/// What the data of a schema's text is in Connect.
fn read(text: &str, bytes: Vec<u8>, options: DataOptions) -> Result<SchemaAndValue, Fault> {
    let avro = parse::parse(text, &[])?;
    let schema = to_connect::ToConnect::new(options).schema(&avro, None)?;
    let decoder = decoder::compile(&avro, &avro, schema.as_ref(), options)?;
    let value = decoder.read(&Bytes::from(bytes), 0)?;
    Ok(SchemaAndValue { schema, value })
}

fn json_converter() -> Box<dyn Converter> {
    let props = [("schemas.enable", "true"), ("replace.null.with.default", "false")];
    let props: Props = props.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    match crate::json::PLUGIN.kind {
        PluginKind::Converter(make) => make(&props, false).unwrap(),
        _ => panic!("it is a converter"),
    }
}

/// A value from Connect's JSON, with its schema.
fn of_json(json: &Json) -> SchemaAndValue {
    let envelope = serde_json::json!({ "schema": json["schema"], "payload": json["payload"] });
    json_converter().to_connect_data("t", Some(Bytes::from(envelope.to_string()))).unwrap()
}

/// A value as Connect's JSON.
fn to_json(datum: &SchemaAndValue) -> Json {
    let mut out = Vec::new();
    let _converted = json_converter().from_connect_data("t", datum, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}
