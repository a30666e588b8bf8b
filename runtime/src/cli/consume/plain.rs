//! Records as lines, the way Kafka's console consumer prints them.

use std::io::{self, Write};

use super::sink::Shown;

/// Which parts a line has.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(in super::super) struct Plain {
    pub(super) timestamp: bool,
    pub(super) partition: bool,
    pub(super) offset: bool,
    pub(super) headers: bool,
    pub(super) key: bool,
    /// Between two parts.
    pub(super) separator: String,
    /// In place of a key or value that is null.
    pub(super) null_marker: String,
}

impl Plain {
    /// One line: `CreateTime:1 Partition:0 Offset:2 name:value,... key value`, as far as asked for.
    pub(super) fn write(&self, shown: &Shown<'_>, out: &mut impl Write) -> io::Result<()> {
        let record = shown.record;
        if self.timestamp {
            write!(out, "{:?}:{}{}", record.timestamp_type, record.timestamp, self.separator)?;
        }
        if self.partition {
            write!(out, "Partition:{}{}", shown.partition, self.separator)?;
        }
        if self.offset {
            write!(out, "Offset:{}{}", record.offset, self.separator)?;
        }
        if self.headers {
            self.write_headers(shown, out)?;
            out.write_all(self.separator.as_bytes())?;
        }
        if self.key {
            self.write_bytes(record.key.as_deref(), out)?;
            out.write_all(self.separator.as_bytes())?;
        }
        self.write_bytes(record.value.as_deref(), out)?;
        out.write_all(b"\n")
    }

    fn write_headers(&self, shown: &Shown<'_>, out: &mut impl Write) -> io::Result<()> {
        if shown.record.headers.is_empty() {
            return out.write_all(b"NO_HEADERS");
        }
        for (index, (name, value)) in shown.record.headers.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{name}:")?;
            self.write_bytes(value.as_deref(), out)?;
        }
        Ok(())
    }

    fn write_bytes(&self, bytes: Option<&[u8]>, out: &mut impl Write) -> io::Result<()> {
        out.write_all(bytes.unwrap_or(self.null_marker.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sink::Shown;
    use super::Plain;
    use broker_client::{ConsumerRecord, TimestampType};

    fn line(plain: &Plain, record: &ConsumerRecord) -> String {
        let mut out = Vec::new();
        plain.write(&Shown { topic: "t", partition: 3, record }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_look_as_those_of_kafkas_console_consumer() {
        let record = ConsumerRecord {
            offset: 7,
            timestamp: 1500,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: Some("v".into()),
            headers: vec![("a".into(), Some("1".into())), ("b".into(), None)],
        };
        let mut plain = Plain {
            timestamp: true,
            partition: true,
            offset: true,
            headers: true,
            key: true,
            separator: "\t".to_owned(),
            null_marker: "null".to_owned(),
        };
        assert_eq!(line(&plain, &record), "CreateTime:1500\tPartition:3\tOffset:7\ta:1,b:null\tnull\tv\n");
        let bare = ConsumerRecord { headers: Vec::new(), value: None, ..record };
        plain = Plain { timestamp: false, partition: false, offset: false, key: false, ..plain };
        assert_eq!(line(&plain, &bare), "NO_HEADERS\tnull\n");
    }
}
