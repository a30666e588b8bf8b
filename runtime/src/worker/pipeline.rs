//! Transforms and converters of one task, both ways: records to bytes for a source, bytes to records for a sink.
//!
//! The hot path: synchronous, one call per record, buffers kept from record to record; no I/O. Invariant: a record that fails
//! says at which stage and with which class, and leaves nothing half-written behind.

use std::ops::Range;

use api::{Converted, Converter, Error, HeaderConverter, Headers, Pending, Record, SchemaAndValue, Text};
use broker_client::{ConsumerRecord, EncodedHeaders, Header};

use super::chain::{Chain, ChainFailure};
use super::tolerance::Stage;

/// A plugin and the class that stands for it in error reports.
pub(crate) struct Named<T: ?Sized> {
    /// The class.
    pub(crate) class: &'static str,
    /// The plugin.
    pub(crate) plugin: Box<T>,
}

/// The three converters of a task.
pub(crate) struct Converters {
    /// Of keys.
    pub(crate) key: Named<dyn Converter>,
    /// Of values.
    pub(crate) value: Named<dyn Converter>,
    /// Of header values.
    pub(crate) header: Named<dyn HeaderConverter>,
}

/// What failed, where.
#[derive(Debug)]
pub(crate) struct StageFailure {
    /// The stage.
    pub(crate) stage: Stage,
    /// The class at work.
    pub(crate) class: &'static str,
    /// Why.
    pub(crate) error: Error,
}

impl StageFailure {
    /// A failure of a class at a stage.
    pub(crate) const fn new(stage: Stage, class: &'static str, error: Error) -> Self {
        Self { stage, class, error }
    }
}

/// A record as bytes, in the pipeline's buffers.
#[derive(Debug)]
pub(crate) struct Encoded<'a> {
    /// The key.
    pub(crate) key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub(crate) value: Option<&'a [u8]>,
    /// The headers, in order.
    pub(crate) headers: &'a EncodedHeaders,
}

/// A task's transforms and converters.
pub(crate) struct Pipeline {
    chain: Chain,
    converters: Converters,
    key: Vec<u8>,
    value: Vec<u8>,
    headers: KnownHeaders,
}

/// The headers of the last record, encoded: those of the next are often the very same.
#[derive(Default)]
struct KnownHeaders {
    /// For which topic, and whose.
    of: Option<(Text, Headers)>,
    encoded: EncodedHeaders,
    bytes: Vec<u8>,
    ranges: Vec<Option<Range<usize>>>,
}

/// Where a record that passed all transforms goes on: after the last stage.
pub(crate) const AFTER_CHAIN: usize = usize::MAX;

impl Pipeline {
    /// A pipeline of these parts.
    pub(crate) fn new(chain: Chain, converters: Converters) -> Self {
        let (key, value, headers) = (Vec::new(), Vec::new(), KnownHeaders::default());
        Self { chain, converters, key, value, headers }
    }

    /// Sends a record through the transforms, as [`Chain::apply`].
    pub(crate) fn transform(
        &mut self,
        first: usize,
        record: Record,
        keep: bool,
    ) -> Result<Option<Record>, ChainFailure> {
        // An offset without a record (`SourceRecord::progress`) is written nowhere.
        if record.topic.is_empty() {
            return Ok(None);
        }
        self.chain.apply(first, record, keep)
    }

    /// Turns a source's record into bytes, which stand in the buffers until the next call.
    pub(crate) fn encode<'a>(&'a mut self, record: &'a Record) -> Result<Encoded<'a>, StageFailure> {
        let key = convert(&mut self.converters.key, &record.topic, &record.key, &mut self.key);
        let key = key.map_err(|error| {
            StageFailure::new(Stage::KeyConverter, self.converters.key.class, place(error, "key", record))
        })?;
        let value = convert(&mut self.converters.value, &record.topic, &record.value, &mut self.value);
        let value = value.map_err(|error| {
            StageFailure::new(
                Stage::ValueConverter,
                self.converters.value.class,
                place(error, "value", record),
            )
        })?;
        if !self.headers.are_of(record) {
            self.headers.encode(&mut self.converters.header, record)?;
        }
        Ok(Encoded {
            key: key.then_some(&*self.key),
            value: value.then_some(&*self.value),
            headers: &self.headers.encoded,
        })
    }

    /// What the conversion that just failed waits for (see [`Converter::pending`]).
    pub(crate) fn pending(&mut self) -> Option<Pending> {
        let Converters { key, value, .. } = &mut self.converters;
        key.plugin.pending().or_else(|| value.plugin.pending())
    }

    /// Turns bytes from a topic into a record for a sink: key, value and headers. The caller says where it lay.
    pub(crate) fn decode(
        &mut self,
        topic: &Text,
        partition: i32,
        raw: &ConsumerRecord,
    ) -> Result<Record, StageFailure> {
        let Converters { key, value, header } = &mut self.converters;
        let decoded_key = key
            .plugin
            .to_connect_data(topic, raw.key.clone())
            .map_err(|error| StageFailure::new(Stage::KeyConverter, key.class, error))?;
        let decoded_value = value
            .plugin
            .to_connect_data(topic, raw.value.clone())
            .map_err(|error| StageFailure::new(Stage::ValueConverter, value.class, error))?;
        let mut headers = Headers::new();
        for (name, bytes) in &raw.headers {
            let decoded = header
                .plugin
                .to_connect_header(topic, name, bytes.clone())
                .map_err(|error| StageFailure::new(Stage::HeaderConverter, header.class, error))?;
            headers.add(name.clone(), decoded);
        }
        let topic = topic.clone();
        Ok(Record {
            topic,
            partition: Some(partition),
            key: decoded_key,
            value: decoded_value,
            timestamp: (raw.timestamp >= 0).then_some(raw.timestamp),
            headers,
            kafka_offset: Some(raw.offset),
        })
    }
}

impl KnownHeaders {
    fn are_of(&self, record: &Record) -> bool {
        let known = self.of.as_ref();
        known.is_some_and(|(topic, headers)| headers.is_same(&record.headers) && *topic == record.topic)
    }

    fn encode(
        &mut self,
        converter: &mut Named<dyn HeaderConverter>,
        record: &Record,
    ) -> Result<(), StageFailure> {
        self.of = None;
        self.bytes.clear();
        self.ranges.clear();
        for header in &record.headers {
            let start = self.bytes.len();
            let converted = converter.plugin.from_connect_header(&record.topic, header, &mut self.bytes);
            let converted = converted.map_err(|error| {
                let error = place(error, &format!("header {}", header.key), record);
                StageFailure::new(Stage::HeaderConverter, converter.class, error)
            })?;
            let range = (converted == Converted::Bytes).then_some(start..self.bytes.len());
            self.ranges.push(range);
        }
        let headers = record.headers.iter().zip(&self.ranges).map(|(header, range)| Header {
            key: &header.key,
            value: range.clone().and_then(|range| self.bytes.get(range)),
        });
        self.encoded = EncodedHeaders::new(&headers.collect::<Vec<_>>());
        self.of = Some((record.topic.clone(), record.headers.clone()));
        Ok(())
    }
}

fn convert(
    converter: &mut Named<dyn Converter>,
    topic: &str,
    datum: &SchemaAndValue,
    buffer: &mut Vec<u8>,
) -> api::Result<bool> {
    buffer.clear();
    Ok(converter.plugin.from_connect_data(topic, datum, buffer)? == Converted::Bytes)
}

fn place(error: Error, what: &str, record: &Record) -> Error {
    error.context(format!("cannot convert the {what} of a record for topic {}", record.topic))
}

#[cfg(test)]
mod tests {
    use api::Bytes;
    use broker_client::TimestampType;

    use super::*;

    /// Text as its bytes; refuses anything else.
    struct TextConverter;

    impl Converter for TextConverter {
        fn from_connect_data(
            &mut self,
            _topic: &str,
            datum: &SchemaAndValue,
            buffer: &mut Vec<u8>,
        ) -> api::Result<Converted> {
            buffer.extend_from_slice(b"~");
            match datum.value.as_str() {
                Some(text) => buffer.extend_from_slice(text.as_bytes()),
                None if datum.value.is_null() => return Ok(Converted::Null),
                None => return Err(Error::bad_record("not text")),
            }
            Ok(Converted::Bytes)
        }

        fn to_connect_data(&mut self, _topic: &str, bytes: Option<Bytes>) -> api::Result<SchemaAndValue> {
            let Some(bytes) = bytes else { return Ok(SchemaAndValue::NULL) };
            let text =
                Text::try_from(bytes).map_err(|error| Error::bad_record("not text").with_source(error))?;
            Ok(SchemaAndValue::of_text(text))
        }
    }

    impl HeaderConverter for TextConverter {
        fn from_connect_header(
            &mut self,
            topic: &str,
            header: &api::Header,
            buffer: &mut Vec<u8>,
        ) -> api::Result<Converted> {
            self.from_connect_data(topic, &header.value, buffer)
        }

        fn to_connect_header(
            &mut self,
            topic: &str,
            _key: &str,
            bytes: Option<Bytes>,
        ) -> api::Result<SchemaAndValue> {
            self.to_connect_data(topic, bytes)
        }
    }

    fn pipeline() -> Pipeline {
        let converters = Converters {
            key: Named { class: "K", plugin: Box::new(TextConverter) },
            value: Named { class: "V", plugin: Box::new(TextConverter) },
            header: Named { class: "H", plugin: Box::new(TextConverter) },
        };
        Pipeline::new(Chain::default(), converters)
    }

    #[test]
    fn bytes_stand_in_reused_buffers_and_null_is_no_bytes() {
        let mut pipeline = pipeline();
        let mut record =
            Record { topic: "t".into(), value: SchemaAndValue::of_text("v"), ..Record::default() };
        record.headers.add_text("a", "1");
        record.headers.add("b", SchemaAndValue::NULL);
        for _ in 0..2 {
            let encoded = pipeline.encode(&record).unwrap();
            assert_eq!((encoded.key, encoded.value), (None, Some(&b"~v"[..])));
            let headers = [("a", Some(&b"~1"[..])), ("b", None)].map(|(key, value)| Header { key, value });
            assert_eq!(*encoded.headers, EncodedHeaders::new(&headers));
        }
    }

    #[test]
    fn headers_are_encoded_anew_when_they_or_the_topic_change() {
        /// What was asked for: headers may look different for another topic.
        struct TopicConverter;
        impl HeaderConverter for TopicConverter {
            fn from_connect_header(
                &mut self,
                topic: &str,
                _header: &api::Header,
                buffer: &mut Vec<u8>,
            ) -> api::Result<Converted> {
                buffer.extend_from_slice(topic.as_bytes());
                Ok(Converted::Bytes)
            }

            fn to_connect_header(
                &mut self,
                _topic: &str,
                _key: &str,
                _bytes: Option<Bytes>,
            ) -> api::Result<SchemaAndValue> {
                Ok(SchemaAndValue::NULL)
            }
        }
        let mut pipeline = pipeline();
        pipeline.converters.header.plugin = Box::new(TopicConverter);
        let mut record = Record { topic: "t".into(), ..Record::default() };
        let mut expect = |record: &Record, expected: &[(&str, &str)]| {
            let expected: Vec<_> =
                expected.iter().map(|(key, value)| Header { key, value: Some(value.as_bytes()) }).collect();
            assert_eq!(*pipeline.encode(record).unwrap().headers, EncodedHeaders::new(&expected));
        };
        expect(&record, &[]);
        record.headers.add_text("a", "");
        expect(&record, &[("a", "t")]);
        expect(&record.clone(), &[("a", "t")]);
        record.topic = "u".into();
        expect(&record, &[("a", "u")]);
        record.headers.add_text("b", "");
        expect(&record, &[("a", "u"), ("b", "u")]);
        record.headers = Headers::new();
        expect(&record, &[]);
    }

    #[test]
    fn a_failure_names_the_stage_the_class_and_the_topic() {
        let record = Record {
            topic: "orders".into(),
            value: SchemaAndValue::schemaless(api::Value::Int32(1)),
            ..Record::default()
        };
        let failure = pipeline().encode(&record).unwrap_err();
        assert_eq!((failure.stage, failure.class), (Stage::ValueConverter, "V"));
        assert!(failure.error.to_string().contains("value of a record for topic orders: not text"));
    }

    #[test]
    fn a_sinks_record_knows_where_it_lay() {
        let raw = ConsumerRecord {
            offset: 42,
            timestamp: 7,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: Some(Bytes::from_static(b"v")),
            headers: vec![("h".into(), Some(Bytes::from_static(b"1")))],
        };
        let record = pipeline().decode(&"t".into(), 3, &raw).unwrap();
        assert_eq!((record.partition, record.kafka_offset, record.timestamp), (Some(3), Some(42), Some(7)));
        assert_eq!(record.value.value.as_str(), Some("v"));
        assert_eq!(record.headers.last("h").unwrap().value.value.as_str(), Some("1"));
        let torn = ConsumerRecord { value: Some(Bytes::from_static(b"\xff")), ..raw };
        assert_eq!(pipeline().decode(&"t".into(), 3, &torn).unwrap_err().stage, Stage::ValueConverter);
    }
}
