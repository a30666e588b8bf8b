//! Rows into records.

use api::{Error, Result, SourceOffset};

use super::Follower;
use crate::mysql::binlog::event::{Rows, RowsKind};
use crate::mysql::envelope::{Moment, Offsets, Origin, RowSink, SourceBlock};
use crate::mysql::position::signed;
use crate::mysql::reader::Reader;

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
        let shared = self.shared_offset();
        let source = SourceBlock::new(
            reader.envelopes.source_schema(),
            reader.flavour,
            &self.origin(reader, &table.id),
        );
        let events = signed(self.tracker.events());
        let at = |row: i64| {
            SourceOffset::with_counters(std::sync::Arc::clone(&shared), [("row", row), ("event", events)])
        };
        reader.outbox.weigh(rows.images.len());
        let now = Moment::now();
        let mut images = rows.images.clone();
        let mut number: i32 = 0;
        while !images.is_empty() {
            let first = table.decoder.decode(&rows.columns, &mut images)?;
            let second = match rows.kind {
                RowsKind::Update => Some(table.decoder.decode(&rows.columns_after, &mut images)?),
                RowsKind::Insert | RowsKind::Delete => None,
            };
            let before = i64::from(number);
            if let Some(window) =
                self.incremental.window.as_mut().filter(|window| window.shape.id == table.id)
            {
                window.meet(&first);
                second.iter().for_each(|row| window.meet(row));
            }
            if is_signal && signed(skip) <= before {
                self.mark_met(reader, &first, rows.kind == RowsKind::Delete);
                if rows.kind == RowsKind::Insert {
                    self.signal_row(reader, &first);
                }
            }
            if signed(skip) <= before && !skipped {
                let out = &mut reader.outbox.records;
                let mut sink = RowSink { table: &table.records, source: &source, now, out };
                let offsets = Offsets { done: at(before + 1), before: at(before) };
                match (rows.kind, second) {
                    (RowsKind::Insert, _) => sink.create(first, number, offsets)?,
                    (RowsKind::Delete, _) => sink.delete(first, number, offsets)?,
                    (RowsKind::Update, second) => {
                        sink.update(first, second.unwrap_or_default(), number, offsets)?
                    }
                }
            }
            self.tracker.hand_out();
            number = number
                .checked_add(1)
                .ok_or_else(|| Error::fatal("an event has more rows than can be counted"))?;
        }
        Ok(())
    }

    /// Whether a chunk of this table waits for the end of its window.
    fn has_window(&self, id: &crate::mysql::shape::TableId) -> bool {
        self.incremental.window.as_ref().is_some_and(|window| window.shape.id == *id)
    }

    pub(super) fn origin(&self, reader: &Reader, id: &crate::mysql::shape::TableId) -> Origin {
        Origin {
            name: reader.config.topic_prefix.as_str().into(),
            timestamp_us: self.tracker.timestamp_us(),
            snapshot: None,
            database: id.database.clone(),
            table: id.table.clone(),
            server_id: self.tracker.server_id(),
            gtid: self.tracker.gtid().cloned(),
            file: self.tracker.file().clone(),
            pos: signed(self.tracker.start()),
            thread: self.tracker.thread(),
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
