//! Following the binlog: each event in turn, into records and positions.
//!
//! The hot path of streaming. Tables that are not captured are left out at their table map, before any row is decoded; a
//! captured table's decoder and schemas are kept as long as the server sends the same table map. Invariant: an event is
//! either carried out in full, with its records in the outbox and the tracker behind it, or ends the reading with an error
//! that names it.

mod marks;
mod rows;
mod schema_changes;
mod statement;
mod tables;

use std::sync::Arc;

use api::{Error, FlatMap, Result, Text};

use super::heartbeat::Heartbeats;
use super::{Availability, Reader, ServerInfo, Shapes};
use crate::mysql::binlog::event::{Event, RawEvent};
use crate::mysql::binlog::stream::{Dump, Read, file_name};
use crate::mysql::binlog::tracker::Tracker;
use crate::mysql::envelope::Moment;
use crate::mysql::envelope::transaction::Transaction;
use crate::mysql::position::{OffsetDetails, Position, offset};
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
    /// The current transaction's counts, where they are wanted.
    transaction: Option<Transaction>,
    /// The statement whose rows come next, where it is wanted.
    query: Option<Text>,
}

impl Follower {
    pub(super) fn new(reader: &Reader, server: ServerInfo, shapes: Shapes, position: Position) -> Self {
        let heartbeats = Heartbeats::new(&reader.config, &reader.envelopes);
        let tables = Tables::default();
        let tracker = Tracker::new(position);
        let (shared, transaction, query) = (None, None, None);
        Self { tracker, shapes, server, tables, heartbeats, shared, transaction, query }
    }

    /// Goes on with the counts of a transaction in which the position lies.
    pub(super) fn counting_on(mut self, transaction: Option<Transaction>) -> Self {
        self.transaction = transaction;
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
    pub(super) async fn follow(&mut self, reader: &mut Reader, dump: &mut Dump) -> Result<()> {
        let dead_after = reader.config.keep_alive_interval;
        loop {
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
                self.heartbeats.beat(&self.tracker, &mut reader.outbox);
                self.show(reader);
                reader.outbox.flush().await?;
            }
        }
    }

    /// Everything that the server has sent is carried out.
    async fn pause(&mut self, reader: &mut Reader) -> Result<()> {
        self.heartbeats.beat(&self.tracker, &mut reader.outbox);
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
                self.mark_begin(reader)?;
            }
            Event::Query(query) => self.statement(reader, &query).await?,
            Event::Commit | Event::XaPrepare => self.commit(reader)?,
            Event::RowsQuery(sql) => {
                if reader.events.config.query {
                    self.query = Some(Text::from(String::from_utf8_lossy(&sql).into_owned()));
                }
            }
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
        offset(&self.tracker.position(), details)
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
            offset(&tracker.position(), details)
        };
        Arc::clone(self.shared.get_or_insert_with(make))
    }
}
