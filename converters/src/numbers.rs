//! The converters of Kafka's own serializers: a boolean is one byte, a number its bytes in network order.

use api::{
    Bytes, Converted, Converter, Error, Plugin, PluginKind, Result, Schema, SchemaAndValue, SchemaType, Value,
};

use crate::VERSION;
use crate::bytes::NoOptions;
use crate::header::AsHeader;

/// One of the converters: what it takes, and how Kafka calls it in messages.
#[derive(Clone, Copy, Debug)]
struct NumberConverter {
    kind: SchemaType,
    word: &'static str,
    bytes: usize,
}

macro_rules! number_converters {
    ($($plugin:ident $header_plugin:ident $class:literal $kind:ident $word:literal $bytes:literal;)+) => {$(
        #[doc = concat!("The converter of keys and values that are of type ", $word, ".")]
        pub(crate) static $plugin: Plugin = Plugin {
            class: concat!("org.apache.kafka.connect.converters.", $class),
            aliases: &[],
            version: VERSION,
            documentation: concat!("Writes and reads a ", $word, " as Kafka's own serializer does: ", $bytes, " byte(s) in network order."),
            config: NoOptions::definition,
            kind: PluginKind::Converter(|_props, _is_key| {
                Ok(Box::new(NumberConverter { kind: SchemaType::$kind, word: $word, bytes: $bytes }))
            }),
        };

        #[doc = concat!("The converter of headers that are of type ", $word, ".")]
        pub(crate) static $header_plugin: Plugin = Plugin {
            class: concat!("org.apache.kafka.connect.converters.", $class),
            aliases: &[],
            version: VERSION,
            documentation: concat!("Writes and reads a ", $word, " as Kafka's own serializer does: ", $bytes, " byte(s) in network order."),
            config: NoOptions::definition,
            kind: PluginKind::HeaderConverter(|_props| {
                Ok(Box::new(AsHeader(NumberConverter { kind: SchemaType::$kind, word: $word, bytes: $bytes })))
            }),
        };
    )+};
}

number_converters! {
    BOOLEAN BOOLEAN_HEADER "BooleanConverter" Boolean "boolean" 1;
    SHORT SHORT_HEADER "ShortConverter" Int16 "short" 2;
    INTEGER INTEGER_HEADER "IntegerConverter" Int32 "integer" 4;
    LONG LONG_HEADER "LongConverter" Int64 "long" 8;
    FLOAT FLOAT_HEADER "FloatConverter" Float32 "float" 4;
    DOUBLE DOUBLE_HEADER "DoubleConverter" Float64 "double" 8;
}

impl NumberConverter {
    fn unreadable(&self, problem: &str) -> Error {
        Error::bad_record(format!("Failed to deserialize {}: {problem}", self.word))
    }

    fn read(&self, bytes: &[u8]) -> Result<Value> {
        let wrong_size = |cause: std::array::TryFromSliceError| {
            self.unreadable(&format!("Size of data received is {}, not {}", bytes.len(), self.bytes))
                .with_source(cause)
        };
        Ok(match self.kind {
            SchemaType::Boolean => match <[u8; 1]>::try_from(bytes).map_err(wrong_size)? {
                [0] => Value::Boolean(false),
                [1] => Value::Boolean(true),
                [other] => return Err(self.unreadable(&format!("Unexpected byte received: {other}"))),
            },
            SchemaType::Int16 => Value::Int16(i16::from_be_bytes(bytes.try_into().map_err(wrong_size)?)),
            SchemaType::Int32 => Value::Int32(i32::from_be_bytes(bytes.try_into().map_err(wrong_size)?)),
            SchemaType::Int64 => Value::Int64(i64::from_be_bytes(bytes.try_into().map_err(wrong_size)?)),
            SchemaType::Float32 => Value::Float32(f32::from_be_bytes(bytes.try_into().map_err(wrong_size)?)),
            _ => Value::Float64(f64::from_be_bytes(bytes.try_into().map_err(wrong_size)?)),
        })
    }
}

impl Converter for NumberConverter {
    fn from_connect_data(
        &mut self,
        _topic: &str,
        datum: &SchemaAndValue,
        buffer: &mut Vec<u8>,
    ) -> Result<Converted> {
        match &datum.value {
            Value::Null => return Ok(Converted::Null),
            value if value.kind() != Some(self.kind) => {
                let (word, found) = (self.word, value.kind_name());
                return Err(Error::bad_record(format!("Failed to serialize to {word} (was {found})")));
            }
            Value::Boolean(value) => buffer.push(u8::from(*value)),
            Value::Int16(number) => buffer.extend_from_slice(&number.to_be_bytes()),
            Value::Int32(number) => buffer.extend_from_slice(&number.to_be_bytes()),
            Value::Int64(number) => buffer.extend_from_slice(&number.to_be_bytes()),
            Value::Float32(number) => buffer.extend_from_slice(&number.to_be_bytes()),
            Value::Float64(number) => buffer.extend_from_slice(&number.to_be_bytes()),
            other => return Err(Error::bad_record(format!("{} is not a number", other.kind_name()))),
        }
        Ok(Converted::Bytes)
    }

    fn to_connect_data(&mut self, _topic: &str, bytes: Option<Bytes>) -> Result<SchemaAndValue> {
        let value = bytes.map_or(Ok(Value::Null), |bytes| self.read(&bytes))?;
        Ok(SchemaAndValue::new(Schema::plain_optional(self.kind), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Props;

    const PLUGINS: [&Plugin; 6] = [&BOOLEAN, &SHORT, &INTEGER, &LONG, &FLOAT, &DOUBLE];

    fn make(plugin: &Plugin) -> Box<dyn Converter> {
        match plugin.kind {
            PluginKind::Converter(make) => make(&Props::new(), false).expect("no options"),
            _ => panic!("{} is no converter", plugin.class),
        }
    }

    #[test]
    fn each_takes_its_own_type_and_reads_it_back() {
        let values: [(Value, &[u8]); 6] = [
            (true.into(), &[1]),
            (5_i16.into(), &[0, 5]),
            (5.into(), &[0, 0, 0, 5]),
            (5_i64.into(), &[0, 0, 0, 0, 0, 0, 0, 5]),
            (1.5_f32.into(), &[63, 192, 0, 0]),
            (1.5.into(), &[63, 248, 0, 0, 0, 0, 0, 0]),
        ];
        for (place, plugin) in PLUGINS.into_iter().enumerate() {
            for (other, (value, bytes)) in values.iter().enumerate() {
                let mut out = Vec::new();
                let written =
                    make(plugin).from_connect_data("t", &SchemaAndValue::schemaless(value.clone()), &mut out);
                assert_eq!(written.is_ok(), place == other, "{} takes {value:?}", plugin.class);
                if place == other {
                    assert_eq!(out, *bytes);
                    let read = make(plugin).to_connect_data("t", Some(out.into())).expect("its own bytes");
                    assert_eq!(
                        (read.value, read.schema.map(|schema| schema.is_optional())),
                        (value.clone(), Some(true))
                    );
                }
            }
        }
    }

    #[test]
    fn null_is_null_both_ways() {
        for plugin in PLUGINS {
            let mut out = Vec::new();
            assert_eq!(
                make(plugin).from_connect_data("t", &SchemaAndValue::NULL, &mut out).expect("null does"),
                Converted::Null
            );
            assert_eq!(make(plugin).to_connect_data("t", None).expect("null does").value, Value::Null);
        }
    }

    #[test]
    fn other_bytes_are_refused_in_kafkas_words() {
        for plugin in PLUGINS {
            let error = make(plugin)
                .to_connect_data("t", Some(Bytes::from_static(&[0; 3])))
                .expect_err("three bytes");
            assert!(error.to_string().starts_with("Failed to deserialize "), "{error}");
        }
        let error =
            make(&BOOLEAN).to_connect_data("t", Some(Bytes::from_static(&[2]))).expect_err("neither 0 nor 1");
        assert_eq!(error.to_string(), "Failed to deserialize boolean: Unexpected byte received: 2");
    }
}
