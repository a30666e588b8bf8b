//! The snapshot: every row of the captured tables as of one position of the binlog.
//!
//! Why the rows and the position belong together. A transaction is written to the binlog first and committed in the storage
//! engine after; between the two it is before the position but not in a view that opens. So writers are held off for the
//! milliseconds in which `view` opens its view and reads the position:
//! * `FLUSH TABLES WITH READ LOCK` waits for running commits and stops new ones, for all tables;
//! * where the user may not do that, MySQL takes `LOCK TABLES ... READ` on a second session: it waits for every transaction that
//!   wrote to the captured tables, since those hold metadata locks until their commit is through; transactions on
//!   other tables do not matter;
//! * MariaDB needs no lock: `binlog_snapshot_file` and `binlog_snapshot_position` tell the position of the view itself;
//! * with `snapshot.locking.mode=none` on MySQL the position is read before the view opens. With GTIDs, what is in
//!   `gtid_executed` is committed in the engine: nothing is missed, what commits in between comes twice.
//!
//! The shapes are read under the lock; without one, before and after, and a difference starts over. Rows are
//! streamed: memory does not grow with the table. Every offset but the last record's says that the snapshot is running,
//! so that an interrupted snapshot starts over.

mod view;

use std::collections::VecDeque;
use std::sync::Arc;

use api::{Bytes, Result, SourceOffset, Value};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value as Cell};

pub use view::{View, captured, open};

use super::config::MySqlConfig;
use super::envelope::{Envelopes, Flavour, Moment, Origin, RowSink, SourceBlock, TableRecords};
use super::filter::Filter;
use super::outbox::Outbox;
use super::position::{OffsetDetails, offset};
use super::server::{quoted_table, sorted};
use super::shape::TableShape;
use super::text::{TextRowDecoder, select_list};

/// What a snapshot needs beside its view.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The options.
    pub config: &'a MySqlConfig,
    /// What is captured.
    pub filter: &'a Filter,
    /// How records are made.
    pub envelopes: &'a Envelopes,
    /// Which connector writes them.
    pub flavour: Flavour,
    /// Where progress is shown.
    pub gauges: &'a api::Gauges,
}

/// A row that waits until it is known whether another one comes.
struct Held {
    table: Arc<TableRecords>,
    /// The block of a row in the midst of its table.
    block: Arc<SourceBlock>,
    row: Vec<Value>,
    bytes: usize,
    mark: Mark,
}

/// What most rows are to the snapshot.
const IN_THE_MIDST: &str = "true";

/// Which place a row has, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    first: bool,
    first_of_table: bool,
    last_of_table: bool,
    last: bool,
}

impl Mark {
    /// Debezium's word for it; the earlier case wins.
    const fn word(self) -> &'static str {
        match self {
            Self { last: true, .. } => "last",
            Self { first: true, .. } => "first",
            Self { last_of_table: true, .. } => "last_in_data_collection",
            Self { first_of_table: true, .. } => "first_in_data_collection",
            _ => IN_THE_MIDST,
        }
    }
}

struct Rows<'a> {
    setting: Setting<'a>,
    outbox: &'a mut Outbox,
    held: Option<Held>,
    running: SourceOffset,
    done: SourceOffset,
    count: i64,
    /// When the rows of the current batch were read.
    now: Moment,
}

/// Reads all tables of the view, and sends their rows.
///
/// # Errors
/// `Retriable` when the connection ends or a table was altered meanwhile, `Fatal` when a row cannot be read.
pub async fn read(setting: Setting<'_>, view: &mut View, outbox: &mut Outbox) -> Result<()> {
    let details =
        |in_snapshot| OffsetDetails { timestamp_s: Some(view.timestamp_s), server_id: 0, in_snapshot };
    let running = SourceOffset::new(offset(&view.position, details(true)));
    let done = SourceOffset::new(offset(&view.position, details(false)));
    let mut rows = Rows { setting, outbox, held: None, running, done, count: 0, now: Moment::now() };
    let mut shapes: VecDeque<TableShape> = view.shapes.iter().cloned().collect();
    while let Some(shape) = shapes.pop_front() {
        let left = i64::try_from(shapes.len() + 1).unwrap_or(i64::MAX);
        setting.gauges.set("snapshot_remaining_tables", left);
        let block = SourceBlock::new(
            setting.envelopes.source_schema(),
            setting.flavour,
            &origin(setting, view, &shape),
        );
        rows.read_table(&mut view.conn, &shape, block).await?;
    }
    if let Some(held) = &mut rows.held {
        held.mark.last = true;
    }
    rows.emit()?;
    rows.outbox.flush().await?;
    setting.gauges.set("snapshot_rows", rows.count);
    setting.gauges.set("snapshot_remaining_tables", 0);
    Ok(())
}

fn origin(setting: Setting<'_>, view: &View, shape: &TableShape) -> Origin {
    Origin {
        name: setting.config.topic_prefix.as_str().into(),
        timestamp_us: view.timestamp_s.saturating_mul(1_000_000),
        snapshot: Some(IN_THE_MIDST),
        database: shape.id.database.clone(),
        table: Some(shape.id.table.clone()),
        file: view.position.file.clone(),
        pos: super::position::signed(view.position.pos),
        ..Origin::default()
    }
}

impl Rows<'_> {
    async fn read_table(&mut self, conn: &mut Conn, shape: &TableShape, block: SourceBlock) -> Result<()> {
        let table = Arc::new(self.setting.envelopes.table(shape, self.setting.filter));
        let block = Arc::new(block);
        let decoder = TextRowDecoder::prepare(shape, &self.setting.config.type_options());
        let statement = format!("SELECT {} FROM {}", select_list(shape), quoted_table(&shape.id));
        let reading = |error| sorted(error).context(format!("reading table {} for the snapshot", shape.id));
        let mut result = conn.query_iter(statement).await.map_err(reading)?;
        let mut first_of_table = true;
        while let Some(row) = result.next().await.map_err(reading)? {
            self.emit()?;
            if self.outbox.is_full() {
                self.outbox.flush().await?;
                self.now = Moment::now();
                self.setting.gauges.set("snapshot_rows", self.count);
            }
            let (row, bytes) = decode(&decoder, row)?;
            let mark = Mark { first: self.count == 0, first_of_table, ..Mark::default() };
            self.held = Some(Held { table: Arc::clone(&table), block: Arc::clone(&block), row, bytes, mark });
            self.count += 1;
            first_of_table = false;
        }
        if let Some(held) = self.held.as_mut().filter(|_| !first_of_table) {
            held.mark.last_of_table = true;
        }
        Ok(())
    }

    /// Hands out the held row: it is known by now what follows it.
    fn emit(&mut self) -> Result<()> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let marked = match held.mark.word() {
            IN_THE_MIDST => held.block,
            word => Arc::new(held.block.marked(word)),
        };
        let offset = if held.mark.last { self.done.clone() } else { self.running.clone() };
        let (table, source, out) = (&*held.table, &*marked, &mut self.outbox.records);
        RowSink { table, source, now: self.now, out }.read(held.row, offset)?;
        self.outbox.weigh(held.bytes);
        Ok(())
    }
}

fn decode(decoder: &TextRowDecoder, row: Row) -> Result<(Vec<Value>, usize)> {
    let mut bytes = 0;
    let cells = row.unwrap().into_iter().map(|cell| match cell {
        Cell::NULL => None,
        Cell::Bytes(cell) => {
            bytes += cell.len();
            Some(Bytes::from(cell))
        }
        other => Some(Bytes::from(other.as_sql(true).into_bytes())),
    });
    let row = decoder.decode(cells)?;
    Ok((row, bytes))
}
