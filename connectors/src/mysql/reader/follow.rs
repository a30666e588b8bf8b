//! Following the binlog: each event in turn, into records and positions.
//!
//! The hot path of streaming. Tables that are not captured are left out at their table map, before any row is decoded; a
//! captured table's decoder and schemas are kept as long as the server sends the same table map. Invariant: an event is
//! either carried out in full, with its records in the outbox and the tracker behind it, or ends the reading with an error
//! that names it.

mod chunks;
mod marks;
mod rows;
mod schema_changes;
mod signals;
mod statement;
mod tables;
mod xa;

use std::sync::Arc;

use api::{Error, FlatMap, Result, Text, Value};

use self::signals::Signals;
use self::tables::Tables;
use super::heartbeat::Heartbeats;
use super::{Availability, Reader, ServerInfo, Shapes};
use crate::mysql::binlog::event::{Event, RawEvent};
use crate::mysql::binlog::stream::{Dump, Read, file_name};
use crate::mysql::binlog::tracker::{Tracker, gtid_text};
use crate::mysql::envelope::transaction::Transaction;
use crate::mysql::envelope::{Moment, Origin};
use crate::mysql::gtid::GtidSet;
use crate::mysql::incremental::{Incremental, Stored};
use crate::mysql::position::{OffsetDetails, Position, offset};
use crate::mysql::shape::TableId;
use crate::mysql::snapshot::plan::extended;
use crate::mysql::{resume, server};

use self::xa::Xa;

/// Where an offset names the XA transactions that are prepared and not committed; Debezium passes over it.
const PREPARED: &str = "prepared";

/// What following the binlog remembers from event to event.
pub(super) struct Follower {
    tracker: Tracker,
    shapes: Shapes,
    server: ServerInfo,
    tables: Tables,
    heartbeats: Heartbeats,
    /// The offset that the rows of the current transaction share, once there is one.
    shared: Option<Arc<FlatMap>>,
    /// What the offsets say of a snapshot that is not complete.
    snapshot: Vec<(Text, Value)>,
    /// What else the offsets say: how far snapshots got.
    extra: Vec<(Text, Value)>,
    signals: Signals,
    incremental: Incremental,
    /// The session that reads chunks.
    chunk_session: Option<mysql_async::Conn>,
    /// Where the row stood that closed the window at hand.
    closed: Option<Origin>,
    /// Where to stop.
    until: Option<Position>,
    /// The current transaction's counts, where they are wanted.
    transaction: Option<Transaction>,
    /// The statement whose rows come next, where it is wanted.
    query: Option<Text>,
    /// XA transactions that are not committed yet.
    xa: Xa,
    /// Transactions that were read on another server and come again here.
    seen: Option<GtidSet>,
    /// Whether the current transaction is one of those.
    passes_over: bool,
}

/// Why following ended without an error.
#[derive(Debug)]
pub(super) enum Ended {
    /// The place was reached at which to stop.
    Reached,
    /// These tables are to be read first, each perhaps with a condition.
    Blocking(Vec<(TableId, Option<String>)>),
    /// Somebody wants it to go on elsewhere.
    Moved(Position),
}

impl Follower {
    pub(super) fn new(reader: &Reader, server: ServerInfo, shapes: Shapes, position: Position) -> Self {
        let heartbeats = Heartbeats::new(&reader.config, &reader.envelopes);
        let tables = Tables::default();
        Self {
            tracker: Tracker::new(position),
            shapes,
            server,
            tables,
            heartbeats,
            shared: None,
            transaction: None,
            query: None,
            xa: Xa::default(),
            snapshot: Vec::new(),
            extra: Vec::new(),
            signals: Signals::new(reader),
            incremental: Incremental::default(),
            chunk_session: None,
            closed: None,
            until: None,
            seen: None,
            passes_over: false,
        }
    }

    /// What the offsets say of a snapshot from now on.
    pub(super) fn set_snapshot(&mut self, entries: Vec<(Text, Value)>) {
        self.snapshot = entries;
        self.refresh_extra();
    }

    /// Goes on with an incremental snapshot.
    pub(super) fn set_incremental(&mut self, stored: Stored) {
        self.incremental = Incremental::new(stored);
        self.refresh_extra();
    }

    /// What the offsets say of an incremental snapshot.
    pub(super) fn incremental_entries(&self) -> Vec<(Text, Value)> {
        self.incremental.entries()
    }

    fn refresh_extra(&mut self) {
        self.extra.clone_from(&self.snapshot);
        self.extra.extend(self.incremental.entries());
        self.extra.extend(self.signals.entry());
        self.shared = None;
    }

    /// Goes on from another place of the same server.
    pub(super) fn move_to(&mut self, shapes: Shapes, position: Position) {
        self.tracker = Tracker::new(position);
        self.shapes = shapes;
        self.tables.clear();
        self.shared = None;
    }

    /// Stops at a place, between two transactions.
    pub(super) fn stop_at(&mut self, position: Option<Position>) {
        self.until = position;
    }

    /// The shapes as they are where we are.
    pub(super) const fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    /// The server that we are connected to.
    pub(super) const fn server(&self) -> &ServerInfo {
        &self.server
    }

    /// Whether the place was reached at which to stop.
    fn is_there(&self) -> bool {
        let Some(until) = &self.until else { return false };
        !self.tracker.in_transaction() && self.tracker.restart().has_reached(until)
    }

    /// Goes on with what an offset says beside its position: the counts of a transaction, and what is prepared.
    pub(super) fn resuming(mut self, reader: &Reader, committed: &FlatMap) -> Self {
        self.transaction = Transaction::of_offset(committed).filter(|_| reader.events.config.transactions);
        if let Some(prepared) = committed.get(PREPARED).and_then(api::Value::as_str) {
            self.xa = Xa::of_offset(prepared);
        }
        self.signals.resume(committed);
        self
    }

    /// Asks for the binlog from where we are.
    ///
    /// # Errors
    /// `Fatal` when the server cannot go on from there, else as the connection.
    pub(super) async fn connect(&mut self, reader: &Reader) -> Result<Dump> {
        let position = self.tracker.position();
        let mut conn = server::connect(&reader.config).await?;
        self.server = server::info(&mut conn).await?;
        if let Availability::Lost(reason) = resume::check(&mut conn, &self.server, &position).await? {
            return Err(Error::fatal(reason));
        }
        let elsewhere = resume::place_by_gtids(&mut conn, &self.server, &position).await?;
        self.seen = elsewhere.as_ref().and_then(|position| position.gtids.clone());
        self.passes_over = false;
        if let Err(error) = conn.disconnect().await {
            tracing::debug!(%error, "closing the session that checked the position");
        }
        self.xa.reconnect(position.server_uuid.is_none() || position.server_uuid == self.server.uuid);
        let place = elsewhere.unwrap_or(position);
        let position = Position { server_uuid: self.server.uuid.clone(), ..place };
        let dump = Dump::open(&reader.config, &self.server, &position, reader.events.config.query).await?;
        self.tracker = Tracker::new(position);
        self.tables.clear();
        self.shared = None;
        // Its closing mark may lie behind us now.
        self.incremental.window = None;
        self.chunk_session = None;
        Ok(dump)
    }

    /// Follows the dump until an error ends it.
    pub(super) async fn follow(&mut self, reader: &mut Reader, dump: &mut Dump) -> Result<Ended> {
        loop {
            if self.is_there() {
                reader.outbox.flush().await?;
                return Ok(Ended::Reached);
            }
            if self.until.is_none() && !self.tracker.in_transaction() {
                if let Some(ending) = self.signals.take_ending() {
                    self.refresh_extra();
                    reader.outbox.flush().await?;
                    return Ok(ending);
                }
                self.step(reader).await?;
            }
            let read = match dump.try_next() {
                Some(read) => read?,
                None => {
                    self.pause(reader).await?;
                    match self.wait(reader, dump).await? {
                        Some(read) => read,
                        None => continue,
                    }
                }
            };
            self.carry_out(reader, dump, read).await?;
            if reader.outbox.is_full() {
                self.beat(reader).await?;
                self.show(reader);
                reader.outbox.flush().await?;
                self.look_for_signals(reader).await?;
            }
        }
    }

    /// Waits for the next event; `None` when there was something else to look at meanwhile.
    async fn wait(&mut self, reader: &mut Reader, dump: &mut Dump) -> Result<Option<Read>> {
        let dead_after = reader.config.keep_alive_interval;
        let mut dead_at = tokio::time::Instant::now() + dead_after;
        loop {
            let heartbeat = self.heartbeats.due_in(&self.tracker).unwrap_or(dead_after);
            let look_at = tokio::time::Instant::now() + self.signals.due_in(dead_after).min(heartbeat);
            match tokio::time::timeout_at(look_at.min(dead_at), dump.next()).await {
                Ok(read) => return read.map(Some),
                Err(error) if tokio::time::Instant::now() >= dead_at => {
                    let silence = dead_after.as_millis();
                    let message =
                        format!("the server sent nothing, not even a sign of life, for {silence} ms");
                    return Err(Error::retriable(message).with_source(error));
                }
                Err(_) => {}
            }
            if self.heartbeats.is_due(&self.tracker) {
                let paused_at = tokio::time::Instant::now();
                self.pause(reader).await?;
                dead_at += paused_at.elapsed();
            }
            let before = (self.incremental.is_active(), reader.outbox.records.len());
            self.look_for_signals(reader).await?;
            if before != (self.incremental.is_active(), reader.outbox.records.len()) {
                return Ok(None);
            }
        }
    }

    /// Everything that the server has sent is carried out.
    async fn pause(&mut self, reader: &mut Reader) -> Result<()> {
        self.beat(reader).await?;
        reader.outbox.flush().await?;
        reader.gauges.set("behind_source_milliseconds", 0);
        Ok(())
    }

    /// A heartbeat, if one is due and the position is between two transactions or can be said in one record.
    async fn beat(&mut self, reader: &mut Reader) -> Result<()> {
        if !self.heartbeats.is_due(&self.tracker) {
            return Ok(());
        }
        if let Some(statement) = reader.events.config.heartbeat_query.as_deref() {
            run_action(reader, statement).await;
        }
        let extra = self.offset_extra();
        self.heartbeats.beat(&self.tracker, &extra, &mut reader.outbox);
        Ok(())
    }

    /// What an offset says beside the position where we are.
    fn offset_extra(&self) -> FlatMap {
        let mut extra = FlatMap::new();
        if let Some(transaction) = &self.transaction {
            extra = transaction.in_offset(&extra);
        }
        if let Some(prepared) = self.xa.in_offset() {
            extra.set(PREPARED, prepared);
        }
        for (name, value) in &self.extra {
            extra.set(name.clone(), value.clone());
        }
        extra
    }

    fn show(&self, reader: &Reader) {
        let behind = Moment::now().milliseconds() - self.tracker.timestamp_us() / 1000;
        reader.gauges.set("behind_source_milliseconds", behind.max(0));
    }

    async fn carry_out(
        &mut self,
        reader: &mut Reader,
        dump: &mut Dump,
        Read { raw, event }: Read,
    ) -> Result<()> {
        if dump.reads_file_from_start() && !self.skipped_to_start(dump, &raw, &event) {
            return Ok(());
        }
        self.tracker.enter(&raw);
        if self.seen.is_some() && self.was_seen(&event) {
            return Ok(());
        }
        let held =
            self.xa.is_open() && matches!(event, Event::Rows(_) | Event::TableMap(_) | Event::RowsQuery(_));
        if held {
            self.leave(&raw);
            self.xa.hold(Read { raw, event });
            return Ok(());
        }
        match event {
            Event::Rows(rows) => {
                let outcome = self.rows(reader, &rows);
                self.tolerate(reader, outcome)?;
                self.obey(reader, true).await?;
            }
            Event::TableMap(body) => self.table_map(reader, &body).await?,
            Event::Gtid(gtid) => {
                self.tracker.mysql_gtid(gtid.gtid, gtid.original_commit_us);
                self.shared = None;
            }
            Event::MariaDbGtid { domain, sequence, standalone, prepares } => {
                self.tracker.mariadb_gtid(domain, sequence, standalone);
                match prepares {
                    Some(xid) => self.xa_open(xid),
                    None => self.mark_begin(reader)?,
                }
            }
            Event::Query(query) => self.statement(reader, &query).await?,
            Event::Commit => self.commit(reader)?,
            Event::XaPrepare { commits } => self.xa_prepare(reader, commits).await?,
            Event::RowsQuery(sql) => self.rows_query(reader, &sql),
            Event::Rotate { file, pos } => self.rotate(file_name(&file), pos),
            Event::FormatDescription => self.tables.clear(),
            Event::TransactionPayload(_) | Event::Heartbeat | Event::Ignored => {}
            Event::Unknown(what) => {
                let outcome = Err(self.unknown(&raw, what));
                self.tolerate(reader, outcome)?;
            }
        }
        if !raw.is_artificial() {
            self.leave(&raw);
        }
        Ok(())
    }

    /// An event is done with.
    const fn leave(&mut self, raw: &RawEvent) {
        if raw.is_annotation() {
            self.tracker.leave_annotation();
        } else if !raw.is_wrapper() {
            self.tracker.leave();
        }
    }

    /// Whether the start was reached, when a file is read from its beginning to a position beyond 4 GiB.
    fn skipped_to_start(&mut self, dump: &mut Dump, raw: &RawEvent, event: &Event) -> bool {
        if raw.is_artificial() || raw.inner {
            return matches!(event, Event::FormatDescription);
        }
        let end = self.tracker.end_of(raw);
        if dump.is_before_start(end) {
            self.tracker.pass(end);
            return false;
        }
        dump.reached_start();
        true
    }

    /// Whether an event belongs to a transaction that was read on another server.
    fn was_seen(&mut self, event: &Event) -> bool {
        if let Event::Gtid(gtid) = event {
            let name = gtid.gtid.as_ref().map(gtid_text);
            self.passes_over =
                name.is_some_and(|name| self.seen.as_ref().is_some_and(|seen| seen.contains(&name)));
        }
        self.passes_over
            && !matches!(event, Event::Rotate { .. } | Event::FormatDescription | Event::Heartbeat)
    }

    fn rotate(&mut self, file: api::Text, pos: u64) {
        self.tracker.rotate(file, pos);
        self.tables.clear();
    }

    /// Keeps the statement of the rows that follow, if it is wanted.
    fn rows_query(&mut self, reader: &Reader, sql: &[u8]) {
        if reader.events.config.query {
            self.query = Some(Text::from(String::from_utf8_lossy(sql).into_owned()));
        }
    }

    /// Passes over an event that cannot be read, if `event.processing.failure.handling.mode` says so.
    fn tolerate(&self, reader: &Reader, outcome: Result<()>) -> Result<()> {
        let Err(error) = outcome else { return Ok(()) };
        if error.is_retriable() {
            return Err(error);
        }
        let place = format!("{}:{}", self.tracker.file(), self.tracker.start());
        reader.events.config.failures.decide(error.context(format!("reading the event at {place}")))
    }

    fn unknown(&self, raw: &RawEvent, what: &str) -> Error {
        Error::fatal(format!(
            "the event of type {} at {}:{} cannot be passed over without losing changes: {what}",
            raw.kind,
            self.tracker.file(),
            self.tracker.start()
        ))
    }

    /// The offset behind what was committed last.
    fn offset_behind(&self, timestamp_ms: i64, server_id: u32) -> Arc<FlatMap> {
        let details = OffsetDetails { timestamp_s: Some(timestamp_ms / 1000), server_id, in_snapshot: false };
        extended(self.with_prepared(offset(&self.tracker.position(), details)), &self.extra)
    }

    /// An offset that names the XA transactions which are prepared and not committed.
    fn with_prepared(&self, offset: Arc<FlatMap>) -> Arc<FlatMap> {
        match self.xa.in_offset() {
            None => offset,
            Some(prepared) => Arc::new((*offset).clone().with(PREPARED, prepared)),
        }
    }

    /// The offset of the current transaction without its counters.
    fn shared_offset(&mut self) -> Arc<FlatMap> {
        if let Some(shared) = &self.shared {
            return Arc::clone(shared);
        }
        let tracker = &self.tracker;
        let shared = {
            let details = OffsetDetails {
                timestamp_s: Some(tracker.timestamp_us() / 1_000_000),
                server_id: tracker.server_id(),
                in_snapshot: false,
            };
            extended(self.with_prepared(offset(&tracker.position(), details)), &self.extra)
        };
        self.shared = Some(Arc::clone(&shared));
        shared
    }
}

/// Runs `heartbeat.action.query`. That it fails is said and does not stop the reading: the next heartbeat tries again.
async fn run_action(reader: &Reader, statement: &str) {
    let run = async {
        let mut conn = server::connect(&reader.config).await?;
        server::execute(&mut conn, statement).await?;
        if let Err(error) = conn.disconnect().await {
            tracing::debug!(%error, "closing the session of heartbeat.action.query");
        }
        Ok::<(), Error>(())
    };
    if let Err(error) = run.await {
        tracing::warn!(error = %error.report(), "heartbeat.action.query failed");
    }
}
