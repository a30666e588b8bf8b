//! Transactions: which place each record has in its own, and the records that say where it begins and ends
//! (`provide.transaction.metadata`).
//!
//! Costs nothing when it is not asked for. The counts stand in the offsets under Debezium's names, so that a restart inside a
//! transaction counts on. Invariant: a transaction's records are numbered from 1 without a gap, in the order of the binlog.

use std::sync::{Arc, LazyLock};

use api::{
    FlatMap, Headers, Record, Result, Schema, SchemaAndValue, SchemaRef, SchemaType, SourceOffset,
    SourceRecord, Struct, Text, Value,
};

use super::Envelopes;

/// Comes before a table's name where its count stands in an offset.
pub const ORDER_PREFIX: &str = "transaction_data_collection_order_";

static BLOCK: LazyLock<SchemaRef> = LazyLock::new(|| {
    Schema::structure()
        .optional()
        .name("event.block")
        .version(1)
        .field("id", Schema::plain(SchemaType::String))
        .field("total_order", Schema::plain(SchemaType::Int64))
        .field("data_collection_order", Schema::plain(SchemaType::Int64))
        .build()
});

static KEY: LazyLock<SchemaRef> = LazyLock::new(|| {
    Schema::structure()
        .name("io.debezium.connector.common.TransactionMetadataKey")
        .version(1)
        .field("id", Schema::plain(SchemaType::String))
        .build()
});

static COLLECTION: LazyLock<SchemaRef> = LazyLock::new(|| {
    Schema::structure()
        .optional()
        .name("event.collection")
        .version(1)
        .field("data_collection", Schema::plain(SchemaType::String))
        .field("event_count", Schema::plain(SchemaType::Int64))
        .build()
});

static VALUE: LazyLock<SchemaRef> = LazyLock::new(|| {
    Schema::structure()
        .name("io.debezium.connector.common.TransactionMetadataValue")
        .version(1)
        .field("status", Schema::plain(SchemaType::String))
        .field("id", Schema::plain(SchemaType::String))
        .field("event_count", Schema::plain_optional(SchemaType::Int64))
        .field("data_collections", Schema::array(Arc::clone(&COLLECTION)).optional().build())
        .field("ts_ms", Schema::plain(SchemaType::Int64))
        .build()
});

/// The schema of a record's place in its transaction.
#[must_use]
pub(super) fn block_schema() -> SchemaRef {
    Arc::clone(&BLOCK)
}

/// The current transaction and how many records it has made so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transaction {
    id: Text,
    total: i64,
    tables: Vec<(Text, i64)>,
}

impl Transaction {
    /// A transaction that begins.
    #[must_use]
    pub fn new(id: Text) -> Self {
        Self { id, ..Self::default() }
    }

    /// The transaction as an offset has it, if the offset lies in one and its counts were kept.
    #[must_use]
    pub fn of_offset(offset: &FlatMap) -> Option<Self> {
        let id = offset.get("transaction_id").and_then(Value::as_str)?;
        let count = |(name, value): &(Text, Value)| {
            Some((Text::from(name.strip_prefix(ORDER_PREFIX)?), value.as_i64()?))
        };
        let tables: Vec<_> = offset.entries().iter().filter_map(count).collect();
        Some(Self { id: id.into(), total: tables.iter().map(|(_, count)| count).sum(), tables })
    }

    /// GTID, or file and position.
    #[must_use]
    pub const fn id(&self) -> &Text {
        &self.id
    }

    /// Counts a record of a table, and gives its place.
    ///
    /// # Errors
    /// Never, as long as the schema is the one of three fields.
    pub(super) fn next(&mut self, table: &Text) -> Result<Value> {
        self.total += 1;
        let place = self.tables.iter().position(|(name, _)| name == table).unwrap_or_else(|| {
            self.tables.push((table.clone(), 0));
            self.tables.len() - 1
        });
        let count = &mut self.tables[place].1;
        *count += 1;
        let values = vec![Value::String(self.id.clone()), Value::Int64(self.total), Value::Int64(*count)];
        Ok(Value::Struct(Struct::of(Arc::clone(&BLOCK), values)?))
    }

    /// An offset with the transaction and its counts.
    #[must_use]
    pub fn in_offset(&self, shared: &FlatMap) -> FlatMap {
        let mut offset = shared.clone();
        offset.set("transaction_id", self.id.clone());
        for (table, count) in &self.tables {
            offset.set(Text::from(format!("{ORDER_PREFIX}{table}")), *count);
        }
        offset
    }

    /// The record that says that the transaction begins.
    ///
    /// # Errors
    /// As `Transaction::next`.
    pub fn begin(
        &self,
        envelopes: &Envelopes,
        timestamp_ms: i64,
        offset: SourceOffset,
    ) -> Result<SourceRecord> {
        self.marker(envelopes, [Value::from_static("BEGIN"), Value::Null, Value::Null], timestamp_ms, offset)
    }

    /// The record that says that the transaction ends, and what was in it.
    ///
    /// # Errors
    /// As `Transaction::next`.
    pub fn end(
        &self,
        envelopes: &Envelopes,
        timestamp_ms: i64,
        offset: SourceOffset,
    ) -> Result<SourceRecord> {
        let mut tables: Vec<_> = self.tables.iter().collect();
        tables.sort_by_key(|(table, _)| bucket(table, self.tables.len()));
        let collection = |(table, count): &(Text, i64)| {
            let values = vec![Value::String(table.clone()), Value::Int64(*count)];
            Ok(Value::Struct(Struct::of(Arc::clone(&COLLECTION), values)?))
        };
        let tables = tables.into_iter().map(collection).collect::<Result<Vec<_>>>()?;
        let status = Value::from_static("END");
        self.marker(envelopes, [status, Value::Int64(self.total), Value::Array(tables)], timestamp_ms, offset)
    }

    fn marker(
        &self,
        envelopes: &Envelopes,
        [status, count, tables]: [Value; 3],
        timestamp_ms: i64,
        source_offset: SourceOffset,
    ) -> Result<SourceRecord> {
        let id = || Value::String(self.id.clone());
        let key = Struct::of(Arc::clone(&KEY), vec![id()])?;
        let values = vec![status, id(), count, tables, Value::Int64(timestamp_ms)];
        let value = Struct::of(Arc::clone(&VALUE), values)?;
        let record = Record {
            topic: envelopes.topic_of(&envelopes.events().config.transaction_topic),
            partition: None,
            key: SchemaAndValue::of_struct(key),
            value: SchemaAndValue::of_struct(value),
            timestamp: None,
            headers: Headers::new(),
            kafka_offset: None,
        };
        Ok(SourceRecord { record, source_partition: Arc::clone(envelopes.partition()), source_offset })
    }
}

/// Where Java's `HashMap` of so many entries keeps a name: Debezium lists a transaction's tables in that order.
fn bucket(name: &str, count: usize) -> u32 {
    let mut buckets = 16_usize;
    while count > buckets / 4 * 3 {
        buckets *= 2;
    }
    let hash =
        name.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ hash >> 16) & u32::try_from(buckets - 1).unwrap_or(u32::MAX)
}

/// Milliseconds of a moment in microseconds.
#[must_use]
pub const fn milliseconds(timestamp_us: i64) -> i64 {
    timestamp_us.div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_after_a_restart() {
        let mut transaction = Transaction::new("g:1".into());
        for table in ["d.a", "d.b", "d.a"] {
            transaction.next(&Text::from(table)).unwrap();
        }
        let offset = transaction.in_offset(&FlatMap::new().with("pos", 4_i64));
        assert_eq!(Transaction::of_offset(&offset), Some(transaction));
        assert_eq!(Transaction::of_offset(&FlatMap::new()), None);
    }

    #[test]
    fn tables_are_listed_in_debeziums_order() {
        let mut tables = ["corpus.excluded_col", "corpus.keyless", "corpus.uniq"];
        tables.sort_by_key(|table| bucket(table, 3));
        assert_eq!(tables, ["corpus.keyless", "corpus.uniq", "corpus.excluded_col"]);
    }
}
