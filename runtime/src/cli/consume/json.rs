//! A record as one JSON object on a line.
//!
//! Invariant: nothing is lost: what is not UTF-8 stands there as `{"base64": ...}`, null is null, headers keep order and repeats.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::sink::Shown;

/// The object.
#[derive(Debug, Serialize)]
pub(in super::super) struct JsonRecord<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Payload<'a>,
    value: Payload<'a>,
    headers: Vec<JsonHeader<'a>>,
}

#[derive(Debug, Serialize)]
struct JsonHeader<'a> {
    key: &'a str,
    value: Payload<'a>,
}

/// Text, or bytes that are none, or null.
#[derive(Debug)]
struct Payload<'a>(Option<&'a [u8]>);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(bytes) = self.0 else { return serializer.serialize_none() };
        match std::str::from_utf8(bytes) {
            Ok(text) => serializer.serialize_str(text),
            Err(_binary) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &STANDARD.encode(bytes))?;
                map.end()
            }
        }
    }
}

impl<'a> JsonRecord<'a> {
    pub(in super::super) fn of(shown: &Shown<'a>) -> Self {
        let record = shown.record;
        let headers = record.headers.iter();
        Self {
            topic: shown.topic,
            partition: shown.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: Payload(record.key.as_deref()),
            value: Payload(record.value.as_deref()),
            headers: headers
                .map(|(key, value)| JsonHeader { key, value: Payload(value.as_deref()) })
                .collect(),
        }
    }

    /// The object and the end of the line.
    pub(in super::super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use broker_client::{ConsumerRecord, TimestampType};

    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_marked() {
        let record = ConsumerRecord {
            offset: 7,
            timestamp: 1500,
            timestamp_type: TimestampType::CreateTime,
            key: Some(bytes::Bytes::from_static(&[0xff, 0x00])),
            value: None,
            headers: vec![("h".into(), Some("\"1\"".into())), ("h".into(), None)],
        };
        let mut out = Vec::new();
        JsonRecord::of(&Shown { topic: "t", partition: 3, record: &record }).write(&mut out).unwrap();
        let expected = concat!(
            r#"{"topic":"t","partition":3,"offset":7,"timestamp":1500,"key":{"base64":"/wA="},"value":null,"#,
            r#""headers":[{"key":"h","value":"\"1\""},{"key":"h","value":null}]}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
