//! The tracker: where in the binlog we are, and what of the current transaction was handed out already. Pure.
//!
//! A restart reads a transaction again from its start, so the tracker counts the transaction's events from its BEGIN (MariaDB:
//! from its GTID event) and the rows of the current one. Why no row is lost or handed out twice: the counters of a stored
//! position are taken after a row was handed out; the same binlog gives the same events in the same order; so the rows
//! that are left out at a restart are exactly those before the stored position. A stored GTID makes sure that it is the
//! same transaction, and a new one clears what is to be left out.

use api::Text;

use super::event::RawEvent;
use crate::mysql::gtid::{GtidSet, uuid_bytes, uuid_text};
use crate::mysql::position::{Position, Skip};

/// A transaction's GTID before its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pending {
    MySql([u8; 16], String, u64),
    MariaDb(u32, u32, u64),
}

impl Pending {
    /// `uuid:number` or `uuid:tag:number`.
    fn of_mysql(text: &str) -> Option<Self> {
        let (source, number) = text.rsplit_once(':')?;
        let (uuid, tag) = source.split_once(':').unwrap_or((source, ""));
        Some(Self::MySql(uuid_bytes(uuid)?, tag.to_owned(), number.parse().ok()?))
    }
}

/// `uuid:number` or `uuid:tag:number`.
#[must_use]
pub fn gtid_text((uuid, tag, number): &([u8; 16], String, u64)) -> String {
    let colon = if tag.is_empty() { "" } else { ":" };
    format!("{}{colon}{tag}:{number}", uuid_text(uuid))
}

/// Where we are.
#[derive(Debug, Clone)]
pub struct Tracker {
    /// Where a restart would begin: the current transaction's start, or the end of the last.
    restart: Position,
    file: Text,
    start: u64,
    end: u64,
    in_transaction: bool,
    /// Whether the transaction is one statement, which also ends it (MariaDB).
    standalone: bool,
    events: u64,
    /// The events before this one that only come if they are asked for.
    annotations: u64,
    rows: u64,
    /// What is still to be left out.
    skip: Skip,
    pending: Option<Pending>,
    gtid: Option<Text>,
    commit_us: Option<i64>,
    /// The current event's header: seconds and server.
    timestamp_s: u32,
    server_id: u32,
    thread: Option<u32>,
}

impl Tracker {
    /// Starts where a position says.
    #[must_use]
    pub fn new(position: Position) -> Self {
        Self {
            file: position.file.clone(),
            start: position.pos,
            end: position.pos,
            in_transaction: false,
            standalone: false,
            events: 0,
            annotations: 0,
            rows: 0,
            skip: position.skip.clone(),
            restart: Position { skip: Skip::default(), ..position },
            pending: None,
            gtid: None,
            commit_us: None,
            timestamp_s: 0,
            server_id: 0,
            thread: None,
        }
    }

    /// Takes in the header of the next event.
    pub fn enter(&mut self, raw: &RawEvent) {
        self.rows = 0;
        if raw.is_artificial() {
            return;
        }
        (self.timestamp_s, self.server_id) = (raw.timestamp, raw.server_id);
        if raw.inner {
            return;
        }
        self.end = self.end_of(raw);
        self.start = self.end.saturating_sub(u64::from(raw.size));
        self.rest_at(self.end);
    }

    /// Between transactions a restart begins behind what was read. A dump by GTIDs starts at the head of a file: that is not a step back.
    fn rest_at(&mut self, pos: u64) {
        let is_behind =
            self.restart.gtids.is_some() && self.restart.file == self.file && pos < self.restart.pos;
        if !self.in_transaction && !is_behind {
            (self.restart.file, self.restart.pos) = (self.file.clone(), pos);
        }
    }

    /// Where an event ends. Its header holds 32 bits of that; a file may grow larger with one transaction.
    #[must_use]
    pub fn end_of(&self, raw: &RawEvent) -> u64 {
        let next = self.end.wrapping_add(u64::from(raw.size));
        let fits = next & u64::from(u32::MAX) == u64::from(raw.log_pos);
        if fits { next } else { u64::from(raw.log_pos) }
    }

    /// Passes over what ends here.
    pub const fn pass(&mut self, end: u64) {
        self.end = end;
    }

    /// Reading goes on in another file.
    pub fn rotate(&mut self, file: Text, pos: u64) {
        self.file = file;
        (self.start, self.end) = (pos, pos);
        self.rest_at(pos);
    }

    /// A transaction of MySQL is announced. `commit_us` is when it was committed first, 0 if that is not known.
    pub fn mysql_gtid(&mut self, gtid: Option<([u8; 16], String, u64)>, commit_us: u64) {
        self.commit_us = i64::try_from(commit_us).ok().filter(|us| *us != 0 && gtid.is_some());
        self.gtid = gtid.as_ref().map(|gtid| Text::from(gtid_text(gtid)));
        self.pending = gtid.map(|(uuid, tag, number)| Pending::MySql(uuid, tag, number));
    }

    /// A transaction of MariaDB begins.
    pub fn mariadb_gtid(&mut self, domain: u32, sequence: u64, standalone: bool) {
        let server = self.server_id;
        self.gtid = Some(Text::from(format!("{domain}-{server}-{sequence}")));
        self.pending = Some(Pending::MariaDb(domain, server, sequence));
        self.begin(None);
        self.standalone = standalone;
    }

    /// A transaction begins with the current event.
    pub fn begin(&mut self, thread: Option<u32>) {
        if self.in_transaction {
            return;
        }
        self.thread = thread;
        self.in_transaction = true;
        self.standalone = false;
        (self.events, self.annotations) = (0, 0);
        (self.restart.file, self.restart.pos) = (self.file.clone(), self.start);
        if self.gtid.is_none() && self.skip.gtid.is_some() {
            // Started by file and byte, behind the event that tells the GTID.
            self.gtid = self.skip.gtid.clone();
            self.pending = self.gtid.as_deref().and_then(Pending::of_mysql);
        }
    }

    /// What was announced as one statement is a transaction: the statement brings rows.
    pub const fn has_rows(&mut self) {
        self.standalone = false;
    }

    /// The transaction, or a statement outside of one, ends with the current event.
    pub fn commit(&mut self) {
        if self.applies() {
            self.skip = Skip::default();
        }
        (self.restart.file, self.restart.pos) = (self.file.clone(), self.end);
        match (self.pending.take(), &mut self.restart.gtids) {
            (Some(Pending::MySql(uuid, tag, number)), Some(GtidSet::MySql(set))) => {
                set.add(&uuid_text(&uuid), &tag, number);
            }
            (Some(Pending::MariaDb(domain, server, sequence)), Some(GtidSet::MariaDb(set))) => {
                set.add(domain, server, sequence);
            }
            (Some(Pending::MariaDb(domain, server, sequence)), gtids @ None) => {
                let mut set = crate::mysql::gtid::MariaDbGtids::default();
                set.add(domain, server, sequence);
                *gtids = Some(GtidSet::MariaDb(set));
            }
            _ => {}
        }
        (self.in_transaction, self.events, self.annotations, self.rows) = (false, 0, 0, 0);
        (self.gtid, self.commit_us, self.thread) = (None, None, None);
    }

    /// The current event is done with.
    pub const fn leave(&mut self) {
        if self.in_transaction {
            self.events += 1;
            self.rows = 0;
        }
    }

    /// The same for one that only comes if it is asked for. It is not counted, so that a restart may ask otherwise.
    pub const fn leave_annotation(&mut self) {
        if self.in_transaction {
            self.annotations += 1;
            self.rows = 0;
        }
    }

    /// The events before this one, as what is to be left out counts them: Debezium, whose offsets have no GTID of the transaction, counts
    /// all that it was sent.
    const fn counted_events(&self) -> u64 {
        if self.skip.gtid.is_none() { self.events + self.annotations } else { self.events }
    }

    /// An event that was held back comes: it counts as one of the current transaction.
    pub const fn next_held(&mut self) {
        self.rows = 0;
    }

    /// A row of the current event was handed out (or left out).
    pub const fn hand_out(&mut self) {
        self.rows += 1;
    }

    /// So many rows of the current event were handed out.
    pub const fn hand_out_rows(&mut self, count: u64) {
        self.rows += count;
    }

    /// Whether what is to be left out belongs to the current transaction.
    fn applies(&self) -> bool {
        self.in_transaction && (self.skip.gtid.is_none() || self.skip.gtid == self.gtid)
    }

    /// How many rows of the current event are to be left out; `u64::MAX` is all.
    #[must_use]
    pub fn rows_to_skip(&self) -> u64 {
        match () {
            () if self.skip.is_none() || !self.applies() || self.counted_events() > self.skip.events => 0,
            () if self.counted_events() < self.skip.events => u64::MAX,
            () => self.skip.rows,
        }
    }

    /// Whether the current transaction was read up to somewhere before.
    #[must_use]
    pub fn is_resuming(&self) -> bool {
        !self.skip.is_none() && self.applies()
    }

    /// Where a restart would begin, with what it would leave out.
    #[must_use]
    pub fn position(&self) -> Position {
        let mut position = self.restart.clone();
        if self.in_transaction {
            let done = Skip { events: self.events, rows: self.rows, gtid: self.gtid.clone() };
            // A restart within what is still being left out leaves out the same again.
            let done_of_these = (self.counted_events(), self.rows);
            let behind = self.applies() && done_of_these < (self.skip.events, self.skip.rows);
            position.skip = if behind { self.skip.clone() } else { done };
        } else {
            position.skip = self.skip.clone();
        }
        position
    }

    /// Where a restart would begin, by reference and without what it would leave out.
    #[must_use]
    pub const fn restart(&self) -> &Position {
        &self.restart
    }

    /// Whether a transaction is open.
    #[must_use]
    pub const fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Whether the open transaction is one statement, which also ends it.
    #[must_use]
    pub const fn is_standalone(&self) -> bool {
        self.standalone
    }

    /// The events of the transaction before the current one.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The current file.
    #[must_use]
    pub const fn file(&self) -> &Text {
        &self.file
    }

    /// The current event's first byte.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The byte after the current event.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// The current transaction's GTID.
    #[must_use]
    pub const fn gtid(&self) -> Option<&Text> {
        self.gtid.as_ref()
    }

    /// The session of the current transaction.
    #[must_use]
    pub const fn thread(&self) -> Option<u32> {
        self.thread
    }

    /// The server that made the current event.
    #[must_use]
    pub const fn server_id(&self) -> u32 {
        self.server_id
    }

    /// When the change was made, in microseconds: the commit where it is known, else the statement's second.
    #[must_use]
    pub fn timestamp_us(&self) -> i64 {
        self.commit_us.unwrap_or_else(|| i64::from(self.timestamp_s) * 1_000_000)
    }
}

#[cfg(test)]
mod tests;
