//! Envelopes: change records in Debezium's shape, from rows that are decoded already.
//!
//! The hot path. All that rows share is made once: schemas, topic and key columns per table ([`TableRecords`]), the
//! source block per event ([`Origin`]). A row then costs the vectors of its own structs and clones of shared slices.
//! Invariant: a row's last record carries the row's own offset and the ones before it the offset of the row before, so
//! that a delete is never committed without its tombstone.

mod key_columns;
mod source;

use std::sync::Arc;
use std::time::SystemTime;

use api::{
    FlatMap, Header, Headers, Record, Result, Schema, SchemaAndValue, SchemaRef, SchemaType, SourceOffset,
    SourceRecord, Struct, Text, Value,
};

pub use key_columns::KeyColumns;
pub use source::{Flavour, Origin, SourceBlock, source_schema};

use super::config::MySqlConfig;
use super::filter::Filter;
use super::shape::TableShape;
use super::types::{column_schema, row_schema};

/// What a record of an update that changes the key says of the other key.
const NEW_KEY: Text = Text::from_static("__debezium.newkey");
const OLD_KEY: Text = Text::from_static("__debezium.oldkey");

/// What all records of a connector share.
#[derive(Debug, Clone)]
pub struct Envelopes {
    prefix: Text,
    delimiter: Text,
    source_schema: SchemaRef,
    transaction_schema: SchemaRef,
    partition: Arc<FlatMap>,
    tombstones: bool,
    keys: KeyColumns,
    options: super::types::TypeOptions,
}

/// What all records of one table's shape share.
#[derive(Debug)]
pub struct TableRecords {
    topic: Text,
    row: SchemaRef,
    envelope: SchemaRef,
    key: Option<(SchemaRef, Vec<usize>)>,
    /// The captured columns, when some are not.
    projection: Option<Vec<usize>>,
    partition: Arc<FlatMap>,
    tombstones: bool,
}

/// When we handle a record: one reading of the clock serves a whole event.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    nanoseconds: i64,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { nanoseconds: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX) }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn milliseconds(self) -> i64 {
        self.nanoseconds / 1_000_000
    }
}

impl Envelopes {
    /// For the records of this connector.
    #[must_use]
    pub fn new(config: &MySqlConfig, flavour: Flavour) -> Self {
        let transaction_schema = Schema::structure()
            .optional()
            .name("event.block")
            .version(1)
            .field("id", Schema::plain(SchemaType::String))
            .field("total_order", Schema::plain(SchemaType::Int64))
            .field("data_collection_order", Schema::plain(SchemaType::Int64))
            .build();
        Self {
            prefix: Text::from(config.topic_prefix.as_str()),
            delimiter: Text::from(config.topic_delimiter.as_str()),
            source_schema: source_schema(flavour),
            transaction_schema,
            partition: Arc::new(partition(config)),
            tombstones: config.tombstones,
            keys: KeyColumns::parse(config.message_key_columns.as_deref()).unwrap_or_default(),
            options: config.type_options(),
        }
    }

    /// The schema of the source block.
    #[must_use]
    pub const fn source_schema(&self) -> &SchemaRef {
        &self.source_schema
    }

    /// The source partition of all records.
    #[must_use]
    pub const fn partition(&self) -> &Arc<FlatMap> {
        &self.partition
    }

    /// Makes what the records of a table share.
    #[must_use]
    pub fn table(&self, shape: &TableShape, filter: &Filter) -> TableRecords {
        let delimiter = &self.delimiter;
        let raw_name =
            format!("{}{delimiter}{}{delimiter}{}", self.prefix, shape.id.database, shape.id.table);
        let topic = Text::from(sanitized(&raw_name));
        let captured = |index: &usize| filter.captures_column(&shape.id, &shape.columns[*index].name);
        let columns: Vec<usize> = (0..shape.columns.len()).filter(captured).collect();
        let projection = (columns.len() < shape.columns.len()).then_some(columns);
        let row = self.row_schema(shape, &topic, projection.as_deref());
        let key = self.key(shape, &topic);
        let envelope = self.envelope_schema(&topic, &row);
        let (partition, tombstones) = (Arc::clone(&self.partition), self.tombstones);
        TableRecords { topic, row, envelope, key, projection, partition, tombstones }
    }

    fn row_schema(&self, shape: &TableShape, topic: &Text, projection: Option<&[usize]>) -> SchemaRef {
        let whole = row_schema(shape, &self.options, &format!("{topic}.Value"));
        let Some(columns) = projection else { return whole };
        let builder = Schema::structure().optional().name(format!("{topic}.Value"));
        let fields = columns.iter().map(|index| &whole.fields()[*index]);
        fields
            .fold(builder, |builder, field| builder.field(field.name.clone(), Arc::clone(&field.schema)))
            .build()
    }

    fn key(&self, shape: &TableShape, topic: &Text) -> Option<(SchemaRef, Vec<usize>)> {
        let columns = self.keys.of(shape).unwrap_or_else(|| shape.key_columns().to_vec());
        if columns.is_empty() {
            return None;
        }
        let builder = Schema::structure().name(format!("{topic}.Key"));
        let fields = columns.iter().map(|index| &shape.columns[*index]);
        let schema = fields.fold(builder, |builder, column| {
            builder.field(column.name.clone(), column_schema(column, &self.options))
        });
        Some((schema.build(), columns))
    }

    fn envelope_schema(&self, topic: &Text, row: &SchemaRef) -> SchemaRef {
        let time = || Schema::plain_optional(SchemaType::Int64);
        Schema::structure()
            .name(format!("{topic}.Envelope"))
            .version(2)
            .field("before", Arc::clone(row))
            .field("after", Arc::clone(row))
            .field("source", Arc::clone(&self.source_schema))
            .field("transaction", Arc::clone(&self.transaction_schema))
            .field("op", Schema::plain(SchemaType::String))
            .field("ts_ms", time())
            .field("ts_us", time())
            .field("ts_ns", time())
            .build()
    }
}

/// The source partition: `{"server": "<topic.prefix>"}`.
#[must_use]
pub fn partition(config: &MySqlConfig) -> FlatMap {
    FlatMap::new().with("server", config.topic_prefix.as_str())
}

/// A name as topics may have it: whatever else becomes `_`.
#[must_use]
pub fn sanitized(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' })
        .collect()
}

/// The offsets of a row: its own, and that of what was handed out before it.
#[derive(Debug, Clone)]
pub struct Offsets {
    /// Up to and including the row.
    pub done: SourceOffset,
    /// Without the row.
    pub before: SourceOffset,
}

/// Rows on their way into records: what they share, and where the records go.
#[derive(Debug)]
pub struct RowSink<'a> {
    /// The table.
    pub table: &'a TableRecords,
    /// The source block without its row.
    pub source: &'a SourceBlock,
    /// When this happens.
    pub now: Moment,
    /// Where the records go.
    pub out: &'a mut Vec<SourceRecord>,
}

impl RowSink<'_> {
    /// A row of the snapshot.
    ///
    /// # Errors
    /// `BadRecord` when the row has another number of columns than its table.
    pub fn read(&mut self, row: Vec<Value>, offset: SourceOffset) -> Result<()> {
        let key = self.table.key_of(&row)?;
        let after = self.table.row_struct(row)?;
        self.push(key, [Value::Null, after], 0, ("r", offset, Headers::new()))
    }

    /// A row that was inserted.
    ///
    /// # Errors
    /// As [`RowSink::read`].
    pub fn create(&mut self, row: Vec<Value>, number: i32, offsets: Offsets) -> Result<()> {
        let key = self.table.key_of(&row)?;
        let after = self.table.row_struct(row)?;
        self.push(key, [Value::Null, after], number, ("c", offsets.done, Headers::new()))
    }

    /// A row that was changed. One whose key changed is a delete, its tombstone and a create, which name each other's keys.
    ///
    /// # Errors
    /// As [`RowSink::read`].
    pub fn update(
        &mut self,
        before: Vec<Value>,
        after: Vec<Value>,
        number: i32,
        offsets: Offsets,
    ) -> Result<()> {
        if self.table.same_key(&before, &after) {
            let key = self.table.key_of(&after)?;
            let rows = [self.table.row_struct(before)?, self.table.row_struct(after)?];
            return self.push(key, rows, number, ("u", offsets.done, Headers::new()));
        }
        let (old_key, new_key) = (self.table.key_of(&before)?, self.table.key_of(&after)?);
        let (old_row, new_row) = (self.table.row_struct(before)?, self.table.row_struct(after)?);
        let to_new = one_header(NEW_KEY, new_key.clone());
        self.push(old_key.clone(), [old_row, Value::Null], number, ("d", offsets.before.clone(), to_new))?;
        if self.table.tombstones {
            self.push_tombstone(old_key.clone(), offsets.before);
        }
        let to_old = one_header(OLD_KEY, old_key);
        self.push(new_key, [Value::Null, new_row], number, ("c", offsets.done, to_old))
    }

    /// A row that was deleted, and its tombstone.
    ///
    /// # Errors
    /// As [`RowSink::read`].
    pub fn delete(&mut self, row: Vec<Value>, number: i32, offsets: Offsets) -> Result<()> {
        let key = self.table.key_of(&row)?;
        let before = self.table.row_struct(row)?;
        if !self.table.tombstones {
            return self.push(key, [before, Value::Null], number, ("d", offsets.done, Headers::new()));
        }
        self.push(key.clone(), [before, Value::Null], number, ("d", offsets.before, Headers::new()))?;
        self.push_tombstone(key, offsets.done);
        Ok(())
    }

    /// The table was emptied.
    ///
    /// # Errors
    /// As [`RowSink::read`].
    pub fn truncate(&mut self, offset: SourceOffset) -> Result<()> {
        self.push(SchemaAndValue::NULL, [Value::Null, Value::Null], 0, ("t", offset, Headers::new()))
    }

    fn push(
        &mut self,
        key: SchemaAndValue,
        [before, after]: [Value; 2],
        row_number: i32,
        (op, offset, headers): (&'static str, SourceOffset, Headers),
    ) -> Result<()> {
        let now = self.now.nanoseconds;
        let values = vec![
            before,
            after,
            self.source.value(row_number)?,
            Value::Null,
            Value::from_static(op),
            Value::Int64(now / 1_000_000),
            Value::Int64(now / 1000),
            Value::Int64(now),
        ];
        let value = SchemaAndValue::of_struct(Struct::of(Arc::clone(&self.table.envelope), values)?);
        self.push_record(key, value, headers, offset);
        Ok(())
    }

    fn push_tombstone(&mut self, key: SchemaAndValue, offset: SourceOffset) {
        self.push_record(key, SchemaAndValue::NULL, Headers::new(), offset);
    }

    fn push_record(
        &mut self,
        key: SchemaAndValue,
        value: SchemaAndValue,
        headers: Headers,
        offset: SourceOffset,
    ) {
        let topic = self.table.topic.clone();
        let record =
            Record { topic, partition: None, key, value, timestamp: None, headers, kafka_offset: None };
        let source_partition = Arc::clone(&self.table.partition);
        self.out.push(SourceRecord { record, source_partition, source_offset: offset });
    }
}

fn one_header(key: Text, value: SchemaAndValue) -> Headers {
    let mut headers = Headers::new();
    let Header { key, value } = Header { key, value };
    headers.add(key, value);
    headers
}

impl TableRecords {
    /// The topic.
    #[must_use]
    pub const fn topic(&self) -> &Text {
        &self.topic
    }

    fn key_of(&self, row: &[Value]) -> Result<SchemaAndValue> {
        let Some((schema, columns)) = &self.key else { return Ok(SchemaAndValue::NULL) };
        let values = columns.iter().map(|index| row.get(*index).cloned().unwrap_or_default()).collect();
        Ok(SchemaAndValue::of_struct(Struct::of(Arc::clone(schema), values)?))
    }

    fn same_key(&self, before: &[Value], after: &[Value]) -> bool {
        let Some((_, columns)) = &self.key else { return true };
        columns.iter().all(|index| before.get(*index) == after.get(*index))
    }

    fn row_struct(&self, row: Vec<Value>) -> Result<Value> {
        let row = match &self.projection {
            None => row,
            Some(columns) => {
                let mut row = row;
                columns
                    .iter()
                    .map(|index| row.get_mut(*index).map(std::mem::take).unwrap_or_default())
                    .collect()
            }
        };
        Ok(Value::Struct(Struct::of(Arc::clone(&self.row), row)?))
    }
}

#[cfg(test)]
mod tests;
