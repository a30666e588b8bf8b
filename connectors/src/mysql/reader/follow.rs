//! Following the binlog: each event in turn, into records and positions.
//!
//! The hot path of streaming. Tables that are not captured are left out at their table map, before any row is decoded; a
//! captured table's decoder and schemas are kept as long as the server sends the same table map. Invariant: an event is
//! either carried out in full, with its records in the outbox and the tracker behind it, or ends the reading with an error
//! that names it.

mod chunks;
mod rows;
mod signals;
mod statement;
mod tables;

use std::sync::Arc;

use api::{Error, FlatMap, Result, Text, Value};

use self::signals::Signals;
use self::tables::Tables;
use super::heartbeat::Heartbeats;
use super::{Availability, Reader, ServerInfo, Shapes};
use crate::mysql::binlog::event::{Event, RawEvent};
use crate::mysql::binlog::stream::{Dump, Read, file_name};
use crate::mysql::binlog::tracker::Tracker;
use crate::mysql::envelope::{Moment, Origin};
use crate::mysql::incremental::{Incremental, Stored};
use crate::mysql::position::{OffsetDetails, Position, offset};
use crate::mysql::shape::TableId;
use crate::mysql::snapshot::plan::extended;
use crate::mysql::{resume, server};

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
            snapshot: Vec::new(),
            extra: Vec::new(),
            signals: Signals::new(reader),
            incremental: Incremental::default(),
            chunk_session: None,
            closed: None,
            until: None,
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
        if let Err(error) = conn.disconnect().await {
            tracing::debug!(%error, "closing the session that checked the position");
        }
        let position = Position { server_uuid: self.server.uuid.clone(), ..position };
        let dump = Dump::open(&reader.config, &self.server, &position).await?;
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
                if let Some(ending) = self.signals.ending.take() {
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
                self.heartbeats.beat(&self.tracker, &self.extra, &mut reader.outbox);
                self.show(reader);
                reader.outbox.flush().await?;
                self.look_at_file(reader).await?;
            }
        }
    }

    /// Waits for the next event; `None` when there was something else to look at meanwhile.
    async fn wait(&mut self, reader: &mut Reader, dump: &mut Dump) -> Result<Option<Read>> {
        let dead_after = reader.config.keep_alive_interval;
        let dead_at = tokio::time::Instant::now() + dead_after;
        loop {
            let look_at = tokio::time::Instant::now() + self.signals.due_in(dead_after);
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
            let before = (self.incremental.is_active(), reader.outbox.records.len());
            self.look_at_file(reader).await?;
            if before != (self.incremental.is_active(), reader.outbox.records.len()) {
                return Ok(None);
            }
        }
    }

    /// Everything that the server has sent is carried out.
    async fn pause(&mut self, reader: &mut Reader) -> Result<()> {
        self.heartbeats.beat(&self.tracker, &self.extra, &mut reader.outbox);
        reader.outbox.flush().await?;
        reader.gauges.set("behind_source_milliseconds", 0);
        Ok(())
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
        match event {
            Event::Rows(rows) => {
                self.rows(reader, &rows)?;
                self.obey(reader, true).await?;
            }
            Event::TableMap(body) => self.table_map(reader, &body).await?,
            Event::Gtid(gtid) => {
                self.tracker.mysql_gtid(gtid.gtid, gtid.original_commit_us);
                self.shared = None;
            }
            Event::MariaDbGtid { domain, sequence, standalone } => {
                self.tracker.mariadb_gtid(domain, sequence, standalone);
                self.shared = None;
            }
            Event::Query(query) => self.statement(reader, &query).await?,
            Event::Commit | Event::XaPrepare => self.commit(),
            Event::Rotate { file, pos } => self.rotate(file_name(&file), pos),
            Event::FormatDescription => self.tables.clear(),
            Event::TransactionPayload(_) | Event::Heartbeat | Event::Ignored => {}
            Event::Unknown(what) => return Err(self.unknown(&raw, what)),
        }
        if !raw.is_artificial() && !raw.is_wrapper() {
            self.tracker.leave();
        }
        Ok(())
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

    fn rotate(&mut self, file: api::Text, pos: u64) {
        self.tracker.rotate(file, pos);
        self.tables.clear();
    }

    fn commit(&mut self) {
        self.tracker.commit();
        self.shared = None;
    }

    fn unknown(&self, raw: &RawEvent, what: &str) -> Error {
        Error::fatal(format!(
            "the event of type {} at {}:{} cannot be passed over without losing changes: {what}",
            raw.kind,
            self.tracker.file(),
            self.tracker.start()
        ))
    }

    /// The offset of the current transaction without its counters.
    fn shared_offset(&mut self) -> Arc<FlatMap> {
        let tracker = &self.tracker;
        let make = || {
            let details = OffsetDetails {
                timestamp_s: Some(tracker.timestamp_us() / 1_000_000),
                server_id: tracker.server_id(),
                in_snapshot: false,
            };
            extended(offset(&tracker.position(), details), &self.extra)
        };
        Arc::clone(self.shared.get_or_insert_with(make))
    }
}
