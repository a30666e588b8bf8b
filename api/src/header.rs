//! Headers: named values beside a record, in order, with duplicates (KIP-82, Connect's `Headers`).
//!
//! They travel with the record through transforms and, each through the header converter, into Kafka's own headers.
//! Invariant: order and duplicates survive everything but an explicit removal.

use crate::value::{SchemaAndValue, Text};

/// One header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The name; several headers may share it.
    pub key: Text,
    /// The value.
    pub value: SchemaAndValue,
}

/// The headers of a record, in order. An empty one costs no allocation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a header after the others.
    pub fn add(&mut self, key: impl Into<Text>, value: SchemaAndValue) {
        self.0.push(Header { key: key.into(), value });
    }

    /// Adds a text header.
    pub fn add_text(&mut self, key: impl Into<Text>, text: impl Into<Text>) {
        self.add(key, SchemaAndValue::of_text(text));
    }

    /// Removes every header of this name.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|header| &*header.key != key);
    }

    /// The last header of this name (Connect's `lastWithName`).
    #[must_use]
    pub fn last(&self, key: &str) -> Option<&Header> {
        self.0.iter().rev().find(|header| &*header.key == key)
    }

    /// All headers, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_duplicates_survive() {
        let mut headers = Headers::new();
        for text in ["1", "2"] {
            headers.add_text("trace", text);
        }
        headers.add_text("other", "3");
        assert_eq!(headers.len(), 3);
        assert_eq!(headers.last("trace").unwrap().value.value.as_str(), Some("2"));
        headers.remove("trace");
        assert_eq!(headers.iter().map(|header| header.key.to_string()).collect::<Vec<_>>(), ["other"]);
    }
}
