//! What was compiled from a schema, kept by the schema's address.
//!
//! The invariant that makes an address a safe key: an entry holds the schema's `Arc`, so while the entry lives no other schema can have
//! that address. The least recently used entry goes when the cache is full.

use std::collections::HashMap;
use std::sync::Arc;

use api::SchemaRef;

/// A bounded map from schemas, by pointer, to what was made of them.
#[derive(Debug)]
pub(crate) struct SchemaCache<T> {
    entries: Vec<Entry<T>>,
    places: HashMap<usize, usize>,
    last: usize,
    clock: u64,
    capacity: usize,
}

#[derive(Debug)]
struct Entry<T> {
    schema: SchemaRef,
    made: T,
    used: u64,
}

impl<T> SchemaCache<T> {
    /// An empty cache for this many schemas, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: Vec::new(), places: HashMap::new(), last: 0, clock: 0, capacity: capacity.max(1) }
    }

    /// What was made of this schema; made now if it was not yet.
    pub(crate) fn get_or_make(&mut self, schema: &SchemaRef, make: impl FnOnce(&SchemaRef) -> T) -> &mut T {
        let is_last = self.entries.get(self.last).is_some_and(|entry| Arc::ptr_eq(&entry.schema, schema));
        if !is_last {
            self.last = self.find_or_make(schema, make);
        }
        &mut self.entries[self.last].made
    }

    fn find_or_make(&mut self, schema: &SchemaRef, make: impl FnOnce(&SchemaRef) -> T) -> usize {
        let address = Arc::as_ptr(schema).addr();
        self.clock += 1;
        if let Some(place) = self.places.get(&address) {
            self.entries[*place].used = self.clock;
            return *place;
        }
        let entry = Entry { schema: Arc::clone(schema), made: make(schema), used: self.clock };
        let place = if self.entries.len() < self.capacity {
            self.entries.push(entry);
            self.entries.len() - 1
        } else {
            let oldest = (0..self.entries.len()).min_by_key(|place| self.entries[*place].used).unwrap_or(0);
            self.places.remove(&Arc::as_ptr(&self.entries[oldest].schema).addr());
            self.entries[oldest] = entry;
            oldest
        };
        self.places.insert(address, place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{Schema, SchemaType};

    #[test]
    fn a_schema_is_compiled_once_while_it_is_in_use() {
        let schemas: Vec<SchemaRef> = (0..4).map(|_| Schema::builder(SchemaType::Int8).build()).collect();
        let (mut cache, mut made) = (SchemaCache::new(2), Vec::new());
        for place in [0, 0, 1, 0, 2, 0, 1, 3, 3] {
            let got = *cache.get_or_make(&schemas[place], |_| {
                made.push(place);
                place
            });
            assert_eq!(got, place);
        }
        assert_eq!(made, [0, 1, 2, 1, 3]);
        assert_eq!((cache.entries.len(), cache.places.len()), (2, 2));
    }
}
