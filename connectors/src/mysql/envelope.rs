//! Envelopes: change records in Debezium's shape, from rows that are decoded already.
//!
//! The hot path. All that rows share is made once: schemas, topic, headers and key columns per table ([`TableRecords`]), the
//! source block per event ([`Origin`]), the envelope around it per event and operation ([`Frames`]). A row then costs what is its own.
//! Invariant: a row's last record carries the row's own offset and the ones before it the offset of the row before, so
//! that a delete is never committed without its tombstone.

mod changes;
mod key_columns;
pub mod masks;
mod naming;
pub mod schema_change;
mod source;
pub mod transaction;
mod unavailable;

use std::sync::Arc;
use std::time::SystemTime;

use api::{
    FlatMap, Header, Headers, Record, Result, Schema, SchemaAndValue, SchemaRef, SchemaType, SharedFields,
    SourceOffset, SourceRecord, Struct, Text, Value,
};

pub use changes::Changes;
pub use key_columns::KeyColumns;
pub use source::{Flavour, Origin, SourceBlock, source_schema};

use self::masks::Mask;
use self::naming::{field_name, schema_name};
use self::unavailable::{OwnHeaders, Shown};
use super::binlog::row::RowImage;
use super::config::MySqlConfig;
use super::config::events::{Events, UnavailableHandling};
use super::filter::Filter;
use super::shape::{ColumnShape, TableShape};
use super::types::column_schema;

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
    events: Arc<Events>,
    flavour: Flavour,
    /// The headers that every record carries.
    context: Headers,
}

/// What all records of one table's shape share.
#[derive(Debug)]
pub struct TableRecords {
    /// `database.table`.
    name: Text,
    topic: Text,
    row: SchemaRef,
    envelope: SchemaRef,
    key: Option<(SchemaRef, Vec<usize>)>,
    /// The captured columns, when some are not.
    projection: Option<Vec<usize>>,
    /// The columns whose values are masked.
    masks: Vec<(usize, Mask)>,
    /// Whether updates that change nothing captured are left out.
    skip_unchanged: bool,
    /// What becomes of columns that the server left out of a row.
    unavailable: UnavailableHandling,
    context: Headers,
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
    pub fn new(config: &MySqlConfig, events: &Arc<Events>, flavour: Flavour) -> Self {
        Self {
            prefix: Text::from(config.topic_prefix.as_str()),
            delimiter: Text::from(config.topic_delimiter.as_str()),
            source_schema: source_schema(flavour),
            transaction_schema: transaction::block_schema(),
            partition: Arc::new(partition(config)),
            tombstones: config.tombstones,
            keys: KeyColumns::parse(config.message_key_columns.as_deref()).unwrap_or_default(),
            options: config.type_options(),
            events: Arc::clone(events),
            flavour,
            context: Headers::new(),
        }
    }

    /// Puts the headers of the context on every record, if they are wanted: which connector, task and run made it.
    #[must_use]
    pub fn in_context(mut self, task: u32, run: &str) -> Self {
        if self.events.config.context_headers {
            let mut context = Headers::new();
            context
                .add_text(Text::from_static("__debezium.context.connectorLogicalName"), self.prefix.clone());
            context.add_text(Text::from_static("__debezium.context.taskId"), task.to_string());
            context.add_text(Text::from_static("__debezium.context.connectorName"), self.flavour.word());
            context.add_text(Text::from_static("__debezium.context.runId"), run.to_owned());
            self.context = context;
        }
        self
    }

    /// The options about events.
    #[must_use]
    pub const fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// The name of a topic under the prefix.
    #[must_use]
    pub fn topic_of(&self, name: &str) -> Text {
        Text::from(sanitized(&format!("{}{}{name}", self.prefix, self.delimiter)))
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
        let topic = self.topic_of(&format!("{}{delimiter}{}", shape.id.database, shape.id.table));
        let captured = |index: &usize| filter.captures_column(&shape.id, &shape.columns[*index].name);
        let columns: Vec<usize> = (0..shape.columns.len()).filter(captured).collect();
        let row = self.row_schema(shape, &topic, &columns);
        let mask = |index: &usize| Some((*index, self.events.masks.of(&shape.id, &shape.columns[*index])?));
        TableRecords {
            name: Text::from(shape.id.to_string()),
            envelope: self.envelope_schema(&topic, &row),
            key: self.key(shape, &topic),
            row,
            masks: columns.iter().filter_map(mask).collect(),
            projection: (columns.len() < shape.columns.len()).then_some(columns),
            skip_unchanged: self.events.config.skip_unchanged,
            unavailable: self.events.config.unavailable,
            context: self.context.clone(),
            partition: Arc::clone(&self.partition),
            tombstones: self.tombstones,
            topic,
        }
    }

    fn schema_name(&self, topic: &Text, part: &str) -> Text {
        schema_name(&format!("{topic}.{part}"), self.events.config.schema_names)
    }

    fn field_name(&self, column: &ColumnShape) -> Text {
        field_name(&column.name, self.events.config.field_names)
    }

    fn row_schema(&self, shape: &TableShape, topic: &Text, columns: &[usize]) -> SchemaRef {
        let builder = Schema::structure().optional().name(self.schema_name(topic, "Value"));
        let key = self.key_columns(shape);
        let fields = columns.iter().fold(builder, |builder, index| {
            let name = self.field_name(&shape.columns[*index]);
            builder.field(name, self.field_schema(shape, *index, &key))
        });
        fields.build()
    }

    /// The schema of a column: with its comment, its SQL type and its mask, where they are wanted.
    fn noted_schema(&self, shape: &TableShape, column: &ColumnShape) -> SchemaRef {
        let schema = self.commented_schema(column);
        let mask = self.events.masks.noted(&shape.id, column);
        let type_name = schema_change::type_name(column);
        let (name, kind) = (format!("{}.{}", shape.id, column.name), format!("{}.{type_name}", shape.id));
        let propagated = self.events.propagated.matches(&name, &kind);
        if mask.is_none() && !propagated {
            return schema;
        }
        let mut builder = schema.to_builder();
        if let Some(mask) = mask {
            builder = mask.note(builder);
        }
        if propagated {
            let parameter = |name: &str| format!("__debezium.source.column.{name}");
            builder = builder.parameter(parameter("type"), type_name);
            for (name, number) in [("length", schema_change::length(column)), ("scale", column.scale)] {
                if let Some(number) = number {
                    builder = builder.parameter(parameter(name), number.to_string());
                }
            }
            if self.events.config.schema_comments && !column.comment.is_empty() {
                builder = builder.parameter(parameter("comment"), column.comment.clone());
            }
            builder = builder.parameter(parameter("name"), column.name.clone());
        }
        builder.build()
    }

    fn commented_schema(&self, column: &ColumnShape) -> SchemaRef {
        let schema = column_schema(column, &self.options);
        // The schemas of geometries have a text of their own.
        if !self.events.config.schema_comments || column.comment.is_empty() {
            return schema;
        }
        schema.to_builder().doc(column.comment.clone()).build()
    }

    fn key(&self, shape: &TableShape, topic: &Text) -> Option<(SchemaRef, Vec<usize>)> {
        let columns = self.key_columns(shape);
        if columns.is_empty() {
            return None;
        }
        let builder = Schema::structure().name(self.schema_name(topic, "Key"));
        let fields = columns.iter().map(|index| &shape.columns[*index]);
        let schema = fields.fold(builder, |builder, column| {
            builder.field(self.field_name(column), self.commented_schema(column))
        });
        Some((schema.build(), columns))
    }

    fn envelope_schema(&self, topic: &Text, row: &SchemaRef) -> SchemaRef {
        let time = || Schema::plain_optional(SchemaType::Int64);
        Schema::structure()
            .name(self.schema_name(topic, "Envelope"))
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

/// What the envelopes of rows share that are handled at one moment: all but the images and the source block.
#[derive(Debug, Clone)]
pub struct Frames {
    now: Moment,
    made: Vec<(&'static str, Arc<SharedFields>)>,
}

impl Frames {
    /// For rows of this moment.
    #[must_use]
    pub const fn new(now: Moment) -> Self {
        Self { now, made: Vec::new() }
    }

    /// The frame of an operation on a table.
    pub(super) fn of(&mut self, op: &'static str, envelope: &SchemaRef) -> Result<&Arc<SharedFields>> {
        let is_it = |(known, frame): &(&str, Arc<SharedFields>)| {
            *known == op && Arc::ptr_eq(frame.schema(), envelope)
        };
        let place = match self.made.iter().position(is_it) {
            Some(place) => place,
            None => {
                self.made.push((op, frame(op, Value::Null, self.now, envelope)?));
                self.made.len() - 1
            }
        };
        Ok(&self.made[place].1)
    }
}

fn frame(
    op: &'static str,
    transaction: Value,
    now: Moment,
    envelope: &SchemaRef,
) -> Result<Arc<SharedFields>> {
    let now = now.nanoseconds;
    let values = vec![
        Value::Null,
        Value::Null,
        Value::Null,
        transaction,
        Value::from_static(op),
        Value::Int64(now / 1_000_000),
        Value::Int64(now / 1000),
        Value::Int64(now),
    ];
    SharedFields::new(Arc::clone(envelope), values, &[0, 1, 2])
}

/// Rows on their way into records: what they share, and where the records go.
#[derive(Debug)]
pub struct RowSink<'a> {
    /// The table.
    pub table: &'a TableRecords,
    /// The source block without its row.
    pub source: &'a SourceBlock,
    /// When this happens, and what the envelopes share.
    pub frames: &'a mut Frames,
    /// Where the records go.
    pub out: &'a mut Vec<SourceRecord>,
}

impl RowSink<'_> {
    /// A row of the snapshot.
    ///
    /// # Errors
    /// `BadRecord` when the row has another number of columns than its table.
    pub fn read(&mut self, row: Vec<Value>, offset: SourceOffset) -> Result<()> {
        let row = RowImage::from(row);
        let key = self.table.key_of(&row)?;
        let images = [Shown::NONE, self.table.shown(row)?];
        let row = Row { op: "r", key, images, number: 0, transaction: Value::Null, headers: Vec::new() };
        self.push(row, offset)
    }

    /// A row of the snapshot that stays packed.
    pub fn read_packed(&mut self, (key, value): (SchemaAndValue, SchemaAndValue), offset: SourceOffset) {
        self.push_record(key, value, OwnHeaders::new(), offset);
    }

    fn push(&mut self, mut row: Row, offset: SourceOffset) -> Result<()> {
        let [before, after] = self.table.say_unavailable(row.images, &mut row.headers);
        let images_and_source = [before, after, self.source.value(row.number)?];
        let envelope = &self.table.envelope;
        let value = if row.transaction.is_null() {
            Struct::sharing(self.frames.of(row.op, envelope)?, images_and_source)
        } else {
            let frame = frame(row.op, row.transaction, self.frames.now, envelope)?;
            Struct::sharing(&frame, images_and_source)
        };
        self.push_record(row.key, SchemaAndValue::of_struct(value), row.headers, offset);
        Ok(())
    }

    /// A record of the table. Its own headers come before those of the context.
    fn push_record(
        &mut self,
        key: SchemaAndValue,
        value: SchemaAndValue,
        own: OwnHeaders,
        offset: SourceOffset,
    ) {
        let topic = self.table.topic.clone();
        let headers = if own.is_empty() {
            self.table.context.clone()
        } else {
            let mut headers = Headers::new();
            own.into_iter().for_each(|(key, value)| headers.add(key, value));
            for Header { key, value } in &self.table.context {
                headers.add(key.clone(), value.clone());
            }
            headers
        };
        let record =
            Record { topic, partition: None, key, value, timestamp: None, headers, kafka_offset: None };
        let source_partition = Arc::clone(&self.table.partition);
        self.out.push(SourceRecord { record, source_partition, source_offset: offset });
    }
}

/// A row as its record says it.
struct Row {
    op: &'static str,
    key: SchemaAndValue,
    images: [Shown; 2],
    number: i32,
    transaction: Value,
    headers: OwnHeaders,
}

impl TableRecords {
    /// The topic.
    #[must_use]
    pub const fn topic(&self) -> &Text {
        &self.topic
    }

    /// The schema of the envelopes.
    #[must_use]
    pub const fn envelope(&self) -> &SchemaRef {
        &self.envelope
    }

    /// The schema of the rows.
    #[must_use]
    pub const fn row(&self) -> &SchemaRef {
        &self.row
    }

    /// The schema of the keys and the columns that they are of, if there are keys.
    #[must_use]
    pub fn key_parts(&self) -> Option<(&SchemaRef, &[usize])> {
        self.key.as_ref().map(|(schema, columns)| (schema, &**columns))
    }

    /// Whether rows are written as they are in the table, each of them: none is left out or changed, and no column either.
    #[must_use]
    pub fn keeps_rows(&self) -> bool {
        self.masks.is_empty() && self.projection.is_none() && !self.skip_unchanged
    }
}

#[cfg(test)]
mod tests;
