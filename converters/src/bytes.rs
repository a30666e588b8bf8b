//! ByteArrayConverter: bytes go through untouched.

use api::{
    Bytes, Converted, Converter, Error, Plugin, PluginKind, Props, Result, Schema, SchemaAndValue,
    SchemaType, Value,
};

use crate::VERSION;
use crate::header::AsHeader;

const CLASS: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
const DOCUMENTATION: &str = "Passes bytes through untouched; takes nothing but BYTES.";

api::configs::config! {
    /// It has no options.
    pub(crate) struct NoOptions {}
}

/// The converter of keys and values.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: CLASS,
    aliases: &["bytes"],
    version: VERSION,
    documentation: DOCUMENTATION,
    config: NoOptions::definition,
    kind: PluginKind::Converter(|_props, _is_key| Ok(Box::new(ByteArrayConverter))),
};

/// The converter of headers.
pub(crate) static HEADER_PLUGIN: Plugin = Plugin {
    class: CLASS,
    aliases: &["bytes"],
    version: VERSION,
    documentation: DOCUMENTATION,
    config: NoOptions::definition,
    kind: PluginKind::HeaderConverter(|_props: &Props| Ok(Box::new(AsHeader(ByteArrayConverter)))),
};

/// See the module.
#[derive(Debug)]
struct ByteArrayConverter;

impl Converter for ByteArrayConverter {
    fn from_connect_data(
        &mut self,
        _topic: &str,
        datum: &SchemaAndValue,
        buffer: &mut Vec<u8>,
    ) -> Result<Converted> {
        let kind = datum.schema.as_ref().map_or(SchemaType::Bytes, |schema| schema.kind());
        match &datum.value {
            _ if kind != SchemaType::Bytes => {
                Err(Error::bad_record(format!("Invalid schema type for ByteArrayConverter: {}", kind.name())))
            }
            Value::Null => Ok(Converted::Null),
            Value::Bytes(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(Converted::Bytes)
            }
            other => {
                let found = other.kind_name();
                Err(Error::bad_record(format!(
                    "ByteArrayConverter is not compatible with objects of type {found}"
                )))
            }
        }
    }

    fn to_connect_data(&mut self, _topic: &str, bytes: Option<Bytes>) -> Result<SchemaAndValue> {
        Ok(SchemaAndValue::new(Schema::plain_optional(SchemaType::Bytes), bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(datum: &SchemaAndValue) -> std::result::Result<Option<Vec<u8>>, String> {
        let mut out = Vec::new();
        match ByteArrayConverter.from_connect_data("t", datum, &mut out) {
            Ok(Converted::Bytes) => Ok(Some(out)),
            Ok(Converted::Null) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn bytes_and_nothing_else() {
        let bytes = || Value::from(vec![104_u8]);
        assert_eq!(
            written(&SchemaAndValue::new(Schema::plain(SchemaType::Bytes), bytes())),
            Ok(Some(vec![104]))
        );
        assert_eq!(written(&SchemaAndValue::schemaless(bytes())), Ok(Some(vec![104])));
        assert_eq!(written(&SchemaAndValue::NULL), Ok(None));
        let text = SchemaAndValue::of_text("x");
        assert_eq!(written(&text), Err("Invalid schema type for ByteArrayConverter: STRING".to_owned()));
        let text = SchemaAndValue::schemaless("x".into());
        assert_eq!(
            written(&text),
            Err("ByteArrayConverter is not compatible with objects of type STRING".to_owned())
        );
    }

    #[test]
    fn reading_gives_optional_bytes() {
        let optional = || Schema::plain_optional(SchemaType::Bytes);
        let read =
            ByteArrayConverter.to_connect_data("t", Some(Bytes::from_static(b"h"))).expect("any bytes do");
        assert_eq!(read, SchemaAndValue::new(optional(), vec![104_u8].into()));
        assert_eq!(
            ByteArrayConverter.to_connect_data("t", None).expect("null does"),
            SchemaAndValue::new(optional(), Value::Null)
        );
    }
}
