//! Following the binlog: each event in turn, into records and positions.
//!
//! The hot path of streaming. Tables that are not captured are left out at their table map, before any row is decoded; a
//! captured table's decoder and schemas are kept as long as the server sends the same table map. Invariant: an event is
//! either carried out in full, with its records in the outbox and the tracker behind it, or ends the reading with an error
//! that names it.

mod rows;
mod statement;
mod tables;

use std::sync::Arc;

use api::{Error, FlatMap, Result, Text, Value};

use super::heartbeat::Heartbeats;
use super::{Availability, Reader, ServerInfo, Shapes};
use crate::mysql::binlog::event::{Event, RawEvent};
use crate::mysql::binlog::stream::{Dump, Read, file_name};
use crate::mysql::binlog::tracker::Tracker;
use crate::mysql::envelope::Moment;
use crate::mysql::position::{OffsetDetails, Position, offset};
use crate::mysql::snapshot::plan::extended;
use crate::mysql::{resume, server};

use self::tables::Tables;

/// What following the binlog remembers from event to event.
pub(super) struct Follower {
    tracker: Tracker,
    shapes: Shapes,
    server: ServerInfo,
    tables: Tables,
    heartbeats: Heartbeats,
    /// The offset that the rows of the current transaction share, once there is one.
    shared: Option<Arc<FlatMap>>,
    /// What else the offsets say: how far a snapshot got.
    extra: Vec<(Text, Value)>,
    /// Where to stop.
    until: Option<Position>,
}

/// Why following ended without an error.
pub(super) enum Ended {
    /// The place was reached at which to stop.
    Reached,
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
            extra: Vec::new(),
            until: None,
        }
    }

    /// What the offsets say beside the position from now on.
    pub(super) fn set_extra(&mut self, extra: Vec<(Text, Value)>) {
        self.extra = extra;
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
        Ok(dump)
    }

    /// Follows the dump until an error ends it.
    pub(super) async fn follow(&mut self, reader: &mut Reader, dump: &mut Dump) -> Result<Ended> {
        let dead_after = reader.config.keep_alive_interval;
        loop {
            if self.is_there() {
                reader.outbox.flush().await?;
                return Ok(Ended::Reached);
            }
            let read = match dump.try_next() {
                Some(read) => read?,
                None => {
                    self.pause(reader).await?;
                    tokio::time::timeout(dead_after, dump.next()).await.map_err(|error| {
                        let silence = dead_after.as_millis();
                        let message =
                            format!("the server sent nothing, not even a sign of life, for {silence} ms");
                        Error::retriable(message).with_source(error)
                    })??
                }
            };
            self.carry_out(reader, dump, read).await?;
            if reader.outbox.is_full() {
                self.heartbeats.beat(&self.tracker, &self.extra, &mut reader.outbox);
                self.show(reader);
                reader.outbox.flush().await?;
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
            Event::Rows(rows) => self.rows(reader, &rows)?,
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
