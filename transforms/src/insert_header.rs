//! InsertHeader: adds a header with a fixed value to each record.
//!
//! The value is what the literal says by itself (`Values.parseString`), as if it had been read from a header: `5` is an INT8, `x` a string.
//! It is read once, when the transform is made.

use api::configs::config;
use api::{Plugin, PluginKind, Props, Record, Result, SchemaAndValue, Text, Transform, values};

use crate::{VERSION, bad_config};

/// The transform.
pub(crate) static PLUGIN: Plugin = Plugin {
    class: "org.apache.kafka.connect.transforms.InsertHeader",
    aliases: &[],
    version: VERSION,
    documentation: "Adds a header to each record.",
    config: InsertHeaderConfig::definition,
    kind: PluginKind::Transform(|props| Ok(Box::new(InsertHeader::new(props)?))),
};

config! {
    /// Options of InsertHeader.
    struct InsertHeaderConfig {
        /// The name of the header.
        header: String = required("header").importance(High);
        /// The literal value that is to be set as the header value on all records.
        value_literal: String = required("value.literal").importance(High);
    }
}

/// See the module.
#[derive(Debug)]
struct InsertHeader {
    header: Text,
    value: SchemaAndValue,
}

impl InsertHeader {
    fn new(props: &Props) -> Result<Self> {
        let config = InsertHeaderConfig::parse(props).map_err(bad_config)?;
        Ok(Self { header: config.header.into(), value: values::parse(&config.value_literal.into()) })
    }
}

impl Transform for InsertHeader {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        record.headers.add(self.header.clone(), self.value.clone());
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use api::{Schema, SchemaType, Value, logical};

    use super::*;
    use crate::tests::{applied, transform};

    fn inserted(literal: &str) -> SchemaAndValue {
        let mut before = Record::default();
        before.headers.add_text("h", "first");
        let said = [("header", "h"), ("value.literal", literal)];
        let after = applied("InsertHeader", &said, before).expect("it applies").expect("it stays");
        assert_eq!(after.headers.len(), 2, "the other header stays");
        after.headers.last("h").expect("inserted").value.clone()
    }

    /// The expected values are those of Kafka Connect 4.3.
    #[test]
    fn the_literal_says_its_type() {
        let plain = |kind, value| SchemaAndValue::new(Schema::plain(kind), value);
        for text in ["", "a", "TRUE", "\"q\"", "abc def"] {
            assert_eq!(inserted(text), SchemaAndValue::of_text(text), "{text:?}");
        }
        assert_eq!(inserted(" "), SchemaAndValue::of_text(""), "settings are trimmed");
        for (text, number) in [("5", 5), (" 7 ", 7), ("-0", 0)] {
            assert_eq!(inserted(text), plain(SchemaType::Int8, Value::Int8(number)), "{text}");
        }
        assert_eq!(inserted("300"), plain(SchemaType::Int16, Value::Int16(300)));
        assert_eq!(inserted("70000"), plain(SchemaType::Int32, Value::Int32(70_000)));
        assert_eq!(inserted("5000000000"), plain(SchemaType::Int64, Value::Int64(5_000_000_000)));
        assert_eq!(inserted("1.5"), plain(SchemaType::Float32, Value::Float32(1.5)));
        assert_eq!(inserted("true"), plain(SchemaType::Boolean, Value::Boolean(true)));
        assert_eq!(inserted("null"), SchemaAndValue::NULL);
        assert_eq!(inserted("[1, 2]").value, Value::Array(vec![Value::Int8(1), Value::Int8(2)]));
        assert_eq!(inserted("{\"a\": 1}").value, Value::Map(vec![("a".into(), Value::Int8(1))]));
        let day = SchemaAndValue::new(logical::date().build(), Value::Int32(14_288));
        assert_eq!(inserted("2009-02-13"), day);
        let decimal = SchemaAndValue::new(logical::decimal(-500).build(), vec![1_u8].into());
        assert_eq!(inserted("1e500"), decimal);
    }

    #[test]
    fn both_settings_are_needed() {
        let missing = |said: &[(&str, &str)]| transform("InsertHeader", said).err();
        let text =
            |name| Some(format!("Missing required configuration \"{name}\" which has no default value."));
        assert_eq!(missing(&[("header", "h")]), text("value.literal"));
        assert_eq!(missing(&[("value.literal", "v")]), text("header"));
        assert_eq!(missing(&[("header", ""), ("value.literal", "")]), None);
    }
}
