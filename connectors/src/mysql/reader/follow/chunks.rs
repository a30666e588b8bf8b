//! Chunks of an incremental snapshot: opening their windows, and handing out what is left of them. The argument stands in
//! [`crate::mysql::incremental`].
//!
//! How each server makes sure that the SELECT sees what the stream has handed out, and how the window's end is marked:
//! * with a signal table, a row is inserted before and after (or the first one deleted): when the insert returns, all that is before it in
//!   the binlog is committed, and its own place in the binlog is the mark;
//! * MySQL with GTIDs: `gtid_executed` is asked until it holds all that was handed out, since what is in it is committed; the end of the
//!   binlog after the SELECT is the mark;
//! * MariaDB tells the place of the SELECT's own view: it is the mark, and must not lie before the stream.

use std::sync::Arc;
use std::time::Duration;

use api::{Error, Result, SourceOffset, SourceRecord};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::Follower;
use crate::mysql::config::snapshot::Watermarking;
use crate::mysql::envelope::{Frames, Moment, Origin, RowSink, SourceBlock};
use crate::mysql::gtid::GtidSet;
use crate::mysql::incremental::{Close, Window};
use crate::mysql::notification::{Note, random_uuid};
use crate::mysql::reader::Reader;
use crate::mysql::reader::heartbeat::position_offset;
use crate::mysql::server::{self, binlog_end, execute, quoted_table, sorted};
use crate::mysql::shape::TableShape;
use crate::mysql::snapshot::keys::{ChunkKey, KeyValues};
use crate::mysql::snapshot::ranges::cells_of;
use crate::mysql::snapshot::view_position;
use crate::mysql::text::{TextRowDecoder, select_list};

/// How often a server is asked whether it is as far as the stream.
const ASKED_MAX: u32 = 500;

/// How the window of a chunk is marked.
#[derive(Debug, Clone)]
enum Mark {
    /// By rows of this table, with this chunk's name.
    Rows {
        table: String,
        chunk: String,
    },
    Gtids,
    View,
}

/// What a SELECT of a chunk gave.
struct Chunk {
    rows: Vec<Vec<api::Value>>,
    end: Option<KeyValues>,
}

impl Follower {
    /// Between two transactions: hands out chunks whose windows are closed, opens the next one.
    pub(super) async fn step(&mut self, reader: &mut Reader) -> Result<()> {
        while self.incremental.is_active() && !self.incremental.paused && !self.tracker.in_transaction() {
            match &self.incremental.window {
                Some(window) if self.is_closed(&window.close) => self.hand_out(reader)?,
                // The stream has yet to come to its end.
                Some(_) => return Ok(()),
                None => {
                    if !self.open_window(reader).await? {
                        return Ok(());
                    }
                }
            }
            if reader.outbox.is_full() {
                reader.outbox.flush().await?;
            }
        }
        Ok(())
    }

    fn is_closed(&self, close: &Close) -> bool {
        match close {
            Close::Signal(_) => self.closed.is_some(),
            Close::Place(place) => self.tracker.restart().has_reached(place),
        }
    }

    /// Reads the next chunk; false when the stream must go on first.
    async fn open_window(&mut self, reader: &mut Reader) -> Result<bool> {
        let mut conn = match self.chunk_session.take() {
            Some(conn) => conn,
            None => server::connect(&reader.config).await?,
        };
        let opened = self.read_chunk(reader, &mut conn).await;
        match opened {
            Ok(opened) => {
                self.chunk_session = Some(conn);
                Ok(opened)
            }
            Err(error) if error.is_retriable() => Err(error),
            // A condition or a key that the server refuses must not stop the stream.
            Err(error) => {
                let table = self.incremental.current().map(|job| job.table.to_string()).unwrap_or_default();
                tracing::error!(%table, error = %error.report(), "the incremental snapshot of a table is given up");
                self.finish_table(reader, "SQL_EXCEPTION");
                Ok(true)
            }
        }
    }

    async fn read_chunk(&mut self, reader: &mut Reader, conn: &mut Conn) -> Result<bool> {
        let Some(job) = self.incremental.current().cloned() else { return Ok(false) };
        let Some(sql) = server::create_table_text(conn, &job.table).await? else {
            self.finish_table(reader, "UNKNOWN_SCHEMA");
            return Ok(true);
        };
        let shape = match self.shapes.table(&job.table).cloned() {
            Some(shape) => shape,
            None => self.read_shape(reader, &job.table).await?,
        };
        if !same_columns(&shape, &self.shapes.read_create_table(&job.table, &sql)?) {
            // The table was altered, and the stream has yet to read it: go on with the stream first.
            return Ok(false);
        }
        let key = match &job.surrogate_key {
            Some(column) => ChunkKey::surrogate(&shape, column),
            None => ChunkKey::of(&shape),
        };
        let Some(key) = key else {
            tracing::warn!(table = %job.table, "the table has no key by which it could be cut; name a surrogate-key");
            self.finish_table(reader, "NO_PRIMARY_KEY");
            return Ok(true);
        };
        let mark = self.begin_mark(reader, conn).await?;
        let condition = job.condition.as_deref();
        if self.incremental.maximum.is_none() {
            self.incremental.maximum = greatest(conn, &shape, &key, condition).await?;
        }
        let (maximum, limit) = (self.incremental.maximum.clone(), reader.settings.config.chunk_rows);
        let chunk = match &maximum {
            Some(maximum) => {
                let bounds = (self.incremental.last.as_deref(), maximum.as_slice());
                let statement = statement(&shape, &key, condition, bounds, limit);
                let decoder = TextRowDecoder::prepare(&shape, &reader.config.type_options())
                    .with_schemas(|index| reader.envelopes.column_schema(&shape, index));
                select(conn, &statement, &decoder, &key).await?
            }
            None => Chunk { rows: Vec::new(), end: None },
        };
        let close = self.end_mark(reader, conn, mark).await?;
        if maximum.is_none() {
            self.finish_table(reader, "EMPTY");
            return Ok(true);
        }
        self.incremental.rows += chunk.rows.len() as u64;
        let is_last = chunk.rows.len() < limit || chunk.end == maximum;
        if let (Some(end), Some(maximum)) = (&chunk.end, &maximum) {
            let note = Note::incremental("IN_PROGRESS", &self.incremental.correlation)
                .with("data_collections", self.incremental.names())
                .with("current_collection_in_progress", job.table.to_string())
                .with("maximum_key", maximum.join(","))
                .with("last_processed_key", end.join(","));
            self.note(reader, note);
        }
        self.closed = None;
        self.incremental.window = Some(Window::new(shape, close, chunk.rows, chunk.end, is_last));
        reader.outbox.flush().await?;
        Ok(true)
    }

    /// Makes sure that what is selected from now on holds all that was handed out.
    async fn begin_mark(&mut self, reader: &Reader, conn: &mut Conn) -> Result<Mark> {
        let settings = &reader.settings;
        let table = settings.signal_table.as_ref().filter(|_| !settings.config.read_only);
        if let Some(table) = table.filter(|_| settings.listens_to("source")) {
            let mark = Mark::Rows { table: quoted_table(table), chunk: random_uuid() };
            if let Mark::Rows { table, chunk } = &mark {
                let data = "CONCAT('{\"openWindowTimestamp\": \"', DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ'), '\"}')";
                execute(
                    conn,
                    &format!("INSERT INTO {table} VALUES ('{chunk}-open', 'snapshot-window-open', {data})"),
                )
                .await?;
            }
            return Ok(mark);
        }
        if self.server.mariadb {
            for _ in 0..ASKED_MAX {
                execute(conn, "START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
                let place = view_position(conn, &self.server).await?;
                let place =
                    place.ok_or_else(|| Error::bad_config("the server does not tell where a view lies"))?;
                if place.has_reached(self.tracker.restart()) {
                    return Ok(Mark::View);
                }
                execute(conn, "COMMIT").await?;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            return Err(Error::retriable("the server's views stay behind its binlog"));
        }
        let Some(ours) = self.tracker.restart().gtids.clone().filter(|_| self.server.gtids) else {
            return Err(Error::bad_config(
                "an incremental snapshot needs signal.data.collection (with read.only=false), or a server with gtid_mode=ON",
            ));
        };
        for _ in 0..ASKED_MAX {
            let executed = GtidSet::parse(&server::variable(conn, "gtid_executed").await?, false)?;
            if executed.covers(&ours) {
                return Ok(Mark::Gtids);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Err(Error::retriable("the server's gtid_executed stays behind its binlog"))
    }

    /// Marks the end of the window.
    async fn end_mark(&self, reader: &Reader, conn: &mut Conn, mark: Mark) -> Result<Close> {
        match mark {
            Mark::Gtids => binlog_end(conn, &self.server).await.map(Close::Place),
            Mark::View => {
                let place = view_position(conn, &self.server).await?;
                execute(conn, "COMMIT").await?;
                place
                    .map(Close::Place)
                    .ok_or_else(|| Error::retriable("the server does not tell where a view lies"))
            }
            Mark::Rows { table, chunk } => {
                if reader.settings.config.watermarking == Watermarking::InsertDelete {
                    execute(conn, &format!("DELETE FROM {table} WHERE id = '{chunk}-open'")).await?;
                    return Ok(Close::Signal(format!("{chunk}-open")));
                }
                let data = "CONCAT('{\"closeWindowTimestamp\": \"', DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ'), '\"}')";
                let statement =
                    format!("INSERT INTO {table} VALUES ('{chunk}-close', 'snapshot-window-close', {data})");
                execute(conn, &statement).await?;
                Ok(Close::Signal(format!("{chunk}-close")))
            }
        }
    }

    /// A row of the signal table was inserted or deleted: perhaps the window's end.
    pub(super) fn mark_met(&mut self, reader: &Reader, row: &[api::Value], deleted: bool) {
        let id = row.first().and_then(api::Value::as_str);
        let Some(Close::Signal(close)) = self.incremental.window.as_ref().map(|window| &window.close) else {
            return;
        };
        let by_delete = reader.settings.config.watermarking == Watermarking::InsertDelete;
        if id == Some(close)
            && deleted == by_delete
            && let Some(table) = &reader.settings.signal_table
        {
            self.closed = Some(self.origin(reader, table));
        }
    }

    /// Hands out what is left of a chunk, as of where we are.
    fn hand_out(&mut self, reader: &mut Reader) -> Result<()> {
        let Some(window) = self.incremental.window.take() else { return Ok(()) };
        let id = window.shape.id.clone();
        let closed = self.closed.take();
        if self.shapes.table(&id).is_some_and(|shape| *shape != window.shape) {
            // The table was altered within the window: the chunk is read again, with its present columns.
            return Ok(());
        }
        let now = Moment::now();
        let origin = Origin {
            database: id.database.clone(),
            table: Some(id.table.clone()),
            snapshot: Some("incremental"),
            timestamp_us: now.milliseconds().saturating_mul(1000),
            ..closed.unwrap_or_else(|| self.origin(reader, &id))
        };
        let source = SourceBlock::new(reader.envelopes.source_schema(), reader.flavour, &origin);
        let mut frames = Frames::new(now);
        let table = reader.envelopes.table(&window.shape, &reader.filter);
        let before = position_offset(&self.tracker, &self.offset_extra());
        let first = reader.outbox.records.len();
        for row in window.rows.into_iter().flatten() {
            let (out, source, table) = (&mut reader.outbox.records, &source, &table);
            RowSink { table, source, frames: &mut frames, out }.read(row, before.clone())?;
        }
        let last_row = reader.outbox.records.len();
        if window.end.is_some() {
            self.incremental.last = window.end;
        }
        if window.is_last {
            self.finish_table(reader, "SUCCEEDED");
        }
        self.refresh_extra();
        // The last row says how far the chunk brought us; where the stream met all rows, an offset alone does.
        let after = position_offset(&self.tracker, &self.offset_extra());
        self.claim(reader, (first < last_row).then(|| last_row - 1), after);
        Ok(())
    }

    fn claim(&self, reader: &mut Reader, last_row: Option<usize>, after: SourceOffset) {
        match last_row.and_then(|place| reader.outbox.records.get_mut(place)) {
            Some(record) => record.source_offset = after,
            None => {
                let partition = Arc::clone(reader.envelopes.partition());
                reader.outbox.records.push(SourceRecord::progress(partition, after));
            }
        }
    }

    /// Goes on to the next table.
    fn finish_table(&mut self, reader: &mut Reader, status: &'static str) {
        let Some(job) = self.incremental.current() else { return };
        let note = Note::incremental("TABLE_SCAN_COMPLETED", &self.incremental.correlation)
            .with("data_collections", self.incremental.names())
            .with("scanned_collection", job.table.to_string())
            .with("total_rows_scanned", self.incremental.rows.to_string())
            .with("status", status);
        self.incremental.finish_table();
        self.refresh_extra();
        self.note(reader, note);
        if !self.incremental.is_active() {
            self.chunk_session = None;
            let note = Note::incremental("COMPLETED", &self.incremental.correlation);
            self.note(reader, note);
        }
    }
}

fn same_columns(ours: &TableShape, present: &TableShape) -> bool {
    let names =
        |shape: &TableShape| shape.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    names(ours) == names(present)
}

fn filter(condition: Option<&str>, bound: Option<String>) -> String {
    let parts: Vec<_> =
        condition.map(str::to_owned).into_iter().chain(bound).map(|part| format!("({part})")).collect();
    if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) }
}

async fn greatest(
    conn: &mut Conn,
    shape: &TableShape,
    key: &ChunkKey,
    condition: Option<&str>,
) -> Result<Option<KeyValues>> {
    let statement = format!(
        "SELECT {} FROM {}{} {} LIMIT 1",
        key.select_list(),
        quoted_table(&shape.id),
        filter(condition, None),
        key.order_by(true)
    );
    let rows = server::rows(conn, &statement).await?;
    Ok(rows.into_iter().next().and_then(|row| key.values_alone(&cells_of(row).0)))
}

fn statement(
    shape: &TableShape,
    key: &ChunkKey,
    condition: Option<&str>,
    (last, maximum): (Option<&[String]>, &[String]),
    limit: usize,
) -> String {
    let up_to = format!("({})", key.up_to(maximum));
    let bound = last.map_or_else(|| up_to.clone(), |last| format!("({}) AND {up_to}", key.after(last)));
    format!(
        "SELECT {} FROM {}{} {} LIMIT {limit}",
        select_list(shape),
        quoted_table(&shape.id),
        filter(condition, Some(bound)),
        key.order_by(false)
    )
}

async fn select(conn: &mut Conn, statement: &str, decoder: &TextRowDecoder, key: &ChunkKey) -> Result<Chunk> {
    let reading = |error| sorted(error).context(format!("running \"{statement}\""));
    let rows: Vec<mysql_async::Row> = conn.query(statement).await.map_err(reading)?;
    let mut chunk = Chunk { rows: Vec::with_capacity(rows.len()), end: None };
    for row in rows {
        let (cells, _) = cells_of(row);
        chunk.end = key.values(&cells);
        chunk.rows.push(decoder.decode(cells.into_iter())?);
    }
    if chunk.end.is_none() && !chunk.rows.is_empty() {
        return Err(Error::fatal(
            "the last row's key is NULL or no text, so that reading cannot go on behind it",
        ));
    }
    Ok(chunk)
}
