//! The source block: where a change comes from, the same for all rows of an event but for the row's number.

use std::sync::{Arc, OnceLock};

use api::{Result, Schema, SchemaRef, SchemaType, SharedFields, Struct, Text, Value};

/// The version that records name as their connector's.
const VERSION: Text = Text::from_static(env!("CARGO_PKG_VERSION"));

/// Which of the two connectors writes the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `io.debezium.connector.mysql`.
    MySql,
    /// `io.debezium.connector.mariadb`.
    MariaDb,
}

impl Flavour {
    /// The word in `source.connector` and in schema names.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }
}

/// Where a change comes from. What is `None` is null in the record.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `topic.prefix`.
    pub name: Text,
    /// When it was committed, in microseconds since 1970.
    pub timestamp_us: i64,
    /// What it is to a snapshot: `first`, `true`, `last`, ...; `None` when streamed.
    pub snapshot: Option<&'static str>,
    /// The database.
    pub database: Text,
    /// The table; a change of a database has none.
    pub table: Option<Text>,
    /// The server that made it.
    pub server_id: u32,
    /// Its transaction.
    pub gtid: Option<Text>,
    /// The binlog file.
    pub file: Text,
    /// The event's first byte in it.
    pub pos: i64,
    /// The session that made it.
    pub thread: Option<u32>,
    /// The statement that made it, where that is wanted and known.
    pub query: Option<Text>,
}

/// The block of an event: what all its rows share.
#[derive(Debug, Clone)]
pub struct SourceBlock {
    schema: SchemaRef,
    values: Vec<Value>,
    /// Made with the first row.
    shared: OnceLock<Arc<SharedFields>>,
}

/// Where `row` and `snapshot` stand in the schema.
const ROW: usize = 14;
const SNAPSHOT: usize = 4;

/// The schema of the source block.
#[must_use]
pub fn source_schema(flavour: Flavour) -> SchemaRef {
    let snapshot = Schema::builder(SchemaType::String)
        .optional()
        .name("io.debezium.data.Enum")
        .version(1)
        .parameter(
            "allowed",
            "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental",
        )
        .default_value("false")
        .build();
    let (text, number) = (SchemaType::String, SchemaType::Int64);
    Schema::structure()
        .name(format!("io.debezium.connector.{}.Source", flavour.word()))
        .version(1)
        .field("version", Schema::plain(text))
        .field("connector", Schema::plain(text))
        .field("name", Schema::plain(text))
        .field("ts_ms", Schema::plain(number))
        .field("snapshot", snapshot)
        .field("db", Schema::plain(text))
        .field("sequence", Schema::plain_optional(text))
        .field("ts_us", Schema::plain_optional(number))
        .field("ts_ns", Schema::plain_optional(number))
        .field("table", Schema::plain_optional(text))
        .field("server_id", Schema::plain(number))
        .field("gtid", Schema::plain_optional(text))
        .field("file", Schema::plain(text))
        .field("pos", Schema::plain(number))
        .field("row", Schema::plain(SchemaType::Int32))
        .field("thread", Schema::plain_optional(number))
        .field("query", Schema::plain_optional(text))
        .build()
}

impl SourceBlock {
    /// The block of an event or of a snapshot's table.
    #[must_use]
    pub fn new(schema: &SchemaRef, flavour: Flavour, origin: &Origin) -> Self {
        let values = vec![
            Value::String(VERSION),
            Value::from_static(flavour.word()),
            Value::String(origin.name.clone()),
            Value::Int64(origin.timestamp_us / 1000),
            origin.snapshot.map_or(Value::Null, Value::from_static),
            Value::String(origin.database.clone()),
            Value::Null,
            Value::Int64(origin.timestamp_us),
            Value::Int64(origin.timestamp_us.saturating_mul(1000)),
            Value::from(origin.table.clone()),
            Value::Int64(i64::from(origin.server_id)),
            Value::from(origin.gtid.clone()),
            Value::String(origin.file.clone()),
            Value::Int64(origin.pos),
            Value::Int32(0),
            Value::from(origin.thread.map(i64::from)),
            Value::from(origin.query.clone()),
        ];
        Self { schema: Arc::clone(schema), values, shared: OnceLock::new() }
    }

    /// The same block for a row that is something else to the snapshot.
    #[must_use]
    pub fn marked(&self, snapshot: &'static str) -> Self {
        let mut values = self.values.clone();
        values[SNAPSHOT] = Value::from_static(snapshot);
        Self { schema: Arc::clone(&self.schema), values, shared: OnceLock::new() }
    }

    /// The block for one row.
    ///
    /// # Errors
    /// Never, as long as the block was made for its own schema.
    pub fn value(&self, row: i32) -> Result<Value> {
        let shared = self.shared()?;
        Ok(Value::Struct(Struct::sharing(shared, [Value::Int32(row), Value::Null, Value::Null])))
    }

    /// What the blocks of all rows share: all but the row's number.
    ///
    /// # Errors
    /// As [`SourceBlock::value`].
    pub fn shared(&self) -> Result<&Arc<SharedFields>> {
        if let Some(shared) = self.shared.get() {
            return Ok(shared);
        }
        let made = SharedFields::new(Arc::clone(&self.schema), self.values.clone(), &[ROW])?;
        Ok(self.shared.get_or_init(|| made))
    }
}
