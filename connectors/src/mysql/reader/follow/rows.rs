//! Rows into records.

use api::{Error, Result, Value};

use super::Follower;
use crate::mysql::binlog::event::{Rows, RowsKind};
use crate::mysql::envelope::{Changes, Moment, Origin, RowSink, SourceBlock};
use crate::mysql::position::signed;
use crate::mysql::reader::Reader;
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
        let shared = self.shared_offset();
        let source = SourceBlock::new(
            reader.envelopes.source_schema(),
            reader.flavour,
            &self.origin(reader, &table.id),
        );
        let events = signed(self.tracker.events());
        reader.outbox.weigh(rows.images.len());
        let now = Moment::now();
        let mut images = rows.images.clone();
        let mut number: i32 = 0;
        while !images.is_empty() {
            let first = table.decoder.decode(&rows.columns, &mut images)?;
            let second = match rows.kind {
                RowsKind::Update if rows.partial => {
                    Some(table.decoder.decode_partial(&rows.columns_after, &mut images, &first)?)
                }
                RowsKind::Update => Some(table.decoder.decode(&rows.columns_after, &mut images)?),
                RowsKind::Insert | RowsKind::Delete => None,
            };
            let before = i64::from(number);
            self.meet(reader, rows.kind, (&table.id, &first, second.as_deref()), signed(skip) > before);
            if signed(skip) <= before && !skipped {
                let out = &mut reader.outbox.records;
                let mut changes = Changes {
                    rows: RowSink { table: &table.records, source: &source, now, out },
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
            number = number
                .checked_add(1)
                .ok_or_else(|| Error::fatal("an event has more rows than can be counted"))?;
        }
        Ok(())
    }

    /// What a row is to the chunk at hand and to the signals. `handed_out` when it was, before a restart.
    fn meet(
        &mut self,
        reader: &Reader,
        kind: RowsKind,
        (id, first, second): (&TableId, &[Value], Option<&[Value]>),
        handed_out: bool,
    ) {
        if let Some(window) = self.incremental.window.as_mut().filter(|window| window.shape.id == *id) {
            window.meet(first);
            second.into_iter().for_each(|row| window.meet(row));
        }
        if handed_out || !reader.filter.is_signal_table(id) {
            return;
        }
        self.mark_met(reader, first, kind == RowsKind::Delete);
        if kind == RowsKind::Insert {
            self.signal_row(reader, first);
        }
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
