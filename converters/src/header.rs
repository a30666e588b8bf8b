//! SimpleHeaderConverter: header values as text, and text as the narrowest type that it can be (`Values.parseString`).
//!
//! Connect's default for headers. Also here: [`AsHeader`], which lets a converter of values serve for headers, as Connect's converters do.

use api::{
    Bytes, Converted, Converter, Header, HeaderConverter, Plugin, PluginKind, Result, Schema, SchemaAndValue,
    SchemaType, Text, Value,
};

use crate::bytes::NoOptions;
use crate::{VERSION, values};

/// The header converter.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: "org.apache.kafka.connect.storage.SimpleHeaderConverter",
    aliases: &["simple"],
    version: VERSION,
    documentation: "Writes header values as text, and reads text as the narrowest type that it can be: a boolean, a number, a date, a list, \
                    a map, else a string.",
    config: NoOptions::definition,
    kind: PluginKind::HeaderConverter(|_props| Ok(Box::new(SimpleHeaderConverter))),
};

/// See the module.
#[derive(Debug)]
struct SimpleHeaderConverter;

impl HeaderConverter for SimpleHeaderConverter {
    fn from_connect_header(
        &mut self,
        _topic: &str,
        header: &Header,
        buffer: &mut Vec<u8>,
    ) -> Result<Converted> {
        let SchemaAndValue { schema, value } = &header.value;
        if value.is_null() {
            return Ok(Converted::Null);
        }
        let mut text = String::new();
        values::write(value, schema.as_deref(), &mut text);
        buffer.extend_from_slice(text.as_bytes());
        Ok(Converted::Bytes)
    }

    fn to_connect_header(
        &mut self,
        _topic: &str,
        _key: &str,
        bytes: Option<Bytes>,
    ) -> Result<SchemaAndValue> {
        let Some(bytes) = bytes else { return Ok(SchemaAndValue::NULL) };
        Ok(match Text::try_from(bytes.clone()) {
            Ok(text) => api::values::parse(&text),
            // What is no text stays what it is: Connect's fallback for headers that it cannot read.
            Err(_) => SchemaAndValue::new(Schema::plain(SchemaType::Bytes), Value::Bytes(bytes)),
        })
    }
}

/// A converter of values as a converter of headers.
#[derive(Debug)]
pub(crate) struct AsHeader<C>(pub(crate) C);

impl<C: Converter> HeaderConverter for AsHeader<C> {
    fn from_connect_header(
        &mut self,
        topic: &str,
        header: &Header,
        buffer: &mut Vec<u8>,
    ) -> Result<Converted> {
        let written = self.0.from_connect_data(topic, &header.value, buffer);
        written.map_err(|error| error.context(format!("header \"{}\"", header.key)))
    }

    fn to_connect_header(&mut self, topic: &str, key: &str, bytes: Option<Bytes>) -> Result<SchemaAndValue> {
        self.0.to_connect_data(topic, bytes).map_err(|error| error.context(format!("header \"{key}\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_null_and_bytes() {
        let mut converter = SimpleHeaderConverter;
        let mut read = |bytes: Option<&'static [u8]>| {
            converter.to_connect_header("t", "h", bytes.map(Bytes::from_static)).expect("anything does")
        };
        assert_eq!(read(None), SchemaAndValue::NULL);
        assert_eq!(read(Some(b"null")), SchemaAndValue::NULL);
        assert_eq!(read(Some(b"")), SchemaAndValue::of_text(""));
        assert_eq!(read(Some(b"5")), SchemaAndValue::new(Schema::plain(SchemaType::Int8), Value::Int8(5)));
        assert_eq!(
            read(Some(b"\xff")),
            SchemaAndValue::new(Schema::plain(SchemaType::Bytes), vec![255_u8].into())
        );
    }

    #[test]
    fn values_are_written_as_text() {
        let mut out = Vec::new();
        let mut write = |value| {
            out.clear();
            let header = Header { key: "h".into(), value };
            let written =
                SimpleHeaderConverter.from_connect_header("t", &header, &mut out).expect("anything does");
            (written, String::from_utf8_lossy(&out).into_owned())
        };
        assert_eq!(write(SchemaAndValue::of_text("a\"b")), (Converted::Bytes, "a\"b".to_owned()));
        assert_eq!(write(SchemaAndValue::schemaless(5.into())), (Converted::Bytes, "5".to_owned()));
        assert_eq!(write(SchemaAndValue::NULL), (Converted::Null, String::new()));
    }
}
