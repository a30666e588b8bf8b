//! kcat's format of records (`-f`): parsed once, written for every record.

use std::io::{self, Write};

use super::sink::Shown;

/// A parsed format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Format(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Key,
    KeyLength,
    Value,
    ValueLength,
    /// As four bytes, big-endian.
    ValueLengthBinary,
    Timestamp,
    Headers,
}

/// Reads a format; what kcat would not know is refused.
pub(super) fn parse(text: &str) -> Result<Format, String> {
    let mut parts = Vec::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '%' => parts.push(token(rest.next())?),
            '\\' => literal(&mut parts, &[escape(&mut rest)?]),
            other => literal(&mut parts, other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(Format(parts))
}

fn token(letter: Option<char>) -> Result<Part, String> {
    Ok(match letter {
        Some('t') => Part::Topic,
        Some('p') => Part::Partition,
        Some('o') => Part::Offset,
        Some('k') => Part::Key,
        Some('K') => Part::KeyLength,
        Some('s') => Part::Value,
        Some('S') => Part::ValueLength,
        Some('R') => Part::ValueLengthBinary,
        Some('T') => Part::Timestamp,
        Some('h') => Part::Headers,
        Some('%') => Part::Bytes(b"%".to_vec()),
        Some(other) => {
            return Err(format!("%{other} is no token; there are %t %p %o %k %K %s %S %R %T %h %%"));
        }
        None => return Err("the format ends with %; %% is a percent sign".to_owned()),
    })
}

fn escape(rest: &mut std::str::Chars<'_>) -> Result<u8, String> {
    Ok(match rest.next() {
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('t') => b'\t',
        Some('0') => 0,
        Some('\\') => b'\\',
        Some('x') => {
            let digits: String = rest.by_ref().take(2).collect();
            let wrong = |error| format!("\\x{digits} is no byte; say for example \\x1f: {error}");
            u8::from_str_radix(&digits, 16).map_err(wrong)?
        }
        Some(other) => return Err(format!("\\{other} is no escape; there are \\n \\r \\t \\0 \\\\ \\xHH")),
        None => return Err("the format ends with \\; \\\\ is a backslash".to_owned()),
    })
}

fn literal(parts: &mut Vec<Part>, bytes: &[u8]) {
    match parts.last_mut() {
        Some(Part::Bytes(last)) => last.extend(bytes),
        _ => parts.push(Part::Bytes(bytes.to_vec())),
    }
}

impl Format {
    /// One record; a null key or value is empty, and its length -1.
    pub(super) fn write(&self, shown: &Shown<'_>, out: &mut impl Write) -> io::Result<()> {
        let record = shown.record;
        for part in &self.0 {
            match part {
                Part::Bytes(bytes) => out.write_all(bytes)?,
                Part::Topic => out.write_all(shown.topic.as_bytes())?,
                Part::Partition => write!(out, "{}", shown.partition)?,
                Part::Offset => write!(out, "{}", record.offset)?,
                Part::Key => out.write_all(record.key.as_deref().unwrap_or_default())?,
                Part::KeyLength => write!(out, "{}", length(record.key.as_deref()))?,
                Part::Value => out.write_all(record.value.as_deref().unwrap_or_default())?,
                Part::ValueLength => write!(out, "{}", length(record.value.as_deref()))?,
                Part::ValueLengthBinary => out.write_all(&length(record.value.as_deref()).to_be_bytes())?,
                Part::Timestamp => write!(out, "{}", record.timestamp)?,
                Part::Headers => write_headers(shown, out)?,
            }
        }
        Ok(())
    }
}

/// `name=value,name=value`; a value that is null is `NULL`, as in kcat.
fn write_headers(shown: &Shown<'_>, out: &mut impl Write) -> io::Result<()> {
    for (index, (name, value)) in shown.record.headers.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}{name}=")?;
        out.write_all(value.as_deref().unwrap_or(b"NULL"))?;
    }
    Ok(())
}

/// Bytes, or -1 for null.
fn length(bytes: Option<&[u8]>) -> i32 {
    bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use broker_client::{ConsumerRecord, TimestampType};

    use super::*;

    #[test]
    fn every_token_and_escape_is_written() {
        let record = ConsumerRecord {
            offset: 7,
            timestamp: 1500,
            timestamp_type: TimestampType::CreateTime,
            key: Some("k".into()),
            value: None,
            headers: vec![("a".into(), Some("1".into())), ("b".into(), None)],
        };
        let format = parse(r"%t-%p@%o %k(%K) %s(%S) %T %h%%ä\x41\n\t\\").unwrap();
        let mut out = Vec::new();
        format.write(&Shown { topic: "t", partition: 3, record: &record }, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "t-3@7 k(1) (-1) 1500 a=1,b=NULL%äA\n\t\\");
        let mut binary = Vec::new();
        parse("%R")
            .unwrap()
            .write(&Shown { topic: "t", partition: 3, record: &record }, &mut binary)
            .unwrap();
        assert_eq!(binary, [0xff; 4]);
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in ["%", "%q", "\\", "\\q", "\\xZZ", "\\x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
