//! The headers of a record that is to be written: each for itself, or in one piece because the records before it had the same.
//!
//! The producer's hot path. Invariant: both forms write the same bytes.

use super::builder::{length_i64, nullable_size, put_nullable};
use super::records::Header;
use super::varint;

/// What headers a record gets.
#[derive(Debug, Clone, Copy)]
pub enum RecordHeaders<'a> {
    /// These, in order.
    Each(&'a [Header<'a>]),
    /// Those that were encoded before.
    Encoded(&'a EncodedHeaders),
}

/// Headers as they stand in a record: their number, then each name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedHeaders(Vec<u8>);

impl EncodedHeaders {
    /// Encodes these.
    pub fn new(headers: &[Header<'_>]) -> Self {
        let mut bytes = Vec::with_capacity(RecordHeaders::Each(headers).size());
        RecordHeaders::Each(headers).put(&mut bytes);
        Self(bytes)
    }
}

impl Default for EncodedHeaders {
    /// None.
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Default for RecordHeaders<'_> {
    /// None.
    fn default() -> Self {
        Self::Each(&[])
    }
}

impl<'a> From<&'a [Header<'a>]> for RecordHeaders<'a> {
    fn from(headers: &'a [Header<'a>]) -> Self {
        Self::Each(headers)
    }
}

impl RecordHeaders<'_> {
    /// An upper bound of what they take, in bytes.
    pub(super) fn size_max(self) -> usize {
        match self {
            Self::Each(headers) => {
                headers.iter().map(|header| 10 + header.key.len() + header.value.map_or(0, <[u8]>::len)).sum()
            }
            Self::Encoded(encoded) => encoded.0.len(),
        }
    }

    /// What they take.
    #[inline]
    pub(super) fn size(self) -> usize {
        match self {
            Self::Each(headers) => {
                let size = |header: &Header<'_>| {
                    nullable_size(Some(header.key.as_bytes())) + nullable_size(header.value)
                };
                varint::size(length_i64(headers.len())) + headers.iter().map(size).sum::<usize>()
            }
            Self::Encoded(encoded) => encoded.0.len(),
        }
    }

    /// Writes them.
    #[inline]
    pub(super) fn put(self, buffer: &mut Vec<u8>) {
        match self {
            Self::Each(headers) => {
                varint::put(buffer, length_i64(headers.len()));
                for header in headers {
                    put_nullable(buffer, Some(header.key.as_bytes()));
                    put_nullable(buffer, header.value);
                }
            }
            Self::Encoded(encoded) => buffer.extend_from_slice(&encoded.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_the_same_bytes() {
        let long = [b'x'; 300];
        let all = [("a", Some(&b"1"[..])), ("", None), ("b", Some(&long))]
            .map(|(key, value)| Header { key, value });
        for count in 0..=all.len() {
            let encoded = EncodedHeaders::new(&all[..count]);
            let forms = [RecordHeaders::Each(&all[..count]), RecordHeaders::Encoded(&encoded)];
            let written = forms.map(|headers| {
                let mut bytes = Vec::new();
                headers.put(&mut bytes);
                assert_eq!(bytes.len(), headers.size());
                // A number of headers that takes a single byte is part of a record's own bound.
                assert!(headers.size() <= headers.size_max() + 1);
                bytes
            });
            assert_eq!(written[0], written[1]);
        }
    }
}
