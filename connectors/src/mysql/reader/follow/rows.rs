//! Rows into records.

use std::sync::Arc;

use api::{Error, Result};

use super::Follower;
use crate::mysql::binlog::event::{Rows, RowsKind};
use crate::mysql::binlog::row::RowImage;
use crate::mysql::envelope::{Changes, Frames, Moment, Origin, RowSink, SourceBlock};
use crate::mysql::position::signed;
use crate::mysql::reader::Reader;
use crate::mysql::row_event::{CapturedTable, EventPlace, EventRows, RowEvent, too_many};
use crate::mysql::shape::TableId;

impl Follower {
    /// A rows event, all of it.
    pub(super) fn rows(&mut self, reader: &mut Reader, rows: &Rows) -> Result<()> {
        let Some(table) = self.tables.get(rows.table_id) else {
            return Err(Error::fatal(format!(
                "rows of table number {} come at {}:{} without a table map before them",
                rows.table_id,
                self.tracker.file(),
                self.tracker.start()
            )));
        };
        let skip = self.tracker.rows_to_skip();
        let Some(table) = table.filter(|_| skip < u64::MAX).cloned() else { return Ok(()) };
        let skipped = reader.config.skips(letter(rows.kind));
        let is_signal = reader.filter.is_signal_table(&table.id);
        if skipped && !is_signal && !self.has_window(&table.id) {
            return Ok(());
        }
        if !self.origin_is_captured(reader) {
            return Ok(());
        }
        let is_seen = is_signal || self.has_window(&table.id) || self.transaction.is_some();
        if is_seen || skip > 0 || rows.partial {
            self.decode_rows(reader, rows, &table, (skip, skipped))
        } else {
            self.pass_rows(reader, rows, &table)
        }
    }

    /// An event whose rows nobody but the records' readers must see: they are decoded when they are polled.
    fn pass_rows(&mut self, reader: &mut Reader, rows: &Rows, table: &Arc<CapturedTable>) -> Result<()> {
        let bitmaps = [&*rows.columns, &*rows.columns_after];
        let per_row = if rows.kind == RowsKind::Update { &bitmaps[..] } else { &bitmaps[..1] };
        let starts = table.decoder.find_images(per_row, &rows.images)?;
        let rows = EventRows {
            table: Arc::clone(table),
            kind: rows.kind,
            columns: [rows.columns.clone(), rows.columns_after.clone()],
            images: rows.images.clone(),
            starts,
            source: self.source_block(reader, table),
            frames: Frames::new(Moment::now()),
        };
        let count = rows.count();
        let place = EventPlace {
            offset: self.shared_offset(),
            events: signed(self.tracker.events()),
            place: (self.tracker.file().clone(), self.tracker.start()),
            failures: reader.events.config.failures,
        };
        let event = RowEvent::new(rows, place)?;
        reader.outbox.push_event(event);
        self.tracker.hand_out_rows(count as u64);
        Ok(())
    }

    fn source_block(&self, reader: &Reader, table: &CapturedTable) -> SourceBlock {
        let origin = self.origin(reader, &table.id);
        SourceBlock::new(reader.envelopes.source_schema(), reader.flavour, &origin)
    }

    fn decode_rows(
        &mut self,
        reader: &mut Reader,
        rows: &Rows,
        table: &CapturedTable,
        (skip, skipped): (u64, bool),
    ) -> Result<()> {
        let shared = self.shared_offset();
        let source = self.source_block(reader, table);
        let events = signed(self.tracker.events());
        reader.outbox.weigh(rows.images.len());
        let mut frames = Frames::new(Moment::now());
        let mut images = rows.images.clone();
        let mut number: i32 = 0;
        while !images.is_empty() {
            let first = table.decoder.decode(&rows.columns, &mut images)?;
            let second = match rows.kind {
                RowsKind::Update if rows.partial => {
                    Some(table.decoder.decode_partial(&rows.columns_after, &mut images, &first)?)
                }
                RowsKind::Update => {
                    Some(table.decoder.decode_after(&rows.columns_after, &mut images, &first)?)
                }
                RowsKind::Insert | RowsKind::Delete => None,
            };
            let before = i64::from(number);
            self.meet(reader, rows.kind, (&table.id, &first, second.as_ref()), signed(skip) > before)?;
            if signed(skip) <= before && !skipped {
                let out = &mut reader.outbox.records;
                let mut changes = Changes {
                    rows: RowSink { table: &table.records, source: &source, frames: &mut frames, out },
                    shared: &shared,
                    events,
                    transaction: self.transaction.as_mut(),
                };
                match (rows.kind, second) {
                    (RowsKind::Insert, _) => changes.create(first, number)?,
                    (RowsKind::Delete, _) => changes.delete(first, number)?,
                    (RowsKind::Update, second) => {
                        changes.update(first, second.unwrap_or_default(), number)?
                    }
                }
            }
            self.tracker.hand_out();
            number = number.checked_add(1).ok_or_else(too_many)?;
        }
        Ok(())
    }

    /// What a row is to the chunk at hand and to the signals. `handed_out` when it was, before a restart.
    fn meet(
        &mut self,
        reader: &Reader,
        kind: RowsKind,
        (id, first, second): (&TableId, &RowImage, Option<&RowImage>),
        handed_out: bool,
    ) -> Result<()> {
        if let Some(window) = self.incremental.window.as_mut().filter(|window| window.shape.id == *id) {
            window.meet(first)?;
            second.into_iter().try_for_each(|row| window.meet(row))?;
        }
        if handed_out || !reader.filter.is_signal_table(id) {
            return Ok(());
        }
        let row = first.values_or_null();
        self.mark_met(reader, &row, kind == RowsKind::Delete);
        if kind == RowsKind::Insert {
            self.signal_row(reader, &row);
        }
        Ok(())
    }

    /// Whether a chunk of this table waits for the end of its window.
    fn has_window(&self, id: &TableId) -> bool {
        self.incremental.window.as_ref().is_some_and(|window| window.shape.id == *id)
    }

    /// Whether the server that made the current transaction is one whose changes are captured (`gtid.source.*`).
    fn origin_is_captured(&self, reader: &Reader) -> bool {
        let origins = &reader.events.origins;
        if origins.allow_all() || !reader.events.config.gtid_filters_rows {
            return true;
        }
        // The server's UUID comes first in a GTID of MySQL, the domain in one of MariaDB.
        let separator = if self.server.mariadb { '-' } else { ':' };
        let gtid = self.tracker.gtid().and_then(|gtid| gtid.split_once(separator));
        gtid.is_none_or(|(source, _)| origins.allow(source))
    }

    pub(super) fn origin(&self, reader: &Reader, id: &TableId) -> Origin {
        Origin {
            name: reader.config.topic_prefix.as_str().into(),
            timestamp_us: self.tracker.timestamp_us(),
            snapshot: None,
            database: id.database.clone(),
            table: Some(id.table.clone()),
            server_id: self.tracker.server_id(),
            gtid: self.tracker.gtid().cloned(),
            file: self.tracker.file().clone(),
            pos: signed(self.tracker.start()),
            thread: self.tracker.thread(),
            query: self.query.clone(),
        }
    }
}

const fn letter(kind: RowsKind) -> &'static str {
    match kind {
        RowsKind::Insert => "c",
        RowsKind::Update => "u",
        RowsKind::Delete => "d",
    }
}
