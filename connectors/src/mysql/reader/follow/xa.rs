//! XA transactions: held from their PREPARE, where the binlog has their rows, until their COMMIT or ROLLBACK.
//!
//! The events of a prepared transaction are kept in memory while they are few; the place where they stand in the binlog is
//! always kept, in the offsets too, and they are read from there again when they are needed after a restart or were too many. At
//! XA COMMIT they are carried out as the transaction that the COMMIT is: its GTID, and a restart inside it counts its events
//! from the COMMIT. A transaction that was prepared before the connector's first position is looked for in the whole
//! binlog. Invariant: rows of a prepared transaction come out once it is committed, and never otherwise.

use std::collections::BTreeMap;

use api::{Error, Result, Text};

use super::Follower;
use crate::mysql::binlog::event::{Event, Query};
use crate::mysql::binlog::stream::{Dump, Read};
use crate::mysql::position::Position;
use crate::mysql::reader::Reader;
use crate::mysql::server;

/// What the events of all prepared transactions weigh at most in memory.
const HELD_BYTES_MAX: usize = 32 << 20;
/// Added to `database.server.id` for the session that reads events again.
const SERVER_ID_STEP: u32 = 10_000;
/// Stands between the parts of the list in an offset; in none of them.
const SEPARATOR: char = ';';

/// A prepared transaction.
#[derive(Default)]
struct Prepared {
    /// The file and the first byte.
    place: Option<(Text, u64)>,
    /// The events, unless they must be read again.
    events: Option<Vec<Read>>,
    bytes: usize,
}

/// The transactions that wait for their COMMIT or ROLLBACK.
#[derive(Default)]
pub(super) struct Xa {
    open: Option<(String, Prepared)>,
    prepared: BTreeMap<String, Prepared>,
}

impl Xa {
    /// The transactions as an offset names them: `xid@file:pos;...`.
    pub(super) fn of_offset(text: &str) -> Self {
        let parse = |part: &str| {
            let (xid, place) = part.rsplit_once('@')?;
            let (file, pos) = place.rsplit_once(':')?;
            let place = Some((Text::from(file), pos.parse().ok()?));
            Some((xid.to_owned(), Prepared { place, ..Prepared::default() }))
        };
        Self { open: None, prepared: text.split(SEPARATOR).filter_map(parse).collect() }
    }

    /// What an offset says of them; nothing when there are none.
    pub(super) fn in_offset(&self) -> Option<String> {
        let one = |(xid, prepared): (&String, &Prepared)| {
            prepared.place.as_ref().map(|(file, pos)| format!("{xid}@{file}:{pos}"))
        };
        let all: Vec<_> = self.prepared.iter().filter_map(one).collect();
        (!all.is_empty()).then(|| all.join(&SEPARATOR.to_string()))
    }

    /// Reading goes on from the last position; on another server places mean nothing.
    pub(super) fn reconnect(&mut self, same_server: bool) {
        self.open = None;
        if !same_server {
            self.prepared.values_mut().for_each(|prepared| prepared.place = None);
        }
    }

    /// Whether events belong to a transaction that is not prepared yet.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn weight(&self) -> usize {
        self.prepared.values().map(|prepared| prepared.bytes).sum()
    }

    /// Keeps an event of the open transaction.
    pub(super) fn hold(&mut self, read: Read) {
        let weight = self.weight();
        let Some((_, open)) = &mut self.open else { return };
        open.bytes += read.raw.body.len() + 256;
        match &mut open.events {
            Some(events) if weight + open.bytes <= HELD_BYTES_MAX => events.push(read),
            _ => (open.events, open.bytes) = (None, 0),
        }
    }
}

/// The name of a transaction as its statements write it, without what may follow.
pub(super) fn xid(sql: &str) -> String {
    let upper = sql.trim().to_uppercase();
    let rest = upper.splitn(3, char::is_whitespace).nth(2).unwrap_or_default();
    let rest = rest.strip_suffix("ONE PHASE").unwrap_or(rest);
    rest.chars().filter(|c| !c.is_whitespace()).collect()
}

impl Follower {
    /// XA START.
    pub(super) fn xa_start(&mut self, query: &Query) {
        self.tracker.begin(Some(query.thread).filter(|_| !self.server.mariadb));
        self.xa_open(xid(&query.sql));
    }

    /// What comes belongs to an XA transaction that is not prepared yet.
    pub(super) fn xa_open(&mut self, xid: String) {
        self.shared = None;
        let place = Some((self.tracker.file().clone(), self.tracker.start()));
        self.xa.open = Some((xid, Prepared { place, events: Some(Vec::new()), bytes: 0 }));
    }

    /// The open transaction is prepared, and perhaps committed with that.
    pub(super) async fn xa_prepare(&mut self, reader: &mut Reader, commits: bool) -> Result<()> {
        if let Some((xid, prepared)) = self.xa.open.take() {
            if commits {
                self.mark_begin(reader)?;
                self.carry_out_prepared(reader, &xid, prepared).await?;
            } else {
                self.xa.prepared.insert(xid, prepared);
            }
        }
        self.commit(reader)
    }

    /// XA COMMIT.
    pub(super) async fn xa_commit(&mut self, reader: &mut Reader, query: &Query) -> Result<()> {
        // MariaDB announces it as one statement.
        let is_new = !self.tracker.in_transaction() || self.tracker.is_standalone();
        self.tracker.begin(Some(query.thread).filter(|_| !self.server.mariadb));
        self.tracker.has_rows();
        if is_new {
            self.mark_begin(reader)?;
        }
        let xid = xid(&query.sql);
        let prepared = self.xa.prepared.remove(&xid).unwrap_or_default();
        self.carry_out_prepared(reader, &xid, prepared).await?;
        self.commit(reader)
    }

    /// XA ROLLBACK.
    pub(super) fn xa_rollback(&mut self, reader: &mut Reader, query: &Query) -> Result<()> {
        self.xa.open = None;
        self.xa.prepared.remove(&xid(&query.sql));
        self.commit(reader)
    }

    async fn carry_out_prepared(&mut self, reader: &mut Reader, xid: &str, prepared: Prepared) -> Result<()> {
        if let Some(events) = prepared.events {
            for read in events {
                self.carry_out_held(reader, read).await?;
            }
            return Ok(());
        }
        let place = match prepared.place {
            Some(place) => place,
            None => self.find_prepared(reader, xid).await?,
        };
        let mut dump = self.dump_from(reader, &place).await?;
        loop {
            let read = dump.next().await?;
            match read.event {
                Event::XaPrepare { .. } => break,
                Event::TableMap(_) | Event::Rows(_) | Event::RowsQuery(_) => {
                    self.carry_out_held(reader, read).await?;
                }
                _ => {}
            }
        }
        dump.close().await;
        Ok(())
    }

    async fn carry_out_held(&mut self, reader: &mut Reader, read: Read) -> Result<()> {
        self.tracker.next_held();
        match &read.event {
            Event::TableMap(body) => self.table_map(reader, body).await?,
            Event::Rows(rows) => self.rows(reader, rows)?,
            Event::RowsQuery(sql) => self.rows_query(reader, sql),
            _ => {}
        }
        self.leave(&read.raw);
        if reader.outbox.is_full() {
            reader.outbox.flush().await?;
        }
        Ok(())
    }

    /// Reads the binlog from a place, beside the dump that is running.
    async fn dump_from(&self, reader: &Reader, (file, pos): &(Text, u64)) -> Result<Dump> {
        let mut config = reader.config.clone();
        config.server_id = config.server_id.checked_add(SERVER_ID_STEP).unwrap_or(SERVER_ID_STEP);
        let position = Position { file: file.clone(), pos: *pos, ..Position::default() };
        let doing = || format!("reading an XA transaction again from {file}:{pos}");
        let annotated = reader.events.config.query;
        Dump::open(&config, &self.server, &position, annotated).await.map_err(|error| error.context(doing()))
    }

    /// Looks for the last time that a transaction of this name was prepared before the current position.
    async fn find_prepared(&self, reader: &Reader, name: &str) -> Result<(Text, u64)> {
        tracing::info!(
            xid = name,
            "looking for an XA transaction that was prepared before the connector's position"
        );
        let lost = || {
            Error::fatal(format!(
                "XA transaction {name} is committed at {}:{}, but the server's binlog no longer has its rows; reset the \
                 connector's offsets to take a new snapshot",
                self.tracker.file(),
                self.tracker.start()
            ))
        };
        let mut conn = server::connect(&reader.config).await?;
        let logs = server::rows(&mut conn, "SHOW BINARY LOGS").await?;
        if let Err(error) = conn.disconnect().await {
            tracing::debug!(%error, "closing the session that listed the binlog");
        }
        let first = logs.first().and_then(|row| server::cell(row, 0)).ok_or_else(lost)?;
        let mut dump = self.dump_from(reader, &(Text::from(first.as_str()), 4)).await?;
        let (mut file, mut end, mut started, mut found) = (Text::from(first), 4_u64, None, None);
        // The dump would wait for more at the binlog's end: the COMMIT that brought us here ends the search before.
        while !(file == *self.tracker.file() && end >= self.tracker.end()) {
            let read = dump.next().await?;
            let start = end;
            if !read.raw.is_artificial() && !read.raw.inner {
                end = u64::from(read.raw.log_pos).max(start + u64::from(read.raw.size));
            }
            match read.event {
                Event::Rotate { file: next, pos } => {
                    (file, end) = (crate::mysql::binlog::stream::file_name(&next), pos);
                }
                Event::Query(query) if query.sql.to_uppercase().starts_with("XA START") => {
                    started = (xid(&query.sql) == name).then(|| (file.clone(), start));
                }
                Event::MariaDbGtid { prepares: Some(xid), .. } => {
                    started = (xid == name).then(|| (file.clone(), start));
                }
                Event::XaPrepare { .. } => found = started.take().or(found),
                _ => {}
            }
        }
        dump.close().await;
        found.ok_or_else(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transactions_name_is_the_same_in_all_its_statements() {
        for sql in ["XA START X'31',X'',1", "xa commit x'31', x'', 1", "XA COMMIT X'31',X'',1 ONE PHASE"] {
            assert_eq!(xid(sql), "X'31',X'',1", "{sql}");
        }
    }

    #[test]
    fn offsets_name_the_prepared_ones() {
        let text = "X'31',X'',1@binlog.000001:157;X'32',X'',1@binlog.000002:4";
        assert_eq!(Xa::of_offset(text).in_offset().as_deref(), Some(text));
        assert_eq!(Xa::of_offset("").in_offset(), None);
    }
}
