//! From rows to batches that become records: marks, offsets and notifications of a snapshot, in Debezium's order.
//!
//! One batch is held back until it is known what follows, because the last row of a table and that of the snapshot say so. Invariant: an
//! offset never claims a row that was not handed out before it or with it; the snapshot's last record alone says that it is complete.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Result, SourceOffset, SourceRecord, Text, Value};

use super::Setting;
use super::plan::{Kind, Plan, Progress, extended, offset_entries};
use super::progress::Meter;
use super::ranges::{Batch, Range, TableReading};
use super::row_batch::{BatchRows, IN_THE_MIDST, Mark, RowBatch};
use crate::mysql::envelope::{Frames, Moment, Origin, SourceBlock, TableRecords};
use crate::mysql::notification::Note;
use crate::mysql::outbox::Outbox;
use crate::mysql::position::{OffsetDetails, Position, offset, signed};

/// What the records of the current table share.
struct Current {
    number: usize,
    records: Arc<TableRecords>,
    block: Arc<SourceBlock>,
    rows: u64,
}

/// A batch that waits until it is known what follows.
struct Held {
    table: Arc<TableReading>,
    records: Arc<TableRecords>,
    block: Arc<SourceBlock>,
    batch: Batch,
    first_of_table: bool,
    last_of_table: bool,
}

/// Makes a snapshot's records.
pub(super) struct Emitter<'a> {
    setting: Setting<'a>,
    plan: &'a Plan,
    position: &'a Position,
    timestamp_s: i64,
    progress: &'a mut Progress,
    others: Vec<(Text, Value)>,
    outbox: &'a mut Outbox,
    meter: Meter,
    current: Option<Current>,
    held: Option<Held>,
    /// When rows were sent on last.
    flushed: Instant,
}

/// Rows wait no longer than this for others: many small tables fill a batch slowly, and their topics can be made meanwhile.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

impl<'a> Emitter<'a> {
    pub(super) fn new(
        setting: Setting<'a>,
        plan: &'a Plan,
        (position, timestamp_s): (&'a Position, i64),
        (progress, others): (&'a mut Progress, Vec<(Text, Value)>),
        outbox: &'a mut Outbox,
        meter: Meter,
    ) -> Self {
        let (current, held, flushed) = (None, None, Instant::now());
        Self { setting, plan, position, timestamp_s, progress, others, outbox, meter, current, held, flushed }
    }

    fn details(&self, in_snapshot: bool) -> OffsetDetails {
        OffsetDetails { timestamp_s: Some(self.timestamp_s), server_id: 0, in_snapshot }
    }

    /// The offset of what was handed out so far.
    fn running(&self) -> SourceOffset {
        let offset = extended(offset(self.position, self.details(true)), &self.others);
        SourceOffset::new(extended(offset, &offset_entries(self.plan, self.progress)))
    }

    fn done(&self) -> SourceOffset {
        SourceOffset::new(extended(offset(self.position, self.details(false)), &self.others))
    }

    fn note(&mut self, note: Note, offset: SourceOffset) {
        self.setting.notifier.notify(note, self.setting.envelopes.partition(), offset, self.outbox);
    }

    /// The snapshot begins, or goes on.
    pub(super) fn begin(&mut self) {
        if *self.progress == Progress::default() {
            let offset = self.running();
            self.note(Note::initial("STARTED"), offset);
        }
    }

    /// A range's rows follow.
    pub(super) fn enter(&mut self, range: &Range) {
        if self.current.as_ref().is_some_and(|current| current.number == range.table.number) {
            return;
        }
        let shape = &range.table.shape;
        let origin = Origin {
            name: self.setting.config.topic_prefix.as_str().into(),
            timestamp_us: self.timestamp_s.saturating_mul(1_000_000),
            snapshot: Some(IN_THE_MIDST),
            database: shape.id.database.clone(),
            table: Some(shape.id.table.clone()),
            file: self.position.file.clone(),
            pos: signed(self.position.pos),
            ..Origin::default()
        };
        let source = SourceBlock::new(self.setting.envelopes.source_schema(), self.setting.flavour, &origin);
        self.current = Some(Current {
            number: range.table.number,
            records: Arc::new(self.setting.envelopes.table(shape, self.setting.filter)),
            block: Arc::new(source),
            rows: 0,
        });
        // Each of these names every table: with very many, wording them would cost more than the snapshot.
        if !self.setting.notifier.is_heard() {
            return;
        }
        let tables = names(self.plan);
        let note = Note::initial("IN_PROGRESS")
            .with("current_collection_in_progress", shape.id.to_string())
            .with("data_collections", tables);
        let offset = self.running();
        self.note(note, offset);
    }

    /// Some rows of the current range.
    pub(super) async fn take(&mut self, table: &Arc<TableReading>, batch: Batch) -> Result<()> {
        self.hand_out(false)?;
        let Some(current) = &mut self.current else { return Ok(()) };
        let resumed = table.number == self.progress.table && self.progress.key.is_some();
        let first_of_table = current.rows == 0 && !resumed;
        current.rows += batch.rows.len() as u64;
        let (records, block) = (Arc::clone(&current.records), Arc::clone(&current.block));
        let table = Arc::clone(table);
        self.held = Some(Held { table, records, block, batch, first_of_table, last_of_table: false });
        if self.outbox.is_full() || self.flushed.elapsed() >= FLUSH_EVERY {
            let left = self.plan.tables.len().saturating_sub(self.progress.table);
            self.meter.show(self.progress.rows, left, Instant::now());
            self.outbox.flush().await?;
            self.flushed = Instant::now();
        }
        Ok(())
    }

    /// The table of the last range has no more rows.
    pub(super) fn leave(&mut self, table: &TableReading) {
        if let Some(held) = self.held.as_mut().filter(|held| held.table.number == table.number) {
            held.last_of_table = true;
        }
        if !self.setting.notifier.is_heard() {
            return;
        }
        let rows = self.current.as_ref().map_or(0, |current| current.rows);
        let mut tables = names(self.plan);
        // Debezium counts the signal table here, whose shape it reads.
        if let (Kind::Initial, Some(signals)) = (self.plan.kind, &self.setting.settings.signal_table) {
            tables = format!("{tables},{signals}");
        }
        let note = Note::initial("TABLE_SCAN_COMPLETED")
            .with("scanned_collection", table.shape.id.to_string())
            .with("total_rows_scanned", rows.to_string())
            .with("data_collections", tables)
            .with("status", "SUCCEEDED");
        let offset = self.running();
        self.note(note, offset);
    }

    /// All ranges are read.
    pub(super) async fn finish(mut self) -> Result<()> {
        let any = self.held.is_some();
        self.hand_out(true)?;
        let done = self.done();
        if !any {
            // Nothing is left to say so: an offset alone does.
            let partition = Arc::clone(self.setting.envelopes.partition());
            self.outbox.records.push(SourceRecord::progress(partition, done.clone()));
        }
        self.progress.table = self.plan.tables.len();
        self.progress.key = None;
        self.note(Note::initial("COMPLETED"), done);
        self.meter.finish(self.progress.rows, Instant::now());
        self.outbox.flush().await
    }

    /// Hands out the held batch: it is known by now what follows it.
    fn hand_out(&mut self, last: bool) -> Result<()> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let before = self.running();
        let first = self.progress.rows == 0;
        let count = held.batch.rows.len();
        self.progress.rows += count as u64;
        if held.last_of_table {
            self.progress.table = held.table.number + 1;
            self.progress.key = None;
        } else {
            self.progress.table = held.table.number;
            let end = held.batch.end.as_ref().zip(held.table.key.as_ref());
            // Without a key to name, the checkpoint stays where it was in this table.
            if let Some((end, key)) = end {
                self.progress.key = Some(Text::from(key.to_json(end)));
            } else if held.first_of_table {
                self.progress.key = None;
            }
        }
        let after = if last { self.done() } else { self.running() };
        let Held { table, records, block, batch, first_of_table, last_of_table } = held;
        let rows = BatchRows {
            table,
            records,
            block,
            rows: batch.rows,
            is_sure: batch.is_sure,
            frames: Frames::new(Moment::now()),
        };
        let mark = Mark { first, first_of_table, last_of_table, last };
        self.outbox.push_rows(RowBatch::new(rows, mark, [before, after])?);
        Ok(())
    }
}

fn names(plan: &Plan) -> String {
    plan.tables.iter().map(|table| table.id.to_string()).collect::<Vec<_>>().join(",")
}
