//! StringConverter: a value as Java's `toString` prints it; any text as a string.
//!
//! Texts go through untouched. What Java prints differently on every run, or with the machine's time zone, is made definite here: bytes are
//! base64 (Java prints an object's address), dates are in UTC, maps keep their order. Bytes that are not a text of the encoding are refused,
//! where Java replaces them in silence.

use api::configs::config;
use api::{
    Bytes, Converted, Converter, Error, Plugin, PluginKind, Props, Result, Schema, SchemaAndValue,
    SchemaType, Struct, Text, Value, calendar, logical,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::header::AsHeader;
use crate::{VERSION, java_text};

const CLASS: &str = "org.apache.kafka.connect.storage.StringConverter";
const DOCUMENTATION: &str =
    "Writes any value as the text that Java's `toString` gives, and reads any text as a string.";

/// The converter of keys and values.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: CLASS,
    aliases: &["string"],
    version: VERSION,
    documentation: DOCUMENTATION,
    config: StringConverterConfig::definition,
    kind: PluginKind::Converter(|props, _is_key| Ok(Box::new(StringConverter::new(props)?))),
};

/// The converter of headers.
pub(crate) static HEADER_PLUGIN: Plugin = Plugin {
    class: CLASS,
    aliases: &["string"],
    version: VERSION,
    documentation: DOCUMENTATION,
    config: StringConverterConfig::definition,
    kind: PluginKind::HeaderConverter(|props| Ok(Box::new(AsHeader(StringConverter::new(props)?)))),
};

const ENCODINGS: &[&str] = &["UTF-8", "UTF8", "US-ASCII", "ASCII", "ISO-8859-1", "ISO8859_1", "LATIN1"];

config! {
    /// Options of the string converter.
    struct StringConverterConfig {
        /// The character set of the bytes, by its Java name.
        encoding: String = default("converter.encoding", "UTF-8").importance(High).check(one_of_ignoring_case(ENCODINGS));
    }
}

/// How characters become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    /// One byte a character, up to and including this one.
    SingleByte(char),
}

/// See the module.
#[derive(Debug)]
struct StringConverter {
    encoding: Encoding,
}

impl StringConverter {
    fn new(props: &Props) -> Result<Self> {
        let config =
            StringConverterConfig::parse(props).map_err(|errors| Error::bad_config(errors.to_string()))?;
        let encoding = match config.encoding.to_ascii_uppercase().as_str() {
            "US-ASCII" | "ASCII" => Encoding::SingleByte('\u{7f}'),
            "ISO-8859-1" | "ISO8859_1" | "LATIN1" => Encoding::SingleByte('\u{ff}'),
            _ => Encoding::Utf8,
        };
        Ok(Self { encoding })
    }

    fn encode(&self, text: &str, buffer: &mut Vec<u8>) -> Result<()> {
        let Encoding::SingleByte(last) = self.encoding else {
            buffer.extend_from_slice(text.as_bytes());
            return Ok(());
        };
        for character in text.chars() {
            let byte = u8::try_from(character).ok().filter(|_| character <= last);
            let missing = || {
                Error::bad_record(format!("the encoding of StringConverter has no character {character:?}"))
            };
            buffer.push(byte.ok_or_else(missing)?);
        }
        Ok(())
    }

    fn decode(&self, bytes: Bytes) -> Result<Text> {
        let refused =
            || "the bytes are no text in the encoding of StringConverter; ByteArrayConverter takes any bytes";
        match self.encoding {
            Encoding::Utf8 => {
                Text::try_from(bytes).map_err(|cause| Error::bad_record(refused()).with_source(cause))
            }
            Encoding::SingleByte(last) => match bytes.iter().all(|byte| char::from(*byte) <= last) {
                true => Ok(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into()),
                false => Err(Error::bad_record(refused())),
            },
        }
    }
}

impl Converter for StringConverter {
    fn from_connect_data(
        &mut self,
        _topic: &str,
        datum: &SchemaAndValue,
        buffer: &mut Vec<u8>,
    ) -> Result<Converted> {
        match &datum.value {
            Value::Null => return Ok(Converted::Null),
            Value::String(text) => self.encode(text, buffer)?,
            value => {
                let mut text = String::new();
                write_value(value, datum.schema.as_deref(), &mut text);
                self.encode(&text, buffer)?;
            }
        }
        Ok(Converted::Bytes)
    }

    fn to_connect_data(&mut self, topic: &str, bytes: Option<Bytes>) -> Result<SchemaAndValue> {
        let text = bytes.map(|bytes| self.decode(bytes)).transpose();
        let text = text.map_err(|error| error.context(format!("cannot read text from topic {topic}")))?;
        Ok(SchemaAndValue::new(Schema::plain_optional(SchemaType::String), text.into()))
    }
}

/// Java's `toString` of a value; the schema says what is a date or a decimal.
fn write_value(value: &Value, schema: Option<&Schema>, out: &mut String) {
    match (schema.and_then(Schema::name), value) {
        (Some(logical::DATE), Value::Int32(days)) => {
            return out.push_str(&calendar::java_date(i64::from(*days) * 86_400_000));
        }
        (Some(logical::TIME), Value::Int32(ms)) => return out.push_str(&calendar::java_date(i64::from(*ms))),
        (Some(logical::TIMESTAMP), Value::Int64(ms)) => return out.push_str(&calendar::java_date(*ms)),
        (Some(logical::DECIMAL), Value::Bytes(unscaled)) => {
            let scale = schema
                .and_then(|schema| schema.parameter(logical::SCALE))
                .and_then(|scale| scale.parse().ok());
            if let Some(text) = java_text::decimal(unscaled, scale.unwrap_or(0)) {
                return out.push_str(&text);
            }
        }
        _ => {}
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int8(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Int16(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Int32(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Int64(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Float32(number) => out.push_str(&java_text::f32_text(*number)),
        Value::Float64(number) => out.push_str(&java_text::f64_text(*number)),
        Value::String(text) => out.push_str(text),
        Value::Bytes(bytes) => STANDARD.encode_string(bytes, out),
        Value::Array(items) => {
            let schema = schema.and_then(Schema::value_schema).map(|schema| &**schema);
            write_all("[", "]", ", ", items, out, |item, out| write_value(item, schema, out));
        }
        Value::Map(entries) => {
            let keys = schema.and_then(Schema::key_schema).map(|schema| &**schema);
            let values = schema.and_then(Schema::value_schema).map(|schema| &**schema);
            write_all("{", "}", ", ", entries, out, |(key, item), out| {
                write_value(key, keys, out);
                out.push('=');
                write_value(item, values, out);
            });
        }
        Value::Struct(row) => write_struct(row, out),
    }
}

/// `Struct{a=1,b=x}`: without the fields that are null.
fn write_struct(row: &Struct, out: &mut String) {
    let fields = row.schema().fields().iter().zip(row.values()).filter(|(_, value)| !value.is_null());
    write_all("Struct{", "}", ",", fields, out, |(field, value), out| {
        out.push_str(&field.name);
        out.push('=');
        write_value(value, Some(&field.schema), out);
    });
}

fn write_all<I: IntoIterator>(
    open: &str,
    close: &str,
    separator: &str,
    items: I,
    out: &mut String,
    write: impl Fn(I::Item, &mut String),
) {
    out.push_str(open);
    for (index, item) in items.into_iter().enumerate() {
        out.push_str(if index == 0 { "" } else { separator });
        write(item, out);
    }
    out.push_str(close);
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::SchemaRef;

    fn converter(encoding: &str) -> StringConverter {
        StringConverter::new(&Props::from([("converter.encoding".to_owned(), encoding.to_owned())]))
            .expect("a known encoding")
    }

    fn written(datum: &SchemaAndValue) -> Option<String> {
        let mut out = Vec::new();
        match converter("utf8").from_connect_data("t", datum, &mut out).expect("anything does") {
            Converted::Bytes => Some(String::from_utf8(out).expect("UTF-8")),
            Converted::Null => None,
        }
    }

    /// The expected text is what Kafka Connect 4.3 wrote, but for the bytes, where it writes an address.
    #[test]
    fn structs_are_printed_as_java_prints_them() {
        let inner = Schema::structure().field("x", Schema::plain_optional(SchemaType::String)).build();
        let optional = Schema::plain_optional;
        let schema = Schema::structure()
            .field("a", Schema::plain(SchemaType::Int32))
            .field("b", optional(SchemaType::String))
            .field("c", optional(SchemaType::String))
            .field("by", optional(SchemaType::Bytes))
            .field("n", SchemaRef::clone(&inner))
            .field("l", Schema::array(Schema::plain(SchemaType::String)).build())
            .field(
                "m",
                Schema::map(Schema::plain(SchemaType::String), Schema::plain(SchemaType::Int32)).build(),
            )
            .field("d", optional(SchemaType::Float64))
            .field("ts", logical::timestamp().build())
            .field("dec", logical::decimal(2).build())
            .field("def", Schema::builder(SchemaType::String).optional().default_value("dd").build())
            .build();
        let values = vec![
            1.into(),
            "x".into(),
            Value::Null,
            vec![1_u8, 2].into(),
            Struct::new(inner).into(),
            Value::Array(vec!["p".into(), "q".into()]),
            Value::Map(vec![("k".into(), 1.into())]),
            1e10.into(),
            1_234_567_890_123_i64.into(),
            vec![110_u8].into(),
            Value::Null,
        ];
        let row = Struct::of(schema, values).expect("a value a field");
        let expected = "Struct{a=1,b=x,by=AQI=,n=Struct{},l=[p, q],m={k=1},d=1.0E10,ts=Fri Feb 13 23:31:30 UTC 2009,dec=1.10}";
        assert_eq!(written(&SchemaAndValue::of_struct(row)).as_deref(), Some(expected));
    }

    #[test]
    fn simple_values_and_null() {
        assert_eq!(written(&SchemaAndValue::NULL), None);
        assert_eq!(
            written(&SchemaAndValue::new(Schema::plain_optional(SchemaType::String), Value::Null)),
            None
        );
        let list = Value::Array(vec!["a".into(), Value::Null, 1.into()]);
        assert_eq!(written(&SchemaAndValue::schemaless(list)).as_deref(), Some("[a, null, 1]"));
        assert_eq!(written(&SchemaAndValue::schemaless(1.1_f32.into())).as_deref(), Some("1.1"));
        assert_eq!(
            written(&SchemaAndValue::new(logical::date().build(), 0.into())).as_deref(),
            Some("Thu Jan 01 00:00:00 UTC 1970")
        );
        assert_eq!(
            written(&SchemaAndValue::new(logical::time().build(), 1234.into())).as_deref(),
            Some("Thu Jan 01 00:00:01 UTC 1970")
        );
        assert_eq!(written(&SchemaAndValue::schemaless(true.into())).as_deref(), Some("true"));
    }

    #[test]
    fn reading_gives_optional_strings() {
        let read = |bytes: Option<&'static [u8]>| {
            converter("UTF-8").to_connect_data("t", bytes.map(Bytes::from_static)).expect("UTF-8")
        };
        let optional = || Schema::plain_optional(SchemaType::String);
        assert_eq!(read(Some(b"hi")), SchemaAndValue::new(optional(), "hi".into()));
        assert_eq!(read(Some(b"")), SchemaAndValue::new(optional(), "".into()));
        assert_eq!(read(None), SchemaAndValue::new(optional(), Value::Null));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let error = converter("UTF-8")
            .to_connect_data("shop", Some(Bytes::from_static(b"\xffh")))
            .expect_err("not UTF-8");
        assert!(error.to_string().contains("topic shop: the bytes are no text"), "{error}");
        let latin =
            converter("ISO-8859-1").to_connect_data("t", Some(Bytes::from_static(b"\xe4"))).expect("a text");
        assert_eq!(latin.value, "ä".into());
        assert!(converter("US-ASCII").to_connect_data("t", Some(Bytes::from_static(b"\xe4"))).is_err());
    }

    #[test]
    fn other_encodings_write_what_they_have() {
        let mut out = Vec::new();
        let text = |text: &str| SchemaAndValue::of_text(text.to_owned());
        assert!(converter("latin1").from_connect_data("t", &text("aä"), &mut out).is_ok());
        assert_eq!(out, b"a\xe4");
        assert!(converter("latin1").from_connect_data("t", &text("€"), &mut out).is_err());
        let props = Props::from([("converter.encoding".to_owned(), "EBCDIC".to_owned())]);
        assert!(
            StringConverter::new(&props).expect_err("unknown").to_string().contains("converter.encoding")
        );
    }
}
