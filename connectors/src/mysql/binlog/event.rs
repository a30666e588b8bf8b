//! Events: the frames of the binlog, their headers and the small bodies. Pure; rows and table maps are read elsewhere.
//!
//! Layouts: "Binary Log Event" in MySQL's internals manual, `log_event.h` of MariaDB for types 160 to 171. Invariant: a type that
//! is not known and not marked as ignorable is an error that names itself ([`Event::Unknown`]), so that no change
//! is passed over in silence.

use std::io::Read;

use api::{Bytes, Error, Result};
use flate2::read::ZlibDecoder;

use super::reader::{OutOfBytes, Reader};

/// The common header, and the body without its checksum.
#[derive(Debug, Clone)]
pub struct RawEvent {
    /// The type's number.
    pub kind: u8,
    /// When the statement began, in seconds.
    pub timestamp: u32,
    /// The server that made it.
    pub server_id: u32,
    /// The event's length in the file.
    pub size: u32,
    /// The low 32 bits of the position after it; 0 for events that stand in no file.
    pub log_pos: u32,
    /// The header's flags.
    pub flags: u16,
    /// Whether it came out of a transaction payload, and has no position of its own.
    pub inner: bool,
    /// What follows the header.
    pub body: Bytes,
}

/// The header flag of events that a server makes up for a reader.
const ARTIFICIAL: u16 = 0x20;
/// The header flag of events that may be passed over by who does not know them.
const IGNORABLE: u16 = 0x80;
/// What a compressed event may grow to: the largest event of a server.
const INFLATED_BYTES_MAX: u64 = 1 << 30;

/// What an event says.
#[derive(Debug)]
pub enum Event {
    /// Reading goes on in this file at this byte.
    Rotate {
        /// The file.
        file: Bytes,
        /// The byte.
        pos: u64,
    },
    /// A new file, or a server that started: table numbers mean nothing any more.
    FormatDescription,
    /// MySQL: a transaction begins.
    Gtid(MySqlGtid),
    /// MariaDB: a transaction begins (or, standing alone, one statement).
    MariaDbGtid {
        /// The domain.
        domain: u32,
        /// The number.
        sequence: u64,
        /// Whether no COMMIT ends it: a statement such as DDL.
        standalone: bool,
        /// The name of the XA transaction that it begins and prepares, as `X'31',X'',1`.
        prepares: Option<String>,
    },
    /// A statement.
    Query(Query),
    /// The transaction commits.
    Commit,
    /// A transaction of two phases is prepared; the events so far belong to it.
    XaPrepare {
        /// Whether it is committed with that.
        commits: bool,
    },
    /// The statement that made the rows which follow.
    RowsQuery(Bytes),
    /// Rows will follow under a number; the body goes to [`super::table_map`].
    TableMap(Bytes),
    /// Rows.
    Rows(Rows),
    /// Compressed events follow, which inflate to so many bytes.
    TransactionPayload(u64),
    /// A sign of life.
    Heartbeat,
    /// Nothing that matters here.
    Ignored,
    /// Something that must not be passed over.
    Unknown(&'static str),
}

/// What a GTID event of MySQL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MySqlGtid {
    /// The server, the tag (mostly empty) and the number; a server without GTIDs gives none.
    pub gtid: Option<([u8; 16], String, u64)>,
    /// When it was committed where it was first committed, in microseconds; 0 when the server does not say.
    pub original_commit_us: u64,
}

/// A statement in the binlog.
#[derive(Debug, PartialEq, Eq)]
pub struct Query {
    /// The session that ran it.
    pub thread: u32,
    /// The session's database.
    pub database: String,
    /// The session's `sql_mode`, as its bits.
    pub sql_mode: u64,
    /// The text.
    pub sql: String,
}

/// What a rows event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsKind {
    /// One image a row.
    Insert,
    /// Two images a row.
    Update,
    /// One image a row.
    Delete,
}

/// A rows event, its images not yet decoded.
#[derive(Debug)]
pub struct Rows {
    /// What it does.
    pub kind: RowsKind,
    /// The number of a table map before it.
    pub table_id: u64,
    /// Which columns stand in the images: in the only ones, or in those before an update.
    pub columns: Bytes,
    /// Which columns stand in the images after an update.
    pub columns_after: Bytes,
    /// The images.
    pub images: Bytes,
    /// Whether the images after an update may hold changes of JSON documents in place of them.
    pub partial: bool,
}

/// Event types by number.
mod kind {
    pub(super) const QUERY: u8 = 2;
    pub(super) const ROTATE: u8 = 4;
    pub(super) const FORMAT_DESCRIPTION: u8 = 15;
    pub(super) const XID: u8 = 16;
    pub(super) const TABLE_MAP: u8 = 19;
    pub(super) const HEARTBEAT: u8 = 27;
    pub(super) const ROWS_QUERY: u8 = 29;
    pub(super) const GTID: u8 = 33;
    pub(super) const ANONYMOUS_GTID: u8 = 34;
    pub(super) const XA_PREPARE: u8 = 38;
    pub(super) const PARTIAL_UPDATE_ROWS: u8 = 39;
    pub(super) const TRANSACTION_PAYLOAD: u8 = 40;
    pub(super) const HEARTBEAT_V2: u8 = 41;
    pub(super) const GTID_TAGGED: u8 = 42;
    pub(super) const MARIADB_ANNOTATE: u8 = 160;
    pub(super) const MARIADB_GTID: u8 = 162;
    pub(super) const QUERY_COMPRESSED: u8 = 165;
}

impl Event {
    /// Reads an event's body. The one type that this leaves to the caller is a tagged GTID ([`RawEvent::is_tagged_gtid`]).
    ///
    /// # Errors
    /// `Fatal` when the body is cut off or cannot be inflated; names the type and the position.
    pub fn parse(raw: &RawEvent) -> Result<Self> {
        parse(raw).map_err(|fault| {
            let place = format!("event of type {} that ends at byte {} of the binlog", raw.kind, raw.log_pos);
            Error::fatal(format!("cannot read the {place}")).with_source(fault)
        })
    }
}

impl RawEvent {
    /// Whether the server made it up for its reader: it stands in no file.
    #[must_use]
    pub const fn is_artificial(&self) -> bool {
        self.flags & ARTIFICIAL != 0
            || self.log_pos == 0
            || matches!(self.kind, kind::HEARTBEAT | kind::HEARTBEAT_V2)
    }

    /// Whether it only wraps events that follow.
    #[must_use]
    pub const fn is_wrapper(&self) -> bool {
        self.kind == kind::TRANSACTION_PAYLOAD
    }

    /// Whether it is the statement of rows that MariaDB sends to who asks for it: another reader's binlog does not have it.
    #[must_use]
    pub const fn is_annotation(&self) -> bool {
        self.kind == kind::MARIADB_ANNOTATE
    }

    /// Whether this is a GTID with a tag (MySQL 8.3 and later), which has a layout of its own.
    #[must_use]
    pub const fn is_tagged_gtid(&self) -> bool {
        self.kind == kind::GTID_TAGGED
    }
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the body is cut off")]
    CutOff(#[from] OutOfBytes),
    #[error("a compressed body cannot be inflated")]
    Inflate(#[from] std::io::Error),
    #[error("a compressed body has the unknown algorithm {0}")]
    Algorithm(u8),
    #[error("a compressed body should inflate to {expected} bytes, found {found}")]
    Length { expected: u64, found: usize },
}

fn parse(raw: &RawEvent) -> std::result::Result<Event, Fault> {
    let mut reader = Reader::new(&raw.body);
    Ok(match raw.kind {
        kind::ROTATE => Event::Rotate { pos: reader.number(8)?, file: raw.body.slice(8..) },
        kind::FORMAT_DESCRIPTION => Event::FormatDescription,
        kind::GTID | kind::ANONYMOUS_GTID => Event::Gtid(gtid(raw.kind, &mut reader)?),
        kind::MARIADB_GTID => {
            let (sequence, domain) = (reader.number(8)?, u32::from_le_bytes(reader.array()?));
            let flags = reader.byte()?;
            let prepares = prepared_xid(flags, &mut reader)?;
            Event::MariaDbGtid { domain, sequence, standalone: flags & 1 != 0, prepares }
        }
        kind::QUERY | kind::QUERY_COMPRESSED => Event::Query(query(raw)?),
        kind::XID => Event::Commit,
        kind::XA_PREPARE => Event::XaPrepare { commits: reader.byte()? != 0 },
        kind::TABLE_MAP => Event::TableMap(raw.body.clone()),
        kind::TRANSACTION_PAYLOAD => Event::TransactionPayload(payload_bytes(&mut reader)?),
        kind::HEARTBEAT | kind::HEARTBEAT_V2 => Event::Heartbeat,
        // The first byte is a length that is cut off at 255; the text goes to the end.
        kind::ROWS_QUERY => Event::RowsQuery(raw.body.slice(raw.body.len().min(1)..)),
        kind::MARIADB_ANNOTATE => Event::RowsQuery(raw.body.clone()),
        // Row events: written, updated, deleted; version 1, version 2; MariaDB's compressed ones after the plain.
        23 | 30 | 166 | 169 => Event::Rows(rows(raw, RowsKind::Insert)?),
        24 | 31 | kind::PARTIAL_UPDATE_ROWS | 167 | 170 => Event::Rows(rows(raw, RowsKind::Update)?),
        25 | 32 | 168 | 171 => Event::Rows(rows(raw, RowsKind::Delete)?),
        other => other_event(other, raw.flags),
    })
}

/// Events that are passed over, and those that must not be.
fn other_event(number: u8, flags: u16) -> Event {
    match number {
        // Stop, variables of statements, ignorable, the GTIDs of older files, group replication; MariaDB's checkpoint, GTID list and start of encryption.
        3 | 5 | 13 | 14 | 28 | 35 | 36 | 37 | 161 | 163 | 164 => Event::Ignored,
        26 => Event::Unknown("INCIDENT_EVENT: the server says that changes are missing in its binlog"),
        6..=12 | 17 | 18 => Event::Unknown("LOAD DATA as a statement; set binlog_format=ROW on the server"),
        20..=22 => Event::Unknown("rows in the form of MySQL 5.1"),
        _ if flags & IGNORABLE != 0 => Event::Ignored,
        _ => Event::Unknown("a type that this version does not know"),
    }
}

/// Flags, server, number, then (behind a type byte 2) two clocks of replication, and since 8.0.1 the commit's time: here, and
/// where it was first committed if bit 55 says that the two differ.
fn gtid(kind: u8, reader: &mut Reader<'_>) -> std::result::Result<MySqlGtid, OutOfBytes> {
    const ORIGINAL_FOLLOWS: u64 = 1 << 55;
    reader.take(1)?;
    let (uuid, number) = (reader.array()?, reader.number(8)?);
    let mut original_commit_us = 0;
    if reader.left() >= 17 + 7 {
        reader.take(17)?;
        let here = reader.number(7)?;
        original_commit_us = if here & ORIGINAL_FOLLOWS == 0 { here } else { reader.number(7)? };
    }
    Ok(MySqlGtid { gtid: (kind == kind::GTID).then(|| (uuid, String::new(), number)), original_commit_us })
}

/// The XA transaction that a GTID event of MariaDB begins and prepares: behind the number of a group commit, if that is there.
fn prepared_xid(flags: u8, reader: &mut Reader<'_>) -> std::result::Result<Option<String>, OutOfBytes> {
    const GROUP_COMMIT: u8 = 2;
    const PREPARES: u8 = 64;
    if flags & PREPARES == 0 {
        return Ok(None);
    }
    if flags & GROUP_COMMIT != 0 {
        reader.take(8)?;
    }
    let format = u32::from_le_bytes(reader.array()?);
    let (first, second) = (usize::from(reader.byte()?), usize::from(reader.byte()?));
    let mut hex = |length: usize| -> std::result::Result<String, OutOfBytes> {
        Ok(reader.take(length)?.iter().map(|byte| format!("{byte:02X}")).collect())
    };
    let (first, second) = (hex(first)?, hex(second)?);
    Ok(Some(format!("X'{first}',X'{second}',{format}")))
}

fn query(raw: &RawEvent) -> std::result::Result<Query, Fault> {
    let mut reader = Reader::new(&raw.body);
    let thread = u32::from_le_bytes(reader.array()?);
    reader.take(4)?;
    let database_bytes = usize::from(reader.byte()?);
    reader.take(2)?;
    let status_bytes = reader.length(2)?;
    let sql_mode = sql_mode(reader.take(status_bytes)?);
    let database = text(reader.take(database_bytes)?);
    reader.take(1)?;
    let rest = reader.take(reader.left())?;
    let sql = if raw.kind == kind::QUERY_COMPRESSED { text(&inflate(rest)?) } else { text(rest) };
    Ok(Query { thread, database, sql_mode, sql })
}

/// Text of a statement: UTF-8 from nearly every session, else taken for Windows-1252.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(
        |_| encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
        str::to_owned,
    )
}

/// The session's `sql_mode`. The status variables are numbered and have no lengths, but those that stand before
/// `Q_SQL_MODE_CODE` (1) are known: `Q_FLAGS2_CODE` (0) with four bytes.
fn sql_mode(status: &[u8]) -> u64 {
    let mut reader = Reader::new(status);
    loop {
        match reader.byte() {
            Ok(0) if reader.take(4).is_ok() => {}
            Ok(1) => return reader.number(8).unwrap_or(0),
            _ => return 0,
        }
    }
}

fn rows(raw: &RawEvent, kind: RowsKind) -> std::result::Result<Rows, Fault> {
    let mut reader = Reader::new(&raw.body);
    let table_id = reader.number(6)?;
    reader.take(2)?;
    let is_version_2 = matches!(raw.kind, 30..=32 | kind::PARTIAL_UPDATE_ROWS | 169..=171);
    if is_version_2 {
        // The length counts its own two bytes.
        let extra = reader.length(2)?;
        reader.take(extra.saturating_sub(2))?;
    }
    let bitmap_bytes = reader.length_encoded()?.div_ceil(8);
    let mut bitmap = || -> std::result::Result<Bytes, Fault> {
        let start = reader.position();
        reader.take(bitmap_bytes)?;
        Ok(raw.body.slice(start..start + bitmap_bytes))
    };
    let columns = bitmap()?;
    let columns_after = if kind == RowsKind::Update { bitmap()? } else { Bytes::new() };
    let rest = raw.body.slice(reader.position()..);
    let images = if raw.kind >= 166 { Bytes::from(inflate(&rest)?) } else { rest };
    let partial = raw.kind == kind::PARTIAL_UPDATE_ROWS;
    Ok(Rows { kind, table_id, columns, columns_after, images, partial })
}

/// MariaDB's compressed part: a byte `0x80 | algorithm << 4 | length bytes`, the length big-endian, a zlib stream.
fn inflate(bytes: &[u8]) -> std::result::Result<Vec<u8>, Fault> {
    let mut reader = Reader::new(bytes);
    let head = reader.byte()?;
    if head & 0xf0 != 0x80 {
        return Err(Fault::Algorithm(head >> 4 & 7));
    }
    let length = reader.take(usize::from(head & 7))?;
    let expected = length.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let mut inflated = Vec::new();
    ZlibDecoder::new(reader.take(reader.left())?).take(INFLATED_BYTES_MAX).read_to_end(&mut inflated)?;
    if u64::try_from(inflated.len()).ok() != Some(expected) {
        return Err(Fault::Length { expected, found: inflated.len() });
    }
    Ok(inflated)
}

/// The inflated size that the head of a transaction payload tells: fields of type, length and value, type 3 is the size.
fn payload_bytes(reader: &mut Reader<'_>) -> std::result::Result<u64, OutOfBytes> {
    let mut inflated = 0;
    loop {
        match reader.length_encoded()? {
            0 => return Ok(inflated),
            field => {
                let value = reader.length_encoded_bytes()?;
                if field == 3 {
                    inflated = u64::try_from(Reader::new(value).length_encoded()?).unwrap_or(u64::MAX);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
