//! Headers: named values beside a record, in order, with duplicates (KIP-82, Connect's `Headers`).
//!
//! They travel with the record through transforms and, each through the header converter, into Kafka's own headers.
//! Invariant: order and duplicates survive everything but an explicit removal.

use std::sync::Arc;

use crate::value::{SchemaAndValue, Text};

/// One header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The name; several headers may share it.
    pub key: Text,
    /// The value.
    pub value: SchemaAndValue,
}

/// The headers of a record, in order. Empty ones cost no allocation, and copies none either until one of them is changed: what all
/// records of a table carry is one list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Headers(Option<Arc<Vec<Header>>>);

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Adds a header after the others.
    pub fn add(&mut self, key: impl Into<Text>, value: SchemaAndValue) {
        let header = Header { key: key.into(), value };
        Arc::make_mut(self.0.get_or_insert_default()).push(header);
    }

    /// Adds a text header.
    pub fn add_text(&mut self, key: impl Into<Text>, text: impl Into<Text>) {
        self.add(key, SchemaAndValue::of_text(text));
    }

    /// Removes every header of this name.
    pub fn remove(&mut self, key: &str) {
        if self.last(key).is_none() {
            return;
        }
        let kept: Vec<Header> = self.iter().filter(|header| &*header.key != key).cloned().collect();
        self.0 = (!kept.is_empty()).then(|| Arc::new(kept));
    }

    /// The last header of this name (Connect's `lastWithName`).
    #[must_use]
    pub fn last(&self, key: &str) -> Option<&Header> {
        self.as_slice().iter().rev().find(|header| &*header.key == key)
    }

    /// Whether these are the same list in memory, or both are empty: a quick way to know that nothing has changed.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            _ => false,
        }
    }

    /// All headers, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.as_slice().iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn as_slice(&self) -> &[Header] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
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
    #[test]
    fn a_copy_is_the_same_list_until_it_is_changed() {
        let mut headers = Headers::new();
        headers.add_text("a", "1");
        let mut copy = headers.clone();
        copy.remove("b");
        assert!(copy.is_same(&headers));
        copy.add_text("b", "2");
        assert!(!copy.is_same(&headers) && headers.len() == 1 && copy.len() == 2);
        copy.remove("b");
        assert_eq!(copy, headers);
        copy.remove("a");
        assert!(copy.is_empty() && copy == Headers::new());
    }
}
